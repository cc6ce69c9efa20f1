"""`postmuster notice estimate`: how long, how much disk, how many mails back; and what `status` says about hours."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

import typer

from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id, read_id
from postmuster.cli.options import AsJson, NoticeId
from postmuster.cli.session import Session, open_session, say, say_json
from postmuster.jobs.desk import open_desk
from postmuster.jobs.estimate import Estimate
from postmuster.jobs.estimate import estimate as estimate_of
from postmuster.notices import queries
from postmuster.outbound.lapsed import start_by_of
from postmuster.runtime.database import server_of
from postmuster.settings import database_url


def add_to(app: typer.Typer) -> None:
    """Give this command to `notice`."""
    app.command()(estimate)


def estimate(notice: NoticeId, as_json: AsJson = False) -> None:
    """Say how long a notice would take, how much disk it needs, and how many mails come back in the worst hour."""
    session = open_session()
    notice_no = read_id(notice, "n")
    found = look(notice_no, session)
    if found is None:
        raise Refused("No roster is loaded, so nothing can be estimated; run `postmuster roster load`.")
    if as_json:
        say_json({"id": notice_id(notice_no), **found.as_json()})
    else:
        show(found)
        for reason in found.reasons():
            say(f"  - {reason}")
    if found.reasons():
        raise typer.Exit(1)


def look(notice_no: int, session: Session) -> Estimate | None:
    """Make the estimate with the disk of this machine; None while there is no roster."""
    desk = open_desk(session.settings, session.clock)
    return estimate_of(notice_no, desk=desk, free_octets=free_octets(session))


def free_octets(session: Session) -> int | None:
    """What is free on the disk that the embedded database is on; None where the database is somebody else's."""
    if database_url():
        return None
    data = server_of(session.settings).place.data
    try:
        return shutil.disk_usage(data if data.exists() else session.settings.home).free
    except OSError:
        return None


def refuse_if_too_small(notice_no: int, session: Session) -> None:
    """Raise `Refused` with the first reason why this installation cannot bear the notice."""
    found = look(notice_no, session)
    reasons = found.reasons() if found else []
    if reasons:
        raise Refused(
            f"Notice {notice_id(notice_no)} cannot go out: {reasons[0]} Nothing was sent; "
            f"see `postmuster notice estimate {notice_id(notice_no)}`."
        )


def schedule_of(notice_no: int, session: Session) -> dict[str, object]:
    """The object `schedule` of `notice status --json`: the hours kept, why where they are not, and the last moment to start."""
    round_ = queries.round_of(notice_no)
    schedule = queries.newest(notice_no).content.schedule
    start_by = start_by_of(round_, session.settings.work.start_within_hours) if round_ else schedule.start_by
    return {
        "quiet_hours": str(schedule.quiet_hours),
        "override_reason": schedule.override_reason,
        "start_by": start_by.isoformat() if start_by else None,
    }


def schedule_line(schedule: Mapping[str, object]) -> str:
    """The same in one line."""
    reason = schedule["override_reason"]
    kept = f"Quiet hours are not kept: {reason}" if reason else "Quiet hours are kept."
    return (
        f"{kept} Nobody is written to for the first time after {schedule['start_by']}."
        if schedule["start_by"]
        else kept
    )


def show(found: Estimate) -> None:
    """Print an estimate for people."""
    for line in found.lines():
        say(line)
