"""All connections to one relay and the queue of messages before them; in an event loop. Which connection carries what.

Messages wait in one queue, in order. A connection takes from it when all that it was given has left: of a relay with CHUNKING
its share of the queue in one write, of another one message, and one more behind its data. The first message of a new
connection goes alone: whatever ends new connections costs one message and not a window.

A connection that ended is opened again. Messages that were not executed go on to another one if the connection had carried
any; of a new one the first is given back, so that a message that ends connections does not take the rest with it. After
`FRESH_TRIES` such ends, or where no connection can be made, what waits is *not executed* and stays pending in the book.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

from postmuster.mail.submission import Outcome
from postmuster.outbound.relay_line import Line, Ticket
from postmuster.outbound.relay_values import NOT_EXECUTED, Batch, RelayAddress, Timeouts

FRESH_TRIES: Final = 3  # fresh dialogs that end with their first message before a window is given up
WRITE_OCTETS: Final = 1_048_576  # a connection is given no more at once than about this
RECALL_S: Final = (
    1.0  # a connection that has said nothing for so long is slow: what waits there for others is taken back
)
OPEN_AGAIN_S: Final = 1.0  # how long a connection that could not be made is not tried again while others work
LEAVE_S: Final = 0.5  # answers still owed are waited for when the caller leaves with messages under way


class Lines:
    """All connections to one relay; lives inside its event loop."""

    def __init__(self, address: RelayAddress, connections: int, timeouts: Timeouts) -> None:
        self.loop = asyncio.get_running_loop()
        self.address = address
        self.timeouts = timeouts
        self.may_chunk = True
        self._strikes = 0
        self.is_silent = False
        self.over = asyncio.Event()
        self._is_leaving = False
        self._count = max(1, connections)
        self._lines: list[Line] = []
        self._queue: deque[Ticket] = deque()
        self._batches: set[Batch] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = 0
        self._not_before = 0.0
        self._is_dealing = False
        self._look_again: asyncio.TimerHandle | None = None

    def note_answer(self) -> None:
        """A message was decided by its own answer: the relay works."""
        self._strikes = 0

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    # ---- work

    def accept(self, batch: Batch) -> None:
        """Queue a window."""
        if batch.future.done():
            return
        self._batches = {one for one in self._batches if not one.future.done()} | {batch}
        self._queue.extend((batch, message) for message in batch.messages)
        if self.is_silent or self._is_leaving:
            self._fail_queue()
            return
        for line in list(self._lines):
            if line.is_idle:
                line.poll()  # it may have been closed over there meanwhile
        self.deal()

    def deal(self) -> None:
        """Give each connection that has room what it should carry now, and open those that are missing."""
        if self._is_dealing or self.is_silent or self._is_leaving:
            return
        self._is_dealing = True
        try:
            self._deal()
        finally:
            self._is_dealing = False
        self._open_missing()

    def _deal(self) -> None:
        if not self._queue:
            self._recall_for_idle()
        while self._queue:
            ready = [line for line in self._lines if line.can_take]
            ready.sort(key=lambda line: len(line.carrying))
            given = 0
            for line in ready:
                share = self._share(line)
                if share:
                    given += share
                    line.give(self._take(share))
                    line.flush()
            if not given:
                return

    def _share(self, line: Line) -> int:
        """How many of the waiting messages this connection should take now."""
        waiting, carried = len(self._queue), len(line.carrying)
        if not waiting:
            return 0
        if not line.has_carried or not line.dialog.is_chunking:
            if not carried:
                return 1
            others = sum(not one.carrying for one in self._lines)  # idle, or still being opened
            return int(line.has_carried and waiting > others)
        level = -(-(waiting + sum(len(one.carrying) for one in self._lines)) // len(self._lines))
        return max(0, min(waiting, level - carried))

    def _take(self, count: int) -> list[Ticket]:
        """The next messages, up to this many and up to about `WRITE_OCTETS`."""
        taken: list[Ticket] = []
        size = 0
        while self._queue and len(taken) < count and size < WRITE_OCTETS:
            taken.append(self._queue.popleft())
            size += len(taken[-1][1].data)
        return taken

    def _recall_for_idle(self) -> None:
        """A message whose data wait behind another's on a slow connection goes to an idle one.

        It costs the slow connection, so that one is given its time first.
        """
        idle = [line for line in self._lines if line.is_idle and line.can_take]
        behind = [line for line in self._lines if len(line.carrying) > 1 and not line.dialog.is_chunking]
        if not idle or not behind:
            return
        slow = [line for line in behind if self.loop.time() - line.moved_at >= RECALL_S]
        tickets = [found for line in slow[: len(idle)] if (found := line.recall()) is not None]
        for line, ticket in zip(idle, tickets, strict=False):
            line.give([ticket])
            line.flush()
        if self._look_again is None:
            self._look_again = self.loop.call_later(RECALL_S, self._look)

    def _look(self) -> None:
        self._look_again = None
        self.deal()

    def _open_missing(self) -> None:
        busy = sum(bool(line.carrying) for line in self._lines)
        missing = min(self._count, busy + len(self._queue)) - len(self._lines)
        if missing <= 0 or not self._queue or (self._lines and self.loop.time() < self._not_before):
            return
        for _ in range(missing):
            line = Line(self)
            self._lines.append(line)
            task = self.loop.create_task(line.open())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    # ---- ends

    def line_ended(self, line: Line, *, was_ready: bool) -> None:
        """Look after what a connection that is over has not carried."""
        if line not in self._lines:
            return
        self._lines.remove(line)
        self.may_chunk = self.may_chunk and not line.dialog.chunking_failed
        returned, line.returned = line.returned, []
        if self.is_silent or self._is_leaving:
            self._settle_all(returned)
            self._look_for_end()
            return
        if line.was_given and not line.has_carried:
            self._strikes += 1
            if returned and not line.has_lost_one:
                self._settle_all(returned[:1])
                returned = returned[1:]
        elif not line.was_given and not was_ready:
            self._not_before = self.loop.time() + OPEN_AGAIN_S
        self._queue.extendleft(ticket for ticket, _ in reversed(returned))
        if self._strikes >= FRESH_TRIES or not (line.was_given or was_ready or self._lines):
            self._strikes = 0
            self._fail_queue()
        self.deal()

    def line_rests(self, line: Line) -> None:
        """In silence: settle what will not be said, and close a connection that owes nothing."""
        returned, line.returned = line.returned, []
        self._settle_all(returned)
        if not line.carrying:
            line.leave()

    def _settle_all(self, returned: Iterable[tuple[Ticket, Outcome]]) -> None:
        for (batch, message), outcome in returned:
            batch.settle(message, outcome)

    def _fail_queue(self) -> None:
        while self._queue:
            batch, message = self._queue.popleft()
            batch.settle(message, NOT_EXECUTED)

    def abandon(self, limit_s: float) -> None:
        """Write nothing more; read what is owed for this long; then close."""
        self.is_silent = True
        self._fail_queue()
        for line in list(self._lines):
            line.fall_silent()
        self.loop.call_later(limit_s, self._leave_all)
        self._look_for_end()

    def leave(self) -> None:
        """End every dialog politely; with messages under way there is no polite end."""
        if self.is_silent:
            return
        if self._queue or any(line.carrying for line in self._lines):
            self.abandon(LEAVE_S)
            return
        self._is_leaving = True
        for line in list(self._lines):
            line.quit()
        self._look_for_end()

    def _leave_all(self) -> None:
        for line in list(self._lines):
            line.leave()

    def _look_for_end(self) -> None:
        if not self._lines:
            self.over.set()

    def on_defect(self, error: BaseException) -> None:
        """A fault of ours must not leave anybody waiting."""
        for batch in self._batches:
            if not batch.future.done():
                batch.future.set_exception(error)
