"""The life of a delivery, a batch and a letter."""

from __future__ import annotations

from enum import StrEnum


class DeliveryState(StrEnum):
    """What is known of one person's copy; never more than the evidence says."""

    PENDING = "pending"
    IN_DOUBT = "in_doubt"
    RELAYED = "relayed"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    WITHHELD = "withheld"


class LetterState(StrEnum):
    """A letter waits, is handed over, and is then relayed, failed or in doubt."""

    WAITING = "waiting"
    RELAYED = "relayed"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"


class BatchState(StrEnum):
    """A batch is open, claimed under a lease, and done when each of its rows has an outcome."""

    OPEN = "open"
    CLAIMED = "claimed"
    DONE = "done"


_S = DeliveryState
DELIVERY_ARROWS: dict[DeliveryState, frozenset[DeliveryState]] = {
    _S.PENDING: frozenset({_S.IN_DOUBT, _S.RELAYED, _S.DEFERRED, _S.FAILED, _S.WITHHELD}),
    _S.IN_DOUBT: frozenset({_S.RELAYED, _S.DELIVERED, _S.FAILED, _S.DEFERRED}),
    _S.RELAYED: frozenset({_S.DELIVERED, _S.DEFERRED, _S.FAILED}),
    _S.DEFERRED: frozenset({_S.RELAYED, _S.DELIVERED, _S.FAILED, _S.IN_DOUBT, _S.WITHHELD}),
    _S.FAILED: frozenset({_S.DELIVERED}),
    _S.DELIVERED: frozenset(),
    _S.WITHHELD: frozenset(),
}
LETTER_ARROWS: dict[LetterState, frozenset[LetterState]] = {
    LetterState.WAITING: frozenset({LetterState.RELAYED, LetterState.FAILED, LetterState.IN_DOUBT}),
    LetterState.RELAYED: frozenset({LetterState.FAILED}),
    LetterState.IN_DOUBT: frozenset({LetterState.FAILED}),
    LetterState.FAILED: frozenset(),
}
BATCH_ARROWS: dict[BatchState, frozenset[BatchState]] = {
    BatchState.OPEN: frozenset({BatchState.CLAIMED}),
    BatchState.CLAIMED: frozenset({BatchState.OPEN, BatchState.DONE}),
    BatchState.DONE: frozenset(),
}
