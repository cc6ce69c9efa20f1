"""The processes of `bench chaos` and `chaos-read`, and how each is struck and mended: real workers, a real server, a relay.

Promises. Whatever is killed is killed with SIGKILL, from outside, as a crash would; what comes back comes back as under
`postmuster up` or by an operator's hand: workers and intake by the crew, the database by `Server.start` with its recovery,
the relay on its port with the journal it had. Leaving the block thaws what is frozen and leaves no process behind.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from django.db import connections

from postmuster.base.errors import Transient
from postmuster.bench.chaos_plan import Blow, Trouble
from postmuster.bench.children import Child
from postmuster.bench.house import House
from postmuster.runtime import database
from postmuster.runtime.place import Tell
from postmuster.runtime.processes import FIRST_WAIT_S, INTAKE, Crew

T = TypeVar("T")
LATEST_REVIVAL_S: Final = 2.0  # a dead worker is started again by then even if more troubles are to come
GONE_LIMIT_S: Final = 15.0
LOOK_S: Final = 0.002
STRIKE_LIMIT_S: Final = 3.0  # a moment that does not come by then is now


class Sink:
    """The relay: one port for all runs, a journal for each; may be killed, started again, and told to behave badly."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._child: Child | None = None
        self._journal = Path()
        self._manners: dict[Trouble, str] = {}
        self._counted = 0
        self._read_octets = 0

    def begin(self, journal: Path) -> None:
        """Start for a run."""
        self.close()
        self._journal, self._counted, self._read_octets = journal, 0, 0
        self._manners.clear()
        self.start()

    def start(self) -> None:
        if self._child is None:
            options = " ".join(self._manners.values()).split()
            self._child = Child("sink", "--port", str(self._port), "--journal", str(self._journal), *options)

    def kill(self) -> None:
        if self._child is not None:
            os.kill(self._child.pid, signal.SIGKILL)
            self.close()

    def behave(self, trouble: Trouble, options: str) -> None:
        """Have these options for one trouble; none mends it."""
        self._manners[trouble] = options
        if self._child is not None:
            self._child.ask(" ".join(["manners", *filter(None, self._manners.values())]))

    def messages(self) -> int:
        """How many lines the journal has; reads what is new only."""
        with suppress(FileNotFoundError), self._journal.open("rb") as file:
            file.seek(self._read_octets)
            new = file.read()
            self._read_octets += len(new)
            self._counted += new.count(b"\n")
        return self._counted

    def close(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


class Stage:
    """Crew, database and relay of all runs."""

    def __init__(self, house: House, sink: Sink, crew: Crew, *, with_intake: bool) -> None:
        self.house = house
        self._with_intake = with_intake
        self.sink = sink
        self._crew = crew
        self._server = database.server_of(house.settings, tell=_silent)
        self._is_up = True
        self._frozen: dict[Blow, int] = {}
        self._died_s: dict[str, float] = {}

    @property
    def restarts(self) -> int:
        return self._crew.restarts

    @property
    def intake_port(self) -> int:
        return self._crew.intake_port or self.house.settings.intake.port

    # ---- striking and mending

    def strike(self, blow: Blow) -> None:
        """Do it, now."""
        pid = self._crew.pids.get(f"worker-{blow.worker}")
        if blow.trouble is Trouble.KILL_WORKER and pid:
            os.kill(pid, signal.SIGKILL)
        elif blow.trouble is Trouble.KILL_INTAKE and INTAKE in self._crew.pids:
            os.kill(self._crew.pids[INTAKE], signal.SIGKILL)
        elif blow.trouble is Trouble.FREEZE and pid:
            os.kill(pid, signal.SIGSTOP)
            self._frozen[blow] = pid
        elif blow.trouble is Trouble.KILL_RELAY:
            self.sink.kill()
        elif blow.trouble is Trouble.KILL_DATABASE:
            self._end_database(signal.SIGKILL)
        elif blow.trouble is Trouble.RESTART_DATABASE:
            self._end_database(signal.SIGQUIT)  # what `pg_ctl restart -m immediate` sends
        elif blow.trouble is Trouble.CUT:
            self.sink.behave(blow.trouble, f"--cut {blow.amount}")
        elif blow.trouble is Trouble.BUSY:
            self.sink.behave(blow.trouble, f"--busy {blow.amount}")

    def mend(self, blow: Blow) -> None:
        """Undo it."""
        if blow.trouble is Trouble.FREEZE:
            self._thaw(self._frozen.pop(blow, 0))
        elif blow.trouble is Trouble.KILL_RELAY:
            self.sink.start()
        elif blow.trouble in {Trouble.KILL_DATABASE, Trouble.RESTART_DATABASE}:
            self._server.start()
            self._is_up = True
        elif blow.trouble in {Trouble.CUT, Trouble.BUSY}:
            self.sink.behave(blow.trouble, "")

    def revive(self, *, more_to_come: bool) -> None:
        """Have the crew start again who died, after its usual wait; only while there is a database to come up with.

        The crew's longer waits, for who dies again and again, are passed over: a run stands for days of quiet.
        """
        now_s = time.monotonic()
        for name in self._crew.names:
            if name in self._crew.pids:
                self._died_s.pop(name, None)
                continue
            since_s = now_s - self._died_s.setdefault(name, now_s)
            if self._is_up and since_s >= (LATEST_REVIVAL_S if more_to_come else FIRST_WAIT_S):
                self._crew.restart(name)

    def recover(self) -> None:
        """After a run that failed: everything runs again, whatever state it was left in."""
        for blow in list(self._frozen):
            self.mend(blow)
        self._server.start()
        self._is_up = True
        connections.close_all()
        if not self._crew.names:
            self._crew.start(intake=self._with_intake)
        self.revive(more_to_come=False)

    def _end_database(self, what: signal.Signals) -> None:
        file = self._server.place.data / "postmaster.pid"
        self._is_up = False
        pid = int(file.read_text(encoding="ascii").split()[0])
        os.kill(pid, what)
        until_s = time.monotonic() + GONE_LIMIT_S
        while _works(pid) and time.monotonic() < until_s:
            time.sleep(LOOK_S)

    def _thaw(self, pid: int) -> None:
        if pid and pid in self._crew.pids.values():
            os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        for pid in self._frozen.values():
            self._thaw(pid)
        self._frozen.clear()


class Blows:
    """The blows of one run: struck when their moment has come, mended when their time is over."""

    def __init__(self, stage: Stage, blows: Sequence[Blow]) -> None:
        self._stage = stage
        self._began_s = time.monotonic()
        self._to_come = list(blows)
        self._due_s: dict[Blow, float] = {}  # reached, and about to strike
        self._standing: dict[Blow, float] = {}  # struck, and when it is mended
        self.calm_since_s = self._began_s

    @property
    def are_over(self) -> bool:
        return not (self._to_come or self._due_s or self._standing)

    def strike_and_mend(self, messages: Callable[[], int]) -> None:
        """Do what is due; `messages` tells how many have gone through."""
        if self.are_over:
            return
        now_s, count = time.monotonic(), messages()
        for blow in list(self._to_come):
            if count >= blow.after_messages or now_s - self._began_s > STRIKE_LIMIT_S:
                self._to_come.remove(blow)
                self._due_s[blow] = now_s + blow.delay_s
        for blow in [one for one, due_s in self._due_s.items() if due_s <= now_s]:
            del self._due_s[blow]
            self._stage.strike(blow)
            self._standing[blow] = time.monotonic() + blow.lasts_s
        for blow in [one for one, until_s in self._standing.items() if until_s <= time.monotonic()]:
            self._stage.mend(blow)
            del self._standing[blow]
            self.calm_since_s = time.monotonic()
        self._stage.revive(more_to_come=not self.are_over)


@contextmanager
def open_stage(house: House, tell: Tell, *, with_intake: bool = False) -> Iterator[Stage]:
    """Start the crew and take the house's relay's place. With intake, its port has to stand in the settings."""
    port = int(house.sink.said)
    house.sink.close()
    sink = Sink(port)
    try:
        sink.begin(house.folder / "first.journal")
        with house.crew(tell) as crew:
            stage = Stage(house, sink, crew, with_intake=with_intake)
            crew.start(intake=with_intake)
            try:
                yield stage
            finally:
                stage.close()
    finally:
        sink.close()


def patiently(ask: Callable[[], T], otherwise: T) -> T:
    """Ask the database; `otherwise` while it is away. The connection that broke is thrown away."""
    try:
        return ask()
    except Transient:
        connections["default"].close()
        return otherwise


def _works(pid: int) -> bool:
    """Whether a process does anything: one that is dead and not yet waited for has no working folder."""
    try:
        return bool(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return False


def _silent(_sentence: str) -> None:
    """That a killed server is waited for is what is played here."""
