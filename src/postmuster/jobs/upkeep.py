"""Upkeep: what happens by the clock. Once a second it looks at what is due and defers it again.

Nothing depends on a job surviving: rounds, batches, retries, letters and mail are rows, and whatever is due is deferred again
here under a lock of its own name, so that it runs once at a time on any number of machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from postmuster.inbound import queries as inbound
from postmuster.jobs import election, ramp
from postmuster.jobs.desk import Desk
from postmuster.jobs.notice import is_overtaken, opening_of, ref_of, settle
from postmuster.ledger import actions as ledger
from postmuster.notices import queries as notices
from postmuster.notices.states import RoundState
from postmuster.outbound import actions as outbound
from postmuster.outbound import queries as book
from postmuster.outbound.lapsed import has_lapsed, lapse

NUMBER_ROUNDS: Final = 20  # thousands of ledger entries numbered at most in one look


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done now."""

    expand: tuple[tuple[int, int], ...]
    send: tuple[tuple[int, int], ...]
    letters: bool
    digest: bool

    @property
    def nothing(self) -> bool:
        return not (self.expand or self.send or self.letters or self.digest)


def look_around(*, desk: Desk) -> Due:
    """Rescue what dead workers left, number the ledger, fold counters, settle what is finished, see to elections whose term is
    over; say what is due."""
    now = desk.now
    outbound.rescue(now)
    outbound.fold_counters()
    ramp.watch_rounds(desk=desk)
    election.by_the_clock(desk=desk)
    for _ in range(NUMBER_ROUNDS):
        if not ledger.number():
            break
    expand, send = [], []
    for round_ in notices.open_rounds():
        key, of = (round_.notice_no, round_.number), ref_of(round_)
        if round_.state is RoundState.EXPANDING:
            expand.append(key)
            continue
        if has_lapsed(round_, desk.settings.work.start_within_hours, now):
            lapse(of, now=now)
        outbound.resend_in_doubt(of, round_.revision.content.in_doubt, now)
        if not book.has_due(of, opening_of(round_, book.zones(of), desk), now):
            settle(*key, desk=desk)
        elif not is_overtaken(round_.notice_no, desk):
            send.append(key)
    return Due(tuple(expand), tuple(send), book.letters_due(now), inbound.has_waiting())
