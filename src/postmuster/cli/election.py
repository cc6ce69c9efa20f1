"""`postmuster election`: elections and where they stand. Nothing counts before its author confirmed it (P7)."""

from __future__ import annotations

import typer

from postmuster.base.ids import notice_id, read_id
from postmuster.cli.options import AsJson, NoticeId
from postmuster.cli.session import open_session, say, say_json
from postmuster.replies.queries import election_counts

app = typer.Typer(no_args_is_help=True, help="Elections: list.")


@app.callback()
def _group() -> None:
    """Elections: list."""


@app.command("list")
def list_elections(notice: NoticeId, as_json: AsJson = False) -> None:
    """Count elections of a notice by choice and state. Who chose what is shown to no list."""
    open_session()
    notice_no = read_id(notice, "n")
    found = election_counts(notice_no)
    if as_json:
        say_json(
            {"id": notice_id(notice_no), "elections": [{"choice": c, "state": s, "count": n} for c, s, n in found]}
        )
        return
    for choice, state, count in found:
        say(f"{count:>8}  {choice:<20} {state}")
    if not found:
        say(f"Nobody has answered {notice_id(notice_no)} with a choice.")
