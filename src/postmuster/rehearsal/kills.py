"""Killing workers while a rehearsal runs: SIGKILL, as a crash would. Whoever tends the crew starts them again.

A member is started by the main thread alone: it is told to leave when the thread that started it ends (prctl(2)).
"""

from __future__ import annotations

import contextlib
import os
import signal
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
        pids = crew.pids
        if pids:
            name = dice.pick(sorted(pids))
            with contextlib.suppress(ProcessLookupError):  # it went by itself meanwhile
                os.kill(pids[name], signal.SIGKILL)
                strikes.struck.append(name)
                strikes.left -= 1
    strikes.done.set()
