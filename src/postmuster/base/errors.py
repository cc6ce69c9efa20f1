"""The root of all errors that people meet.

Each carries one sentence: what happened, what was kept, what to do. It never carries an address, a name, a subject or a
body, because sentences end in logs and on screens. Database errors become a `Transient` or a `Defect` that names the
SQLSTATE alone: the server's DETAIL repeats the row.
"""

from __future__ import annotations

from pathlib import Path


class PostmusterError(Exception):
    """What a person is told; `sentence` is the whole of it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Transient(PostmusterError):
    """The same act may succeed later; nothing was lost."""


class Permanent(PostmusterError):
    """The same act will not succeed however often it is tried."""


class Refused(PostmusterError):
    """A gate, a grant, a role or a rule said no."""


class Defect(PostmusterError):
    """Our own mistake: the process stops loudly and keeps what was committed."""


def place_of(error: BaseException) -> str:
    """Name an unforeseen error by its kind, file and line, without a word of what it says."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return type(error).__name__
    return f"{type(error).__name__} at {Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
