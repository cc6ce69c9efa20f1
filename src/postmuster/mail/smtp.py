"""The client's side of SMTP as a state machine without a socket: octets in, events and octets out.

What for: `outbound.relay` owns a connection and one `SmtpClient`; it writes what `take_output` returns, feeds what it
reads to `receive`, and says `lost` when the connection is gone or a time-out struck.

Promises:
- Every submitted message is settled exactly once. *accepted* is said only after a 2xx answer to this very message was
  read. *in_doubt* holds from the moment the first octet of the message data left through `take_output` until its own
  answer is read. After a 421 whatever is unanswered was *not_executed*.
- No octet of one message can be read as a command: bare CR and LF, and paths that could break out of a command, are
  refused before the dialog.
- An answer nobody asked for, or one that cannot be read, ends the dialog: what follows could be misattributed.
- After any failure RSET, before the next message.
- Texts of replies are dropped; outcomes hold the code and the enhanced status.

Limits: one recipient an envelope (a delivery is one message to one person); one message in dialog at a time, further
ones wait in the queue. Later states of this object: several messages a write, BDAT, STARTTLS, AUTH.

Sources: RFC 5321, 1870 (SIZE), 2920 (PIPELINING), 3461 (DSN), 6152 (8BITMIME), 6531 (SMTPUTF8), 6533.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from postmuster.base.errors import Defect
from postmuster.mail.reply_code import SERVICE_CLOSING, Reply, ReplyFault, ReplyReader
from postmuster.mail.submission import (
    Envelope,
    Extensions,
    Notify,
    Outcome,
    OutcomeKind,
    ReturnOf,
    Stage,
    fault_before_dialog,
    fault_with_server,
    mail_command,
    rcpt_command,
    read_extensions,
    stuff_dots,
)

__all__ = (
    "EndReason",
    "Ended",
    "Envelope",
    "Event",
    "Extensions",
    "Notify",
    "Outcome",
    "OutcomeKind",
    "Ready",
    "ReturnOf",
    "Settled",
    "SmtpClient",
    "Stage",
)


class EndReason(StrEnum):
    """Why a dialog is over."""

    QUIT = "quit"
    REFUSED = "refused"  # greeting or EHLO refused
    SERVICE_CLOSING = "service_closing"  # 421
    PROTOCOL = "protocol"  # an answer unasked for or unreadable
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Ready:
    """The dialog can take messages."""

    extensions: Extensions


@dataclass(frozen=True, slots=True)
class Settled:
    """The message submitted under `key` has its outcome."""

    key: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Ended:
    """The dialog is over: close the connection, never use it again."""

    reason: EndReason
    reply_code: int | None = None
    enhanced_status: str | None = None


Event = Ready | Settled | Ended


class _Transaction:
    """One message on its way. Made new for each message, dropped whole."""

    __slots__ = ("data", "envelope", "handed_over", "key", "settled", "stage")

    def __init__(self, key: int, envelope: Envelope, data: bytes) -> None:
        self.key = key
        self.envelope = envelope
        self.data = data
        self.stage = Stage.PREPARE
        self.handed_over = False
        self.settled = False


class SmtpClient:
    """The dialog of one connection. Methods return the events they cause; none raises on what a server may send."""

    def __init__(self, client_name: str) -> None:
        """`client_name` is what EHLO says: our host's full name or address literal (RFC 5321 §4.1.1.1).

        Raises `Defect` when it cannot be said on one line.
        """
        if not (client_name.isascii() and client_name.isprintable() and client_name) or " " in client_name:
            raise Defect("No mail can be sent because our host's name cannot be said in EHLO; correct the setting.")
        self._name = client_name.encode("ascii")
        self._reader = ReplyReader()
        self._queue: deque[_Transaction] = deque()
        self._active: _Transaction | None = None
        self._awaited: deque[Stage] = deque((Stage.GREETING,))
        self._unsent = 0  # how many at the end of `_awaited` are in `_output` still: no answer can be theirs
        self._output: list[bytes] = []
        self._body_in_output: _Transaction | None = None
        self._events: list[Event] = []
        self._quitting = False
        self.extensions: Extensions | None = None  # None until the server has answered EHLO or HELO
        self.has_ended = False

    @property
    def awaited_stage(self) -> Stage | None:
        """What the server owes an answer to: the shell picks its time-out by it."""
        return self._awaited[0] if self._awaited else None

    def take_output(self) -> bytes:
        """Return what is to be written now. Message data in it counts as handed over from here on."""
        if self._body_in_output is not None:
            self._body_in_output.handed_over = True
            self._body_in_output = None
        output = b"".join(self._output)
        self._output.clear()
        self._unsent = 0
        return output

    def submit(self, key: int, envelope: Envelope, data: bytes) -> list[Event]:
        """Queue one message; `key` comes back with its outcome. Never raises."""
        transaction = _Transaction(key, envelope, data)
        fault = fault_before_dialog(envelope, data)
        if fault is not None:
            self._settle(transaction, OutcomeKind.REFUSED_PERMANENT, status=fault)
        elif self.has_ended or self._quitting:
            self._settle(transaction, OutcomeKind.NOT_EXECUTED)
        else:
            self._queue.append(transaction)
            self._go_on()
        return self._take_events()

    def receive(self, octets: bytes) -> list[Event]:
        """Take what the server sent, split anywhere."""
        self._reader.feed(octets)
        while not self.has_ended:
            reply = self._reader.next_reply()
            if reply is None:
                break
            if isinstance(reply, ReplyFault):
                self._end(EndReason.PROTOCOL)
            else:
                self._take_reply(reply)
        return self._take_events()

    def quit(self) -> list[Event]:
        """Say QUIT when what was submitted is settled; submit nothing after."""
        self._quitting = True
        self._go_on()
        return self._take_events()

    def lost(self) -> list[Event]:
        """The connection is gone, or silent for too long."""
        if not self.has_ended:
            self._end(EndReason.LOST)
        return self._take_events()

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _take_reply(self, reply: Reply) -> None:
        if reply.code == SERVICE_CLOSING:
            self._end(EndReason.SERVICE_CLOSING, reply)
        elif len(self._awaited) <= self._unsent:
            self._end(EndReason.PROTOCOL, reply)
        else:
            _ANSWERED[self._awaited.popleft()](self, reply)

    def _say(self, command: bytes, awaited: Stage) -> None:
        self._output.append(command)
        self._awaited.append(awaited)
        self._unsent += 1

    def _go_on(self) -> None:
        """Start what comes next, if the dialog is free for it."""
        while self._is_free() and self._queue:
            self._start(self._queue.popleft())
        if self._quitting and self._is_free():
            self._say(b"QUIT\r\n", Stage.QUIT)

    def _is_free(self) -> bool:
        return self.extensions is not None and self._active is None and not self._awaited and not self.has_ended

    def _start(self, transaction: _Transaction) -> None:
        extensions = self.extensions or Extensions()
        fault = fault_with_server(transaction.envelope, transaction.data, extensions)
        if fault is not None:
            self._settle(transaction, OutcomeKind.REFUSED_PERMANENT, status=fault)
            return
        self._active = transaction
        transaction.stage = Stage.MAIL
        self._say(mail_command(transaction.envelope, transaction.data, extensions), Stage.MAIL)
        if extensions.pipelining:  # DATA is the last of its group: the server decides what follows (RFC 2920 §3.1)
            self._say(rcpt_command(transaction.envelope, extensions), Stage.RCPT)
            self._say(b"DATA\r\n", Stage.DATA)

    def _on_greeting(self, reply: Reply) -> None:
        if reply.code == 220:
            self._say(b"EHLO " + self._name + b"\r\n", Stage.EHLO)
        else:
            self._end(EndReason.REFUSED, reply)

    def _on_ehlo(self, reply: Reply) -> None:
        if reply.code == 250:
            self._become_ready(read_extensions(reply.lines))
        elif reply.code >= 500:  # RFC 5321 §3.2: an old server
            self._say(b"HELO " + self._name + b"\r\n", Stage.HELO)
        else:
            self._end(EndReason.REFUSED, reply)

    def _on_helo(self, reply: Reply) -> None:
        if reply.code == 250:
            self._become_ready(Extensions())
        else:
            self._end(EndReason.REFUSED, reply)

    def _become_ready(self, extensions: Extensions) -> None:
        self.extensions = extensions
        self._events.append(Ready(extensions))
        self._go_on()

    def _on_mail(self, reply: Reply) -> None:
        self._on_envelope_command(reply, Stage.RCPT)

    def _on_rcpt(self, reply: Reply) -> None:
        self._on_envelope_command(reply, Stage.DATA)

    def _on_envelope_command(self, reply: Reply, following: Stage) -> None:
        transaction = self._active
        if transaction is None or 300 <= reply.code < 400:
            self._end(EndReason.PROTOCOL, reply)
            return
        is_pipelined = bool(self._awaited)
        if not reply.is_success:
            self._refuse(transaction, reply)
            if not is_pipelined:
                self._reset()
            return
        transaction.stage = following
        if not is_pipelined:
            following_command = b"DATA\r\n"
            if following is Stage.RCPT:
                following_command = rcpt_command(transaction.envelope, self.extensions or Extensions())
            self._say(following_command, following)

    def _on_data(self, reply: Reply) -> None:
        transaction = self._active
        if transaction is None or (reply.code < 400 and reply.code != 354):
            self._end(EndReason.PROTOCOL, reply)
        elif reply.code != 354:
            self._refuse(transaction, reply)
            self._reset()
        elif transaction.settled:  # refused already, yet the server waits for data: an empty message (RFC 2920 §3.1)
            self._say(b".\r\n", Stage.BODY)
        else:
            transaction.stage = Stage.BODY
            self._body_in_output = transaction
            self._say(stuff_dots(transaction.data), Stage.BODY)

    def _on_body(self, reply: Reply) -> None:
        transaction = self._active
        if transaction is None or 300 <= reply.code < 400:
            self._end(EndReason.PROTOCOL, reply)
        elif reply.is_success and not transaction.settled:
            self._settle(transaction, OutcomeKind.ACCEPTED, reply)
            self._active = None
            self._go_on()
        else:
            self._refuse(transaction, reply)
            self._reset()

    def _reset(self) -> None:
        self._active = None
        self._say(b"RSET\r\n", Stage.RSET)

    def _on_rset(self, reply: Reply) -> None:
        if reply.is_success:
            self._go_on()
        else:
            self._end(EndReason.PROTOCOL, reply)

    def _on_quit(self, reply: Reply) -> None:
        self._end(EndReason.QUIT, reply)

    def _refuse(self, transaction: _Transaction, reply: Reply) -> None:
        """The first refusal is the reason; those that follow from it say nothing new."""
        if not transaction.settled:
            is_transient = reply.is_transient
            kind = OutcomeKind.REFUSED_TRANSIENT if is_transient else OutcomeKind.REFUSED_PERMANENT
            self._settle(transaction, kind, reply)

    def _settle(
        self, transaction: _Transaction, kind: OutcomeKind, reply: Reply | None = None, *, status: str | None = None
    ) -> None:
        transaction.settled = True
        code, enhanced = (reply.code, reply.enhanced_status) if reply is not None else (None, status)
        self._events.append(Settled(transaction.key, Outcome(kind, code, enhanced, transaction.stage)))

    def _end(self, reason: EndReason, reply: Reply | None = None) -> None:
        """Settle all that is open by what is known, and stop for good."""
        self.has_ended = True
        was_not_executed = reason is EndReason.SERVICE_CLOSING  # RFC 5321 §3.8, and the design's rule for doubt
        for transaction in (self._active, *self._queue):
            if transaction is None or transaction.settled:
                continue
            if transaction.handed_over and not was_not_executed:
                self._settle(transaction, OutcomeKind.IN_DOUBT)
            else:
                self._settle(transaction, OutcomeKind.NOT_EXECUTED, reply if was_not_executed else None)
        self._active, self._body_in_output = None, None
        self._queue.clear()
        self._awaited.clear()
        self._output.clear()
        code, enhanced = (reply.code, reply.enhanced_status) if reply is not None else (None, None)
        self._events.append(Ended(reason, code, enhanced))


_ANSWERED: dict[Stage, Callable[[SmtpClient, Reply], None]] = {
    Stage.GREETING: SmtpClient._on_greeting,
    Stage.EHLO: SmtpClient._on_ehlo,
    Stage.HELO: SmtpClient._on_helo,
    Stage.MAIL: SmtpClient._on_mail,
    Stage.RCPT: SmtpClient._on_rcpt,
    Stage.DATA: SmtpClient._on_data,
    Stage.BODY: SmtpClient._on_body,
    Stage.RSET: SmtpClient._on_rset,
    Stage.QUIT: SmtpClient._on_quit,
}
