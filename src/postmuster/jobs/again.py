"""A further round of a notice: the same frozen words to those whom it may still concern.

*Again* asks the gates of a release, and its own: the last round is settled, the gap is over, the maximum is not reached.
*Spare* runs in the expand job before the first page. It first has every mail read that was taken in until now, then writes
into the database whom the round does not write to, and why; `expand_page` makes them withheld. What is answered between
release and expand is therefore seen. No list of people is made outside the database (P6).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from django.db import transaction

from postmuster.access.roles import Actor
from postmuster.base import sql
from postmuster.base.errors import Transient
from postmuster.base.ids import notice_id
from postmuster.control import queries as control
from postmuster.jobs import reply
from postmuster.jobs.desk import Desk
from postmuster.jobs.release import open_next_round
from postmuster.notices.terms import AgainTo
from postmuster.outbound import sparing as book
from postmuster.outbound.values import RoundRef
from postmuster.replies import sparing as answers

MAX_WAIT_S: Final = 300.0  # for mails that other workers read; longer than any lease by default (60 s)
LOOK_S: Final = 0.2  # how often it is looked whether they did


def again(
    notice_no: int,
    *,
    to: AgainTo,
    actor: Actor,
    desk: Desk,
    then: Callable[[int, int], None] | None = None,
) -> int:
    """Ask every gate and begin a further round of the frozen revision with the roster of now; returns its number.

    `then` puts the first job in the queue, in this transaction.

    Ledger: `notice released`. Raises `Refused` with the first reason why there cannot be one (P1, R17).
    """
    return open_next_round(notice_no, again=to, actor=actor, desk=desk, then=then)


def spare(of: RoundRef, to: AgainTo, *, desk: Desk) -> None:
    """Write down whom this round does not write to; may be done again after a crash, and adds what is new.

    Never to those who answered or whose reply waits for a person, whose mailbox is unknown, who are excused or withheld by
    a directive, or whose component is paused; with `unproven` nor to those who are proven reached, by report or reply.
    Raises `Transient` when mail that came in before is still being read, or replies to this notice may not be read now;
    expand then runs again by itself.
    """
    if to is AgainTo.EVERYONE:
        return
    if of.notice_no in control.closed_to_replies():
        raise Transient(
            f"Replies to notice {notice_id(of.notice_no)} are not read now, so nobody can say who answered; nobody was "
            "written to; it goes on by itself once they are."
        )
    _read_what_came(desk)
    with sql.guarded(), transaction.atomic():
        book.forget(of)
        answers.spare_answered(of)
        if to is AgainTo.UNPROVEN:
            answers.spare_replied(of)
            book.spare_proven(of)
        book.spare_whom_it_cannot_help(of)


def _read_what_came(desk: Desk) -> None:
    """Read what waits, and wait for what other workers are reading."""
    newest, lease_s = answers.newest_mail(), desk.settings.work.lease_s
    until_s = time.monotonic() + MAX_WAIT_S
    while answers.is_unread(newest, lease_s):
        reply.digest(desk=desk)
        if not answers.is_unread(newest, lease_s):
            return
        if desk.leaving.wait(LOOK_S) or time.monotonic() > until_s:
            raise Transient(
                "Mail that came in before this round is still being read; nobody was written to; it goes on by itself."
            )
