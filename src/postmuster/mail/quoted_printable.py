"""Quoted-printable for text that is encoded once and filled for each person.

What for: `compose` encodes the constant pieces of a revision with `write_lines` and each person's values with
`write_value`; the pieces are then joined by soft line breaks, so that no piece depends on the length of another.

Promises. Pure ASCII, lines of at most 76 octets, no control character but whole CRLF. White space is single and never
ends a line, so the relaxed canonical form of such a body (RFC 6376 §3.4.4) is the body itself, and a relay that levels
white space harms nothing. No line begins with a dot or with "From ", which some of them alter. "=" is written "=3D",
so that a boundary with "=_" in it can never occur. Decoding gives back the text, octet for octet.

Sources: RFC 2045 §6.7.
"""

import re
from typing import Final

from postmuster.mail.limits import MAX_QUOTED_PRINTABLE_LINE_OCTETS

SOFT_BREAK: Final = "=\r\n"

_FIRST_OCTET_SPARE: Final = 2  # what a dot or an F grows by when it is encoded at the start of a line
_ROOM: Final = MAX_QUOTED_PRINTABLE_LINE_OCTETS - len("=") - _FIRST_OCTET_SPARE
_PRETTY: Final = 40  # a line is cut at a space if one stands beyond this column
_OCTETS: Final = tuple(chr(c) if (0x20 <= c <= 0x7E and c != 0x3D) else f"={c:02X}" for c in range(256))
_PLAIN_LINE: Final = re.compile(r"[ -<>-~]*+")


def write_value(value: str) -> str:
    """Encode a value of one line without control characters and outer spaces, on lines of its own.

    Soft breaks stand inside it where it is long, none around it.
    """
    if value.isascii() and len(value) <= _ROOM and "=" not in value and value[:1] not in ".F" and "  " not in value:
        return value
    return _cut(_write_octets(value))


def write_lines(text: str) -> str:
    """Encode text whose line ends are LF; a hard CRLF stands for each. The last line is not ended.

    A space at the end stays one, because a hard break never follows it: end the text with LF if one does.
    """
    *lines, last = text.split("\n")
    written = [_cut(_write_end(_write_octets(line))) for line in lines]
    written.append(_cut(_write_octets(last)))
    return "\r\n".join(written)


def _write_octets(line: str) -> str:
    if _PLAIN_LINE.fullmatch(line) is None:
        line = "".join([_OCTETS[octet] for octet in line.encode("utf-8", "replace")])
    return line.replace("  ", " =20") if "  " in line else line


def _write_end(line: str) -> str:
    return line[:-1] + "=20" if line.endswith(" ") else line


def _cut(line: str) -> str:
    """Cut a line at soft breaks, at a space where one is near, never inside an encoded octet."""
    if len(line) <= _ROOM:
        return _write_start(line)
    pieces = []
    place = 0
    while len(line) - place > _ROOM:
        end = line.rfind(" ", place + _PRETTY, place + _ROOM) + 1
        if not end:
            end = place + _ROOM
            end -= 1 if line[end - 1] == "=" else 2 if line[end - 2] == "=" else 0
        pieces.append(_write_start(line[place:end]))
        place = end
    pieces.append(_write_start(line[place:]))
    return SOFT_BREAK.join(pieces)


def _write_start(line: str) -> str:
    if line.startswith("."):
        return f"=2E{line[1:]}"
    return f"=46{line[1:]}" if line.startswith("From ") else line
