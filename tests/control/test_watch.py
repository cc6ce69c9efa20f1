"""A watch calls back once when what may happen has changed, and when it cannot ask."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connections

from postmuster.base import sql
from postmuster.control import actions as control
from postmuster.control import queries
from postmuster.control.states import Cause, Lane
from postmuster.control.watch import SILENCE_S, StopWatch

if TYPE_CHECKING:
    from conftest import Database

WAIT_S = 10.0
WATCHERS = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%%LISTEN%%' OR query LIKE '%%control_generation'"


class _Calls:
    def __init__(self) -> None:
        self.count = 0
        self.at_s = 0.0
        self.came = threading.Event()

    def __call__(self) -> None:
        self.count += 1
        self.at_s = time.monotonic()
        self.came.set()


def _stop(now: datetime) -> None:
    control.set_stop(
        notice_no=1, component_path="", lane=Lane.BULK, cause=Cause.STOP, reason="a test", actor="shell", now=now
    )


def _until_it_asks(watch: StopWatch) -> None:
    first = watch._answered_s
    until_s = time.monotonic() + WAIT_S
    while watch._answered_s == first:
        assert time.monotonic() < until_s


def test_a_change_is_seen_within_two_tenths_and_told_once(database: Database, now: datetime) -> None:
    calls = _Calls()
    with StopWatch(queries.generation(), calls) as watch:
        _until_it_asks(watch)
        _stop(now)
        committed_s = time.monotonic()
        assert calls.came.wait(WAIT_S)
        assert calls.at_s - committed_s < 0.2
        _stop(now)
    assert (calls.count, watch.has_changed) == (1, True)


def test_a_change_that_nobody_announces_is_seen_too(database: Database) -> None:
    """NOTIFY only hastens."""
    calls = _Calls()
    with StopWatch(queries.generation(), calls) as watch:
        _until_it_asks(watch)
        sql.execute("UPDATE control_generation SET number = number + 1")
        assert calls.came.wait(WAIT_S)


def test_a_change_before_it_began_is_seen_at_once(database: Database, now: datetime) -> None:
    before = queries.generation()
    _stop(now)
    calls = _Calls()
    with StopWatch(before, calls):
        assert calls.came.wait(WAIT_S)


def test_nothing_is_told_where_nothing_changes_and_no_thread_is_left(database: Database) -> None:
    calls = _Calls()
    with StopWatch(queries.generation(), calls) as watch:
        _until_it_asks(watch)
        first = watch._answered_s
        while watch._answered_s == first:
            pass
    assert (calls.count, watch.has_changed) == (0, False)
    assert not [thread.name for thread in threading.enumerate() if "for stops" in thread.name]


def test_a_connection_that_is_cut_is_opened_again_in_time(database: Database, now: datetime) -> None:
    calls = _Calls()
    admin = database.connect("application")
    with StopWatch(queries.generation(), calls) as watch:
        _until_it_asks(watch)
        cut = admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query = %s",
            ("SELECT number FROM control_generation",),
        ).fetchall()
        assert cut
        connections["default"].close()
        _until_it_asks(watch)
        assert calls.count == 0
        _stop(now)
        assert calls.came.wait(WAIT_S)
    assert calls.count == 1


def test_who_cannot_ask_for_a_second_is_told(database: Database) -> None:
    calls = _Calls()
    owner = database.connect("owner")
    with StopWatch(queries.generation(), calls) as watch:
        _until_it_asks(watch)
        began_s = time.monotonic()
        with owner.transaction():
            owner.execute("LOCK TABLE control_generation IN ACCESS EXCLUSIVE MODE")  # as one that hangs
            assert calls.came.wait(WAIT_S)
    assert SILENCE_S - 0.3 < calls.at_s - began_s < SILENCE_S + 0.5
    assert calls.count == 1
