"""Setting and lifting stops. Each changes the generation in the same transaction, so that senders see it at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id
from postmuster.control import queries
from postmuster.control.authority import Authority, why_not
from postmuster.control.models import Lift, Stop, Told
from postmuster.control.queries import StandingStop
from postmuster.control.states import Cause, Lane
from postmuster.ledger import actions as ledger

CHANNEL = "postmuster_control"  # NOTIFY only hastens: nothing depends on its arrival


@dataclass(frozen=True, slots=True)
class Asked:
    """What whoever stops a notice is asked: tell those already reached? keep accepting their replies?"""

    tell_reached: bool
    accept_replies: bool


@dataclass(frozen=True, slots=True)
class Resumed:
    """What was lifted, and what of this very scope was not, each with the reason why."""

    lifted: tuple[StandingStop, ...]
    refused: tuple[tuple[StandingStop, str], ...]


def set_stop(
    *,
    notice_no: int,
    component_path: str,
    lane: Lane,
    cause: Cause,
    reason: str,
    actor: str,
    now: datetime,
    kind: str = "",
    level: str = "",
    asked: Asked | None = None,
) -> int:
    """Close a lane for a notice (0: all) and a component with its subtree ('': all); returns the stop's number.

    `level` is the component whose officer acts, '' for an approver or a process; `kind` says what set an automatic hold.
    Where those who replied shall not be heard (`asked`), the intake is closed for the same scope, by a stop of its own.
    Ledger: `stop set`. Raises `Refused` without a reason.
    """
    if not reason.strip():
        raise Refused("A stop needs a reason; nothing was stopped; give one with --reason.")
    lanes = [lane]
    if asked is not None and not asked.accept_replies and lane is not Lane.INTAKE:
        lanes.append(Lane.INTAKE)
    with sql.guarded(), transaction.atomic():
        generation = turn_generation()
        numbers = []
        for each in lanes:
            answers = asked if each is lane else None
            stop = Stop.objects.create(
                notice_no=notice_no,
                component_path=component_path,
                lane=each,
                cause=cause,
                reason=reason,
                set_by=actor,
                set_at=now,
                kind=kind,
                level=level,
                tell_reached=answers.tell_reached if answers else None,
                accept_replies=answers.accept_replies if answers else None,
            )
            numbers.append(int(stop.pk))
            facts: dict[str, object] = {
                "stop": stop.pk,
                "lane": str(each),
                "cause": str(cause),
                "whole": not component_path,
                "generation": generation,
            }
            facts |= {"kind": kind} if kind else {}
            if answers:
                facts |= {"tell_reached": answers.tell_reached, "accept_replies": answers.accept_replies}
            ledger.append(kind="stop set", actor=actor, subject=notice_id(notice_no), facts=facts, now=now)
    return numbers[0]


def lift(*, notice_no: int, component_path: str, cause: Cause, reason: str, actor: str, now: datetime) -> list[int]:
    """Lift every standing stop of exactly this scope and cause; returns their numbers. Ledger: `stop lifted`.

    It asks nobody's authority: for processes, which lift what they set. Officers go through `resume`.
    """
    with sql.guarded(), transaction.atomic():
        turn_generation()
        found = [
            stop
            for stop in queries.standing(notice_no)
            if _is_of(stop, notice_no, component_path) and stop.cause is cause
        ]
        _lift(found, reason=reason, actor=actor, now=now)
    return [stop.stop_no for stop in found]


def resume(
    *, notice_no: int, component_path: str, authority: Authority, reason: str, actor: str, now: datetime
) -> Resumed:
    """Lift what stands of exactly this scope, as far as the authority reaches. Ledger: `stop lifted`, each.

    Raises `Refused` without a reason, and when something stands and none of it may be lifted.
    """
    if not reason.strip():
        raise Refused("Lifting needs a reason; nothing was lifted; give one with --reason.")
    with sql.guarded(), transaction.atomic():
        turn_generation()
        found = [stop for stop in queries.standing(notice_no) if _is_of(stop, notice_no, component_path)]
        reasons = [why_not(authority, cause=stop.cause, kind=stop.kind, level=stop.level) for stop in found]
        refused = tuple((stop, why) for stop, why in zip(found, reasons, strict=True) if why)
        lifted = tuple(stop for stop, why in zip(found, reasons, strict=True) if not why)
        if refused and not lifted:
            stop, why = refused[0]
            raise Refused(f"The {stop.cause} {stop.stop_no} was not lifted: {why}; nothing was changed.")
        _lift(lifted, reason=reason, actor=actor, now=now)
    return Resumed(lifted, refused)


def told(*, notice_no: int, by_notice_no: int, actor: str, now: datetime) -> list[int]:
    """Note that those reached by a stopped notice were told by another one; returns the stops this settles.

    Ledger: `reached told`. Raises `Refused` when nothing of the kind is owed.
    """
    with sql.guarded(), transaction.atomic():
        owed = [stop.stop_no for stop in queries.standing(notice_no) if stop.notice_no == notice_no and stop.to_tell]
        if not owed:
            raise Refused(f"Nobody is owed word of a stop of {notice_id(notice_no)}; nothing was noted.")
        for stop_no in owed:
            Told.objects.create(stop_id=stop_no, by_notice_no=by_notice_no, told_by=actor, told_at=now)
            facts = {"stop": stop_no, "by": notice_id(by_notice_no)}
            ledger.append(kind="reached told", actor=actor, subject=notice_id(notice_no), facts=facts, now=now)
    return owed


@dataclass(frozen=True, slots=True)
class LeftRelay:
    """What still left the relay after a stop for everyone was committed: how many messages, and until when."""

    stop_no: int
    messages: int
    seconds: float


def note_relay(
    *,
    notice_no: int,
    messages: int | None,
    released: bool,
    how: str,
    actor: str,
    now: datetime,
    left: LeftRelay | None = None,
) -> None:
    """Record that the relay was told to hold, or to let go, what it has of a notice: how many messages, where it said.

    Ledger: `relay held`, `relay released`.
    """
    facts: dict[str, object] = {"messages": messages, "how": how}
    if left is not None:
        facts |= {"stop": left.stop_no, "left": left.messages, "left_s": left.seconds}
    kind = "relay released" if released else "relay held"
    ledger.append(kind=kind, actor=actor, subject=notice_id(notice_no), facts=facts, now=now)


def _is_of(stop: StandingStop, notice_no: int, component_path: str) -> bool:
    return (stop.notice_no, stop.component_path) == (notice_no, component_path)


def _lift(found: list[StandingStop] | tuple[StandingStop, ...], *, reason: str, actor: str, now: datetime) -> None:
    for stop in found:
        Lift.objects.create(stop_id=stop.stop_no, reason=reason, lifted_by=actor, lifted_at=now)
        facts = {"stop": stop.stop_no}
        ledger.append(kind="stop lifted", actor=actor, subject=notice_id(stop.notice_no), facts=facts, now=now)


def turn_generation() -> int:
    """Let every sender see, before its next window, that what may happen has changed. Inside the change's transaction.

    Returns the new number: whoever sends under a lower one began before the change.
    """
    number = int(sql.value("UPDATE control_generation SET number = number + 1 RETURNING number"))
    sql.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
    return number
