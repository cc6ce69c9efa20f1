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
    """An answer counts, waits for confirmation, was replaced by a later one, or is before a person."""

    COUNTED = "counted"
    NEEDS_CONFIRMATION = "needs_confirmation"
    SUPERSEDED = "superseded"
    WITH_PERSON = "with_person"
    WITHDRAWN = "withdrawn"


class CaseState(StrEnum):
    OPEN = "open"
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
    _A.COUNTED: frozenset({_A.SUPERSEDED}),
    _A.NEEDS_CONFIRMATION: frozenset({_A.SUPERSEDED, _A.WITHDRAWN}),
    _A.WITH_PERSON: frozenset({_A.SUPERSEDED}),
    _A.SUPERSEDED: frozenset(),
    _A.WITHDRAWN: frozenset(),
}
CASE_ARROWS: dict[CaseState, frozenset[CaseState]] = {
    CaseState.OPEN: frozenset({CaseState.DECIDED}),
    CaseState.DECIDED: frozenset(),
}
