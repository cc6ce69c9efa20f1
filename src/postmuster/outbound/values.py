"""What the room hands around: recipients, claimed batches, outcomes. Frozen values; no tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from postmuster.mail.address import AddrSpec
from postmuster.mail.submission import Outcome, OutcomeKind
from postmuster.outbound.states import DeliveryState


@dataclass(frozen=True, slots=True)
class RoundRef:
    """One round of one notice, with the roster version its audience was taken from."""

    notice_no: int
    round_no: int
    version: int

    @property
    def key(self) -> dict[str, int]:
        return {"notice_no": self.notice_no, "round_no": self.round_no, "version": self.version}


@dataclass(frozen=True, slots=True)
class Scope:
    """Which people of the roster a round addresses; everyone else is in the audience as withheld. None: whatever it is."""

    components: tuple[str, ...]
    subtree: bool
    classes: tuple[str, ...]
    languages: tuple[str, ...] | None = None
    statuses: tuple[str, ...] | None = None
    time_zones: tuple[str, ...] | None = None

    def columns(self) -> dict[str, Any]:
        """The parameters of `expand_page`."""
        return {
            "components": list(self.components), "subtree": self.subtree, "classes": list(self.classes),
            "languages": _listed(self.languages), "statuses": _listed(self.statuses), "time_zones": _listed(self.time_zones),
        }  # fmt: skip


def _listed(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)


@dataclass(frozen=True, slots=True)
class Cut:
    """How an audience is cut into batches: rows at most, apart by zone, and waves by cumulative shares in percent."""

    batch_rows: int
    by_zone: bool = False
    shares: tuple[float, ...] = ()

    def columns(self) -> dict[str, Any]:
        """The parameters of `expand_page`."""
        return {"batch_rows": self.batch_rows, "by_zone": self.by_zone, "shares": list(self.shares)}


@dataclass(frozen=True, slots=True)
class Opening:
    """What of a round may go out now: waves up to this one, and in which zones nobody is written to."""

    wave: int = 0
    quiet_zones: tuple[str, ...] = ()

    def columns(self) -> dict[str, Any]:
        """The parameters of the claims."""
        return {"open_wave": self.wave, "quiet_zones": list(self.quiet_zones)}


WIDE_OPEN: Final = Opening()


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person a copy is for."""

    seq: int
    person_no: int
    component_no: int
    address: AddrSpec = field(repr=False)
    name: str = field(repr=False)
    component: str
    time_zone: str
    language: str
    attempts: int = 0
    first_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClaimedBatch:
    """A run of an audience under this sender's lease."""

    batch_no: int
    component_no: int
    first_seq: int
    last_seq: int
    fence: int
    generation: int
    component: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """Copies of one batch that the relay took with one and the same answer: nearly all of a send."""

    component_no: int
    status: str
    reply_code: int | None
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one copy, as the delivery row keeps it."""

    seq: int
    component_no: int
    state: DeliveryState
    reason: str
    status: str
    reply_code: int | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What later mail proves about one delivery."""

    notice_no: int
    round_no: int
    seq: int
    state: DeliveryState
    reason: str
    status: str


@dataclass(frozen=True, slots=True)
class DeliveryOf:
    """Whom a delivery is for."""

    notice_no: int
    round_no: int
    seq: int
    person_no: int
    component_no: int


_REASONS = {
    "1.1": "unknown_user",
    "1.6": "moved",
    "2.2": "mailbox_full",
    "2.1": "disabled",
    "7.1": "policy",
    "3.4": "too_big",
}


def settlement(recipient: Recipient, outcome: Outcome) -> Settlement | None:
    """Put a relay's answer into the book's words; None when the copy was not executed and stays pending.

    Source: RFC 5321 §4.2.1 (codes), RFC 3463 (enhanced status).
    """
    status = outcome.enhanced_status or ""
    state, reason = {
        OutcomeKind.ACCEPTED: (DeliveryState.RELAYED, ""),
        OutcomeKind.REFUSED_PERMANENT: (DeliveryState.FAILED, _REASONS.get(status.partition(".")[2], "other")),
        OutcomeKind.REFUSED_TRANSIENT: (DeliveryState.DEFERRED, "relay put it off"),
        OutcomeKind.IN_DOUBT: (DeliveryState.IN_DOUBT, "connection lost"),
        OutcomeKind.NOT_EXECUTED: (DeliveryState.PENDING, ""),
    }[outcome.kind]
    if state is DeliveryState.PENDING:
        return None
    return Settlement(recipient.seq, recipient.component_no, state, reason, status[:11], outcome.reply_code)


def columns(settlements: Iterable[Settlement]) -> dict[str, Sequence[Any]]:
    """Turn settlements into the arrays of `record_outcomes`."""
    rows = list(settlements)
    return {
        "seqs": [row.seq for row in rows],
        "components": [row.component_no for row in rows],
        "states": [str(row.state) for row in rows],
        "reasons": [row.reason for row in rows],
        "statuses": [row.status for row in rows],
        "codes": [row.reply_code for row in rows],
    }
