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
MAX_KNOWN_REPLIES, MAX_KNOWN_OCTETS = 256, 64  # single-line successes that are read once, and how long they may be

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

    __slots__ = ("_code", "_known", "_lines", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._code = b""
        self._lines: list[bytes] = []
        self._known: dict[bytes, Reply] = {}

    @property
    def is_between_replies(self) -> bool:
        """Whether nothing of a reply is left over."""
        return not self._rest and not self._lines

    def read(self, octets: bytes) -> list[Reply | ReplyFault]:
        """Return the replies that are whole by now; a fault is the last of them. Never raises.

        Source: RFC 5321 §4.2.1 (multi-line replies).
        """
        lines = (self._rest + octets).split(b"\r\n")
        self._rest = lines.pop()
        found: list[Reply | ReplyFault] = []
        for line in lines:
            reply: Reply | ReplyFault | None = self._known.get(line)
            if reply is None or self._lines:
                reply = self._take_line(line)
                if reply is None:
                    continue
            found.append(reply)
            if isinstance(reply, ReplyFault):
                return found
        fault = _fault_in(self._rest, MAX_REPLY_LINE_OCTETS) if self._rest else None
        if fault is not None:
            found.append(fault)
        return found

    def _take_line(self, line: bytes) -> Reply | ReplyFault | None:
        matched = _LINE.fullmatch(line)
        if matched is None or len(line) > MAX_REPLY_LINE_OCTETS - 2:
            return _fault_in(line, MAX_REPLY_LINE_OCTETS - 1) or ReplyFault.MALFORMED
        code, separator, text = matched.groups()
        if self._lines and code != self._code:
            return ReplyFault.MALFORMED
        self._code = code
        self._lines.append(text or b"")
        if separator != b"-":
            return self._whole_reply(line)
        return ReplyFault.TOO_LONG if len(self._lines) >= MAX_REPLY_LINES else None

    def _whole_reply(self, line: bytes) -> Reply:
        """A window of messages is answered by the same few words again and again: those are read once."""
        lines, self._lines = tuple(self._lines), []
        reply = Reply(int(self._code), _enhanced_status(self._code, lines[0]), lines)
        if len(lines) == 1 and reply.is_success and len(line) <= MAX_KNOWN_OCTETS:
            if len(self._known) >= MAX_KNOWN_REPLIES:
                self._known.clear()
            self._known[line] = reply
        return reply


def _fault_in(piece: bytes, limit: int) -> ReplyFault | None:
    """What is wrong with octets that hold no CRLF: a bare LF, or too many of them."""
    end = piece.find(b"\n")
    if (end if end >= 0 else len(piece)) >= limit:
        return ReplyFault.TOO_LONG
    return ReplyFault.MALFORMED if end >= 0 else None


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
