"""The ramp: when the next wave of a round opens, and when a round holds itself. Pure: figures in, a decision out.

A round is sent in waves: the canary, the waves its notice names, and the rest. The next wave opens when nobody of the open
ones is pending any more, the time of observation has passed since then, and no limit is passed. A limit is a share of the
copies handed over; above it the round is held, with or without a ramp, until an approver resumes it.

Promises: waves open in order and never before their time; never past a limit; never raises. Figures are those since the last
automatic hold was lifted: what an approver has seen and accepted does not hold the round again, and only as much anew does.
Limits: the constants below. `docs/ramp.md` tells the whole of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from postmuster.notices.terms import Limits, Ramp

LIMIT: Final = "limit"  # the kind of an automatic hold by a limit
INCIDENT: Final = "incident"  # the kind of one by a mass bounce of a domain

# Below these a share says little: of 100 copies one is a percent, and a limit of 2 percent is meant for more than two people
# who left. Own choice: with 2 % of failures expected, five or more in a hundred happen by chance once in twenty.
LEAST_COPIES: Final = 100
LEAST_EVENTS: Final = 5


@dataclass(frozen=True, slots=True)
class Health:
    """How the open waves of a round do. Events are people, each counted once, since the last automatic hold was lifted.

    `done_at` is since when nobody of the open waves is pending, None while somebody is; `next_wave` the first later wave that
    has people, None when none has.
    """

    handed: int  # copies that may have reached the relay, since release
    permanent: int
    transient: int  # put off now, or given up after being put off
    complaints: int
    not_mine: int
    done_at: datetime | None = None
    next_wave: int | None = None
    is_since_lift: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """Go on as it is."""


@dataclass(frozen=True, slots=True)
class OpenNext:
    """Open this wave."""

    wave: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold the round; the reason names the kind, the figure and the limit."""

    reason: str


Decision = Nothing | OpenNext | Hold


def cumulative(ramp: Ramp | None) -> tuple[float, ...]:
    """Where one wave ends and the next begins, in percent of the people; nothing for everybody at once."""
    if ramp is None:
        return ()
    return tuple(round(share, 6) for share in itertools.accumulate(ramp.shares[:-1]))


def waves_of(ramp: Ramp | None) -> int:
    """How many waves a round has."""
    return 1 if ramp is None else len(ramp.shares)


def decide(
    ramp: Ramp | None, limits: Limits, open_wave: int, opened_at: datetime, health: Health, now: datetime
) -> Decision:
    """Say what becomes of a round that nothing holds. `opened_at` is when the open wave was opened."""
    reason = next(_passed(limits, health), "")
    if reason:
        return Hold(reason)
    due_at = opens_at(ramp, opened_at, health.done_at)
    if due_at is None or health.next_wave is None or now < due_at or health.next_wave <= open_wave:
        return Nothing()
    return OpenNext(health.next_wave)


def opens_at(ramp: Ramp | None, opened_at: datetime, done_at: datetime | None) -> datetime | None:
    """When the next wave may open; None while the open one is being sent, and without a ramp."""
    if ramp is None or done_at is None:
        return None
    return max(opened_at, done_at) + timedelta(minutes=ramp.observe_minutes)


def _passed(limits: Limits, health: Health) -> Iterator[str]:
    """The limits that are passed, in words."""
    if health.handed < LEAST_COPIES:
        return
    since = " since the last hold was lifted" if health.is_since_lift else ""
    for kind, count, limit in (
        ("permanent failures", health.permanent, limits.failed_percent),
        ("transient failures", health.transient, limits.deferred_percent),
        ("complaints", health.complaints, limits.complaints_percent),
        ("answers “not mine”", health.not_mine, limits.not_mine_percent),
    ):
        share = 100 * count / health.handed
        if count >= LEAST_EVENTS and share > limit:
            yield f"{count} {kind}{since} are {share:.2f} % of {health.handed} copies handed over; the limit is {limit:g} %"
