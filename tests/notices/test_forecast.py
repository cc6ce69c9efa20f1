"""How a send would go, in numbers that can be worked out by hand."""

from __future__ import annotations

import datetime
from datetime import UTC, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.assessments.kinds import AskType
from postmuster.notices import forecast
from postmuster.notices.forecast import Way
from postmuster.notices.terms import QuietHours, Ramp, Schedule
from postmuster.settings import Hours

MONDAY = datetime.datetime(2026, 6, 1, 14, 0, tzinfo=UTC)  # 10:00 in New York, 23:00 in Tokyo
NO_HOURS = Hours("", "", ())


def _way(
    people: dict[str, int],
    per_s: float,
    *,
    hours: Hours = NO_HOURS,
    schedule: Schedule | None = None,
    ramp: Ramp | None = None,
) -> Way:
    return Way(people, per_s, hours, schedule or Schedule(), ramp, 168, "America/New_York")


def test_a_send_to_everybody_at_once_takes_people_by_rate() -> None:
    found = forecast.course(_way({"": 3_600_000}, 500.0), MONDAY)
    assert (found.begins, found.ends) == (MONDAY, MONDAY + timedelta(hours=2))
    assert found.by_hour == (1_800_000, 1_800_000)
    assert found.too_late == 0


def test_each_wave_is_watched_before_the_next() -> None:
    found = forecast.course(_way({"": 36_000}, 10.0, ramp=Ramp(10, (40,), 30)), MONDAY)
    assert found.ends == MONDAY + timedelta(hours=2)  # one hour of sending, two times half an hour of watching


def test_who_sleeps_is_written_to_in_the_morning() -> None:
    found = forecast.course(_way({"": 600, "Asia/Tokyo": 600}, 1.0, hours=Hours()), MONDAY)
    tuesday_in_tokyo = datetime.datetime(2026, 6, 1, 22, 0, tzinfo=UTC)
    assert (found.begins, found.ends) == (MONDAY, tuesday_in_tokyo + timedelta(minutes=10))
    asleep = forecast.course(_way({"Asia/Tokyo": 600}, 1.0, hours=Hours()), MONDAY)
    assert asleep.begins == tuesday_in_tokyo
    at_once = Schedule(QuietHours.NONE, "The dam has broken.")
    assert forecast.course(_way({"Asia/Tokyo": 600}, 1.0, hours=Hours(), schedule=at_once), MONDAY).begins == MONDAY


def test_who_does_not_fit_before_the_last_moment_to_start_is_counted() -> None:
    schedule = Schedule(start_by=MONDAY + timedelta(minutes=10))
    found = forecast.course(_way({"": 1_000}, 1.0, schedule=schedule), MONDAY)
    assert (found.too_late, found.ends) == (400, MONDAY + timedelta(minutes=10))


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["", "Asia/Tokyo", "Europe/Berlin", "no such zone"]), st.integers(0, 10**6)),
    st.floats(0.5, 20_000),
    st.sampled_from([None, Ramp(5), Ramp(1, (9, 40), 600)]),
    st.integers(0, 7 * 24),
)
def test_everybody_is_written_to_or_counted_as_too_late(
    people: dict[str, int], per_s: float, ramp: Ramp | None, later: int
) -> None:
    now = MONDAY + timedelta(hours=later)
    found = forecast.course(_way(people, per_s, hours=Hours(), ramp=ramp), now)
    total = sum(people.values())
    assert 0 <= found.too_late <= total
    assert abs(sum(found.by_hour) + found.too_late - total) <= len(found.by_hour) + 1
    assert now <= found.begins <= found.ends


def test_success_reports_count_one_mail_a_copy() -> None:
    assert forecast.mails_back(1_000, AskType.NONE, success_reports=False) == 150
    assert forecast.mails_back(1_000, AskType.NONE, success_reports=True) == 1_150


def test_the_worst_hour_of_a_send_that_is_spread_out_is_lower() -> None:
    ask = AskType.ACKNOWLEDGE
    at_once = forecast.peak_an_hour((8_000,), ask, success_reports=False)
    assert at_once == 8_000 * (0.75 * 0.20 + 0.05)
    spread = forecast.peak_an_hour((1_000,) * 8, ask, success_reports=False)
    assert spread == 493  # all eight hours of the curve at once, and the reports of one
    assert forecast.peak_an_hour((), ask, success_reports=True) == 0
