"""The gate: what the database says may happen now. Every question is put to it afresh; an error means no."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from postmuster.base import sql
from postmuster.control.states import Lane

# A stop of a component covers its subtree; component_path '' and notice_no 0 cover everything.
_STANDING = """
SELECT s.id, s.notice_no, s.component_path, s.lane, s.cause, s.reason, s.set_at FROM control_stop s
WHERE NOT EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id)
  AND (s.notice_no = 0 OR s.notice_no = %(notice_no)s)
ORDER BY s.id
"""


@dataclass(frozen=True, slots=True)
class StandingStop:
    stop_no: int
    notice_no: int
    component_path: str
    lane: Lane
    cause: str
    reason: str
    set_at: datetime

    def sentence(self) -> str:
        """Who holds what, for `held_by`."""
        where = self.component_path or "everyone"
        return f"{self.cause} {self.stop_no} of {self.lane} for {where}, since {self.set_at:%Y-%m-%d %H:%M} UTC: {self.reason}"


def standing(notice_no: int) -> list[StandingStop]:
    """Every stop that touches this notice and has not been lifted."""
    found = sql.rows(_STANDING, {"notice_no": notice_no})
    return [StandingStop(r[0], r[1], r[2], Lane(r[3]), r[4], r[5], r[6]) for r in found]


def stopped(notice_no: int, lane: Lane) -> StandingStop | None:
    """The first stop that closes the whole lane for this notice, or None when it is open."""
    whole = (stop for stop in standing(notice_no) if stop.lane is lane and not stop.component_path)
    return next(whole, None)


def generation() -> int:
    """How often what may happen has changed."""
    return int(sql.value("SELECT number FROM control_generation"))
