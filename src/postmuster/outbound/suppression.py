"""Whom nobody writes to any more: per person and address, with a reason, its evidence, and a way back.

What for: mail to an address that does not exist, or is somebody else's by now, reaches nobody or the wrong one.

Promises. Only a permanent failure by a report or a refusal in the session counts, and only for a reason that says something of
the address: a full mailbox, a policy, spam, a broken host never suppress anybody, nor does a delay. Failures wait
`SETTLE_MINUTES`, so that a mass bounce of a domain is seen as one first; failures of an incident suppress nobody. Every
row names its evidence; an officer lifts it with a reason; rows are only added. It ends by itself when the roster gives the
person another address. A reassigned address is never mailed again: that cannot be lifted.
Limits: the constants below. Sources: RFC 3463 §3.2 (5.1.1, 5.1.6, 5.2.1), RFC 7293 §11 (5.7.17, 5.7.18).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

from django.db import transaction

from postmuster.access.roles import Actor
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id
from postmuster.ledger import actions as ledger
from postmuster.mail.address import AddrSpec
from postmuster.outbound.models import SuppressionLift
from postmuster.outbound.values import RoundRef


class SuppressionReason(StrEnum):
    """Why a person is not written to at an address."""

    UNKNOWN_USER = "unknown_user"
    DISABLED = "disabled"
    MOVED = "moved"
    REASSIGNED = "reassigned"
    NOT_IN_ORGANISATION = "not_in_organisation"
    COMPLAINT = "complaint"


class SuppressionState(StrEnum):
    """It stands, until it is lifted, or ended because the person has another address."""

    STANDING = "standing"
    LIFTED = "lifted"
    ENDED = "ended"


SETTLE_MINUTES: Final = 60  # a mass bounce comes within minutes; nothing hurries, the next notice is days away
OVERLAP_MINUTES: Final = 10  # looked at twice: a transaction of ours that takes longer has been ended
EVERY_S: Final = 30  # how often new failures are looked at, by the server's clock
# RFC 3463: the mailbox has moved, without a forwarding address. RFC 7293: the mailbox, or its domain, has a new owner.
REASSIGNED_STATUSES: Final = ("5.1.6", "5.7.17", "5.7.18")
ADDRESS_REASONS: Final = (SuppressionReason.UNKNOWN_USER, SuppressionReason.DISABLED, SuppressionReason.MOVED)
SPARED: Final = "suppressed"  # the reason of the withheld delivery
GIVEN_AWAY_STATUS: Final = "5.1.6"  # of what was not sent, or not again, because its address is somebody else's by now
_SQL = sql.load("outbound")


@dataclass(frozen=True, slots=True)
class Span:
    """Failures that are ready to be looked at: after, up to and including."""

    after: datetime
    until: datetime

    @property
    def columns(self) -> dict[str, datetime]:
        return {"after": self.after, "until": self.until}


@dataclass(frozen=True, slots=True)
class SuppressionRecord:
    """One suppression, explained. The evidence is a delivery of a notice's round, or a reply."""

    suppression_no: int
    person_id: str
    reason: SuppressionReason
    notice_no: int
    round_no: int
    seq: int | None
    reply_no: int | None
    status: str
    at: datetime
    state: SuppressionState
    lifted_by: str | None
    lifted_at: datetime | None
    lifted_because: str | None

    @property
    def evidence(self) -> str:
        """Where it can be looked up."""
        if self.reply_no is not None:
            return f"reply r{self.reply_no} to {notice_id(self.notice_no)}, round {self.round_no}"
        said = f", status {self.status}" if self.status else ""
        return f"delivery {self.seq} of {notice_id(self.notice_no)}, round {self.round_no}{said}"


def ready(now: datetime, *, every_s: float = EVERY_S) -> Span | None:
    """What may be looked at now; None when somebody looked a moment ago, or nothing new is old enough."""
    until = now - timedelta(minutes=SETTLE_MINUTES)
    found = sql.row(_SQL["read_mark"])
    if found is None:
        return Span(datetime.min.replace(tzinfo=now.tzinfo), until)
    if float(found[1]) < every_s:
        return None
    return Span(found[0] - timedelta(minutes=OVERLAP_MINUTES), max(until, found[0]))


def rounds_with_failures(span: Span) -> list[RoundRef]:
    """Rounds in which something failed in this span: their domains are to be checked before anybody is suppressed."""
    return [RoundRef(*map(int, row)) for row in sql.rows(_SQL["rounds_with_failures"], span.columns)]


def suppress_by_failures(span: Span, *, now: datetime) -> list[str]:
    """Suppress whom permanent failures of this span name; returns the reasons, one for each new suppression."""
    values = {"reassigned": list(REASSIGNED_STATUSES), "reasons": [str(one) for one in ADDRESS_REASONS], "now": now}
    return [str(row[0]) for row in sql.rows(_SQL["suppress_by_failures"], span.columns | values)]


def done(span: Span, reasons: Sequence[str], *, now: datetime) -> None:
    """Move the mark. Ledger: `people suppressed`, with how many for which reason, when there are any."""
    sql.execute(_SQL["move_mark"], {"until": span.until})
    if reasons:
        facts = dict(sorted(Counter(reasons).items()))
        ledger.append(kind="people suppressed", actor="worker", subject="suppression", facts=facts, now=now)


def lift_for_incident(of: RoundRef, domain: str, incident_no: int, *, now: datetime) -> int:
    """Lift what failures of this round in a domain have suppressed before its mass bounce was seen; returns how many."""
    values = {"domain": domain, "reason": f"incident {incident_no}: mass bounce of the domain", "now": now}
    return sql.execute(_SQL["lift_for_incident"], of.key | values)


def spare_suppressed(of: RoundRef) -> int:
    """Withhold a round from the suppressed, before its first page is written down; returns how many are new."""
    return sql.execute(_SQL["spare_suppressed"], of.key)


def never_again(persons: Collection[int]) -> frozenset[int]:
    """Who of these people must get no mail at all, letters included: their address is somebody else's by now."""
    if not persons:
        return frozenset()
    return frozenset(int(row[0]) for row in sql.rows(_SQL["never_again"], {"persons": list(persons)}))


def given_away(addressed: Collection[tuple[int, AddrSpec]]) -> frozenset[tuple[int, AddrSpec]]:
    """Which of these pairs of person and address are somebody else's by now; asked before each batch and letter goes."""
    if not addressed:
        return frozenset()
    found = sql.prepared(_SQL["given_away"], {"persons": [person_no for person_no, _ in addressed]})
    digests = {(int(person_no), bytes(digest)) for person_no, digest in found}
    persons = {person_no for person_no, _ in digests}
    return frozenset(
        (person_no, address)
        for person_no, address in addressed
        if person_no in persons and (person_no, _digest(person_no, address)) in digests
    )


def _digest(person_no: int, address: AddrSpec) -> bytes:
    """As the statements make it: no table but the roster holds an address."""
    return sha256(f"{person_no} {address.match_key}".encode()).digest()


def suppressions(
    *, person_no: int | None = None, reason: str = "", standing: bool = True, limit: int = 100
) -> list[SuppressionRecord]:
    """Suppressions, newest first; those that stand, or with their past."""
    values = {"person_no": person_no, "reason": reason, "standing": standing, "limit": limit}
    return [
        SuppressionRecord(
            no, person_id, SuppressionReason(why), n, r, seq, reply, status, at, SuppressionState(state), *end
        )
        for no, person_id, why, n, r, seq, reply, status, at, state, *end in sql.rows(_SQL["suppressions"], values)
    ]


def standing_by_reason() -> dict[str, int]:
    """How many suppressions stand, by reason."""
    return {str(reason): int(count) for reason, count in sql.rows(_SQL["standing_by_reason"])}


def lift(person_no: int, *, reason: str, actor: Actor, now: datetime) -> list[SuppressionRecord]:
    """Write to a person again at the address the roster has; returns what was lifted. Ledger: `suppression lifted`, each.

    Raises `Refused` without a reason, when nothing stands, and for a reassigned address.
    """
    if not reason.strip():
        raise Refused("Lifting needs a reason; nothing was lifted; give one with --reason.")
    with sql.guarded(), transaction.atomic():
        found = suppressions(person_no=person_no, limit=1_000)
        if not found:
            raise Refused(
                "No suppression of this person stands; nothing was lifted; see `postmuster suppression show`."
            )
        if any(one.reason is SuppressionReason.REASSIGNED for one in found):
            raise Refused(
                "The address belongs to somebody else by now; nothing was lifted; it ends when the roster has another one."
            )
        for one in found:
            SuppressionLift.objects.create(
                suppression_id=one.suppression_no, reason=reason, lifted_by=actor.mark, lifted_at=now
            )
            facts = {"suppression": one.suppression_no, "reason": str(one.reason)}
            ledger.append(kind="suppression lifted", actor=actor.mark, subject="suppression", facts=facts, now=now)
    return found
