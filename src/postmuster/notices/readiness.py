"""Why a notice cannot go out yet: every reason, from every gate (P1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from postmuster.assessments import queries as assessments
from postmuster.assessments.coverage import overdue, uncovered
from postmuster.assessments.queries import Published
from postmuster.control import queries as control
from postmuster.control.states import Lane
from postmuster.notices import queries
from postmuster.notices.actions import APPROVALS_NEEDED
from postmuster.notices.content import claims_of, digest, reasons_static
from postmuster.notices.queries import StoredRevision
from postmuster.notices.states import NoticeState
from postmuster.notices.terms import NoticeContent
from postmuster.roster import queries as roster
from postmuster.roster.states import EmploymentClass, Status

SAMPLE_ROWS: Final = 20  # R4
NOT_APPROVED: Final = "The stored revision is not the one that was approved: words of it have changed; draft it again."


@dataclass(frozen=True, slots=True)
class Ground:
    """What a release stands on."""

    assessment_no: int
    roster_version: int


@dataclass(frozen=True, slots=True)
class Examination:
    """Why a notice cannot go out, and what it would stand on: the very assessment and roster that were looked at."""

    reasons: tuple[str, ...]
    ground: Ground | None


def examine(notice_no: int, *, now: datetime) -> Examination:
    """Look at a notice once, at every gate; `ground` is there whenever `reasons` is empty (P1)."""
    stored = queries.newest(notice_no)
    content = stored.content
    assessment = assessments.published(content.assessment.slug, content.assessment.version)
    version = roster.current_version()
    stop = control.stopped(notice_no, Lane.BULK)
    reasons = (
        *_state_reasons(stored),
        *reasons_static(content, now),
        *_assessment_reasons(content, assessment, now),
        *_roster_reasons(content, version),
        *([f"A {stop.cause} stands: {stop.sentence()}."] if stop else []),
    )
    if assessment is None or version is None:
        return Examination(reasons, None)
    return Examination(reasons, Ground(assessment.assessment_no, version))


def reasons(notice_no: int, *, now: datetime) -> list[str]:
    """Every reason why the notice cannot go out, one sentence each; empty when it can."""
    return list(examine(notice_no, now=now).reasons)


def _state_reasons(stored: StoredRevision) -> list[str]:
    if stored.state in (NoticeState.RELEASED, NoticeState.SETTLED):
        return ["It was released already; draft a new notice."]
    reasons = [] if is_intact(stored) else [NOT_APPROVED]
    missing = APPROVALS_NEEDED - len(set(stored.approved_by) - queries.editors(stored.notice_no))
    if missing > 0:
        reasons.append(
            f"{missing} of {APPROVALS_NEEDED} approvals are missing, by officers who neither drafted nor edited it."
        )
    return reasons


def is_intact(stored: StoredRevision) -> bool:
    """Whether the stored words, and those generated around them, are still the ones whose digest was approved."""
    return _digest(stored.content) == stored.digest.hex()


@lru_cache(maxsize=64)
def _digest(content: NoticeContent) -> str:
    """Kept, because every send job of a round asks."""
    return digest(content)


def _assessment_reasons(content: NoticeContent, found: Published | None, now: datetime) -> list[str]:
    if found is None:
        return [f"No assessment “{content.assessment.slug}” is published; a privacy officer publishes one."]
    return [*uncovered(claims_of(content), found.document), *overdue(found.document, now.date())]


def _roster_reasons(content: NoticeContent, version: int | None) -> list[str]:
    if version is None:
        return ["No roster is loaded; run `postmuster roster load`."]
    audience = content.audience
    _, unknown = roster.component_numbers(audience.components, subtree=audience.subtree)
    return [f"The component “{name}” is not in the roster." for name in unknown]


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom a notice would reach if it were released now. `sample` holds person_id, class, component, language."""

    version: int | None
    people: int
    addressed: int
    withheld: Mapping[str, int]
    by_component_and_class: tuple[tuple[str, str, int], ...]
    sample: tuple[tuple[str, str, str, str], ...]

    def as_json(self) -> dict[str, object]:
        return {
            "roster_version": self.version,
            "people": self.people,
            "addressed": self.addressed,
            "withheld": dict(self.withheld),
            "by_component_and_class": [
                {"component": path, "class": klass, "people": count}
                for path, klass, count in self.by_component_and_class
            ],
            "sample": [
                {"person_id": one[0], "class": one[1], "component": one[2], "language": one[3]} for one in self.sample
            ],
        }


def reach(notice_no: int) -> Reach:
    """Count by component and class whom the newest revision addresses, and draw twenty of them (R4).

    Attributes narrow further at release; the counts here are by component, class and status.
    """
    version = roster.current_version()
    if version is None:
        return Reach(None, 0, 0, {}, (), ())
    audience = queries.newest(notice_no).content.audience
    inside, _ = roster.component_numbers(audience.components, subtree=audience.subtree)
    withheld: Counter[str] = Counter()
    addressed: Counter[tuple[str, str]] = Counter()
    people = 0
    for count in roster.counts_by_component_and_class(version):
        people += count.people
        why = _withheld(count, inside, audience.classes)
        if why:
            withheld[why] += count.people
        else:
            addressed[count.component, str(count.employment_class)] += count.people
    drawn = roster.sample(
        version,
        count=SAMPLE_ROWS,
        seed=notice_no,
        classes=tuple(EmploymentClass(name) for name in audience.classes),
        statuses=(Status.ACTIVE, Status.ON_LEAVE),
        component_nos=sorted(inside),
    )
    return Reach(
        version,
        people,
        addressed.total(),
        dict(withheld),
        tuple((path, klass, count) for (path, klass), count in sorted(addressed.items())),
        tuple((one.person_id, str(one.employment_class), one.component, one.language) for one in drawn),
    )


def _withheld(count: roster.Count, inside: frozenset[int], classes: Sequence[str]) -> str:
    """Why these people are left out; in the order in which expand asks."""
    if count.status in (Status.SEPARATED, Status.NO_MAIL_ACCESS):
        return str(count.status)
    if count.component_no not in inside:
        return "component"
    return "" if str(count.employment_class) in classes else "employment_class"
