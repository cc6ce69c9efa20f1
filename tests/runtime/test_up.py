"""`up`: everything comes up, a second one is refused, SIGTERM ends all of it in order."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postmuster.base.errors import Refused
from postmuster.runtime.up import up
from postmuster.settings import Settings, process_environment, reference

if TYPE_CHECKING:
    from conftest import Database
    from postmuster.runtime.postgres import Server

PROGRAM = """
from postmuster.runtime.database import django_setup
django_setup("application")
from postmuster.runtime.up import up
from postmuster.settings import load
up(load())
"""


def test_it_starts_all_says_so_and_stops_on_sigterm_leaving_the_server_of_others_alone(
    database: Database, server: Server, settings: Settings
) -> None:
    settings.file.write_text(reference.file_text({"intake.port": 0, "work.workers": 1}), encoding="utf-8")
    environment = process_environment(settings, role="application")
    environment["DATABASE_URL"] = f"postgresql://postgres@/postgres?host={server.place.socket}"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line.strip())
            if line.startswith("1 of 1 workers, intake on 127.0.0.1:"):
                process.send_signal(signal.SIGTERM)
                break
        said += [line.strip() for line in process.stderr]
    assert process.returncode == 0, said
    assert said[0] == "Starting workers and intake …"
    assert said[-2:] == ["Stopping: what is in hand is finished first …", "Stopped."]
    assert server.is_running()


def test_a_second_one_for_the_same_folder_is_refused(settings: Settings) -> None:
    settings.data_dir.mkdir(parents=True)
    handle = os.open(Path(settings.data_dir, "up.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(Refused, match="Another `postmuster up` runs"):
            up(settings, tell=lambda _: None)
    finally:
        os.close(handle)
