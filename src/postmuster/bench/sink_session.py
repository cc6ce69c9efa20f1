"""One connection of the bench sink: the server's side of SMTP with PIPELINING, BDAT and DATA, kept short on purpose.

What for: `sink` gives every connection one `Session`; what is taken goes to the `Taken` that all share.

Promises:
- A message is in the journal and in the count before its 250 is written; all messages of one read share one write(2).
- Commands are answered in order. MAIL inside a transaction, RCPT without MAIL, DATA or BDAT without a recipient, DATA after
  BDAT are answered 503. After a refused DATA or BDAT only RSET (or EHLO) makes room for the next MAIL: a client that forgets
  it is found out. The octets of a refused BDAT are read and thrown away (RFC 3030 §2).
- Whole transactions as a fast client writes them (MAIL, RCPT, BDAT LAST in one piece) are recognised by one expression and
  never copied; whatever else comes goes command by command, and means the same (a test compares the two).
- Memory of a connection is bounded: the read buffer, and the first `HEAD_OCTETS` of a message that comes in pieces.

Limits: one recipient a message (452 for the second): what is measured writes to each person apart. EHLO is not demanded
before MAIL. No TLS, no AUTH.

Sources: RFC 5321 §4.1.1 and §4.1.4, RFC 3030 (CHUNKING), RFC 2920 (PIPELINING), RFC 1870 (SIZE), RFC 6152, RFC 6531,
RFC 3461 (DSN), RFC 2034 (ENHANCEDSTATUSCODES).
"""

from __future__ import annotations

import asyncio
import re
import select
import time
from typing import Final, Protocol, cast

from postmuster.bench.journal import line_end

SIZE_OCTETS: Final = 52_428_800  # announced, and held to
MAX_LINE_OCTETS: Final = 4_096  # of a command; RFC 5321 §4.5.3.1.4 asks for 512 and more with extensions
HEAD_OCTETS: Final = 65_536  # of a message in pieces: where its Message-ID is looked for
BUFFER_OCTETS: Final = 1 << 20  # one read; a quarter of it costs 1.5 µs more a message: more of them come in two pieces
LINGER_S: Final = 2.0  # after a 421: so long the client may take to read it and to leave

_PATH: Final = rb'<((?:"(?:[^"\\\x00-\x1f]|\\[ -~])*+"|[^<>"\\\x00-\x20\x7f]++)*+)>'
_MAIL_PARAMETER: Final = (
    rb"(?: (?:SIZE=\d{1,20}|BODY=(?:7BIT|8BITMIME)|SMTPUTF8|RET=(?:FULL|HDRS)|ENVID=[!-~]{1,100}))*+"
)
_RCPT_PARAMETER: Final = rb"(?: (?:NOTIFY=[A-Z,]{1,40}|ORCPT=[!-~\x80-\xff]{1,1000}))*+"
_MAIL_TEXT: Final = rb"MAIL FROM: ?" + _PATH + _MAIL_PARAMETER
_RCPT_TEXT: Final = rb"RCPT TO: ?" + _PATH + _RCPT_PARAMETER
_WHOLE: Final = re.compile(_MAIL_TEXT + rb"\r\n" + _RCPT_TEXT + rb"\r\nBDAT (\d{1,9}) LAST\r\n")  # as clients write it
_MAIL: Final = re.compile(_MAIL_TEXT, re.I)
_RCPT: Final = re.compile(_RCPT_TEXT, re.I)
_PATH_OF: Final = re.compile(rb"(?:MAIL FROM|RCPT TO): ?" + _PATH + rb"(?: |\Z)", re.I)
_SIZE: Final = re.compile(rb" SIZE=(\d{1,20})", re.I)
_BDAT: Final = re.compile(rb"BDAT (\d{1,9})( LAST)?", re.I)

_END: Final = b"\r\n.\r\n"
_EMPTY: Final = b".\r\n"
GREETING: Final = b"220 sink.example ESMTP counts\r\n"
_EHLO: Final = (
    b"250-sink.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
    b"250-ENHANCEDSTATUSCODES\r\n250 SIZE %d\r\n" % SIZE_OCTETS
)
_MAIL_OK: Final = b"250 2.1.0 go on\r\n"
_RCPT_OK: Final = b"250 2.1.5 who else\r\n"
_TAKEN: Final = b"250 2.0.0 counted\r\n"
_CHUNK_OK: Final = b"250 2.0.0 more\r\n"
_SEQUENCE: Final = b"503 5.5.1 not now\r\n"
_SYNTAX: Final = b"501 5.5.4 not understood\r\n"
_TOO_BIG: Final = b"552 5.3.4 too big\r\n"
_UNKNOWN_USER: Final = b"550 5.1.1 nobody of that name\r\n"
_BUSY: Final = b"421 4.3.2 busy\r\n"
_WHOLE_OK: Final = _MAIL_OK + _RCPT_OK + _TAKEN
_ANYTIME: Final = {b"NOOP": b"250 2.0.0 still here\r\n", b"VRFY": b"252 2.0.0 perhaps\r\n"}

_USUAL_FIELD: Final = b"\r\nMessage-ID: <"
_NAME: Final = re.compile(rb"([^<>\s]+)>")
_FIELD: Final = re.compile(rb"^message-id:\s*<([^<>\s]+)>", re.I | re.M)


class Counts(Protocol):
    """What a session needs from the sink it belongs to."""

    is_plain: bool
    cut_octets: int

    def take(self, names: list[bytes], lines: list[bytes], octets: int, now_s: float) -> None: ...

    def refuses(self, recipient: bytes) -> bool: ...

    def is_busy(self) -> bool: ...

    def wait_s(self) -> float: ...


def find_message_id(held: bytes | bytearray, start: int, end: int) -> bytes:
    """Find the Message-ID of the message between two places, without brackets; empty where there is none."""
    if held.startswith(b"\r\n", start, end):
        return b""
    at = held.find(_USUAL_FIELD, start, end)
    if at >= 0 and held.find(b"\r\n\r\n", start, at + 2) < 0:
        named = _NAME.match(held, at + len(_USUAL_FIELD), end)
        if named:
            return named[1]
    head_end = held.find(b"\r\n\r\n", start, end)
    found = _FIELD.search(bytes(held[start : head_end if head_end >= 0 else end]))
    return found[1] if found else b""


class Session(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self, taken: Counts) -> None:
        self._taken = taken
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(BUFFER_OCTETS)
        self._at = 0  # the first octet not yet dealt with
        self._end = 0  # past the last octet received
        self._received = 0
        self._out: list[bytes] = []
        self._is_leaving = False  # nothing more is read as a command
        self._is_waiting = False  # a message is whole, its answer is not due yet
        self._in_data = False
        self._chunk_left = 0
        self._chunk_says: tuple[bool, bytes] | None = None  # whether the chunk is the last; its refusal, if it has one
        self._close_transaction()

    def _close_transaction(self) -> None:
        self._has_mail = False
        self._recipient: bytes | None = None
        self._is_chunked = False
        self._forget_message()

    def _forget_message(self) -> None:
        self._head = bytearray()
        self._octets = 0
        self._is_at_start = True

    # ---- what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by class, only by shape
        self._transport.write(GREETING)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next octets go; what was not dealt with stands in front of them."""
        if self._at:
            self._buffer[: self._end - self._at] = self._buffer[self._at : self._end]
            self._at, self._end = 0, self._end - self._at
        limit = len(self._buffer)
        if self._taken.cut_octets:
            limit = min(limit, self._end + max(1, self._taken.cut_octets - self._received))
        return memoryview(self._buffer)[self._end : limit]

    def buffer_updated(self, nbytes: int) -> None:
        self._end += nbytes
        self._received += nbytes
        if self._is_leaving:
            self._at = self._end = 0
            return
        self._go_on()
        if self._taken.cut_octets and self._received >= self._taken.cut_octets and self._transport is not None:
            self._is_leaving = True
            self._transport.close()

    # ---- the dialog

    def _go_on(self) -> None:
        """Deal with what is there, then answer it all in one write."""
        while self._at < self._end and not self._is_leaving and not self._is_waiting:
            if self._taken.is_plain and not self._has_mail and self._chunk_says is None:
                self._take_whole_ones()
            if not self._step():
                break
        self._write()

    def _write(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _take_whole_ones(self) -> None:
        """Take transactions that are there from MAIL to the last octet, as many as follow each other."""
        buffer, at, end = self._buffer, self._at, self._end
        now_s = time.monotonic()
        moment = line_end(now_s, time.time())
        names: list[bytes] = []
        lines: list[bytes] = []
        octets = 0
        while found := _WHOLE.match(buffer, at, end):
            start = found.end()
            stop = start + int(found[3])
            if stop > end or stop - start > SIZE_OCTETS or not found[2]:
                break
            name = find_message_id(buffer, start, stop)
            names.append(name)
            lines.append(b"%b\t%b%b" % (name, found[2], moment))
            octets += stop - start
            at = stop
        if names:
            self._taken.take(names, lines, octets, now_s)
            self._out.append(_WHOLE_OK * len(names))
            self._at = at

    def _step(self) -> bool:
        """Deal with one command or with one piece of a message; False when more octets are needed first."""
        if self._chunk_says is not None:
            return self._take_chunk(*self._chunk_says)
        if self._in_data:
            return self._take_data()
        end = self._buffer.find(b"\r\n", self._at, self._end)
        if end < 0:
            if self._end - self._at > MAX_LINE_OCTETS:
                self._leave(b"421 5.5.2 that is no command\r\n")
            return False
        line = bytes(self._buffer[self._at : end])
        self._at = end + 2
        self._command(line)
        return True

    def _command(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"MAIL":
            self._mail(line)
        elif verb == b"RCPT":
            self._rcpt(line)
        elif verb == b"BDAT":
            self._bdat(line)
        elif verb == b"DATA":
            self._data()
        elif verb in {b"EHLO", b"HELO", b"RSET"}:
            self._close_transaction()
            said = {b"EHLO": _EHLO, b"HELO": b"250 sink.example\r\n"}.get(verb, b"250 2.0.0 reset\r\n")
            self._out.append(said)
        elif verb == b"QUIT":
            self._out.append(b"221 2.0.0 goodbye\r\n")
            self._write()
            self._is_leaving = True
            if self._transport is not None:
                self._transport.close()
        else:
            self._out.append(_ANYTIME.get(verb, b"500 5.5.1 not known here\r\n"))

    def _mail(self, line: bytes) -> None:
        if self._has_mail:
            self._out.append(_SEQUENCE)
        elif self._taken.is_busy():
            self._leave(_BUSY)
        elif not _MAIL.fullmatch(line):
            self._out.append(_fault(line))
        elif (size := _SIZE.search(line)) and int(size[1]) > SIZE_OCTETS:
            self._out.append(_TOO_BIG)
        else:
            self._has_mail = True
            self._out.append(_MAIL_OK)

    def _rcpt(self, line: bytes) -> None:
        found = _RCPT.fullmatch(line)
        if not self._has_mail or self._is_chunked:
            self._out.append(_SEQUENCE)
        elif not found or not found[1]:
            self._out.append(_SYNTAX if found else _fault(line))
        elif self._recipient is not None:
            self._out.append(b"452 4.5.3 one recipient a message\r\n")
        elif self._taken.refuses(found[1]):
            self._out.append(_UNKNOWN_USER)
        else:
            self._recipient = found[1]
            self._out.append(_RCPT_OK)

    def _data(self) -> None:
        if self._recipient is None or self._is_chunked:
            self._recipient = None
            self._out.append(_SEQUENCE)
        else:
            self._in_data = True
            self._out.append(b"354 and end with a dot\r\n")

    def _bdat(self, line: bytes) -> None:
        """Begin a chunk; what is wrong with it is said when its octets have gone by."""
        found = _BDAT.fullmatch(line)
        if not found:  # where it ends is unknown, so nothing behind it can be read
            self._leave(b"421 5.5.4 a chunk of unknown size\r\n")
            return
        self._chunk_left = int(found[1])
        self._is_chunked = True
        refusal = b""
        if self._recipient is None:
            refusal = _SEQUENCE
        elif self._octets + self._chunk_left > SIZE_OCTETS:
            refusal = _TOO_BIG
        self._chunk_says = (found[2] is not None, refusal)
        if not self._chunk_left:
            self._take_chunk(*self._chunk_says)

    def _take_chunk(self, is_last: bool, refusal: bytes) -> bool:
        stop = min(self._end, self._at + self._chunk_left)
        self._chunk_left -= stop - self._at
        self._keep(stop)
        if self._chunk_left:
            return False
        self._chunk_says = None
        if refusal:
            self._recipient = None
            self._is_chunked = self._has_mail
            self._forget_message()
            self._out.append(refusal)
        elif is_last:
            self._finish()
        else:
            self._out.append(_CHUNK_OK)
        return True

    def _take_data(self) -> bool:
        """Take what is there of a message up to its dot."""
        if self._is_at_start:
            if self._buffer.startswith(_EMPTY, self._at, self._end):
                self._at += len(_EMPTY)
                self._finish()
                return True
            if self._end - self._at < len(_EMPTY):
                return False
        end = self._buffer.find(_END, self._at, self._end)
        if end < 0:
            self._keep(max(self._at, self._end - len(_END) + 1))
            return False
        self._keep(end + 2)
        self._at = end + len(_END)
        self._finish()
        return True

    def _keep(self, stop: int) -> None:
        """Go on to a place; of what lies between only the beginning of the message is kept."""
        if stop <= self._at:
            return
        room = HEAD_OCTETS - len(self._head)
        if room > 0:
            self._head += self._buffer[self._at : min(stop, self._at + room)]
        self._octets += stop - self._at
        self._at = stop
        self._is_at_start = False

    def _finish(self) -> None:
        """The message is whole: take it now, or when its answer is due."""
        self._in_data = False
        wait_s = self._taken.wait_s()
        if wait_s <= 0:
            self._take_one()
            return
        self._is_waiting = True
        self._write()
        if self._transport is not None:
            self._transport.pause_reading()
        asyncio.get_running_loop().call_later(wait_s, self._resume)

    def _resume(self) -> None:
        self._is_waiting = False
        if self._transport is None or self._is_leaving:
            return
        if _is_gone(self._transport):  # hears no answer, so nothing was taken
            self._transport.abort()
            return
        self._take_one()
        self._go_on()
        if not self._is_waiting and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _take_one(self) -> None:
        name = find_message_id(self._head, 0, len(self._head))
        now_s = time.monotonic()
        line = b"%b\t%b%b" % (name, self._recipient or b"", line_end(now_s, time.time()))
        if self._octets > SIZE_OCTETS:
            self._out.append(_TOO_BIG)
        else:
            self._taken.take([name], [line], self._octets, now_s)
            self._out.append(_TAKEN)
        self._close_transaction()

    def _leave(self, answer: bytes) -> None:
        """Say why and close our half; what still comes is thrown away, so that no reset overtakes the answer."""
        self._out.append(answer)
        self._write()
        self._is_leaving = True
        if self._transport is not None:
            self._transport.write_eof()
            asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)


def _is_gone(transport: asyncio.Transport) -> bool:
    """Whether the client has closed its end: while reading is paused nobody else looks. Source: poll(2), POLLRDHUP."""
    found = transport.get_extra_info("socket")
    if found is None:
        return True
    looking = select.poll()
    looking.register(found.fileno(), select.POLLRDHUP)
    return bool(looking.poll(0))


def _fault(line: bytes) -> bytes:
    """A path that can be read with a parameter that cannot: 555; else 501. Source: RFC 5321 §4.1.1.11."""
    return b"555 5.5.4 not that parameter\r\n" if _PATH_OF.match(line) else _SYNTAX
