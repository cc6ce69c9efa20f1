"""Taking mail from a mailbox into the intake: committed there first, so that it may be marked as taken here.

Each mail goes through the very door's `accept`: sealed and committed, waiting; the gate of the intake holds here too. In the same
transaction stands how far the mailbox was taken, and a digest of each mail: what is read again, after a crash or because the
server numbered its mails anew, is the same mail and is taken once. What came by another way too, or under other octets, is
found out when it is digested.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from postmuster.base import sql
from postmuster.base.clock import Clock
from postmuster.control import queries as control
from postmuster.control.states import Lane
from postmuster.inbound import actions as inbound
from postmuster.inbound.header_envelope import with_envelope
from postmuster.inbound.progress import Progress
from postmuster.inbound.troubles import MailboxTrouble, Trouble
from postmuster.jobs.desk import DoorDesk, open_door_desk
from postmuster.jobs.reply import accept
from postmuster.mail.lmtp import DeliveryReply, Received
from postmuster.settings import Settings


@dataclass(frozen=True, slots=True)
class FetchDesk:
    """What is at hand to fetch with: no key that signs or opens anything. `leaving` is set when the process is asked to go."""

    settings: Settings
    door: DoorDesk
    leaving: threading.Event = field(default_factory=threading.Event)

    @property
    def now(self) -> datetime:
        return self.door.now

    @property
    def most_octets(self) -> int:
        return self.settings.intake.max_message_octets


def open_fetch_desk(settings: Settings, clock: Clock) -> FetchDesk:
    """Read the master epochs; `Refused` names the file that is missing or damaged."""
    return FetchDesk(settings, open_door_desk(settings, clock))


def is_open() -> bool:
    """Whether the intake takes mail at all. Gate: accept."""
    return not control.stopped(0, Lane.INTAKE)


def take(mails: Sequence[bytes], desk: FetchDesk) -> int:
    """Commit mails; returns how many were not taken before.

    Raises `MailboxTrouble` when the intake takes none now, `Transient` when the database could not do it: nothing is kept then.
    """
    with sql.guarded(), transaction.atomic():
        return _take(mails, desk)


def take_from(progress: Progress, mails: Sequence[bytes], desk: FetchDesk, **changes: Any) -> Progress:
    """Commit mails and how far their mailbox is taken now (`changes`), both or neither; raises what `take` raises."""
    with sql.guarded(), transaction.atomic():
        new = _take(mails, desk)
        progress = dataclasses.replace(progress, taken=progress.taken + new, looked_at=desk.now, **changes)
        inbound.save_progress(progress)
    return progress


def _take(mails: Sequence[bytes], desk: FetchDesk) -> int:
    if not mails:
        return 0
    by_digest = {hashlib.sha256(mail).digest(): mail for mail in mails}
    fresh = inbound.note_taken(list(by_digest))
    new = [mail for digest, mail in by_digest.items() if digest in fresh]
    if new and accept([_received(mail, desk.settings) for mail in new], desk=desk.door) is not DeliveryReply.ACCEPTED:
        raise MailboxTrouble(Trouble.INTAKE)
    return len(new)


def _received(mail: bytes, settings: Settings) -> Received:
    intake = settings.intake
    return with_envelope(
        mail,
        domains={intake.domain, settings.relay.bounce_domain},
        otherwise=f"{intake.reply_local_part}@{intake.domain}",
    )
