"""Seeing, while a dialog with a relay goes on, that what may happen has changed.

For whom: senders, which compare the generation before each window and would see a stop only then. A watch asks beside them,
over a database connection of its own, and calls back once when the generation is another than the one they work under.

Promises. A change is seen within 0.2 s of its commit: NOTIFY hastens, the question asked every 0.15 s decides. Whoever cannot
ask for a second is told as if something had changed: a database that is away, hangs or was restarted cannot say that all is
well. It goes on asking all the same, so that the threads end when the block does. The callback runs on a thread of the
watch's, once at most, and never after the block has ended.

Limits: a thread that hangs in a connection that nobody answers is left behind for at most `HANGING_S` seconds.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.db import Error as DatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from postmuster.control.actions import CHANNEL

POLL_S: Final = 0.15
SILENCE_S: Final = 1.0  # without an answer for so long, nobody may assume that nothing changed
LOOK_S: Final = 0.05
RETRY_S: Final = 0.1
HANGING_S: Final = 2  # connecting, and octets that nobody acknowledges (tcp_user_timeout, in ms there)


class StopWatch:
    """A context manager: watches from entering the block to leaving it."""

    def __init__(self, generation_of: int, on_change: Callable[[], None]) -> None:
        self._generation = generation_of
        self._on_change = on_change
        self._leave = threading.Event()
        self._changed = threading.Event()
        self._calling = threading.Lock()
        self._answered_s = time.monotonic()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for work, name in ((self._ask, "asks for stops"), (self._mind, "minds who asks for stops"))
        ]

    @property
    def has_changed(self) -> bool:
        """Whether the callback was called, or is about to be."""
        return self._changed.is_set()

    def __enter__(self) -> StopWatch:
        self._answered_s = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        with self._calling:  # a callback that has begun is waited for; none begins after this
            pass
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(HANGING_S)

    def _call(self) -> None:
        with self._calling:
            if not self._changed.is_set() and not self._leave.is_set():
                self._changed.set()
                self._on_change()

    def _mind(self) -> None:
        while not self._leave.wait(LOOK_S) and not self._changed.is_set():
            if time.monotonic() - self._answered_s > SILENCE_S:
                self._call()

    def _ask(self) -> None:
        """Ask until told to leave; a connection that breaks is opened anew."""
        while not self._leave.is_set() and not self._changed.is_set():
            connection = _own_connection()
            try:
                self._ask_over(connection)
            except DatabaseError:
                self._leave.wait(RETRY_S)
            finally:
                with contextlib.suppress(DatabaseError):
                    connection.close()

    def _ask_over(self, connection: BaseDatabaseWrapper) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
            while not self._leave.is_set():
                cursor.execute("SELECT number FROM control_generation")
                (number,) = cursor.fetchone()
                self._answered_s = time.monotonic()
                if number != self._generation:
                    self._call()
                    return
                with connection.wrap_database_errors:
                    for _ in connection.connection.notifies(timeout=POLL_S, stop_after=1):
                        pass


def _own_connection() -> BaseDatabaseWrapper:
    """A connection under the process's login that no other thread knows, and that does not hang for long."""
    connection = connections.create_connection("default")
    given: Mapping[str, Any] = connection.settings_dict
    options = given.get("OPTIONS", {}) | {"connect_timeout": HANGING_S, "tcp_user_timeout": HANGING_S * 1000}
    connection.settings_dict = {**given, "OPTIONS": options}
    return connection
