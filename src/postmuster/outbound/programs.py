"""Running a program of the relay's: its queue asked, its queue held. The one place of this floor that starts a process.

Promises. No shell; a short environment of its own, without ours; killed when its time is over, so that nobody waits for it;
what it says is given line by line and kept nowhere, for it names people. A program that is missing, fails or is too slow is
a `Transient` that names it and its exit code.
Limits: a line longer than `LINE_OCTETS` is cut there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from postmuster.base.errors import Transient

LINE_OCTETS: Final = 1_048_576
_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


@contextmanager
def run(arguments: Sequence[str], *, limit_s: float, given: bytes = b"") -> Iterator[Iterator[bytes]]:
    """Start a program and give its lines; at the end of the block it has ended. Raises `Transient`."""
    name = Path(arguments[0]).name if arguments else "no program"
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own command, and no shell
            list(arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, IndexError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it cannot be called"
        raise _failed(name, why) from None
    late = threading.Event()
    timer = threading.Timer(limit_s, _kill, (process, late))
    timer.daemon = True
    timer.start()
    writer = threading.Thread(target=_write, args=(process.stdin, given), daemon=True)
    writer.start()
    try:
        yield _lines(process.stdout)
        code = process.wait()
    finally:
        timer.cancel()
        if process.poll() is None:
            _kill(process, threading.Event())
            process.wait()
        writer.join()
        if process.stdout is not None:
            process.stdout.close()
    if late.is_set():
        raise _failed(name, f"no end within {limit_s:g} s")
    if code:
        raise _failed(name, f"exit {code}")


def _failed(name: str, why: str) -> Transient:
    return Transient(
        f"The relay's program {name[:64]} did not do it ({why}); what was committed is kept; run it by hand."
    )


def _kill(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    """Kill the program with whatever it started, or its children would keep our end of the pipe open."""
    late.set()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _write(stream: IO[bytes] | None, given: bytes) -> None:
    try:
        if stream is not None:
            with stream:
                stream.write(given)
    except OSError:  # it did not want to hear more; its exit code says whether that is bad
        pass


def _lines(stream: IO[bytes] | None) -> Iterator[bytes]:
    while stream is not None and (line := stream.readline(LINE_OCTETS)):
        yield line
