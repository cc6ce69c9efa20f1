"""`postmuster notice pause | resume | stop | told`: who may hold a notice up, and who may let it go on."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from postmuster.access.queries import acting
from postmuster.access.roles import Actor, Role
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id, read_id
from postmuster.cli.options import As, AsJson, NoticeId, Reason
from postmuster.cli.session import Session, note, open_session, say, say_json
from postmuster.control import actions
from postmuster.control import queries as control
from postmuster.control.actions import Asked
from postmuster.control.authority import Authority
from postmuster.control.states import Cause, Lane
from postmuster.jobs import relay_hold
from postmuster.jobs.relay_hold import RelayTold
from postmuster.notices import queries
from postmuster.roster.queries import component_numbers

Component = Annotated[str, typer.Option(help="A component with its subtree; else everyone.")]
Scope = Annotated[str, typer.Argument(metavar="ID", help="A notice, such as n12, or `all`.")]
LaneOption = Annotated[
    Lane,
    typer.Option(
        help="What is stopped: bulk copies, letters, or the intake: the door for all, the reading for a notice."
    ),
]
TellReached = Annotated[
    bool | None,
    typer.Option("--tell-reached/--no-tell-reached", help="Tell those already reached? Asked on a terminal."),
]
AcceptReplies = Annotated[
    bool | None,
    typer.Option("--accept-replies/--no-accept-replies", help="Keep accepting their replies? Asked on a terminal."),
]
By = Annotated[str, typer.Option("--by", metavar="ID", help="The notice that told them.")]
EVERY_NOTICE: Final = "all"
USAGE: Final = 2


def add_to(app: typer.Typer) -> None:
    """Give these commands to `notice`."""
    app.command()(pause)
    app.command()(resume)
    app.command()(stop)
    app.command()(told)


def pause(notice: NoticeId, officer: As, reason: Reason, component: Component = "", as_json: AsJson = False) -> None:
    """Hold a notice, for everyone or for one component; what is pending stays pending."""
    session = open_session()
    _hold(session, notice, officer, reason, component, Cause.PAUSE, Lane.BULK, None, as_json=as_json)


def stop(
    notice: Scope,
    officer: As,
    reason: Reason,
    lane: LaneOption = Lane.BULK,
    tell_reached: TellReached = None,
    accept_replies: AcceptReplies = None,
    as_json: AsJson = False,
) -> None:
    """Stop a notice, or all of them, for everyone. Asks: tell those already reached? keep accepting their replies?"""
    session = open_session()
    asked = _asked(tell_reached, accept_replies) if lane is Lane.BULK else None
    _hold(session, notice, officer, reason, "", Cause.STOP, lane, asked, as_json=as_json)


def resume(notice: Scope, officer: As, reason: Reason, component: Component = "", as_json: AsJson = False) -> None:
    """Lift what holds this scope, as far as the officer may, and name what still holds the notice."""
    session = open_session()
    notice_no = _notice_no(notice)
    actor = _may(officer, component)
    done = actions.resume(
        notice_no=notice_no,
        component_path=component,
        authority=_authority(actor),
        reason=reason,
        actor=actor.mark,
        now=session.now,
    )
    told = RelayTold("", None)
    if any(one.lane is Lane.BULK for one in done.lifted):
        told = relay_hold.release(session.settings, notice_no, component, actor=actor.mark, clock=session.clock)
    held_by = [one.sentence() for one in control.standing(notice_no)]
    if as_json:
        lifted = [one.stop_no for one in done.lifted]
        say_json({"id": notice, "lifted": lifted, "held_by": held_by, "relay": _relay_json(told)})
        return
    say(f"Lifted {len(done.lifted)}." if done.lifted else "Nothing was held in this scope.")
    for one, why in done.refused:
        say(f"Not lifted: {one.cause} {one.stop_no}; {why}.")
    if told.how or told.trouble:
        say(told.sentence(released=True))
    say("Nothing holds it any more." if not held_by else "Still held by:")
    for sentence in held_by:
        say(f"  - {sentence}")


def told(notice: NoticeId, officer: As, by: By, as_json: AsJson = False) -> None:
    """Note that those a stopped notice had reached were told, by a notice that was released."""
    session = open_session()
    notice_no, by_no = _notice_no(notice), _notice_no(by)
    actor = acting(officer, Role.APPROVER)
    if by_no in (0, notice_no) or queries.round_of(by_no) is None:
        raise Refused(
            "Those reached are told by another notice that was released; nothing was noted; release it first, then name it."
        )
    settled = actions.told(notice_no=notice_no, by_notice_no=by_no, actor=actor.mark, now=session.now)
    if as_json:
        say_json({"id": notice_id(notice_no), "by": notice_id(by_no), "stops": settled})
    else:
        say(f"Noted: {notice_id(by_no)} told those whom {notice_id(notice_no)} had reached.")


def _hold(
    session: Session,
    notice: str,
    officer: str,
    reason: str,
    component: str,
    cause: Cause,
    lane: Lane,
    asked: Asked | None,
    *,
    as_json: bool,
) -> None:
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
        level=_authority(actor).level_over(component),
        asked=asked,
    )
    told = RelayTold("", None)
    if lane is Lane.BULK:
        told = relay_hold.hold(session.settings, notice_no, component, actor=actor.mark, clock=session.clock)
    if as_json:
        shown = {"id": notice, "stop": stop_no, "cause": str(cause), "lane": str(lane), "relay": _relay_json(told)}
        if asked:
            shown |= {"tell_reached": asked.tell_reached, "accept_replies": asked.accept_replies}
        say_json(shown)
        return
    say(f"{str(cause).capitalize()} {stop_no} of {lane} stands for {component or 'everyone'}.")
    if lane is Lane.BULK:
        say(told.sentence())
    if asked is not None:
        _say_what_follows(asked, notice_no)


def _say_what_follows(asked: Asked, notice_no: int) -> None:
    if not asked.accept_replies and notice_no:
        say("Replies to it are taken in and kept sealed; nobody reads them until it is resumed.")
    elif not asked.accept_replies:
        say("The intake says 451 to all mail until it is resumed: the MTA in front keeps it, and tries again.")
    if asked.tell_reached:
        say(f"Next: {control.tell_command(notice_no)}.")


def _asked(tell_reached: bool | None, accept_replies: bool | None) -> Asked:
    """Both answers; on a terminal what was not given is asked for, elsewhere it is a usage error."""
    if None in (tell_reached, accept_replies) and not sys.stdin.isatty():
        note(
            "A stop needs two answers; nothing was stopped; give --tell-reached or --no-tell-reached, and "
            "--accept-replies or --no-accept-replies."
        )
        raise typer.Exit(USAGE)
    if tell_reached is None:
        tell_reached = typer.confirm("Tell those already reached?", err=True)
    if accept_replies is None:
        accept_replies = typer.confirm("Keep accepting their replies?", err=True)
    return Asked(tell_reached, accept_replies)


def _relay_json(told: RelayTold) -> dict[str, object]:
    return {"how": told.how or None, "messages": told.messages, "trouble": told.trouble or None}


def _authority(actor: Actor) -> Authority:
    is_officer = Role.COMPONENT_OFFICER in actor.roles
    return Authority(Role.APPROVER in actor.roles, actor.components if is_officer else frozenset())


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
