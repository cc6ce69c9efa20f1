"""What every command that needs the database begins with: settings, clock, Django and the role's login."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from postmuster.base.clock import Clock, open_clock
from postmuster.base.errors import Refused
from postmuster.runtime import database
from postmuster.settings import Settings, clock_path, load


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a command."""

    settings: Settings
    clock: Clock

    @property
    def now(self) -> datetime:
        return self.clock.now()


def prepare_django(role: str = "application") -> None:
    """Make the rooms' tables usable in this process, under one role's login."""
    database.django_setup(role)


def open_session(role: str = "application") -> Session:
    """Read settings and clock, start the embedded server if it does not run; `Refused` when there is no settings file."""
    settings = load()
    database.wake(settings)
    database.django_setup(role, settings)
    return Session(settings, open_clock(clock_path()))


def say(text: str) -> None:
    """Print a line for people on standard output."""
    print(text)


def say_json(value: Mapping[str, Any] | list[Any]) -> None:
    """Print one JSON value on one line, as every `--json` does."""
    print(json.dumps(value, ensure_ascii=False, default=str))


def note(text: str) -> None:
    """Print a line beside the result, on standard error."""
    print(text, file=sys.stderr)


def read_file(path: Path, what: str, most_octets: int) -> bytes:
    """Read a small file that an officer named; `Refused` says why not."""
    try:
        with path.open("rb") as file:
            octets = file.read(most_octets + 1)
    except OSError as error:
        raise _unreadable(path, what, error.strerror or "it cannot be opened") from None
    if len(octets) > most_octets:
        raise _unreadable(path, what, f"it is larger than {most_octets} octets")
    return octets


def _unreadable(path: Path, what: str, why: str) -> Refused:
    return Refused(f"The {what} {path} could not be read ({why}); nothing was changed; give another file.")
