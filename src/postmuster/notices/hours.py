"""Quiet hours: in which time zones nobody is written to now, and when the next one may be.

What for: a batch is of one zone, so a sender asks before each claim which zones are quiet and passes over their batches.
Hours are of the wall: a span of every day (`quiet_from` to `quiet_until`, over midnight where the end is the earlier one)
and whole days. A notice with `quiet_hours = "none"` keeps none of them.

Promises: pure; never raises. The zone "" and one that nobody knows is the organisation's, as for deadlines. A wall time that
comes twice (clocks set back) is quiet both times, one that never comes (clocks set forward) is passed over: what counts is
what a clock on the wall shows at that moment. Answers are remembered for the minute, so that asking before each claim costs some
8 µs, and 6 µs a zone once a minute (24 Nov 2026, a busy machine with 2 cores).
Limits: wall times and offsets are whole minutes, as in every zone since 1972. Where the hours leave no minute of a week open,
which the settings refuse, the next opening is reckoned as `HORIZON_DAYS` away.
Sources: RFC 6557 (the zone database), PEP 495 (times that come twice).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, Protocol

from postmuster.notices.deadlines import zone_for
from postmuster.notices.terms import QuietHours, Schedule

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HORIZON_DAYS: Final = 22  # three weeks: six quiet days, and an only open minute that the clocks jump over, twice
_MINUTE: Final = datetime.timedelta(minutes=1)
_DAY: Final = datetime.timedelta(days=1)
_MIDNIGHT: Final = datetime.time(0)


class Hours(Protocol):
    """The organisation's hours of rest, as the settings have them: "HH:MM" or "", names of weekdays; it can be hashed."""

    @property
    def quiet_from(self) -> str: ...
    @property
    def quiet_until(self) -> str: ...
    @property
    def quiet_days(self) -> tuple[str, ...]: ...
    def __hash__(self) -> int: ...


def are_kept(hours: Hours, schedule: Schedule) -> bool:
    """Whether there are any hours in which this notice waits; where not, its batches need not be apart by zone."""
    return schedule.quiet_hours is not QuietHours.NONE and (_night(hours) is not None or bool(hours.quiet_days))


def is_quiet(zone: str, hours: Hours, schedule: Schedule, now: datetime.datetime, organisation_zone: str) -> bool:
    """Whether nobody in this zone is written to at `now`."""
    return are_kept(hours, schedule) and _is_quiet_at(now.astimezone(zone_for(zone, organisation_zone)), hours)


def quiet_zones(
    zones: Iterable[str], hours: Hours, schedule: Schedule, now: datetime.datetime, organisation_zone: str
) -> tuple[str, ...]:
    """The zones among these in which it is quiet now, in their order."""
    minute = now.replace(second=0, microsecond=0)
    return _quiet_zones(tuple(zones), hours, schedule.quiet_hours, minute, organisation_zone)


def next_opening(
    zone: str, hours: Hours, schedule: Schedule, now: datetime.datetime, organisation_zone: str
) -> datetime.datetime:
    """The first moment, from `now` on, at which people in this zone may be written to, in UTC."""
    moment = now.astimezone(datetime.UTC)
    if not is_quiet(zone, hours, schedule, moment, organisation_zone):
        return moment
    place = zone_for(zone, organisation_zone)
    found = (one for one in _changes(place, hours, moment) if one > moment and not _is_quiet_at(_on(place, one), hours))
    return min(found, default=moment + datetime.timedelta(days=HORIZON_DAYS))


def first_opening(
    zones: Iterable[str], hours: Hours, schedule: Schedule, now: datetime.datetime, organisation_zone: str
) -> datetime.datetime:
    """The first moment at which anybody in these zones may be written to; `now` where there are none."""
    openings = (next_opening(zone, hours, schedule, now, organisation_zone) for zone in zones)
    return min(openings, default=now.astimezone(datetime.UTC))


def start_reasons(
    zones: Iterable[str],
    hours: Hours,
    schedule: Schedule,
    *,
    now: datetime.datetime,
    within_hours: int,
    organisation_zone: str,
) -> list[str]:
    """Why a release now would reach nobody in these zones: no one's hours open before the last moment to start.

    A moment that has passed is not named here: whether the notice goes out at all is asked before.
    """
    last = schedule.last_start(now, within_hours)
    opens = first_opening(zones, hours, schedule, now, organisation_zone)
    if last <= now or opens < last:
        return []
    return [
        f"Nobody could be written to before sending has to have started, {_shown(last)}: the quiet hours end at "
        f"{_shown(opens)}; name a later `schedule.start_by`."
    ]


def _shown(moment: datetime.datetime) -> str:
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"


@lru_cache(maxsize=64)
def _quiet_zones(
    zones: tuple[str, ...], hours: Hours, kept: QuietHours, minute: datetime.datetime, organisation_zone: str
) -> tuple[str, ...]:
    schedule = Schedule(quiet_hours=kept)
    return tuple(zone for zone in zones if is_quiet(zone, hours, schedule, minute, organisation_zone))


def _is_quiet_at(wall: datetime.datetime, hours: Hours) -> bool:
    if WEEKDAYS[wall.weekday()] in hours.quiet_days:
        return True
    night = _night(hours)
    if night is None:
        return False
    begins, ends = night
    time = wall.time()
    return begins <= time < ends if begins < ends else time >= begins or time < ends


def _night(hours: Hours) -> tuple[datetime.time, datetime.time] | None:
    return _read_night(hours.quiet_from, hours.quiet_until)


@lru_cache(maxsize=8)
def _read_night(begins: str, ends: str) -> tuple[datetime.time, datetime.time] | None:
    """The span of every day; None where an end is missing, is no time, or nothing lies between the two."""
    if not begins or not ends or begins == ends:
        return None
    try:
        return datetime.time.fromisoformat(begins), datetime.time.fromisoformat(ends)
    except ValueError:
        return None


def _changes(place: datetime.tzinfo, hours: Hours, moment: datetime.datetime) -> Iterator[datetime.datetime]:
    """Every moment within the horizon at which quiet hours can end: by the wall, or because clocks were set."""
    night = _night(hours)
    walls = (_MIDNIGHT, night[1]) if night else (_MIDNIGHT,)
    first = _on(place, moment).date()
    for day in (first + datetime.timedelta(days=number) for number in range(HORIZON_DAYS)):
        for wall in walls:
            for fold in (0, 1):
                yield datetime.datetime.combine(day, wall, place).replace(fold=fold).astimezone(datetime.UTC)
    begins = moment.replace(minute=0, second=0, microsecond=0)
    for at in (begins + datetime.timedelta(days=number) for number in range(HORIZON_DAYS)):
        if _on(place, at).utcoffset() != _on(place, at + _DAY).utcoffset():
            yield from (at + number * _MINUTE for number in range(24 * 60 + 1))


def _on(place: datetime.tzinfo, moment: datetime.datetime) -> datetime.datetime:
    return moment.astimezone(place)
