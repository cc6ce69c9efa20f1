"""The server's side of LMTP as a state machine without a socket: octets in, received mails and octets out.

What for: `inbound.door` feeds one `LmtpServer` a connection. `receive` returns whole mails; the shell commits them and
says by `answer`, oldest first, what became of each. Meanwhile the dialog goes on, so that a client which pipelines has
many mails in one commit; replies leave in the order of the commands all the same.

Promises:
- One reply for each accepted recipient after the data (RFC 2033 §4.2). No 250 without the shell's word.
- Data ends at CR LF "." CR LF and nowhere else; BDAT ends at its count. A bare LF is data, NUL is data, a line of any
  length is data.
- The only 5xx to a mail as such is 552 5.3.4 (over SIZE). Trouble of ours is 4xx, so that a fault never bounces a mail.
- What is too long or too big is drained, then refused: the dialog stays in step. Where the length of what follows is
  unknown (an unreadable BDAT) the dialog ends with 421.
- Octets split in any way give the same mails and the same replies. Work is linear in the octets received.
- A mail's state is one value, made new at MAIL and dropped whole.

Limits: the constants below, and `max_size_octets`. Parameters of MAIL and RCPT we do not know are passed over: a 555
would bounce a mail over something that is not its content.

Sources: RFC 2033, 5321, 1870 (SIZE), 2920 (PIPELINING), 3030 (CHUNKING), 6152, 6531, 2034.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from postmuster.mail import reply_code as r

MAX_COMMAND_LINE_OCTETS = 2_048  # RFC 5321 §4.5.3.1.4: 512, and 1,137 for SIZE, BODY, SMTPUTF8, ENVID, NOTIFY and ORCPT
MAX_RECIPIENTS = 100  # RFC 5321 §4.5.3.1.8: at least 100
MAX_SIZE_OCTETS = 50 * 1024 * 1024  # above what the large mailbox providers let their users send
MAX_ERRORS = 20  # bad commands without a mail between them: Postfix's smtpd_hard_error_limit
MAX_UNANSWERED = 64  # mails of one connection the shell may owe an answer: one group commit
MAX_CHUNK_DIGITS = 20  # RFC 3030 §2 sets no limit; 2**64 has 20 digits

_END_OF_DATA = b"\r\n.\r\n"
_PATH = rb'[ \t]*+(?:<((?:"(?:[^"\\]|\\.)*+"|[^">])*+)>|([^\s<>]++))(?:[ \t]++(.*+))?[ \t]*+'
_FROM = re.compile(rb"FROM:" + _PATH, re.IGNORECASE | re.DOTALL)
_TO = re.compile(rb"TO:" + _PATH, re.IGNORECASE | re.DOTALL)
_SIZE = re.compile(rb"(?:^|[ \t])SIZE=([0-9]{1,20})(?![^ \t])", re.IGNORECASE)
_SOURCE_ROUTE = re.compile(r"@[^:]*+:")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


class DeliveryReply(StrEnum):
    """What is said of one mail to one recipient."""

    ACCEPTED = "250 2.0.0"
    TROUBLE = "451 4.3.0"
    FULL = "452 4.3.1"
    TOO_BIG = "552 5.3.4"


_WIRE = {
    DeliveryReply.ACCEPTED: r.R250_MESSAGE,
    DeliveryReply.TROUBLE: r.R451_TROUBLE,
    DeliveryReply.FULL: r.R452_FULL,
    DeliveryReply.TOO_BIG: r.R552_TOO_BIG,
}


@dataclass(frozen=True, slots=True)
class Received:
    """One whole mail. Nothing has been said about it yet; the dots of the transport are taken out of `data`."""

    reverse_path: str | None = field(repr=False)  # None is the null reverse path
    recipients: tuple[str, ...] = field(repr=False)
    data: bytes = field(repr=False)


class _Transaction:
    """The mail being received."""

    __slots__ = ("body", "is_chunked", "recipients", "refusal", "reverse_path")

    def __init__(self, reverse_path: str | None) -> None:
        self.reverse_path = reverse_path
        self.recipients: list[str] = []
        self.body = bytearray()
        self.is_chunked = False
        self.refusal: DeliveryReply | None = None  # set: what still comes is drained


class _Unanswered:
    """A mail the shell has, and the replies that may leave only after those about it."""

    __slots__ = ("octets", "recipient_count", "replies_after")

    def __init__(self, recipient_count: int, octets: int) -> None:
        self.recipient_count = recipient_count
        self.octets = octets
        self.replies_after: list[bytes] = []


class LmtpServer:
    """The dialog of one connection. No method raises on what a client may send."""

    def __init__(
        self, *, hostname: str, max_size_octets: int = MAX_SIZE_OCTETS, max_recipients: int = MAX_RECIPIENTS
    ) -> None:
        self._hostname = hostname.encode("ascii")
        self._max_size = max_size_octets
        self._max_recipients = max_recipients
        self._buffer = bytearray()
        self._scanned = 0  # how much of the buffer holds no end of what is being read
        self._read: Callable[[LmtpServer, list[Received]], bool] = LmtpServer._read_line
        self._was_greeted = False
        self._transaction: _Transaction | None = None
        self._data_at_start = False
        self._dots = 0  # stuffed dots seen in data that is near the limit
        self._dots_scanned = 0
        self._chunk_left = 0
        self._chunk_is_last = False
        self._errors = 0
        self._unanswered: deque[_Unanswered] = deque()
        self._unanswered_octets = 0
        self._output: list[bytes] = [b"220 %s LMTP\r\n" % self._hostname]
        self._is_closing = False
        self.is_full = False  # the shell sets it: MAIL is answered 452

    @property
    def has_ended(self) -> bool:
        """Nothing more will be read or said once the output is taken."""
        return self._is_closing and not self._unanswered

    @property
    def unanswered(self) -> int:
        """How many mails wait for `answer`. At `MAX_UNANSWERED` reading stops: pause the transport."""
        return len(self._unanswered)

    @property
    def is_in_data(self) -> bool:
        return self._read is LmtpServer._read_data or self._read is LmtpServer._read_chunk

    @property
    def held_octets(self) -> int:
        """Memory this dialog holds, the unanswered mails included."""
        body = len(self._transaction.body) if self._transaction is not None else 0
        return len(self._buffer) + body + self._unanswered_octets

    def take_output(self) -> bytes:
        output = b"".join(self._output)
        self._output.clear()
        return output

    def receive(self, octets: bytes) -> list[Received]:
        """Take what the client sent, split anywhere; return the mails that became whole."""
        if self._is_closing:
            return []
        self._buffer += octets
        return self._go_on()

    def answer(self, replies: Sequence[DeliveryReply]) -> list[Received]:
        """Say what became of the oldest unanswered mail, one reply a recipient; return mails that were waiting behind.

        A count that does not fit is our own mistake: the client hears 451 for each recipient.
        """
        mail = self._unanswered.popleft()
        self._unanswered_octets -= mail.octets
        if len(replies) != mail.recipient_count:
            replies = (DeliveryReply.TROUBLE,) * mail.recipient_count
        self._output.extend(_WIRE[reply] for reply in replies)
        self._output.extend(mail.replies_after)
        return self._go_on()

    def shed(self) -> None:
        """Let go of the mail being received, for want of memory: it is drained and answered 452."""
        transaction = self._transaction
        if transaction is not None and transaction.refusal is None and (self.is_in_data or transaction.body):
            transaction.refusal = DeliveryReply.FULL
            self._drop_body(transaction)
            self._go_on()

    def hang_up(self, reply: bytes) -> None:
        """Say `reply` (a 421) after what is owed, and read no more."""
        if not self._is_closing:
            self._close(reply)

    def _go_on(self) -> list[Received]:
        received: list[Received] = []
        while not self._is_closing and len(self._unanswered) < MAX_UNANSWERED and self._read(self, received):
            pass
        return received

    def _say(self, reply: bytes) -> None:
        (self._unanswered[-1].replies_after if self._unanswered else self._output).append(reply)

    def _say_error(self, reply: bytes) -> None:
        self._errors += 1
        if self._errors > MAX_ERRORS:
            self._close(r.R421_TOO_MANY_ERRORS)
        else:
            self._say(reply)

    def _close(self, reply: bytes) -> None:
        self._say(reply)
        self._is_closing = True
        self._transaction = None
        self._buffer.clear()

    # ---- command lines

    def _read_line(self, received: list[Received]) -> bool:
        end = self._buffer.find(b"\n", self._scanned) + 1
        if end == 0:
            self._scanned = len(self._buffer)
            if self._scanned > MAX_COMMAND_LINE_OCTETS:
                del self._buffer[5:]  # its verb is all that matters now
                self._read = LmtpServer._read_overlong_line
                return self._read_overlong_line(received)
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._scanned = 0
        if end > MAX_COMMAND_LINE_OCTETS:
            self._refuse_line(line, r.R500_LINE_TOO_LONG)
        elif line[-2:] != b"\r\n":
            self._refuse_line(line, r.R500_BARE_LINE_END)
        else:
            verb, _, argument = line[:-2].partition(b" ")
            answer = _COMMANDS.get(verb.upper())
            if answer is None:
                self._say_error(r.R500_UNKNOWN)
            else:
                answer(self, argument)
        return True

    def _read_overlong_line(self, received: list[Received]) -> bool:
        end = self._buffer.find(b"\n", 5) + 1
        if end == 0:
            del self._buffer[5:]
            return False
        line = bytes(self._buffer[:5])
        del self._buffer[:end]
        self._scanned = 0
        self._read = LmtpServer._read_line
        self._refuse_line(line, r.R500_LINE_TOO_LONG)
        return True

    def _refuse_line(self, line: bytes, reply: bytes) -> None:
        """A BDAT nobody could read is followed by octets nobody could count: no command may be read out of them."""
        if line[:4].upper() == b"BDAT":
            self._close(r.R421_OUT_OF_STEP)
        else:
            self._say_error(reply)

    def _on_lhlo(self, argument: bytes) -> None:
        if not argument.strip():
            self._say_error(r.R501_ARGUMENT)
            return
        self._was_greeted = True
        self._transaction = None
        self._say(
            b"250-%s\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE %d\r\n250-CHUNKING\r\n"
            b"250 ENHANCEDSTATUSCODES\r\n" % (self._hostname, self._max_size)
        )

    def _on_mail(self, argument: bytes) -> None:
        if not self._was_greeted or self._transaction is not None:
            self._say_error(r.R503_SEQUENCE)
            return
        matched = _FROM.fullmatch(argument)
        path = _read_path(matched)
        if matched is None or path is None:
            self._say_error(r.R501_SENDER)
            return
        size = _SIZE.search(matched[3] or b"")
        if size is not None and int(size[1]) > self._max_size:
            self._say(r.R552_TOO_BIG)
        elif self.is_full:
            self._say(r.R452_FULL)
        else:
            self._transaction = _Transaction(path or None)
            self._say(r.R250_SENDER)

    def _on_rcpt(self, argument: bytes) -> None:
        transaction = self._transaction
        if transaction is None or transaction.is_chunked:
            self._say_error(r.R503_SEQUENCE)
            return
        path = _read_path(_TO.fullmatch(argument))
        if not path:
            self._say_error(r.R501_RECIPIENT)
        elif len(transaction.recipients) >= self._max_recipients:
            self._say(r.R452_TOO_MANY_RECIPIENTS)
        else:
            transaction.recipients.append(path)
            self._say(r.R250_RECIPIENT)

    def _on_rset(self, argument: bytes) -> None:
        self._transaction = None
        self._say(r.R250_OK)

    def _on_noop(self, argument: bytes) -> None:
        self._say(r.R250_OK)

    def _on_vrfy(self, argument: bytes) -> None:
        self._say(r.R252_VERIFY)

    def _on_quit(self, argument: bytes) -> None:
        self._close(r.R221_BYE)

    # ---- message data

    def _on_data(self, argument: bytes) -> None:
        transaction = self._transaction
        if argument.strip():
            self._say_error(r.R501_ARGUMENT)
        elif transaction is None or not transaction.recipients or transaction.is_chunked:
            self._say_error(r.R503_SEQUENCE)
        else:
            self._say(r.R354_GO_AHEAD)
            self._read = LmtpServer._read_data
            self._data_at_start = True
            self._dots = self._dots_scanned = 0

    def _read_data(self, received: list[Received]) -> bool:
        transaction = self._transaction
        buffer = self._buffer
        if transaction is None:  # cannot be: only RSET, LHLO and QUIT drop it, and none is read here
            return False
        if self._data_at_start and buffer.startswith(b".\r\n"):
            data, end = b"", 3
        else:
            found = buffer.find(_END_OF_DATA, self._scanned)
            if found < 0:
                if transaction.refusal is None and self._data_is_over_size():
                    transaction.refusal = DeliveryReply.TOO_BIG
                if transaction.refusal is not None:
                    self._drop_body(transaction)
                self._scanned = max(0, len(buffer) - len(_END_OF_DATA) + 1)
                return False
            end = found + len(_END_OF_DATA)
            data = b"" if transaction.refusal is not None else _unstuff_dots(buffer, found + 2)
        del buffer[:end]
        self._scanned = 0
        self._read = LmtpServer._read_line
        self._finish(transaction, data, received)
        return True

    def _data_is_over_size(self) -> bool:
        """Stuffed dots are no part of the size (RFC 1870 §5); counted only for mail that comes near the limit."""
        length = len(self._buffer) - len(_END_OF_DATA)
        if length <= self._max_size:
            return False
        self._dots += self._buffer.count(b"\r\n.", self._dots_scanned)
        self._dots_scanned = len(self._buffer) - 2
        return length - self._dots > self._max_size + 1

    def _drop_body(self, transaction: _Transaction) -> None:
        transaction.body.clear()
        keep = len(_END_OF_DATA) - 1
        if self._read is LmtpServer._read_data and len(self._buffer) > keep:
            if self._buffer.find(_END_OF_DATA, self._scanned) >= 0:
                return
            del self._buffer[:-keep]
            self._scanned = 0
            self._data_at_start = False

    def _on_bdat(self, argument: bytes) -> None:
        count, _, last = argument.strip().partition(b" ")
        if not count.isdigit() or len(count) > MAX_CHUNK_DIGITS or last.strip().upper() not in (b"", b"LAST"):
            self._close(r.R421_OUT_OF_STEP)
            return
        self._chunk_left = int(count)
        self._chunk_is_last = bool(last)
        transaction = self._transaction
        if transaction is not None:
            transaction.is_chunked = True
            if transaction.refusal is None and len(transaction.body) + self._chunk_left > self._max_size:
                transaction.refusal = DeliveryReply.TOO_BIG
                self._drop_body(transaction)
        self._read = LmtpServer._read_chunk

    def _read_chunk(self, received: list[Received]) -> bool:
        transaction = self._transaction
        taken = min(self._chunk_left, len(self._buffer))
        if transaction is not None and transaction.recipients and transaction.refusal is None:
            with memoryview(self._buffer) as view:
                transaction.body += view[:taken]
        del self._buffer[:taken]
        self._chunk_left -= taken
        if self._chunk_left:
            return False
        self._read = LmtpServer._read_line
        if transaction is None or not transaction.recipients:
            if self._chunk_is_last:
                self._transaction = None
            self._say_error(r.R503_SEQUENCE)
        elif self._chunk_is_last:
            self._finish(transaction, bytes(transaction.body), received)
        else:
            self._say(r.R250_OK if transaction.refusal is None else _WIRE[transaction.refusal])
        return True

    def _finish(self, transaction: _Transaction, data: bytes, received: list[Received]) -> None:
        self._transaction = None
        self._errors = 0
        recipients = tuple(transaction.recipients)
        refusal = DeliveryReply.TOO_BIG if len(data) > self._max_size else transaction.refusal
        if refusal is not None:
            for _ in recipients:
                self._say(_WIRE[refusal])
            return
        self._unanswered.append(_Unanswered(len(recipients), len(data)))
        self._unanswered_octets += len(data)
        received.append(Received(transaction.reverse_path, recipients, data))


def _unstuff_dots(buffer: bytearray, end: int) -> bytes:
    """A line that begins with a dot loses it, whether or not another follows. Source: RFC 5321 §4.5.2."""
    with memoryview(buffer) as view:
        data = bytes(view[:end])
    if b"\r\n." in data:
        data = data.replace(b"\r\n.", b"\r\n")
    return data[1:] if data.startswith(b".") else data


def _read_path(matched: re.Match[bytes] | None) -> str | None:
    """Return the path without brackets and source route, '' for the null path, None when it is none.

    Octets that are not UTF-8 become escapes: whom a mail is for is decided later, by the token, not here.
    """
    if matched is None:
        return None
    octets: bytes | None = matched[1] if matched[1] is not None else matched[2]
    path = _SOURCE_ROUTE.sub("", (octets or b"").decode("utf-8", "backslashreplace").strip(), count=1)
    return None if _CONTROLS.search(path) else path


_COMMANDS: dict[bytes, Callable[[LmtpServer, bytes], None]] = {
    b"LHLO": LmtpServer._on_lhlo,
    b"MAIL": LmtpServer._on_mail,
    b"RCPT": LmtpServer._on_rcpt,
    b"DATA": LmtpServer._on_data,
    b"BDAT": LmtpServer._on_bdat,
    b"RSET": LmtpServer._on_rset,
    b"NOOP": LmtpServer._on_noop,
    b"VRFY": LmtpServer._on_vrfy,
    b"QUIT": LmtpServer._on_quit,
}
