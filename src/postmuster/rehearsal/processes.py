"""Ending a group of processes that one of ours leads, and seeing all of it gone. Linux: reads /proc."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

END_LIMIT_S: Final = 10.0
KILL_LIMIT_S: Final = 5.0
LOOK_S: Final = 0.02


def end_group(leader: int, *, reap: Callable[[], object] = lambda: None) -> bool:
    """SIGTERM to the leader, then SIGKILL to whoever of its group is still there; True when all are gone.

    `reap` takes in the exit of a leader that is our own child. Processes that have ended and were not taken in by their
    parent count as gone.
    """
    for target, what, limit_s in ((leader, signal.SIGTERM, END_LIMIT_S), (-leader, signal.SIGKILL, KILL_LIMIT_S)):
        if not members(leader):
            break
        with suppress(ProcessLookupError):
            os.kill(target, what)
        until = time.monotonic() + limit_s
        while members(leader) and time.monotonic() < until:
            reap()
            time.sleep(LOOK_S)
    reap()
    return not members(leader)


def members(leader: int) -> list[int]:
    """The living processes of a group."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            # pid (name) state ppid pgrp …: the name may hold anything, blanks and brackets too. Source: proc(5).
            state, _, group = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:3]
            if int(group) == leader and state not in ("Z", "X"):
                found.append(int(entry.name))
    return found
