"""Sealing: what was sealed opens under its own key and at its own place only, and items die with their keys."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.runtime import roles
from postmuster.vault import actions as vault
from postmuster.vault import sealing
from postmuster.vault.keyring import Keyring

if TYPE_CHECKING:
    from conftest import Database
    from postmuster.runtime.postgres import Server

KEY, OTHER = b"k" * 32, b"o" * 32


@given(st.binary(max_size=5_000), st.binary(max_size=40))
def test_what_was_sealed_opens(plain: bytes, bound_to: bytes) -> None:
    assert sealing.unseal(sealing.seal(plain, KEY, bound_to), KEY, bound_to) == plain


def test_it_opens_under_no_other_key_and_at_no_other_place() -> None:
    sealed = sealing.seal(b"text", KEY, b"item 1")
    with pytest.raises(sealing.Unopenable):
        sealing.unseal(sealed, OTHER, b"item 1")
    with pytest.raises(sealing.Unopenable):
        sealing.unseal(sealed, KEY, b"item 2")


def test_an_item_altered_in_any_one_octet_or_cut_anywhere_is_refused() -> None:
    sealed = sealing.seal(b"some text", KEY, b"item 1")
    for at in range(len(sealed)):
        with pytest.raises(sealing.Unopenable):
            sealing.unseal(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], KEY, b"item 1")
        with pytest.raises(sealing.Unopenable):
            sealing.unseal(sealed[:at], KEY, b"item 1")


def test_two_sealings_of_the_same_text_differ() -> None:
    assert sealing.seal(b"text", KEY, b"") != sealing.seal(b"text", KEY, b"")


def test_an_item_that_opens_to_more_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "MAX_OPEN_OCTETS", 1_000)
    assert len(sealing.unseal(sealing.seal(b"x" * 1_000, KEY, b""), KEY, b"")) == 1_000
    with pytest.raises(sealing.Unopenable):
        sealing.unseal(sealing.seal(b"x" * 100_000, KEY, b""), KEY, b"")


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_the_joint_key_depends_on_both_keys_and_their_order(notice: bytes, person: bytes) -> None:
    joint = sealing.joint_key(notice, person)
    assert len(joint) == sealing.KEY_OCTETS
    assert joint not in (notice, person)
    if notice != person:
        assert joint != sealing.joint_key(person, notice)


# ---- in the database


def test_items_open_before_and_after_they_are_handed_over(database: Database, keyring: Keyring, now: datetime) -> None:
    plains = [b"one", b"", os.urandom(10_000)]
    items = vault.seal_unowned(plains, keyring, now)
    assert vault.open_items(items, keyring) == dict(zip(items, plains, strict=True))
    vault.hand_over([(items[0], 1, 10), (items[2], 1, 11)], keyring, now)
    assert vault.open_items(items, keyring) == dict(zip(items, plains, strict=True))
    assert sql.rows("SELECT notice_no, person_no, epoch_no FROM vault_item ORDER BY id") == [
        (1, 10, None),
        (None, None, 1),
        (1, 11, None),
    ]
    again = sql.rows("SELECT id, wrapped FROM vault_item ORDER BY id")
    vault.hand_over([(items[0], 2, 99)], keyring, now)  # it has an owner
    assert sql.rows("SELECT id, wrapped FROM vault_item ORDER BY id") == again


def test_what_is_stored_holds_nothing_of_the_text(database: Database, keyring: Keyring, now: datetime) -> None:
    text = b"zq-marked-words"
    vault.seal_unowned([text], keyring, now)
    vault.seal_owned([(1, 2, text)], keyring, now)
    stored = sql.rows("SELECT wrapped, sealed FROM vault_item")
    assert len(stored) == 2
    assert not any(text in bytes(column) for row in stored for column in row)


@pytest.mark.parametrize("scope", ["notice", "person"])
def test_items_die_with_the_key_of_their_notice_or_person_and_others_live(
    database: Database, keyring: Keyring, now: datetime, scope: str
) -> None:
    gone, other = vault.seal_owned([(1, 10, b"gone"), (2, 20, b"stays")], keyring, now)
    owner = 1 if scope == "notice" else 10
    sql.execute("DELETE FROM vault_key WHERE scope = %s AND owner_no = %s", (scope, owner))
    with pytest.raises(vault.Destroyed, match="key was destroyed"):
        vault.open_items([gone], keyring)
    assert vault.open_items([other], keyring) == {other: b"stays"}


def test_items_open_under_no_other_masters_key(database: Database, keyring: Keyring, now: datetime) -> None:
    items = [*vault.seal_unowned([b"a"], keyring, now), *vault.seal_owned([(1, 2, b"b")], keyring, now)]
    for item in items:
        with pytest.raises(sealing.Unopenable):
            vault.open_items([item], Keyring({1: OTHER}))
        with pytest.raises(Refused, match="epoch 1 is not in the keyring"):
            vault.open_items([item], Keyring({2: OTHER}))


def test_an_item_whose_bytes_were_swapped_for_anothers_is_refused(
    database: Database, server: Server, keyring: Keyring, now: datetime
) -> None:
    first, second = vault.seal_unowned([b"first", b"second"], keyring, now)
    with psycopg.connect(**server.parameters(roles.DATABASE)) as admin:
        admin.execute(
            "UPDATE vault_item i SET sealed = o.sealed, wrapped = o.wrapped FROM vault_item o WHERE i.id = %s AND o.id = %s",
            (first, second),
        )
    with pytest.raises(sealing.Unopenable):
        vault.open_items([first], keyring)
    assert vault.open_items([second], keyring) == {second: b"second"}


def test_new_items_are_sealed_under_the_newest_epoch_and_old_ones_still_open(database: Database, now: datetime) -> None:
    [old] = vault.seal_unowned([b"old"], Keyring({1: KEY}), now)
    both = Keyring({1: KEY, 2: OTHER})
    [new] = vault.seal_unowned([b"new"], both, now)
    assert vault.open_items([old, new], both) == {old: b"old", new: b"new"}
    assert sql.rows("SELECT epoch_no FROM vault_item ORDER BY id") == [(1,), (2,)]
