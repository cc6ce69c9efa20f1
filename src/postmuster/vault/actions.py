"""Sealing, handing over and opening items.

Everything works on lists: a digest batch costs a handful of statements, not a handful a reply.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.vault import sealing
from postmuster.vault.keyring import Keyring

NOTICE, PERSON = "notice", "person"


class Destroyed(Refused):
    """The key of an item is gone, and so is its text, for everyone."""


_INSERT = """
INSERT INTO vault_item (id, notice_no, person_no, epoch_no, wrapped, sealed, octets, sealed_at)
SELECT i, n, p, e, w, s, o, %(now)s FROM unnest(%(ids)s::bigint[], %(notices)s::bigint[], %(persons)s::bigint[],
  %(epochs)s::int[], %(wrapped)s::bytea[], %(sealed)s::bytea[], %(octets)s::int[]) AS t(i, n, p, e, w, s, o)
"""


def seal_unowned(plains: Sequence[bytes], keyring: Keyring, now: datetime) -> list[int]:
    """Seal bytes of which nobody knows yet whose they are, each under its own key; returns the items' numbers."""
    ids = _draw(len(plains))
    wrapped, sealed = [], []
    master = keyring.epoch(keyring.current)
    for item_no, plain in zip(ids, plains, strict=True):
        key = os.urandom(sealing.KEY_OCTETS)
        sealed.append(sealing.seal(plain, key, _bound(item_no)))
        wrapped.append(sealing.wrap(key, master, _bound(item_no)))
    nobody: list[int | None] = [None] * len(ids)
    _insert(ids, nobody, nobody, [keyring.current] * len(ids), wrapped, sealed, list(map(len, plains)), now)
    return ids


def seal_owned(plains: Sequence[tuple[int, int, bytes]], keyring: Keyring, now: datetime) -> list[int]:
    """Seal bytes for (notice, person) pairs; keys that do not exist yet are made. Returns the items' numbers."""
    ids = _draw(len(plains))
    keys = _joint_keys({(notice, person) for notice, person, _ in plains}, keyring, now)
    wrapped, sealed = [], []
    for item_no, (notice, person, plain) in zip(ids, plains, strict=True):
        key = os.urandom(sealing.KEY_OCTETS)
        sealed.append(sealing.seal(plain, key, _bound(item_no)))
        wrapped.append(sealing.wrap(key, keys[notice, person], _bound(item_no)))
    notices, persons = [p[0] for p in plains], [p[1] for p in plains]
    _insert(ids, notices, persons, [None] * len(ids), wrapped, sealed, [len(p[2]) for p in plains], now)
    return ids


def hand_over(owners: Sequence[tuple[int, int, int]], keyring: Keyring, now: datetime) -> None:
    """Give unowned items (item, notice, person) to their owners: the data key is wrapped anew, the bytes stay."""
    if not owners:
        return
    keys = _joint_keys({(notice, person) for _, notice, person in owners}, keyring, now)
    held = {
        r[0]: sealing.unwrap(bytes(r[2]), keyring.epoch(r[1]), _bound(r[0]))
        for r in sql.rows(
            "SELECT id, epoch_no, wrapped FROM vault_item WHERE id = ANY(%s) AND epoch_no IS NOT NULL FOR UPDATE",
            ([item_no for item_no, _, _ in owners],),
        )
    }
    moved = [(i, n, p, sealing.wrap(held[i], keys[n, p], _bound(i))) for i, n, p in owners if i in held]
    sql.execute(
        "UPDATE vault_item SET notice_no = n, person_no = p, epoch_no = NULL, wrapped = w "
        "FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bytea[]) AS t(i, n, p, w) WHERE id = i",
        tuple(map(list, zip(*moved, strict=True))) if moved else ([], [], [], []),
    )


def open_items(item_nos: Sequence[int], keyring: Keyring) -> dict[int, bytes]:
    """Open items. Raises `Destroyed` when one's key is gone, `Unopenable` when one was changed, `Refused` without its epoch."""
    found = sql.rows(
        "SELECT i.id, i.epoch_no, i.wrapped, i.sealed, n.epoch_no, n.wrapped, p.epoch_no, p.wrapped "
        "FROM vault_item i "
        "LEFT JOIN vault_key n ON n.scope = 'notice' AND n.owner_no = i.notice_no "
        "LEFT JOIN vault_key p ON p.scope = 'person' AND p.owner_no = i.person_no WHERE i.id = ANY(%s)",
        (list(item_nos),),
    )
    opened: dict[int, bytes] = {}
    for item_no, epoch, wrapped, sealed, n_epoch, n_wrapped, p_epoch, p_wrapped in found:
        if epoch is not None:
            under = keyring.epoch(epoch)
        elif n_wrapped is None or p_wrapped is None:
            raise Destroyed(f"Item {item_no} cannot be opened: its key was destroyed; nobody can open it any more.")
        else:
            under = sealing.joint_key(
                sealing.unwrap(bytes(n_wrapped), keyring.epoch(n_epoch), NOTICE.encode()),
                sealing.unwrap(bytes(p_wrapped), keyring.epoch(p_epoch), PERSON.encode()),
            )
        opened[item_no] = sealing.unseal(
            bytes(sealed), sealing.unwrap(bytes(wrapped), under, _bound(item_no)), _bound(item_no)
        )
    return opened


def _joint_keys(pairs: set[tuple[int, int]], keyring: Keyring, now: datetime) -> dict[tuple[int, int], bytes]:
    notices = _keys(NOTICE, sorted({notice for notice, _ in pairs}), keyring, now)
    persons = _keys(PERSON, sorted({person for _, person in pairs}), keyring, now)
    return {(n, p): sealing.joint_key(notices[n], persons[p]) for n, p in pairs}


def _keys(scope: str, owners: list[int], keyring: Keyring, now: datetime) -> dict[int, bytes]:
    """The keys of these owners, made where missing. Two makers at once agree on the row that was first."""
    select = "SELECT owner_no, epoch_no, wrapped FROM vault_key WHERE scope = %s AND owner_no = ANY(%s)"
    found = {r[0]: (r[1], bytes(r[2])) for r in sql.rows(select, (scope, owners))}
    missing = [owner for owner in owners if owner not in found]
    if missing:
        master, bound = keyring.epoch(keyring.current), scope.encode()
        fresh = [sealing.wrap(os.urandom(sealing.KEY_OCTETS), master, bound) for _ in missing]
        sql.execute(
            "INSERT INTO vault_key (scope, owner_no, epoch_no, wrapped, made_at) "
            "SELECT %s, o, %s, w, %s FROM unnest(%s::bigint[], %s::bytea[]) AS t(o, w) ON CONFLICT DO NOTHING",
            (scope, keyring.current, now, missing, fresh),
        )
        found |= {r[0]: (r[1], bytes(r[2])) for r in sql.rows(select, (scope, missing))}
    return {o: sealing.unwrap(wrapped, keyring.epoch(epoch), scope.encode()) for o, (epoch, wrapped) in found.items()}


def _draw(count: int) -> list[int]:
    return [r[0] for r in sql.rows("SELECT nextval('vault_item_id_seq') FROM generate_series(1, %s)", (count,))]


def _bound(item_no: int) -> bytes:
    return b"item %d" % item_no


def _insert(
    ids: list[int],
    notices: Sequence[int | None],
    persons: Sequence[int | None],
    epochs: Sequence[int | None],
    wrapped: list[bytes],
    sealed: list[bytes],
    octets: list[int],
    now: datetime,
) -> None:
    values = {"ids": ids, "notices": list(notices), "persons": list(persons), "epochs": list(epochs)}
    sql.execute(_INSERT, values | {"wrapped": wrapped, "sealed": sealed, "octets": octets, "now": now})
