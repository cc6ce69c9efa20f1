"""What `postmuster bench drill` shows: a line as each run ends, and the slowest of all in a table of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from postmuster.cli.session import note

if TYPE_CHECKING:
    from postmuster.bench.drill_run import Run


def heard(run: Run) -> None:
    """Say how a run ended."""
    said = f"  {run.scope}: {run.before:,} accepted, {run.after} more within {run.accepted_s:.2f} s of the commit"
    if run.left_relay_s is not None:
        said += f"; {run.left_relay_messages} left the relay within {run.left_relay_s:.2f} s"
    wrong = run.why_not()
    note(f"{said}; {run.seconds:.0f} s{f'; {wrong}' if wrong else ''}.")


def table(lines: Sequence[dict[str, Any]]) -> Table:
    """The slowest and the most of each receiver and scope; lost counts whoever has no copy and is not in doubt."""
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column("receiver", max_width=17)
    shown.add_column("stopped", no_wrap=True)
    for head in ("runs", "last s", "after", "window", "left s", "left", "doubt", "lost", "two"):
        shown.add_column(head, justify="right", no_wrap=True)
    for one in lines:
        left_s, left = one["left_relay_s"], one["left_relay_messages"]
        cells = (
            one["runs"],
            f"{one['accepted_s']:.2f}",
            one["after"],
            one["window"],
            "–" if left_s is None else f"{left_s:.2f}",
            "–" if left is None else left,
            one["in_doubt_true"] + one["in_doubt_false"],
            one["lost"] + one["missing"],
            one["doubled"],
        )
        shown.add_row(one["receiver"], one["scope"], *map(str, cells))
    return shown
