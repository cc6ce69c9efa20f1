"""Find what is uuencoded between the lines of a plain text: files that were sent before there was MIME, and still are.

What for: `mime_tree` cuts such a file out of a text and names it among the attachments; what stands around it stays the
author's words.

Promises: linear; never raises. A file begins at a line `begin MODE NAME` with an encoded line below it and ends at
`end`. A line that is not encoded ends it too, with a defect, and stays in the text: words cannot hide in a file (what is
encoded has no small letters, and each line says how long it is). A line `begin …` with anything else below is text.

Source: POSIX.1-2017, uuencode (both algorithms).
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from postmuster.mail.decoding import decode_base64, decode_text

MAX_NAME_OCTETS: Final = 255  # ours: as much as a file system takes

_BEGIN: Final = re.compile(rb"begin(-base64)? [0-7]{3,4} ++([^\n]{1,255}+)\n")
_LINE: Final = re.compile(rb"[!-`][ -`]{0,86}+")  # at most 63 octets a line, and a checksum that some programs add
_BASE64_LINES: Final = re.compile(rb"(?:[A-Za-z0-9+/=]{4,200}+\n)++")
_DAMAGED: Final = "uuencode damaged"


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """A file that stood in a text."""

    name: str
    content: bytes = field(repr=False)
    defect: str | None


def cut_encoded_files(content: bytes, max_files: int) -> tuple[bytes, tuple[EncodedFile, ...]]:
    """Return a text (line ends LF) without the files encoded in it, and those files. Never raises."""
    files: list[EncodedFile] = []
    kept: list[bytes] = []
    at = 0
    for found in _BEGIN.finditer(content):
        if found.start() < at or not _opens_line(content, found.start()):
            continue
        if len(files) >= max_files:
            break
        read = _base64_lines if found[1] else _lines
        octets, end, defect = read(content, found.end())
        if end < 0:
            continue
        kept.append(content[at : found.start()])
        files.append(EncodedFile(decode_text(found[2].strip(), None)[0], octets, defect))
        at = end
    if not files:
        return content, ()
    kept.append(content[at:])
    return b"".join(kept), tuple(files)


def name_of(content: bytes) -> str | None:
    """Return the name in the first `begin` line, or None."""
    found = _BEGIN.search(content[:4096])
    return decode_text(found[2].strip(), None)[0] if found and _opens_line(content, found.start()) else None


def _opens_line(content: bytes, at: int) -> bool:
    return at == 0 or content[at - 1] == 0x0A


def _lines(content: bytes, at: int) -> tuple[bytes, int, str | None]:
    """Decode lines from `at`; return the octets, where the text goes on (-1: no encoded line at all), and a defect."""
    decoded: list[bytes] = []
    while at < len(content):
        stop = content.find(b"\n", at, at + 100)
        stop = min(at + 100, len(content)) if stop < 0 else stop
        line = content[at:stop]
        if not line.strip(b" `"):  # no octets: the last line before `end`
            end = _END.match(content, stop)
            return b"".join(decoded), end.end() if end else stop + 1, None if end else _DAMAGED
        octets = _decode_line(line)
        if octets is None:
            end = _END.match(content, at - 1)  # some programs leave the line without octets out
            if not decoded:
                return b"", -1, None
            return b"".join(decoded), end.end() if end else at, None if end else _DAMAGED
        decoded.append(octets)
        at = stop + 1
    return b"".join(decoded), len(content) if decoded else -1, _DAMAGED


_END: Final = re.compile(rb"\n(?:[ `]?\n)?end[ \t]{0,9}(?:\n|\Z)")


def _decode_line(line: bytes) -> bytes | None:
    needed = (((line[0] - 32) & 63) + 2) // 3 * 4
    if not needed <= len(line) - 1 <= needed + 1 or _LINE.fullmatch(line) is None:
        return None
    try:
        return binascii.a2b_uu(line[: needed + 1])
    except (binascii.Error, ValueError):
        return None


def _base64_lines(content: bytes, at: int) -> tuple[bytes, int, str | None]:
    found = _BASE64_LINES.match(content, at)
    if found is None:
        return b"", -1, None
    lines, ending, _ = found[0].partition(b"====\n")
    if not ending:
        return decode_base64(lines)[0], found.end(), _DAMAGED
    return decode_base64(lines)[0], at + len(lines) + len(ending), None
