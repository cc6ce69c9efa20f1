"""The shell around the SMTP client: the one door to sockets on the way out.

A relay keeps a few connections to the submission service open and shares one queue of messages between them. It decides
nothing: what became of a message is what `mail.smtp.SmtpClient` says. A connection that ended is opened again once; where no
connection can be made the messages that never left are *not executed*, and stay pending in the book.

Promises: `submit` returns exactly one outcome for each message given. A time-out, for reading or for writing, counts as a lost
connection. What was settled stays settled, whatever the connection does next.
Limits: the constants below. Sources: RFC 5321 §4.5.3.2 (time-outs; ours are shorter where only our own relay waits).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import uvloop

from postmuster.mail.smtp import Ended, Ready, Settled, SmtpClient
from postmuster.mail.submission import Envelope, Outcome, OutcomeKind, Stage

READ_OCTETS: Final = 65_536
FRESH_TRIES: Final = 3  # fresh dialogs that end with their first message before a window is given up

_NOT_EXECUTED: Final = Outcome(OutcomeKind.NOT_EXECUTED, None, None, Stage.PREPARE)


@dataclass(frozen=True, slots=True)
class Submission:
    """One message on its way to the relay; `key` comes back with its outcome."""

    key: int
    envelope: Envelope
    data: bytes


@dataclass(frozen=True, slots=True)
class RelayAddress:
    host: str
    port: int
    ehlo_name: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the relay may take, in seconds."""

    connect_s: float = 10
    reply_s: float = 60  # every stage but the end of the data
    body_s: float = 600  # RFC 5321 §4.5.3.2.6: a relay may work before it says 250
    quit_s: float = 2


_USUAL: Final = Timeouts()


def _was_answered(outcome: Outcome) -> bool:
    """Whether a reply to this very message decided it: the dialog works."""
    return outcome.kind is not OutcomeKind.NOT_EXECUTED and outcome.reply_code is not None


class _Connection:
    """One socket and its dialog."""

    def __init__(self, address: RelayAddress, timeouts: Timeouts) -> None:
        self._address = address
        self._timeouts = timeouts
        self._dialog = SmtpClient(address.ehlo_name)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.has_carried = False

    @property
    def is_usable(self) -> bool:
        return self._writer is not None and not self._dialog.has_ended

    async def open(self) -> bool:
        """Connect and say EHLO; False when the relay is not there or does not want us now."""
        try:
            connecting = asyncio.open_connection(self._address.host, self._address.port, limit=READ_OCTETS)
            self._reader, self._writer = await asyncio.wait_for(connecting, self._timeouts.connect_s)
        except (OSError, TimeoutError):
            return False
        while not self._dialog.has_ended:
            for event in await self._exchange():
                if isinstance(event, Ready):
                    return True
        self.drop()
        return False

    async def send(self, message: Submission) -> Outcome:
        """Carry one message through the dialog."""
        events = self._dialog.submit(message.key, message.envelope, message.data)
        while True:
            for event in events:
                if isinstance(event, Settled) and event.key == message.key:
                    await self._flush_quietly()
                    self.has_carried = self.has_carried or _was_answered(event.outcome)
                    return event.outcome
            events = await self._exchange()

    async def _exchange(self) -> list[Ready | Settled | Ended]:
        """Write what is to be written, read what comes; a silent or broken connection is lost."""
        if self._reader is None:
            return self._dialog.lost()
        limit_s = self._timeouts.body_s if self._dialog.awaited_stage is Stage.BODY else self._timeouts.reply_s
        try:
            async with asyncio.timeout(limit_s):  # wait_for makes a task each time: 35 us of a message's 520
                await self._flush()
                octets = await self._reader.read(READ_OCTETS)
        except (OSError, TimeoutError):
            octets = b""
        return self._dialog.receive(octets) if octets else self._dialog.lost()

    async def _flush_quietly(self) -> None:
        """Write what follows a settled message (RSET); a connection that breaks by it is not used again."""
        try:
            async with asyncio.timeout(self._timeouts.reply_s):
                await self._flush()
        except (OSError, TimeoutError):
            self._dialog.lost()

    async def _flush(self) -> None:
        output = self._dialog.take_output()
        if output and self._writer is not None:
            self._writer.write(output)
            await self._writer.drain()

    async def close(self) -> None:
        """Say QUIT and leave; nobody waits long for the answer."""
        if self.is_usable:
            self._dialog.quit()
            try:
                await asyncio.wait_for(self._flush(), self._timeouts.quit_s)
                if self._reader is not None:
                    await asyncio.wait_for(self._reader.read(READ_OCTETS), self._timeouts.quit_s)
            except (OSError, TimeoutError):
                pass
        self.drop()

    def drop(self) -> None:
        """Close at once: a relay that reads nothing would keep a polite end waiting for ever."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


class _Connections:
    """A few connections to one relay; live inside one event loop."""

    def __init__(self, address: RelayAddress, connections: int, timeouts: Timeouts) -> None:
        self._address = address
        self._timeouts = timeouts
        self._count = max(1, connections)
        self._idle: list[_Connection] = []

    async def submit(self, messages: Sequence[Submission]) -> dict[int, Outcome]:
        """Hand a window of messages over; returns one outcome a key, in the relay's words."""
        queue = deque(messages)
        outcomes: dict[int, Outcome] = {}
        await asyncio.gather(*(self._work(queue, outcomes) for _ in range(min(self._count, len(messages)))))
        return {message.key: outcomes.get(message.key, _NOT_EXECUTED) for message in messages}

    async def _work(self, queue: deque[Submission], outcomes: dict[int, Outcome]) -> None:
        """Carry messages until none are left, or until this relay cannot be reached."""
        connection = await self._take()
        strikes = 0
        while queue and connection is not None:
            message = queue.popleft()
            outcome = outcomes[message.key] = await connection.send(message)
            if connection.is_usable:
                continue
            connection.drop()
            if outcome.kind is OutcomeKind.NOT_EXECUTED:
                if connection.has_carried:
                    queue.appendleft(message)
                elif (strikes := strikes + 1) == FRESH_TRIES:  # it is not this message: the next window asks again
                    return
            connection = await self._take()
        if connection is not None:
            self._idle.append(connection)

    async def _take(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
            connection.drop()
        fresh = _Connection(self._address, self._timeouts)
        return fresh if await fresh.open() else None

    async def close(self) -> None:
        """End every dialog politely."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.close() for connection in idle))


class Relay:
    """The relay as a sender's thread uses it: a window in, its outcomes out. A context manager; leaving says QUIT."""

    def __init__(self, address: RelayAddress, connections: int, timeouts: Timeouts = _USUAL) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._connections = _Connections(address, connections, timeouts)

    def submit(self, messages: Sequence[Submission]) -> dict[int, Outcome]:
        """Hand a window over; returns exactly one outcome a key."""
        return self._runner.run(self._connections.submit(messages))

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._connections.close())
        self._runner.close()
