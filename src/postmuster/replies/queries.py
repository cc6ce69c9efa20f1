"""Reading cases, for those who decide them. Never a word of what somebody wrote."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from postmuster.access.roles import Actor
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import case_id
from postmuster.replies.case_states import Decision, StepKind, Verdict
from postmuster.replies.states import CaseState

_SQL: Final = sql.load("replies")


@dataclass(frozen=True, slots=True)
class Reader:
    """An officer who works on cases. `components` are the numbers of those they are confined to; None: to none."""

    actor: Actor
    components: frozenset[int] | None

    @property
    def listed(self) -> list[int] | None:
        return None if self.components is None else sorted(self.components)


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case with what is known of its reply."""

    case_no: int
    reason: str
    state: str
    opened_at: datetime
    notice_no: int | None
    reply_no: int
    kind: str
    matched_by: str
    grade: str
    late: bool
    component_no: int | None
    decision: str
    claimed_by: int | None
    claimed_until: datetime | None
    proposed_by: int | None
    decided_at: datetime | None
    decided_by: str
    reply_reason: str
    item_no: int
    person_no: int | None
    round_no: int | None
    accepted_at: datetime
    seq: int | None

    def is_claimed(self, now: datetime) -> bool:
        """Whether somebody works on it. A claim that has run out is none."""
        return self.state != CaseState.DECIDED and self.claimed_until is not None and self.claimed_until > now


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step that says something of a decision."""

    step_no: int
    officer_no: int
    verdict: Verdict
    moves: object


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One thing done with a case, a look among them. `said` is the decision as it is typed."""

    at: datetime
    kind: str
    officer_no: int
    said: str
    because: str


@dataclass(frozen=True, slots=True)
class LookRow:
    """One look at what a person wrote."""

    at: datetime
    officer_no: int
    case_no: int
    reply_no: int
    because: str


def cases(
    *,
    state: str = CaseState.OPEN,
    reason: str = "",
    notice_no: int | None = None,
    components: Collection[int] | None = None,
    limit: int = 100,
) -> list[CaseRow]:
    """Cases in the order they were opened. Index: primary key, replies_case_by_reason, replies_case_by_component."""
    return _cases(state=state, reason=reason, notice_no=notice_no, components=components, limit=limit)


def case(case_no: int, *, reader: Reader | None = None) -> CaseRow:
    """One case; `Refused` when there is none, or none of the components that `reader` is confined to."""
    found = _cases(case_no=case_no, components=reader.components if reader else None)
    if not found:
        theirs = " of your components" if reader and reader.components is not None else ""
        raise Refused(f"There is no case {case_id(case_no)}{theirs}; nothing was done; see `postmuster case list`.")
    return found[0]


def last_step(case_no: int, kind: StepKind) -> StepRow | None:
    """The newest step of a kind. Index: replies_case_step_case."""
    found = sql.row(_SQL["last_step"], {"case_no": case_no, "kind": str(kind)})
    return StepRow(int(found[0]), int(found[1]), _verdict(*found[2:6]), found[6]) if found else None


def case_history(case_no: int) -> list[HistoryRow]:
    """Everything done with a case, in order. Index: replies_case_step_case, replies_look_case."""
    return [
        HistoryRow(at, str(kind), int(officer_no), _verdict(*said).words if said[0] else "", str(because))
        for at, kind, officer_no, *said, because in sql.rows(_SQL["history"], {"case_no": case_no})
    ]


def looks_at(person_no: int, *, limit: int = 100) -> list[LookRow]:
    """Who looked at what a person wrote, newest first. Index: replies_look_person."""
    found = sql.rows(_SQL["looks_at"], {"person_no": person_no, "limit": limit})
    return [
        LookRow(at, int(officer), int(case_no), int(reply_no), why) for at, officer, case_no, reply_no, why in found
    ]


def _cases(
    *,
    case_no: int | None = None,
    state: str = "",
    reason: str = "",
    notice_no: int | None = None,
    components: Collection[int] | None = None,
    limit: int = 1,
) -> list[CaseRow]:
    values = {
        "case_no": case_no, "state": str(state), "reason": str(reason), "notice_no": notice_no, "limit": limit,
        "components": None if components is None else sorted(components),
    }  # fmt: skip
    return [CaseRow(*row) for row in sql.rows(_SQL["cases_of"], values)]


def _verdict(decision: str, answer: str, choice: str, items: int) -> Verdict:
    return Verdict(Decision(decision), answer, choice, int(items))


def election_counts(notice_no: int) -> list[tuple[str, str, int]]:
    """Elections of a notice by choice and state. Index: replies_answer_stands_once covers those that stand."""
    found = sql.rows(
        "SELECT choice, state, count(*) FROM replies_answer WHERE notice_no = %s AND type = 'election' "
        "GROUP BY choice, state ORDER BY choice, state",
        (notice_no,),
    )
    return [(str(choice), str(state), int(count)) for choice, state, count in found]
