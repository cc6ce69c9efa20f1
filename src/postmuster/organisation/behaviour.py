"""Behaviour: who does what when a notice has reached them, and when.

What for: some answer at once, some on the last evening, some too late, some twice, some by a colleague, some not at
all; a few attack. The shares are data (`data/behaviour.toml`); who falls under which comes from the seed.

Promises: pure; what a person does depends on the seed, the notice, the ask and the person, never on who else was
reached. Every role (forged, replayed, broken, …) is taken by at least one person where the organisation has 100 people
or more.
Limits: one in forty answers late, by two days at least, so that no grace for transport can make it timely.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import TypeAlias

from postmuster.organisation.dice import Dice
from postmuster.organisation.mailboxes import MailboxKind
from postmuster.organisation.people import Person
from postmuster.organisation.post import Held
from postmuster.organisation.reports_dsn import STYLE_OF_AGENCY
from postmuster.organisation.statements import Ask
from postmuster.organisation.truth import Truth

LATE_SHARE = 0.025
LATE_BY = timedelta(days=2)
FIRST_ANSWER = timedelta(minutes=2)
MANAGER_REPLIES_ALL = 0.08
ON_LEAVE_ANSWERS_ITSELF = 0.85
CC_MANAGER = 0.6

Step: TypeAlias = tuple[datetime, Truth, str]  # when, what, and what the writer has to know besides


@dataclass(frozen=True, slots=True, order=True)
class Act:
    """One mail somebody will write. `index` counts the mails of one person about one round of a notice; acts sort by time."""

    at: datetime
    number: int
    round_no: int
    index: int
    truth: Truth
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Occasion:
    """A notice that has arrived: its number, ask, when, and until when answers count."""

    notice_no: int
    ask: Ask
    start: datetime
    deadline: datetime


@lru_cache(maxsize=1)
def shares() -> dict[str, dict[str, int]]:
    """Read the shares, in thousandths."""
    return tomllib.loads((resources.files(__package__) / "data" / "behaviour.toml").read_text("utf-8"))


def give_roles(seed: int, notice_no: int, eligible: Sequence[int], people: int) -> dict[int, Truth]:
    """Give the roles of a notice to some of the `eligible` numbers; in a small organisation only to a third of them."""
    roles = shares()["roles"]
    rest = [Truth(name) for name, share in roles.items() for _ in range(max(1, people * share // 1000) - 1)]
    order = [*map(Truth, roles), Truth.HUGE, *rest][: len(eligible) // 3]
    return dict(zip(Dice(seed, "roles", notice_no).sample(eligible, len(order)), order, strict=True))


def absent_until(person: Person) -> date | None:
    """Read until when somebody is on leave."""
    status, _, until = person.status.partition(":")
    return date.fromisoformat(until) if status == "on_leave" else None


class Behaviour:
    """What the people of one organisation do."""

    def __init__(self, seed: int, managers: frozenset[str]) -> None:
        self._seed = seed
        self._managers = managers

    def plan(self, occasion: Occasion, person: Person, kind: MailboxKind, role: Truth | None, held: Held) -> list[Act]:
        """Say which mails a person, or their mail system, will send about a notice."""
        dice = Dice(self._seed, "behaviour", occasion.notice_no, held.round_no, person.number)
        steps: list[Step] = []
        if kind is MailboxKind.BOUNCES_LATER:
            return _acts(_reports(occasion, person, dice), person, held)
        if held.wants_success and _style(person) != "gmail":
            steps.append((occasion.start + _minutes(dice, 1, 9), Truth.SUCCESS_DSN, _style(person)))
        until = absent_until(person)
        if until is not None and until > occasion.start.date():
            if dice.chance(ON_LEAVE_ANSWERS_ITSELF):
                steps.append((occasion.start + _minutes(dice, 0, 5), Truth.OUT_OF_OFFICE, until.isoformat()))
        elif role is not None:
            steps += _role_steps(occasion, role, dice)
        else:
            steps += self._steps(occasion, person, dice)
        return _acts(steps, person, held)

    def _steps(self, occasion: Occasion, person: Person, dice: Dice) -> list[Step]:
        ask = occasion.ask
        truth = _choose(ask, dice)
        at = _when(occasion, dice)
        if truth is None:
            return []
        if truth is Truth.WITHDRAW:
            return [(at, Truth.RESIGN, ""), (_after(at, occasion, dice), truth, "")]
        if truth is Truth.ANSWERED_TWICE:
            return [(at, _main(ask, dice), ""), (_after(at, occasion, dice), truth, _main(ask, dice).value)]
        if truth is Truth.FORWARDED_ANSWER:
            return [(at, _main(ask, dice), ""), (_after(at, occasion, dice), truth, _main(ask, dice).value)]
        if truth is Truth.OTHER_AUTHOR:
            return [(at, truth, _main(ask, dice).value)]
        if truth is Truth.OUT_OF_OFFICE:
            back = (occasion.start + timedelta(days=1 + dice.below(12))).date()
            steps: list[Step] = [(occasion.start + _minutes(dice, 0, 5), truth, back.isoformat())]
            return [*steps, (_after(at, occasion, dice), _main(ask, dice), "")] if dice.chance(0.45) else steps
        if person.person_id in self._managers and dice.chance(MANAGER_REPLIES_ALL):
            storm = [(_after(at, occasion, dice), Truth.OTHER_AUTHOR, "storm") for _ in range(1 + dice.below(3))]
            return [(at, truth, "reply_all"), *storm]
        cc = truth in {Truth.REPORT, Truth.REPORT_SHORT} and dice.chance(CC_MANAGER)
        return [(at, truth, "cc_manager" if cc else "")]


def _acts(steps: list[Step], person: Person, held: Held) -> list[Act]:
    numbered = enumerate(steps)
    return [Act(at, person.number, held.round_no, index, truth, detail) for index, (at, truth, detail) in numbered]


def _role_steps(occasion: Occasion, role: Truth, dice: Dice) -> list[Step]:
    at = _in_time(occasion, dice)
    main = _main(occasion.ask, dice)
    if role is Truth.REPLAY:
        return [(at, main, ""), (_after(at, occasion, dice), role, "")]
    if role is Truth.FORGED:
        own = [(at, main, "")] if dice.chance(0.5) else []
        return [*own, (_after(at, occasion, dice), role, "")]
    return [(at, role, main.value)]


def _choose(ask: Ask, dice: Dice) -> Truth | None:
    table = shares()[ask.kind]
    throw = dice.below(1000)
    for name, share in table.items():
        throw -= share
        if throw < 0:
            return Truth(name)
    return None


def _main(ask: Ask, dice: Dice) -> Truth:
    """Choose what somebody says who answers at all."""
    if ask.kind == "election":
        return Truth.RESIGN if dice.chance(0.35) else Truth.DECLINE
    if ask.kind == "report":
        return Truth.REPORT
    return Truth.YES if dice.chance(0.7) else Truth.YES_VARIANT


def _when(occasion: Occasion, dice: Dice) -> datetime:
    if dice.chance(LATE_SHARE):
        return occasion.deadline + LATE_BY + timedelta(days=3) * dice.share()
    return _in_time(occasion, dice)


def _in_time(occasion: Occasion, dice: Dice) -> datetime:
    """Throw a time before the deadline: half of the answers come in the first fifth of the time."""
    span = occasion.deadline - occasion.start - FIRST_ANSWER
    return occasion.start + FIRST_ANSWER + span * float(dice.share() ** 2.3)


def _after(at: datetime, occasion: Occasion, dice: Dice) -> datetime:
    """Throw a time after `at`, in time when `at` is."""
    rest = occasion.deadline - at if at < occasion.deadline else timedelta(days=2)
    return at + rest * (0.05 + 0.9 * dice.share())


def _minutes(dice: Dice, low: int, high: int) -> timedelta:
    return timedelta(seconds=60 * low + dice.below(60 * (high - low) + 1))


def _style(person: Person) -> str:
    return STYLE_OF_AGENCY[person.agency.domain]


def _reports(occasion: Occasion, person: Person, dice: Dice) -> list[Step]:
    style = _style(person)
    at = occasion.start + _minutes(dice, 2, 300)
    steps: list[Step] = []
    if dice.chance(0.2):
        at = occasion.start + timedelta(hours=4) + _minutes(dice, 0, 20)
        steps.append((at, Truth.DELAY_DSN, style))
        at += timedelta(hours=8 + dice.below(40))
    return [*steps, (at, Truth.BOUNCE_DSN, style)]
