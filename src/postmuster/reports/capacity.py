"""What was measured on this installation, for the estimate before a release.

Promises: reads only; every figure is None where too little was done here to say, so that the caller names its default.
Limits: rates come from business times; with a clock that is moved by hand no time passes between batches, and nothing is
measured. `taken_in` is what was taken at most, not what could have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from postmuster.base import sql
from postmuster.notices.terms import Audience
from postmuster.roster import queries as roster

ENTRIES: Final = 50_000  # newest entries of the ledger: the batches of some rounds
ENOUGH_COPIES: Final = 5_000
ENOUGH_S: Final = 5.0
ENOUGH_PEOPLE: Final = 20_000  # below it the tables' fixed sizes are most of what is measured
ENOUGH_MAILS: Final = 5_000
LOOK_BACK: Final = timedelta(days=30)
_SQL = sql.load("reports")


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of this installation; None: not enough was done here yet."""

    sent_per_s: float | None
    octets_a_delivery: int | None
    octets_a_mail: int | None
    taken_in_a_minute: int


def measured(now: datetime) -> Measured:
    """Read the figures."""
    copies, took_s = sql.rows(_SQL["sent"], {"entries": ENTRIES})[0]
    book, people, mail, mails = map(int, sql.rows(_SQL["sizes"])[0])
    return Measured(
        sent_per_s=float(copies) / took_s if copies >= ENOUGH_COPIES and took_s >= ENOUGH_S else None,
        octets_a_delivery=book // people if people >= ENOUGH_PEOPLE else None,
        octets_a_mail=mail // mails if mails >= ENOUGH_MAILS else None,
        taken_in_a_minute=int(sql.value(_SQL["taken_in"], {"since": now - LOOK_BACK})),
    )


def addressed_by_zone(audience: Audience, version: int) -> dict[str, int]:
    """How many people of a roster version an audience addresses, by time zone."""
    components, _ = roster.component_numbers(audience.components, subtree=audience.subtree)
    narrowed = dict(audience.attributes)
    values = {
        "version": version,
        "components": sorted(components),
        "classes": list(audience.classes),
        "languages": _listed(narrowed.get("language")),
        "statuses": _listed(narrowed.get("status")),
        "time_zones": _listed(narrowed.get("time_zone")),
    }
    return {str(zone): int(count) for zone, count in sql.rows(_SQL["addressed_by_zone"], values)}


def _listed(values: Sequence[str] | None) -> list[str] | None:
    return None if values is None else list(values)
