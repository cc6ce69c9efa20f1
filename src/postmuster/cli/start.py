"""`postmuster init | up | check`: what an operator types first. Nothing here needs tables when it is imported."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from postmuster.base.clock import SystemClock
from postmuster.cli.options import AsJson
from postmuster.cli.session import say, say_json
from postmuster.runtime.checks import Outcome, run_checks
from postmuster.runtime.setup import Wish, set_up
from postmuster.runtime.up import up as stay_up
from postmuster.settings import load, settings_path


def init(
    domain: Annotated[str, typer.Option(help="The organisation's mail domain.")] = "",
    relay: Annotated[str, typer.Option(metavar="HOST:PORT", help="The submission service mail leaves by.")] = "",
    intake_address: Annotated[str, typer.Option(metavar="ADDRESS", help="Where replies come to.")] = "",
    authserv_id: Annotated[str, typer.Option(help="The name your border server gives in Authentication-Results.")] = "",
    officer: Annotated[str, typer.Option(metavar="HANDLE", help="The first officer, an operator.")] = "",
    officer_address: Annotated[str, typer.Option(metavar="ADDRESS", help="The officer's own address.")] = "",
    officer_name: Annotated[str, typer.Option(help="The officer's name.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write the settings file, make keys and database, enrol the first officer. What is there already is kept."""
    wish = Wish(domain, relay, intake_address, authserv_id, officer, officer_address, officer_name)
    done = set_up(settings_path(), wish, now=SystemClock().now())
    if as_json:
        say_json({"settings": str(done.settings.file), "made": list(done.made), "kept": list(done.kept)})
        return
    say(f"Made: {', '.join(done.made) or 'nothing'}. Kept: {', '.join(done.kept) or 'nothing'}.")
    say(f"\nPublish in DNS, TXT {done.dkim_name}:\n  {done.dkim_record}\n\nNext:")
    for command in done.next_commands:
        say(f"  {command}")


def up() -> None:
    """Start database, workers and intake on this machine, and stay until SIGTERM or Ctrl-C."""
    stay_up(load())


def check(as_json: AsJson = False) -> None:
    """Say what is wrong with this installation, one sentence each; exit 1 when something fails."""
    findings = run_checks(load())
    if as_json:
        say_json([dataclasses.asdict(one) for one in findings])
    else:
        for one in findings:
            say(f"{one.outcome:<5} {one.name:<19} {one.sentence}")
    if any(one.outcome is Outcome.FAIL for one in findings):
        raise typer.Exit(1)
