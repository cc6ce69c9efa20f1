"""The shell around the SMTP client: a few connections to the submission service, in an event loop and thread of their own.

The caller hands a window over with `begin` and writes the next one while this one is on its way. What became of a message is
what `mail.smtp.SmtpClient` says; which connection carries it is decided in `relay_lines`.

Promises: exactly one outcome a message, whatever the relay does. A time-out, for reading or for writing, counts as a lost
connection. What was settled stays settled. `abandon` ends it within its limit, and from its return on nothing is written.
The loop is Python's own: uvloop costs a window as much, and is not told of a reset that comes together with octets.
Sources: RFC 5321 §4.5.3.2 (time-outs; ours are shorter where only our own relay waits).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from postmuster.base.errors import Defect
from postmuster.mail.submission import Outcome
from postmuster.outbound.relay_lines import LEAVE_S, Lines
from postmuster.outbound.relay_values import USUAL, Batch, RelayAddress, Submission, Timeouts, Tls

__all__ = ("Relay", "RelayAddress", "Submission", "Timeouts", "Tls")

_LOOP_FAULT: Final = "The relay's loop failed; messages under way may have left; this is a bug."


class Relay:
    """The relay as a sender's thread uses it: windows in, their outcomes out. A context manager; leaving says QUIT."""

    def __init__(self, address: RelayAddress, connections: int, timeouts: Timeouts = USUAL) -> None:
        self._address, self._connections, self._timeouts = address, connections, timeouts
        self._lines: Lines | None = None
        self._began, self._ended = threading.Event(), threading.Event()
        self._begun: list[Batch] = []
        self._begun_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def begin(self, messages: Sequence[Submission]) -> Future[dict[int, Outcome]]:
        """Hand a window over; the future gives exactly one outcome a key. Windows keep their order."""
        batch = Batch(messages)
        lines = self._lines
        if lines is None:
            raise Defect("Mail was handed to a relay that is not open; nothing was sent; this is a bug.")
        with self._begun_lock:
            self._begun = [one for one in self._begun if not one.future.done()]
            self._begun.append(batch)
        if not self._call(lines.accept, batch) or self._ended.is_set():
            self._give_up()
        return batch.future

    def submit(self, messages: Sequence[Submission]) -> dict[int, Outcome]:
        """Hand a window over and wait; returns exactly one outcome a key."""
        return self.begin(messages).result()

    def abandon(self, limit_s: float) -> None:
        """Stop. From the return on not one octet is written; what is owed is read for at most `limit_s`.

        Every future is done within that time: what left and was not answered is in doubt, the rest not executed. May be
        called from any thread, more than once; the relay takes nothing afterwards.
        """
        lines = self._lines
        if lines is None:
            return
        lines.is_silent = True  # heeded before each write, however busy the loop is
        if threading.current_thread() is self._thread:
            lines.abandon(limit_s)
            return
        stopped = threading.Event()

        def stop() -> None:
            lines.abandon(limit_s)
            stopped.set()

        if self._call(stop):
            while not stopped.wait(LEAVE_S) and self._thread.is_alive():
                pass

    def _call(self, step: Callable[..., None], *arguments: object) -> bool:
        """Have a step done in the loop's thread; False when the loop is over."""
        lines = self._lines
        if lines is None or not self._thread.is_alive():
            return False
        try:
            lines.loop.call_soon_threadsafe(step, *arguments)
        except RuntimeError:  # closed
            return False
        return True

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._serve())
        finally:
            self._ended.set()
            self._began.set()
            self._give_up()

    def _give_up(self) -> None:
        """Nobody waits for a loop that is over; all that it had taken is settled."""
        with self._begun_lock:
            for batch in self._begun:
                batch.give_up()
            self._begun.clear()

    async def _serve(self) -> None:
        lines = self._lines = Lines(self._address, self._connections, self._timeouts)

        def on_defect(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
            error = context.get("exception")
            lines.on_defect(error if isinstance(error, BaseException) else Defect(_LOOP_FAULT))

        lines.loop.set_exception_handler(on_defect)
        self._began.set()
        await lines.over.wait()

    def __enter__(self) -> Relay:
        self._thread.start()
        self._began.wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lines is not None:
            self._call(self._lines.leave)
        self._thread.join()  # ends: politely after `quit_s`, else after `LEAVE_S`
