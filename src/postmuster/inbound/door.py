"""The shell around the LMTP server: the one door to sockets on the way in.

For each connection one `LmtpServer`; whole mails of all connections go into one queue, and a single committer takes what is
there (at most 64 mails, after at most 5 ms) into one transaction. Only after its commit is 250 said (P5).

Promises: any trouble is 451, want of room is 452, and 552 5.3.4 over SIZE is the only 5xx to a mail. A connection whose peer
vanished before its reply loses nothing: the mail is committed, comes again and counts once. No address, subject or octet of
a mail is logged. Memory is bounded: past `MAX_HELD_OCTETS` new mail is answered 452 and mail in the middle of its data waits;
a client that does not read its replies is not read either.

Sources: RFC 2033, RFC 5321 §4.5.3.2.7 (time-out), RFC 3463.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, cast

from postmuster.mail import reply_code
from postmuster.mail.lmtp import MAX_UNANSWERED, DeliveryReply, LmtpServer, Received

GROUP_MAILS: Final = 64
GROUP_WAIT_S: Final = 0.005
IDLE_TIMEOUT_S: Final = 300  # RFC 5321 §4.5.3.2.7: at least five minutes
WATCH_S: Final = 1.0  # between two looks at the silent
MAX_CONNECTIONS: Final = 200
MAX_HELD_OCTETS: Final = 512 * 1024 * 1024  # octets of mail in memory over all connections

Store = Callable[[Sequence[Received]], DeliveryReply]
"""Commits mails and says what their senders are to hear; runs in a thread of its own, never raises."""


@dataclass(slots=True)
class _Waiting:
    """A whole mail that waits for its commit."""

    dialog: _Dialog
    mail: Received


class _Dialog(asyncio.Protocol):
    """One connection."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.server = LmtpServer(hostname=door.hostname, max_size_octets=door.max_size_octets)
        self.transport: asyncio.Transport | None = None
        self.last_heard = 0.0
        self._is_paused = False
        self._is_choked = False  # the client does not take its replies
        self._held = 0  # octets the door counts for this dialog

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by class, only by shape
        self.last_heard = self._door.monotonic()
        if not self._door.admit(self):
            self.server.hang_up(reply_code.R421_TOO_MANY_CONNECTIONS)
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.last_heard = self._door.monotonic()
        self.server.is_full = self._door.is_full
        self.take(self.server.receive(data))

    def take(self, mails: Sequence[Received]) -> None:
        """Queue whole mails, say what is to be said, and stop reading while too much is unanswered."""
        for mail in mails:
            self._door.queue.put_nowait(_Waiting(self, mail))
        self.flush()
        self._recount()
        self._pause_or_go_on()

    def _pause_or_go_on(self) -> None:
        is_in_the_way = self._door.is_full and self.server.is_in_data  # whoever begins a mail now hears 452
        should_pause = self.server.unanswered >= MAX_UNANSWERED or is_in_the_way or self._is_choked
        if self.transport is not None and should_pause != self._is_paused and not self.transport.is_closing():
            (self.transport.pause_reading if should_pause else self.transport.resume_reading)()
            self._is_paused = should_pause

    def flush(self) -> None:
        if self.transport is None:
            return
        output = self.server.take_output()
        if output:
            self.transport.write(output)
        if self.server.has_ended:
            self.transport.close()

    def pause_writing(self) -> None:
        self._is_choked = True
        self._pause_or_go_on()

    def resume_writing(self) -> None:
        self._is_choked = False
        self._pause_or_go_on()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._recount()
        self._door.forget(self)

    def _recount(self) -> None:
        """Tell the door what this dialog holds now; nothing once its connection is gone and its mails are committed."""
        held = 0 if self.transport is None else self.server.held_octets
        self._door.held_octets += held - self._held
        self._held = held


class Door:
    """Listens, gathers, commits, answers."""

    def __init__(
        self, store: Store, *, hostname: str, max_size_octets: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.hostname = hostname
        self.max_size_octets = max_size_octets
        self.monotonic = monotonic
        self.queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._store = store
        self._open: set[_Dialog] = set()
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.held_octets = 0
        self._thread = ThreadPoolExecutor(1, "intake-commit")  # one thread, one database connection

    @property
    def is_full(self) -> bool:
        return self.held_octets > MAX_HELD_OCTETS

    async def listen(self, host: str, port: int) -> int:
        """Open the port; returns its number."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Dialog(self), host, port, backlog=256)
        self._tasks = [loop.create_task(self._commit()), loop.create_task(self._watch())]
        return int(self._server.sockets[0].getsockname()[1])

    def admit(self, dialog: _Dialog) -> bool:
        self._open.add(dialog)
        return len(self._open) <= MAX_CONNECTIONS

    def forget(self, dialog: _Dialog) -> None:
        self._open.discard(dialog)

    async def _commit(self) -> None:
        """One transaction after another, each with what came meanwhile."""
        loop = asyncio.get_running_loop()
        while True:
            group = await self._gather()
            reply = await loop.run_in_executor(self._thread, self._store, [one.mail for one in group])
            for one in group:
                one.dialog.server.is_full = self.is_full
                one.dialog.take(one.dialog.server.answer((reply,) * len(one.mail.recipients)))
                self.queue.task_done()

    async def _gather(self) -> list[_Waiting]:
        group = [await self.queue.get()]
        until = self.monotonic() + GROUP_WAIT_S
        while len(group) < GROUP_MAILS:
            try:
                group.append(self.queue.get_nowait())
            except asyncio.QueueEmpty:
                left = until - self.monotonic()
                if left <= 0 or len(group) >= len(self._open):  # whoever is here waits for this very commit
                    break
                try:
                    group.append(await asyncio.wait_for(self.queue.get(), left))
                except TimeoutError:
                    break
        return group

    async def _watch(self) -> None:
        """Hang up on the silent, and let go of half-received mail when memory is short."""
        while True:
            await asyncio.sleep(WATCH_S)
            for dialog in list(self._open):
                if self.is_full:
                    dialog.server.shed()
                if self.monotonic() - dialog.last_heard > IDLE_TIMEOUT_S and not dialog.server.unanswered:
                    dialog.server.hang_up(reply_code.R421_IDLE)
                dialog.take(())

    async def close(self) -> None:
        """Take no more, answer what is owed, and end."""
        if self._server is not None:
            self._server.close()
        for dialog in list(self._open):
            dialog.server.hang_up(reply_code.R421_CLOSING)
            dialog.flush()
        await self.queue.join()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._thread.shutdown()
