"""Killing workers while a rehearsal runs: SIGKILL, as a crash would, and up again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from postmuster.organisation.dice import Dice
from postmuster.runtime.processes import Crew

PAUSE_S: Final = 1.5  # between two strikes


@dataclass(slots=True)
class Strikes:
    """How many strikes are still to come, and the members struck so far."""

    left: int
    done: threading.Event = field(default_factory=threading.Event)
    struck: list[str] = field(default_factory=list)

    def wait_until_done(self) -> None:
        """Wait for the last strike; none are left out because the work was quick."""
        self.done.wait()


@contextmanager
def killer(crew: Crew, times: int, *, seed: int) -> Iterator[Strikes]:
    """Strike `times` members (workers, now and then the intake) from a thread of its own while the block runs."""
    strikes = Strikes(times)
    leave = threading.Event()
    if not times:
        strikes.done.set()
        yield strikes
        return
    thread = threading.Thread(target=_strike, args=(crew, strikes, leave, Dice(seed, "kills")), name="killer")
    thread.start()
    try:
        yield strikes
    finally:
        leave.set()
        thread.join()


def _strike(crew: Crew, strikes: Strikes, leave: threading.Event, dice: Dice) -> None:
    while strikes.left and not leave.wait(PAUSE_S):
        names = sorted(crew.pids)
        if names:
            name = dice.pick(names)
            crew.kill_and_restart(name)
            strikes.struck.append(name)
            strikes.left -= 1
    strikes.done.set()
