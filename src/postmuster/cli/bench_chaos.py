"""How `postmuster bench chaos` and `chaos-read` look: a line a run, a bar on a terminal, and the table of counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from postmuster.bench.chaos import Run
from postmuster.bench.chaos_plan import Plan
from postmuster.bench.chaos_read import ReadRun

OF_SENDING: Final = (
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
OF_READING: Final = (
    ("runs", "runs"),
    ("failed", "failed"),
    ("mails", "mails"),
    ("kept", "kept"),
    ("again", "kept_again"),
    ("lost", "lost"),
    ("unread", "unread"),
    ("read twice", "read_twice"),
    ("counted twice", "counted_twice"),
    ("letters", "letters"),
    ("twice", "letters_twice"),
    ("s a run", "seconds"),
)
Columns = tuple[tuple[str, str], ...]
WIDTH: Final = 130  # of the table, where nobody says how wide the place is


class Told:
    """A context manager: while it is open, runs are told as they end, on standard error."""

    def __init__(self, runs: int, *, columns: Columns, again: str) -> None:
        """`again` is the command that plays one run again, without its seed."""
        self._columns = columns
        self._again = again
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

    def sent(self, run: Run) -> None:
        """One line a run of sending; what is wrong with it stands below."""
        verdict, plan = run.verdict, run.plan
        self._heard(
            f"{_moment(plan, str(plan.policy))}: {verdict.messages} messages, lost {verdict.lost}, doubled "
            f"{verdict.doubled}, listed in doubt {verdict.listed} ({run.doubt.rightly} rightly, "
            f"{run.doubt.needlessly} needlessly), {run.seconds:.1f} s",
            verdict.problems,
        )

    def read(self, run: ReadRun) -> None:
        """One line a run of reading."""
        verdict = run.verdict
        self._heard(
            f"{_moment(run.plan)}: {verdict.answered} of {verdict.mails} mails answered, {verdict.kept_again} kept again, "
            f"lost {verdict.lost}, counted twice {verdict.counted_twice}, {verdict.letters} letters, {run.seconds:.1f} s",
            verdict.problems,
        )

    def _heard(self, line: str, problems: Sequence[str]) -> None:
        self.note(f"{line}{'  FAILED' if problems else ''}")
        for problem in problems:
            self.note(f"    {problem}")
        self._bar.advance(self._task)

    def table(self, found: Mapping[str, Any]) -> None:
        """Print the counts by trouble, and by policy where there is one, and the totals, on standard output."""
        named = ("trouble", "policy") if "policy" in found["by_trouble"][0] else ("trouble",)
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for head in named:
            table.add_column(head, no_wrap=True)
        for head, _ in self._columns:
            table.add_column(head, justify="right")
        for row in found["by_trouble"]:
            table.add_row(*[row[head] for head in named], *self._cells(row))
        table.add_row("all", *[""] * (len(named) - 1), *self._cells(found["totals"]), style="bold")
        console = Console()
        Console(width=max(console.width, WIDTH)).print(table)
        if found["failed_seeds"]:
            print(f"Failed: seeds {', '.join(map(str, found['failed_seeds']))}. Play one again: {self._again} SEED")

    def _cells(self, row: Mapping[str, Any]) -> list[str]:
        return [
            f"{row[key] / max(1, row['runs']):.1f}" if key == "seconds" else f"{row[key]:,}" for _, key in self._columns
        ]

    def __enter__(self) -> Told:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def _moment(plan: Plan, policy: str = "") -> str:
    moments = ", ".join(str(blow.after_messages) for blow in plan.blows)
    return f"seed {plan.seed}  {policy:6}  {plan.title}, after {moments}"
