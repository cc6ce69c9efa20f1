"""The journey of a reply: accept → digest.

*Accept*: the door's mails are sealed and committed, waiting, before anybody says 250. *Digest*: opened → parsed → kind →
whose → (a report: the delivery is updated, the end) → markings → new text → author → answer → recorded, a letter if due, a
case if it is unclear. A batch is one transaction under the fence of its claim, so that a mail has its effect once, whatever
dies and however often it comes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

from django.db import connection, transaction

from postmuster.base import sql
from postmuster.base.errors import PostmusterError, Transient
from postmuster.control import queries as control
from postmuster.control.states import Lane
from postmuster.inbound import actions as inbound
from postmuster.inbound.actions import ClaimedMail
from postmuster.inbound.envelope import TakenMail
from postmuster.inbound.states import MailState
from postmuster.jobs import election, judging, monster, receipts, screened
from postmuster.jobs.desk import Desk, DoorDesk
from postmuster.jobs.judging import Judged
from postmuster.jobs.looking import Look, look
from postmuster.ledger import actions as ledger
from postmuster.mail.kind import Kind
from postmuster.mail.lmtp import DeliveryReply, Received
from postmuster.outbound import actions as outbound
from postmuster.outbound import letters
from postmuster.replies import actions as replies
from postmuster.vault import actions as vault

_ANSWERING: Final = frozenset({Kind.REPLY, Kind.REACTION, Kind.CALENDAR})
MAX_ATTEMPTS: Final = 3  # tries of one mail before it is held for a person
MAX_TROUBLES: Final = 6  # tries when it is the database that could not do it now, and could do everything else
CLOSED_WAIT_S: Final = 600  # how long replies to a notice that takes none wait until it is asked again whether it does
_NO_ROOM: Final = "53100"  # PostgreSQL: disk full


# ---- accept


def accept(mails: Sequence[Received], *, desk: Desk | DoorDesk) -> DeliveryReply:
    """Commit mails; what their senders hear. Never raises: any trouble is 451, want of room 452. Gate: accept."""
    try:
        if control.stopped(0, Lane.INTAKE):
            return DeliveryReply.TROUBLE
        taken = [TakenMail(mail.reverse_path, mail.recipients, mail.data) for mail in mails]
        inbound.store(taken, desk.keyring, desk.now)
    except PostmusterError as error:
        connection.close_if_unusable_or_obsolete()  # one that broke is opened afresh for the next mail
        return DeliveryReply.FULL if _NO_ROOM in error.sentence else DeliveryReply.TROUBLE
    except Exception:  # the door stays open whatever happened; the sender tries again
        return DeliveryReply.TROUBLE
    return DeliveryReply.ACCEPTED


# ---- digest


def digest(*, desk: Desk) -> int:
    """Digest what waits until nothing does; returns how many mails."""
    work, done = desk.settings.work, 0
    while not desk.leaving.is_set():
        mails = inbound.claim(limit=work.digest_batch_rows, lease_s=work.lease_s)
        if not mails:
            break
        for part in monster.portions(mails):
            with monster.watched(monster.watch_s(work.lease_s)):
                done += _digest_safely(part, desk)
    return done


def _digest_safely(mails: Sequence[ClaimedMail], desk: Desk) -> int:
    """Digest a batch; where it fails, mail by mail, so that one mail cannot hold up the others.

    Raises `Transient` when it should be tried again later; the mails are free then.
    """
    try:
        return _digest_batch(mails, desk)
    except Transient:
        if len(mails) == 1 and mails[0].attempts >= MAX_TROUBLES:
            return _set_aside(mails[0], desk)
        if len(mails) == 1 or max(mail.attempts for mail in mails) < MAX_ATTEMPTS:
            inbound.let_go(mails)
            raise
    except monster.TooMuch:
        if len(mails) == 1:
            return _set_aside(mails[0], desk, at_once=True)
    except Exception:
        if len(mails) == 1:
            return _set_aside(mails[0], desk)
    return _digest_one_by_one(mails, desk)


def _digest_one_by_one(mails: Sequence[ClaimedMail], desk: Desk) -> int:
    """Digest each mail on its own; only then say what trouble there was with one."""
    done, trouble = 0, None
    for mail in mails:
        try:
            done += _digest_safely([mail], desk)
        except Transient as error:
            trouble = error
    if trouble is not None:
        raise trouble
    return done


def _set_aside(mail: ClaimedMail, desk: Desk, *, at_once: bool = False) -> int:
    """A mail that cannot be digested waits for another try, then for a person; it is never dropped."""
    if mail.attempts < MAX_ATTEMPTS and not at_once:
        inbound.let_go([mail])
        return 0
    with sql.guarded(), transaction.atomic():
        if inbound.finish([(mail, MailState.HELD)]):
            replies.record([judging.held(mail)], now=desk.now)
            facts = {"mail": mail.mail_no, "attempts": mail.attempts}
            ledger.append(kind="mail held", actor="worker", subject=f"mail:{mail.mail_no}", facts=facts, now=desk.now)
    return 1


def _digest_batch(mails: Sequence[ClaimedMail], desk: Desk) -> int:
    """Digest mails in one transaction. Those for which DNS gave no answer keep their lease and come again when it ends."""
    with sql.guarded():
        opened = vault.open_items([mail.item_no for mail in mails], desk.keyring)
    monster.try_first(mails, opened)
    looks = [look(mail, TakenMail.unpack(opened[mail.item_no]), desk) for mail in mails]
    ready = [one for one in looks if not one.is_temporary or one.mail.attempts >= MAX_ATTEMPTS]
    done = len(ready)
    while ready:
        with sql.guarded(), transaction.atomic():
            judged = judging.judge(ready, desk)
            closed = _closed(judged)
            if not closed:
                _record(ready, judged, desk)
                break
            transaction.set_rollback(True)  # judging marked them as seen
        inbound.put_off([one.mail for one in ready if one.mail.mail_no in closed], CLOSED_WAIT_S)
        ready = [one for one in ready if one.mail.mail_no not in closed]
    return done


def _closed(judged: Sequence[Judged]) -> set[int]:
    """The replies to notices whose intake is stopped: they stay sealed, unread and waiting. Gate: process.

    Reports and absences are evidence of whom the notice reached, and are digested.
    """
    closed = control.closed_to_replies()
    return {
        one.finding.mail_no
        for one in judged
        if one.finding.delivery is not None
        and one.finding.delivery.notice_no in closed
        and one.finding.kind in _ANSWERING
    }


def _record(looks: Sequence[Look], judged: Sequence[Judged], desk: Desk) -> None:
    """Write down a batch, all of it or nothing."""
    now = desk.now
    numbers = replies.record([one.finding for one in judged], now=now)
    outbound.settle_by_evidence([one.evidence for one in judged if one.evidence], now)
    told = election.digest(looks, judged, numbers, desk)
    owed = receipts.due(looks, judged, numbers, desk, told=told)
    letters.write_letters([*owed, *screened.due(judged, numbers, desk)], desk.keyring, now)
    owners = [
        (one.finding.item_no, one.finding.delivery.notice_no, one.finding.delivery.person_no)
        for one in judged
        if one.finding.delivery is not None
    ]
    vault.hand_over(owners, desk.keyring, now)
    if len(inbound.finish([(one.mail, MailState.DIGESTED) for one in looks])) != len(looks):
        raise Transient("Another worker took this mail over; nothing was recorded twice; it goes on by itself.")
    kinds = Counter(f"{one.finding.kind}" for one in judged)
    manifest = hashlib.sha256(
        "\n".join(f"{one.finding.mail_no} {one.finding.kind} {one.finding.reason}" for one in judged).encode()
    ).hexdigest()
    facts = {"mails": len(judged), "kinds": dict(kinds), "manifest": manifest}
    ledger.append(kind="mail digested", actor="worker", subject=f"mail:{looks[0].mail.mail_no}", facts=facts, now=now)
