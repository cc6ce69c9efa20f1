"""What a decision does to the answers of a person, and what taking it back restores.

Promises: no answer is deleted and none is rewritten. A decision adds an answer of its own beside the one that was read, and
moves states; each move is kept with the step that made it. Of two answers of one person to one notice the one whose mail we
accepted later stands, whenever it was decided (R37).

Everything runs in the caller's transaction, which holds the case and the (notice, person) pair.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from postmuster.base import sql
from postmuster.base.errors import Defect, Refused
from postmuster.base.ids import case_id
from postmuster.replies.case_states import Decision, Verdict
from postmuster.replies.models import Answer, Reply
from postmuster.replies.states import ANSWER_ARROWS, AnswerState

STANDING: Final = frozenset({AnswerState.COUNTED, AnswerState.NEEDS_CONFIRMATION})
_UNDOABLE: Final = STANDING | {AnswerState.SUPERSEDED, AnswerState.WITHDRAWN}
_ELECTION: Final = "election"
_SURE: Final = 1.0  # a person read it
_SQL = sql.load("replies")

Move = tuple[int, str, str]  # an answer, its state before and after


@dataclass(frozen=True, slots=True)
class Effect:
    """What a decision made and moved. `answer_no` is the answer that it added, with the state in which it began."""

    answer_no: int | None = None
    state: AnswerState | None = None
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    answer_no: int
    type: str
    state: str
    mail_no: int = 0
    choice: str = ""


def is_answering(verdict: Verdict) -> bool:
    """Whether a decision says that the reply answers something."""
    return verdict.decision is Decision.COUNTS or verdict.answer not in ("", Decision.NONE)


def changes_election(reply: Reply, verdict: Verdict) -> bool:
    """Whether carrying this out begins, replaces or takes back an election."""
    if not is_answering(verdict):
        return False
    if verdict.answer == _ELECTION or verdict.decision is Decision.COUNTS:
        return True
    stands = _standing(reply)
    return stands is not None and stands.type == _ELECTION and stands.mail_no < reply.mail_no


def carry_out(reply: Reply, verdict: Verdict, step_no: int) -> Effect:
    """Give a reply the answer that was decided, or none, and let the latest by our acceptance stand."""
    read, moves = _read(reply), list[Move]()
    if read is not None and read.state == AnswerState.WITH_PERSON:
        _move(moves, read, AnswerState.REPLACED if is_answering(verdict) else AnswerState.NO_ANSWER)
    if not is_answering(verdict):
        return Effect(moves=tuple(moves))
    if reply.notice_no is None or reply.person_no is None or reply.component_no is None:
        raise Refused(
            "This reply belongs to no person, so it can answer nothing; nothing was decided; decide otherwise."
        )
    kind, choice = (
        (verdict.answer, verdict.choice) if verdict.answer else (read.type, read.choice) if read else ("", "")
    )
    state = AnswerState.NEEDS_CONFIRMATION if kind == _ELECTION else AnswerState.COUNTED
    stands = _standing(reply)
    if stands is not None and stands.mail_no > reply.mail_no:
        state = AnswerState.SUPERSEDED
    elif stands is not None:
        takes_back = kind == Decision.WITHDRAW and stands.type == _ELECTION
        _move(moves, stands, AnswerState.WITHDRAWN if takes_back else AnswerState.SUPERSEDED)
    made = Answer.objects.create(
        reply=reply, decided_in=step_no, notice_no=reply.notice_no, person_no=reply.person_no,
        component_no=reply.component_no, type=kind, choice=choice, items=verdict.items, confidence=_SURE,
        reasons=["decided_by_person"], state=state, accepted_at=reply.accepted_at,
    )  # fmt: skip
    return Effect(int(made.pk), state, tuple(moves))


def take_back(reply: Reply, case_no: int, step_no: int, moved: Sequence[Move]) -> Effect:
    """Undo what a step did: its answer is undone, what was read is before a person again, and what stood before stands.

    Raises `Refused` when the answer has gone on since, such as an election that was confirmed.
    """
    moves = list[Move]()
    made = sql.row(_SQL["decided_answer"], {"reply_no": reply.pk, "step_no": step_no})
    stood = made is not None and made[1] in STANDING
    if made is not None:
        if made[1] not in _UNDOABLE or (made[1], made[2]) == (AnswerState.COUNTED, _ELECTION):
            raise Refused(
                f"The answer that {case_id(case_no)} made has gone on since ({made[1]}); nothing was undone; decide there."
            )
        _move(moves, _Row(int(made[0]), "", made[1]), AnswerState.UNDONE)
    for answer_no, before, after in moved:
        if before == AnswerState.WITH_PERSON:
            _move(moves, _Row(answer_no, "", after), AnswerState.WITH_PERSON)
    if stood and _standing(reply) is None:
        _let_stand(reply, moved, moves)
    return Effect(moves=tuple(moves))


def read_moves(stored: object) -> tuple[Move, ...]:
    """The moves of a step as they are stored."""
    given = json.loads(stored) if isinstance(stored, str) else stored
    if not isinstance(given, list):
        return ()
    return tuple((int(one[0]), str(one[1]), str(one[2])) for one in given)


def _let_stand(reply: Reply, moved: Sequence[Move], moves: list[Move]) -> None:
    """The newest answer that had to give way stands again in the state it had; a choice has to be confirmed anew."""
    values = {"notice_no": reply.notice_no, "person_no": reply.person_no, "moved": [one[0] for one in moved]}
    found = sql.row(_SQL["next_standing"], values)
    if found is None:
        return
    answer_no, kind, state = int(found[0]), str(found[1]), str(found[2])
    after = AnswerState.NEEDS_CONFIRMATION if kind == _ELECTION else AnswerState.COUNTED
    _move(moves, _Row(answer_no, kind, state), after)


def _move(moves: list[Move], of: _Row, after: AnswerState) -> None:
    if after not in ANSWER_ARROWS[AnswerState(of.state)]:
        raise Defect(f"No arrow leads from {of.state} to {after}; nothing was changed; please report it.")
    values = {"answer_no": of.answer_no, "before": of.state, "after": str(after)}
    if not sql.rows(_SQL["move_answer"], values):
        raise Refused("Somebody else moved this answer meanwhile; nothing was changed; look at the case again.")
    moves.append((of.answer_no, of.state, str(after)))


def _read(reply: Reply) -> _Row | None:
    found = sql.row(_SQL["answer_read"], {"reply_no": reply.pk})
    return _Row(int(found[0]), found[2], found[1], choice=found[3]) if found else None


def _standing(reply: Reply) -> _Row | None:
    if reply.notice_no is None or reply.person_no is None:
        return None
    found = sql.row(_SQL["standing"], {"notice_no": reply.notice_no, "person_no": reply.person_no})
    return _Row(int(found[0]), found[1], found[2], int(found[3])) if found else None
