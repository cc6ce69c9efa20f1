"""Hours of sending: who sleeps is not written to, and what comes too late is not sent at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from postmuster.base import sql
from postmuster.base.clock import SteppedClock
from postmuster.outbound import actions as outbound
from postmuster.outbound import lapsed
from postmuster.outbound.values import WIDE_OPEN, RoundRef
from postmuster.rehearsal.stage import BEGINS

from .muster import Muster
from .relay import LittleRelay

QUIET = {"hours_quiet_from": "20:00", "hours_quiet_until": "07:00", "hours_quiet_days": ("saturday", "sunday")}
WEEK = timedelta(hours=168)


def _with_hours(muster: Muster) -> None:
    muster.desk = muster.desk_with(**QUIET)


def _zones_written_to(of: RoundRef) -> set[str]:
    found = sql.rows(
        "SELECT DISTINCT e.time_zone FROM outbound_delivery d "
        "JOIN outbound_audience a ON a.notice_no = d.notice_no AND a.round_no = d.round_no AND a.seq = d.seq "
        "JOIN roster_entry e ON e.person_no = a.person_no AND e.until IS NULL "
        "WHERE d.notice_no = %s AND d.round_no = %s AND d.state <> 'withheld'",
        (of.notice_no, of.round_no),
    )
    return {str(row[0]) for row in found}


def _scheduled(start_by: datetime) -> Callable[[str], str]:
    line = f"[schedule]\nstart_by = {start_by:%Y-%m-%dT%H:%M:%SZ}\n\n[sender]"
    return lambda toml: toml.replace("[sender]", line, 1)


def _at_once(toml: str) -> str:
    return toml.replace(
        "[sender]", '[schedule]\nquiet_hours = "none"\noverride_reason = "The dam has broken."\n\n[sender]', 1
    )


# ---- peers, row 8: windows of business hours by the recipient's zone


def test_row_8_who_sleeps_is_written_to_in_their_own_morning(muster: Muster, relay: LittleRelay) -> None:
    _with_hours(muster)
    of = muster.begin()  # Monday, 09:00 UTC: working hours in Berlin and Tokyo, night in America
    muster.desk = muster.through(relay)
    muster.send(of)
    assert _zones_written_to(of) == {"Asia/Tokyo", "Europe/Berlin"}
    assert muster.balance(of)["pending"] > 0
    for hour, awake in ((11, 0), (12, 1), (13, 2), (14, 3), (15, 4)):
        muster.clock.set(BEGINS.replace(hour=hour))
        muster.send(of)
        assert len(_zones_written_to(of)) == 2 + awake
    assert "pending" not in muster.balance(of)
    muster.each_once(of, relay)


def test_row_8_nothing_is_due_while_all_who_are_left_sleep(muster: Muster, relay: LittleRelay) -> None:
    _with_hours(muster)
    of = muster.begin()
    muster.desk = muster.through(relay)
    muster.send(of)
    assert muster.upkeep().send == ()
    muster.clock.set(BEGINS.replace(hour=12))
    assert muster.upkeep().send == ((of.notice_no, of.round_no),)


def test_row_8_an_urgent_notice_with_a_reason_goes_at_once(muster: Muster, relay: LittleRelay) -> None:
    _with_hours(muster)
    of = muster.begin(change=_at_once)
    muster.desk = muster.through(relay)
    muster.send(of)
    assert "pending" not in muster.balance(of)


def test_the_reason_for_which_people_are_woken_stands_in_the_status(muster: Muster) -> None:
    of = muster.begin(change=_at_once)
    given = json.loads(muster.command("notice", "status", f"n{of.notice_no}", "--json").stdout)["schedule"]
    assert given == {
        "quiet_hours": "none",
        "override_reason": "The dam has broken.",
        "start_by": (BEGINS + WEEK).isoformat(),
    }
    said = muster.command("notice", "status", f"n{of.notice_no}").stdout
    assert "Quiet hours are not kept: The dam has broken." in said


# ---- start-by


def test_row_6_a_restored_snapshot_sends_no_old_round(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    muster.clock.set(BEGINS + WEEK)  # the snapshot was taken before the send, and is started a week later
    muster.desk = muster.through(relay)
    assert muster.send(of) == 0
    muster.upkeep()
    assert relay.taken == []
    assert set(muster.balance(of)) == {"withheld"}
    assert muster.round(of.notice_no).state == "settled"


def test_row_38_a_restart_after_a_week_floods_nobody(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    batch = outbound.claim_batch(of, 0, WIDE_OPEN)  # a sender that died with its batch, a week ago
    assert batch is not None
    muster.clock.set(BEGINS + WEEK)
    muster.desk = muster.through(relay)
    due = muster.upkeep()
    assert due.send == ()
    assert muster.send(of) == 0
    assert relay.taken == []
    assert set(muster.balance(of)) == {"withheld"}


def test_a_moment_of_its_own_comes_before_that_of_the_settings(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin(change=_scheduled(BEGINS + timedelta(hours=2)))
    muster.desk = muster.through(relay)
    muster.clock.set(BEGINS + timedelta(hours=2))
    assert muster.send(of) == 0
    muster.upkeep()
    assert relay.taken == []


def test_lapsing_withholds_once_and_keeps_the_books(muster: Muster) -> None:
    of = muster.begin()
    before = muster.balance(of)
    held = outbound.claim_batch(of, 60, WIDE_OPEN)
    assert held is not None
    at = BEGINS + WEEK
    first = lapsed.lapse(of, now=at)
    assert muster.balance(of)["pending"] == before["pending"] - first == held.last_seq - held.first_seq + 1
    assert lapsed.lapse(of, now=at) == 0  # what a sender has is not touched
    outbound.release_batch(held)
    assert lapsed.lapse(of, now=at) == before["pending"] - first
    assert set(muster.balance(of)) == {"withheld"}
    history = sql.value(
        "SELECT count(*) FROM outbound_history WHERE notice_no = %s AND before = 'pending' AND reason = 'start_by'",
        (of.notice_no,),
    )
    assert history == before["pending"]
    lapses = [
        row[0]
        for row in sql.rows(
            "SELECT (facts ->> 'withheld')::int FROM ledger_entry WHERE kind = 'round lapsed' ORDER BY id"
        )
    ]
    assert lapses == [first, before["pending"] - first]
    muster.ledger_is_sound()


def test_a_copy_that_was_put_off_is_tried_again_after_the_last_moment_to_start(
    muster: Muster, relay: LittleRelay
) -> None:
    of = muster.begin(change=_scheduled(BEGINS + timedelta(minutes=1)))
    relay.rule = lambda moment: "450 4.7.1 Later" if moment.stage == "RCPT" and moment.times == 1 else None
    muster.desk = muster.through(relay)
    muster.send(of)
    deferred = muster.balance(of)["deferred"]
    muster.clock.set(BEGINS + timedelta(hours=1))
    muster.upkeep()
    assert muster.send(of) == deferred
    assert muster.balance(of)["relayed"] == deferred


@pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=1)])
def test_a_round_has_lapsed_from_its_last_moment_on(muster: Muster, clock: SteppedClock, later: timedelta) -> None:
    of = muster.begin()
    round_ = muster.round(of.notice_no)
    last = lapsed.start_by_of(round_, 168)
    assert last == round_.released_at + WEEK
    assert lapsed.has_lapsed(round_, 168, last + later)
    assert not lapsed.has_lapsed(round_, 168, last - timedelta(seconds=1))
