"""Writing to the ledger: `append` inside the act's own transaction, `number` by the one sequencer."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from postmuster.base import sql
from postmuster.ledger import queries
from postmuster.ledger.chain import GENESIS, chain_hash, leaf_hash
from postmuster.ledger.models import Entry, Link

SALT_OCTETS = 16
NUMBER_ROWS = 1000  # entries numbered in one transaction
_SEQUENCER_LOCK = 0x504D4C45  # any fixed number: one sequencer in the database at a time


def append(*, kind: str, actor: str, subject: str, facts: Mapping[str, Any], now: datetime) -> None:
    """Record an act in the transaction that carries it out; it is numbered once that commits.

    `facts` holds ids, digests and counts only. `actor` is an officer's number or a process, never a person's name.
    """
    Entry.objects.create(
        kind=kind, at=now, actor=actor, subject=subject, facts=dict(facts), salt=secrets.token_bytes(SALT_OCTETS)
    )


def number(limit: int = NUMBER_ROWS) -> int:
    """Number committed entries and chain them; returns how many. A second sequencer finds the lock and does nothing."""
    with sql.guarded(), transaction.atomic():
        if not sql.value("SELECT pg_try_advisory_xact_lock(%s)", (_SEQUENCER_LOCK,)):
            return 0
        last = Link.objects.order_by("-seq").first()
        seq, before = (last.seq, bytes(last.chained)) if last else (0, GENESIS)
        links = []
        for entry in queries.unnumbered(limit):
            seq += 1
            leaf = leaf_hash(entry)
            before = chain_hash(before, leaf)
            links.append(Link(seq=seq, entry_id=entry.entry_no, leaf=leaf, chained=before))
        Link.objects.bulk_create(links)
        return len(links)
