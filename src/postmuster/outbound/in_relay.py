"""How much may be handed to the relay now, so that a stop never finds more in it than `max_in_relay`.

For senders, before each window: `allowance(want)`. What a relay holds is known in one of three ways: its queue is asked once a
second (the Postfix adapter, or `relay.depth_command`), or the operator states how much it sends a second
(`relay.rate_per_s`), or not at all: then nothing is bounded, and `is_blind` says so.

The bound by depth. W processes ask one queue, each in its own time, and know nothing of one another. Each may hand over
(T - depth) / W messages from the moment its question began until its next one, with T = max_in_relay * W / (2 W - 1). Then
the relay never holds more than max_in_relay. Why: take the last moment at which it held at most T. Every question begun
later finds more than T and allows nothing, so that only what was left of older allowances can still come. Let d be the
depth found by the newest of these. Since then at least T - d messages came, and together the W processes may send at
most (T - d) / W + (W - 1) T / W: what is left is at most (1 - 1/W) d, and T + (1 - 1/W) T is max_in_relay. With one process T
is max_in_relay itself. `tests/outbound/test_in_relay.py` plays processes and departures in any order against it.

Promises. Nobody waits for the question: it is asked by a thread of its own. While no answer came yet, nothing is allowed; an
answer older than `STALE_S` allows nothing more, and the operator is told once, until the next answer.
Limits: at most T messages leave a second; raise max_in_relay for a relay that is faster.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from postmuster.base.errors import PostmusterError, Refused, Transient
from postmuster.outbound import programs
from postmuster.outbound.postfix_queue import PostfixQueue

ASK_EVERY_S: Final = 1.0
STALE_S: Final = 5.0
LARGEST_DEPTH: Final = 10**9
POSTFIX: Final = "postfix"

Tell = Callable[[str], None]


class RelayLimits(Protocol):
    """What the settings say about a relay's queue (`settings.Relay`)."""

    @property
    def max_in_relay(self) -> int: ...
    @property
    def adapter(self) -> str: ...
    @property
    def postfix_config_dir(self) -> str: ...
    @property
    def depth_command(self) -> str: ...
    @property
    def rate_per_s(self) -> int: ...
    @property
    def command_limit_s(self) -> int: ...
    @property
    def bounce_domain(self) -> str: ...


class DepthShare:
    """One process's share of the room in the relay. Knows no clock and no thread."""

    def __init__(self, most: int, workers: int) -> None:
        if most < 2 * workers - 1:
            raise Refused(
                f"The setting relay.max_in_relay is {most}, too few for {workers} processes; nothing was sent; "
                f"set it to {2 * workers - 1} or more."
            )
        self._threshold = most * workers // (2 * workers - 1)
        self._workers = workers
        self._left = 0
        self._since_asked = 0

    def asked(self) -> None:
        """A question to the relay begins: from here on what is taken may not be in its answer."""
        self._since_asked = 0

    def answered(self, depth: int) -> None:
        """The answer to the last question."""
        self._left = max(0, (self._threshold - depth) // self._workers - self._since_asked)

    def forget(self) -> None:
        """What was known is too old."""
        self._left = 0

    def take(self, want: int) -> int:
        """Take at most so many; they count as handed over."""
        taken = max(0, min(want, self._left))
        self._left -= taken
        self._since_asked += taken
        return taken


class RateShare:
    """One process's share of a stated rate: a bucket that fills evenly and holds a second's worth. Begins empty."""

    def __init__(self, rate_per_s: int, most: int, workers: int, now_s: float) -> None:
        self._rate = rate_per_s / workers
        self._size = max(1.0, min(self._rate, most / workers))
        self._held = 0.0
        self._at_s = now_s

    def take(self, want: int, now_s: float) -> int:
        """Take at most so many of what has gathered by now."""
        self._held = min(self._size, self._held + max(0.0, now_s - self._at_s) * self._rate)
        self._at_s = max(now_s, self._at_s)
        taken = max(0, min(want, int(self._held)))
        self._held -= taken
        return taken


class InRelay:
    """The room in the relay, for one process that sends. A context manager: leaving it ends its thread."""

    def __init__(
        self,
        limits: RelayLimits,
        workers: int,
        *,
        tell: Tell = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`workers`: how many processes send at once, on all machines. Raises `Refused` for limits that leave no room."""
        self._limits = limits
        self._clock = clock
        self._tell = tell
        self._ask = depth_source(limits)
        self._depth = DepthShare(limits.max_in_relay, workers) if self._ask else None
        self._rate = None
        if not self._ask and limits.rate_per_s:
            self._rate = RateShare(limits.rate_per_s, limits.max_in_relay, workers, clock())
        self._state = threading.Condition()
        self._answered_s = clock()
        self._has_told = False
        self._leaving = False
        self._thread = threading.Thread(target=self._go_on_asking, name="asks for the relay's depth", daemon=True)

    @property
    def is_blind(self) -> bool:
        """Nothing bounds what the relay holds: a stop cannot see into it."""
        return self._depth is None and self._rate is None

    def __enter__(self) -> InRelay:
        if self._depth is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._state:
            self._leaving = True
            self._state.notify_all()
        if self._thread.is_alive():
            self._thread.join(self._limits.command_limit_s + 1.0)

    def allowance(self, want: int) -> int:
        """How many of `want` messages may be handed over now; they count as handed over. Never waits."""
        with self._state:
            if self._rate is not None:
                return self._rate.take(want, self._clock())
            if self._depth is None:
                return want
            if self._clock() - self._answered_s > STALE_S:
                self._depth.forget()
                self._complain(f"it gave no answer for {STALE_S:.0f} s")
            return self._depth.take(want)

    def await_room(self, limit_s: float) -> None:
        """Wait until the relay was asked again, or so long; for a sender that was allowed nothing."""
        with self._state:
            if not self._leaving:
                self._state.wait(limit_s)

    def ask_once(self) -> None:
        """Ask the relay and take its answer; what the thread does once a second."""
        if self._depth is None or self._ask is None:
            return
        with self._state:
            self._depth.asked()
        try:
            depth = self._ask()
        except PostmusterError as error:
            with self._state:
                self._complain(error.sentence)
            return
        with self._state:
            self._answered_s = self._clock()
            self._has_told = False
            self._depth.answered(depth)
            self._state.notify_all()

    def _go_on_asking(self) -> None:
        while True:
            began_s = time.monotonic()
            self.ask_once()
            with self._state:
                left_s = ASK_EVERY_S - (time.monotonic() - began_s)
                if self._state.wait_for(lambda: self._leaving, max(0.0, left_s)):
                    return

    def _complain(self, why: str) -> None:
        if not self._has_told:
            self._has_told = True
            self._tell(f"What the relay holds is not known ({why}), so nothing more is handed to it; mend that.")


def depth_source(limits: RelayLimits) -> Callable[[], int] | None:
    """How this relay is asked for its depth; None where it cannot be."""
    if limits.depth_command:
        return lambda: ask_command(limits.depth_command, limits.command_limit_s)
    if limits.adapter == POSTFIX:
        return PostfixQueue(limits.bounce_domain, limits.postfix_config_dir, limits.command_limit_s).depth
    return None


def ask_command(command: str, limit_s: float) -> int:
    """Run the operator's command: the first line is a number. Raises `Transient`."""
    with programs.run(split(command), limit_s=limit_s) as lines:
        said = [line.strip() for line in lines][:1]
    if not said or not said[0].isdigit() or len(said[0]) > 10 or int(said[0]) > LARGEST_DEPTH:
        raise Transient("The command of relay.depth_command printed no number; nothing was lost; mend the command.")
    return int(said[0])


def split(command: str) -> list[str]:
    """A command as words, without a shell. Raises `Refused` where a quotation is not closed."""
    try:
        return shlex.split(command)
    except ValueError:
        raise Refused(
            "A relay command in the settings has an open quotation mark; nothing was run; close it."
        ) from None
