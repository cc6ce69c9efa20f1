"""Reading cases, for those who decide them. Never a word of what somebody wrote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import case_id
from postmuster.replies.models import Case
from postmuster.replies.states import CaseState


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


def cases(
    *, state: str = CaseState.OPEN, reason: str = "", notice_no: int | None = None, limit: int = 100
) -> list[CaseRow]:
    """Cases in the order they were opened. Index: replies_case_open."""
    with sql.guarded():
        found = Case.objects.select_related("reply").filter(state=state).order_by("id")
        if reason:
            found = found.filter(reason=reason)
        if notice_no is not None:
            found = found.filter(reply__notice_no=notice_no)
        return [_row(case) for case in found[:limit]]


def case(case_no: int) -> CaseRow:
    """One case; `Refused` when there is none."""
    with sql.guarded():
        found = Case.objects.select_related("reply").filter(pk=case_no).first()
    if found is None:
        raise Refused(f"There is no case {case_id(case_no)}; nothing was done; see `postmuster case list`.")
    return _row(found)


def _row(found: Case) -> CaseRow:
    reply = found.reply
    return CaseRow(
        found.pk, found.reason, found.state, found.opened_at, reply.notice_no, reply.pk, reply.kind, reply.matched_by,
        reply.grade, reply.late, reply.component_no, found.decision,
    )  # fmt: skip


def election_counts(notice_no: int) -> list[tuple[str, str, int]]:
    """Elections of a notice by choice and state. Index: replies_answer_stands_once covers those that stand."""
    found = sql.rows(
        "SELECT choice, state, count(*) FROM replies_answer WHERE notice_no = %s AND type = 'election' "
        "GROUP BY choice, state ORDER BY choice, state",
        (notice_no,),
    )
    return [(str(choice), str(state), int(count)) for choice, state, count in found]
