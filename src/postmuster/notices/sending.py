"""How a notice is sent, as its file says: rounds, copies in doubt, waves with their limits, hours and last moment.

What for: `content.read_notice` asks these readers after those of `sections`. All four tables may be absent; what is not
written has the default of its term. What an officer approves includes them, because they decide who is written to again,
how fast, and when sending holds itself.

Promises: pure; never raises; every fault is noted with its key. Limits: the constants below.
`docs/notice-file.md` lists every key.
"""

from __future__ import annotations

import datetime
import math
from typing import Final

from postmuster.assessments.table import Table
from postmuster.notices.terms import (
    DoubtPolicy,
    InDoubt,
    Limits,
    QuietHours,
    Ramp,
    Rounds,
    Schedule,
)

MAX_GAP_HOURS: Final = 8_760  # a year: longer is another notice
MAX_ROUNDS: Final = 10  # own limit: who has not answered ten mails is not asked by mail
MAX_MINUTES: Final = 10_080  # a week
LEAST_CANARY: Final = 0.1  # percent
MOST_CANARY: Final = 50.0  # percent
LEAST_SHARE: Final = 0.01  # percent
MOST_SHARE: Final = 100.0  # percent
MAX_WAVES: Final = 20  # own limit
MAX_REASON_CHARS: Final = 300
_EPSILON: Final = 1e-6  # percent: shares are written in decimals, which binary fractions miss by less than this
_LIMITS: Final = ("failed_percent", "deferred_percent", "complaints_percent", "not_mine_percent")


def read_rounds(table: Table) -> Rounds:
    """Return how often people may be written to."""
    inner, default = table.table("rounds"), Rounds()
    gap = inner.whole("minimum_gap_hours", least=1, most=MAX_GAP_HOURS)
    most = inner.whole("maximum", least=1, most=MAX_ROUNDS)
    inner.done()
    return Rounds(gap or default.minimum_gap_hours, most or default.maximum)


def read_in_doubt(table: Table) -> InDoubt:
    """Return what is done with copies in doubt."""
    inner, default = table.table("in_doubt"), InDoubt()
    policy = inner.choice("policy", DoubtPolicy)
    wait = inner.whole("wait_minutes", least=1, most=MAX_MINUTES)
    inner.done()
    return InDoubt(policy or default.policy, wait or default.wait_minutes)


def read_ramp(table: Table) -> tuple[Ramp | None, Limits]:
    """Return the waves, None for everybody at once, and the limits that hold either way."""
    inner = table.table("ramp")
    canary = _share(inner, "canary_percent", LEAST_CANARY, MOST_CANARY)
    waves = _waves(inner)
    observe = inner.whole("observe_minutes", least=1, most=MAX_MINUTES)
    limits = _limits(inner)
    inner.done()
    if canary is None:
        if not inner.has("canary_percent") and (inner.has("waves") or inner.has("observe_minutes")):
            inner.fault("canary_percent", "is missing: say which share of each component is written to first.")
        return None, limits
    if math.fsum((canary, *waves)) > MOST_SHARE + _EPSILON:
        inner.fault(
            "waves", "add up to more than 100 percent with the canary; the rest of the people is a wave by itself."
        )
    return (Ramp(canary, waves) if observe is None else Ramp(canary, waves, observe)), limits


def read_schedule(table: Table) -> Schedule:
    """Return when copies may go out."""
    inner = table.table("schedule")
    quiet = inner.choice("quiet_hours", QuietHours)
    reason = inner.text("override_reason", most_chars=MAX_REASON_CHARS)
    start_by = _start_by(inner)
    inner.done()
    if quiet is QuietHours.NONE and not inner.has("override_reason"):
        inner.fault("override_reason", "is missing: say why people are written to in their hours of rest.")
    is_kept = quiet is QuietHours.ORGANISATION or not inner.has("quiet_hours")
    if is_kept and reason:
        inner.fault(
            "override_reason", 'is written although hours of rest are kept; take it out, or say quiet_hours = "none".'
        )
    return Schedule(quiet or QuietHours.ORGANISATION, reason, start_by)


def _start_by(inner: Table) -> datetime.datetime | None:
    value = inner.raw("start_by")
    if value is None:
        return None
    if not isinstance(value, datetime.datetime) or value.tzinfo is None:
        inner.fault(
            "start_by", "must be a moment with an offset, without quotation marks, such as 2027-03-10T12:00:00Z."
        )
        return None
    if not 2000 <= value.year <= 2999:
        inner.fault("start_by", "lies outside the years 2000 to 2999.")
        return None
    return value.astimezone(datetime.UTC)


def _waves(inner: Table) -> tuple[float, ...]:
    value = inner.raw("waves")
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_WAVES:
        inner.fault("waves", f"must be a list of at most {MAX_WAVES} shares in percent, such as [10, 30].")
        return ()
    shares = [_percent(item, LEAST_SHARE, MOST_SHARE) for item in value]
    found = tuple(share for share in shares if share is not None)
    if len(found) < len(value):
        inner.fault("waves", f"has an item that is not a number from {LEAST_SHARE:g} to {MOST_SHARE:g}.")
    return found


def _limits(inner: Table) -> Limits:
    table = inner.table("limits")
    found = {key: _share(table, key, LEAST_SHARE, MOST_SHARE) for key in _LIMITS}
    table.done()
    return Limits(**{key: value for key, value in found.items() if value is not None})


def _share(table: Table, key: str, least: float, most: float) -> float | None:
    value = table.raw(key)
    if value is None:
        return None
    share = _percent(value, least, most)
    if share is None:
        table.fault(key, f"must be a number from {least:g} to {most:g}: percent.")
    return share


def _percent(value: object, least: float, most: float) -> float | None:
    """A share as a float; None for what is none, such as nan, which TOML can write."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        return None
    return float(value)
