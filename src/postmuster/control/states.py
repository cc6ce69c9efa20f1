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


class StopState(StrEnum):
    """A stop's life: it stands until another row lifts it."""

    STANDING = "standing"
    LIFTED = "lifted"


ARROWS: dict[StopState, frozenset[StopState]] = {
    StopState.STANDING: frozenset({StopState.LIFTED}),
    StopState.LIFTED: frozenset(),
}
