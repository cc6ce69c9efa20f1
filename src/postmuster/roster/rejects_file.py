"""The rejects file: line, column, reason, sentence for each line of a feed that was left out.

Promises. It takes its place only when it is whole, and only where nothing or an older rejects file stood: a path given
by mistake costs nobody a file. A load without rejects leaves none, and takes an older one away, which would mislead. It
says nothing of what stood in a line. Limits: `MAX_REJECTS_WRITTEN`; the count goes on behind it and ends the file.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from types import TracebackType
from typing import Final

from postmuster.base.errors import Refused
from postmuster.roster.rejects import Reject

HEADER: Final = ("line", "column", "reason", "sentence")
MAX_REJECTS_WRITTEN: Final = 100_000  # ours: more lines than anybody mends by hand; 12 MB


class RejectsFile:
    """A context manager; `add` rejects in it. Raises `Refused` on entering where the path cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = path.with_name(f".{path.name}.{os.getpid()}")
        self.count = 0

    def __enter__(self) -> RejectsFile:
        try:
            if self._path.exists() and not self._is_ours():
                raise Refused(
                    f"{self._path} is there and is no rejects file; nothing was loaded; name another with --rejects."
                )
            self._file = self._aside.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise self._refused(error) from None
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(HEADER)
        return self

    def add(self, reject: Reject) -> None:
        self.count += 1
        if self.count <= MAX_REJECTS_WRITTEN:
            try:
                self._rows.writerow((reject.line_no, reject.column, reject.reason, reject.sentence))
            except OSError as error:
                raise self._refused(error) from None

    def add_uncounted(self, number: int) -> None:
        """Count rejects that are not written, because the file is full."""
        self.count += number

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def room(self) -> int:
        return max(0, MAX_REJECTS_WRITTEN - self.count)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.count > MAX_REJECTS_WRITTEN:
                more = self.count - MAX_REJECTS_WRITTEN
                self._rows.writerow(("", "", "more", f"{more} more lines were left out; they are not listed here."))
            self._file.close()
            if self.count:
                self._aside.replace(self._path)
            else:
                self._aside.unlink()
                self._path.unlink(missing_ok=True)
        except OSError as failure:
            self._aside.unlink(missing_ok=True)
            if error is None:
                raise self._refused(failure) from None

    def _refused(self, error: OSError) -> Refused:
        return Refused(
            f"The rejects file {self._path} cannot be written ({error.strerror}); nothing was loaded; "
            "make room, or name another with --rejects."
        )

    def _is_ours(self) -> bool:
        with self._path.open("rb") as file:
            return file.readline(200).rstrip(b"\r\n") == ",".join(HEADER).encode()
