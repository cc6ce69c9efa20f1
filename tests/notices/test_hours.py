"""Quiet hours, compared with a clock on the wall that is looked at every minute."""

from __future__ import annotations

import datetime
from datetime import UTC, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.notices import hours
from postmuster.notices.hours import WEEKDAYS
from postmuster.notices.terms import QuietHours, Schedule
from postmuster.settings import Hours

KEPT = Schedule()
AT_ONCE = Schedule(QuietHours.NONE, "The dam has broken.")
NIGHT = Hours()  # 20:00 to 07:00, Saturday and Sunday
HOME = "America/New_York"
ZONES = (
    "", "America/New_York", "Europe/Berlin", "Asia/Tokyo", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo",
    "Africa/Cairo", "Pacific/Apia", "Asia/Beirut", "Mars/Olympus", "UTC",
)  # fmt: skip

times = st.builds(lambda hour, minute: f"{hour:02}:{minute:02}", st.integers(0, 23), st.integers(0, 59))
spans = st.builds(
    Hours,
    quiet_from=st.one_of(st.just(""), times),
    quiet_until=st.one_of(st.just(""), times),
    quiet_days=st.lists(st.sampled_from(WEEKDAYS), unique=True, max_size=6).map(tuple),
)
# Nights in which clocks were set somewhere, and days without an event.
days = st.sampled_from(
    [(2026, 3, 8), (2026, 3, 29), (2026, 10, 4), (2026, 10, 25), (2026, 11, 1), (2026, 4, 24), (2011, 12, 30), (2018, 2, 18),
     (2026, 6, 3), (2027, 3, 27)]
)  # fmt: skip
moments = st.builds(
    lambda day, minutes: datetime.datetime(*day, tzinfo=UTC) + timedelta(minutes=minutes),
    days,
    st.integers(-2880, 2880),
)


def _plainly_quiet(zone: str, rest: Hours, moment: datetime.datetime) -> bool:
    """The same question, answered with minutes of the day and nothing else."""
    name = HOME if zone in ("", "Mars/Olympus") else zone
    wall = moment.astimezone(ZoneInfo(name))
    if wall.strftime("%A").lower() in rest.quiet_days:
        return True
    if not rest.quiet_from or not rest.quiet_until:
        return False
    return wall.hour * 60 + wall.minute in _minutes_of_a_night(rest)


@cache
def _minutes_of_a_night(rest: Hours) -> set[int]:
    begins, ends = (int(text[:2]) * 60 + int(text[3:]) for text in (rest.quiet_from, rest.quiet_until))
    minute, quiet = begins, set()
    while minute != ends:
        quiet.add(minute)
        minute = (minute + 1) % 1440
    return quiet


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(ZONES), spans, moments)
def test_the_next_opening_is_the_first_minute_of_the_wall_that_is_not_quiet(
    zone: str, rest: Hours, moment: datetime.datetime
) -> None:
    assert hours.is_quiet(zone, rest, KEPT, moment, HOME) == _plainly_quiet(zone, rest, moment)
    opening = hours.next_opening(zone, rest, KEPT, moment, HOME)
    at = moment
    while _plainly_quiet(zone, rest, at):
        at += timedelta(minutes=1)
    assert opening == at


@given(st.lists(st.sampled_from(ZONES), unique=True), spans, moments)
def test_quiet_zones_are_those_in_which_it_is_quiet(zones: list[str], rest: Hours, moment: datetime.datetime) -> None:
    seconds = moment + timedelta(seconds=59, microseconds=999_999)
    expected = tuple(zone for zone in zones if _plainly_quiet(zone, rest, moment))
    assert hours.quiet_zones(zones, rest, KEPT, seconds, HOME) == expected
    assert hours.quiet_zones(zones, rest, AT_ONCE, seconds, HOME) == ()


@given(st.text(max_size=60))
def test_a_zone_nobody_knows_is_the_organisations(zone: str) -> None:
    moment = datetime.datetime(2026, 6, 1, 3, 0, tzinfo=UTC)  # 23:00 in New York, noon in Tokyo
    assert hours.is_quiet(f"no such {zone}", NIGHT, KEPT, moment, HOME)
    assert not hours.is_quiet(f"no such {zone}", NIGHT, KEPT, moment, "Asia/Tokyo")


@pytest.mark.parametrize(
    ("rest", "kept"),
    [
        (Hours("", "", ()), False),
        (Hours("20:00", "", ()), False),
        (Hours("08:00", "08:00", ()), False),
        (Hours("", "", ("sunday",)), True),
        (Hours("20:00", "07:00", ()), True),
    ],
)
def test_hours_that_are_empty_are_not_kept(rest: Hours, kept: bool) -> None:
    assert hours.are_kept(rest, KEPT) == kept
    assert not hours.are_kept(rest, AT_ONCE)


def test_a_night_opens_an_hour_earlier_by_utc_once_the_clocks_are_set_forward() -> None:
    saturday = datetime.datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
    monday = hours.next_opening("America/New_York", NIGHT, KEPT, saturday, HOME)
    assert monday == datetime.datetime(2026, 3, 9, 11, 0, tzinfo=UTC)
    friday = datetime.datetime(2026, 3, 6, 5, 0, tzinfo=UTC)
    assert hours.next_opening("", NIGHT, KEPT, friday, HOME) == datetime.datetime(2026, 3, 6, 12, 0, tzinfo=UTC)


def test_an_end_that_the_clocks_jump_over_opens_at_the_jump() -> None:
    rest = Hours("22:00", "02:30", ())
    night = datetime.datetime(2026, 3, 8, 6, 0, tzinfo=UTC)  # 01:00 in New York; at 07:00 UTC it is 03:00
    assert hours.next_opening("", rest, KEPT, night, HOME) == datetime.datetime(2026, 3, 8, 7, 0, tzinfo=UTC)


def test_a_release_whose_hours_open_too_late_is_refused_with_both_moments() -> None:
    night = datetime.datetime(2026, 6, 2, 2, 0, tzinfo=UTC)
    at_six = Schedule(start_by=datetime.datetime(2026, 6, 2, 10, 0, tzinfo=UTC))
    ask = {"now": night, "within_hours": 168, "organisation_zone": HOME}
    [reason] = hours.start_reasons(["", "America/Denver"], NIGHT, at_six, **ask)
    assert "2026-06-02 10:00 UTC" in reason
    assert "2026-06-02 11:00 UTC" in reason
    assert hours.start_reasons(["", "Asia/Tokyo"], NIGHT, at_six, **ask) == []
    assert hours.start_reasons([""], NIGHT, KEPT, **ask) == []
    assert hours.start_reasons([""], NIGHT, Schedule(QuietHours.NONE, "why", at_six.start_by), **ask) == []
    assert hours.start_reasons([""], NIGHT, KEPT, **ask | {"within_hours": 3}) != []
