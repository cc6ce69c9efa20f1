"""The client's side of SMTP as a state machine without a socket: octets in, events and octets out.

What for: `outbound.relay` owns a connection and one `SmtpClient`; it writes what `take_buffers` returns, keeps
`unwritten_octets` true, feeds what it reads to `receive`, and says `lost` when the connection is gone or a time-out struck.

How many messages are on their way at once is up to the server:
- CHUNKING and PIPELINING: any number. `MAIL RCPT BDAT n LAST` and the data of each, one after the other, in one write.
- PIPELINING: the data of one, and behind it `MAIL RCPT DATA` of the next; DATA ends its group (RFC 2920 §3.1).
- neither: one command at a time.

Promises:
- Every submitted message is settled exactly once. *accepted* is said only after a 2xx answer to this very message was
  read. *in_doubt* holds from the moment its data left until its own answer is read. Data of which the shell knows that they
  did not leave to their last octet could not be executed. After a 421 whatever is unanswered was *not_executed*.
- No message runs under another's envelope: RSET stands before each that follows one whose end is unknown or bad, and a
  server that refuses RSET is left. No octet of a message can be read as a command: bare CR and LF, and paths that could
  break out of a command, are refused before the dialog.
- An answer nobody asked for, one that cannot be read, or a 2xx to data whose envelope was refused, ends the dialog: what
  follows could be misattributed. So do octets that came in clear before a TLS handshake (command injection).
- BDAT answered 500, 502 or 503 behind an accepted envelope: nothing was executed; the message goes again by DATA, and so
  does all that follows.
- Texts of replies are dropped; outcomes hold the code and the enhanced status.

Limits: one recipient an envelope (a delivery is one message to one person).

Sources: RFC 5321, 1870 (SIZE), 2920 (PIPELINING), 3030 (BDAT), 3461 (DSN), 6152 (8BITMIME), 6531 (SMTPUTF8), 6533;
RFC 3207 and 4954 in `smtp_opening`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache

from postmuster.base.errors import Defect
from postmuster.mail.reply_code import SERVICE_CLOSING, Reply, ReplyFault, ReplyReader
from postmuster.mail.smtp_events import Ended, EndReason, Event, Ready, Settled, StartTls
from postmuster.mail.smtp_opening import Opening, Protection, Say
from postmuster.mail.smtp_transaction import Transaction
from postmuster.mail.submission import (
    Envelope,
    Extensions,
    Notify,
    Outcome,
    OutcomeKind,
    ReturnOf,
    Stage,
    fault_before_dialog,
    stuff_dots,
    write_commands,
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
    "Protection",
    "Ready",
    "ReturnOf",
    "Settled",
    "SmtpClient",
    "Stage",
    "StartTls",
)

BDAT_UNKNOWN = (500, 502, 503)
_IN_CLEAR = Protection()

# Members of an enumeration are looked up slowly, and there are four answers a message.
_MAIL, _RCPT, _DATA, _BODY, _RSET = Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY, Stage.RSET
_OF_A_MESSAGE = (_MAIL, _RCPT, _DATA, _BODY)
_ACCEPTED = OutcomeKind.ACCEPTED
_CHUNKED, _PIPELINED = (_MAIL, _RCPT, _BODY), (_MAIL, _RCPT, _DATA)

_outcome = lru_cache(maxsize=512)(Outcome)  # a few different ones a day, one a message


class SmtpClient:
    """The dialog of one connection. Methods return the events they cause; none raises on what a server may send."""

    def __init__(self, client_name: str, protection: Protection = _IN_CLEAR, *, may_chunk: bool = True) -> None:
        """`client_name` is what EHLO says: our host's full name or address literal (RFC 5321 §4.1.1.1).

        `may_chunk`: whether BDAT is used where it is offered. Raises `Defect` when the name cannot be said on one line.
        """
        if not (client_name.isascii() and client_name.isprintable() and client_name) or " " in client_name:
            raise Defect("No mail can be sent because our host's name cannot be said in EHLO; correct the setting.")
        self._opening = Opening(client_name.encode("ascii"), protection)
        self._may_chunk = may_chunk
        self._reader = ReplyReader()
        self._queue: deque[Transaction] = deque()
        self._again: deque[Transaction] = deque()  # answered that BDAT is unknown; they go before the queue
        self._open: deque[Transaction] = deque()  # said and not settled, in the order of their answers
        self._awaited: deque[Stage] = deque((Stage.GREETING,))
        self._unsent = 0  # how many at the end of `_awaited` are in `_output` still: no answer can be theirs
        self._output: list[bytes] = []
        self._said_octets = 0
        self._taken_octets = 0
        self._needs_reset = False  # whether a transaction of ours may be open over there when the next one begins
        self._events: list[Event] = []
        self._quitting = False
        self._is_abandoned = False
        self._awaits_tls = False
        self.unwritten_octets = 0  # how many of the octets taken have not left yet; the shell knows
        self.chunking_failed = False
        self.extensions: Extensions | None = None  # None until messages can be taken
        self.has_ended = False

    @property
    def awaited_stage(self) -> Stage | None:
        """What the server owes an answer to: the shell picks its time-out by it."""
        return self._awaited[0] if self._awaited else None

    @property
    def unsettled(self) -> int:
        """How many messages were submitted here and have no outcome."""
        return len(self._open) + len(self._again) + len(self._queue)

    @property
    def has_room(self) -> bool:
        """Whether a message submitted now would be said now."""
        return not self._queue and not self._again and not self._quitting and self._can_start()

    @property
    def is_chunking(self) -> bool:
        extensions = self.extensions
        return extensions is not None and extensions.chunking and extensions.pipelining and self._chunks()

    def take_buffers(self) -> list[bytes]:
        """Return what is to be written now. Message data in it counts as handed over, but for `unwritten_octets`."""
        output, self._output = self._output, []
        self._taken_octets = self._said_octets
        self._unsent = 0
        return output

    def take_output(self) -> bytes:
        """`take_buffers` in one piece."""
        return b"".join(self.take_buffers())

    def submit(self, key: int, envelope: Envelope, data: bytes, *, has_whole_lines: bool = False) -> list[Event]:
        """Queue one message; `key` comes back with its outcome. Never raises.

        `has_whole_lines`: the writer of the data knows that they hold no CR or LF but whole CRLF.
        """
        transaction = Transaction(key, envelope, data)
        fault = fault_before_dialog(envelope, data, has_whole_lines=has_whole_lines)
        if fault is not None:
            self._settle(transaction, OutcomeKind.REFUSED_PERMANENT, status=fault)
        elif self.has_ended or self._quitting or self._is_abandoned:
            self._settle(transaction, OutcomeKind.NOT_EXECUTED)
        elif not self._queue and not self._again and self._can_start():
            self._start(transaction)
        else:
            self._queue.append(transaction)
        return self._take_events() if self._events else []

    def receive(self, octets: bytes) -> list[Event]:
        """Take what the server sent, split anywhere."""
        if self.has_ended:
            return []
        if self._awaits_tls and octets:
            self._end(EndReason.PROTOCOL)
        replies = self._reader.read(octets)
        for place, reply in enumerate(replies, 1):
            if self.has_ended:
                break
            if isinstance(reply, ReplyFault):
                self._note_stage()
                self._end(EndReason.PROTOCOL)
            elif not self._take_usual(reply):
                self._take_reply(reply)
                if self._awaits_tls and not (place == len(replies) and self._reader.is_between_replies):
                    self._end(EndReason.PROTOCOL)  # said in clear, to be believed behind TLS
        return self._take_events()

    def _take_usual(self, reply: Reply) -> bool:
        """Take the answers that nearly all are: a success in the middle of a window, which nothing follows from."""
        awaited = self._awaited
        if not 200 <= reply.code < 300 or len(awaited) - self._unsent < 2:
            return False
        stage = awaited[0]
        if stage is _BODY:
            transaction = self._open[0] if self._open else None
            if transaction is None or transaction.refusal is not None:
                return False
            self._open.popleft()
            outcome = _outcome(_ACCEPTED, reply.code, reply.enhanced_status, _BODY)
            self._events.append(Settled(transaction.key, outcome))
        elif stage is not _RCPT and stage is not _MAIL and stage is not _RSET:
            return False
        awaited.popleft()
        return True

    def _take_reply(self, reply: Reply) -> None:
        self._note_stage()
        if reply.code == SERVICE_CLOSING:
            self._end(EndReason.SERVICE_CLOSING, reply)
        elif len(self._awaited) <= self._unsent:
            self._end(EndReason.PROTOCOL, reply)
        else:
            stage = self._awaited.popleft()
            _ANSWERED.get(stage, SmtpClient._on_opening)(self, stage, reply)

    def _note_stage(self) -> None:
        """How far the first message has come is what is awaited for it."""
        if self._open and self._awaited and self._awaited[0] in _OF_A_MESSAGE and self._open[0].refusal is None:
            self._open[0].stage = self._awaited[0]

    def tls_began(self) -> list[Event]:
        """The handshake that `StartTls` asked for is done, chain and name are verified."""
        if not self.has_ended:
            self._awaits_tls = False
            self._say_step(self._opening.tls_began())
        return self._take_events()

    def quit(self) -> list[Event]:
        """Say QUIT when what was submitted is settled; submit nothing after."""
        self._quitting = True
        self._go_on()
        return self._take_events()

    def recall(self) -> int | None:
        """Take back the one message whose data wait for a 354 behind other data; returns its key, it is not settled.

        Its envelope stands over there. The dialog goes on until the server asks for the data, and ends there.
        """
        if len(self._open) < 2:
            return None
        transaction = self._open[-1]
        if transaction.end or transaction.is_recalled or transaction.refusal is not None:
            return None
        transaction.is_recalled = True
        return transaction.key

    def abandon(self) -> list[Event]:
        """Say nothing more, not even what was taken and has not left; answers still owed may be fed to `receive`."""
        self._is_abandoned = True
        self._output.clear()
        self._note_stage()
        whole = self._written()
        for transaction in self._everything():
            if transaction.refusal is None and not 0 < transaction.end <= whole:
                self._settle_unless_recalled(transaction, OutcomeKind.NOT_EXECUTED)
        self._open = deque(one for one in self._open if 0 < one.end <= whole or one.refusal is not None)
        self._queue.clear()
        self._again.clear()
        return self._take_events()

    def lost(self) -> list[Event]:
        """The connection is gone, or silent for too long."""
        if not self.has_ended:
            self._note_stage()
            self._end(EndReason.LOST)
        return self._take_events()

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _chunks(self) -> bool:
        return self._may_chunk and not self.chunking_failed

    def _written(self) -> int:
        return self._taken_octets - self.unwritten_octets

    def _everything(self) -> tuple[Transaction, ...]:
        return (*self._open, *self._again, *self._queue)

    # ---- saying

    def _say(self, octets: bytes, awaited: Stage) -> None:
        if self._is_abandoned:
            return
        self._output.append(octets)
        self._said_octets += len(octets)
        self._awaited.append(awaited)
        self._unsent += 1

    def _say_step(self, step: Say) -> None:
        self._say(step.octets, step.stage)

    def _go_on(self) -> None:
        """Start what comes next, if the dialog is free for it."""
        if self._is_abandoned:
            return
        while (self._again or self._queue) and self._can_start():
            self._start(self._again.popleft() if self._again else self._queue.popleft())
        is_idle = self.extensions is not None and not (self._awaited or self._again or self._queue or self.has_ended)
        if self._quitting and is_idle:
            self._say(b"QUIT\r\n", Stage.QUIT)

    def _can_start(self) -> bool:
        extensions = self.extensions
        if extensions is None or self.has_ended or self._is_abandoned:
            return False
        if not extensions.pipelining:
            return not self._awaited
        if extensions.chunking and self._may_chunk and not self.chunking_failed:
            return True
        return not self._open or (len(self._open) == 1 and self._open[0].has_go_ahead)

    def _start(self, transaction: Transaction) -> None:
        extensions = self.extensions or Extensions()
        data = transaction.data
        commands = write_commands(transaction.envelope, data, extensions)
        if isinstance(commands, str):
            self._settle(transaction, OutcomeKind.REFUSED_PERMANENT, status=commands)
            return
        mail, rcpt = commands
        transaction.stage = _MAIL
        self._open.append(transaction)
        if not extensions.pipelining:
            transaction.rcpt = rcpt
            self._say(mail, _MAIL)
            return
        if self._needs_reset:
            self._say(b"RSET\r\n", _RSET)
        self._needs_reset = True
        self._unsent += 3
        if extensions.chunking and self._may_chunk and not self.chunking_failed:
            said = b"%b%bBDAT %d LAST\r\n" % (mail, rcpt, len(data))
            self._said_octets = transaction.end = self._said_octets + len(said) + len(data)
            self._output += (said, data)
            self._awaited += _CHUNKED
        else:
            said = b"%b%bDATA\r\n" % (mail, rcpt)
            self._said_octets += len(said)
            self._output.append(said)
            self._awaited += _PIPELINED

    def _reset(self) -> None:
        """After a failure: RSET, unless what was said behind it has begun with one."""
        if not self._open and not self._is_abandoned:
            self._needs_reset = False
            self._say(b"RSET\r\n", _RSET)

    # ---- answers

    def _on_opening(self, stage: Stage, reply: Reply) -> None:
        step = self._opening.take(stage, reply)
        if isinstance(step, Say):
            self._say_step(step)
        elif isinstance(step, Ended):
            self._end(step.reason, reply if step.reply_code is not None else None)
        else:
            self._events.append(step)
            if isinstance(step, StartTls):
                self._awaits_tls = True
            else:
                self.extensions = step.extensions
                self._go_on()

    def _on_envelope(self, stage: Stage, reply: Reply) -> None:
        """MAIL and RCPT."""
        if not self._open or 300 <= reply.code < 400:
            self._end(EndReason.PROTOCOL, reply)
            return
        transaction = self._open[0]
        if not reply.is_success:
            transaction.refusal = transaction.refusal or reply
        if self._awaited and self._awaited[0] in _OF_A_MESSAGE:
            return  # pipelined
        if transaction.refusal is not None:
            self._close_first()
        elif stage is _MAIL:
            self._say(transaction.rcpt, _RCPT)
        else:
            self._say(b"DATA\r\n", _DATA)

    def _on_data(self, _: Stage, reply: Reply) -> None:
        if not self._open or (reply.code < 400 and reply.code != 354):
            self._end(EndReason.PROTOCOL, reply)
            return
        transaction = self._open[0]
        if reply.code != 354:
            transaction.refusal = transaction.refusal or reply
            self._close_first()
        elif transaction.refusal is not None:  # yet the server waits for data: an empty message (RFC 2920 §3.1)
            self._say(b".\r\n", _BODY)
        elif transaction.is_recalled:
            self._end(EndReason.RECALLED)
        elif not self._is_abandoned:
            transaction.has_go_ahead = True
            self._say(stuff_dots(transaction.data), _BODY)
            transaction.end = self._said_octets
            self._go_on()

    def _on_body(self, _: Stage, reply: Reply) -> None:
        if not self._open or 300 <= reply.code < 400:
            self._end(EndReason.PROTOCOL, reply)
            return
        transaction = self._open[0]
        if not reply.is_success:
            if transaction.refusal is None and reply.code in BDAT_UNKNOWN and not transaction.has_go_ahead:
                self._go_again(transaction)
            else:
                transaction.refusal = transaction.refusal or reply
                self._close_first()
        elif transaction.refusal is None:
            self._open.popleft()
            self._settle(transaction, OutcomeKind.ACCEPTED, reply)
            if not self._open:
                self._needs_reset = False
                self._go_on()
        elif transaction.end:  # its envelope was refused and its data are taken: whose are they?
            self._open.popleft()
            self._settle(transaction, OutcomeKind.IN_DOUBT, reply)
            self._end(EndReason.PROTOCOL, reply)
        else:
            self._close_first()

    def _go_again(self, transaction: Transaction) -> None:
        """The server does not know BDAT: this message was not executed, and goes by DATA like all that follow."""
        self.chunking_failed = True
        self._open.popleft()
        if self._is_abandoned:
            self._settle(transaction, OutcomeKind.NOT_EXECUTED)
        else:
            transaction.end, transaction.stage = 0, Stage.PREPARE
            self._again.append(transaction)
        self._reset()

    def _close_first(self) -> None:
        """Settle the first of the open ones as refused."""
        transaction = self._open.popleft()
        if transaction.refusal is not None:
            self._settle_refused(transaction, transaction.refusal)
        self._reset()

    def _on_rset(self, _: Stage, reply: Reply) -> None:
        if reply.is_success:
            self._go_on()
        else:
            self._end(EndReason.PROTOCOL, reply)

    def _on_quit(self, _: Stage, reply: Reply) -> None:
        self._end(EndReason.QUIT, reply)

    # ---- settling

    def _settle_refused(self, transaction: Transaction, reply: Reply) -> None:
        is_transient = reply.is_transient
        kind = OutcomeKind.REFUSED_TRANSIENT if is_transient else OutcomeKind.REFUSED_PERMANENT
        self._settle_unless_recalled(transaction, kind, reply)

    def _settle_unless_recalled(self, transaction: Transaction, kind: OutcomeKind, reply: Reply | None = None) -> None:
        if not transaction.is_recalled:
            self._settle(transaction, kind, reply)

    def _settle(
        self, transaction: Transaction, kind: OutcomeKind, reply: Reply | None = None, *, status: str | None = None
    ) -> None:
        code, enhanced = (reply.code, reply.enhanced_status) if reply is not None else (None, status)
        self._events.append(Settled(transaction.key, _outcome(kind, code, enhanced, transaction.stage)))

    def _end(self, reason: EndReason, reply: Reply | None = None) -> None:
        """Settle all that is open by what is known, and stop for good."""
        self.has_ended = True
        closing = reply if reason is EndReason.SERVICE_CLOSING else None  # RFC 5321 §3.8, and the rule for doubt
        whole = self._written()
        for transaction in self._everything():
            if transaction.refusal is not None:
                self._settle_refused(transaction, transaction.refusal)
            elif closing is None and 0 < transaction.end <= whole:
                self._settle_unless_recalled(transaction, OutcomeKind.IN_DOUBT)
            else:
                self._settle_unless_recalled(transaction, OutcomeKind.NOT_EXECUTED, closing)
        for waiting in (self._open, self._again, self._queue, self._awaited, self._output):
            waiting.clear()
        code, enhanced = (reply.code, reply.enhanced_status) if reply is not None else (None, None)
        self._events.append(Ended(reason, code, enhanced))


_ANSWERED: dict[Stage, Callable[[SmtpClient, Stage, Reply], None]] = {
    Stage.MAIL: SmtpClient._on_envelope,
    Stage.RCPT: SmtpClient._on_envelope,
    Stage.DATA: SmtpClient._on_data,
    Stage.BODY: SmtpClient._on_body,
    Stage.RSET: SmtpClient._on_rset,
    Stage.QUIT: SmtpClient._on_quit,
}
