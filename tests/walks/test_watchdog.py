"""The watchdog: what is due and not done is an alarm of `check`; what waits as it was decided stands in `held_by`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postmuster.base import sql
from postmuster.control.states import Cause
from postmuster.jobs.rest import resting
from postmuster.outbound.values import RoundRef
from postmuster.reports import queries as reports
from postmuster.reports.stalls import STALLED_MINUTES
from postmuster.runtime import checks
from postmuster.runtime.checks import Finding, Outcome
from postmuster.settings import CLOCK_VARIABLE

from .muster import Muster
from .relay import LittleRelay

STALLED = timedelta(minutes=STALLED_MINUTES)
ALWAYS_QUIET = {"hours_quiet_from": "00:00", "hours_quiet_until": "23:59"}


@pytest.fixture(autouse=True)
def _by_the_walk_s_clock(stage: Muster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLOCK_VARIABLE, str(stage.folder / "clock"))


def _rounds(muster: Muster) -> Finding:
    [found] = checks.run_checks(muster.desk.settings, [("rounds", checks.rounds)])
    return found


def _held_by(muster: Muster, of: RoundRef) -> tuple[str, ...]:
    now = muster.desk.now
    return reports.notice_figures(
        of.notice_no, now=now, breakdowns=False, quiet_zones=resting(muster.desk.settings, now)
    ).held_by


def test_what_is_due_and_stands_still_is_an_alarm_that_names_what_to_do(muster: Muster) -> None:
    of = muster.begin()
    assert _rounds(muster).outcome is Outcome.OK
    assert _held_by(muster, of) == ()
    muster.clock.advance(STALLED)
    found = _rounds(muster)
    assert found.outcome is Outcome.WARN
    assert "no worker looks after them; start one with `postmuster up`" in found.sentence
    [held] = _held_by(muster, of)
    assert "no worker" in held


def test_a_relay_that_takes_nothing_is_named_as_the_reason(muster: Muster) -> None:
    muster.begin()
    muster.upkeep()
    muster.clock.advance(STALLED)
    with LittleRelay() as gone:
        muster.configure(relay_port=gone.port)
    muster.upkeep()
    found = _rounds(muster)
    assert found.outcome is Outcome.WARN
    assert f"the relay takes nothing: 127.0.0.1:{gone.port}" in found.sentence


def test_hours_of_rest_are_told_and_are_no_alarm(muster: Muster) -> None:
    of = muster.begin()
    muster.configure(**ALWAYS_QUIET)
    muster.upkeep()
    muster.clock.advance(STALLED)
    found = _rounds(muster)
    assert found.outcome is Outcome.OK
    assert "1 of them wait as it was decided" in found.sentence
    [held] = _held_by(muster, of)
    assert "wait for the end of the hours of rest" in held


def test_a_hold_is_named_once(muster: Muster) -> None:
    of = muster.begin()
    muster.stop(notice_no=of.notice_no, cause=Cause.HOLD)
    muster.clock.advance(STALLED)
    [held] = _held_by(muster, of)
    assert held.startswith("hold ")
    assert _rounds(muster).outcome is Outcome.OK


def test_the_time_a_stop_took_is_the_last_copy_the_relay_took_after_its_commit(muster: Muster) -> None:
    of = muster.begin()
    assert reports.notice_figures(of.notice_no, now=muster.desk.now).time_to_stop is None
    muster.stop(notice_no=of.notice_no)
    sql.execute(
        "INSERT INTO outbound_halt (notice_no, round_no, generation, last_taken_at) "
        "SELECT %(no)s, 1, 1, committed_at + given.later FROM control_stop, "
        "  (VALUES (interval '-2 s'), (interval '0.3 s')) AS given (later) WHERE notice_no = %(no)s",
        {"no": of.notice_no},
    )
    found = reports.notice_figures(of.notice_no, now=muster.desk.now).time_to_stop
    assert found is not None
    assert (found.accepted_s, found.left_relay_s) == (0.3, None)
    muster.lift(notice_no=of.notice_no)
    assert reports.notice_figures(of.notice_no, now=muster.desk.now).time_to_stop == found
