"""Whom a further round does not write to: the part of it that the book, the roster and the stops know.

`replies` adds those who answered. All statements write to `outbound_spared`, which `expand_page` joins; a person who is
spared is in the audience as withheld, with the reason, so that the books balance (P2). Nothing here returns a person (P6).
"""

from __future__ import annotations

from typing import Final

from postmuster.base import sql
from postmuster.outbound import lapsed
from postmuster.outbound.values import RoundRef

# Reasons of a withheld delivery that each round finds out for itself: the roster's, and those of sparing.
ROSTER_REASONS: Final = (
    "separated",
    "no_mail_access",
    "component",
    "employment_class",
    "language",
    "status",
    "time_zone",
)
SPARED_REASONS: Final = ("answered", "with_person", "proven", "replied", "unknown_user", "paused")
SUPPRESSED: Final = "suppressed"  # found out for every round, the first included
_SQL = sql.load("outbound")


def forget(of: RoundRef) -> None:
    """Remove what earlier rounds of the notice wrote."""
    sql.execute(_SQL["forget_spared"], of.key)


def spare_proven(of: RoundRef) -> int:
    """Spare those whom an earlier round is proven to have reached; returns how many are new."""
    return sql.execute(_SQL["spare_proven"], of.key)


def spare_whom_it_cannot_help(of: RoundRef) -> int:
    """Spare unknown mailboxes, the excused and the paused; returns how many are new."""
    found_anew = [*ROSTER_REASONS, *SPARED_REASONS, SUPPRESSED, lapsed.REASON]
    return (
        sql.execute(_SQL["spare_unknown"], of.key)
        + sql.execute(_SQL["spare_excused"], of.key | {"found_anew": found_anew})
        + sql.execute(_SQL["spare_paused"], of.key)
    )
