"""The crew: started, killed, started again, stopped; nothing is left behind."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postmuster.base.clock import SteppedClock
from postmuster.base.errors import Refused, Transient
from postmuster.runtime import processes
from postmuster.runtime.processes import Crew
from postmuster.settings import Settings, load, process_environment, reference

if TYPE_CHECKING:
    from conftest import Database

WAIT_S = 20.0


@pytest.fixture
def free_port(settings: Settings) -> Settings:
    settings.file.write_text(reference.file_text({"intake.port": 0}), encoding="utf-8")
    return load(settings.file)


@pytest.fixture
def crew(database: Database, free_port: Settings, clock: SteppedClock, tmp_path: Path) -> Iterator[Crew]:
    made = Crew(free_port, clock=str(tmp_path / "clock"), log=tmp_path / "crew.log", tell=lambda _: None)
    yield made
    made.stop()
    assert "Traceback" not in (tmp_path / "crew.log").read_text(errors="replace")


def _is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()


def test_all_come_up_say_they_are_ready_and_leave_when_told(crew: Crew) -> None:
    crew.start(1)
    pids = crew.pids
    assert set(pids) == {"worker-1", "intake"}
    assert crew.intake_port
    assert crew.status() == f"1 of 1 workers, intake on 127.0.0.1:{crew.intake_port}"
    with socket.create_connection(("127.0.0.1", crew.intake_port), timeout=WAIT_S) as door:
        assert door.recv(4) == b"220 "
    with pytest.raises(Refused, match="at work already"):
        crew.start(1)
    crew.stop()
    assert crew.pids == {}
    assert all(_is_gone(pid) for pid in pids.values())


def test_one_that_is_killed_is_started_again(crew: Crew) -> None:
    crew.start(1, intake=False)
    first = crew.pids["worker-1"]
    second = crew.kill_and_restart("worker-1")
    assert second != first
    assert _is_gone(first)
    os.kill(second, signal.SIGKILL)
    until = time.monotonic() + WAIT_S
    while not crew.tend() and time.monotonic() < until:
        pass
    assert crew.pids["worker-1"] not in (first, second)
    assert crew.restarts == 2
    assert "2 restarted" in crew.status()


class _Mortal(processes.Member):
    """A member that is a few lines of Python."""

    def __init__(self, program: str, told: list[str]) -> None:
        super().__init__("worker-1", dict(os.environ), None, told.append)
        self._command = [sys.executable, "-c", program]


def _wait_for_end(member: processes.Member) -> None:
    until = time.monotonic() + WAIT_S
    while member.is_alive and time.monotonic() < until:
        pass
    assert not member.is_alive


def test_one_that_dies_young_waits_twice_as_long_each_time() -> None:
    told: list[str] = []
    member = _Mortal("raise SystemExit(3)", told)
    now_s = 1_000_000.0
    member.start(now_s)
    waits = []
    for _ in range(8):
        _wait_for_end(member)
        assert not member.tend(now_s)
        waits.append(float(told[-1].split()[-2]))
        assert not member.tend(now_s + waits[-1] - 0.01)
        now_s += waits[-1]
        assert member.tend(now_s)
    _wait_for_end(member)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert told[0] == "worker-1 ended (exit 3); again in 1.0 s."
    assert member.tend(now_s + processes.GROWN_UP_S)
    assert told[-1] == "worker-1 ended (exit 3); again in 0.0 s."
    assert member.finish(WAIT_S)


def test_a_member_that_talks_does_not_fill_its_pipe() -> None:
    member = _Mortal("print('ready 2525', flush=True)\nfor _ in range(100_000): print('x' * 80)", [])
    member.start()
    assert member.finish(WAIT_S)


def test_one_that_never_is_ready_brings_the_others_down(
    free_port: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_port.logins_file.unlink(missing_ok=True)
    crew = Crew(
        dataclasses.replace(free_port, file=tmp_path / "none.toml"), log=tmp_path / "crew.log", tell=lambda _: None
    )
    with pytest.raises(Transient, match=r"did not come up.*crew\.log"):
        crew.start(1, intake=False)
    assert crew.pids == {}
    assert "There is no settings file" in (tmp_path / "crew.log").read_text()


def test_a_process_is_told_its_settings_role_and_clock_and_no_clock_of_ours(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTMUSTER_CLOCK", "/somewhere")
    given = process_environment(settings, role="intake")
    assert (given["POSTMUSTER_SETTINGS"], given["POSTMUSTER_ROLE"]) == (str(settings.file), "intake")
    assert "POSTMUSTER_CLOCK" not in given
    assert process_environment(settings, role="intake", clock="/here")["POSTMUSTER_CLOCK"] == "/here"


PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", '''
import time
from postmuster.runtime.processes import leave_with_parent
leave_with_parent()
print("ready", flush=True)
time.sleep(60)
'''], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
import time
time.sleep(60)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl(2) is Linux's")
def test_members_leave_when_the_process_that_started_them_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not _is_gone(child)
        parent.kill()
        parent.wait(WAIT_S)
    until = time.monotonic() + WAIT_S
    while not _is_gone(child) and time.monotonic() < until:
        pass
    assert _is_gone(child)
