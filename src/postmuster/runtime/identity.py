"""Asking, from where the place is known, whether the database is the one that was confirmed (P13).

For whom: `init`, `up`, each worker as it starts, `check`, and `postmuster confirm-database`. What is compared, and what a
difference does, is `control.identity`'s.
"""

from __future__ import annotations

from datetime import datetime

from postmuster.runtime.database import ready_models, server_of
from postmuster.runtime.place import Tell
from postmuster.settings import Settings, database_url

ready_models()

from postmuster.control import identity  # noqa: E402 - models exist only now
from postmuster.control.identity import Confirmed, Whereabouts  # noqa: E402


def whereabouts(settings: Settings) -> Whereabouts:
    """Where the database is: the embedded server's data folder; another's server says its own address."""
    place = "" if database_url() else str(server_of(settings).place.data)
    return Whereabouts(place, settings.key_dir)


def verify(settings: Settings, *, actor: str, now: datetime) -> tuple[str, ...]:
    """Compare; where something differs sending is held, and what differs is returned."""
    return identity.verify(whereabouts(settings), actor=actor, now=now)


def verify_aloud(settings: Settings, *, actor: str, now: datetime, tell: Tell) -> None:
    """Compare, and tell whoever starts things when sending is held."""
    found = verify(settings, actor=actor, now=now)
    if found:
        tell(told(found))


def told(found: tuple[str, ...]) -> str:
    """What an operator is told about what `verify` returned."""
    return identity.sentence(found)


def confirm(settings: Settings, *, reason: str, actor: str, now: datetime) -> Confirmed:
    """Say that this database is the one; then move the mark in the key folder to where it stands."""
    done = identity.confirm(whereabouts(settings), reason=reason, actor=actor, now=now)
    verify(settings, actor=actor, now=now)
    return done
