"""What replies say of a round's health, and of whom nobody should write to any more. Counts and reasons; no person leaves.

`not_mine` suppresses nobody by itself: a reviewer confirms it by deciding the case with `CONFIRMED`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from postmuster.base import sql
from postmuster.outbound.values import RoundRef

CONFIRMED: Final = "not-ours"  # the decision of a case `not_mine` that says: not a person of this organisation
_SQL = sql.load("replies")


def unwelcome(of: RoundRef) -> tuple[int, int]:
    """How many people of a round complained, and how many said that the mail is not meant for them."""
    complaints, not_mine = sql.rows(_SQL["unwelcome"], of.key)[0]
    return int(complaints), int(not_mine)


def suppress_by_replies(*, until: datetime, now: datetime) -> list[str]:
    """Suppress whom complaints and confirmed cases up to `until` name; returns the reasons, one for each new suppression."""
    return [str(row[0]) for row in sql.rows(_SQL["suppress_by_replies"], {"until": until, "now": now})]
