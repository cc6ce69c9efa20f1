"""Header fields as octets of a message we write: encoded words, folding, dates, mailboxes.

Each writer returns the whole field, CRLF included.

Promises. Whatever the text, what comes out is one field: control characters become spaces and line ends stand only
before the single space of a fold, so that nothing can begin a field of its own. Lines have at most 78 octets, and at
most 76 where an encoded word stands, but for an address or a word of an identifier that is longer by itself; those are
on a line of their own and within 998. Folds stand before a space that is in the text, so that unfolding gives the text
back, and white space is single, so that relaxed canonicalisation is taking the folds out. All is ASCII but for an
address whose local part is not.

Limits: text is cut at `max_chars`. Comments are never written.

Sources: RFC 5322 §2.1.1, §2.2.3, §3.3, §3.4; RFC 2047; RFC 6532 §3.2 (UTF-8 in addresses).
"""

import re
from base64 import b64encode
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from postmuster.base.errors import Defect
from postmuster.mail.address import Mailbox, one_line
from postmuster.mail.limits import (
    ENCODED_WORDS_LINE_OCTETS,
    MAX_DISPLAY_NAME_CHARS,
    MAX_ENCODED_WORD_OCTETS,
    SOFT_LINE_OCTETS,
)

MAX_WORD_OCTETS: Final = 76  # longer words of a text for people are written as encoded words, which can be cut anywhere
MAX_IDENTIFIER_OCTETS: Final = 900  # longer words of other fields likewise; a line must stay within 998

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_Q_START: Final = "=?utf-8?q?"
_B_START: Final = "=?utf-8?b?"
_WORD_END: Final = "?="
_WORD_FRAME_OCTETS: Final = len(_Q_START) + len(_WORD_END)
_LEAST_WORD_OCTETS: Final = 40  # what the first word may have after a long field name
_UNENCODED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")  # RFC 2047 §5 (3)
_Q: Final = tuple("_" if c == 0x20 else chr(c) if c in _UNENCODED else f"={c:02X}" for c in range(256))

_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++)*+")
_SHORT_NAME_CHARS: Final = 60  # such a name stands on one line behind any field's name
_TO_QUOTE: Final = re.compile(r'(["\\])')
_QUOTED: Final = r"\\\1"


def write_text(name: str, text: str, *, max_chars: int, max_word_octets: int = MAX_WORD_OCTETS) -> str:
    """Write an unstructured field. Source: RFC 5322 §2.2.1, RFC 2047 §5 (1)."""
    text = one_line(text, max_chars)
    if text.isascii() and "=?" not in text:
        line = f"{name}: {text}\r\n"
        if len(line) <= SOFT_LINE_OCTETS + 2:
            return line
        words = text.split(" ")
        if max(map(len, words)) <= max_word_octets:
            return f"{_fold(name + ':', words)}\r\n"
    return f"{_fold_encoded(name + ':', encoded_words(text, len(name) + 2))}\r\n"


def write_mailbox(name: str, mailbox: Mailbox) -> str:
    """Write a field with one mailbox; the display name comes out as plain words, quoted or encoded, as it must.

    Source: RFC 5322 §3.4, RFC 2047 §5 (3), RFC 6532 §3.2.
    """
    addr = str(mailbox.addr)
    phrase = mailbox.display_name
    if len(phrase) > _SHORT_NAME_CHARS or _ATOMS.fullmatch(phrase) is None or "=?" in phrase:
        phrase = _write_phrase(one_line(phrase, MAX_DISPLAY_NAME_CHARS), len(name) + 2)
    if not phrase:
        return f"{name}: {addr}\r\n"
    line = f"{name}: {phrase} <{addr}>\r\n"
    octets = len(line) if line.isascii() else len(line.encode())
    if octets <= ENCODED_WORDS_LINE_OCTETS + 2:
        return line
    return f"{name}: {phrase}\r\n <{addr}>\r\n"


@lru_cache(maxsize=64)
def write_date(at: datetime) -> tuple[str, int]:
    """Return a Date field in UTC and the same moment in seconds since 1970.

    A batch has one date, so that the last few are kept. Raises `Defect` for a time without zone. Source: RFC 5322 §3.3.
    """
    if at.tzinfo is None:
        raise Defect("A message was not written because its date has no time zone; mend the caller.")
    utc = at.astimezone(UTC)
    day, month = _DAYS[utc.weekday()], _MONTHS[utc.month - 1]
    return f"Date: {day}, {utc.day} {month} {utc.year:04} {utc:%H:%M:%S} +0000\r\n", int(utc.timestamp())


def encoded_words(text: str, used_octets: int) -> list[str]:
    """Write text as encoded words in UTF-8, no character torn apart; `used_octets` stand before the first on its line.

    Q or B, whichever is shorter: mostly Q for Latin scripts and B for the others. Source: RFC 2047 §2, §4, §5.
    """
    octets = text.encode("utf-8", "replace")
    quoted = "".join([_Q[octet] for octet in octets])
    is_quoted = len(quoted) <= (len(octets) + 2) // 3 * 4
    room = max(ENCODED_WORDS_LINE_OCTETS - used_octets, _LEAST_WORD_OCTETS) - _WORD_FRAME_OCTETS
    if is_quoted and len(quoted) <= room:
        return [f"{_Q_START}{quoted}{_WORD_END}"]
    words: list[str] = []
    taken = bytearray()
    width = 0
    for char in text:
        more = char.encode("utf-8", "replace")
        more_width = sum([len(_Q[octet]) for octet in more])
        if (width + more_width if is_quoted else (len(taken) + len(more) + 2) // 3 * 4) > room:
            words.append(_encoded_word(bytes(taken), is_quoted=is_quoted))
            taken.clear()
            width = 0
            room = MAX_ENCODED_WORD_OCTETS - _WORD_FRAME_OCTETS
        taken += more
        width += more_width
    words.append(_encoded_word(bytes(taken), is_quoted=is_quoted))
    return words


def _encoded_word(octets: bytes, *, is_quoted: bool) -> str:
    if is_quoted:
        return f"{_Q_START}{''.join([_Q[octet] for octet in octets])}{_WORD_END}"
    return f"{_B_START}{b64encode(octets).decode('ascii')}{_WORD_END}"


def _write_phrase(display_name: str, used_octets: int) -> str:
    """A phrase longer than a line is encoded, because not every reader unfolds a quoted string rightly."""
    if not display_name:
        return ""
    if display_name.isascii() and "=?" not in display_name:
        phrase = display_name
        if not _ATOMS.fullmatch(display_name):
            quoted = _TO_QUOTE.sub(_QUOTED, display_name)
            phrase = f'"{quoted}"'
        if used_octets + len(phrase) <= SOFT_LINE_OCTETS:
            return phrase
    return "\r\n ".join(encoded_words(display_name, used_octets))


def _fold(line: str, words: list[str]) -> str:
    """The first word stays behind the name: a line of the name alone is legal and yet lost by some readers."""
    lines = []
    line += f" {words[0]}"
    for word in words[1:]:
        if len(line) + 1 + len(word) <= SOFT_LINE_OCTETS:
            line += f" {word}"
        else:
            lines.append(line)
            line = f" {word}"
    lines.append(line)
    return "\r\n".join(lines)


def _fold_encoded(start: str, words: list[str]) -> str:
    return start + " " + "\r\n ".join(words)
