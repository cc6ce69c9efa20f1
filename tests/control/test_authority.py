"""Who may lift what, as a table, and that lifting keeps to it and names what still holds."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.control import actions as control
from postmuster.control import queries
from postmuster.control.actions import Asked
from postmuster.control.authority import Authority, is_inside, why_not
from postmuster.control.states import Cause, HoldKind, Lane

APPROVER = Authority(everyone=True)
BUREAU = Authority(components=frozenset({"A/B"}))
OFFICE = Authority(components=frozenset({"A/B/C"}))
OTHER = Authority(components=frozenset({"A/BC"}))
NOBODY = Authority()
PROCESS = ""  # no component's officer set it

# cause, kind, level that set it → who may lift
TABLE = [
    (Cause.PAUSE, "", "A/B", {"approver", "bureau"}),
    (Cause.PAUSE, "", "A/B/C", {"approver", "bureau", "office"}),
    (Cause.PAUSE, "", PROCESS, {"approver"}),
    (Cause.STOP, "", PROCESS, {"approver"}),
    (Cause.HOLD, "failures", PROCESS, {"approver"}),
    (Cause.HOLD, "restored", PROCESS, set[str]()),
    (Cause.ORDER, "", PROCESS, set[str]()),
    (Cause.ORDER, "", "A/B", set[str]()),
]
EVERYONE = {"approver": APPROVER, "bureau": BUREAU, "office": OFFICE, "other": OTHER, "nobody": NOBODY}


@pytest.mark.parametrize(("cause", "kind", "level", "may"), TABLE)
def test_each_stop_is_lifted_by_those_in_the_table(cause: Cause, kind: str, level: str, may: set[str]) -> None:
    found = {name for name, who in EVERYONE.items() if not why_not(who, cause=cause, kind=kind, level=level)}
    assert found == may


def test_an_officer_acts_at_the_highest_level_of_theirs_above_a_component() -> None:
    both = Authority(components=frozenset({"A/B/C", "A/B"}))
    assert both.level_over("A/B/C/D") == "A/B"
    assert OFFICE.level_over("A/B/C") == "A/B/C"
    assert APPROVER.level_over("A/B/C") == ""
    assert Authority(True, frozenset({"A/B"})).level_over("A/B") == ""


def test_a_name_that_begins_alike_is_not_inside() -> None:
    assert not is_inside("A/BC", "A/B")
    assert is_inside("A/B/C", "A/B")


def _set(now: datetime, **given: object) -> int:
    usual: dict[str, object] = {"notice_no": 2, "component_path": "A/B", "lane": Lane.BULK, "cause": Cause.PAUSE}
    return control.set_stop(**usual | given, reason="a test", actor="officer:1 by shell", now=now)  # type: ignore[arg-type]


def _resume(now: datetime, who: Authority, path: str = "A/B") -> control.Resumed:
    return control.resume(
        notice_no=2, component_path=path, authority=who, reason="done", actor="officer:2 by shell", now=now
    )


@pytest.mark.usefixtures("database")
def test_an_officer_lifts_their_own_pause_and_not_the_approver_s(now: datetime) -> None:
    mine, theirs = _set(now, level="A/B"), _set(now)
    done = _resume(now, BUREAU)
    assert [stop.stop_no for stop in done.lifted] == [mine]
    assert [(stop.stop_no, why) for stop, why in done.refused] == [
        (theirs, "an approver set it, and an approver lifts it")
    ]
    with pytest.raises(Refused, match="an approver lifts it; nothing was changed"):
        _resume(now, BUREAU)
    assert [stop.stop_no for stop in queries.standing(2)] == [theirs]
    assert [stop.stop_no for stop in _resume(now, APPROVER).lifted] == [theirs]


@pytest.mark.usefixtures("database")
def test_what_nobody_may_lift_so_stays_and_turns_no_generation(now: datetime) -> None:
    number = _set(now, component_path="", cause=Cause.ORDER)
    before = queries.generation()
    with pytest.raises(Refused, match="only lifting the order"):
        _resume(now, APPROVER, "")
    assert (queries.generation(), [stop.stop_no for stop in queries.standing(2)]) == (before, [number])
    _set(now, component_path="", cause=Cause.HOLD, kind="failures")
    assert len(_resume(now, APPROVER, "").lifted) == 1
    assert [stop.stop_no for stop in queries.standing(2)] == [number]


@pytest.mark.usefixtures("database")
def test_the_hold_of_a_restored_database_is_not_resumed(now: datetime) -> None:
    _set(now, notice_no=0, component_path="", cause=Cause.HOLD, kind=HoldKind.RESTORED)
    with pytest.raises(Refused, match="confirm-database"):
        control.resume(
            notice_no=0, component_path="", authority=APPROVER, reason="go on", actor="officer:2 by shell", now=now
        )


@pytest.mark.usefixtures("database")
def test_lifting_needs_a_reason(now: datetime) -> None:
    _set(now)
    with pytest.raises(Refused, match="needs a reason"):
        control.resume(notice_no=2, component_path="A/B", authority=APPROVER, reason=" ", actor="shell", now=now)


@pytest.mark.usefixtures("database")
def test_both_answers_are_in_the_row_and_in_the_ledger_and_close_the_intake(now: datetime) -> None:
    _set(now, component_path="", cause=Cause.STOP, asked=Asked(tell_reached=True, accept_replies=False))
    rows = sql.rows("SELECT lane, tell_reached, accept_replies FROM control_stop ORDER BY id")
    assert rows == [("bulk", True, False), ("intake", None, None)]
    facts = json.loads(sql.value("SELECT facts::text FROM ledger_entry ORDER BY id LIMIT 1"))
    assert (facts["tell_reached"], facts["accept_replies"]) == (True, False)
    assert queries.closed_to_replies() == {2}
    assert queries.stopped(0, Lane.INTAKE) is None  # the door stays open for everyone else
    _resume(now, APPROVER, "")
    assert queries.closed_to_replies() == frozenset()


@pytest.mark.usefixtures("database")
def test_those_reached_are_owed_word_until_it_is_noted_who_told_them(now: datetime) -> None:
    stop_no = _set(now, component_path="", cause=Cause.STOP, asked=Asked(tell_reached=True, accept_replies=True))
    [stop] = queries.standing(2)
    assert "postmuster notice told n2" in stop.sentence()
    assert control.told(notice_no=2, by_notice_no=5, actor="officer:1 by shell", now=now) == [stop_no]
    [stop] = queries.standing(2)
    assert "told" not in stop.sentence()
    with pytest.raises(Refused, match="Nobody is owed"):
        control.told(notice_no=2, by_notice_no=5, actor="officer:1 by shell", now=now)


@pytest.mark.usefixtures("database")
def test_the_newest_stop_is_dated_by_the_server_s_clock(now: datetime) -> None:
    assert queries.newest_stop(2) is None
    _set(now, level="A/B")  # of a component: not for everyone
    assert queries.newest_stop(2) is None
    before = sql.value("SELECT clock_timestamp()")
    _set(now, component_path="", cause=Cause.STOP)
    number = _set(now, component_path="", notice_no=0, cause=Cause.HOLD)
    newest = queries.newest_stop(2)
    assert newest is not None
    assert (newest.stop_no, newest.cause, newest.is_lifted) == (number, Cause.HOLD, False)
    assert before < newest.committed_at <= sql.value("SELECT clock_timestamp()")
