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
from postmuster.base.ids import notice_id
from postmuster.control import queries as control
from postmuster.control.states import Lane
from postmuster.notices import queries
from postmuster.notices.actions import APPROVALS_NEEDED
from postmuster.notices.content import claims_of, digest, reasons_static
from postmuster.notices.queries import RoundsSoFar, StoredRevision
from postmuster.notices.states import NoticeState
from postmuster.notices.terms import AgainTo, NoticeContent
from postmuster.roster import queries as roster
from postmuster.roster.states import EmploymentClass, Status

SAMPLE_ROWS: Final = 20  # R4
_WAS_RELEASED: Final = (NoticeState.RELEASED, NoticeState.SETTLED)
NOT_APPROVED: Final = "The stored revision is not the one that was approved: words of it have changed; draft it again."


@dataclass(frozen=True, slots=True)
class Ground:
    """What a release stands on, and which round it would be."""

    assessment_no: int
    roster_version: int
    round_no: int


@dataclass(frozen=True, slots=True)
class Examination:
    """Why a notice cannot go out, and what it would stand on: the very assessment and roster that were looked at."""

    reasons: tuple[str, ...]
    ground: Ground | None


def examine(notice_no: int, *, now: datetime, again: AgainTo | None = None) -> Examination:
    """Look at a notice once, at every gate; `ground` is there whenever `reasons` is empty (P1).

    `again`: for a further round to these people; else for the first release.
    """
    stored = queries.newest(notice_no)
    rounds = queries.history(notice_no)
    content = stored.content
    assessment = assessments.published(content.assessment.slug, content.assessment.version)
    version = roster.current_version()
    stop = control.stopped(notice_no, Lane.BULK)
    reasons = (
        *(_state_reasons(stored) if again is None else _round_reasons(stored, rounds, again, now)),
        *reasons_static(content, now),
        *_assessment_reasons(content, assessment, now),
        *_roster_reasons(content, version),
        *([f"A {stop.cause} stands: {stop.sentence()}."] if stop else []),
    )
    if assessment is None or version is None:
        return Examination(reasons, None)
    return Examination(reasons, Ground(assessment.assessment_no, version, rounds.released + 1))


def reasons(notice_no: int, *, now: datetime) -> list[str]:
    """Every reason why the notice cannot go out, one sentence each; empty when it can.

    Of a notice that was released: why its next round cannot be.
    """
    was_released = queries.newest(notice_no).state in _WAS_RELEASED
    return list(examine(notice_no, now=now, again=AgainTo.UNPROVEN if was_released else None).reasons)


def _state_reasons(stored: StoredRevision) -> list[str]:
    if stored.state in _WAS_RELEASED:
        shown = notice_id(stored.notice_no)
        return [f"It was released already; `postmuster notice again {shown}` begins a further round."]
    return _approval_reasons(stored)


def _round_reasons(stored: StoredRevision, rounds: RoundsSoFar, to: AgainTo, now: datetime) -> list[str]:
    """Why a further round cannot begin: R17 wants a gap, an end, and nobody asked again who need not be."""
    if stored.state not in _WAS_RELEASED:
        shown = notice_id(stored.notice_no)
        return [f"It was not released yet; its first round begins with `postmuster notice release {shown}`."]
    reasons = _approval_reasons(stored)
    if stored.state is NoticeState.RELEASED:
        reasons.append(f"Round {rounds.released} is not settled yet; wait until everyone of it has a state.")
    if rounds.released >= rounds.maximum:
        reasons.append(f"It had {rounds.released} rounds, and may have {rounds.maximum}; draft a new notice.")
    elif rounds.gap_ends is not None and now < rounds.gap_ends:
        reasons.append(f"The next round may be released from {rounds.gap_ends:%Y-%m-%d %H:%M} UTC.")
    if stored.notice_no in control.closed_to_replies():
        reasons.append("Replies to it are not read now, so nobody can say who answered; resume them first.")
    if to is AgainTo.UNANSWERED and not stored.content.asks:
        reasons.append("It asks nothing, so nobody is unanswered; a round to unproven is possible.")
    return reasons


def _approval_reasons(stored: StoredRevision) -> list[str]:
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
