"""The gate: what the database says may happen now. Every question is put to it afresh; an error means no."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from postmuster.base import sql
from postmuster.base.ids import notice_id
from postmuster.control.states import Cause, Lane

# A stop of a component covers its subtree; component_path '' and notice_no 0 cover everything.
_STANDING = """
SELECT s.id, s.notice_no, s.component_path, s.lane, s.cause, s.reason, s.set_at, s.kind, s.level,
       s.tell_reached IS TRUE AND NOT EXISTS (SELECT FROM control_told t WHERE t.stop_id = s.id)
FROM control_stop s
WHERE NOT EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id)
  AND (s.notice_no = 0 OR s.notice_no = %(notice_no)s)
ORDER BY s.id
"""
_COVERS = """
SELECT EXISTS (
  SELECT FROM control_stop s
  WHERE s.lane = 'bulk' AND s.notice_no IN (0, %(notice_no)s)
    AND NOT EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id)
    AND (s.component_path = '' OR EXISTS (
      SELECT FROM roster_component c WHERE c.id = ANY(%(components)s::int[])
        AND (c.path = s.component_path OR starts_with(c.path, s.component_path || '/')))))
"""
# Those of one notice alone: a stop of the whole intake closes the door, and what is inside is digested.
_CLOSED_TO_REPLIES = """
SELECT DISTINCT s.notice_no FROM control_stop s
WHERE s.lane = 'intake' AND s.notice_no <> 0 AND s.component_path = ''
  AND NOT EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id)
"""
_NEWEST_STOP = """
SELECT s.id, s.notice_no, s.cause, s.committed_at,
       EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id)
FROM control_stop s
WHERE s.lane = 'bulk' AND s.component_path = '' AND s.notice_no IN (0, %(notice_no)s)
ORDER BY s.committed_at DESC, s.id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class StandingStop:
    """A stop that nobody lifted. `to_tell`: those reached are to be told, and were not yet."""

    stop_no: int
    notice_no: int
    component_path: str
    lane: Lane
    cause: Cause
    reason: str
    set_at: datetime
    kind: str = ""
    level: str = ""
    to_tell: bool = False

    def sentence(self) -> str:
        """Who holds what, for `held_by`."""
        where = self.component_path or "everyone"
        name = f"{self.kind} {self.cause}" if self.kind else f"{self.cause}"
        told = f" ({tell_command(self.notice_no)})" if self.to_tell else ""
        return f"{name} {self.stop_no} of {self.lane} for {where}, since {self.set_at:%Y-%m-%d %H:%M} UTC: {self.reason}{told}"


@dataclass(frozen=True, slots=True)
class NewestStop:
    """When sending to everyone was last stopped, by the server's clock."""

    stop_no: int
    notice_no: int
    cause: Cause
    committed_at: datetime
    is_lifted: bool


def tell_command(notice_no: int) -> str:
    """What is left to do when those reached are to be told."""
    shown = notice_id(notice_no) if notice_no else "ID"
    return (
        "those already reached are still to be told: draft a rescission that names it, release it, then "
        f"`postmuster notice told {shown} --by RESCISSION --as OFFICER`"
    )


def standing(notice_no: int) -> list[StandingStop]:
    """Every stop that touches this notice and has not been lifted."""
    found = sql.rows(_STANDING, {"notice_no": notice_no})
    return [StandingStop(r[0], r[1], r[2], Lane(r[3]), Cause(r[4]), *r[5:]) for r in found]


def stopped(notice_no: int, lane: Lane) -> StandingStop | None:
    """The first stop that closes the whole lane for this notice, or None when it is open."""
    whole = (stop for stop in standing(notice_no) if stop.lane is lane and not stop.component_path)
    return next(whole, None)


def closed_to_replies() -> frozenset[int]:
    """The notices whose replies are kept sealed and not read. Gate: process."""
    return frozenset(int(row[0]) for row in sql.rows(_CLOSED_TO_REPLIES))


def newest_stop(notice_no: int) -> NewestStop | None:
    """The newest pause, stop or hold of bulk for everyone that touches this notice, lifted or not."""
    found = sql.row(_NEWEST_STOP, {"notice_no": notice_no})
    return NewestStop(int(found[0]), int(found[1]), Cause(found[2]), found[3], bool(found[4])) if found else None


def covers(notice_no: int, component_nos: Collection[int]) -> bool:
    """Whether a standing stop of the bulk lane covers this notice for everyone, or any of these components."""
    return bool(sql.value(_COVERS, {"notice_no": notice_no, "components": list(component_nos)}))


def generation() -> int:
    """How often what may happen has changed."""
    return int(sql.value("SELECT number FROM control_generation"))
