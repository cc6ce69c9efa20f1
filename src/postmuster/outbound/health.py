"""How a round does while it is sent: figures for the ramp and its limits, and the check of receiving domains.

For whom: `jobs.ramp`, which decides and holds. A row a round (`outbound_watch`) keeps what was last seen: since when nobody of
the open waves is pending, since when nothing changed, and the figures an approver accepted by lifting an automatic hold.

Promises. Counters are read at each look; failures only when their number has changed, at the latest after `COUNT_AGAIN_S`. How
many copies a domain was handed is counted only when its failures have grown past the share of what it is known to have been
handed before, and only as far as it matters: handed only grows, so nothing is overlooked, and a large round is not read as a
whole for a few failures. Domains are kept, local parts never.
Limits: the constants below. Index: outbound_counter_round, outbound_batch_to_do, outbound_history_failed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models.functions import Now

from postmuster.base import sql
from postmuster.base.ids import notice_id
from postmuster.ledger import actions as ledger
from postmuster.notices.ramp import INCIDENT, LIMIT, Health
from postmuster.outbound.models import Incident, Watch
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.values import RoundRef

# A mass bounce: a domain in which one of five mailboxes were unknown is not a domain whose people have left, but one whose
# server is broken or refuses us. Ordinary lists of an organisation lose a few percent a year. Own choice.
INCIDENT_PERCENT: Final = 20.0
LEAST_FAILURES: Final = 20  # in a domain; below it the limits of the whole round are enough
ENOUGH_TIMES: Final = (
    4  # copies of a domain are counted up to so many times those among which its failures are no incident
)
COUNT_AGAIN_S: Final = 10  # failures are counted again at the latest so long after their number has changed
COUNT_AT_ONCE: Final = 50  # and at once when more than one in so many is new
_WATCH_LOCK: Final = 0x504D_5741_0000_0000  # one look at a round at a time
_HANDED: Final = frozenset(
    {
        DeliveryState.IN_DOUBT,
        DeliveryState.RELAYED,
        DeliveryState.DELIVERED,
        DeliveryState.DEFERRED,
        DeliveryState.FAILED,
    }
)
_SQL = sql.load("outbound")


@dataclass(frozen=True, slots=True)
class DomainFailures:
    """What failed in one receiving domain and did not arrive after all: for good, and given up after being put off."""

    domain: str
    permanent: int
    given_up: int


@dataclass(frozen=True, slots=True)
class Sick:
    """A domain with a mass bounce: failures since the last incident in it was closed, of copies handed over."""

    domain: str
    failed: int
    handed: int

    def sentence(self) -> str:
        """The reason of the hold."""
        share = 100 * self.failed / max(self.handed, 1)
        return (
            f"mass bounce in {self.domain}: {self.failed} permanent failures are {share:.1f} % of {self.handed} copies handed "
            f"over; the limit is {INCIDENT_PERCENT:g} %; nobody is suppressed for them"
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """One look: the figures for `notices.ramp.decide`; failures by domain where they were counted anew."""

    health: Health
    failures: tuple[DomainFailures, ...] | None


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """A mass bounce as it was opened, and who closed it: whoever lifted its hold."""

    incident_no: int
    notice_no: int
    round_no: int
    domain: str
    failed: int
    handed: int
    stop_no: int
    opened_at: datetime
    closed_by: str | None
    closed_at: datetime | None
    closed_because: str | None


@dataclass(frozen=True, slots=True)
class WatchRecord:
    """What upkeep last saw of a round, and how many seconds ago it last looked."""

    states: dict[str, int]
    changed_at: datetime
    looked_s: float
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of a round is not finished: batches by what keeps them, and retries."""

    claimed: int
    due: int
    quiet: int
    paused: int
    later: int
    retries_due: int
    next_retry_at: datetime | None


def look(of: RoundRef, *, open_wave: int, complaints: int, not_mine: int, now: datetime) -> Seen:
    """Look at a round that is being sent, and keep what was seen. Runs in the caller's transaction.

    `complaints` and `not_mine` are what replies know of it. After an automatic hold was lifted, the figures of this look are
    the ones that count no more.
    """
    sql.execute(_SQL["lock_watch"], {"lock": _WATCH_LOCK + of.notice_no * 256 + of.round_no})
    states = {str(state): int(count) for state, count in sql.rows(_SQL["watched_states"], of.key)}
    pending, next_wave = sql.rows(_SQL["wave_progress"], of.key | {"open_wave": open_wave})[0]
    lift = int(sql.value(_SQL["newest_lift"], of.key | {"kinds": [LIMIT, INCIDENT]}))
    watch, is_new = _watch(of, states, now)
    is_lifted = lift != watch.accepted_lift
    failures = None
    if is_lifted or _is_to_count(of, watch, states.get(DeliveryState.FAILED, 0)):
        failures = failures_by_domain(of)
        watch.permanent = sum(one.permanent for one in failures)
        watch.given_up = sum(one.given_up for one in failures)
        watch.counted_failed = states.get(DeliveryState.FAILED, 0)
    transient = watch.given_up + states.get(DeliveryState.DEFERRED, 0)
    if is_lifted:
        watch.accepted_lift = lift
        watch.accepted_permanent, watch.accepted_transient = watch.permanent, transient
        watch.accepted_complaints, watch.accepted_not_mine = complaints, not_mine
    # What was accepted and has healed since leaves no room for as much anew.
    watch.accepted_permanent = min(watch.accepted_permanent, watch.permanent)
    watch.accepted_transient = min(watch.accepted_transient, transient)
    _note_wave(watch, open_wave, is_done=pending == 0, now=now)
    _keep(of, watch, states, is_new=is_new, is_counted=failures is not None, now=now)
    health = Health(
        handed=sum(count for state, count in states.items() if state in _HANDED),
        permanent=watch.permanent - watch.accepted_permanent,
        transient=transient - watch.accepted_transient,
        complaints=max(complaints - watch.accepted_complaints, 0),
        not_mine=max(not_mine - watch.accepted_not_mine, 0),
        done_at=watch.done_at,
        next_wave=None if next_wave is None else int(next_wave),
        is_since_lift=bool(watch.accepted_lift),
    )
    return Seen(health, failures)


def failures_by_domain(of: RoundRef) -> tuple[DomainFailures, ...]:
    """What failed in a round and did not arrive after all, by receiving domain."""
    return tuple(DomainFailures(*row) for row in sql.rows(_SQL["failures_by_domain"], of.key))


def sick_domains(of: RoundRef, failures: tuple[DomainFailures, ...]) -> list[Sick]:
    """Domains with a mass bounce that no standing incident names. Runs in the caller's transaction.

    Failures at the first look after an incident was closed are accepted: only further ones open another.
    """
    many = {one.domain: one.permanent for one in failures if one.permanent >= LEAST_FAILURES}
    if not many:
        return []
    last = {str(domain): (int(no), bool(stands)) for no, domain, stands in sql.rows(_SQL["incidents_of_round"], of.key)}
    known = {str(row[0]): (int(row[1]), int(row[2]), int(row[3])) for row in sql.rows(_SQL["domains_watched"], of.key)}
    suspects: dict[str, int] = {}
    for domain, failed in many.items():
        incident, stands = last.get(domain, (0, False))
        handed, accepted_incident, accepted = known.get(domain, (0, 0, 0))
        if stands:
            continue
        if incident != accepted_incident:
            _watch_domain(of, domain, handed, incident, failed)
        elif failed - accepted >= LEAST_FAILURES and _is_above(failed - accepted, handed):
            suspects[domain] = failed - accepted
    return _counted(of, suspects, known)


def open_incident(of: RoundRef, sick: Sick, *, stop_no: int, now: datetime) -> int:
    """Write down a mass bounce whose hold is `stop_no`. Ledger: `incident opened`. Runs in the caller's transaction."""
    made = Incident.objects.create(
        notice_no=of.notice_no,
        round_no=of.round_no,
        domain=sick.domain,
        failed=sick.failed,
        handed=sick.handed,
        stop_no=stop_no,
        opened_at=now,
    )
    facts = {
        "incident": made.pk,
        "round": of.round_no,
        "domain": sick.domain,
        "failed": sick.failed,
        "handed": sick.handed,
        "stop": stop_no,
    }
    ledger.append(kind="incident opened", actor="worker", subject=notice_id(of.notice_no), facts=facts, now=now)
    return int(made.pk)


def incidents(*, notice_no: int = 0, limit: int = 100) -> list[IncidentRecord]:
    """Mass bounces, newest first; of every notice for 0."""
    found = sql.rows(_SQL["incidents"], {"notice_no": notice_no, "limit": limit})
    return [IncidentRecord(*row) for row in found]


def last_watch(of: RoundRef) -> WatchRecord | None:
    """What upkeep last saw of a round; None before its first look. Index: primary key."""
    found = sql.row(_SQL["read_watch"], of.key)
    if found is None:
        return None
    return WatchRecord(json.loads(found[0]), found[1], float(found[2]), found[3])


def states_now(of: RoundRef) -> dict[str, int]:
    """People by state, but the pending, as `last_watch` keeps them."""
    return {str(state): int(count) for state, count in sql.rows(_SQL["watched_states"], of.key)}


def what_waits(of: RoundRef, *, open_wave: int, quiet_zones: tuple[str, ...], now: datetime) -> Waiting:
    """What of a round is not finished, by what keeps it."""
    values = of.key | {"open_wave": open_wave, "quiet_zones": list(quiet_zones), "now": now}
    return Waiting(*sql.rows(_SQL["what_waits"], values)[0])


def _watch(of: RoundRef, states: Mapping[str, int], now: datetime) -> tuple[Watch, bool]:
    found = Watch.objects.filter(notice_no=of.notice_no, round_no=of.round_no).first()
    if found is not None:
        return found, False
    return Watch(notice_no=of.notice_no, round_no=of.round_no, states=dict(states), changed_at=now), True


def _is_to_count(of: RoundRef, watch: Watch, failed: int) -> bool:
    """Whether failures are to be counted by class and domain: their number has changed, much or some time ago."""
    new = abs(failed - watch.counted_failed)
    if not new:
        return False
    if watch.counted_at is None or new * COUNT_AT_ONCE > watch.counted_failed:
        return True
    return bool(sql.value(_SQL["is_count_old"], of.key | {"seconds": COUNT_AGAIN_S}))


def _note_wave(watch: Watch, open_wave: int, *, is_done: bool, now: datetime) -> None:
    """Keep since when nobody of the open waves is pending; somebody who is pending again begins it anew."""
    if watch.wave != open_wave or not is_done:
        watch.wave, watch.done_at = open_wave, None
    if is_done and watch.done_at is None:
        watch.done_at = now


def _keep(
    of: RoundRef, watch: Watch, states: Mapping[str, int], *, is_new: bool, is_counted: bool, now: datetime
) -> None:
    """Write the row where something changed, and now and then to say that somebody looks."""
    values: dict[str, Any] = {
        name: getattr(watch, name)
        for name in (
            "counted_failed", "permanent", "given_up", "wave", "done_at", "accepted_lift", "accepted_permanent",
            "accepted_transient", "accepted_complaints", "accepted_not_mine",
        )
    } | {"looked_at": Now()}  # fmt: skip
    if is_counted:
        values["counted_at"] = Now()
    if is_new or watch.states != dict(states):
        values |= {"states": dict(states), "changed_at": now}
    if is_new:
        Watch.objects.create(notice_no=of.notice_no, round_no=of.round_no, **values)
    else:
        Watch.objects.filter(notice_no=of.notice_no, round_no=of.round_no).update(**values)


def _is_above(failed: int, handed: int) -> bool:
    return failed * 100 > INCIDENT_PERCENT * handed


def _counted(of: RoundRef, suspects: Mapping[str, int], known: Mapping[str, tuple[int, int, int]]) -> list[Sick]:
    """Count what the suspects were handed, as far as it matters, and return those that are above the share."""
    sick = []
    for domain, failed in suspects.items():
        enough = int(failed * 100 / INCIDENT_PERCENT) * ENOUGH_TIMES
        handed = int(sql.value(_SQL["handed_to_domain"], of.key | {"domain": domain, "enough": enough}))
        _, incident, accepted = known.get(domain, (0, 0, 0))
        _watch_domain(of, domain, handed, incident, accepted)
        if _is_above(failed, handed):
            sick.append(Sick(domain, failed, handed))
    return sick


def _watch_domain(of: RoundRef, domain: str, handed: int, incident: int, accepted: int) -> None:
    values = {"domain": domain, "handed": handed, "accepted_incident": incident, "accepted_failed": accepted}
    sql.execute(_SQL["watch_domain"], of.key | values)
