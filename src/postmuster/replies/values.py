"""What a digest loop found out about one mail, as it is recorded. Frozen values; no tables, no text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from postmuster.outbound.values import DeliveryOf
from postmuster.replies.states import AnswerState, CaseReason, MatchedBy


@dataclass(frozen=True, slots=True)
class FoundAnswer:
    """What a reply answers; `state` is where it goes if nothing newer of the same person stands."""

    type: str
    choice: str
    items: int
    confidence: float
    reasons: tuple[str, ...]
    state: AnswerState

    @property
    def stands(self) -> bool:
        return self.state in (AnswerState.COUNTED, AnswerState.NEEDS_CONFIRMATION)


@dataclass(frozen=True, slots=True)
class Finding:
    """One mail, understood. `delivery` is None for what nobody can be named for."""

    mail_no: int
    item_no: int
    accepted_at: datetime
    kind: str
    subkind: str
    delivery: DeliveryOf | None
    matched_by: MatchedBy
    reason: str
    grade: str
    language: str
    late: bool
    answer: FoundAnswer | None
    cases: tuple[CaseReason, ...]
    manager_in_copy: str = ""  # an `InCopy`; empty where it is not asked
