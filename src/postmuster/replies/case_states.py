"""Words of cases: what may be decided for which reason, what a decision says of an answer, and the steps of a case's history.

A decision is one word of a fixed list by the reason of the case, so that decisions can be counted and taken back. What a
reply answers is said in the words of answers; `ours` is followed by them: the mail is the person's own, and says this.

    unclear, question     acknowledge | decline | withdraw | report [ITEMS] | election CHOICE | none   (question: answered)
    late                  counts | too-late
    other_author          forged | somebody-else | ours ANSWER…
    not_mine              ours | not-ours
    marked                reported | purge-asked
    unmatched, complaint  seen | spam
    unreadable            seen
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from postmuster.base.errors import Refused
from postmuster.replies.states import CaseReason

MAX_ITEMS: Final = 100  # as many as a notice may ask for


class Decision(StrEnum):
    """What an officer decides."""

    ACKNOWLEDGE = "acknowledge"
    ELECTION = "election"
    REPORT = "report"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    NONE = "none"
    ANSWERED = "answered"  # the question, outside
    COUNTS = "counts"
    TOO_LATE = "too-late"
    OURS = "ours"
    NOT_OURS = "not-ours"
    FORGED = "forged"
    SOMEBODY_ELSE = "somebody-else"
    REPORTED = "reported"  # to whoever is responsible for security
    PURGE_ASKED = "purge-asked"
    SEEN = "seen"
    SPAM = "spam"


class StepKind(StrEnum):
    """What officers do with a case."""

    CLAIMED = "claimed"
    GIVEN_BACK = "given_back"
    LOOKED_AT = "looked_at"
    PROPOSED = "proposed"
    REFUSED = "refused"
    DECIDED = "decided"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the notice asked of the person, as far as a decision has to keep to it: none of it where nothing was asked."""

    type: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and the answer that it makes of the reply: `answer` is empty where it makes none."""

    decision: Decision
    answer: str = ""
    choice: str = ""
    items: int = 0

    @property
    def words(self) -> str:
        """As it is typed."""
        said = f"{self.decision} {self.answer}" if self.answer and self.answer != self.decision else str(self.decision)
        return " ".join(part for part in (said, self.choice, str(self.items) if self.items else "") if part)


_ANSWERS: Final = (
    Decision.ACKNOWLEDGE, Decision.ELECTION, Decision.REPORT, Decision.DECLINE, Decision.WITHDRAW, Decision.NONE,
)  # fmt: skip
_TO_WHAT_WAS_ASKED: Final = frozenset({Decision.ACKNOWLEDGE, Decision.ELECTION, Decision.REPORT})
VOCABULARY: Final[dict[CaseReason, tuple[Decision, ...]]] = {
    CaseReason.UNCLEAR: _ANSWERS,
    CaseReason.QUESTION: (Decision.ANSWERED, *_ANSWERS),
    CaseReason.LATE: (Decision.COUNTS, Decision.TOO_LATE),
    CaseReason.OTHER_AUTHOR: (Decision.FORGED, Decision.SOMEBODY_ELSE, Decision.OURS),
    CaseReason.NOT_MINE: (Decision.OURS, Decision.NOT_OURS),
    CaseReason.MARKED: (Decision.REPORTED, Decision.PURGE_ASKED),
    CaseReason.UNMATCHED: (Decision.SEEN, Decision.SPAM),
    CaseReason.UNREADABLE: (Decision.SEEN,),
    CaseReason.COMPLAINT: (Decision.SEEN, Decision.SPAM),
}


def vocabulary(reason: CaseReason, asked: Asked) -> tuple[Decision, ...]:
    """The decisions that a case of this reason can have, where the notice asked this."""
    return tuple(word for word in VOCABULARY[reason] if word not in _TO_WHAT_WAS_ASKED or word == asked.type)


def read_verdict(reason: CaseReason, words: Sequence[str], asked: Asked) -> Verdict:
    """Read what an officer typed; `Refused` names the words that would do. Spelling of a choice is that of the notice."""
    known = VOCABULARY[reason]
    first, rest = (words[0].strip().lower() if words else ""), words[1:]
    if first not in known:
        raise _not_in(known, f"A case “{reason}”")
    decision = Decision(first)
    if reason is CaseReason.OTHER_AUTHOR and decision is Decision.OURS:
        return _answer(decision, _ANSWERS, rest, asked, "The answer after “ours”")
    if decision in _ANSWERS:
        return _answer(decision, _ANSWERS, words, asked, f"A case “{reason}”")
    if rest:
        raise Refused(f"Nothing may follow “{decision}”; nothing was decided; give a reason with --reason.")
    return Verdict(decision)


def _answer(
    decision: Decision, known: Sequence[Decision], words: Sequence[str], asked: Asked, about: str
) -> Verdict:  # fmt: skip
    first, rest = (words[0].strip().lower() if words else ""), " ".join(" ".join(words[1:]).split())
    if first not in known:
        raise _not_in(known, about)
    answer = Decision(first)
    if answer in _TO_WHAT_WAS_ASKED and answer != asked.type:
        raise Refused(
            f"The notice does not ask for “{answer}” but for “{asked.type}”; nothing was decided; see the notice."
        )
    if answer is Decision.ELECTION:
        found = [choice for choice in asked.choices if choice.casefold() == rest.casefold()]
        if not found:
            raise Refused(
                f"An election needs one of the choices offered ({', '.join(asked.choices)}); nothing was decided; name one."
            )
        return Verdict(decision, answer, found[0])
    if answer is Decision.REPORT and rest:
        if not (rest.isascii() and rest.isdigit() and len(rest) < 4 and 0 < int(rest) <= MAX_ITEMS):
            raise Refused(
                f"A report has 1 to {MAX_ITEMS} points, or none for a complete sentence; nothing was decided; say how many."
            )
        return Verdict(decision, answer, items=int(rest))
    if rest:
        raise Refused(f"Nothing may follow “{answer}”; nothing was decided; give a reason with --reason.")
    return Verdict(decision, answer)


def _not_in(known: Sequence[Decision], about: str) -> Refused:
    return Refused(f"{about} is decided with one of: {', '.join(known)}; nothing was decided; choose one of them.")
