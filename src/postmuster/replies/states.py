"""Words of replies: how one was matched, why it does not count, and the lives of an answer and a case."""

from __future__ import annotations

from enum import StrEnum


class MatchedBy(StrEnum):
    """What tied a reply to a delivery, strongest first."""

    TOKEN = "token"  # noqa: S105 - a word, not a secret
    VERP = "verp"
    REFERENCES = "references"
    SENDER = "sender"
    NOTHING = "nothing"


class AnswerState(StrEnum):
    """An answer counts, waits for confirmation, was replaced by a later one, or is before a person.

    `replaced`: a person decided what the reply says, and that is an answer of its own. `no_answer`: a person decided that it
    answers nothing. `undone`: what a person decided and took back. `not_counted`: an election that lapsed or was declined.
    """

    COUNTED = "counted"
    NEEDS_CONFIRMATION = "needs_confirmation"
    SUPERSEDED = "superseded"
    WITH_PERSON = "with_person"
    WITHDRAWN = "withdrawn"
    REPLACED = "replaced"
    NO_ANSWER = "no_answer"
    UNDONE = "undone"
    NOT_COUNTED = "not_counted"


class CaseState(StrEnum):
    """A case is open, proposed while a second officer has to confirm the decision, and decided."""

    OPEN = "open"
    PROPOSED = "proposed"
    DECIDED = "decided"


class CaseReason(StrEnum):
    """Why a reply is before a person."""

    UNCLEAR = "unclear"
    QUESTION = "question"
    NOT_MINE = "not_mine"
    OTHER_AUTHOR = "other_author"
    MARKED = "marked"
    UNMATCHED = "unmatched"
    UNREADABLE = "unreadable"
    COMPLAINT = "complaint"
    LATE = "late"


_A = AnswerState
ANSWER_ARROWS: dict[AnswerState, frozenset[AnswerState]] = {
    _A.COUNTED: frozenset({_A.SUPERSEDED, _A.WITHDRAWN, _A.UNDONE}),
    _A.NEEDS_CONFIRMATION: frozenset({_A.COUNTED, _A.SUPERSEDED, _A.WITHDRAWN, _A.UNDONE, _A.NOT_COUNTED}),
    _A.WITH_PERSON: frozenset({_A.REPLACED, _A.NO_ANSWER}),
    _A.SUPERSEDED: frozenset({_A.COUNTED, _A.NEEDS_CONFIRMATION, _A.UNDONE}),
    _A.WITHDRAWN: frozenset({_A.NEEDS_CONFIRMATION, _A.UNDONE}),
    _A.REPLACED: frozenset({_A.WITH_PERSON}),
    _A.NO_ANSWER: frozenset({_A.WITH_PERSON}),
    _A.UNDONE: frozenset(),
    _A.NOT_COUNTED: frozenset(),
}
CASE_ARROWS: dict[CaseState, frozenset[CaseState]] = {
    CaseState.OPEN: frozenset({CaseState.PROPOSED, CaseState.DECIDED}),
    CaseState.PROPOSED: frozenset({CaseState.OPEN, CaseState.DECIDED}),
    CaseState.DECIDED: frozenset({CaseState.OPEN}),
}
