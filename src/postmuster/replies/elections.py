"""Moving elections along their arrows, and nowhere else. Everything runs in the caller's transaction, which holds the person
(`actions.lock_people`), writes the letter that tells them, and the ledger entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from postmuster.base import sql
from postmuster.base.errors import Defect, Refused
from postmuster.replies.election_queries import election_id, read_row
from postmuster.replies.election_states import BEGINS, ELECTION_ARROWS, ElectionState
from postmuster.replies.election_values import Election, Move, NewElection
from postmuster.replies.models import Election as Row
from postmuster.replies.models import ElectionStep
from postmuster.replies.states import AnswerState

_SQL = sql.load("replies")
_ANSWER_IS = {
    ElectionState.RECORDED: AnswerState.COUNTED,
    ElectionState.DECLINED: AnswerState.NOT_COUNTED,
    ElectionState.LAPSED: AnswerState.NOT_COUNTED,
}


def begin(new: Sequence[NewElection], *, now: datetime) -> list[Move]:
    """Open elections; they stand as soon as the transaction commits, and change nothing yet."""
    if not new:
        return []
    if any(one.state not in BEGINS for one in new):
        raise Defect("An election was begun in a state in which none begins; nothing was recorded; please report it.")
    numbers = [int(row[0]) for row in sql.rows(_SQL["draw_elections"], {"count": len(new)})]
    rows = [
        Row(
            id=number,
            answer_id=one.answer_no,
            notice_no=one.ref.notice_no,
            round_no=one.ref.round_no,
            seq=one.ref.seq,
            person_no=one.person_no,
            component_no=one.component_no,
            choice=one.choice,
            grade=one.grade,
            state=str(one.state),
            reason=one.reason,
            read_at=one.read_at,
            since=now,
            code_until=one.code_until,
        )
        for number, one in zip(numbers, new, strict=True)
    ]
    with sql.guarded():
        Row.objects.bulk_create(rows)
    return [Move(read_row(row), None) for row in rows]


def move(election: Election, to: ElectionState, *, now: datetime, reason: str | None = None, **moments: Any) -> Move:
    """Let an election take one step; the answer it stands on follows. `moments` are columns of the row (`review_until=…`).

    Raises `Refused` when no arrow leads there, or another hand was quicker.
    """
    if to not in ELECTION_ARROWS[election.state]:
        raise Refused(
            f"{election_id(election.election_no)} is {_plain(election.state)} and cannot become {_plain(to)}; nothing was "
            f"changed; see `postmuster election show {election_id(election.election_no)}`."
        )
    values = {"state": str(to), "since": now} | moments | ({} if reason is None else {"reason": reason})
    with sql.guarded():
        if not Row.objects.filter(pk=election.election_no, state=str(election.state)).update(**values):
            raise Refused(
                f"{election_id(election.election_no)} has moved meanwhile; nothing was changed; look at it again."
            )
        if to in _ANSWER_IS:
            sql.execute(_SQL["settle_answer"], {"answer_no": election.answer_no, "state": str(_ANSWER_IS[to])})
        return Move(read_row(Row.objects.get(pk=election.election_no)), election.state)


def count_try(election: Election) -> Election:
    """Note that a wrong code was typed."""
    with sql.guarded():
        Row.objects.filter(pk=election.election_no).update(tries=election.tries + 1)
        return read_row(Row.objects.get(pk=election.election_no))


def write_steps(moves: Sequence[tuple[Move, int | None]], *, by: str, now: datetime) -> None:
    """Keep each step with the letter that told its person; None where their address is somebody else's by now."""
    steps = [
        ElectionStep(
            election_id=one.election.election_no,
            before=str(one.before or ""),
            after=str(one.election.state),
            at=now,
            by=by,
            letter_no=letter_no,
        )
        for one, letter_no in moves
    ]
    with sql.guarded():
        ElectionStep.objects.bulk_create(steps)


def _plain(state: ElectionState) -> str:
    return str(state).replace("_", " ")
