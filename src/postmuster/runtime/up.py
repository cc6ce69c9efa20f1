"""`postmuster up`: database, workers and intake on this machine, until somebody says stop.

SIGTERM and Ctrl-C end it in order: members finish what they have in hand, then the embedded database stops if it was
started here. Only one `up` a data folder runs at a time.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django.db import connections

from postmuster.base.clock import open_clock
from postmuster.base.errors import Refused, Transient
from postmuster.runtime import database, identity
from postmuster.runtime.place import Tell
from postmuster.runtime.postgres import say
from postmuster.runtime.processes import Crew
from postmuster.settings import Settings, clock_path, database_url

TEND_EVERY_S = 0.25
VERIFY_EVERY_S = 60.0  # how old the mark in the key folder may be that a database must not be behind of (P13)
STATUS_EVERY_S = 60.0  # where it is not a terminal; on a terminal the line is written anew each second


def up(settings: Settings, *, tell: Tell = say) -> None:
    """Start everything and stay. Raises `Refused` where another `up` runs, `Transient` where something does not start."""
    with _alone(settings), _asked_to_stop() as asked:
        was_running = database_url() is not None or database.server_of(settings).is_running()
        try:
            database.prepare(settings, tell=tell)
            _verify(settings, tell)
            with Crew(settings, clock=clock_path(), tell=tell) as crew:
                tell("Starting workers and intake …")
                crew.start()
                _stay(settings, crew, asked, tell)
                tell("Stopping: what is in hand is finished first …")
        finally:
            if not was_running:
                database.stop(settings, tell=tell)
    tell("Stopped.")


def _stay(settings: Settings, crew: Crew, asked: threading.Event, tell: Tell) -> None:
    line = _StatusLine(tell)
    verified_s = time.monotonic()
    while not asked.wait(TEND_EVERY_S):
        crew.tend()
        line.show(crew.status())
        if time.monotonic() - verified_s >= VERIFY_EVERY_S:
            verified_s = time.monotonic()
            _verify_again(settings, tell)
    line.end()
    _verify_again(settings, tell)


def _verify(settings: Settings, tell: Tell) -> None:
    """See that the database is the one that was confirmed, and move the mark in the key folder."""
    identity.verify_aloud(settings, actor="up", now=open_clock(clock_path()).now(), tell=tell)


def _verify_again(settings: Settings, tell: Tell) -> None:
    """The same while everything runs: a database that is away for a moment is asked the next time."""
    try:
        _verify(settings, tell)
    except Transient:
        connections["default"].close()


class _StatusLine:
    """One line on a terminal, written over; elsewhere a line when it changes and once in a while."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._began = time.monotonic()
        self._last = ""
        self._shown_s = 0.0
        self._over = sys.stderr.isatty() and tell is say

    def show(self, text: str) -> None:
        now_s = time.monotonic()
        wait_s = 1.0 if self._over else STATUS_EVERY_S
        if text == self._last and now_s - self._shown_s < wait_s:
            return
        self._last, self._shown_s = text, now_s
        whole = f"{text}, up {_span(now_s - self._began)}. Ctrl-C stops."
        if self._over:
            sys.stderr.write(f"\r\033[K{whole}")
            sys.stderr.flush()
        else:
            self._tell(whole)

    def end(self) -> None:
        if self._over:
            sys.stderr.write("\n")


def _span(seconds: float) -> str:
    minutes, _ = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    asked = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    before = {one: signal.signal(one, stop) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(settings.data_dir / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(handle, settings)
        yield
    finally:
        os.close(handle)


def _take(handle: int, settings: Settings) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused(
            f"Another `postmuster up` runs for {settings.data_dir}; nothing was started; stop that one first."
        ) from None
