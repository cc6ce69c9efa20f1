"""The three database roles: each sees and does what its work needs, and no way leads from one to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from postmuster.base import sql
from postmuster.base.tables import APPLICATION_ROLE, INTAKE_ROLE
from postmuster.runtime.roles import OWNER_ROLE

if TYPE_CHECKING:
    from conftest import Database

_DENIED = psycopg.errors.InsufficientPrivilege
ASKED_BY_INTAKE = {"control_generation", "control_stop", "control_lift", "control_told"}
HOW_FAR_MAILBOXES_WERE_TAKEN = {"inbound_mailbox", "inbound_taken"}  # UIDs and digests: who fetches is the intake
ADDED_TO_BY_INTAKE = {"inbound_mail", "vault_item", *HOW_FAR_MAILBOXES_WERE_TAKEN}


def _tables() -> list[str]:
    found = sql.rows(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    assert len(found) > 30
    return [str(row[0]) for row in found]


def test_the_intake_reads_stops_and_how_far_mailboxes_were_taken_and_nothing_else(database: Database) -> None:
    intake = database.connect("intake")
    for table in _tables():
        if table in ASKED_BY_INTAKE | HOW_FAR_MAILBOXES_WERE_TAKEN:
            intake.execute(f"SELECT * FROM {table}")
            continue
        with pytest.raises(_DENIED):
            intake.execute(f"SELECT * FROM {table}")


@pytest.mark.parametrize(
    "statement", ["SELECT sealed FROM vault_item", "SELECT * FROM inbound_mail", "SELECT name FROM roster_entry"]
)
def test_the_intake_cannot_read_mail_or_people_even_what_it_has_just_written(
    database: Database, statement: str
) -> None:
    intake = database.connect("intake")
    intake.execute(
        "INSERT INTO inbound_mail (item_no, accepted_at, octets, state, attempts, fence) VALUES (1, now(), 1, 'waiting', 0, 0)"
    )
    with pytest.raises(_DENIED):
        intake.execute(statement)
    with pytest.raises(_DENIED):
        intake.execute(
            "INSERT INTO inbound_mail (item_no, accepted_at, octets, state, attempts, fence) "
            "VALUES (1, now(), 1, 'waiting', 0, 0) RETURNING item_no"
        )


def test_the_intake_changes_and_deletes_nothing(database: Database) -> None:
    intake = database.connect("intake")
    for table in _tables():
        for act in (f"DELETE FROM {table}", f"TRUNCATE {table}", f"INSERT INTO {table} DEFAULT VALUES"):
            if table in ADDED_TO_BY_INTAKE and act.startswith("INSERT"):
                continue
            with pytest.raises(_DENIED):
                intake.execute(act)


def test_neither_role_is_master_of_anything(database: Database) -> None:
    found = sql.rows(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) "
        "AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)",
        ([OWNER_ROLE, APPLICATION_ROLE, INTAKE_ROLE],),
    )
    assert found == []
    assert sql.value("SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = ANY(%s)",
                     ([APPLICATION_ROLE, INTAKE_ROLE],)) == 0  # fmt: skip
    assert sql.value("SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = ANY(%s)",
                     ([APPLICATION_ROLE, INTAKE_ROLE],)) == 0  # fmt: skip


@pytest.mark.parametrize("role", ["application", "intake"])
@pytest.mark.parametrize(
    "act",
    [
        f"SET ROLE {OWNER_ROLE}",
        f"SET SESSION AUTHORIZATION {OWNER_ROLE}",
        "SET session_replication_role = replica",
        "ALTER TABLE roster_entry NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE ledger_entry DISABLE TRIGGER ALL",
        "DROP POLICY application_select ON roster_entry",
        "CREATE POLICY mine ON roster_entry USING (true)",
        "CREATE TABLE public.mine (a int)",
        "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        f"ALTER ROLE {APPLICATION_ROLE} BYPASSRLS",
        f"GRANT {OWNER_ROLE} TO {APPLICATION_ROLE}",
        "COPY ledger_entry TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
    ],
)
def test_no_way_leads_to_another_role_or_round_a_guard(database: Database, role: str, act: str) -> None:
    login = database.connect(role)
    with pytest.raises(_DENIED):
        login.execute(act)


def test_row_level_security_is_forced_on_every_table(database: Database) -> None:
    found = sql.rows(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace "
        "AND NOT (relrowsecurity AND relforcerowsecurity)"
    )
    assert found == []


def test_the_owner_sees_no_row_although_the_tables_are_its_own(database: Database) -> None:
    sql.execute("INSERT INTO roster_component (path) VALUES ('Agency')")
    seen = database.connect("owner").execute("SELECT count(*) FROM roster_component").fetchone()
    assert seen == (0,)
    assert sql.value("SELECT count(*) FROM roster_component") == 1
