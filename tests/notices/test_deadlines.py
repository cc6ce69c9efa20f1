"""A deadline ends in a person's own zone, and says so."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.notices.deadlines import (
    deadline_end,
    deadline_text,
    earliest_end,
    end_with_grace,
    moment_text,
    zone_for,
    zone_named,
)
from postmuster.notices.terms import LANGUAGES, PERSON_ZONE, Deadline

OURS = "America/New_York"


def _utc(*parts: int) -> datetime.datetime:
    return datetime.datetime(*parts, tzinfo=datetime.UTC)  # type: ignore[arg-type, misc]


def _wall(*parts: int) -> datetime.datetime:
    return _utc(*parts).replace(tzinfo=None)


def test_a_persons_deadline_is_a_wall_time_in_their_zone() -> None:
    deadline = Deadline(_wall(2027, 3, 15, 17), PERSON_ZONE, 60)
    assert deadline_end(deadline, "Asia/Tokyo", organisation_zone=OURS) == _utc(2027, 3, 15, 8)
    assert deadline_end(deadline, "America/Denver", organisation_zone=OURS) == _utc(2027, 3, 15, 23)
    assert end_with_grace(deadline, "Asia/Tokyo", organisation_zone=OURS) == _utc(2027, 3, 15, 9)


def test_a_zone_nobody_knows_is_the_organisations() -> None:
    deadline = Deadline(_wall(2027, 3, 15, 17), PERSON_ZONE, 0)
    for name in ("", "Mars/Base", "America", "../../etc/passwd", "x" * 500, "zone.tab", "__init__.py", "America/\x00"):
        assert deadline_end(deadline, name, organisation_zone=OURS) == _utc(2027, 3, 15, 21)
    assert zone_for("", "nowhere").key == "UTC"


def test_one_instant_for_everyone_is_shown_in_each_zone() -> None:
    fixed = Deadline(_wall(2027, 3, 5, 17), OURS, 0)
    with_offset = Deadline(_utc(2027, 3, 5, 22), "UTC", 0)
    for zone in ("Asia/Tokyo", "Europe/Berlin", ""):
        assert deadline_end(fixed, zone, organisation_zone=OURS) == _utc(2027, 3, 5, 22)
        assert deadline_end(with_offset, zone, organisation_zone=OURS) == _utc(2027, 3, 5, 22)
    text = deadline_text(fixed, "en", "Asia/Tokyo", organisation_zone=OURS)
    assert text == "Saturday, 6 March 2027, 07:00 (Asia/Tokyo, UTC+09:00; 2027-03-05 22:00 UTC)"


def test_a_time_that_comes_twice_or_never_is_read_in_the_persons_favour() -> None:
    twice = Deadline(_wall(2027, 11, 7, 1, 30), PERSON_ZONE, 0)
    never = Deadline(_wall(2027, 3, 14, 2, 30), PERSON_ZONE, 0)
    assert deadline_end(twice, OURS, organisation_zone=OURS) == _utc(2027, 11, 7, 6, 30)
    assert deadline_end(never, OURS, organisation_zone=OURS) == _utc(2027, 3, 14, 7, 30)
    assert "03:30 (America/New_York, UTC-04:00" in deadline_text(never, "en", OURS, organisation_zone=OURS)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Monday, 15 March 2027, 17:00 (America/New_York, UTC-04:00; 21:00 UTC)"),
        ("es", "lunes, 15 de marzo de 2027, 17:00 (America/New_York, UTC-04:00; 21:00 UTC)"),
        ("fr", "lundi 15 mars 2027, 17:00 (America/New_York, UTC-04:00; 21:00 UTC)"),
        ("de", "Montag, 15. März 2027, 17:00 Uhr (America/New_York, UTC-04:00; 21:00 UTC)"),
        ("pt", "segunda-feira, 15 de março de 2027, 17:00 (America/New_York, UTC-04:00; 21:00 UTC)"),
        ("it", "lunedì 15 marzo 2027, 17:00 (America/New_York, UTC-04:00; 21:00 UTC)"),
        ("pl", "poniedziałek, 15 marca 2027, 17:00 (America/New_York, UTC-04:00; 21:00 UTC)"),
        ("zh", "2027年3月15日 星期一 17:00（America/New_York, UTC-04:00; 21:00 UTC）"),
    ],
)
def test_a_deadline_is_written_in_each_language(language: str, text: str) -> None:
    deadline = Deadline(_wall(2027, 3, 15, 17), PERSON_ZONE, 0)
    assert deadline_text(deadline, language, OURS, organisation_zone=OURS) == text


def test_utc_is_written_once() -> None:
    assert moment_text(_utc(2027, 3, 15, 17), "en", zone_for("UTC", "")) == "Monday, 15 March 2027, 17:00 (UTC)"


def test_the_earliest_end_is_before_everyones() -> None:
    deadline = Deadline(_wall(2027, 3, 15, 17), PERSON_ZONE, 0)
    ends = [deadline_end(deadline, zone, organisation_zone=OURS) for zone in ("Pacific/Kiritimati", OURS, "Asia/Tokyo")]
    assert earliest_end(deadline) == min(ends)


@given(
    st.datetimes(_wall(2000, 1, 1), _wall(2999, 12, 31)),
    st.sampled_from(LANGUAGES),
    st.one_of(st.sampled_from(["Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Monrovia"]), st.text(max_size=20)),
)
def test_every_deadline_is_one_line_without_braces(at: datetime.datetime, language: str, zone: str) -> None:
    text = deadline_text(Deadline(at, PERSON_ZONE, 0), language, zone, organisation_zone=OURS)
    assert "\n" not in text
    assert "{" not in text
    assert len(text) < 200


@given(st.text(max_size=60))
def test_no_name_of_a_zone_raises(name: str) -> None:
    zone_named(name)
