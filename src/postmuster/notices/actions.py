"""Drafting, approving, releasing and settling. Each is one transaction with its ledger entry inside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django.db import transaction

from postmuster.access.roles import Actor
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id
from postmuster.ledger import actions as ledger
from postmuster.notices import queries
from postmuster.notices.content import digest
from postmuster.notices.models import Approval, Notice, Revision, Round
from postmuster.notices.states import NOTICE_ARROWS, NoticeState, RoundState
from postmuster.notices.terms import AgainTo, NoticeContent

APPROVALS_NEEDED: Final = 2  # P1


def draft(
    content: NoticeContent,
    toml: bytes,
    bodies: Mapping[str, bytes],
    *,
    notice_no: int | None,
    actor: Actor,
    now: datetime,
) -> int:
    """Keep a revision: of a new notice, or the next one of a notice that was not released. Approvals begin anew.

    Ledger: `notice drafted`. Raises `Refused` for a notice that was released.
    """
    with sql.guarded(), transaction.atomic():
        if notice_no is None:
            notice = Notice.objects.create(
                kind=content.kind, state=NoticeState.DRAFT, drafted_by_id=actor.officer_no, drafted_at=now
            )
            number = 1
        else:
            newest = queries.newest(notice_no)
            notice = _locked(notice_no)
            if notice.state not in (NoticeState.DRAFT, NoticeState.APPROVED):
                raise Refused(f"Notice {notice_id(notice_no)} was released; nothing was changed; draft a new notice.")
            number = newest.number + 1
            _move(notice, NoticeState.DRAFT)
            notice.kind = content.kind
            notice.save(update_fields=["kind"])
        fixed = bytes.fromhex(digest(content))
        Revision.objects.create(
            notice=notice,
            number=number,
            toml=toml,
            bodies={language: text.decode() for language, text in bodies.items()},
            digest=fixed,
            edited_by_id=actor.officer_no,
            edited_at=now,
        )
        facts = {"revision": number, "digest": fixed.hex()}
        ledger.append(kind="notice drafted", actor=actor.mark, subject=notice_id(notice.pk), facts=facts, now=now)
    return int(notice.pk)


def approve(notice_no: int, *, actor: Actor, now: datetime) -> int:
    """Approve the newest revision; returns how many approvals are still missing.

    Ledger: `notice approved`. Raises `Refused` for whoever drafted or edited the notice, and for a second approval (P1).
    """
    with sql.guarded(), transaction.atomic():
        notice = _locked(notice_no)
        newest = queries.newest(notice_no)
        if notice.state != NoticeState.DRAFT:
            raise Refused(
                f"Notice {notice_id(notice_no)} is {notice.state}; nothing was changed; it needs no approval."
            )
        if actor.officer_no in queries.editors(notice_no):
            raise Refused(
                "Who drafted or edited a notice cannot approve it; nothing was changed; ask another approver."
            )
        if actor.officer_no in newest.approved_by:
            raise Refused("You have approved this revision already; nothing was changed; ask a second approver.")
        Approval.objects.create(revision_id=newest.revision_pk, officer_id=actor.officer_no, approved_at=now)
        missing = APPROVALS_NEEDED - len(newest.approved_by) - 1
        if missing <= 0:
            _move(notice, NoticeState.APPROVED)
        facts = {"revision": newest.number, "digest": newest.digest.hex(), "missing": max(missing, 0)}
        ledger.append(kind="notice approved", actor=actor.mark, subject=notice_id(notice_no), facts=facts, now=now)
    return max(missing, 0)


def open_round(
    notice_no: int,
    *,
    assessment_no: int,
    roster_version: int,
    actor: Actor,
    now: datetime,
    to: AgainTo = AgainTo.EVERYONE,
    number: int = 1,
) -> int:
    """Begin round `number` of a notice: the first of an approved one, any other of a settled one. Returns the number.

    Ledger: `notice released`. Runs in the transaction of `jobs.notice.release` or `jobs.again.again`, which asked every gate.
    Raises `Refused` when another officer was quicker since they were asked.
    """
    notice = _locked(notice_no)
    newest = queries.newest(notice_no)
    state = NoticeState.APPROVED if number == 1 else NoticeState.SETTLED
    if notice.state != state or Round.objects.filter(notice=notice).count() + 1 != number:
        raise Refused(
            f"Notice {notice_id(notice_no)} was released by another officer meanwhile; nothing was sent by you; see "
            f"`postmuster notice status {notice_id(notice_no)}`."
        )
    _move(notice, NoticeState.RELEASED)
    Round.objects.create(
        notice=notice,
        number=number,
        revision_id=newest.revision_pk,
        assessment_no=assessment_no,
        roster_version=roster_version,
        state=RoundState.EXPANDING,
        released_by=actor.mark,
        released_at=now,
        to=to,
    )
    facts = {
        "round": number,
        "to": str(to),
        "digest": newest.digest.hex(),
        "assessment": assessment_no,
        "roster_version": roster_version,
        "quiet_hours": str(newest.content.schedule.quiet_hours),
    }
    ledger.append(kind="notice released", actor=actor.mark, subject=notice_id(notice_no), facts=facts, now=now)
    return number


def begin_sending(notice_no: int, number: int, *, audience: int, now: datetime) -> bool:
    """All people of a round are written down; False when another worker said so before."""
    with sql.guarded(), transaction.atomic():
        changed = Round.objects.filter(notice_id=notice_no, number=number, state=RoundState.EXPANDING).update(
            state=RoundState.SENDING, audience=audience
        )
        if changed:
            facts = {"round": number, "audience": audience}
            ledger.append(
                kind="audience written down", actor="worker", subject=notice_id(notice_no), facts=facts, now=now
            )
        return bool(changed)


def open_wave(notice_no: int, number: int, wave: int, *, now: datetime) -> bool:
    """Let a later wave of a round be sent; False when another worker did so before. Ledger: `wave opened`."""
    with sql.guarded(), transaction.atomic():
        changed = Round.objects.filter(
            notice_id=notice_no, number=number, state=RoundState.SENDING, open_wave__lt=wave
        ).update(open_wave=wave, wave_opened_at=now)
        if changed:
            facts = {"round": number, "wave": wave}
            ledger.append(kind="wave opened", actor="worker", subject=notice_id(notice_no), facts=facts, now=now)
        return bool(changed)


def settle(notice_no: int, number: int, *, states: Mapping[str, int], now: datetime) -> bool:
    """Nobody of a round is pending any more; False when another worker said so before. Ledger: `round settled`."""
    with sql.guarded(), transaction.atomic():
        notice = _locked(notice_no)
        changed = Round.objects.filter(notice_id=notice_no, number=number, state=RoundState.SENDING).update(
            state=RoundState.SETTLED, settled_at=now
        )
        if changed:
            _move(notice, NoticeState.SETTLED)
            facts = {"round": number, "states": dict(states)}
            ledger.append(kind="round settled", actor="worker", subject=notice_id(notice_no), facts=facts, now=now)
        return bool(changed)


def _locked(notice_no: int) -> Notice:
    notice = Notice.objects.select_for_update().filter(pk=notice_no).first()
    if notice is None:
        raise Refused(f"There is no notice {notice_id(notice_no)}; nothing was done; see `postmuster notice list`.")
    return notice


def _move(notice: Notice, state: NoticeState) -> None:
    """Follow an arrow of the drawn states; staying where one is is no arrow and allowed."""
    before = NoticeState(notice.state)
    if state is not before and state not in NOTICE_ARROWS[before]:
        raise Refused(f"Notice {notice_id(notice.pk)} is {before} and cannot become {state}; nothing was changed.")
    notice.state = state
    notice.save(update_fields=["state"])
