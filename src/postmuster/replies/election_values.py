"""What is handed about of an election. Frozen values; no table, no name, no address, no text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from postmuster.mail.token import DeliveryRef
from postmuster.replies.election_states import ElectionState


@dataclass(frozen=True, slots=True)
class NewElection:
    """An election as it begins. `reason` says why it is not eligible, or which grade its mail had."""

    answer_no: int
    ref: DeliveryRef
    person_no: int
    component_no: int
    choice: str
    grade: str
    state: ElectionState
    reason: str
    read_at: datetime
    code_until: datetime | None


@dataclass(frozen=True, slots=True)
class Election:
    """One election. Of its moments those are set that it has come to."""

    election_no: int
    answer_no: int
    ref: DeliveryRef
    person_no: int
    component_no: int
    choice: str
    grade: str
    state: ElectionState
    reason: str
    tries: int
    read_at: datetime
    since: datetime
    code_until: datetime | None
    confirmed_at: datetime | None
    review_until: datetime | None
    recorded_at: datetime | None
    withdraw_until: datetime | None
    reason_item: int | None  # the officer's reason, in the vault

    @property
    def pair(self) -> tuple[int, int]:
        return self.ref.notice_no, self.person_no

    def is_bound(self, at: datetime) -> bool:
        """Whether a mail accepted then can neither take it back nor replace it any more."""
        if self.state is ElectionState.EXPORTED:
            return True
        return self.state is ElectionState.RECORDED and (self.withdraw_until is None or at > self.withdraw_until)


@dataclass(frozen=True, slots=True)
class Move:
    """A step that was made: the election as it is now, and what it was before (None: it has just begun)."""

    election: Election
    before: ElectionState | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A mail with a code and nothing else in it, about one election; `holds` says whether it is that election's code."""

    election_no: int
    holds: bool
    accepted_at: datetime
    grade: str


@dataclass(frozen=True, slots=True)
class ElectionFigures:
    """How many elections stand where; `below_a` says how many wait for the page and why."""

    by_state: Mapping[str, int]
    below_a: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ExportAsk:
    """Somebody asked for an export: the first of two, or the one who made it two."""

    export_no: int
    manifest: bytes
    elections: tuple[Election, ...]
    is_second: bool
