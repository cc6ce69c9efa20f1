"""What `demo` prints at its end: that the book balances, in one screen of 80 columns.

For: the demo and the README's first screen. Promises: for each notice audience and states in one row, so that anyone can
add them up; every check with both its numbers; no number that the report page does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from postmuster.reports.figures import NoticeFigures, OrganisationReport, State
from postmuster.reports.terminal import mark, plain_table
from postmuster.reports.words import Words, number, shown
from postmuster.reports.words import words as words_of


def demo_view(report: OrganisationReport, *, written: Sequence[str] = (), words: Words | None = None) -> RenderableType:
    """Show a whole report in short; `written` are the files to look at next."""
    words = words or words_of()
    counts = words.text(
        "organisation_counts", people=number(report.people_counted), notices=number(len(report.notices))
    )
    parts: list[RenderableType] = [
        Group(Text(shown(report.organisation) or words.text("title"), "bold"), Text(counts)),
        _notices(report.notices, words),
        _back(report.notices, words),
        _agreement(report, words),
        _checks(report, words),
        _seconds(report, words),
        Text(words.text("written", files=", ".join(written))) if written else "",
    ]
    return Group(*(spaced for part in parts if part for spaced in (part, Text())))


def _label(figures: NoticeFigures, words: Words) -> Text:
    return Text(f"{figures.id} {words.named('kinds', figures.kind)}")


def _notices(notices: Sequence[NoticeFigures], words: Words) -> RenderableType:
    if not notices:
        return Text(words.text("no_notices"))
    used = [state for state in State if any(figures.count(state) for figures in notices)]
    heads = [
        (words.text("notice"), False),
        (f"{words.text('audience')} =", True),
        *((words.state(s), True) for s in used),
    ]
    table = plain_table(*heads, gap=0)
    for figures in notices:
        states = [number(figures.count(state)) for state in used]
        table.add_row(_label(figures, words), Text(f"{number(figures.audience)} =", "bold"), *states)
    return table


def _back(notices: Sequence[NoticeFigures], words: Words) -> RenderableType:
    """What came back and what it answers: a row a kind, a column a notice."""
    kinds = _rows([figures.replies for figures in notices], lambda key: words.named("replies", key))
    answers = _rows([figures.answers for figures in notices], words.answer)
    waiting = (
        (words.text("unconfirmed"), [figures.needs_confirmation for figures in notices]),
        (words.text("waiting"), [figures.answers_waiting for figures in notices]),
    )
    answers += [row for row in waiting if any(row[1])]
    if not kinds and not answers:
        return Text(words.text("replies_none").replace("`", ""))
    table = plain_table((words.text("replies_heading"), False), *((figures.id, True) for figures in notices))
    for label, counts in kinds:
        table.add_row(Text(label), *map(number, counts))
    if answers:
        table.add_section()
        table.add_row(Text(words.text("answers_heading"), "bold"))
    for label, counts in answers:
        table.add_row(Text(label), *map(number, counts))
    return table


def _rows(counts: Sequence[Mapping[str, int]], label: Callable[[str], str]) -> list[tuple[str, list[int]]]:
    """A row for each key that has a count anywhere, the most frequent first."""
    keys = sorted({key for row in counts for key, count in row.items() if count})
    rows = [(label(key), [row.get(key, 0) for row in counts]) for key in keys]
    return sorted(rows, key=lambda row: -sum(row[1]))


def _agreement(report: OrganisationReport, words: Words) -> RenderableType:
    if not report.agreement:
        return ""
    heads = ("truth", "right", "to_a_person", "wrong")
    table = plain_table((words.text("meant"), False), *((words.text(key), True) for key in heads))
    for row in report.agreement:
        wrong = Text(number(row.wrong), "bold red" if row.wrong else "none")
        label = Text(words.named("reply_classes", row.reply_class))
        table.add_row(label, number(row.truth), number(row.right), number(row.to_a_person), wrong)
    return table


def _checks(report: OrganisationReport, words: Words) -> RenderableType:
    if not report.checks:
        return Text(words.text("balance_none"))
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column()
    grid.add_column(overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    for check in report.checks:
        sign = (
            "=" if check.left == check.right else "≠" if not check.holds else ">" if check.left > check.right else "<"
        )
        grid.add_row(
            mark(check.holds), Text(shown(check.sentence)), f"{number(check.left)} {sign} {number(check.right)}"
        )
    broken = sum(not check.holds for check in report.checks)
    key = "balance_no" if broken else "balance_yes"
    verdict = words.text(key, count=number(len(report.checks)), broken=number(broken)).replace("`", "")
    return Group(grid, Text(verdict, "bold red" if broken else "bold green"))


def _seconds(report: OrganisationReport, words: Words) -> RenderableType:
    if not report.seconds:
        return ""
    parts = " · ".join(
        f"{words.named('parts', part)} {words.text('seconds_value', seconds=round(took, 1))}"
        for part, took in report.seconds.items()
    )
    return Text(f"{words.text('seconds_heading')}: {parts}")
