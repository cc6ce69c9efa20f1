"""Reading notices, their revisions and rounds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from postmuster.assessments.kinds import NoticeKind
from postmuster.assessments.table import Refusals
from postmuster.base import sql
from postmuster.base.errors import Defect, Refused
from postmuster.base.ids import notice_id
from postmuster.notices.content import read_notice
from postmuster.notices.models import Approval, Notice, Revision, Round
from postmuster.notices.states import NoticeState, RoundState
from postmuster.notices.terms import AgainTo, NoticeContent

_OPEN_WAVE = "SELECT open_wave FROM notices_round WHERE notice_id = %(notice_no)s AND number = %(number)s"
_ANY_URGENT = """
SELECT EXISTS (SELECT FROM notices_round r JOIN notices_notice n ON n.id = r.notice_id
               WHERE r.state <> 'settled' AND n.kind = %(kind)s::text)
"""


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """A notice as its newest revision says it, or as the revision of a round did."""

    notice_no: int
    state: NoticeState
    drafted_by: int
    revision_pk: int
    number: int
    digest: bytes
    content: NoticeContent
    approved_by: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StoredRound:
    """One round, with what it says."""

    notice_no: int
    number: int
    state: RoundState
    roster_version: int
    assessment_no: int
    audience: int
    released_at: datetime
    revision: StoredRevision
    to: AgainTo = AgainTo.EVERYONE
    open_wave: int = 0
    wave_opened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RoundsSoFar:
    """How often a notice was released, how often it may be, and from when the next release is allowed as far as time goes."""

    released: int
    maximum: int
    gap_ends: datetime | None

    @property
    def next_from(self) -> datetime | None:
        """When the next round may be released; None before the first one, and when there may be no more."""
        return self.gap_ends if self.released < self.maximum else None

    def as_json(self) -> dict[str, object]:
        """The object `rounds` of `notice check --json` and `notice status --json`, stable."""
        next_from = self.next_from
        return {
            "released": self.released,
            "maximum": self.maximum,
            "next_from": next_from.isoformat() if next_from else None,
        }


def newest(notice_no: int) -> StoredRevision:
    """The newest revision of a notice. `Refused` when there is no such notice."""
    with sql.guarded():
        revision = Revision.objects.select_related("notice").filter(notice_id=notice_no).order_by("-number").first()
        if revision is None:
            raise Refused(f"There is no notice {notice_id(notice_no)}; nothing was done; see `postmuster notice list`.")
        return _revision(revision)


def editors(notice_no: int) -> frozenset[int]:
    """Every officer who drafted or edited any revision: none of them may approve (P1)."""
    with sql.guarded():
        edited = Revision.objects.filter(notice_id=notice_no).values_list("edited_by_id", flat=True)
        drafted = Notice.objects.filter(pk=notice_no).values_list("drafted_by_id", flat=True)
        return frozenset([*edited, *drafted])


def round_of(notice_no: int, number: int | None = None) -> StoredRound | None:
    """A round of a notice, the newest when no number is given. Index: notices_round_once."""
    with sql.guarded():
        found = Round.objects.select_related("revision__notice").filter(notice_id=notice_no).order_by("-number")
        row = (found.filter(number=number) if number is not None else found).first()
        return _round(row) if row else None


def history(notice_no: int) -> RoundsSoFar:
    """How many rounds a notice had and how many it may have. Index: notices_round_once."""
    terms = newest(notice_no).content.rounds
    with sql.guarded():
        last = Round.objects.filter(notice_id=notice_no).order_by("-number").first()
    if last is None:
        return RoundsSoFar(0, terms.maximum, None)
    gap = timedelta(hours=terms.minimum_gap_hours)
    return RoundsSoFar(last.number, terms.maximum, last.released_at + gap)


def open_wave(notice_no: int, number: int) -> int:
    """The last wave of a round that may be sent. Index: notices_round_once."""
    found = sql.prepared(_OPEN_WAVE, {"notice_no": notice_no, "number": number})
    return int(found[0][0]) if found else 0


def urgent_rounds(notice_no: int) -> list[StoredRound]:
    """Rescissions that are not settled; none for a notice that is one itself. They overtake everything else."""
    if not sql.prepared(_ANY_URGENT, {"kind": str(NoticeKind.RESCISSION)})[0][0]:
        return []  # asked before each batch
    with sql.guarded():
        urgent = Round.objects.select_related("revision__notice").filter(notice__kind=NoticeKind.RESCISSION)
        if not (found := list(urgent.exclude(state=RoundState.SETTLED).order_by("id"))):
            return []
        return [] if any(row.notice_id == notice_no for row in found) else [_round(row) for row in found]


def open_rounds() -> list[StoredRound]:
    """Rounds that are not settled."""
    with sql.guarded():
        found = Round.objects.select_related("revision__notice").exclude(state=RoundState.SETTLED).order_by("id")
        return [_round(row) for row in found]


def released() -> list[StoredRound]:
    """The newest round of every notice that was released."""
    with sql.guarded():
        found = Round.objects.select_related("revision__notice").order_by("notice_id", "-number").distinct("notice_id")
        return [_round(row) for row in found]


def last_round_pk() -> int:
    """The newest round's row, 0 before the first: it changes whenever something is released. Index: primary key."""
    return int(sql.value("SELECT coalesce(max(id), 0) FROM notices_round"))


def listing() -> list[StoredRevision]:
    """Every notice with its newest revision."""
    with sql.guarded():
        found = Revision.objects.select_related("notice").order_by("notice_id", "-number").distinct("notice_id")
        return [_revision(row) for row in found]


def _revision(row: Revision) -> StoredRevision:
    approved = Approval.objects.filter(revision=row).order_by("id").values_list("officer_id", flat=True)
    bodies = tuple(sorted((str(language), str(text)) for language, text in row.bodies.items()))
    return StoredRevision(
        notice_no=row.notice_id,
        state=NoticeState(row.notice.state),
        drafted_by=row.notice.drafted_by_id,
        revision_pk=row.pk,
        number=row.number,
        digest=bytes(row.digest),
        content=_content(bytes(row.toml), bodies),
        approved_by=tuple(approved),
    )


def _round(row: Round) -> StoredRound:
    return StoredRound(
        notice_no=row.notice_id,
        number=row.number,
        state=RoundState(row.state),
        roster_version=row.roster_version,
        assessment_no=row.assessment_no,
        audience=row.audience,
        released_at=row.released_at,
        revision=_revision(row.revision),
        to=AgainTo(row.to),
        open_wave=row.open_wave,
        wave_opened_at=row.wave_opened_at,
    )


@lru_cache(maxsize=64)
def _content(toml: bytes, bodies: tuple[tuple[str, str], ...]) -> NoticeContent:
    content = read_notice(toml, {language: text.encode() for language, text in bodies})
    if isinstance(content, Refusals):
        raise Defect("A stored revision can no longer be read; nothing was done; please report it.")
    return content
