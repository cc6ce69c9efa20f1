"""What a send loop has in hand: claimed batches, parts of a window on their way, and why it ended. Values of `jobs.sending`."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum

from postmuster.mail.submission import Outcome
from postmuster.outbound.values import ClaimedBatch, Recipient, Settlement


class End(Enum):
    """Why a loop ended."""

    NOTHING_LEFT = "nothing left"
    CHANGED = "what may happen has changed: look again"
    NO_RELAY = "the relay takes nothing now"
    NO_ROOM = "the relay holds as much as it may"
    OVERTAKEN = "something more urgent waits"
    LEAVING = "the process was asked to go"


@dataclass(slots=True)
class Errand:
    """One claimed batch: who still waits, what was settled, how many are on their way."""

    batch: ClaimedBatch
    waiting: deque[Recipient]
    settled: list[Settlement] = field(default_factory=list)
    flying: int = 0
    unwritten: int = 0  # answers that were read and are not in the book yet
    unexecuted: list[int] = field(default_factory=list)  # the relay certainly did not take these
    is_in_hand: bool = False  # people were taken from it and are not on their way yet

    @property
    def is_hindered(self) -> bool:
        """It cannot be finished now: something of it did not get to the relay."""
        return self.is_in_hand or bool(self.unexecuted)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a window on its way."""

    errand: Errand
    people: Sequence[Recipient]
    answers: Future[dict[int, Outcome]]
    unanswered: int  # with what was on its way before
    began_s: float
    # When the last answer came: the sender may be composing just then.
    ended_s: list[float] = field(default_factory=list)


def manifest(settled: Sequence[Settlement]) -> str:
    """The hash under which the ledger keeps a batch's outcomes."""
    lines = "\n".join([f"{one.seq} {one.state} {one.status}" for one in settled])
    return hashlib.sha256(lines.encode()).hexdigest()
