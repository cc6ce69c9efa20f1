"""Reply codes: read the replies of an SMTP server, and name the replies our LMTP server gives.

What for: `smtp` reads replies with `ReplyReader`; `lmtp` says nothing but the constants below, so that no text of a
fault, an address or a setting can slip into a reply.

Promises: `ReplyReader` never raises. A reply ends only at CRLF; a bare CR or LF, changing codes within one reply, a
code outside 200-599, or a reply beyond the limits is `ReplyFault`, because a reader that guesses where a reply ends may
take one message's answer for another's. The text of a reply may name a person: it is kept out of `repr`.

The name of a constant holds its reply code; the class of its enhanced status agrees with it (tested).

Sources: RFC 5321 §4.2, RFC 2034, RFC 3463, RFC 5248.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum

MAX_REPLY_LINE_OCTETS = 2_048  # RFC 5321 §4.5.3.1.5 says 512; four times that for talkative relays
MAX_REPLY_LINES = 128  # the longest EHLO answer met in the field has about 20 lines

SERVICE_CLOSING = 421  # RFC 5321 §3.8: may come at any moment

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\r\n]*+))?")
_ENHANCED = re.compile(rb"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![^ \t])")


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole reply. `lines` is the text without codes, one entry a line."""

    code: int
    enhanced_status: str | None
    lines: tuple[bytes, ...] = field(repr=False)

    @property
    def is_success(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_transient(self) -> bool:
        return 400 <= self.code < 500


class ReplyFault(StrEnum):
    """Why what the server sent is not a reply."""

    MALFORMED = "malformed"
    TOO_LONG = "too_long"


class ReplyReader:
    """Cuts a stream of octets into replies, however it was split on the way."""

    __slots__ = ("_buffer", "_code", "_lines")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._code = b""
        self._lines: list[bytes] = []

    def feed(self, octets: bytes) -> None:
        self._buffer += octets

    def next_reply(self) -> Reply | ReplyFault | None:
        """Return the next whole reply, None when more octets are needed; never raises.

        Source: RFC 5321 §4.2.1 (multi-line replies).
        """
        while (end := self._buffer.find(b"\n")) >= 0:
            if end >= MAX_REPLY_LINE_OCTETS:
                return ReplyFault.TOO_LONG
            matched = _LINE.fullmatch(self._buffer, 0, max(end - 1, 0))
            if matched is None or self._buffer[end - 1] != 0x0D:
                return ReplyFault.MALFORMED
            code, separator, text = matched.groups()
            del matched, self._buffer[: end + 1]
            if self._lines and code != self._code:
                return ReplyFault.MALFORMED
            self._code = code
            self._lines.append(text or b"")
            if separator != b"-":
                return self._whole_reply()
            if len(self._lines) >= MAX_REPLY_LINES:
                return ReplyFault.TOO_LONG
        return ReplyFault.TOO_LONG if len(self._buffer) >= MAX_REPLY_LINE_OCTETS else None

    def _whole_reply(self) -> Reply:
        lines, self._lines = tuple(self._lines), []
        return Reply(int(self._code), _enhanced_status(self._code, lines[0]), lines)


def _enhanced_status(code: bytes, text: bytes) -> str | None:
    """A status whose class contradicts the code is no evidence of anything (RFC 2034 §4)."""
    matched = _ENHANCED.match(text)
    if matched is None or text[:1] != code[:1]:
        return None
    return matched[1].decode("ascii")


R221_BYE = b"221 2.0.0 Bye\r\n"
R250_OK = b"250 2.0.0 OK\r\n"
R250_SENDER = b"250 2.1.0 OK\r\n"
R250_RECIPIENT = b"250 2.1.5 OK\r\n"
R250_MESSAGE = b"250 2.0.0 Committed\r\n"
R252_VERIFY = b"252 2.5.0 Cannot verify, will accept\r\n"
R354_GO_AHEAD = b"354 End data with <CR><LF>.<CR><LF>\r\n"
R421_CLOSING = b"421 4.3.2 Closing, try again later\r\n"
R421_IDLE = b"421 4.4.2 Idle for too long\r\n"
R421_TOO_MANY_CONNECTIONS = b"421 4.3.2 Too many connections\r\n"
R421_TOO_MANY_ERRORS = b"421 4.7.0 Too many errors\r\n"
R421_OUT_OF_STEP = b"421 4.5.2 Length of chunk unreadable\r\n"
R451_TROUBLE = b"451 4.3.0 Not stored, try again later\r\n"
R452_FULL = b"452 4.3.1 No room, try again later\r\n"
R452_TOO_MANY_RECIPIENTS = b"452 4.5.3 Too many recipients\r\n"
R500_UNKNOWN = b"500 5.5.2 Command unknown\r\n"
R500_BARE_LINE_END = b"500 5.5.2 Lines end with CR LF\r\n"
R500_LINE_TOO_LONG = b"500 5.5.2 Line too long\r\n"
R501_ARGUMENT = b"501 5.5.4 Argument not understood\r\n"
R501_SENDER = b"501 5.1.7 Reverse path not understood\r\n"
R501_RECIPIENT = b"501 5.1.3 Forward path not understood\r\n"
R503_SEQUENCE = b"503 5.5.1 Command out of sequence\r\n"
R552_TOO_BIG = b"552 5.3.4 Message too big\r\n"
