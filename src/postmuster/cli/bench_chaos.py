"""How `postmuster bench chaos` looks: a line a run, a bar on a terminal, and the table of counts."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from postmuster.bench.chaos import Run

COLUMNS: Final = (
    ("runs", "runs"),
    ("failed", "failed"),
    ("messages", "messages"),
    ("lost", "lost"),
    ("doubled", "doubled"),
    ("most", "most_doubled"),
    ("listed", "listed_in_doubt"),
    ("rightly", "in_doubt_rightly"),
    ("needlessly", "in_doubt_needlessly"),
    ("at end", "in_doubt_at_end"),
    ("missing", "missing_at_end"),
    ("s a run", "seconds"),
)
WIDTH: Final = 130  # of the table, where nobody says how wide the place is


class Told:
    """A context manager: while it is open, runs are told as they end, on standard error."""

    def __init__(self, runs: int) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("runs", total=runs)

    def note(self, sentence: str) -> None:
        self._console.print(sentence, markup=False)

    def heard(self, run: Run) -> None:
        """One line a run; what is wrong with it stands below."""
        verdict, plan = run.verdict, run.plan
        moments = ", ".join(str(blow.after_messages) for blow in plan.blows)
        self.note(
            f"seed {plan.seed}  {plan.policy:6}  {plan.title}, after {moments}: {verdict.messages} messages, lost "
            f"{verdict.lost}, doubled {verdict.doubled}, listed in doubt {verdict.listed} ({run.doubt.rightly} rightly, "
            f"{run.doubt.needlessly} needlessly), {run.seconds:.1f} s{'' if run.is_good else '  FAILED'}"
        )
        for problem in verdict.problems:
            self.note(f"    {problem}")
        self._bar.advance(self._task)

    def table(self, found: Mapping[str, Any]) -> None:
        """Print the counts by trouble and policy, and the totals, on standard output."""
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("trouble", no_wrap=True)
        table.add_column("policy", no_wrap=True)
        for head, _ in COLUMNS:
            table.add_column(head, justify="right")
        for row in found["by_trouble"]:
            table.add_row(row["trouble"], row["policy"], *_cells(row))
        table.add_row("all", "", *_cells(found["totals"]), style="bold")
        console = Console()
        Console(width=max(console.width, WIDTH)).print(table)
        if found["failed_seeds"]:
            print(
                f"Failed: seeds {', '.join(map(str, found['failed_seeds']))}. Play one again: bench chaos --only SEED"
            )

    def __enter__(self) -> Told:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [f"{row[key] / max(1, row['runs']):.1f}" if key == "seconds" else f"{row[key]:,}" for _, key in COLUMNS]
