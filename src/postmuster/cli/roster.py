"""`postmuster roster`: load a feed, say what the roster holds.

A load that takes longer than two seconds shows how far it is on standard error: a bar on a terminal, else a plain line
every few seconds. The result is on standard output, for people or with `--json`.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from postmuster.access.queries import acting
from postmuster.access.roles import Role
from postmuster.base.errors import Refused
from postmuster.cli.session import note, open_session, say, say_json
from postmuster.roster import queries
from postmuster.roster.actions import load_feed
from postmuster.roster.delta import Delta, Progress, Stage

SILENT_S: Final = 2.0
BAR_EVERY_S: Final = 0.25
LINE_EVERY_S: Final = 5.0
VERSIONS_SHOWN: Final = 5
COMPONENTS_SHOWN: Final = 12  # of those that changed most, on paper; --json has them all

app = typer.Typer(no_args_is_help=True, add_completion=False, help="People: load a feed, status.")

_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="people.csv, in UTF-8.")],
    officer: Annotated[str, typer.Option("--as", metavar="OFFICER", help="Who acts; needs the role operator.")],
    allow_shrink: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-shrink", metavar="COMPONENT", help="May lose more than 5 % of its people; / is everything."
        ),
    ] = None,
    allow_rejects: Annotated[
        bool, typer.Option(help="Load the good lines even if more than 1 % are rejected.")
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where rejected lines are listed; else beside FILE.")
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Load people.csv as the next version of the roster, whole or not at all."""
    session = open_session()
    actor = acting(officer, Role.OPERATOR)
    with _Watch() as watch:
        delta = load_feed(
            file,
            actor=actor.mark,
            now=session.now,
            rejects=rejects or file.with_name(f"{file.stem}.rejects.csv"),
            allow_shrink=allow_shrink or (),
            allow_rejects=allow_rejects,
            progress=watch.tell,
        )
    if as_json:
        say_json(dataclasses.asdict(delta))
    else:
        _say_delta(delta)


@app.command()
def status(as_json: _AsJson = False) -> None:
    """Say how many people the roster holds, of which classes, and what the last loads changed."""
    open_session()
    loads = queries.versions(VERSIONS_SHOWN)
    if not loads:
        raise Refused("There is no roster yet; load one with `postmuster roster load people.csv --as OFFICER`.")
    counts = queries.counts_by_component_and_class(loads[0].version)
    classes: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for count in counts:
        classes[count.employment_class] += count.people
        statuses[count.status] += count.people
        places[count.component] += count.people
    if as_json:
        say_json(
            {
                "version": loads[0].version,
                "people": loads[0].people,
                "classes": classes,
                "statuses": statuses,
                "by_component": [{"component": path, "people": places[path]} for path in sorted(places)],
                "versions": [dataclasses.asdict(record) for record in loads],
            }
        )
        return
    say(f"Version {loads[0].version}: {loads[0].people:,} people in {len(places):,} components.")
    say("  " + ", ".join(f"{name} {number:,}" for name, number in classes.most_common()))
    say("  " + ", ".join(f"{name} {number:,}" for name, number in statuses.most_common()))
    for record in loads:
        say(
            f"  {record.loaded_at:%Y-%m-%d %H:%M} UTC  version {record.version}: joined {record.joined:,}, "
            f"left {record.left:,}, moved {record.moved:,}, changed {record.changed:,}, rejected {record.rejected:,}"
        )


def _say_delta(delta: Delta) -> None:
    say(
        f"Version {delta.version}: {delta.people:,} people; joined {delta.joined:,}, left {delta.left:,}, "
        f"moved {delta.moved:,}, changed {delta.changed:,}."
    )
    by_change = sorted(delta.by_component, key=lambda part: (-abs(part.people - part.before), part.component))
    changed = [part for part in by_change if part.people != part.before]
    for part in changed[:COMPONENTS_SHOWN]:
        say(f"  {part.component}: {part.before:,} → {part.people:,}")
    if len(changed) > COMPONENTS_SHOWN:
        say(f"  and {len(changed) - COMPONENTS_SHOWN:,} more components; --json lists them all")
    if delta.rejected:
        kept = f"; {delta.kept:,} of these people stay as they were" if delta.kept else ""
        say(f"{delta.rejected:,} lines were rejected, see {delta.rejects_file}{kept}.")


class _Watch:
    """Shows how far a load is, from a thread of its own: the long steps are single statements."""

    def __init__(self) -> None:
        self._latest = Progress(Stage.READING, 0, 0, 0)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def tell(self, progress: Progress) -> None:
        self._latest = progress

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _show(self) -> None:
        if self._done.wait(SILENT_S):
            return
        if sys.stderr.isatty():
            self._show_bar()
        else:
            self._show_lines()

    def _show_lines(self) -> None:
        while True:
            note(f"{self._latest.stage} … {_extent(self._latest)}")
            if self._done.wait(LINE_EVERY_S):
                return

    def _show_bar(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[extent]}"),
            TimeElapsedColumn(),
        )
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=None, extent="")
            while not self._done.wait(BAR_EVERY_S):
                self._update(bar, task)

    def _update(self, bar: Bar, task: TaskID) -> None:
        now = self._latest
        known = now.stage is Stage.READING and now.total_octets > 0
        bar.update(
            task,
            description=str(now.stage),
            extent=_extent(now),
            total=now.total_octets if known else None,
            completed=now.octets if known else 0,
        )


def _extent(progress: Progress) -> str:
    lines = f"{progress.lines:,} lines"
    if progress.stage is Stage.READING and progress.total_octets:
        return f"{lines}, {100 * progress.octets // progress.total_octets} %"
    return lines
