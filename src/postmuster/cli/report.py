"""`postmuster report`: everything that was released, on one page. A command of its own, because drawing plots loads slowly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from postmuster.base.errors import Refused
from postmuster.cli.options import AsJson
from postmuster.cli.session import open_session, say, say_json
from postmuster.jobs.rest import resting
from postmuster.reports import queries as reports
from postmuster.reports.page import write_page


def report(
    out: Annotated[Path, typer.Option("--out", metavar="F.html", help="Where the page is written.")],
    as_json: AsJson = False,
) -> None:
    """Write the report of everything that was released, as one page that needs nothing else."""
    session = open_session()
    found = reports.organisation_report(
        now=session.now,
        organisation=session.settings.organisation.name,
        quiet_zones=resting(session.settings, session.now),
    )
    try:
        out.write_text(write_page(found), encoding="utf-8")
    except OSError as error:
        raise Refused(f"The file {out} could not be written ({error.strerror}); name another with --out.") from None
    if as_json:
        say_json({"file": str(out), "notices": len(found.notices), "balances": found.balances})
    else:
        say(f"Wrote {out}; open it in a browser.")
