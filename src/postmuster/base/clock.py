"""Time as an argument.

Business time (deadlines, Date fields, retries, leave) comes from a `Clock` that is handed in; leases and timeouts, which
guard against a process that died, use the machine's own time and never this one. `SteppedClock` lets several processes
share one time that somebody moves by hand: the simulated organisation lives a week in a minute.
"""

from __future__ import annotations

import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = struct.Struct("<q")


class Clock(Protocol):
    """Tells the time as an aware datetime in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SteppedClock:
    """A time kept in a small file; it moves only when `set` or `advance` is called, for every process that reads it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        octets = self._path.read_bytes()
        return EPOCH + timedelta(microseconds=_MICROSECONDS.unpack(octets)[0])

    def set(self, moment: datetime) -> None:
        """Move to `moment`; readers see the old or the new time, never a torn one."""
        aside = self._path.with_suffix(f".{os.getpid()}")
        aside.write_bytes(_MICROSECONDS.pack((moment - EPOCH) // timedelta(microseconds=1)))
        aside.replace(self._path)

    def advance(self, by: timedelta) -> datetime:
        moment = self.now() + by
        self.set(moment)
        return moment


def open_clock(path: str | None) -> Clock:
    """The stepped clock kept at `path`, or the machine's own where there is none."""
    return SteppedClock(Path(path)) if path else SystemClock()


def day_number(moment: datetime) -> int:
    """Days since 1970-01-01 in UTC, as tokens carry their end."""
    return (moment - EPOCH).days
