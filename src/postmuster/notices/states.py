"""The life of a notice and of a round of it."""

from __future__ import annotations

from enum import StrEnum


class NoticeState(StrEnum):
    """Draft until two officers approve one revision; released; settled when nobody is pending; released again by a round."""

    DRAFT = "draft"
    APPROVED = "approved"
    RELEASED = "released"
    SETTLED = "settled"


class RoundState(StrEnum):
    """A round's people are written down (expanding), written to (sending), then accounted for (settled)."""

    EXPANDING = "expanding"
    SENDING = "sending"
    SETTLED = "settled"


NOTICE_ARROWS: dict[NoticeState, frozenset[NoticeState]] = {
    NoticeState.DRAFT: frozenset({NoticeState.APPROVED}),
    NoticeState.APPROVED: frozenset({NoticeState.DRAFT, NoticeState.RELEASED}),
    NoticeState.RELEASED: frozenset({NoticeState.SETTLED}),
    NoticeState.SETTLED: frozenset({NoticeState.RELEASED}),
}
ROUND_ARROWS: dict[RoundState, frozenset[RoundState]] = {
    RoundState.EXPANDING: frozenset({RoundState.SENDING}),
    RoundState.SENDING: frozenset({RoundState.SETTLED}),
    RoundState.SETTLED: frozenset(),
}
