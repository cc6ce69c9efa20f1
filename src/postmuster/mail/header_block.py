"""Header blocks: split fields, forgive what is between them, index them; read identifiers and dates.

What for: `mime_tree` reads the header of a mail and of each part here.

Promises: never raises; linear. Of one name at most `MAX_SAME_NAME` fields are kept in the index, the top-most: what
is added on top counts, and what is repeated below cannot push it out.

Sources: RFC 5322 §2.2 and §3.6, RFC 6532 (octets beyond ASCII), RFC 7103 §7 (what broken headers look like).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from postmuster.mail.decoding import decode_text

MAX_SAME_NAME: Final = 1_000  # ours: fields of one name in the index; Received comes about ten times
MAX_DATE_CHARS: Final = 200  # ours: RFC 5322 §3.3 needs under 40, comments included

FieldIndex = dict[str, tuple[str, ...]]

_IDENTIFIER: Final = re.compile(r"<\s*+([^<>\s]{1,998})\s*+>")
CHARSET_HINT: Final = re.compile(rb"charset\s{0,9}=\s{0,9}[\"']?([A-Za-z0-9._:+-]{1,40})", re.IGNORECASE)
_FIELD_START: Final = re.compile(rb"[!-9;-~]{1,998}[ \t]{0,9}:")


_WORDS_CHARSET: Final = re.compile(r"=\?([A-Za-z0-9._:+-]{1,40})(?:\*[^?\s]{0,40})?\?[bBqQ]\?")


def words_charset(index: FieldIndex) -> str | None:
    """Return the charset of the first encoded word in From or Subject: what the author's program writes in. Or None."""
    for name in ("from", "subject"):
        value = index.get(name, _NOTHING)[0]
        if "=?" in value:
            found = _WORDS_CHARSET.search(value)
            if found is not None:
                return found[1]
    return None


_NOTHING: Final = ("",)
_FOLDED_FIELD: Final = re.compile(rb"[^\n]++(?:\n[ \t][^\n]*+)*+")


def shorten_block(block: bytes, limit: int) -> bytes:
    """Return the fields of a block that is longer than `limit` octets: none longer than an eighth of it, until it is full.

    A To with thousands of addresses then leaves room for the fields below it.
    """
    kept: list[bytes] = []
    room = limit
    for found in _FOLDED_FIELD.finditer(block):
        field = found[0][: limit // 8]
        room -= len(field) + 1
        if room < 0:
            break
        kept.append(field)
    return b"\n".join(kept)


def split_fields(block: bytes) -> tuple[list[tuple[str, str]], bool]:
    """Split a header block. The second value is false when a line is neither a field nor its continuation."""
    unfolded = block.replace(b"\n ", b" ").replace(b"\n\t", b" ")
    try:
        lines = unfolded.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        hint = CHARSET_HINT.search(unfolded)
        charset = hint[1].decode("ascii") if hint else None
        lines = [decode_text(line, charset)[0] for line in unfolded.split(b"\n")]
    fields, clean = [], True
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.rstrip()
        if colon and name and " " not in name and name.isascii():
            value = value.strip()
            fields.append((name, value.replace("\x00", "") if "\x00" in value else value))
        elif line:
            clean = False
    return fields, clean


def sound_lines(block: bytes) -> tuple[bytes, int]:
    """Return the field lines of a block with junk in it, and how many of its octets are header.

    A junk line between fields is left out. Junk that no field follows is where a body begins without its blank line.
    """
    lines = block.split(b"\n")
    kept: list[bytes] = []
    at, junk_at, used = 0, -1, len(block)
    for number, line in enumerate(lines):
        follows = number + 1 < len(lines) and _FIELD_START.match(lines[number + 1])
        if _FIELD_START.match(line) or (kept and line.startswith((b" ", b"\t")) and junk_at < 0):
            kept.append(line)
            junk_at = -1
        elif follows:
            junk_at = at
        else:
            used = at
            break
        at += len(line) + 1
    return b"\n".join(kept), used


def index_fields(fields: list[tuple[str, str]]) -> FieldIndex:
    """Return the field bodies by lower-case name, top-most first."""
    index: dict[str, list[str]] = {}
    for name, value in fields:
        bodies = index.setdefault(name.lower(), [])
        if len(bodies) < MAX_SAME_NAME:
            bodies.append(value)
    return {name: tuple(bodies) for name, bodies in index.items()}


def read_identifiers(values: tuple[str, ...]) -> tuple[str, ...]:
    """Read the message identifiers of a field, without brackets. Never raises. Source: RFC 5322 §3.6.4."""
    if not values:
        return ()
    value = values[0]
    found = _IDENTIFIER.findall(value)
    if not found and value:
        found = [word.strip("<>") for word in value.split()[:100] if "@" in word]
    return tuple(found)


def read_date(value: str) -> datetime | None:
    """Read a Date field; None when it says no time. A date without zone is taken as UTC. Never raises. Source: RFC 5322 §3.3."""
    value = value[:MAX_DATE_CHARS]
    if not value:
        return None
    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
