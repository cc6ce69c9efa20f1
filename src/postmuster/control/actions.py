"""Setting and lifting stops. Each changes the generation in the same transaction, so that senders see it at once."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id
from postmuster.control import queries
from postmuster.control.models import Lift, Stop
from postmuster.control.states import Cause, Lane
from postmuster.ledger import actions as ledger

CHANNEL = "postmuster_control"  # NOTIFY only hastens: nothing depends on its arrival


def set_stop(
    *, notice_no: int, component_path: str, lane: Lane, cause: Cause, reason: str, actor: str, now: datetime
) -> int:
    """Close a lane for a notice (0: all) and a component with its subtree ('': all); returns the stop's number.

    Ledger: `stop set`. Raises `Refused` without a reason.
    """
    if not reason.strip():
        raise Refused("A stop needs a reason; nothing was stopped; give one with --reason.")
    with sql.guarded(), transaction.atomic():
        _turn_generation()
        stop = Stop.objects.create(
            notice_no=notice_no,
            component_path=component_path,
            lane=lane,
            cause=cause,
            reason=reason,
            set_by=actor,
            set_at=now,
        )
        facts = {"stop": stop.pk, "lane": str(lane), "cause": str(cause), "whole": not component_path}
        ledger.append(kind="stop set", actor=actor, subject=notice_id(notice_no), facts=facts, now=now)
    return int(stop.pk)


def lift(*, notice_no: int, component_path: str, cause: Cause, reason: str, actor: str, now: datetime) -> list[int]:
    """Lift every standing stop of exactly this scope and cause; returns their numbers. Ledger: `stop lifted`."""
    with sql.guarded(), transaction.atomic():
        _turn_generation()
        lifted = [
            stop.stop_no
            for stop in queries.standing(notice_no)
            if (stop.notice_no, stop.component_path, stop.cause) == (notice_no, component_path, str(cause))
        ]
        for stop_no in lifted:
            Lift.objects.create(stop_id=stop_no, reason=reason, lifted_by=actor, lifted_at=now)
            facts = {"stop": stop_no}
            ledger.append(kind="stop lifted", actor=actor, subject=notice_id(notice_no), facts=facts, now=now)
    return lifted


def _turn_generation() -> None:
    sql.execute("UPDATE control_generation SET number = number + 1")
    sql.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
