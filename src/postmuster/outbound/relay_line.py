"""One connection to the relay: its socket, its dialog, its time-outs; in an event loop.

What for: `outbound.relay_lines` says what it carries; what became of a message it says to `Carrier`.
Promises: a connection that is silent for too long, or takes nothing of what is written, is lost. What was said before it was
lost still counts. Nothing is written once the carrier is silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from postmuster.mail.smtp import Ended, Event, Ready, Settled, SmtpClient
from postmuster.mail.submission import Outcome, OutcomeKind, Stage
from postmuster.outbound.relay_values import Batch, RelayAddress, Submission, Timeouts, Tls
from postmuster.outbound.wire import STREAM, Wire, new_socket, tls_context

Ticket = tuple[Batch, Submission]


class Carrier(Protocol):
    """Whose connections these are."""

    loop: asyncio.AbstractEventLoop
    address: RelayAddress
    timeouts: Timeouts
    may_chunk: bool
    is_silent: bool

    def next_number(self) -> int: ...
    def note_answer(self) -> None: ...
    def deal(self) -> None: ...
    def line_ended(self, line: Line, *, was_ready: bool) -> None: ...
    def line_rests(self, line: Line) -> None: ...


def was_answered(outcome: Outcome) -> bool:
    """Whether a reply to this very message decided it: the dialog works."""
    return outcome.kind is not OutcomeKind.NOT_EXECUTED and outcome.reply_code is not None


class Line:
    """One connection and its dialog."""

    def __init__(self, pool: Carrier) -> None:
        self._pool = pool
        self._loop = pool.loop
        self.dialog = SmtpClient(pool.address.ehlo_name, pool.address.protection, may_chunk=pool.may_chunk)
        self.carrying: dict[int, Ticket] = {}
        self.returned: list[tuple[Ticket, Outcome]] = []
        self.has_carried = False
        self.has_lost_one = False  # in doubt: it may be what ended the connection
        self.was_given = False
        self.is_ready = False
        self._is_shaking = False
        self._is_writing = False
        self._wire: Wire | None = None
        self.moved_at = 0.0
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # ---- opening

    async def open(self) -> None:
        """Connect; the dialog begins by itself, for the server speaks first."""
        try:
            async with asyncio.timeout(self._pool.timeouts.connect_s):
                wire = await self._connect()
        except (OSError, TimeoutError):
            self._handle(self.dialog.lost())
            return
        if self.dialog.has_ended:
            wire.close()
            return
        self._wire = wire
        self._loop.add_reader(wire.fileno(), self._on_readable)
        if self._pool.address.tls is Tls.IMPLICIT:
            self._begin_tls()
        self._watch()

    async def _connect(self) -> Wire:
        address, failure = self._pool.address, OSError("no address")
        for family, _, _, _, place in await self._loop.getaddrinfo(address.host, address.port, type=STREAM):
            tried = new_socket(family)
            try:
                await self._loop.sock_connect(tried, place)
                return Wire(tried)
            except OSError as error:
                tried.close()
                failure = error
            except BaseException:
                tried.close()
                raise
        raise failure

    def _begin_tls(self) -> None:
        if self._wire is None:
            return
        try:
            self._wire.begin_tls(tls_context(self._pool.address.ca_file), self._pool.address.host)
        except (OSError, ValueError):
            self._handle(self.dialog.lost())
            return
        self._is_shaking = True
        self._shake_hands()

    def _shake_hands(self) -> None:
        try:
            if self._wire is None or not self._wire.shake_hands():
                self._watch()
                return
        except OSError:  # also a chain or a name that does not verify
            self._handle(self.dialog.lost())
            return
        self._is_shaking = False
        if self._pool.address.tls is Tls.STARTTLS:
            self._handle(self.dialog.tls_began())
        self.poll()

    # ---- reading and writing

    def _on_readable(self) -> None:
        if self._is_shaking:
            self._shake_hands()
        else:
            self.poll()

    def poll(self) -> None:
        """Read what has come."""
        if self._wire is None or self._is_shaking:
            return
        try:
            octets = self._wire.read()
        except OSError:
            octets = b""
        if octets is not None:
            self._handle(self.dialog.receive(octets) if octets else self.dialog.lost())

    def flush(self) -> None:
        """Write what the dialog wants to say."""
        wire = self._wire
        if wire is None or self._pool.is_silent:
            return
        try:
            wire.write(self.dialog.take_buffers())
        except OSError:
            self.dialog.unwritten_octets = wire.unwritten_octets
            self._read_last_words()
            return
        self.dialog.unwritten_octets = wire.unwritten_octets
        if wire.wants_to_write and not self._is_writing:
            self._is_writing = True
            self._loop.add_writer(wire.fileno(), self._on_writable)
        self._watch()

    def _on_writable(self) -> None:
        wire = self._wire
        if wire is None or self._pool.is_silent:
            self._stop_writing()
            return
        self.flush()
        if not wire.wants_to_write:
            self._stop_writing()
            self._pool.deal()

    def _stop_writing(self) -> None:
        if self._is_writing and self._wire is not None:
            self._loop.remove_writer(self._wire.fileno())
        self._is_writing = False

    def _read_last_words(self) -> None:
        """The other side has closed; what it said before that still counts."""
        with suppress(OSError):
            while self._wire is not None and (octets := self._wire.read()):
                self._handle(self.dialog.receive(octets))
        self._handle(self.dialog.lost())

    # ---- what the dialog says

    def _handle(self, events: Iterable[Event]) -> None:
        was_ready = self.is_ready
        for event in events:
            if isinstance(event, Settled):
                self._settle(event)
            elif isinstance(event, Ready):
                self.is_ready = True
            elif isinstance(event, Ended):
                self.close()
                self._pool.line_ended(self, was_ready=was_ready)
                return
            elif not self.dialog.has_ended:
                self._begin_tls()
        if self._pool.is_silent:
            self._pool.line_rests(self)
            return
        self._pool.deal()
        self.flush()

    def _settle(self, event: Settled) -> None:
        batch, message = self.carrying.pop(event.key)
        outcome = event.outcome
        if outcome.kind is OutcomeKind.NOT_EXECUTED:
            self.returned.append(((batch, message), outcome))
            return
        if was_answered(outcome):
            self.has_carried = True
            self._pool.note_answer()
        elif outcome.kind is OutcomeKind.IN_DOUBT:
            self.has_lost_one = True
        batch.settle(message, outcome)

    def give(self, tickets: Iterable[Ticket]) -> None:
        """Submit these messages, in order."""
        for ticket in tickets:
            number = self._pool.next_number()
            self.carrying[number] = ticket
            self.was_given = True
            message = ticket[1]
            submit = self.dialog.submit
            for event in submit(number, message.envelope, message.data, has_whole_lines=message.has_whole_lines):
                if isinstance(event, Settled):
                    self._settle(event)

    def recall(self) -> Ticket | None:
        number = self.dialog.recall()
        return None if number is None else self.carrying.pop(number)

    @property
    def is_idle(self) -> bool:
        return self.is_ready and not self.carrying and not self.dialog.has_ended

    @property
    def can_take(self) -> bool:
        wire = self._wire
        return self.is_ready and wire is not None and not wire.wants_to_write and self.dialog.has_room

    # ---- time-outs and ends

    def _watch(self) -> None:
        """Whatever moves moves the deadline; the timer follows when it rings."""
        limits, stage = self._pool.timeouts, self.dialog.awaited_stage
        is_patient = stage is Stage.BODY and not (self._wire is not None and self._wire.wants_to_write)
        self.moved_at = self._loop.time()
        self._deadline = self.moved_at + (limits.body_s if is_patient else limits.reply_s)
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        wire = self._wire
        if wire is None or (self.dialog.awaited_stage is None and not wire.wants_to_write and not self._is_shaking):
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._on_time)
        else:
            self._handle(self.dialog.lost())

    def fall_silent(self) -> None:
        """Write not one octet more."""
        self._stop_writing()
        if self._wire is not None:
            self._wire.forget_unwritten()
            self.dialog.unwritten_octets = self._wire.unwritten_octets
        for event in self.dialog.abandon():
            if isinstance(event, Settled):
                self._settle(event)
        self._pool.line_rests(self)

    def quit(self) -> None:
        """Say QUIT; whoever does not answer in time is left."""
        self._loop.call_later(self._pool.timeouts.quit_s, self.leave)
        if self.is_ready:
            self._handle(self.dialog.quit())
        else:
            self.leave()

    def leave(self) -> None:
        """Close at once, whatever is still owed."""
        if not self.dialog.has_ended:
            self._handle(self.dialog.lost())

    def close(self) -> None:
        """Let the socket go: a relay that reads nothing would keep a polite end waiting for ever."""
        self._stop_writing()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._wire is not None:
            self._loop.remove_reader(self._wire.fileno())
            if self._pool.is_silent or self._wire.wants_to_write:
                self._wire.drop()
            else:
                self._wire.close()
            self._wire = None
