"""Encoding: how text becomes octets in a mail, in the ways mail programs do it.

What for: header fields with letters beyond ASCII, bodies as 7bit, 8bit, quoted-printable or base64 in the character
sets programs still use, and format=flowed.

Promises: what is written decodes to the same text. A body that does not fit its character set is written in UTF-8; one
with lines over 998 octets is not written as 7bit or 8bit.
Sources: RFC 2047 (encoded words), RFC 2045 §6 (transfer encodings), RFC 3676 (format=flowed), RFC 5322 §2.1.1 (998
octets).
"""

from __future__ import annotations

from base64 import b64encode
from binascii import b2a_base64, b2a_qp
from functools import lru_cache

WORD_OCTETS = 45  # of text in an encoded word of at most 75 octets, RFC 2047 §2
LINE_OCTETS = 998  # RFC 5322 §2.1.1
FLOWED_COLUMNS = 72
BASE64_OCTETS = 57  # 76 characters a line, RFC 2045 §6.8
LOCAL_CHARSETS = {
    "de": "iso-8859-1", "es": "iso-8859-1", "fr": "windows-1252", "it": "iso-8859-1", "pt": "windows-1252", "pl": "iso-8859-2",
    "ja": "iso-2022-jp", "zh": "gb2312",
}  # fmt: skip
SPECIALS = frozenset('()<>[]:;@\\,."')


@lru_cache(maxsize=4096)
def encoded_words(text: str) -> str:
    """Write text for a header field: as it is when it is ASCII, otherwise as encoded words on folded lines."""
    if text.isascii():
        return text
    words, piece = [], ""
    for letter in text:
        if len((piece + letter).encode()) > WORD_OCTETS:
            words.append(piece)
            piece = ""
        piece += letter
    words.append(piece)
    return "\n ".join(f"=?UTF-8?B?{b64encode(word.encode()).decode()}?=" for word in words)


def mailbox(name: str, address: str) -> str:
    """Write a display name and an address; the name is quoted where the grammar asks for it."""
    if not name:
        return address
    if not name.isascii():
        return f"{encoded_words(name)} <{address}>"
    if SPECIALS.isdisjoint(name):
        return f"{name} <{address}>"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


def encode_text(text: str, *, subtype: str, charset: str, transfer: str, flowed: bool = False) -> str:
    """Write a text part, its two or three fields and its body, with LF line ends; octets as Latin-1 letters."""
    octets, charset = _octets(text, charset)
    if transfer in {"7bit", "8bit"}:
        plain = octets.isascii() or transfer == "8bit"
        if not plain or any(len(line) > LINE_OCTETS for line in octets.split(b"\n")):
            transfer = "quoted-printable"
        elif octets.isascii():
            transfer = "7bit"
    body = _transferred(octets, transfer)
    more = "; format=flowed" if flowed else ""
    return (
        f"Content-Type: text/{subtype}; charset={charset}{more}\nContent-Transfer-Encoding: {transfer}\n\n"
        f"{body.decode('latin-1')}"
    )


def _octets(text: str, charset: str) -> tuple[bytes, str]:
    if charset == "us-ascii" and not text.isascii():
        charset = "utf-8"
    try:
        return text.encode(charset), charset
    except UnicodeEncodeError:
        return text.encode("utf-8"), "utf-8"


def _transferred(octets: bytes, transfer: str) -> bytes:
    if transfer == "base64":
        octets = octets.replace(b"\n", b"\r\n")
        step = BASE64_OCTETS
        return b"".join(b2a_base64(octets[start : start + step]) for start in range(0, len(octets), step))
    return b2a_qp(octets, istext=True) if transfer == "quoted-printable" else octets


def wrapped(line: str, columns: int, soft_end: str = "") -> list[str]:
    """Break a line at spaces into lines of at most `columns` characters where words allow; `soft_end` ends all but the last."""
    if len(line) <= columns:
        return [line]
    lines, rest = [], line
    while len(rest) > columns:
        at = rest.rfind(" ", 1, columns + 1)
        at = at if at > 0 else rest.find(" ", columns)
        if at <= 0:
            break
        lines.append(rest[:at] + soft_end)
        rest = rest[at + 1 :]
    return [*lines, rest]


def flowed(text: str) -> str:
    """Break the lines of a text softly and stuff those that need it; the signature line keeps its space."""
    lines: list[str] = []
    for line in text.split("\n"):
        if line == "-- ":
            lines.append(line)
            continue
        stuffed = f" {line.rstrip()}" if line.startswith((" ", ">", "From ")) else line.rstrip()
        lines += wrapped(stuffed, FLOWED_COLUMNS, " ")
    return "\n".join(lines)
