"""What one reading may cost, and what it keeps of each leaf.

What for: `mime_tree` walks within `Limits`, keeps `Part`s, and counts in a `Room` what holds for a mail as a whole. The time
and the memory a mail may take are kept to where there is a clock: `jobs/monster.py`.

Sources: RFC 2045–2046 (MIME), RFC 2183 (disposition).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one reading may cost."""

    size_octets: int = 64 * 1024 * 1024  # above what receivers take (RFC 1870 SIZE of large services: 25-50 MB)
    parts: int = 200  # leaves and what is enclosed in them; the largest tree in the corpora has 26
    depth: int = 20  # multiparts and signed mails within each other; the deepest in the corpora: 6
    delimiters: int = 20_000  # lines that begin as a boundary does; a mail of 200 parts has under 400
    header_octets: int = 256 * 1024  # one header block; RFC 5322 sets no limit, large receivers stop at 60 to 256 KB
    headers_octets: int = 1024 * 1024  # all header blocks of a mail; a part's has under 1 KB
    text_octets: int = 1_000_000  # one text leaf; HTML of a thread of fifty mails has half of that
    texts_octets: int = 2_000_000  # all text leaves, attached ones among them
    text_chars: int = 250_000  # the mail's text as it is analysed; the longest in the corpora has 60,000
    unwrapped_octets: int = 64 * 1024 * 1024  # of mails within S/MIME wrappers, those within each other counted each
    decompressed_octets: int = 16 * 1024 * 1024  # of compressed S/MIME, all of it; the rest of a mail is never unpacked


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf of the MIME tree.

    `content` is the body with its transfer encoding undone (line ends LF), `text` its characters when the type is text/*.
    `attached` is true when the leaf is no part of what the author wrote in the mail itself. `path` is IMAP's numbering
    ("1.2"); what is enclosed in a leaf without MIME has the leaf's path, a colon and its own number ("1.2:1").
    """

    media_type: str
    params: Mapping[str, str]
    charset: str | None
    disposition: str | None
    filename: str | None
    size_octets: int
    text: str | None
    content: bytes
    depth: int
    path: str
    defects: tuple[str, ...]
    attached: bool = False


class Room:
    """What is left of the limits that hold for a mail as a whole, with the mails that are wrapped in it."""

    __slots__ = ("decompressed_octets", "delimiters", "headers_octets", "texts_octets", "unwrapped_octets")

    def __init__(self, limits: Limits) -> None:
        self.delimiters = limits.delimiters
        self.headers_octets = limits.headers_octets
        self.texts_octets = limits.texts_octets
        self.unwrapped_octets = limits.unwrapped_octets
        self.decompressed_octets = limits.decompressed_octets


def enclosed(
    name: str | None, content: bytes, path: str, depth: int, defects: tuple[str, ...], media_type: str | None = None
) -> Part:
    """Return what was enclosed without MIME, as an attachment."""
    media_type = media_type or "application/octet-stream"
    return Part(media_type, {}, None, "attachment", name, len(content), None, content, depth, path, defects, True)


def clean_name(name: str | None) -> str | None:
    """Return a file's name without its path, and without what cannot be seen. Source: RFC 2183 §2.3."""
    if not name:
        return None
    if "/" in name or "\\" in name:
        name = name.replace("\\", "/").rstrip("/ ").rpartition("/")[2]
    return "".join(char for char in name if char.isprintable())[:255].strip() or None
