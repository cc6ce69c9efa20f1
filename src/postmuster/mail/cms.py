"""Look into S/MIME: what kind of wrapper it is, and the mail in it where that is only signed or compressed.

What for: a mail that is signed "opaquely" has its text inside the signature's structure; `mime_tree` reads it from here,
as it reads the text of a clear signature. What is encrypted stays closed. No signature is checked here.

Promises: never raises; linear; no recursion. Lengths that lead outside are damage, and what was found before is kept.
Decompression stops at the limit it is given.

Sources: RFC 5652 (SignedData §5, EnvelopedData §6), RFC 3274 (CompressedData), RFC 8551 §3 (their use in mail), ITU-T
X.690 §8 (BER, of which DER is a part: long mails come with indefinite lengths and strings in pieces).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

CMS_TYPES: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
MAX_PIECES: Final = 100_000  # ours: of one string; programs write pieces of 1,000 octets and more
MAX_ELEMENTS: Final = 200  # ours: passed over on the way to the content; certificates come after it

_DAMAGED: Final = "S/MIME structure damaged"
_TOO_LONG: Final = "decompressed text longer than the limit"
_SEQUENCE, _SET, _OID, _OCTETS, _OCTETS_IN_PIECES, _CONTEXT_0 = 0x30, 0x31, 0x06, 0x04, 0x24, 0xA0
_INDEFINITE: Final = -1


class CmsKind(StrEnum):
    """What wraps the mail."""

    SIGNED = "signed"
    ENCRYPTED = "encrypted"
    COMPRESSED = "compressed"
    UNKNOWN = "unknown"


_KINDS: Final = {
    bytes.fromhex("2a864886f70d010702"): CmsKind.SIGNED,  # 1.2.840.113549.1.7.2
    bytes.fromhex("2a864886f70d010703"): CmsKind.ENCRYPTED,  # enveloped
    bytes.fromhex("2a864886f70d010706"): CmsKind.ENCRYPTED,
    bytes.fromhex("2a864886f70d0109100117"): CmsKind.ENCRYPTED,  # authenticated enveloped, RFC 5083
    bytes.fromhex("2a864886f70d0109100109"): CmsKind.COMPRESSED,
}


@dataclass(frozen=True, slots=True)
class Cms:
    """A wrapper and the entity within it, None where there is none that can be read."""

    kind: CmsKind
    content: bytes | None = field(repr=False)
    defect: str | None


def read_cms(octets: bytes, max_octets: int) -> Cms:
    """Read a ContentInfo. Never raises. Source: RFC 5652 §3."""
    kind = CmsKind.UNKNOWN
    try:
        cursor = _Cursor(octets)
        cursor.enter(_SEQUENCE)
        kind = _KINDS.get(cursor.value(_OID), CmsKind.UNKNOWN)
        if kind not in (CmsKind.SIGNED, CmsKind.COMPRESSED):
            return Cms(kind, None, None)
        cursor.enter(_CONTEXT_0)
        cursor.enter(_SEQUENCE)
        cursor.skip()  # version
        cursor.skip()  # digest algorithms, or the one of compression
        cursor.enter(_SEQUENCE)
        cursor.skip()  # the type of what is within
        if not cursor.is_next(_CONTEXT_0):
            return Cms(kind, None, None)  # a signature beside what it signs
        cursor.enter(_CONTEXT_0)
        content, whole = cursor.string()
    except _Damage:
        return Cms(kind, None, _DAMAGED)
    defect = None if whole else _DAMAGED
    if kind is CmsKind.COMPRESSED:
        content, fault = _inflate(content, max_octets)
        defect = fault or defect
    return Cms(kind, content, defect)


def _inflate(content: bytes, max_octets: int) -> tuple[bytes, str | None]:
    """Decompress up to a limit. Source: RFC 3274 §2 (zlib)."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(content, max(max_octets, 1))
    except zlib.error:
        return b"", _DAMAGED
    if stream.unconsumed_tail or len(found) >= max_octets:
        return found[:max_octets], _TOO_LONG
    return found, None if stream.eof else _DAMAGED


class _Damage(Exception):
    pass


class _Cursor:
    """A place in the octets. It only goes forward, so that whatever the lengths say the work is bounded by the octets."""

    __slots__ = ("at", "octets")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def _head(self) -> tuple[int, int]:
        """Read identifier and length. Source: X.690 §8.1.2–8.1.3."""
        octets, at = self.octets, self.at
        if len(octets) - at < 2 or octets[at] & 0x1F == 0x1F:  # no identifier here has more than one octet
            raise _Damage
        tag, length = octets[at], octets[at + 1]
        at += 2
        if length == 0x80:
            length = _INDEFINITE
        elif length > 0x80:
            width = length & 0x7F
            if width > 4 or len(octets) - at < width:
                raise _Damage
            length = int.from_bytes(octets[at : at + width], "big")
            at += width
        self.at = at
        return tag, length

    def is_next(self, tag: int) -> bool:
        return self.octets[self.at : self.at + 1] == bytes((tag,))

    def enter(self, tag: int) -> None:
        if self._head()[0] != tag:
            raise _Damage

    def value(self, tag: int) -> bytes:
        found, length = self._head()
        if found != tag or not 0 <= length <= len(self.octets) - self.at:
            raise _Damage
        self.at += length
        return self.octets[self.at - length : self.at]

    def skip(self) -> None:
        """Pass over one element; inside one of indefinite length, count until it is closed."""
        open_ones = 0
        for _ in range(MAX_ELEMENTS):
            if open_ones and self.octets.startswith(b"\0\0", self.at):
                self.at += 2
                open_ones -= 1
            else:
                _tag, length = self._head()
                if length == _INDEFINITE:
                    open_ones += 1
                elif length > len(self.octets) - self.at:
                    raise _Damage
                else:
                    self.at += length
            if not open_ones:
                return
        raise _Damage

    def string(self) -> tuple[bytes, bool]:
        """Read a string, in one or in pieces (nested pieces read as one row); the flag says whether it was whole."""
        pieces: list[bytes] = []
        tag, length = self._head()
        if tag == _OCTETS and length >= 0:
            return self.octets[self.at : self.at + length], length <= len(self.octets) - self.at
        if tag != _OCTETS_IN_PIECES:
            raise _Damage
        end = len(self.octets) if length == _INDEFINITE else min(self.at + length, len(self.octets))
        for _ in range(MAX_PIECES):
            if self.at >= end:
                return b"".join(pieces), length != _INDEFINITE
            if length == _INDEFINITE and self.octets.startswith(b"\0\0", self.at):
                return b"".join(pieces), True
            try:
                tag, size = self._head()
            except _Damage:
                return b"".join(pieces), False
            if tag == _OCTETS_IN_PIECES:
                continue
            if tag != _OCTETS or size < 0:
                return b"".join(pieces), False
            pieces.append(self.octets[self.at : self.at + size])
            self.at += size
        return b"".join(pieces), False
