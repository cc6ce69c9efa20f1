"""The watchdog: rounds that are being sent and where nothing changes, each with the most likely reason.

For whom: `postmuster check` shows what is `stalled`; `held_by` of a notice's figures shows what its round `waits_for`.

Promises. Whoever asks looks at the book afresh, so that an answer comes when no worker runs. What is as it was decided (a hold,
hours of rest, a wave that is being watched, copies that are tried again later) is told and is no alarm; what is due and not
done is one. Reads only. Limits: the constants below.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from postmuster.base.ids import notice_id
from postmuster.control import queries as control
from postmuster.control.states import Lane
from postmuster.notices import queries as notices
from postmuster.notices import ramp
from postmuster.notices.queries import StoredRound
from postmuster.notices.states import RoundState
from postmuster.outbound import health
from postmuster.outbound.health import Waiting, WatchRecord
from postmuster.outbound.values import RoundRef

STALLED_MINUTES: Final = 10  # without a change; the slowest relay we send to takes a copy in seconds
NOBODY_LOOKS_S: Final = 60.0  # upkeep looks once a second; by the server's clock

QuietZones = Callable[[StoredRound], Collection[str]]


class Why(StrEnum):
    """What most likely keeps a round from going on."""

    HOLD = "hold"
    NO_WORKER = "no worker"
    RELAY = "relay"
    NOBODY_SENDS = "nobody sends"
    QUIET_HOURS = "quiet hours"
    PAUSED = "paused component"
    WAVE = "wave observed"
    LATER = "tried again later"


ALARMS: Final = frozenset({Why.NO_WORKER, Why.RELAY, Why.NOBODY_SENDS})


@dataclass(frozen=True, slots=True)
class Stall:
    """A round where nothing changes. `since` is when something last did, as far as anybody looked."""

    notice_no: int
    round_no: int
    since: datetime
    why: Why
    sentence: str

    @property
    def is_alarm(self) -> bool:
        """Whether something is due and not done."""
        return self.why in ALARMS


def nobody_rests(_round: StoredRound) -> Collection[str]:
    """No zone is quiet."""
    return ()


def stalled(*, now: datetime, quiet_zones: QuietZones = nobody_rests, relay_trouble: str = "") -> list[Stall]:
    """Rounds being sent where nothing changed for `STALLED_MINUTES`, each with the reason.

    `quiet_zones` names the zones in which a round rests now; `relay_trouble` is what the caller knows of the relay, such as
    that it cannot be reached or is full.
    """
    found = []
    for round_ in notices.open_rounds():
        if round_.state is RoundState.SENDING:
            stall = waits_for(round_, now=now, quiet_zones=quiet_zones, relay_trouble=relay_trouble)
            if stall is not None and now - stall.since >= timedelta(minutes=STALLED_MINUTES):
                found.append(stall)
    return found


def waits_for(
    round_: StoredRound, *, now: datetime, quiet_zones: QuietZones = nobody_rests, relay_trouble: str = ""
) -> Stall | None:
    """What keeps a round from going on now; None where it goes on, is finished, or something is due since a moment only."""
    of = RoundRef(round_.notice_no, round_.number, round_.roster_version)
    watch = health.last_watch(of)
    since = _since(round_, watch, health.states_now(of), now)
    waiting = health.what_waits(of, open_wave=round_.open_wave, quiet_zones=tuple(quiet_zones(round_)), now=now)
    why, sentence = _why(round_, watch, waiting, relay_trouble, now)
    if why is None or (why in ALARMS and now - since < timedelta(minutes=STALLED_MINUTES)):
        return None
    about = f"{notice_id(round_.notice_no)}, round {round_.number}: {sentence}"
    return Stall(round_.notice_no, round_.number, since, why, about)


def _since(round_: StoredRound, watch: WatchRecord | None, states: dict[str, int], now: datetime) -> datetime:
    """When something last changed; now, when it did since anybody looked."""
    if watch is None:
        return round_.released_at
    return max(watch.changed_at, round_.wave_opened_at or round_.released_at) if watch.states == states else now


def _why(
    round_: StoredRound, watch: WatchRecord | None, waiting: Waiting, relay_trouble: str, now: datetime
) -> tuple[Why | None, str]:
    stop = control.stopped(round_.notice_no, Lane.BULK)
    if stop is not None:
        return Why.HOLD, f"held by {stop.sentence()}"
    if waiting.claimed or waiting.due or waiting.retries_due:
        return _nobody_does(watch, waiting, relay_trouble)
    if waiting.quiet:
        return Why.QUIET_HOURS, f"{waiting.quiet} batches wait for the end of the hours of rest in their zones"
    if waiting.later:
        return _observed(round_, watch, waiting, now)
    if waiting.paused:
        return Why.PAUSED, f"{waiting.paused} batches are of components that are paused"
    if waiting.next_retry_at is not None:
        return Why.LATER, f"copies that were put off are tried again from {waiting.next_retry_at:%Y-%m-%d %H:%M} UTC on"
    return None, ""


def _nobody_does(watch: WatchRecord | None, waiting: Waiting, relay_trouble: str) -> tuple[Why, str]:
    """Something is due and nobody does it."""
    what = f"{waiting.claimed + waiting.due} batches and {waiting.retries_due} retries are due"
    if watch is None or watch.looked_s > NOBODY_LOOKS_S:
        return Why.NO_WORKER, f"{what} and no worker looks after them; start one with `postmuster up`"
    if relay_trouble:
        return Why.RELAY, f"{what} and the relay takes nothing: {relay_trouble.rstrip('.')}"
    return Why.NOBODY_SENDS, f"{what} and nothing leaves; see what the workers print, and `postmuster check`"


def _observed(round_: StoredRound, watch: WatchRecord | None, waiting: Waiting, now: datetime) -> tuple[Why, str]:
    """Until when the open wave is watched."""
    terms = round_.revision.content.ramp
    opened_at = round_.wave_opened_at or round_.released_at
    until = ramp.opens_at(terms, opened_at, watch.done_at if watch else None)
    shown = f"wave {round_.open_wave + 1} of {ramp.waves_of(terms)}"
    nobody_looks = watch is None or watch.looked_s > NOBODY_LOOKS_S
    if nobody_looks and (until is None or until <= now):
        return Why.NO_WORKER, f"{shown} was sent and no worker opens the next one; start one with `postmuster up`"
    if until is None:
        return Why.WAVE, f"{shown} is being finished before the next one opens"
    return Why.WAVE, f"{shown} is watched until {until:%Y-%m-%d %H:%M} UTC; {waiting.later} batches wait for later ones"
