"""One mail cannot hold up the others: how much time, memory and room a mail may take, and what becomes of one that takes more.

Reading is linear and its limits are small (`mail.message.Limits`), so that no mail is known that needs more than a second.
This is for those nobody knows. Mails that are large, and mails that were claimed before and never finished, are first read
by another process (`jobs.trial`), which may die: past `MAX_READ_S` it is ended, past `MAX_MEMORY_OCTETS` it ends itself.
Only what it could read is read here. An ordinary mail that surprises this process makes the batch's lease run out; then
`watched` asks the worker to leave, and ends it where it cannot, and the mail comes back as one that was claimed before.

Promises: nothing is lost: a mail that is too much stays sealed and goes before a person (`TooMuch`). Others wait for it no
longer than `MAX_READ_S`. Of large mails so few are opened at a time that they fit into memory (`portions`).

Limits: named below, with their unit.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from postmuster.base.errors import Permanent
from postmuster.inbound.actions import ClaimedMail
from postmuster.inbound.envelope import TakenMail

MAX_PLAIN_OCTETS: Final = (
    1024 * 1024
)  # ours: a larger mail is tried first; of replies one in a hundred, by its attachments
MAX_READ_S: Final = 10.0  # ours: ten times what 25 MB take on two busy cores (2026-11-24)
MAX_START_S: Final = 30.0  # ours: until the other process has read its first mail
MAX_MEMORY_OCTETS: Final = 1024 * 1024 * 1024  # ours: of address space; a mail of 64 MB needs 400 MB
MAX_OPEN_OCTETS: Final = (
    64 * 1024 * 1024
)  # ours: mail opened at once by one digest loop; one mail may be as large alone
LEAST_WATCH_S: Final = 60.0  # ours: a batch that takes less never ends its process, however short its lease
GRACE_S: Final = 40.0  # ours: how long a worker that was asked to leave may take; its windows need 30

_CHUNK: Final = 1024 * 1024
_TIME: Final = "time"
_MEMORY: Final = "memory"


class TooMuch(Permanent):
    """A mail took more than a mail may take."""


def portions(mails: Sequence[ClaimedMail]) -> Iterator[list[ClaimedMail]]:
    """Cut a batch into parts that may be open at once, in order; a mail above the limit is a part by itself."""
    part: list[ClaimedMail] = []
    octets = 0
    for mail in mails:
        if part and octets + mail.octets > MAX_OPEN_OCTETS:
            yield part
            part, octets = [], 0
        part.append(mail)
        octets += mail.octets
    if part:
        yield part


def try_first(mails: Sequence[ClaimedMail], opened: Mapping[int, bytes]) -> None:
    """Have the mails that may be monsters read elsewhere first. Raises `TooMuch` when one was too much."""
    for mail in mails:
        if mail.octets > MAX_PLAIN_OCTETS or mail.attempts > 1:
            fault = _READER.fault(TakenMail.unpack(opened[mail.item_no]).data)
            if fault is not None:
                raise TooMuch(
                    f"Mail {mail.mail_no} was not read because it takes more {fault} than a mail may take; "
                    "it is kept sealed and goes before a person; look at it as a case."
                )


class Reader:
    """Keeps the other process: one for each worker, begun when it is needed, begun again when it died."""

    def __init__(self, *, max_read_s: float = MAX_READ_S, max_memory_octets: int = MAX_MEMORY_OCTETS) -> None:
        self._max_read_s = max_read_s
        self._command = [sys.executable, "-m", "postmuster.jobs.trial", str(max_memory_octets)]
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def fault(self, octets: bytes) -> str | None:
        """Have a mail read; return what it took too much of, None when it was read."""
        with self._lock:
            process, is_new = self._process, False
            if process is None or process.poll() is not None:
                process, is_new = self._start(), True
            found = _hand_over(process, octets, self._max_read_s + (MAX_START_S if is_new else 0.0))
            if found is not None:
                self._end()
            return found

    def close(self) -> None:
        """End the other process."""
        with self._lock:
            self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        self._end()
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _hand_over(process: subprocess.Popen[bytes], octets: bytes, within_s: float) -> str | None:
    """Write a mail to the process and wait for its answer, never longer than `within_s`."""
    if process.stdin is None or process.stdout is None:
        return _MEMORY
    end = time.monotonic() + within_s
    into, out = process.stdin.fileno(), process.stdout.fileno()
    os.set_blocking(into, False)
    rest = memoryview(len(octets).to_bytes(8, "big") + octets)
    with selectors.DefaultSelector() as ready:
        ready.register(out, selectors.EVENT_READ)
        ready.register(into, selectors.EVENT_WRITE)
        while (left := end - time.monotonic()) > 0:
            for key, _ in ready.select(left):
                if key.fd == out:
                    return None if os.read(out, 1) else _MEMORY  # nothing to read: it ended
                try:
                    rest = rest[os.write(into, rest[:_CHUNK]) :]
                except BrokenPipeError:
                    return _MEMORY
                if not rest:
                    ready.unregister(into)
    return _TIME


def watch_s(lease_s: float) -> float:
    """Return how long one batch may take: twice its lease. After that it can record nothing any more."""
    return max(lease_s * 2, LEAST_WATCH_S)


@contextlib.contextmanager
def watched(
    within_s: float, leave: Callable[[], None] | None = None, die: Callable[[], None] | None = None
) -> Iterator[None]:
    """Watch over the digest of one batch; where it takes longer, end the process.

    First the process is asked to leave: senders finish their windows, and the digest is given `GRACE_S`. A thread that still
    computes cannot be ended but with its process; whoever keeps the workers starts another.
    """
    done = threading.Event()

    def end_late() -> None:
        (leave or _leave)()
        if not done.wait(GRACE_S):
            (die or _die)()

    timer = threading.Timer(within_s, end_late)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        done.set()


def _leave() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _die() -> None:
    os._exit(70)


_READER: Final = Reader()
atexit.register(_READER.close)
