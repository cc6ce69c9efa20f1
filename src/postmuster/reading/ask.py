"""What a person was asked: the question an answer is read against.

What for: `YES` means something only where YES was asked for. An ask is handed in by the caller; on the command line it
is one word.

Promises: `parse_ask` never raises; what is no ask comes back as a fault with a sentence.
Limits: at most 20 choices of at most 100 characters, at most 100 items.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_CHOICES: Final = 20  # ours: more are a questionnaire, which a reply by mail does not carry
MAX_CHOICE_CHARS: Final = 100  # ours: a choice is a word or two that a person types
MAX_ITEMS: Final = 100  # ours


class AskType(StrEnum):
    """What a person is asked to send back. The words are those of a notice."""

    ACKNOWLEDGE = "acknowledge"  # YES
    ELECTION = "election"  # one of the choices
    REPORT = "report"  # so many items
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Ask:
    """An ask; `choices` belong to an election (as the notice spells them), `items` to a report."""

    type: AskType
    choices: tuple[str, ...] = ()
    items: int = 0


class AskFault(StrEnum):
    """Why a word is no ask."""

    UNKNOWN = "unknown"
    NO_CHOICES = "no-choices"
    BAD_CHOICES = "bad-choices"
    BAD_ITEMS = "bad-items"

    @property
    def sentence(self) -> str:
        """What is wrong and what to write instead."""
        return _SENTENCES[self]


_SENTENCES: Final = {
    AskFault.UNKNOWN: "This is not an ask; write acknowledge, election:CHOICE[,CHOICE], report:N or none.",
    AskFault.NO_CHOICES: "An election needs its choices; write election:CHOICE[,CHOICE].",
    AskFault.BAD_CHOICES: "The choices of an election must differ, at most 20, each 1 to 100 characters long.",
    AskFault.BAD_ITEMS: "A report needs a number of items from 1 to 100; write report:N.",
}


def parse_ask(text: str) -> Ask | AskFault:
    """Read `acknowledge`, `election:A[,B]`, `report:N` or `none`. Never raises."""
    word, colon, rest = text.strip().partition(":")
    kind = word.strip().lower()
    if kind == AskType.ELECTION:
        return _election(rest) if colon else AskFault.NO_CHOICES
    if kind == AskType.REPORT:
        digits = rest.strip()
        items = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 3 else 0
        return Ask(AskType.REPORT, items=items) if 1 <= items <= MAX_ITEMS else AskFault.BAD_ITEMS
    if kind in (AskType.ACKNOWLEDGE, AskType.NONE) and not colon:
        return Ask(AskType(kind))
    return AskFault.UNKNOWN


def _election(rest: str) -> Ask | AskFault:
    choices = tuple(" ".join(choice.split()) for choice in rest[:10_000].split(","))
    if not any(choices):
        return AskFault.NO_CHOICES
    different = {choice.casefold() for choice in choices}
    if len(different) != len(choices) or len(choices) > MAX_CHOICES:
        return AskFault.BAD_CHOICES
    if any(not 1 <= len(choice) <= MAX_CHOICE_CHARS for choice in choices):
        return AskFault.BAD_CHOICES
    return Ask(AskType.ELECTION, choices)
