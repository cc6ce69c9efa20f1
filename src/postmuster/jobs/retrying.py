"""Copies that were put off, tried again: those whose time has come, a window at a time, one after the other.

What for: `jobs.notice.send` runs it when nothing else of a round is left to send. They are few, so nothing is overlapped.
Promises: a window is claimed in the statement that asks for stops, and is what the relay took in 200 ms (P4). A copy that was
put off for `relay.give_up_after_s` has failed, and so has one whose address is somebody else's by now. What certainly did not
leave is given back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from postmuster.jobs.desk import Desk
from postmuster.jobs.sending import Tell
from postmuster.notices.queries import StoredRound
from postmuster.outbound import actions as outbound
from postmuster.outbound.copies import Copywriter
from postmuster.outbound.in_relay import InRelay
from postmuster.outbound.pace import Pace
from postmuster.outbound.relay import Relay
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.suppression import GIVEN_AWAY_STATUS, SuppressionReason, given_away
from postmuster.outbound.values import Opening, Recipient, RoundRef, Settlement, settlement


class Retries:
    """Sends the copies that were put off and whose time has come, a window at a time."""

    def __init__(self, round_: StoredRound, of: RoundRef, relay: Relay, desk: Desk, room: InRelay, tell: Tell) -> None:
        self.of = of
        self.sent = 0
        self._relay = relay
        self._room = room
        self._desk = desk
        self._tell = tell
        self._copies = Copywriter(round_, desk.names, desk.signing)
        self._pace = Pace(desk.settings.relay.connections)

    def run(self, opening: Callable[[], Opening]) -> None:
        """Until none is due, or the relay takes nothing now."""
        lease_s = self._desk.settings.work.lease_s
        while not self._desk.leaving.is_set():
            now, size = self._desk.now, self._room.allowance(self._pace.window)
            if not size:
                return
            window = outbound.claim_retries(self.of, limit=size, lease_s=lease_s, now=now, opening=opening())
            if not window:
                return
            known = self._send(window)
            if len(known) < len(window):
                outbound.hand_back_retries(self.of, [one.seq for one in window if one.seq not in known])
                return

    def _send(self, window: Sequence[Recipient]) -> set[int]:
        """Hand one window over and write down what became of it; returns the sequences that have an outcome."""
        gone = given_away([(one.person_no, one.address) for one in window])
        going = [one for one in window if (one.person_no, one.address) not in gone]
        settled = [_gone(one) for one in window if (one.person_no, one.address) in gone]
        settled += self._hand_over(going) if going else []
        retry_s = self._desk.settings.relay.first_retry_s
        outbound.record_outcomes(self.of, settled, first_retry_s=retry_s, now=self._desk.now, retried=True)
        self.sent += sum(one.state is DeliveryState.RELAYED for one in settled)
        self._tell(len(settled))
        return {one.seq for one in settled}

    def _hand_over(self, window: Sequence[Recipient]) -> list[Settlement]:
        written = self._copies.write_all(window)
        began_s = time.monotonic()
        answers = self._relay.submit(written)
        if all(answer.reply_code is not None for answer in answers.values()):
            self._pace.landed(len(window), time.monotonic() - began_s)
        else:
            self._pace.lost()
        found = [settlement(recipient, answers[recipient.seq]) for recipient in window]
        return [self._given_up(one, recipient) for one, recipient in zip(found, window, strict=True) if one]

    def _given_up(self, one: Settlement, recipient: Recipient) -> Settlement:
        """A copy that was put off for too long has failed: retries have an end."""
        limit_s = self._desk.settings.relay.give_up_after_s
        first_at = recipient.first_at
        if one.state is not DeliveryState.DEFERRED or first_at is None:
            return one
        if (self._desk.now - first_at).total_seconds() < limit_s:
            return one
        return Settlement(one.seq, one.component_no, DeliveryState.FAILED, "expired", one.status, one.reply_code)


def _gone(one: Recipient) -> Settlement:
    reason = str(SuppressionReason.REASSIGNED)
    return Settlement(one.seq, one.component_no, DeliveryState.FAILED, reason, GIVEN_AWAY_STATUS, None)
