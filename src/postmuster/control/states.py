"""Words of stops: what is stopped, and why."""

from __future__ import annotations

from enum import StrEnum


class Lane(StrEnum):
    """What a stop stops."""

    BULK = "bulk"
    LETTERS = "letters"
    INTAKE = "intake"


class Cause(StrEnum):
    """Who may lift it depends on it."""

    PAUSE = "pause"
    STOP = "stop"
    HOLD = "hold"
    ORDER = "order"


class HoldKind(StrEnum):
    """What set an automatic hold. Others than these are named by whoever sets them."""

    RESTORED = "restored"  # the database is not the one that was confirmed (P13)


class StopState(StrEnum):
    """A stop's life: it stands until another row lifts it."""

    STANDING = "standing"
    LIFTED = "lifted"


ARROWS: dict[StopState, frozenset[StopState]] = {
    StopState.STANDING: frozenset({StopState.LIFTED}),
    StopState.LIFTED: frozenset(),
}
