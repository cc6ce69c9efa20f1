"""The end of a round's time: after it nobody is written to for the first time.

What for: a restored database, an old scheduled round, a machine that was off for a week. Each would otherwise mail everybody
days late, as if nothing had happened. Whoever is still pending is withheld instead, with the reason `start_by`; a copy that
was handed over before goes on being tried until `relay.give_up_after_s`.

Promises: a person is withheld only when no sender has their batch, so that nobody is both withheld and written to; what
senders still have is withheld by the next call, once they gave it back or were rescued. The sum of states stays the audience
at every commit (P2). May be called again and by several processes at once.
Limits: a page is `PAGE_BATCHES` batches in one transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction

from postmuster.base import sql
from postmuster.base.ids import notice_id
from postmuster.ledger import actions as ledger
from postmuster.notices.queries import StoredRound
from postmuster.outbound.values import RoundRef

REASON: Final = "start_by"
PAGE_BATCHES: Final = 40  # 20,000 people of the usual batch
_SQL = sql.load("outbound")


def start_by_of(round_: StoredRound, within_hours: int) -> datetime:
    """The moment after which nobody of this round is written to for the first time; `within_hours` is the settings'."""
    return round_.revision.content.schedule.last_start(round_.released_at, within_hours)


def has_lapsed(round_: StoredRound, within_hours: int, now: datetime) -> bool:
    """Whether that moment has passed."""
    return now >= start_by_of(round_, within_hours)


def lapse(of: RoundRef, *, now: datetime) -> int:
    """Withhold everybody in open batches; returns how many people. Ledger: `round lapsed`, one a page."""
    people = 0
    while (page := _lapse_page(of, now)) is not None:
        people += page
    return people


def _lapse_page(of: RoundRef, now: datetime) -> int | None:
    with sql.guarded(), transaction.atomic():
        batches, people = sql.rows(_SQL["lapse_page"], of.key | {"limit": PAGE_BATCHES, "reason": REASON, "now": now})[
            0
        ]
        if not batches:
            return None
        facts = {"round": of.round_no, "batches": int(batches), "withheld": int(people)}
        ledger.append(kind="round lapsed", actor="worker", subject=notice_id(of.notice_no), facts=facts, now=now)
        return int(people)
