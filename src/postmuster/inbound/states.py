"""The life of a mail taken in, until what it says is recorded."""

from __future__ import annotations

from enum import StrEnum


class MailState(StrEnum):
    """Committed and waiting; digested once its meaning is recorded; held when it cannot be read by machine."""

    WAITING = "waiting"
    DIGESTED = "digested"
    HELD = "held"


MAIL_ARROWS: dict[MailState, frozenset[MailState]] = {
    MailState.WAITING: frozenset({MailState.DIGESTED, MailState.HELD}),
    MailState.DIGESTED: frozenset(),
    MailState.HELD: frozenset(),
}
