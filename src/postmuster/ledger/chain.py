"""Hashes of the ledger, as pure functions of values.

A leaf is SHA-256 over 0x00 and the entry's canonical JSON (RFC 8785 in spirit: sorted keys, no white space, UTF-8), its
salt included, so that nobody can guess a small fact from its hash. A link is SHA-256 over 0x01, the link before and the
leaf (prefixes after RFC 6962 §2.1, so that a leaf can never be taken for a link).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

GENESIS = b"\x00" * 32


@dataclass(frozen=True, slots=True)
class EntryValue:
    """An entry as it is hashed and exported."""

    entry_no: int
    kind: str
    at: datetime
    actor: str
    subject: str
    facts: Mapping[str, Any]
    salt: bytes

    def canonical(self) -> bytes:
        return json.dumps(
            {
                "entry": self.entry_no,
                "kind": self.kind,
                "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
                "actor": self.actor,
                "subject": self.subject,
                "facts": self.facts,
                "salt": self.salt.hex(),
            },
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        ).encode()


@dataclass(frozen=True, slots=True)
class LinkValue:
    seq: int
    entry: EntryValue
    leaf: bytes
    chained: bytes


def leaf_hash(entry: EntryValue) -> bytes:
    return hashlib.sha256(b"\x00" + entry.canonical()).digest()


def chain_hash(before: bytes, leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + before + leaf).digest()


def first_fault(links: Iterable[LinkValue]) -> str | None:
    """What is wrong with a run of links from the first on, in one sentence; None when every hash holds."""
    before, expected = GENESIS, 1
    for link in links:
        if link.seq != expected:
            return f"Entry {expected} is missing or out of order; {link.seq} stands in its place."
        if leaf_hash(link.entry) != link.leaf:
            return f"Entry {link.seq} was changed after it was written."
        if chain_hash(before, link.leaf) != link.chained:
            return f"Entry {link.seq} does not follow from the one before it."
        before, expected = link.chained, expected + 1
    return None
