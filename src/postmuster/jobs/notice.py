"""The journey of a notice: release → expand → send → settle.

Every step can be taken again after a crash: a page of the audience is there or not, a batch is claimed under a lease, an
outcome is written or the row is in doubt. Nothing depends on a job being run exactly once; `upkeep` defers again what is due.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Final

from django.db import transaction

from postmuster.access.roles import Actor
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id
from postmuster.control import queries as control
from postmuster.control.states import Lane
from postmuster.jobs.desk import Desk
from postmuster.ledger import actions as ledger
from postmuster.notices import actions as notices
from postmuster.notices import queries as stored
from postmuster.notices import readiness
from postmuster.notices.queries import StoredRound
from postmuster.notices.states import RoundState
from postmuster.notices.terms import Audience
from postmuster.outbound import actions as outbound
from postmuster.outbound import queries as book
from postmuster.outbound.copies import Copywriter
from postmuster.outbound.relay import Relay, Submission
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.values import ClaimedBatch, Recipient, RoundRef, Scope, Settlement, settlement

WINDOW_S: Final = 0.2  # at most what the relay took in this time is unanswered (P4)
MAX_WINDOW: Final = 200  # messages

Tell = Callable[[int], None]


def _quiet(_count: int) -> None:
    """Nobody watches."""


def ref_of(round_: StoredRound) -> RoundRef:
    return RoundRef(round_.notice_no, round_.number, round_.roster_version)


def scope_of(audience: Audience) -> Scope:
    """Who a notice's audience addresses, in the words of the book."""
    narrowed = dict(audience.attributes)
    return Scope(
        components=audience.components,
        subtree=audience.subtree,
        classes=audience.classes,
        languages=narrowed.get("language"),
        statuses=narrowed.get("status"),
        time_zones=narrowed.get("time_zone"),
    )


# ---- release


def release(notice_no: int, *, actor: Actor, desk: Desk, then: Callable[[int, int], None] | None = None) -> int:
    """Ask every gate, freeze the revision, fix roster version and assessment; returns the round's number.

    `then` puts the first job in the queue, in this transaction.

    Ledger: `notice released`. Raises `Refused` with the first reason why the notice cannot go out (P1).
    """
    with sql.guarded(), transaction.atomic():
        now = desk.now
        found = readiness.examine(notice_no, now=now)
        if found.reasons or found.ground is None:
            reasons = found.reasons or ("it has nothing to stand on.",)
            more = f" There are {len(reasons) - 1} more reasons." if len(reasons) > 1 else ""
            raise Refused(
                f"Notice {notice_id(notice_no)} cannot go out: {reasons[0]}{more} Nothing was sent; "
                f"see `postmuster notice check {notice_id(notice_no)}`."
            )
        number = notices.open_round(
            notice_no,
            assessment_no=found.ground.assessment_no,
            roster_version=found.ground.roster_version,
            actor=actor,
            now=now,
        )
        if then is not None:
            then(notice_no, number)
        return number


# ---- expand


def expand(notice_no: int, round_no: int, *, desk: Desk, tell: Tell = _quiet) -> int:
    """Write down everybody the round is about, the excluded among them; returns how many there are."""
    round_ = stored.round_of(notice_no, round_no)
    if round_ is None or round_.state is not RoundState.EXPANDING:
        return 0
    of, scope = ref_of(round_), scope_of(round_.revision.content.audience)
    while page := outbound.expand_page(of, scope, batch_rows=desk.settings.work.batch_rows, now=desk.now):
        tell(page)
        if desk.leaving.is_set():
            return book.audience(of)
    people = book.audience(of)
    notices.begin_sending(notice_no, round_no, audience=people, now=desk.now)
    return people


# ---- send


def send(notice_no: int, round_no: int, *, desk: Desk, tell: Tell = _quiet) -> int:
    """Send what is open until nothing is, a stop closes the lane, or the relay wants a pause; returns how many copies left.

    Gate: submit, before each window. Raises `Refused` when the stored words are no longer the approved ones (P1).
    """
    round_ = stored.round_of(notice_no, round_no)
    if round_ is None or round_.state is not RoundState.SENDING or control.stopped(notice_no, Lane.BULK):
        return 0
    if not readiness.is_intact(round_.revision):
        raise Refused(f"Notice {notice_id(notice_no)}: {readiness.NOT_APPROVED} Nothing more was sent.")
    with Relay(desk.relay, desk.settings.relay.connections) as relay:
        sender = _Sender(round_, relay, desk, tell)
        while not desk.leaving.is_set():
            batch = outbound.claim_batch(sender.of, desk.settings.work.lease_s)
            if batch is None:
                break
            if not sender.send_batch(batch):
                break
        sender.send_retries()
        return sender.sent


class _Sender:
    """One send loop: claims, writes, hands over, writes down."""

    def __init__(self, round_: StoredRound, relay: Relay, desk: Desk, tell: Tell) -> None:
        self.of = ref_of(round_)
        self.sent = 0
        self._relay = relay
        self._desk = desk
        self._tell = tell
        self._copies = Copywriter(round_, desk.names, desk.signing)
        self._window = desk.settings.relay.connections

    def send_batch(self, batch: ClaimedBatch) -> bool:
        """Send one batch; False when this sender should stop: told to leave, no relay, or what may happen has changed."""
        waiting = book.batch_recipients(self.of, batch)
        outcomes: list[Settlement] = []
        while waiting:
            window, waiting = waiting[: self._window], waiting[self._window :]
            written = self._copies.write_all(window)
            lease_s = self._desk.settings.work.lease_s
            if self._desk.leaving.is_set() or not outbound.hand_window(batch, window[-1].seq, lease_s):
                self._end(batch, outcomes, is_whole=False)
                return not self._desk.leaving.is_set()
            settled = self._hand_over(window, written)
            outcomes += settled
            if len(settled) < len(window):
                self._end(batch, outcomes, is_whole=False)
                return False
        self._end(batch, outcomes, is_whole=True)
        return True

    def send_retries(self) -> None:
        """Send the copies that were put off and whose time has come."""
        lease_s = self._desk.settings.work.lease_s
        while not self._desk.leaving.is_set():
            window = outbound.claim_retries(self.of, limit=MAX_WINDOW, lease_s=lease_s, now=self._desk.now)
            if not window:
                return
            settled = self._hand_over(window, self._copies.write_all(window), retried=True)
            if len(settled) < len(window):
                known = {one.seq for one in settled}
                outbound.hand_back_retries(self.of, [one.seq for one in window if one.seq not in known])
                return

    def _hand_over(
        self, window: Sequence[Recipient], written: Sequence[Submission], *, retried: bool = False
    ) -> list[Settlement]:
        """Let one window reach the relay and write down what became of it."""
        began = time.monotonic()
        answers = self._relay.submit(written)
        took_s = max(time.monotonic() - began, 1e-6)
        self._window = min(MAX_WINDOW, max(1, int(len(window) / took_s * WINDOW_S)))
        found = [settlement(recipient, answers[recipient.seq]) for recipient in window]
        settled = [self._given_up(one, recipient) for one, recipient in zip(found, window, strict=True) if one]
        retry_s = self._desk.settings.relay.first_retry_s
        outbound.record_outcomes(self.of, settled, first_retry_s=retry_s, now=self._desk.now, retried=retried)
        left = sum(one.state is DeliveryState.RELAYED for one in settled)
        self.sent += left
        self._tell(len(settled))
        return settled

    def _given_up(self, one: Settlement, recipient: Recipient) -> Settlement:
        """A copy that was put off for too long has failed: retries have an end."""
        limit_s = self._desk.settings.relay.give_up_after_s
        first_at = recipient.first_at
        if one.state is not DeliveryState.DEFERRED or first_at is None:
            return one
        if (self._desk.now - first_at).total_seconds() < limit_s:
            return one
        return Settlement(one.seq, one.component_no, DeliveryState.FAILED, "expired", one.status, one.reply_code)

    def _end(self, batch: ClaimedBatch, outcomes: Sequence[Settlement], *, is_whole: bool) -> None:
        """Finish or give back a batch, with one ledger entry for what left."""
        with sql.guarded(), transaction.atomic():
            (outbound.finish_batch if is_whole else outbound.release_batch)(batch)
            if outcomes:
                manifest = hashlib.sha256(
                    "\n".join(f"{one.seq} {one.state} {one.status}" for one in outcomes).encode()
                ).hexdigest()
                facts = {
                    "round": self.of.round_no,
                    "batch": batch.batch_no,
                    "rows": len(outcomes),
                    "manifest": manifest,
                }
                ledger.append(
                    kind="batch sent",
                    actor="worker",
                    subject=notice_id(self.of.notice_no),
                    facts=facts,
                    now=self._desk.now,
                )


# ---- settle


def settle(notice_no: int, round_no: int, *, desk: Desk) -> bool:
    """Settle a round when nobody is pending and nothing waits to be tried again."""
    round_ = stored.round_of(notice_no, round_no)
    if round_ is None or round_.state is not RoundState.SENDING or any(book.to_do(ref_of(round_))):
        return False
    states = {str(state): count for state, count in book.states(ref_of(round_)).items()}
    return notices.settle(notice_no, round_no, states=states, now=desk.now)
