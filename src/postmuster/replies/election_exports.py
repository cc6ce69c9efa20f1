"""Exports of recorded elections: nobody makes one alone.

The first officer's asking fixes what is in it (`cut_at`), the second one's has to come to the same, to the last choice. What
can still be taken back is in none, nor what a mail that is still unread, or before an officer, may have taken back in time.
Runs in the caller's transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id
from postmuster.replies.actions import lock_people
from postmuster.replies.election_queries import read_row
from postmuster.replies.election_states import ElectionState
from postmuster.replies.election_values import Election, ExportAsk, Move
from postmuster.replies.models import Election as Row
from postmuster.replies.models import ElectionExport

ASK_HOLDS: Final = timedelta(days=7)  # own limit: after that the first officer has to look again
COMMIT_MARGIN: Final = timedelta(minutes=1)  # a mail that was accepted in time may be a moment from being committed
_SQL = sql.load("replies")
_NOBODY: Final = 0  # with the notice it names the lock that two askers meet at


def ask(notice_no: int, *, officer_no: int, now: datetime) -> ExportAsk:
    """Ask for an export of a notice. `Refused` when nothing is ready, and when the same officer asks twice."""
    lock_people([(notice_no, _NOBODY)])
    with sql.guarded():
        found = ElectionExport.objects.filter(notice_no=notice_no, second_by=None).first()
        if found is not None:
            ready = _ready(notice_no, found.cut_at)
            if now - found.first_at <= ASK_HOLDS and _manifest(ready) == bytes(found.manifest):
                return _second(found, ready, officer_no, now)
            found.delete()
        ready = _ready(notice_no, now)
        if not ready:
            raise Refused(
                f"{notice_id(notice_no)} has no recorded election that can no longer be taken back and waits for nobody; "
                "nothing was written; see `postmuster election list` and `postmuster case list`."
            )
        manifest = _manifest(ready)
        made = ElectionExport.objects.create(
            notice_no=notice_no, manifest=manifest, elections=len(ready), cut_at=now, first_by=officer_no, first_at=now
        )
        return ExportAsk(made.pk, manifest, ready, is_second=False)


def hand_over(elections: Sequence[Election], *, now: datetime) -> list[Move]:
    """Let recorded elections be exported, all or none of them."""
    numbers = [one.election_no for one in elections]
    with sql.guarded():
        ready = Row.objects.filter(pk__in=numbers, state=str(ElectionState.RECORDED))
        if ready.update(state=str(ElectionState.EXPORTED), since=now) != len(numbers):
            raise Refused("An election has moved meanwhile; nothing was written; ask for the export again.")
        return [
            Move(read_row(row), ElectionState.RECORDED) for row in Row.objects.filter(pk__in=numbers).order_by("id")
        ]


def _second(found: ElectionExport, ready: tuple[Election, ...], officer_no: int, now: datetime) -> ExportAsk:
    if found.first_by == officer_no:
        raise Refused(
            "You have asked for this export yourself; nothing was written; it is made when a second officer asks for the same."
        )
    found.second_by, found.second_at = officer_no, now
    found.save()
    return ExportAsk(found.pk, bytes(found.manifest), ready, is_second=True)


def _ready(notice_no: int, at: datetime) -> tuple[Election, ...]:
    """What nobody could take back any more at that moment."""
    values = {"notice_no": notice_no, "at": at - COMMIT_MARGIN}
    numbers = [int(row[0]) for row in sql.rows(_SQL["ready"], values)]
    return tuple(read_row(row) for row in Row.objects.filter(pk__in=numbers).order_by("id"))


def _manifest(elections: Sequence[Election]) -> bytes:
    lines = (f"{one.election_no} {one.person_no} {one.recorded_at} {one.choice}" for one in elections)
    return hashlib.sha256("\n".join(lines).encode()).digest()
