"""A mail as its signatures see it: octets of fields and body in the forms that are signed.

What for: `dkim_check` and `arc` verify with it. `mail.message` reads the same octets for their meaning; here nothing is
decoded and nothing forgiven.

Promises: never raises; linear; a mail whose header is too long, has too many fields or a line that is no field has
nothing signed in it (`is_sound` is false). LF and CRLF line ends read the same. The body is levelled and hashed once for
all signatures, each field once.

Sources: RFC 6376 §3.4 (canonicalisation), §5.4.2 (repeated fields, from the last to the first), §3.7 (what is hashed);
RFC 4155 (an mbox separator that was left on).
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

from postmuster.mail.tag_list import without_value

MAX_OCTETS: Final = 64 * 1024 * 1024  # ours: of a mail whose body is hashed
MAX_HEADER_OCTETS: Final = 256 * 1024  # ours: as much header as `message.Limits` reads
MAX_FIELDS: Final = 2_000  # ours: fields in a header that is verified

_LINE_OF_FIELD: Final = re.compile(rb"\n(?![ \t])")
_SPACES: Final = re.compile(rb"  ++")  # two literal spaces first: three times as fast as a counted repeat
_NAME: Final = re.compile(rb"[!-9;-~]++")


class SignedMail:
    """The fields and the body. A field is named by its number, from the top."""

    __slots__ = ("_bodies", "_body", "_fields", "_header", "_numbers", "_relaxed", "is_sound")

    def __init__(self, raw: bytes) -> None:
        self._header, self._body = b"", b""
        self._fields: list[bytes] = []
        self._numbers: dict[bytes, list[int]] = {}
        self._relaxed: dict[int, bytes] = {}
        self._bodies: dict[bool, tuple[int, bytes]] = {}
        self.is_sound = len(raw) <= MAX_OCTETS and self._split(bytes(raw))
        if not self.is_sound:
            self._fields, self._numbers = [], {}

    def _split(self, raw: bytes) -> bool:
        end = raw.find(b"\r\n\r\n", 0, MAX_HEADER_OCTETS)
        if end >= 0 and raw.count(b"\n", 0, end + 4) == raw.count(b"\r\n", 0, end + 4):
            header, self._body = raw[:end].replace(b"\r\n", b"\n"), raw[end + 4 :]
        else:  # some lines end with LF alone, or there is no body
            raw = raw.replace(b"\r\n", b"\n")
            header, _, self._body = raw.partition(b"\n\n")
        if header.startswith((b"From ", b">From ")):
            header = header.partition(b"\n")[2]
        if len(header) > MAX_HEADER_OCTETS or header.count(b"\n") > MAX_FIELDS * 10:
            return False
        self._header = header
        self._fields = header.replace(b"\n ", b" ").replace(b"\n\t", b"\t").rstrip(b"\n").split(b"\n")
        return len(self._fields) <= MAX_FIELDS and self._number()

    def _number(self) -> bool:
        numbers = self._numbers
        for number, field in enumerate(self._fields):
            written, colon, _ = field.partition(b":")
            name = _field_name(written)
            if not (colon and name):
                return False
            if name in numbers:
                numbers[name].append(number)
            else:
                numbers[name] = [number]
        return True

    def all(self, name: bytes) -> Sequence[int]:
        """The fields of this name (lower case), top-most first."""
        return self._numbers.get(name, ())

    def value(self, number: int) -> bytes:
        """The body of a field, unfolded."""
        return self._fields[number].partition(b":")[2]

    def select(self, names: Sequence[bytes]) -> tuple[list[int], dict[bytes, int]]:
        """The fields that a list of names means, and how many of each name. Source: RFC 6376 §5.4.2."""
        chosen: list[int] = []
        taken: dict[bytes, int] = {}
        for name in names:
            there = self._numbers.get(name)
            count = taken.get(name, 0)
            if there is not None and count < len(there):
                count += 1
                taken[name] = count
                chosen.append(there[-count])
        return chosen, taken

    def octets(self, chosen: Sequence[int], last: int, *, relaxed: bool) -> bytes:
        """The octets that a signature in the field `last` is made of; its own b= is empty. Source: RFC 6376 §3.7."""
        if relaxed:
            own = without_value(self._relaxed_field(last)[:-2], b"b")
            return b"".join(map(self._relaxed_field, chosen)) + own
        written = [
            field.replace(b"\n", b"\r\n") + b"\r\n" for field in _LINE_OF_FIELD.split(self._header.rstrip(b"\n"))
        ]
        own = without_value(written[last].removesuffix(b"\r\n"), b"b")
        return b"".join([written[number] for number in chosen]) + own

    def _relaxed_field(self, number: int) -> bytes:
        """Source: RFC 6376 §3.4.2."""
        found = self._relaxed.get(number)
        if found is None:
            name, _, value = self._fields[number].partition(b":")
            found = b"%b:%b\r\n" % (_field_name(name), level_spaces(value).strip(b" "))
            self._relaxed[number] = found
        return found

    def body(self, *, relaxed: bool) -> tuple[int, bytes]:
        """How many octets the body has in this form, and their SHA-256. Source: RFC 6376 §3.4.3, §3.4.4.

        A last line without its line end keeps a space at its end, as signers in use have it.
        """
        if relaxed not in self._bodies:
            body = self._body
            if body.count(b"\n") != body.count(b"\r\n"):
                body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            if relaxed:
                body = level_spaces(body)
                if b" \r\n" in body:
                    body = body.replace(b" \r\n", b"\r\n")
            body = _without_empty_end(body) or (b"" if relaxed else b"\r\n")
            self._bodies[relaxed] = (len(body), sha256(body).digest())
        return self._bodies[relaxed]


@lru_cache(maxsize=512)
def _field_name(written: bytes) -> bytes:
    """A field's name in lower case, empty when it is none. There are few: they are kept."""
    name = written.rstrip(b" \t").lower()
    return name if _NAME.fullmatch(name) else b""


def level_spaces(text: bytes) -> bytes:
    """Every run of white space within a line becomes one space."""
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    return _SPACES.sub(b" ", text) if b"  " in text else text


def _without_empty_end(body: bytes) -> bytes:
    """A body that ends with exactly one CRLF, nothing when it has nothing but empty lines."""
    kept = body.rstrip(b"\r\n")
    end = body[len(kept) :].replace(b"\r\n", b"\n")
    if b"\r" in end:  # a CR alone is no line end: what stands above the last of them stays
        kept += end.rstrip(b"\n").replace(b"\n", b"\r\n")
    return kept + b"\r\n" if kept else b""
