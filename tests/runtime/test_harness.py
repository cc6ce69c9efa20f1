"""The ground the other tests stand on: that their database is real, clean and guarded."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import psycopg
import pytest
from django.db import connection

from postmuster.access import queries as access
from postmuster.access.roles import Role
from postmuster.base import sql
from postmuster.control import queries as control

if TYPE_CHECKING:
    from conftest import Database, Officers


def test_the_default_connection_is_the_application_role_under_row_level_security(database: Database) -> None:
    user, bypasses, owns = sql.row(
        "SELECT current_user, rolbypassrls OR rolsuper, pg_has_role('postmuster_owner', 'member') "
        "FROM pg_roles WHERE rolname = current_user"
    ) or (None, None, None)
    assert (user, bypasses, owns) == ("postmuster_application", False, False)


def test_every_table_forces_row_level_security(database: Database) -> None:
    open_tables = sql.rows(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace "
        "AND NOT (relrowsecurity AND relforcerowsecurity)"
    )
    assert open_tables == []


def test_a_role_without_a_policy_sees_no_row_even_with_the_right_to_read(
    database: Database, officers: Officers
) -> None:
    owner = database.connect("owner")
    assert owner.execute("SELECT count(*) FROM access_officer").fetchone() == (0,)
    assert sql.value("SELECT count(*) FROM access_officer") == 6


def test_the_intake_role_may_put_mail_in_and_may_not_read_the_roster(database: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.connect("intake").execute("SELECT FROM roster_entry")
    with database.as_role("intake"):
        assert sql.value("SELECT current_user") == "postmuster_intake"
    assert sql.value("SELECT current_user") == "postmuster_application"


@pytest.mark.parametrize("_turn", [1, 2])
def test_each_test_finds_a_clean_database(database: Database, now: datetime, _turn: int) -> None:
    from postmuster.access.actions import add_officer

    assert control.generation() == 1
    assert access.officers() == []
    number = add_officer(
        handle="ove",
        name="Ove",
        address="ove@agency.example",
        roles=[Role.OPERATOR],
        component_path="",
        by="",
        now=now,
    )
    assert number == 1


@pytest.mark.parametrize("_turn", [1, 2])
def test_a_connection_left_in_a_transaction_does_not_hold_up_the_next_test(database: Database, _turn: int) -> None:
    left = database.connect("application")
    left.autocommit = False
    left.execute("UPDATE control_generation SET number = number + 1")
    connection.close()
    assert control.generation() == 1


def test_the_officers_hold_the_roles_their_names_stand_for(officers: Officers) -> None:
    held = {actor.handle: set(actor.roles) for actor in access.officers()}
    assert held == {
        officers.ada: {Role.DRAFTER},
        officers.ben: {Role.APPROVER},
        officers.cho: {Role.APPROVER},
        officers.pia: {Role.PRIVACY_OFFICER},
        officers.ove: {Role.OPERATOR},
        officers.rae: {Role.REVIEWER},
    }
