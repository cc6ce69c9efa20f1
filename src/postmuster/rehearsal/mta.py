"""The mail system between us and the organisation: none, or a real Postfix of the rehearsal's own.

With Postfix between, both ways go through it: our copies by SMTP to its submission service and from there to the
organisation's servers; the organisation's mail by SMTP to its door for the world and from there by LMTP to our intake. What
the organisation refuses is then refused to Postfix, which tells us by a report to the copy's envelope sender.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from postmuster.base.errors import Refused, Transient
from postmuster.inbound import queries as inbound
from postmuster.organisation.sending import Route, Tally, deliver
from postmuster.organisation.world import Outgoing
from postmuster.outbound import queries as book
from postmuster.rehearsal.act import RETRY_STEP, Watch, patiently
from postmuster.rehearsal.ports import HOST, free_ports
from postmuster.rehearsal.postfix import Postfix, Queue, end_left_over, why_not
from postmuster.rehearsal.stage import Stage
from postmuster.runtime.place import SYSTEM_BASE, Tell, short_hash
from postmuster.runtime.processes import Crew
from postmuster.runtime.relay_config import postfix

POSTFIX: Final = "postfix"
LOG_NAME: Final = "postfix.log"
CARRY_LOOK_S: Final = 0.01
CARRY_LIMIT_S: Final = 120.0
STEP_EVERY_S: Final = 3.0  # real time between two steps of the simulated clock: longer than Postfix takes to try again


class Between:
    """Nothing between: the organisation's servers are the relay, and its mail comes straight to the intake."""

    relay_port = 0  # where we send to; 0: to the organisation itself
    intake_port = 0  # where the intake has to listen; 0: wherever it likes
    reports_refusals = False  # whether a refusal by the organisation reaches us as a report

    def __init__(self) -> None:
        self._door = 0
        self.crew: Crew | None = None

    def open(self, stage: Stage, crew: Crew) -> None:
        """Begin to carry mail, now that both sides listen. The intake's port stays the same when it is started again."""
        self._door = stage.settings.intake.port
        self.crew = crew

    def carry(self, mails: Iterable[Outgoing]) -> Tally:
        """Bring mail of the organisation to the intake; returns when it is there. May be called in any thread."""
        return deliver(mails, Route(HOST, self._door))

    def drain(self, watch: Watch) -> None:
        """Wait until nothing is on its way and what it brought has been read."""

    def close(self) -> None:
        """Carry nothing more."""


class ThroughPostfix(Between):
    """A Postfix between, both ways."""

    reports_refusals = True

    def __init__(self, folder: Path, log: Path) -> None:
        super().__init__()
        self._folder, self._log = folder, log
        self.relay_port, self.intake_port, self._world_port = free_ports(3)
        self._postfix: Postfix | None = None
        self._stage: Stage | None = None
        self._last_step_s = 0.0

    def open(self, stage: Stage, crew: Crew) -> None:
        super().open(stage, crew)
        self._stage = stage
        self._postfix = Postfix(
            self._folder, postfix(stage.settings), to_port=stage.receiving_port, from_port=self._world_port
        )
        self._postfix.start((self.relay_port, self._world_port))

    def carry(self, mails: Iterable[Outgoing]) -> Tally:
        """Postfix keeps no order. Mails of one person are therefore handed over one after the other, each when the one
        before it has arrived; and nothing is on its way when the simulated clock moves on."""
        whole = Tally()
        for group in _one_of_each(mails):
            _add(whole, deliver(group, Route(HOST, self._world_port, "smtp")))
            self._await_arrival()
        return whole

    def drain(self, watch: Watch) -> None:
        most = 1
        for _ in patiently(self._left):
            if self.crew is not None:
                self.crew.tend()
            moving, put_off, unread, letters = self._left()
            left = moving + put_off + unread + letters
            most = max(most, left)
            watch("waiting for Postfix", most - left, most)
            if not left:
                return
            if not moving and not unread:
                self._let_time_pass()

    def close(self) -> None:
        if self._postfix is not None:
            self._postfix.stop(keep_log=self._log)
            self._postfix = None

    def _left(self) -> tuple[int, int, int, int]:
        """Mails moving in Postfix, put off in Postfix, not yet read by us, letters not yet sent. In the order of their way
        through both, so that none is overlooked on its way."""
        unread, letters = inbound.waiting(), book.letters_waiting()
        queue = self._queue()
        return queue.moving, queue.put_off, unread + inbound.waiting(), letters + book.letters_waiting()

    def _let_time_pass(self) -> None:
        """Whoever said not yet says yes a few minutes later; Postfix asks every second, the organisation's clock is ours."""
        if self._stage is not None and time.monotonic() - self._last_step_s > STEP_EVERY_S:
            self._last_step_s = time.monotonic()
            self._stage.clock.advance(RETRY_STEP)

    def _await_arrival(self) -> None:
        """Wait until what was handed in is with the intake. What is put off (an intake that was killed) follows by itself."""
        until = time.monotonic() + CARRY_LIMIT_S
        while self._queue().moving:
            if time.monotonic() > until:
                raise Transient("Postfix keeps mail back; what was committed is kept; see its log in the folder.")
            time.sleep(CARRY_LOOK_S)

    def _queue(self) -> Queue:
        return self._postfix.queue() if self._postfix is not None else Queue(0, 0)


@contextmanager
def between(relay: str, out: Path, *, tell: Tell) -> Iterator[Between]:
    """What carries the mail; `Refused` for a mail system we cannot start. Leaving ends it."""
    if relay not in ("", POSTFIX):
        raise Refused(
            f"There is no relay “{relay[:20]}” to rehearse with; nothing was begun; say postfix, or leave RELAY= away."
        )
    if not relay:
        yield Between()
        return
    reason = why_not(user_id=os.geteuid())
    if reason is not None:
        raise Refused(reason)
    tell("A Postfix of our own stands between, both ways.")
    # Not in `out`: the daemons run as another user, who may have no way into it.
    folder = SYSTEM_BASE / f"relay-{short_hash(Path(os.path.realpath(out)))}"
    end_left_over(folder)
    made = ThroughPostfix(folder, out / LOG_NAME)
    try:
        yield made
    finally:
        made.close()


def _one_of_each(mails: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    """Cut a run of mails so that no piece has two of the same person."""
    group: dict[str, Outgoing] = {}
    for mail in mails:
        if mail.person_id in group:
            yield list(group.values())
            group = {}
        group[mail.person_id] = mail
    if group:
        yield list(group.values())


def _add(whole: Tally, part: Tally) -> None:
    whole.mails += part.mails
    whole.recipients += part.recipients
    whole.replies += part.replies
    whole.deferrals += part.deferrals
    whole.refused += part.refused
    whole.given_up += part.given_up
    whole.reconnects += part.reconnects
    whole.seconds += part.seconds
