"""`postmuster officer`: who may do what."""

from __future__ import annotations

from typing import Annotated

import typer

from postmuster.access.actions import add_officer
from postmuster.access.queries import officers
from postmuster.access.roles import Role
from postmuster.cli.options import AsJson
from postmuster.cli.session import open_session, say, say_json

app = typer.Typer(no_args_is_help=True, help="Officers: add, list.")


@app.command()
def add(
    handle: Annotated[str, typer.Argument(help="Short name for --as, such as ada.")],
    role: Annotated[list[Role], typer.Option("--role", help="A role; may be given several times.")],
    name: Annotated[str, typer.Option(help="Name as people know them.")] = "",
    address: Annotated[str, typer.Option(help="Enrolled address, for proofs.")] = "",
    component: Annotated[str, typer.Option(help="Component of a component officer.")] = "",
    officer: Annotated[str, typer.Option("--as", metavar="OFFICER", help="Who acts; not needed for the first.")] = "",
    as_json: AsJson = False,
) -> None:
    """Enrol an officer. The first one needs nobody's leave; the ledger says `by shell`."""
    session = open_session()
    number = add_officer(
        handle=handle, name=name, address=address, roles=role, component_path=component, by=officer, now=session.now
    )
    if as_json:
        say_json({"officer": handle, "number": number, "roles": sorted(role)})
    else:
        say(f"Officer {handle} is enrolled: {', '.join(sorted(role))}.")


@app.command("list")
def list_officers(as_json: AsJson = False) -> None:
    """Show every officer and their roles."""
    open_session()
    found = officers()
    if as_json:
        say_json([{"officer": one.handle, "number": one.officer_no, "roles": sorted(one.roles)} for one in found])
        return
    for one in found:
        say(f"{one.handle:<20} {', '.join(sorted(one.roles))}")
    if not found:
        say("No officer is enrolled. Next: postmuster officer add ove --role operator")
