"""Showing how far a rehearsal is: a bar on a terminal, a line every two seconds elsewhere. Goes to standard error."""

from __future__ import annotations

import sys
import time
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

LINE_EVERY_S: Final = 2.0


class Shown:
    """What is shown while a rehearsal runs."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._what = ""
        self._last_s = 0.0

    def tell(self, sentence: str) -> None:
        """Begin something new."""
        self.end()
        self._console.print(sentence, highlight=False)

    def aside(self, sentence: str) -> None:
        """Say something while a bar is shown."""
        (self._bar.console if self._bar else self._console).print(sentence, highlight=False)

    def watch(self, what: str, done: int, total: int) -> None:
        """Show how far `what` is."""
        if self._console.is_terminal:
            self._show_bar(what, done, total)
        elif what != self._what or time.monotonic() - self._last_s >= LINE_EVERY_S:
            self._what, self._last_s = what, time.monotonic()
            print(f"  {what}: {done} of {total}", file=sys.stderr, flush=True)

    def _show_bar(self, what: str, done: int, total: int) -> None:
        if what != self._what or self._bar is None or self._task is None:
            self.end()
            columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, console=self._console)
            self._task = self._bar.add_task(what, total=total or None)
            self._bar.start()
            self._what = what
        self._bar.update(self._task, completed=done, total=total or None)

    def end(self) -> None:
        """Close the bar that is shown."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
