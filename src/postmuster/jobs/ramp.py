"""The ramp as a journey: look at what is being sent, open the next wave, hold what goes wrong; then suppress.

Upkeep calls `watch_rounds` once a second. A round is looked at and decided on in one transaction; whatever holds it is a stop
row that senders compare before each window, so that a hold takes effect as fast as an officer's stop. A mass bounce in a
domain holds the round too, and its failures suppress nobody. Failures become suppressions when they are old enough and
their domains were checked, whether their round is still being sent or settled long ago.

A hold is lifted by an approver (`postmuster notice resume`). Nothing is decided while anything holds the whole round.
"""

from __future__ import annotations

from typing import Final

from django.db import transaction

from postmuster.base import sql
from postmuster.base.ids import notice_id
from postmuster.control import actions as control
from postmuster.control import queries as gate
from postmuster.control.states import Cause, Lane
from postmuster.jobs.desk import Desk
from postmuster.notices import actions as notices
from postmuster.notices import queries as stored
from postmuster.notices import ramp
from postmuster.notices.queries import StoredRound
from postmuster.notices.states import RoundState
from postmuster.outbound import health, suppression
from postmuster.outbound.health import DomainFailures
from postmuster.outbound.values import RoundRef
from postmuster.replies import health as replies

ACTOR: Final = "worker"


def watch_rounds(*, desk: Desk) -> None:
    """Look at every round that is being sent: hold it, open its next wave, or let it go on. Then suppress what is due.

    Ledger: `stop set`, `incident opened`, `wave opened`, `people suppressed`.
    """
    for round_ in stored.open_rounds():
        if round_.state is RoundState.SENDING:
            watch(round_, desk=desk)
    suppress_new(desk=desk)


def watch(round_: StoredRound, *, desk: Desk) -> None:
    """Look at one round and carry out what is decided: one transaction."""
    of, now = RoundRef(round_.notice_no, round_.number, round_.roster_version), desk.now
    content = round_.revision.content
    with sql.guarded(), transaction.atomic():
        complaints, not_mine = replies.unwelcome(of)
        seen = health.look(of, open_wave=round_.open_wave, complaints=complaints, not_mine=not_mine, now=now)
        if seen.failures is not None:
            _check_domains(of, seen.failures, desk)
        if gate.stopped(of.notice_no, Lane.BULK):
            return
        opened_at = round_.wave_opened_at or round_.released_at
        match ramp.decide(content.ramp, content.limits, round_.open_wave, opened_at, seen.health, now):
            case ramp.Hold(reason):
                _hold(of, kind=ramp.LIMIT, reason=reason, desk=desk)
            case ramp.OpenNext(wave):
                notices.open_wave(of.notice_no, of.round_no, wave, now=now)
            case ramp.Nothing():
                pass


def suppress_new(*, desk: Desk, every_s: float = suppression.EVERY_S) -> int:
    """Suppress whom failures, complaints and confirmed cases name, once they are old enough; returns how many.

    Looks at most once in `every_s` seconds. The domains of every round that failures are from are checked first.
    """
    now = desk.now
    with sql.guarded(), transaction.atomic():
        span = suppression.ready(now, every_s=every_s)
        if span is None:
            return 0
        for of in suppression.rounds_with_failures(span):
            _check_domains(of, health.failures_by_domain(of), desk)
        reasons = suppression.suppress_by_failures(span, now=now)
        reasons += replies.suppress_by_replies(until=span.until, now=now)
        suppression.done(span, reasons, now=now)
    return len(reasons)


def _check_domains(of: RoundRef, failures: tuple[DomainFailures, ...], desk: Desk) -> None:
    """Open an incident, with its hold, for each domain with a mass bounce."""
    for sick in health.sick_domains(of, failures):
        stop_no = _hold(of, kind=ramp.INCIDENT, reason=sick.sentence(), desk=desk)
        incident_no = health.open_incident(of, sick, stop_no=stop_no, now=desk.now)
        suppression.lift_for_incident(of, sick.domain, incident_no, now=desk.now)


def _hold(of: RoundRef, *, kind: str, reason: str, desk: Desk) -> int:
    """Hold the notice for everyone, until an approver lifts it."""
    return control.set_stop(
        notice_no=of.notice_no,
        component_path="",
        lane=Lane.BULK,
        cause=Cause.HOLD,
        kind=kind,
        reason=f"{reason}; an approver lifts it: postmuster notice resume {notice_id(of.notice_no)} --as APPROVER",
        actor=ACTOR,
        now=desk.now,
    )
