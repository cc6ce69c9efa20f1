"""Officers: enrolled by an operator, who they are and what they may do."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from postmuster.access.actions import add_officer
from postmuster.access.queries import acting, address_of
from postmuster.access.queries import officers as enrolled
from postmuster.access.roles import Role
from postmuster.base import sql
from postmuster.base.errors import Refused

if TYPE_CHECKING:
    from conftest import Database, Officers


def _add(handle: str, by: str, now: datetime, **given: Any) -> int:
    usual: dict[str, Any] = {"name": handle.title(), "address": f"{handle}@agency.example", "roles": [Role.OPERATOR]}
    return add_officer(handle=handle, by=by, now=now, **{"component_path": "", **usual, **given})


def _marks() -> list[str]:
    return [str(row[0]) for row in sql.rows("SELECT actor FROM ledger_entry WHERE kind = 'officer added' ORDER BY id")]


def test_the_first_officer_needs_nobody_and_every_other_one_an_operator(database: Database, now: datetime) -> None:
    with pytest.raises(Refused, match="no officer"):
        _add("ove", "somebody", now)
    _add("ove", "", now)
    with pytest.raises(Refused, match="say who with --as"):
        _add("eve", "", now)
    with pytest.raises(Refused, match="no officer"):
        _add("eve", "eve", now)
    number = _add("dov", "ove", now, roles=[Role.DRAFTER])
    with pytest.raises(Refused, match="does not hold the role operator"):
        _add("eve", "dov", now)
    assert [one.handle for one in enrolled()] == ["ove", "dov"]
    assert _marks() == ["shell", "officer:1 by shell"]
    assert sql.value("SELECT facts FROM ledger_entry ORDER BY id DESC LIMIT 1") is not None
    assert number == 2


@pytest.mark.parametrize("handle", ["", "a", "Ada", "1ada", "ada smith", "ada\n", "x" * 41, "ädä", "../ada"])
def test_a_bad_handle_is_refused(database: Database, now: datetime, handle: str) -> None:
    with pytest.raises(Refused, match="handle is"):
        _add(handle, "", now)


def test_a_taken_handle_and_an_officer_without_a_role_are_refused(officers: Officers, now: datetime) -> None:
    with pytest.raises(Refused, match="already"):
        _add("ada", "ove", now)
    with pytest.raises(Refused, match="at least one role"):
        _add("eve", "ove", now, roles=[])


def test_an_officer_acts_only_in_a_role_they_hold(officers: Officers) -> None:
    assert acting("ben", Role.APPROVER).handle == "ben"
    assert acting("ben", Role.OPERATOR, Role.APPROVER).roles == frozenset({Role.APPROVER})
    with pytest.raises(Refused, match="does not hold the role operator"):
        acting("ben", Role.OPERATOR)
    for nobody in ("", "eve", "BEN", "ben ", "ben'; --"):
        with pytest.raises(Refused):
            acting(nobody, Role.APPROVER)


def test_an_officer_who_left_acts_no_more(officers: Officers, now: datetime) -> None:
    sql.execute("UPDATE access_officer SET left_at = %s WHERE handle = 'ben'", (now,))
    with pytest.raises(Refused, match="no officer"):
        acting("ben", Role.APPROVER)
    with pytest.raises(Refused, match="no enrolled address"):
        address_of("ben")
    assert "ben" not in [one.handle for one in enrolled()]


def test_a_component_officer_acts_inside_their_subtree_only(officers: Officers, now: datetime) -> None:
    _add("col", "ove", now, roles=[Role.COMPONENT_OFFICER], component_path="Agency/Bureau")
    for inside in ("Agency/Bureau", "Agency/Bureau/Office"):
        assert acting("col", Role.COMPONENT_OFFICER, component_path=inside).handle == "col"
    for outside in ("Agency", "Agency/Bureaus", "Agency/Bureau2/Office", "", "/", None):
        with pytest.raises(Refused):
            acting("col", Role.COMPONENT_OFFICER, component_path=outside)


def test_a_component_officer_of_no_component_acts_nowhere(officers: Officers, now: datetime) -> None:
    _add("col", "ove", now, roles=[Role.COMPONENT_OFFICER], component_path="")
    for path in ("", "Agency", None):
        with pytest.raises(Refused):
            acting("col", Role.COMPONENT_OFFICER, component_path=path)


def test_a_second_role_is_no_way_round_the_component(officers: Officers, now: datetime) -> None:
    """The path of a component officer gives no scope to the other roles, and theirs none to it."""
    _add("col", "ove", now, roles=[Role.COMPONENT_OFFICER, Role.DRAFTER], component_path="Agency")
    with pytest.raises(Refused):
        acting("col", Role.COMPONENT_OFFICER, component_path="Other")
    assert acting("col", Role.DRAFTER).handle == "col"
    assert sql.rows("SELECT role, component_path FROM access_officer_role WHERE officer_id = 7 ORDER BY role") == [
        ("component-officer", "Agency"),
        ("drafter", ""),
    ]
