"""The chain: whatever is changed, missing, added or moved in it is found; nobody rewrites it through the tables."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from postmuster.base import sql
from postmuster.ledger import actions as ledger
from postmuster.ledger import queries
from postmuster.ledger.chain import GENESIS, EntryValue, LinkValue, chain_hash, first_fault, leaf_hash
from postmuster.runtime import roles

if TYPE_CHECKING:
    from conftest import Database
    from postmuster.runtime.postgres import Server

AT = datetime(2026, 6, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
WAIT_S = 20.0


def _chain(count: int) -> list[LinkValue]:
    links, before = [], GENESIS
    for seq in range(1, count + 1):
        entry = EntryValue(seq, "thing done", AT, "shell", f"n{seq}", {"count": seq}, bytes([seq]) * 16)
        leaf = leaf_hash(entry)
        before = chain_hash(before, leaf)
        links.append(LinkValue(seq, entry, leaf, before))
    return links


def test_a_chain_as_it_was_made_holds() -> None:
    assert first_fault(_chain(9)) is None
    assert first_fault([]) is None


@given(at=st.integers(0, 8), what=st.integers(0, 6))
def test_any_change_of_an_entry_is_found_at_its_place(at: int, what: int) -> None:
    links = _chain(9)
    entry = links[at].entry
    changed = (
        replace(entry, entry_no=99),
        replace(entry, kind="thing undone"),
        replace(entry, at=entry.at + timedelta(microseconds=1)),
        replace(entry, actor="officer:2 by shell"),
        replace(entry, subject="n99"),
        replace(entry, facts={"count": 99}),
        replace(entry, salt=b"\x00" * 16),
    )[what]
    links[at] = replace(links[at], entry=changed)
    assert first_fault(links) == f"Entry {at + 1} was changed after it was written."
    links[at] = replace(links[at], leaf=leaf_hash(changed))
    assert first_fault(links) == f"Entry {at + 1} does not follow from the one before it."
    links[at] = replace(links[at], chained=chain_hash(links[at - 1].chained if at else GENESIS, links[at].leaf))
    assert (first_fault(links) is None) == (at == 8)  # the rest of the chain gives it away; the last link has no rest


@given(at=st.integers(0, 7), renumber=st.booleans())
def test_a_missing_entry_is_found(at: int, renumber: bool) -> None:
    links = _chain(9)
    del links[at]
    if renumber:
        links = [replace(link, seq=seq) for seq, link in enumerate(links, 1)]
    assert first_fault(links) is not None


@given(at=st.integers(0, 8), like=st.integers(0, 8), renumber=st.booleans())
def test_an_added_entry_is_found(at: int, like: int, renumber: bool) -> None:
    links = _chain(9)
    links.insert(at, links[like])
    if renumber:
        links = [replace(link, seq=seq) for seq, link in enumerate(links, 1)]
    assert first_fault(links) is not None


@given(order=st.permutations(range(9)), renumber=st.booleans())
def test_reordered_entries_are_found(order: list[int], renumber: bool) -> None:
    made = _chain(9)
    links = [made[at] for at in order]
    if renumber:
        links = [replace(link, seq=seq) for seq, link in enumerate(links, 1)]
    assert (first_fault(links) is None) == (order == sorted(order))


def test_a_moment_is_the_same_in_every_zone() -> None:
    entry = _chain(1)[0].entry
    assert leaf_hash(entry) == leaf_hash(replace(entry, at=entry.at.astimezone(timezone(timedelta(hours=-5)))))


# ---- in the database


def _append(count: int, now: datetime, *, kind: str = "thing done") -> None:
    for number in range(count):
        facts = {"number": number, "text": "añ☃", "share": 0.1, "list": [1, None, True], "of": {"b": 1, "a": 2}}
        ledger.append(kind=kind, actor="shell", subject=f"n{number}", facts=facts, now=now)


def test_entries_are_numbered_after_their_commit_and_hold(database: Database, now: datetime) -> None:
    with transaction.atomic():
        _append(1, now)
        transaction.set_rollback(True)
    _append(5, now)
    assert queries.counts() == (5, 0)
    assert ledger.number(limit=3) == 3
    assert ledger.number() == 2
    assert ledger.number() == 0
    assert queries.counts() == (5, 5)
    assert queries.verify() is None


def test_an_entry_committed_late_is_numbered_late_and_nothing_is_skipped(database: Database, now: datetime) -> None:
    began, go = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            _append(1, now, kind="slow")
            began.set()
            assert go.wait(WAIT_S)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert began.wait(WAIT_S)
    _append(1, now, kind="quick")
    assert ledger.number() == 1
    go.set()
    thread.join(WAIT_S)
    assert ledger.number() == 1
    assert [link.entry.kind for link in queries.links()] == ["quick", "slow"]
    assert queries.verify() is None


def test_two_sequencers_never_number_at_once(database: Database, now: datetime) -> None:
    _append(3, now)
    numbered: list[int] = []

    def other() -> None:
        numbered.append(ledger.number())
        connection.close()

    with transaction.atomic():
        assert ledger.number() == 3
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(WAIT_S)
    assert numbered == [0]
    assert queries.verify() is None


_TAMPER: dict[str, Callable[[psycopg.Connection[Any]], object]] = {
    "changed": lambda admin: admin.execute("UPDATE ledger_entry SET facts = '{\"number\": 7}' WHERE id = 2"),
    "missing": lambda admin: admin.execute("DELETE FROM ledger_link WHERE seq = 2"),
    "moved": lambda admin: [
        admin.execute(f"UPDATE ledger_link SET seq = {new} WHERE seq = {old}")
        for old, new in ((2, 99), (3, 2), (99, 3))
    ],
    "added": lambda admin: [
        admin.execute("UPDATE ledger_link SET seq = seq + 100 WHERE seq > 2"),
        admin.execute("UPDATE ledger_link SET seq = seq - 99 WHERE seq > 2"),
        admin.execute(
            "INSERT INTO ledger_entry SELECT 999, kind, at, actor, subject, facts, salt FROM ledger_entry WHERE id = 2"
        ),
        admin.execute("INSERT INTO ledger_link SELECT 3, leaf, chained, 999 FROM ledger_link WHERE seq = 2"),
    ],
}


@pytest.mark.parametrize("what", sorted(_TAMPER))
def test_what_a_master_of_the_server_changes_is_found(
    database: Database, server: Server, now: datetime, what: str
) -> None:
    _append(4, now)
    ledger.number()
    assert queries.verify() is None
    with psycopg.connect(**server.parameters(roles.DATABASE), autocommit=True) as admin:
        admin.execute("SET session_replication_role = replica")
        _TAMPER[what](admin)
    fault = queries.verify()
    assert fault is not None
    assert "Entry" in fault


def _append_only_tables() -> list[str]:
    found = sql.rows(
        "SELECT tgrelid::regclass::text FROM pg_trigger WHERE right(tgname, 12) = '_append_only' ORDER BY 1"
    )
    return [str(row[0]) for row in found]


@pytest.mark.parametrize("role", ["owner", "application", "intake"])
@pytest.mark.parametrize("act", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
def test_nobody_changes_an_append_only_table(database: Database, now: datetime, role: str, act: str) -> None:
    _append(1, now)
    ledger.number()
    tables = _append_only_tables()
    assert {"ledger_entry", "ledger_link", "control_stop", "control_lift", "notices_revision"} <= set(tables)
    login = database.connect(role)
    for table in tables:
        column = sql.value("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum = 1", (table,))
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)):
            login.execute(act.format(table, column))
    assert queries.counts() == (1, 1)


def test_the_master_of_the_server_meets_the_guard_too(database: Database, server: Server, now: datetime) -> None:
    _append(1, now)
    with psycopg.connect(**server.parameters(roles.DATABASE), autocommit=True) as admin:
        for act in ("UPDATE ledger_entry SET kind = 'x'", "DELETE FROM ledger_entry", "TRUNCATE ledger_entry CASCADE"):
            with pytest.raises(psycopg.errors.RestrictViolation):
                admin.execute(act)
