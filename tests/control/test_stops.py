"""Stops: set with a reason, standing until lifted by the same scope and cause, seen by whoever asks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from postmuster.base import sql
from postmuster.base.errors import Refused, Transient
from postmuster.control import actions as control
from postmuster.control import queries
from postmuster.control.states import Cause, Lane

if TYPE_CHECKING:
    from conftest import Database

pytestmark = pytest.mark.usefixtures("database")


def _set(now: datetime, **given: Any) -> int:
    usual: dict[str, Any] = {
        "notice_no": 0,
        "component_path": "",
        "lane": Lane.BULK,
        "cause": Cause.STOP,
        "reason": "order 7",
    }
    return control.set_stop(**usual | given, actor="officer:1 by shell", now=now)


def _lift(now: datetime, **given: Any) -> list[int]:
    usual: dict[str, Any] = {"notice_no": 0, "component_path": "", "cause": Cause.STOP, "reason": "done"}
    return control.lift(**usual | given, actor="officer:1 by shell", now=now)


def _closed(notice_no: int) -> set[Lane]:
    return {lane for lane in Lane if queries.stopped(notice_no, lane)}


def test_a_stop_closes_its_lane_for_everything_or_one_notice(now: datetime) -> None:
    assert _closed(1) == set()
    _set(now, notice_no=2)
    assert (_closed(1), _closed(2)) == (set(), {Lane.BULK})
    _set(now, lane=Lane.LETTERS)
    assert (_closed(1), _closed(2)) == ({Lane.LETTERS}, {Lane.BULK, Lane.LETTERS})


def test_a_stop_needs_a_reason(now: datetime) -> None:
    for reason in ("", "  \n"):
        with pytest.raises(Refused, match="needs a reason"):
            _set(now, reason=reason)
    assert queries.standing(1) == []
    assert queries.generation() == 1


def test_a_stop_of_a_component_does_not_close_the_whole_lane_and_is_shown(now: datetime) -> None:
    number = _set(now, component_path="Agency/Bureau", cause=Cause.PAUSE)
    assert _closed(1) == set()
    [stop] = queries.standing(1)
    assert (stop.stop_no, stop.component_path, stop.lane, stop.cause) == (number, "Agency/Bureau", Lane.BULK, "pause")
    assert "Agency/Bureau" in stop.sentence()


def test_a_stop_is_lifted_by_its_own_scope_and_cause_alone(now: datetime) -> None:
    number = _set(now, notice_no=2)
    for wrong in (
        {},
        {"notice_no": 3},
        {"notice_no": 2, "component_path": "A"},
        {"notice_no": 2, "cause": Cause.PAUSE},
    ):
        assert _lift(now, **wrong) == []
    assert _closed(2) == {Lane.BULK}
    assert _lift(now, notice_no=2) == [number]
    assert _closed(2) == set()
    assert _lift(now, notice_no=2) == []


def test_two_stops_of_one_scope_are_lifted_together_and_another_ones_stands(now: datetime) -> None:
    both = [_set(now), _set(now)]
    other = _set(now, cause=Cause.HOLD)
    assert sorted(_lift(now)) == both
    assert [stop.stop_no for stop in queries.standing(0)] == [other]


def test_each_change_turns_the_generation_with_its_commit(now: datetime) -> None:
    assert queries.generation() == 1
    with transaction.atomic():
        _set(now)
        transaction.set_rollback(True)
    assert (queries.generation(), queries.standing(1)) == (1, [])
    _set(now)
    assert queries.generation() == 2
    _lift(now)
    assert queries.generation() == 3


def test_every_stop_and_lift_is_in_the_ledger(now: datetime) -> None:
    number = _set(now, notice_no=2)
    _lift(now, notice_no=2)
    found = sql.rows("SELECT kind, subject, actor, facts::jsonb ->> 'stop' FROM ledger_entry ORDER BY id")
    actor = "officer:1 by shell"
    assert found == [("stop set", "n2", actor, str(number)), ("stop lifted", "n2", actor, str(number))]


def test_an_error_means_no(now: datetime, database: Database) -> None:
    """A gate that cannot ask does not say that the lane is open."""
    pid = sql.value("SELECT pg_backend_pid()")
    database.connect("application").execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(Transient):
        queries.stopped(1, Lane.BULK)
