"""Helper processes of a measurement: started, asked, ended. They speak lines: `ready …`, then JSON for each question.

What for: whatever is measured or measures runs in a process of its own, so that its time and memory are its own. Ours to
watch are read from `/proc` (Linux).

Errors: `Transient` when one does not come up or dies on the way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from postmuster.base.errors import Transient

PACKAGE: Final = "postmuster.bench"
END_LIMIT_S: Final = 10
_MEBIBYTE_KIB: Final = 1024
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


class Child:
    """One helper: `python -m postmuster.bench.MODULE ARGUMENTS`. A context manager; leaving ends it."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._module = module
        command = [sys.executable, "-m", f"{PACKAGE}.{module}", *arguments]
        self._process = subprocess.Popen(  # noqa: S603 - our own words, no shell
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(environment) if environment else None
        )
        self.said = self._line().removeprefix("ready").strip()

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, word: str) -> None:
        """Ask something; the answer is fetched by `hear`."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{word}\n".encode())
            self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Read one answer."""
        found: dict[str, Any] = json.loads(self._line())
        return found

    def ask(self, word: str) -> dict[str, Any]:
        self.tell(word)
        return self.hear()

    def close(self) -> None:
        """Let it go; it leaves when its input ends, and is made to when it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _line(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout is not None else b""
        if not line:
            self.close()
            raise Transient(f"The helper {self._module} of the measurement ended early; nothing is lost; try again.")
        return line.decode().strip()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def at_once(module: str, *arguments: str, copies: int | None = None) -> list[dict[str, Any]]:
    """Run one measurement in several processes at the same time, one a core; returns what each said."""
    children = [Child(module, *arguments) for _ in range(copies or cores())]
    try:
        for child in children:
            child.tell("go")
        return [child.hear() for child in children]
    finally:
        for child in children:
            child.close()


@contextmanager
def sink(*options: str) -> Iterator[Child]:
    """The counting SMTP server, with its options as on its command line; `said` is its port."""
    with Child("sink", *options) as child:
        yield child


# ---- what /proc says


def peak_rss_mb(pid: int | str = "self") -> float:
    """The most memory a living process has had at once, in MiB. Source: proc(5), VmHWM."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / _MEBIBYTE_KIB, 1)
    return 0.0


def cpu_s(pid: int | str) -> float:
    """CPU seconds of a process and of its children that have ended. Source: proc(5), /proc/PID/stat."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / _TICKS_A_SECOND if fields else 0.0


def family_cpu_s(pid: int) -> float:
    """CPU seconds of a process and of all its children, those that ended included: a database server's backends."""
    pids = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    living = sum(cpu_s(each) for each in pids if _parent(each) == pid)
    return cpu_s(pid) + living


def _stat(pid: int | str) -> Sequence[str]:
    """The fields behind the name, which may hold blanks; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ()


def _parent(pid: str) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0
