"""`postmuster demo`: a whole muster with a simulated organisation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from postmuster.cli.options import AsJson
from postmuster.cli.session import say_json
from postmuster.rehearsal.run import rehearse
from postmuster.reports.terminal_demo import demo_view


def demo(
    people: Annotated[int, typer.Option(min=50, max=1_000_000, help="How many people the organisation has.")] = 5000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people and replies.")] = 1,
    out: Annotated[Path, typer.Option(help="A folder for summary.json, report.html and people.csv.")] = Path(
        "demo-out"
    ),
    relay: Annotated[str, typer.Option(help="`postfix` puts a real Postfix between, both ways.")] = "",
    kill_workers: Annotated[int, typer.Option(min=0, max=50, help="Kill a worker so often while it runs.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Run a whole muster with a simulated organisation; exit 0 only when the books balance to the last person."""
    done = rehearse(people=people, seed=seed, out=out, relay=relay, kill_times=kill_workers)
    if as_json:
        say_json(done.summary)
    else:
        written = [str(out / name) for name in ("report.html", "summary.json", "people.csv")]
        Console().print(demo_view(done.report, written=written))
    if not done.balances:
        raise typer.Exit(1)
