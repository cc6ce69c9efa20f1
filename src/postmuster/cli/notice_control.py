"""`postmuster notice pause | resume | stop`: who may hold a notice up, and who may let it go on."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from postmuster.access.queries import acting
from postmuster.access.roles import Actor, Role
from postmuster.base.errors import Refused
from postmuster.base.ids import read_id
from postmuster.cli.options import As, AsJson, NoticeId, Reason
from postmuster.cli.session import open_session, say, say_json
from postmuster.control import actions
from postmuster.control.states import Cause, Lane
from postmuster.notices import queries
from postmuster.roster.queries import component_numbers

Component = Annotated[str, typer.Option(help="A component with its subtree; else everyone.")]
Scope = Annotated[str, typer.Argument(metavar="ID", help="A notice, such as n12, or `all`.")]
LaneOption = Annotated[Lane, typer.Option(help="What is stopped: bulk copies, letters, or (with all) the intake.")]
EVERY_NOTICE: Final = "all"


def add_to(app: typer.Typer) -> None:
    """Give these commands to `notice`."""
    app.command()(pause)
    app.command()(resume)
    app.command()(stop)


def pause(notice: NoticeId, officer: As, reason: Reason, component: Component = "", as_json: AsJson = False) -> None:
    """Hold a notice, for everyone or for one component; what is pending stays pending."""
    _hold(notice, officer, reason, component, Cause.PAUSE, Lane.BULK, as_json=as_json)


def stop(notice: Scope, officer: As, reason: Reason, lane: LaneOption = Lane.BULK, as_json: AsJson = False) -> None:
    """Stop a notice, or all of them, for everyone."""
    if lane is Lane.INTAKE and notice != EVERY_NOTICE:
        raise Refused(
            "The intake is stopped for all notices at once; nothing was stopped; say `all` in place of the id."
        )
    _hold(notice, officer, reason, "", Cause.STOP, lane, as_json=as_json)


def resume(notice: Scope, officer: As, reason: Reason, component: Component = "", as_json: AsJson = False) -> None:
    """Lift every pause and stop of this scope, whatever the lane."""
    session = open_session()
    notice_no = _notice_no(notice)
    actor = _may(officer, component)
    lifted = [
        stop_no
        for cause in (Cause.PAUSE, Cause.STOP)
        for stop_no in actions.lift(
            notice_no=notice_no, component_path=component, cause=cause, reason=reason, actor=actor.mark, now=session.now
        )
    ]
    if as_json:
        say_json({"id": notice, "lifted": lifted})
    else:
        say(f"Lifted {len(lifted)}." if lifted else "Nothing was held in this scope; see `postmuster notice status`.")


def _hold(notice: str, officer: str, reason: str, component: str, cause: Cause, lane: Lane, *, as_json: bool) -> None:
    session = open_session()
    notice_no = _notice_no(notice)
    actor = _may(officer, component)
    if component and not component_numbers([component], subtree=True)[0]:
        raise Refused("The component is not in the roster; nothing was held; see `postmuster roster status`.")
    stop_no = actions.set_stop(
        notice_no=notice_no,
        component_path=component,
        lane=lane,
        cause=cause,
        reason=reason,
        actor=actor.mark,
        now=session.now,
    )
    if as_json:
        say_json({"id": notice, "stop": stop_no, "cause": str(cause), "lane": str(lane)})
    else:
        say(f"{str(cause).capitalize()} {stop_no} of {lane} stands for {component or 'everyone'}.")


def _notice_no(notice: str) -> int:
    """The notice's number; 0 stands for all. `Refused` for one that is not there."""
    if notice == EVERY_NOTICE:
        return 0
    return queries.newest(read_id(notice, "n")).notice_no


def _may(officer: str, component: str) -> Actor:
    """An approver for everyone; for a component its component officer too."""
    if component:
        return acting(officer, Role.APPROVER, Role.COMPONENT_OFFICER, component_path=component)
    return acting(officer, Role.APPROVER)
