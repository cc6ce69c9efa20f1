"""The moment at which a round begins, the first or a further one: every gate is asked, and what it stands on is fixed."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from postmuster.access.roles import Actor
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id
from postmuster.jobs.desk import Desk
from postmuster.jobs.estimate import estimate_reasons
from postmuster.notices import actions as notices
from postmuster.notices import readiness
from postmuster.notices.terms import AgainTo


def open_next_round(
    notice_no: int,
    *,
    again: AgainTo | None,
    actor: Actor,
    desk: Desk,
    then: Callable[[int, int], None] | None,
) -> int:
    """Begin the first round, or a further one `again` to some; one transaction, `then` in it. Returns its number.

    Ledger: `notice released`. Raises `Refused` with the first reason why it cannot be (P1).
    """
    with sql.guarded(), transaction.atomic():
        found = readiness.examine(notice_no, now=desk.now, again=again)
        reasons = found.reasons or tuple(estimate_reasons(notice_no, desk=desk))
        if reasons or found.ground is None:
            reasons = reasons or ("it has nothing to stand on.",)
            more = f" There are {len(reasons) - 1} more reasons." if len(reasons) > 1 else ""
            raise Refused(
                f"Notice {notice_id(notice_no)} cannot go out{' again' if again else ''}: {reasons[0]}{more} Nothing was "
                f"sent; see `postmuster notice check {notice_id(notice_no)}`."
            )
        number = notices.open_round(
            notice_no,
            assessment_no=found.ground.assessment_no,
            roster_version=found.ground.roster_version,
            actor=actor,
            now=desk.now,
            to=again or AgainTo.EVERYONE,
            number=found.ground.round_no,
        )
        if then is not None:
            then(notice_no, number)
        return number
