"""Open winmail.dat: the container in which Outlook and Exchange put attachments and text of "Rich Text" mail.

What for: `mime_tree` names what is in it among the attachments, as if they had been parts, and reads its text where the
mail has no other.

Promises: never raises; linear; a length that leads beyond its container ends the reading with a defect, and what was
read before it is kept. Nothing is unpacked: text that is there only as compressed RTF is said to be there, and not read.
A mail within it is one attachment; it is not opened.

Limits: named below, with their unit.

Sources: MS-OXTNEF (attributes, properties), MS-OXPROPS (property identifiers), MS-OXCMSG (attachments).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from postmuster.mail.decoding import decode_text

TNEF_SIGNATURE: Final = b"\x78\x9f\x3e\x22"  # MS-OXTNEF §2.1.3.1: 0x223E9F78
TNEF_TYPES: Final = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
MAX_ATTRIBUTES: Final = 2_000  # ours: per container; an ordinary one has 20 and 4 an attachment
MAX_PROPERTIES: Final = (
    20_000  # ours: with all their values, per container; an ordinary one has 150 and 30 an attachment
)

_DAMAGED: Final = "winmail.dat damaged"
_TOO_MANY: Final = "winmail.dat longer than the limit"
_HEAD: Final = Struct("<BII")  # level, identifier, length; two octets of checksum follow the value
_TWO: Final = Struct("<HH")
_FOUR: Final = Struct("<I")

# Attributes. Source: MS-OXTNEF §2.1.3.2.
_BODY: Final = 0x0002800C
_CODE_PAGE: Final = 0x00069007
_MESSAGE_PROPERTIES: Final = 0x00069003
_ATTACHMENT: Final = 0x00069002  # attAttachRenddata: a further attachment begins
_ATTACHMENT_TITLE: Final = 0x00018010
_ATTACHMENT_DATA: Final = 0x0006800F
_ATTACHMENT_PROPERTIES: Final = 0x00069005

# Properties. Source: MS-OXPROPS.
_PLAIN_BODY, _RTF_BODY, _HTML_BODY, _HTML_CODE_PAGE = 0x1000, 0x1009, 0x1013, 0x3FDE
_DISPLAY_NAME, _DATA, _SHORT_NAME, _LONG_NAME, _MEDIA_TYPE = 0x3001, 0x3701, 0x3704, 0x3707, 0x370E

# Octets of a value by its type. Source: MS-OXTNEF §2.1.3.4.
_FIXED: Final = {
    0x0: 0,
    0x1: 0,
    0x2: 4,
    0x3: 4,
    0x4: 4,
    0x5: 8,
    0x6: 8,
    0x7: 8,
    0xA: 4,
    0xB: 4,
    0x14: 8,
    0x40: 8,
    0x48: 16,
}
_STRING8, _UNICODE, _OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
_SIZED: Final = frozenset({_STRING8, _UNICODE, _OBJECT, _BINARY})
_MANY: Final = 0x1000


@dataclass(frozen=True, slots=True)
class TnefFile:
    """One attachment of a container."""

    name: str | None
    media_type: str | None
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tnef:
    """What a container holds. `text` and `html` are its body, None where it has none in that form; RTF is not read."""

    files: tuple[TnefFile, ...]
    text: str | None = field(repr=False)
    html: str | None = field(repr=False)
    has_rtf: bool
    defects: tuple[str, ...]


def read_tnef(octets: bytes) -> Tnef:
    """Read a container. Never raises. Source: MS-OXTNEF §2.1."""
    reader = _Reader()
    if octets.startswith(TNEF_SIGNATURE):
        reader.read(octets)
    else:
        reader.note(_DAMAGED)
    return reader.result()


class _Reader:
    """The attachments so far; each is a dictionary of what is known about it."""

    def __init__(self) -> None:
        self.code_page = "windows-1252"
        self.room = MAX_PROPERTIES
        self.body: dict[int, bytes | str] = {}
        self.files: list[dict[int, bytes | str]] = []
        self.defects: list[str] = []

    def note(self, defect: str) -> None:
        if defect not in self.defects:
            self.defects.append(defect)

    def read(self, octets: bytes) -> None:
        at = 6  # signature and key
        for _ in range(MAX_ATTRIBUTES):
            if len(octets) - at < _HEAD.size:
                if octets[at:].strip(b"\0"):
                    self.note(_DAMAGED)
                return
            _level, name, length = _HEAD.unpack_from(octets, at)
            at += _HEAD.size
            if length > len(octets) - at:
                self.note(_DAMAGED)
                length = len(octets) - at
            self._attribute(name, octets[at : at + length])
            at += length + 2
        self.note(_TOO_MANY)

    def _attribute(self, name: int, value: bytes) -> None:
        if name == _ATTACHMENT:
            self.files.append({})
        elif name == _CODE_PAGE and len(value) >= 4:
            self.code_page = _charset(_FOUR.unpack_from(value)[0])
        elif name == _BODY:
            self.body.setdefault(_PLAIN_BODY, self._string(value))
        elif name == _MESSAGE_PROPERTIES:
            self.body.update(self._properties(value))
        elif name in (_ATTACHMENT_TITLE, _ATTACHMENT_DATA, _ATTACHMENT_PROPERTIES):
            if not self.files:
                self.files.append({})
            if name == _ATTACHMENT_TITLE:
                self.files[-1].setdefault(_SHORT_NAME, self._string(value))
            elif name == _ATTACHMENT_DATA:
                self.files[-1][_DATA] = value
            else:
                self.files[-1] |= {key: each for key, each in self._properties(value) if key not in self.files[-1]}

    def _properties(self, value: bytes) -> Iterator[tuple[int, bytes | str]]:
        """Read a block of properties: strings and octets; numbers as octets. Source: MS-OXTNEF §2.1.3.4."""
        if len(value) < 4:
            return
        at = 4
        for _ in range(_FOUR.unpack_from(value)[0]):
            if self.room <= 0:
                self.note(_TOO_MANY)
                return
            self.room -= 1
            found = self._property(value, at)
            if found is None:
                self.note(_DAMAGED)
                return
            number, read, at = found
            if read is not None:
                yield number, read

    def _property(self, value: bytes, at: int) -> tuple[int, bytes | str | None, int] | None:
        """Read the property at `at`; return its number, its (first) value and where the next begins."""
        if len(value) - at < 4:
            return None
        kind, number = _TWO.unpack_from(value, at)
        at += 4
        if number >= 0x8000:  # a name stands before the value: a GUID, then a number or a string
            if len(value) - at < 24:
                return None
            is_string, length = Struct("<II").unpack_from(value, at + 16)
            at += 24 + (_padded(length) if is_string else 0)
        base = kind & ~_MANY
        if base not in _SIZED and base not in _FIXED:
            return None
        count = 1
        if kind & _MANY or base in _SIZED:
            if not 0 <= at <= len(value) - 4:
                return None
            count = _FOUR.unpack_from(value, at)[0]
            at += 4
        if base in _FIXED:
            size = _FIXED[base] * count
            return None if size > len(value) - at else (number, value[at : at + min(size, 16)], at + size)
        return self._sized(value, at, count, base, number)

    def _sized(
        self, value: bytes, at: int, count: int, base: int, number: int
    ) -> tuple[int, bytes | str | None, int] | None:
        first: bytes | str | None = None
        if count > self.room:
            self.note(_TOO_MANY)
            return None
        self.room -= count
        for position in range(count):
            if len(value) - at < 4:
                return None
            length = _FOUR.unpack_from(value, at)[0]
            at += 4
            if length > len(value) - at:
                return None
            if position == 0:
                octets = value[at : at + length]
                first = self._string(octets, wide=base == _UNICODE) if base in (_STRING8, _UNICODE) else octets
                if base == _OBJECT:
                    first = octets[16:]  # the interface it is of goes before
            at += _padded(length)
        return number, first, at

    def _string(self, octets: bytes, *, wide: bool = False) -> str:
        if wide:
            return octets[: len(octets) & ~1].decode("utf-16-le", "replace").partition("\0")[0]
        return decode_text(octets.partition(b"\0")[0], self.code_page)[0]

    def result(self) -> Tnef:
        files = tuple(_file(known) for known in self.files)
        text, html = self.body.get(_PLAIN_BODY), self.body.get(_HTML_BODY)
        if isinstance(html, bytes):
            number = self.body.get(_HTML_CODE_PAGE)
            charset = _charset(_FOUR.unpack(number)[0]) if isinstance(number, bytes) and len(number) == 4 else None
            html = decode_text(html, charset)[0]
        plain = text if isinstance(text, str) else None
        return Tnef(files, plain, html, bool(self.body.get(_RTF_BODY)), tuple(self.defects))


def _file(known: dict[int, bytes | str]) -> TnefFile:
    names = (known.get(number) for number in (_LONG_NAME, _SHORT_NAME, _DISPLAY_NAME))
    name = next((name for name in names if isinstance(name, str) and name), None)
    media_type, content = known.get(_MEDIA_TYPE), known.get(_DATA)
    return TnefFile(
        name,
        media_type.lower() if isinstance(media_type, str) and "/" in media_type else None,
        content if isinstance(content, bytes) else b"",
    )


def _charset(code_page: int) -> str:
    return {65001: "utf-8", 20127: "us-ascii", 28591: "iso-8859-1"}.get(code_page, f"cp{code_page % 100_000}")


def _padded(length: int) -> int:
    return (length + 3) & ~3
