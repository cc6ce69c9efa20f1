"""Truth: what every mail of the organisation really is, and what a right reading of it says.

What for: the organisation knows what each person meant, because it wrote the mail. A reader of the mail is compared
with that, class by class: right, to a person (safe: somebody looks at it), or wrong.

Promises: the names of the classes, outcomes and verdicts are stable; they stand in `summary.json`.
Limits: an answer that came late is read like any other; `late` says that it does not count in time. Where more than one
reading is defensible (a mangled token with intact references), `also` lists the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Truth(StrEnum):
    """What a mail really is."""

    YES = "yes"
    YES_VARIANT = "yes_variant"
    RESIGN = "resign"
    RESIGN_UNCLEAR = "resign_unclear"
    REPORT = "report"
    REPORT_SHORT = "report_short"
    DECLINE = "decline"
    QUESTION = "question"
    WITHDRAW = "withdraw"
    NOT_MINE = "not_mine"
    UNCLEAR = "unclear"
    OUT_OF_OFFICE = "out_of_office"
    BOUNCE_DSN = "bounce_dsn"
    DELAY_DSN = "delay_dsn"
    SUCCESS_DSN = "success_dsn"
    OTHER_AUTHOR = "other_author"
    FORGED = "forged"
    REPLAY = "replay"
    HUGE = "huge"
    BROKEN = "broken"
    MARKED = "marked"
    INSTRUCTIONS = "instructions"
    ALTERED_TOKEN = "altered_token"  # noqa: S105 - a class of mail
    WRONG_NOTICE_TOKEN = "wrong_notice_token"  # noqa: S105
    TWO_ADDRESSES = "two_addresses"
    FORWARDED_ANSWER = "forwarded_answer"
    ANSWERED_TWICE = "answered_twice"


class Kind(StrEnum):
    """What kind of mail it is, before anyone asks what it says."""

    REPLY = "reply"
    AUTOMATIC = "automatic"
    BOUNCE = "bounce"
    UNREADABLE = "unreadable"


class Answer(StrEnum):
    """What a reply says about the ask."""

    NONE = "none"
    ACKNOWLEDGE = "acknowledge"
    ELECTION = "election"
    REPORT = "report"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    QUESTION = "question"
    NOT_MINE = "not_mine"
    UNCLEAR = "unclear"


class Outcome(StrEnum):
    """What becomes of a mail."""

    COUNTED = "counted"  # read as an answer of the person it belongs to
    TO_A_PERSON = "to_a_person"  # kept, changes no answer, somebody looks at it
    NOTED = "noted"  # automatic mail and reports: says something about the delivery, answers nothing
    REPEATED = "repeated"  # known already, counts nothing again
    UNMATCHED = "unmatched"  # belongs to no delivery, kept apart
    REFUSED = "refused"  # for good, at the door


class Verdict(StrEnum):
    """How a reading compares with the truth."""

    RIGHT = "right"
    TO_A_PERSON = "to_a_person"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a right reading of one mail says. `action` and `status` are RFC 3464's, `until` is the day an absence ends."""

    kind: Kind
    outcome: Outcome
    answer: Answer = Answer.NONE
    choice: str = ""
    items: int = 0
    late: bool = False
    until: date | None = None
    action: str = ""
    status: str = ""
    also: tuple[Outcome, ...] = ()
    also_answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """What a reader made of one mail, in the words of this module."""

    kind: str
    outcome: str
    answer: str = "none"
    choice: str = ""
    items: int = 0


def judge(expected: Expected, observed: Observed) -> Verdict:
    """Compare a reading with the truth."""
    right = {str(expected.outcome), *map(str, expected.also)}
    if observed.outcome not in right:
        return Verdict.TO_A_PERSON if observed.outcome == Outcome.TO_A_PERSON else Verdict.WRONG
    if observed.outcome == Outcome.NOTED:
        return Verdict.RIGHT if observed.kind == expected.kind else Verdict.WRONG
    if observed.outcome != Outcome.COUNTED:
        return Verdict.RIGHT
    if observed.kind != expected.kind:
        return Verdict.WRONG
    if observed.answer in map(str, expected.also_answers):
        return Verdict.RIGHT
    same_choice = observed.choice.casefold() == expected.choice.casefold()
    same = observed.answer == expected.answer and same_choice and observed.items == expected.items
    return Verdict.RIGHT if same else Verdict.WRONG
