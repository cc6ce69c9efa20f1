"""Taking mail in and giving it out to be digested."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from postmuster.base import sql
from postmuster.inbound.envelope import TakenMail
from postmuster.inbound.progress import Progress
from postmuster.inbound.states import MailState
from postmuster.vault import actions as vault
from postmuster.vault.keyring import Keyring

_SQL = sql.load("inbound")


@dataclass(frozen=True, slots=True)
class ClaimedMail:
    """One mail under a digest loop's lease."""

    mail_no: int
    item_no: int
    accepted_at: datetime
    octets: int
    fence: int
    attempts: int


def store(mails: Sequence[TakenMail], keyring: Keyring, now: datetime) -> None:
    """Seal mails and commit them, waiting, in one transaction. Only then may anybody say 250 (P5)."""
    with sql.guarded(), transaction.atomic():
        items = vault.seal_unowned([mail.pack() for mail in mails], keyring, now)
        sql.execute(_SQL["add_mail"], {"items": items, "octets": [len(mail.data) for mail in mails], "now": now})


def claim(*, limit: int, lease_s: int) -> list[ClaimedMail]:
    """Take the oldest waiting mails."""
    found = sql.rows(_SQL["claim_mail"], {"limit": limit, "lease_s": lease_s})
    return sorted((ClaimedMail(*row) for row in found), key=lambda mail: mail.mail_no)


def finish(mails: Sequence[tuple[ClaimedMail, MailState]]) -> set[int]:
    """Mark mails in the transaction that records their meaning; returns the numbers of those still ours (fencing)."""
    values = {
        "mails": [mail.mail_no for mail, _ in mails],
        "fences": [mail.fence for mail, _ in mails],
        "states": [str(state) for _, state in mails],
    }
    return {int(row[0]) for row in sql.rows(_SQL["finish_mail"], values)}


def let_go(mails: Sequence[ClaimedMail]) -> None:
    """Free a batch that could not be recorded; its tries stay counted."""
    values = {"mails": [mail.mail_no for mail in mails], "fences": [mail.fence for mail in mails]}
    sql.execute(_SQL["let_go"], values)


def put_off(mails: Sequence[ClaimedMail], wait_s: int) -> None:
    """Let mails wait that must not be read now: they are claimed again after this time, and no try is counted."""
    values = {"mails": [mail.mail_no for mail in mails], "fences": [mail.fence for mail in mails], "wait_s": wait_s}
    sql.execute(_SQL["put_off"], values)


def note_taken(digests: Sequence[bytes]) -> set[bytes]:
    """Remember mails from mailboxes; returns those that are new. Runs in the transaction that stores them."""
    return {bytes(row[0]) for row in sql.rows(_SQL["note_taken"], {"digests": sorted(set(digests))})}


def save_progress(progress: Progress) -> None:
    """Write down how far a mailbox was taken, in the transaction that stores what was taken."""
    values = {
        "place": progress.place,
        "kind": str(progress.kind),
        "uid_validity": progress.uid_validity,
        "last_uid": progress.last_uid,
        "to_mark": json.dumps(progress.to_mark),
        "taken": progress.taken,
        "left_out": progress.left_out,
        "waiting": progress.waiting,
        "oldest_at": progress.oldest_at,
        "looked_at": progress.looked_at,
        "trouble": str(progress.trouble or ""),
        "trouble_since": progress.trouble_since,
    }
    sql.execute(_SQL["save_mailbox"], values)
