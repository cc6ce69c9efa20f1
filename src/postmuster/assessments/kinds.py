"""What a notice can be and what it can ask.

These enumerations stand in the lower room because an assessment says which of them it covers; `notices` imports them.
Their values are stable words: they are written in files, stored and shown.
"""

from enum import StrEnum


class NoticeKind(StrEnum):
    """What a notice is for."""

    TEST = "test"  # does mail reach the person
    ANNOUNCEMENT = "announcement"  # says something and asks nothing
    OFFER = "offer"  # lets a person choose, with effect
    REPORT = "report"  # asks what a person did
    INSTRUCTION = "instruction"  # tells officers what to do
    RESCISSION = "rescission"  # takes an earlier notice back


class AskType(StrEnum):
    """What a person is asked to send back."""

    ACKNOWLEDGE = "acknowledge"  # YES
    ELECTION = "election"  # one of the choices
    REPORT = "report"  # so many items
    NONE = "none"


class MachineSorting(StrEnum):
    """How far machines help to sort replies; each word includes the ones before it."""

    NONE = "none"
    RULES = "rules"
    MODEL = "model"


ALLOWED_ASKS: dict[NoticeKind, frozenset[AskType]] = {
    NoticeKind.TEST: frozenset({AskType.ACKNOWLEDGE, AskType.NONE}),
    NoticeKind.ANNOUNCEMENT: frozenset({AskType.NONE}),
    NoticeKind.OFFER: frozenset({AskType.ELECTION}),
    NoticeKind.REPORT: frozenset({AskType.REPORT}),
    NoticeKind.INSTRUCTION: frozenset({AskType.ACKNOWLEDGE, AskType.NONE}),
    NoticeKind.RESCISSION: frozenset({AskType.NONE}),
}
