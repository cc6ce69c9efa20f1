"""The crew: worker processes, the intake and, where a mailbox is configured, who fetches from it; started, watched, stopped.

For whom: `postmuster up`, and the rehearsal, which kills one now and then to see that nobody is lost.

Each member is `python -m postmuster.runtime.worker`, `… .intake` or `… .mailbox`. What it needs to know comes through its
environment: `POSTMUSTER_SETTINGS`, `POSTMUSTER_ROLE`, `POSTMUSTER_CLOCK`. It says `ready` on a line of its standard output when
it works (the intake says `ready PORT`);
on SIGTERM it finishes what it has in hand and leaves. Members are in process groups of their own, so that Ctrl-C reaches us
alone and we tell them in order; if we are killed, those that called `leave_with_parent` leave too.

Promises. A member that dies is started again, after a wait that doubles each time it dies young. Whatever it had claimed is
for the rescuer. `stop` leaves no process of ours behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from postmuster.base.errors import Refused, Transient
from postmuster.runtime.place import Tell
from postmuster.runtime.postgres import say
from postmuster.settings import Settings, process_environment

READY = "ready"
READY_LIMIT_S = 60.0
STOP_LIMIT_S = 60.0  # a window handed to the relay is answered long before; then the member is killed, rows go in doubt
KILL_LIMIT_S = 10.0
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
GROWN_UP_S = 60.0  # who lived this long is started again at once
POLL_S = 0.05
WORKER, INTAKE, MAILBOX = "worker", "intake", "mailbox"
_ROLES = {WORKER: "application", INTAKE: "intake", MAILBOX: "intake"}
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Member:
    """One process of the crew under its name (`worker-1`, `intake`)."""

    def __init__(self, name: str, environment: dict[str, str], log: IO[bytes] | None, tell: Tell) -> None:
        self.name = name
        self.restarts = 0
        self._command = [sys.executable, "-m", f"postmuster.runtime.{name.partition('-')[0]}"]
        self._environment = environment
        self._log = log
        self._tell = tell
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._ready = threading.Event()
        self._said: list[str] = []
        self._began = 0.0
        self._wait_s = FIRST_WAIT_S
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.is_alive else None

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def is_ready(self) -> bool:
        return self.is_alive and self._ready.is_set()

    @property
    def port(self) -> int | None:
        """The port it said it listens on."""
        words = self._said[-1].split() if self.is_ready else []
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else None

    def start(self, now_s: float | None = None) -> None:
        """Start it; `now_s` is the moment by the machine's steady clock."""
        self._ready, self._said = threading.Event(), []
        self._began = time.monotonic() if now_s is None else now_s
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            process_group=0,
        )
        self._reader = threading.Thread(
            target=_listen,
            args=(self._process.stdout, self._said, self._ready),
            name=f"listens to {self.name}",
            daemon=True,
        )
        self._reader.start()

    def tend(self, now_s: float) -> bool:
        """Start it again if it died and its wait is over; True if that was done."""
        if self._process is None or self.is_alive:
            return False
        if self._not_before == 0.0:
            grown_up = now_s - self._began >= GROWN_UP_S
            self._wait_s = FIRST_WAIT_S if grown_up else min(self._wait_s * 2, LONGEST_WAIT_S)
            self._not_before = now_s if grown_up else now_s + self._wait_s
            self._tell(
                f"{self.name} ended ({_ending(self._process.returncode)}); again in {self._not_before - now_s:.1f} s."
            )
        if now_s < self._not_before:
            return False
        self._end()
        self._not_before = 0.0
        self.restarts += 1
        self.start(now_s)
        return True

    def send(self, what: signal.Signals) -> None:
        if self._process is not None and self.is_alive:
            self._process.send_signal(what)

    def finish(self, limit_s: float) -> bool:
        """Wait for its end; False if it is still there after the limit."""
        if self._process is None:
            return True
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return False
        self._end()
        return True

    def wait_until_ready(self, until_s: float) -> bool:
        while not self._ready.wait(POLL_S):
            if not self.is_alive or time.monotonic() > until_s:
                return False
        return True

    def _end(self) -> None:
        if self._reader is not None:
            self._reader.join(KILL_LIMIT_S)
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None


class Crew:
    """All members of one installation on this machine. A context manager: leaving it stops them."""

    def __init__(
        self, settings: Settings, *, clock: str | None = None, log: Path | None = None, tell: Tell = say
    ) -> None:
        """`clock` is the file of a stepped clock; `log` takes the members' standard error instead of our own."""
        self._settings = settings
        self._clock = clock
        self._log_path = log
        self._log: IO[bytes] | None = None
        self._tell = tell
        self._members: dict[str, Member] = {}

    @property
    def pids(self) -> dict[str, int]:
        """The living members by name."""
        return {name: member.pid for name, member in self._members.items() if member.pid is not None}

    @property
    def intake_port(self) -> int | None:
        """Where the intake listens, once it is ready; the settings may leave the choice to it (port 0)."""
        return self._members[INTAKE].port if INTAKE in self._members else None

    @property
    def names(self) -> list[str]:
        return list(self._members)

    @property
    def restarts(self) -> int:
        return sum(member.restarts for member in self._members.values())

    def start(self, workers: int | None = None, *, intake: bool = True) -> None:
        """Start `workers` (default: as many as the settings say) and the intake's processes, and wait until all are ready.

        Raises `Transient` when one is not; the others are stopped again.
        """
        if self._members:
            raise Refused("The crew is at work already; nothing was started; stop it first.")
        if self._log_path is not None:
            self._log = self._log_path.open("ab")
        wanted = [INTAKE] if intake else []
        if intake and (self._settings.imap.host or self._settings.mailbox.maildir):
            wanted.append(MAILBOX)
        wanted += [
            f"{WORKER}-{number}"
            for number in range(1, (self._settings.work.workers if workers is None else workers) + 1)
        ]
        for name in wanted:
            role = _ROLES[name.partition("-")[0]]
            environment = process_environment(self._settings, role=role, clock=self._clock)
            self._members[name] = Member(name, environment, self._log, self._tell)
            self._members[name].start()
        self._require_ready(wanted)

    def restart(self, name: str) -> int:
        """Start a member that ended, at once, and wait until it is ready; returns its pid."""
        member = self._members[name]
        if not member.is_alive:
            member.finish(KILL_LIMIT_S)
            member.restarts += 1
            member.start()
        self._require_ready([name])
        return self.pids[name]

    def kill(self, name: str) -> None:
        """Kill a member with SIGKILL, as a crash would, and see it gone."""
        self._members[name].send(signal.SIGKILL)
        self._members[name].finish(KILL_LIMIT_S)

    def kill_and_restart(self, name: str) -> int:
        """SIGKILL, then start again; returns the new pid."""
        self.kill(name)
        return self.restart(name)

    def tend(self) -> int:
        """Start again whoever died and waited long enough; returns how many. Call it every now and then."""
        now_s = time.monotonic()
        return sum(member.tend(now_s) for member in self._members.values())

    def status(self) -> str:
        """One line for people."""
        ready = [name for name, member in self._members.items() if member.is_ready]
        workers = sum(name.startswith(WORKER) for name in ready)
        text = f"{workers} of {sum(name.startswith(WORKER) for name in self._members)} workers"
        if INTAKE in self._members:
            where = f"{self._settings.intake.host}:{self.intake_port or self._settings.intake.port}"
            text += f", intake {'on ' + where if INTAKE in ready else 'not ready'}"
        if MAILBOX in self._members:
            text += f", mailboxes {'fetched from' if MAILBOX in ready else 'not ready'}"
        return text + (f", {self.restarts} restarted" if self.restarts else "")

    def stop(self) -> None:
        """Ask all to finish and leave; whoever does not is killed. No process is left."""
        for member in self._members.values():
            member.send(signal.SIGTERM)
        until_s = time.monotonic() + STOP_LIMIT_S
        for member in self._members.values():
            if not member.finish(max(0.0, until_s - time.monotonic())):
                self._tell(f"{member.name} does not leave; it is killed. What it had in hand is looked after later.")
                member.send(signal.SIGKILL)
                member.finish(KILL_LIMIT_S)
        self._members.clear()
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _require_ready(self, names: Sequence[str]) -> None:
        until_s = time.monotonic() + READY_LIMIT_S
        for name in names:
            if not self._members[name].wait_until_ready(until_s):
                where = self._log_path or "above"
                self.stop()
                raise Transient(
                    f"The process {name} did not come up; all were stopped, nothing is lost; its words are {where}; "
                    "run `postmuster check`."
                )


def leave_with_parent() -> None:
    """Called by a member first of all: it gets SIGTERM when the process that started it is gone (Linux; prctl(2))."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it went in between
        os.kill(os.getpid(), signal.SIGTERM)


def _listen(stream: IO[bytes], said: list[str], ready: threading.Event) -> None:
    """Read what a member says until it closes its mouth; the pipe must never fill."""
    for line in stream:
        words = line.decode("ascii", "replace").strip()
        if words.partition(" ")[0] == READY and not ready.is_set():
            said.append(words)
            ready.set()


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
