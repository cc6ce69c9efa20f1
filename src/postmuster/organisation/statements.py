"""Statements: what people say to an ask, in their language, and what a right reading of it is.

What for: one place joins the words (`texts/`) with what they mean, so that a mail and its truth cannot come apart.

Promises: pure. A list has between three and nine items, all different. The word of a choice stands in text only where
the class says so.
Limits: an ask is `("acknowledge",)`, `("election", ["Resign"])` or `("report", 5)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postmuster.organisation.dice import Dice
from postmuster.organisation.programs import Said
from postmuster.organisation.truth import Answer, Expected, Kind, Outcome, Truth
from postmuster.organisation.wording import Wording

LONGEST_LIST = 9
SHORTEST_LIST = 3
MARKS = (("-", 25), ("*", 12), ("•", 15), ("–", 5), ("1.", 15), ("1)", 8), ("ul", 10), ("ol", 4), ("", 6))
ANSWERS = {Truth.QUESTION: Answer.QUESTION, Truth.NOT_MINE: Answer.NOT_MINE, Truth.UNCLEAR: Answer.UNCLEAR}
SOMEBODY = Expected(Kind.REPLY, Outcome.TO_A_PERSON, Answer.UNCLEAR)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a notice asks: its kind, the choices of an election, the number of items of a report."""

    kind: str
    choices: tuple[str, ...] = ()
    items: int = 0

    @property
    def choice(self) -> str:
        """The first choice; a word for the texts even where there is none."""
        return self.choices[0] if self.choices else "YES"

    @property
    def usual(self) -> Truth:
        """What somebody who complies says."""
        return {"election": Truth.RESIGN, "report": Truth.REPORT}.get(self.kind, Truth.YES)


def read_ask(values: Sequence[object]) -> Ask:
    """Read an ask from simple values. Raises ValueError for one that is not known."""
    match list(values):
        case ["acknowledge"]:
            return Ask("acknowledge")
        case ["election", [*choices]] if choices:
            return Ask("election", tuple(map(str, choices)))
        case ["report", int(items)] if items > 0:
            return Ask("report", items=items)
        case _:
            raise ValueError("An ask is acknowledge, election with its choices, or report with its number of items.")


def state(truth: Truth, ask: Ask, language: Wording, dice: Dice, name: str) -> tuple[Said, Expected]:
    """Say something of class `truth`; `name` signs it. Classes about how a mail comes are not statements."""
    if truth in {Truth.REPORT, Truth.REPORT_SHORT}:
        return _report(truth, ask, language, dice, name)
    choice = dice.pick(ask.choices) if ask.choices else ask.choice
    form = dice.pick(language.say[_key(truth, ask)])
    text = _styled(form.format(choice=choice), truth, dice)
    plain = truth in {Truth.YES, Truth.RESIGN} and dice.chance(0.5)
    return Said(text if plain else _dressed(text, language, dice, name)), _expected(truth, ask, choice)


def _key(truth: Truth, ask: Ask) -> str:
    if truth is Truth.DECLINE and ask.kind in {"election", "report"}:
        return f"decline_{ask.kind}"
    return truth.value


def _expected(truth: Truth, ask: Ask, choice: str) -> Expected:
    if truth in {Truth.YES, Truth.YES_VARIANT}:
        return Expected(Kind.REPLY, Outcome.COUNTED, Answer.ACKNOWLEDGE)
    if truth is Truth.RESIGN:
        return Expected(Kind.REPLY, Outcome.COUNTED, Answer.ELECTION, choice)
    if truth is Truth.WITHDRAW:
        return Expected(Kind.REPLY, Outcome.COUNTED, Answer.WITHDRAW)
    if truth is Truth.DECLINE:
        fixed = (Answer.REPORT,) if ask.kind == "report" else ()
        return Expected(Kind.REPLY, Outcome.COUNTED, Answer.DECLINE, also_answers=fixed)
    if truth is Truth.RESIGN_UNCLEAR:
        # "I do not want to …" may be read as a decline, a question as a question; never as the choice.
        also = (Answer.DECLINE, Answer.QUESTION, Answer.UNCLEAR, Answer.NONE)
        return Expected(Kind.REPLY, Outcome.TO_A_PERSON, Answer.UNCLEAR, also=(Outcome.COUNTED,), also_answers=also)
    return Expected(Kind.REPLY, Outcome.TO_A_PERSON, ANSWERS.get(truth, Answer.UNCLEAR))


def _report(truth: Truth, ask: Ask, language: Wording, dice: Dice, name: str) -> tuple[Said, Expected]:
    asked = ask.items or 5
    if truth is Truth.REPORT_SHORT:
        count = SHORTEST_LIST + dice.below(max(asked - SHORTEST_LIST, 1))
    else:
        count = asked if dice.chance(0.7) else min(asked + dice.below(5), max(LONGEST_LIST, asked))
    forms = dice.sample(language.say["items"], count)
    items = tuple(form.format(n=2 + dice.below(60)) for form in forms)
    before = dice.pick(language.say["report_intro"]) if dice.chance(0.5) else ""
    if dice.chance(0.3):
        before = f"{dice.pick(language.greetings)}\n\n{before}".strip()
    after = f"{dice.pick(language.closings)}\n{name}" if dice.chance(0.5) else ""
    expected = Expected(Kind.REPLY, Outcome.COUNTED, Answer.REPORT, items=len(items))
    return Said(before, items, dice.weighted(MARKS), after), expected


def _styled(text: str, truth: Truth, dice: Dice) -> str:
    """Vary the case of a bare choice, as people do."""
    if truth is not Truth.RESIGN or not dice.chance(0.2):
        return text
    return text.upper() if dice.chance(0.5) and " " not in text else text


def _dressed(text: str, language: Wording, dice: Dice, name: str) -> str:
    parts = [text]
    if dice.chance(0.4):
        parts.insert(0, dice.pick(language.greetings))
    if dice.chance(0.6):
        parts.append(f"{dice.pick(language.closings)}\n{name}")
    return "\n\n".join(parts)
