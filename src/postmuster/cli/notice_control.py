"""`postmuster notice pause | resume | stop`: who may hold a notice up, and who may let it go on."""

from __future__ import annotations

from typing import Annotated

import typer

from postmuster.access.queries import acting
from postmuster.access.roles import Actor, Role
from postmuster.base.ids import notice_id, read_id
from postmuster.cli.options import As, AsJson, NoticeId, Reason
from postmuster.cli.session import open_session, say, say_json
from postmuster.control import actions
from postmuster.control.states import Cause, Lane

Component = Annotated[str, typer.Option(help="A component with its subtree; else everyone.")]


def add_to(app: typer.Typer) -> None:
    """Give these commands to `notice`."""
    app.command()(pause)
    app.command()(resume)
    app.command()(stop)


def pause(notice: NoticeId, officer: As, reason: Reason, component: Component = "", as_json: AsJson = False) -> None:
    """Hold a notice, for everyone or for one component; what is pending stays pending."""
    _hold(notice, officer, reason, component, Cause.PAUSE, as_json=as_json)


def stop(notice: NoticeId, officer: As, reason: Reason, as_json: AsJson = False) -> None:
    """Stop a notice for everyone."""
    _hold(notice, officer, reason, "", Cause.STOP, as_json=as_json)


def resume(notice: NoticeId, officer: As, reason: Reason, component: Component = "", as_json: AsJson = False) -> None:
    """Let a paused or stopped notice go on, in the scope in which it was held."""
    session = open_session()
    notice_no = read_id(notice, "n")
    actor = _may(officer, component)
    lifted = [
        stop_no
        for cause in (Cause.PAUSE, Cause.STOP)
        for stop_no in actions.lift(
            notice_no=notice_no, component_path=component, cause=cause, reason=reason, actor=actor.mark, now=session.now
        )
    ]
    if as_json:
        say_json({"id": notice_id(notice_no), "lifted": lifted})
    else:
        say(f"Lifted {len(lifted)}." if lifted else "Nothing was held in this scope; see `postmuster notice status`.")


def _hold(notice: str, officer: str, reason: str, component: str, cause: Cause, *, as_json: bool) -> None:
    session = open_session()
    notice_no = read_id(notice, "n")
    actor = _may(officer, component)
    stop_no = actions.set_stop(
        notice_no=notice_no,
        component_path=component,
        lane=Lane.BULK,
        cause=cause,
        reason=reason,
        actor=actor.mark,
        now=session.now,
    )
    if as_json:
        say_json({"id": notice_id(notice_no), "stop": stop_no, "cause": str(cause)})
    else:
        say(f"{str(cause).capitalize()} {stop_no} stands for {component or 'everyone'}.")


def _may(officer: str, component: str) -> Actor:
    """An approver for everyone; for a component its component officer too."""
    if component:
        return acting(officer, Role.APPROVER, Role.COMPONENT_OFFICER, component_path=component)
    return acting(officer, Role.APPROVER)
