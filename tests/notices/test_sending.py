"""What a file says about sending is read, or every reason why not is said; unwritten, it is as it always was."""

from __future__ import annotations

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.assessments.table import Refusals
from postmuster.notices.content import canonical, digest, read_notice, reasons_static
from postmuster.notices.terms import DoubtPolicy, InDoubt, Limits, QuietHours, Ramp, Rounds, Schedule

from .samples import BODY, KINDS, SENDING, TEST, changed, read, refused, rehearsal_notice

NOON = datetime.datetime(2027, 3, 3, 11, tzinfo=datetime.UTC)
ALL = TEST + SENDING


def test_everything_written_about_sending_is_read() -> None:
    content = read(ALL)
    assert content.rounds == Rounds(24, 4)
    assert content.in_doubt == InDoubt(DoubtPolicy.RESEND, 30)
    assert content.ramp == Ramp(0.5, (10.0, 30.5), 15)
    assert content.limits == Limits(3.0, 20.0, 0.2, 1.0)
    assert content.schedule == Schedule(QuietHours.NONE, "the building is closed", NOON)


@pytest.mark.parametrize("kind", KINDS)
def test_a_notice_that_says_nothing_about_sending_has_the_defaults(kind: str) -> None:
    for content in (read(), rehearsal_notice(kind)):
        assert (content.rounds, content.in_doubt, content.ramp) == (
            Rounds(72, 3),
            InDoubt(DoubtPolicy.LEAVE, 120),
            None,
        )
        assert content.schedule == Schedule(QuietHours.ORGANISATION, "", None)
    assert read().limits == Limits(2.0, 10.0, 0.1, 0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_rehearsal_s_limits_are_wide_because_its_mailboxes_are_worse_than_a_living_organisation_s(
    kind: str,
) -> None:
    wide = rehearsal_notice(kind).limits
    assert wide == Limits(15.0, 60.0, 5.0, 10.0)


def test_a_digest_that_was_approved_before_these_tables_existed_still_holds() -> None:
    fixed = json.loads(canonical(read()))["content"]
    assert not {"rounds", "in_doubt", "ramp", "limits", "schedule"} & set(fixed)
    written = (
        "[rounds]\nminimum_gap_hours = 72\nmaximum = 3\n[in_doubt]\npolicy = 'leave'\n[ramp.limits]\nfailed_percent = 2\n"
        "[schedule]\nquiet_hours = 'organisation'\n"
    )
    assert digest(read(TEST + written)) == digest(read())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hours = 24", "hours = 25"), ("maximum = 4", "maximum = 5"),
        ('"resend"', '"leave"'), ("wait_minutes = 30", "wait_minutes = 31"),
        ("= 0.5", "= 0.6"), ("30.5", "30.6"),
        ("observe_minutes = 15", "observe_minutes = 16"),
        ("failed_percent = 3", "failed_percent = 4"),
        ("deferred_percent = 20", "deferred_percent = 21"), ("complaints_percent = 0.2", "complaints_percent = 0.3"),
        ("not_mine_percent = 1", "not_mine_percent = 2"), ("is closed", "is locked"), ("12:00:00", "12:00:01"),
        ('quiet_hours = "none"\noverride_reason = "the building is closed"\n', ""),
    ],
)  # fmt: skip
def test_the_digest_covers_every_word_about_sending(old: str, new: str) -> None:
    assert digest(read(changed((old, new), text=ALL))) != digest(read(ALL))


def test_a_whole_number_and_its_decimal_are_the_same_share() -> None:
    assert digest(read(changed(("[10, 30.5]", "[10.0, 30.50]"), text=ALL))) == digest(read(ALL))


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("hours = 24", "hours = 0", "rounds.minimum_gap_hours", "from 1 to 8760"),
        ("hours = 24", "hours = 8761", "rounds.minimum_gap_hours", "from 1 to 8760"),
        ("maximum = 4", "maximum = 11", "rounds.maximum", "from 1 to 10"),
        ("maximum = 4", "maximun = 4", "rounds.maximun", "did you mean `rounds.maximum`"),
        ('"resend"', '"again"', "in_doubt.policy", "must be one of leave, resend"),
        ("wait_minutes = 30", "wait_minutes = 10081", "in_doubt.wait_minutes", "from 1 to 10080"),
        ("canary_percent = 0.5", "canary_percent = 0.05", "ramp.canary_percent", "from 0.1 to 50"),
        ("canary_percent = 0.5", "canary_percent = 51", "ramp.canary_percent", "from 0.1 to 50"),
        ("canary_percent = 0.5", "canary_percent = nan", "ramp.canary_percent", "from 0.1 to 50"),
        ("canary_percent = 0.5", "canary_percent = true", "ramp.canary_percent", "from 0.1 to 50"),
        ("canary_percent = 0.5\n", "", "ramp.canary_percent", "is missing"),
        ("[10, 30.5]", "[10, 0]", "ramp.waves", "an item that is not a number"),
        ("[10, 30.5]", "[10, -inf]", "ramp.waves", "an item that is not a number"),
        ("[10, 30.5]", "[10, '30']", "ramp.waves", "an item that is not a number"),
        ("[10, 30.5]", "[60, 39.6]", "ramp.waves", "more than 100 percent"),
        ("[10, 30.5]", "10", "ramp.waves", "must be a list"),
        ("[10, 30.5]", f"[{'1, ' * 21}]", "ramp.waves", "at most 20"),
        ("observe_minutes = 15", "observe_minutes = 0", "ramp.observe_minutes", "from 1 to 10080"),
        ("failed_percent = 3", "failed_percent = 0.001", "ramp.limits.failed_percent", "from 0.01 to 100"),
        ("not_mine_percent = 1", "not_mine_percent = 101", "ramp.limits.not_mine_percent", "from 0.01 to 100"),
        ("not_mine_percent = 1", "notmine_percent = 1", "ramp.limits.notmine_percent", "did you mean"),
        ('"none"', '"nobody"', "schedule.quiet_hours", "must be one of organisation, none"),
        ('override_reason = "the building is closed"', "", "schedule.override_reason", "is missing"),
        ('quiet_hours = "none"', "", "schedule.override_reason", "take it out"),
        ("the building is closed", "x" * 301, "schedule.override_reason", "longer than 300"),
        ("the building is closed", "a\\nb", "schedule.override_reason", "line break"),
        ("12:00:00+01:00", "12:00:00", "schedule.start_by", "with an offset"),
        ("2027-03-03T12:00:00+01:00", '"Friday"', "schedule.start_by", "with an offset"),
        ("2027-03-03T12:00:00+01:00", "0001-01-01T00:00:00+14:00", "schedule.start_by", "outside the years"),
    ],
)  # fmt: skip
def test_a_fault_about_sending_names_line_and_key(old: str, new: str, key: str, words: str) -> None:
    reasons = refused(changed((old, new), text=ALL))
    assert len(reasons) == 1, reasons
    assert reasons[0].startswith("notice.toml line ")
    assert f"`{key}`" in reasons[0]
    assert words in reasons[0]


def test_limits_hold_without_waves() -> None:
    content = read(TEST + "[ramp.limits]\nfailed_percent = 5\n")
    assert content.ramp is None
    assert content.limits == Limits(failed_percent=5.0)


@pytest.mark.parametrize(
    ("ramp", "shares"),
    [
        (Ramp(1.0), (1.0, 99.0)),
        (Ramp(1.0, (10.0, 30.0)), (1.0, 10.0, 30.0, 59.0)),
        (Ramp(50.0, (50.0,)), (50.0, 50.0)),
        (Ramp(0.1, (0.2, 0.7)), (0.1, 0.2, 0.7, 99.0)),
    ],
)
def test_the_rest_of_the_people_is_the_last_wave(ramp: Ramp, shares: tuple[float, ...]) -> None:
    assert ramp.shares == shares


@given(st.integers(1, 500), st.lists(st.integers(1, 9999), max_size=20))
def test_the_waves_that_are_read_are_everybody(canary: int, waves: list[int]) -> None:
    """Shares of two decimals, which binary fractions miss."""
    text = f"[ramp]\ncanary_percent = {canary / 10:.2f}\nwaves = [{', '.join(f'{one / 100:.2f}' for one in waves)}]\n"
    content = read_notice((TEST + text).encode(), {"": BODY})
    assert isinstance(content, Refusals) == (canary * 10 + sum(waves) > 10_000)
    if not isinstance(content, Refusals):
        assert content.ramp is not None
        assert sum(content.ramp.shares) == pytest.approx(100)


def test_a_notice_whose_last_moment_has_passed_does_not_start() -> None:
    content = read(ALL)
    assert reasons_static(content, NOON - datetime.timedelta(seconds=1)) == []
    assert any("schedule.start_by" in reason for reason in reasons_static(content, NOON))


def test_the_last_moment_is_the_written_one_else_counted_from_the_release() -> None:
    released = datetime.datetime(2027, 3, 1, 9, tzinfo=datetime.UTC)
    assert read(ALL).schedule.last_start(released, 168) == NOON
    assert read().schedule.last_start(released, 168) == released + datetime.timedelta(days=7)
