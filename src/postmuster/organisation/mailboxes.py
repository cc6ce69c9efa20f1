"""Mailboxes: what a receiving system says to `RCPT TO`.

What for: most mailboxes take what comes; some never do, some not yet, and some take it and regret it afterwards with a
report.

Promises: which mailbox behaves how depends on the seed and the person alone; the time a greylist asks for comes from
the clock handed in. Nothing waits.
Limits: a mailbox says no at `RCPT`, never after the data.
Sources: RFC 5321 §4.2 (codes), RFC 3463 (enhanced codes), RFC 6647 (greylisting).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from postmuster.organisation.dice import Dice
from postmuster.organisation.people import Person

GREYLIST_DELAY = timedelta(minutes=5)  # the usual default of greylisting software
GREYLIST_TRIES = 3  # accepted at this try even when the simulated clock stands still


class MailboxKind(StrEnum):
    """How a mailbox treats what is sent to it."""

    ACCEPTS = "accepts"
    UNKNOWN = "unknown"
    FULL = "full"
    FULL_FOR_NOW = "full_for_now"
    POLICY = "policy"
    GREYLISTED = "greylisted"
    BUSY = "busy"
    BOUNCES_LATER = "bounces_later"


KINDS = (
    (MailboxKind.ACCEPTS, 948),
    (MailboxKind.UNKNOWN, 9),
    (MailboxKind.FULL, 4),
    (MailboxKind.FULL_FOR_NOW, 3),
    (MailboxKind.POLICY, 4),
    (MailboxKind.GREYLISTED, 14),
    (MailboxKind.BUSY, 5),
    (MailboxKind.BOUNCES_LATER, 13),
)
REFUSALS = {
    MailboxKind.UNKNOWN: "550 5.1.1 The mailbox you tried to reach does not exist",
    MailboxKind.FULL: "552 5.2.2 Mailbox full",
    MailboxKind.POLICY: "550 5.7.1 Message refused by the policy of the recipient",
}
DEFERRALS = {
    MailboxKind.FULL_FOR_NOW: "452 4.2.2 Mailbox over quota, try again later",
    MailboxKind.GREYLISTED: "450 4.7.1 Greylisted, please try again in 300 seconds",
    MailboxKind.BUSY: "451 4.3.2 System not accepting network messages just now",
}
NOT_HERE = "550 5.1.1 No such person in this organisation"


@dataclass(slots=True)
class Mailboxes:
    """The mailboxes of all people; remembers the tries of those who say not yet."""

    seed: int
    clock: Callable[[], datetime]
    _tries: dict[tuple[int, str], tuple[datetime, int]] = field(default_factory=dict)

    def kind(self, person: Person) -> MailboxKind:
        """Say what this mailbox is like, without asking it."""
        if person.status in {"separated", "no_mail_access"}:
            return MailboxKind.UNKNOWN
        return Dice(self.seed, "mailbox", person.number).weighted(KINDS)

    def refusal(self, person: Person, kind: MailboxKind, reverse_path: str) -> str | None:
        """Answer `RCPT TO`: None when the mailbox takes the message, otherwise the reply line.

        A mailbox that says not yet remembers the pair of person and reverse-path, as greylisting does.
        """
        if kind in REFUSALS:
            return REFUSALS[kind]
        if kind not in DEFERRALS:
            return None
        now = self.clock()
        first, tries = self._tries.get((person.number, reverse_path), (now, 0))
        self._tries[person.number, reverse_path] = (first, tries + 1)
        if tries + 1 >= GREYLIST_TRIES or now - first >= GREYLIST_DELAY:
            return None
        return DEFERRALS[kind]
