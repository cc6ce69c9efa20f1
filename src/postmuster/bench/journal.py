"""The journal of the bench sink: what it took, one line a message, written before its 250.

What for: books are balanced against what really reached the other side. The sink writes it (`Journal`), whoever measures
reads it (`entries`, `summary`, `per_second`, `taken_after`), also while it grows and after the sink was killed.

A line is `MESSAGE-ID TAB RECIPIENT TAB MONOTONIC TAB WALL LF`: the Message-ID without brackets (empty where the message
had none), the envelope's recipient, seconds of the machine's monotonic clock and of its wall clock.

Promises: what `Journal.write` has returned from outlives a kill -9 of the writer (it is the kernel's); not a power cut,
because nothing is forced to the disk. A line that a kill cut short is never read, and is taken away when the journal is
opened again: its message had no 250. Reading never raises on what a line holds; what is no line of ours is passed over.
Limits: one writer a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

_READ_OCTETS: Final = 1 << 20
_FIELDS: Final = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One message that was taken."""

    message_id: str
    recipient: str
    monotonic_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What a journal holds. `doubled`: messages beyond the first with the same Message-ID; `unnamed`: those without one.

    The times are of the first and the last message, None where there is none.
    """

    messages: int
    distinct: int
    doubled: int
    unnamed: int
    first: Entry | None
    last: Entry | None


class Journal:
    """The journal as its writer has it: opened at its end, appended to with one write(2) for many messages."""

    def __init__(self, file: Path) -> None:
        self._number = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.ftruncate(self._number, _whole_octets(self._number))

    def write(self, lines: Sequence[bytes]) -> None:
        """Append lines; they are the kernel's when this returns. Raises OSError when they cannot be written."""
        rest = memoryview(b"".join(lines))
        while rest:
            rest = rest[os.write(self._number, rest) :]

    def close(self) -> None:
        os.close(self._number)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def line_end(monotonic_s: float, wall_s: float) -> bytes:
    """What all lines of one moment end with."""
    return b"\t%.6f\t%.6f\n" % (monotonic_s, wall_s)


def _whole_octets(number: int) -> int:
    """How much of an open file is whole lines."""
    size = os.fstat(number).st_size
    while size:
        start = max(0, size - _READ_OCTETS)
        end = os.pread(number, size - start, start).rfind(b"\n")
        if end >= 0:
            return start + end + 1
        size = start
    return 0


# ---- reading


def entries(file: Path) -> Iterator[Entry]:
    """Read every whole line, in the order in which the messages were taken."""
    for fields in _lines(file):
        message_id, recipient, monotonic_s, wall_s = fields
        try:
            yield Entry(_text(message_id), _text(recipient), float(monotonic_s), float(wall_s))
        except ValueError:
            continue


def message_ids(file: Path) -> Iterator[bytes]:
    """Read the Message-IDs alone, as octets; several times faster than `entries`."""
    for fields in _lines(file):
        yield fields[0]


def summary(file: Path) -> Summary:
    """Count what a journal holds."""
    seen: set[str] = set()
    messages = unnamed = 0
    first: Entry | None = None
    last: Entry | None = None
    for entry in entries(file):
        messages += 1
        first, last = first or entry, entry
        if entry.message_id:
            seen.add(entry.message_id)
        else:
            unnamed += 1
    return Summary(messages, len(seen), messages - unnamed - len(seen), unnamed, first, last)


def taken_after(file: Path, wall_s: float) -> list[Entry]:
    """Return the messages taken later than a moment of the wall clock: after the commit of a stop, say."""
    return [entry for entry in entries(file) if entry.wall_s > wall_s]


def per_second(file: Path, *, since_s: float, until_s: float) -> list[tuple[int, int]]:
    """Count the messages of each whole second from `since_s` to `until_s` (monotonic, both included): (second, messages)."""
    counts = [0] * (int(until_s - since_s) + 1 if until_s >= since_s else 0)
    slack_s = 1e-6  # a line holds its moment to a microsecond
    for entry in entries(file):
        second = int(entry.monotonic_s + slack_s - since_s) if entry.monotonic_s + slack_s >= since_s else -1
        if 0 <= second < len(counts) and entry.monotonic_s <= until_s + slack_s:
            counts[second] += 1
    return list(enumerate(counts))


def _lines(file: Path) -> Iterator[list[bytes]]:
    with file.open("rb") as opened:
        for line in opened:
            fields = line.split(b"\t")
            if len(fields) == _FIELDS and line.endswith(b"\n"):
                yield fields


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")
