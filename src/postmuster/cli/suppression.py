"""`postmuster suppression`: whom nobody writes to any more, why, and the way back. Never an address."""

from __future__ import annotations

from typing import Annotated

import typer

from postmuster.access.queries import acting
from postmuster.access.roles import Role
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id, read_id
from postmuster.cli.options import As, AsJson, Reason
from postmuster.cli.session import open_session, say, say_json
from postmuster.outbound import health, suppression
from postmuster.outbound.health import IncidentRecord
from postmuster.outbound.suppression import SuppressionReason, SuppressionRecord
from postmuster.roster.queries import person_numbers

app = typer.Typer(no_args_is_help=True, help="Whom nobody writes to any more: list, show, lift, incidents.")
PersonId = Annotated[str, typer.Argument(help="A person_id of the roster.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")]


@app.command("list")
def list_suppressions(
    reason: Annotated[SuppressionReason | None, typer.Option(help="Only for this reason.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show the suppressions that stand, newest first."""
    open_session()
    found = suppression.suppressions(reason=reason or "", limit=limit)
    if as_json:
        say_json([_json(one) for one in found])
        return
    for one in found:
        say(_line(one))
    counts = suppression.standing_by_reason()
    if counts:
        say(", ".join(f"{why}: {count}" for why, count in sorted(counts.items())) + " in all.")
    else:
        say("Nobody is suppressed.")


@app.command()
def show(person_id: PersonId, as_json: AsJson = False) -> None:
    """Explain one person's suppressions, past ones too: reason, evidence, since when, and how each ended."""
    open_session()
    found = suppression.suppressions(person_no=_person_no(person_id), standing=False)
    if as_json:
        say_json([_json(one) for one in found])
        return
    for one in found:
        say(_line(one))
        if one.lifted_at:
            say(f"    lifted {one.lifted_at:%Y-%m-%d %H:%M} UTC by {one.lifted_by}: {one.lifted_because}")
    if not found:
        say("This person was never suppressed.")


@app.command()
def lift(person_id: PersonId, officer: As, reason: Reason, as_json: AsJson = False) -> None:
    """Write to a person again. A reassigned address cannot be lifted; it ends when the roster has another one."""
    session = open_session()
    actor = acting(officer, Role.APPROVER, Role.OPERATOR)
    lifted = suppression.lift(_person_no(person_id), reason=reason, actor=actor, now=session.now)
    if as_json:
        say_json({"person": person_id, "lifted": [one.suppression_no for one in lifted]})
    else:
        say(f"{person_id} is written to again; lifted: {', '.join(str(one.reason) for one in lifted)}.")


@app.command()
def incidents(
    notice: Annotated[str, typer.Option(help="Only of this notice.")] = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show mass bounces of receiving domains: they hold a notice and suppress nobody."""
    open_session()
    found = health.incidents(notice_no=read_id(notice, "n") if notice else 0, limit=limit)
    if as_json:
        say_json([_incident_json(one) for one in found])
        return
    for one in found:
        end = f"closed {one.closed_at:%Y-%m-%d %H:%M} UTC by {one.closed_by}" if one.closed_at else "stands"
        say(
            f"{one.incident_no:<5} {notice_id(one.notice_no)}, round {one.round_no}  {one.domain}  {one.failed} of {one.handed} "
            f"failed, since {one.opened_at:%Y-%m-%d %H:%M} UTC; {end}"
        )
    if not found:
        say("There was no mass bounce.")


def _person_no(person_id: str) -> int:
    found = person_numbers([person_id])
    if not found:
        raise Refused("There is no such person in the roster; nothing was done; see `postmuster roster status`.")
    return found[person_id]


def _line(one: SuppressionRecord) -> str:
    return f"{one.person_id:<12} {one.reason:<20} {one.state:<9} since {one.at:%Y-%m-%d %H:%M} UTC  {one.evidence}"


def _json(one: SuppressionRecord) -> dict[str, object]:
    return {
        "suppression": one.suppression_no,
        "person": one.person_id,
        "reason": str(one.reason),
        "state": str(one.state),
        "since": one.at,
        "notice": notice_id(one.notice_no),
        "round": one.round_no,
        "delivery": one.seq if one.reply_no is None else None,
        "reply": f"r{one.reply_no}" if one.reply_no is not None else None,
        "status": one.status or None,
        "lifted_by": one.lifted_by,
        "lifted_at": one.lifted_at,
        "lifted_because": one.lifted_because,
    }


def _incident_json(one: IncidentRecord) -> dict[str, object]:
    return {
        "incident": one.incident_no,
        "notice": notice_id(one.notice_no),
        "round": one.round_no,
        "domain": one.domain,
        "failed": one.failed,
        "handed": one.handed,
        "stop": one.stop_no,
        "opened_at": one.opened_at,
        "closed_by": one.closed_by,
        "closed_at": one.closed_at,
        "closed_because": one.closed_because,
    }
