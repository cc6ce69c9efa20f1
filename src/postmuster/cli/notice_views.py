"""`postmuster notice status | deliveries | list`: what happened to a notice. Never a list of the silent (P6)."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id, read_id
from postmuster.cli.notice_again import rounds_line
from postmuster.cli.notice_estimate import schedule_line, schedule_of
from postmuster.cli.options import AsJson, NoticeId
from postmuster.cli.session import open_session, say, say_json
from postmuster.jobs.mailbox_lag import lags
from postmuster.jobs.rest import resting
from postmuster.notices import queries
from postmuster.notices.readiness import Reach
from postmuster.replies.copied_counts import manager_in_copy_counts
from postmuster.reports import queries as reports
from postmuster.reports import terminal
from postmuster.reports.figures import State

LOOK_S = 0.5  # how often the live view looks again
FINAL = ("settled",)
RoundNo = Annotated[int | None, typer.Option("--round", metavar="N", min=1, help="A round; else the newest.")]


def add_to(app: typer.Typer) -> None:
    """Give these commands to `notice`."""
    app.command()(status)
    app.command()(deliveries)
    app.command("list")(list_notices)


def status(
    notice: NoticeId,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option(help="Stay until it is settled; the default on a terminal.")] = True,
    round_no: RoundNo = None,
) -> None:
    """Show where a notice stands; on a terminal it is live until everyone has a state."""
    session = open_session()
    notice_no = read_id(notice, "n")
    rest = resting(session.settings, session.now)
    figures = reports.notice_figures(notice_no, now=session.now, round_no=round_no, quiet_zones=rest)
    rounds = queries.history(notice_no)
    schedule = schedule_of(notice_no, session)
    if as_json:
        more = {
            "rounds": rounds.as_json(),
            "schedule": schedule,
            "manager_in_copy": [one.to_json() for one in manager_in_copy_counts(notice_no)],
            "mailboxes": [one.to_json() for one in lags(session.settings, session.now)],
        }
        say_json(figures.to_json() | more)
        return
    console = Console()
    if not (watch and sys.stdout.isatty()) or figures.state in FINAL:
        console.print(terminal.status_view(figures))
        say(f"\n{rounds_line(rounds, session.now)}")
        say(schedule_line(schedule))
        for one in lags(session.settings, session.now):
            say(one.sentence())
        return
    with Live(terminal.status_view(figures), console=console, auto_refresh=False) as live:
        while figures.state not in FINAL:
            before, began = figures.count(State.PENDING), time.monotonic()
            time.sleep(LOOK_S)
            rest = resting(session.settings, session.now)
            figures = reports.notice_figures(
                notice_no, now=session.now, round_no=round_no, breakdowns=False, quiet_zones=rest
            )
            rate = (before - figures.count(State.PENDING)) / (time.monotonic() - began)
            live.update(terminal.status_view(replace(figures, rate_per_s=max(rate, 0.0))), refresh=True)


def deliveries(
    notice: NoticeId,
    state: Annotated[str, typer.Option(help="Comma-separated: failed,in_doubt,withheld,deferred.")] = "failed,in_doubt",
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: AsJson = False,
    round_no: RoundNo = None,
) -> None:
    """List deliveries with evidence against them. Those who merely did not answer are listed nowhere."""
    open_session()
    rows = reports.delivery_rows(read_id(notice, "n"), _states(state), round_no=round_no)
    if as_json:
        say_json([terminal.delivery_json(row) for row in rows])
    elif csv:
        for line in terminal.csv_lines(rows):
            print(line, end="")
    else:
        Console().print(terminal.deliveries_view(rows))


def _states(text: str) -> tuple[State, ...]:
    allowed = (State.FAILED, State.IN_DOUBT, State.WITHHELD, State.DEFERRED)
    found = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word not in {str(one) for one in allowed}:
            raise Refused(
                f"“{word[:20]}” is not listed by person; nothing was shown; choose from {', '.join(allowed)}."
            )
        found.append(State(word))
    return tuple(found)


def list_notices(as_json: AsJson = False) -> None:
    """Show every notice with its state."""
    open_session()
    found = queries.listing()
    if as_json:
        say_json(
            [
                {"id": notice_id(one.notice_no), "kind": one.content.kind, "state": one.state, "revision": one.number}
                for one in found
            ]
        )
        return
    for one in found:
        title = one.content.subject.best(one.content.language, one.content.language)
        say(f"{notice_id(one.notice_no):<6} {one.content.kind:<13} {one.state:<10} {title}")
    if not found:
        say("There is no notice yet. Next: postmuster notice draft notice.toml --as OFFICER")


def show_reach(shown_id: str, reasons: list[str], reach: Reach) -> None:
    """Print what `notice check` found."""
    say(f"{shown_id} can go out." if not reasons else f"{shown_id} cannot go out yet:")
    for reason in reasons:
        say(f"  - {reason}")
    say(
        f"\nRoster version {reach.version or 'none'}: {reach.addressed} people addressed, "
        f"{reach.people - reach.addressed} withheld."
    )
    for why, count in sorted(reach.withheld.items()):
        say(f"  withheld by {why}: {count}")
    for path, klass, count in reach.by_component_and_class:
        say(f"  {count:>8}  {klass:<12} {path}")
    if reach.sample:
        say(f"\n{len(reach.sample)} of them, drawn at random:")
    for person_id, klass, path, language in reach.sample:
        say(f"  {person_id:<12} {klass:<12} {language:<4} {path}")
