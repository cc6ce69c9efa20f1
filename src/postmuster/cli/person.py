"""`postmuster person`: what one person was sent, and what is known of their answers."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from postmuster.cli.options import AsJson
from postmuster.cli.session import open_session, say_json
from postmuster.reports import queries as reports
from postmuster.reports import terminal

app = typer.Typer(no_args_is_help=True, help="One person: what was sent, answered, looked at.")


@app.command()
def show(person_id: Annotated[str, typer.Argument(help="A person_id of the roster.")], as_json: AsJson = False) -> None:
    """Show one person's record. No word of what they wrote: that needs a grant."""
    open_session()
    figures = reports.person_figures(person_id)
    if as_json:
        say_json(terminal.person_json(figures))
    else:
        Console().print(terminal.person_view(figures))


@app.callback()
def _group() -> None:
    """One person: what was sent, answered, looked at."""
