"""Figures on the terminal, and deliveries as CSV.

For: `notice status` (its view goes into `rich.live`), `person show`, `notice deliveries`, `check` and the end of `demo`.
Promises: every view fits 80 columns; what colour says, words, signs or numbers say too, so that a pipe or a log loses
nothing; text from outside carries no escapes and no markup. Each function takes frozen figures and returns something Rich
can print; nothing here reads a clock or a database. Source: RFC 4180 for CSV; OWASP on formulas in CSV.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from postmuster.reports.figures import (
    Condition,
    DeliveryRow,
    DisclosureRow,
    Json,
    NoticeFigures,
    PersonDelivery,
    PersonFigures,
    State,
    TimeToStop,
    by_count,
)
from postmuster.reports.words import Words, number, share, shown
from postmuster.reports.words import words as words_of

BAR_WIDTH: Final = 32
VIEW_ROWS: Final = 200
"""Deliveries shown on a terminal; the CSV has all."""
CSV_COLUMNS: Final = ("person_id", "component", "state", "since", "status", "reason", "seq")
_STYLES: Final = {
    State.DELIVERED: "blue",
    State.RELAYED: "cyan",
    State.DEFERRED: "yellow",
    State.IN_DOUBT: "magenta",
    State.FAILED: "red",
    State.WITHHELD: "bright_black",
    State.PENDING: "none",
}
_SPREADSHEET_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "–"


def plain_table(*columns: tuple[str, bool], gap: int = 1, sums: bool = False) -> Table:
    """A table with a rule under its heads, and one above its `sums`; `columns` are (head, is a number)."""
    made = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, gap, 0, 0), show_footer=sums)
    made.header_style = made.footer_style = "bold"
    for head, is_number in columns:
        made.add_column(Text(head), justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    return made


def bar(count: int, whole: int, width: int = BAR_WIDTH) -> str:
    """A bar of eighths of a column; anyone at all is seen."""
    eighths = max(round(8 * width * count / whole), 1) if count and whole else 0
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def listed(counts: Iterable[tuple[str, int]]) -> Text:
    """Counts in one line: label and number, the numbers in bold."""
    line = Text()
    for label, count in counts:
        line.append(" · " if line else "").append(f"{label} ").append(number(count), "bold")
    return line


def mark(holds: bool) -> Text:
    return Text("✓", "green") if holds else Text("✗", "bold red")


def status_view(figures: NoticeFigures, *, words: Words | None = None) -> RenderableType:
    """Show one round of one notice: states that add up to the audience, what came back, what holds it."""
    words = words or words_of()
    facts = words.text(
        "facts_short",
        kind=words.named("kinds", figures.kind),
        id=figures.id,
        round=figures.round,
        state=words.named("notice_states", figures.state),
    )
    held = (
        [Text(words.text("held", who="; ".join(map(shown, figures.held_by))), "bold magenta")]
        if figures.held_by
        else []
    )
    heading = (Text(shown(figures.title), "bold"), Text(facts), *held, Text())
    return Group(*heading, _states(figures, words), Text(), _around(figures, words))


def _states(figures: NoticeFigures, words: Words) -> RenderableType:
    heads = (words.text("state"), False), (words.text("people"), True), (words.text("share"), True), ("", False)
    states = plain_table(*heads, sums=True)
    for state in State:
        count = figures.count(state)
        states.add_row(
            Text(words.state(state)),
            number(count),
            share(count, figures.audience),
            Text(bar(count, figures.audience), _STYLES[state]),
        )
    states.columns[0].footer = words.text("audience")
    states.columns[1].footer = number(figures.audience)
    reached = words.text("reached_between", least=number(figures.count(State.DELIVERED)), most=number(figures.reached))
    return Group(states, Text(), Text(reached))


def _around(figures: NoticeFigures, words: Words) -> RenderableType:
    """What goes with the states, a line each; a line that has nothing to say is left out."""
    open_answers = [
        (words.text("unconfirmed"), figures.needs_confirmation),
        (words.text("waiting"), figures.answers_waiting),
    ]
    lines: list[tuple[str, Text]] = [
        (words.text("replies_heading"), _named(figures.replies, "replies", words)),
        (words.text("answers_heading"), listed((words.answer(key), count) for key, count in by_count(figures.answers))),
        ("", listed((label, count) for label, count in open_answers if count)),
        (words.text("cases_heading"), _named(figures.cases, "cases", words)),
        (words.text("letters_heading"), _named(figures.letters, "letters", words)),
        (
            words.text("doubt_heading"),
            listed((words.named("reasons", row.reason), row.count) for row in figures.in_doubt),
        ),
        (words.text("withheld_heading"), _named(figures.withheld, "reasons", words)),
    ]
    if figures.rate_per_s is not None:
        lines.append((words.text("rate"), Text(words.text("rate_value", rate=number(round(figures.rate_per_s))))))
    if figures.time_to_stop is not None:
        lines.append((words.text("stop_heading"), _stopped(figures.time_to_stop, words)))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, line in lines:
        if line:
            grid.add_row(Text(label), line)
    return grid


def _stopped(stop: TimeToStop, words: Words) -> Text:
    """How long the newest stop took: the last message the relay took, and the last that left it."""
    accepted = words.text("stop_short_accepted", seconds=stop.accepted_s)
    if stop.left_relay_s is None:
        return Text(f"{accepted}\n{words.text('stop_short_unseen')}")
    messages = number(stop.left_relay_messages or 0)
    return Text(f"{accepted}\n{words.text('stop_short_left', seconds=stop.left_relay_s, messages=messages)}")


def _named(counts: Mapping[str, int], table: str, words: Words) -> Text:
    return listed((words.named(table, key), count) for key, count in by_count(counts))


def person_view(figures: PersonFigures, *, words: Words | None = None) -> RenderableType:
    """Show what one person was sent, what became of it, what they answered, and who looked at it."""
    words = words or words_of()
    first = " · ".join(
        (
            shown(figures.person_id),
            shown(figures.component),
            words.named("classes", figures.employment_class),
            words.named("person_states", figures.status),
        )
    )
    sent: RenderableType = Text(words.text("person_none"))
    if figures.deliveries:
        sent = _sent(figures, words)
    parts: list[RenderableType] = [Text(first, "bold"), Text(), sent]
    if figures.disclosures is not None:
        parts += [Text(), _looks(figures.disclosures, words)]
    return Group(*parts)


def _looks(disclosures: Sequence[DisclosureRow], words: Words) -> RenderableType:
    if not disclosures:
        return Text(words.text("disclosures_none"))
    looks = plain_table((words.text("since"), False), (words.text("officer"), False), (words.text("purpose"), False))
    for row in disclosures:
        looks.add_row(when(row.at), Text(shown(row.officer)), Text(shown(row.purpose)))
    return looks


def _sent(figures: PersonFigures, words: Words) -> Table:
    heads = ("notice", "round", "state", "since", "answer", "letters_heading")
    sent = plain_table(*((words.text(key), False) for key in heads))
    for row in figures.deliveries:
        sent.add_row(
            Text(f"{row.notice_id} ").append(shown(row.title)),
            str(row.round),
            Text(words.state(row.state), _STYLES[row.state]),
            when(row.since),
            _answer(row, words),
            Text(", ".join(words.named("letters", kind) for kind in row.letters) or "–"),
        )
    return sent


def _answer(row: PersonDelivery, words: Words) -> Text:
    """The answer, and where it stands unless it counts."""
    if not row.answer:
        return Text(words.text("not_recorded"))
    said = words.answer(row.answer)
    counts = row.answer_state in ("", "counted")
    return Text(said if counts else f"{said} ({words.named('answer_states', row.answer_state)})")


def deliveries_view(rows: Iterable[DeliveryRow], *, words: Words | None = None) -> RenderableType:
    """List deliveries with their evidence, the first `VIEW_ROWS` of them; what is beyond is said."""
    words = words or words_of()
    coming = iter(rows)
    first = list(islice(coming, VIEW_ROWS))
    if not first:
        return Text(words.text("deliveries_none"))
    heads = ("person", "component", "state", "since", "status", "reason")
    table = plain_table(*((words.text(key), False) for key in heads))
    for row in first:
        table.add_row(
            Text(shown(row.person_id)),
            Text(shown(row.component)),
            Text(words.state(row.state), _STYLES[row.state]),
            when(row.since),
            Text(shown(row.status) or "–"),
            Text(words.named("reasons", row.reason) if row.reason else "–"),
        )
    if next(coming, None) is None:
        return table
    return Group(table, Text(), Text(words.text("deliveries_more", count=number(VIEW_ROWS))))


def delivery_json(row: DeliveryRow) -> Json:
    """One object of `notice deliveries --json`, stable."""
    return {
        "seq": row.seq,
        "person_id": row.person_id,
        "component": row.component,
        "state": row.state.value,
        "since": row.since.isoformat() if row.since else None,
        "status": row.status,
        "reason": row.reason,
    }


def person_json(figures: PersonFigures) -> Json:
    """The object of `person show --json`, stable."""
    return {
        "person_id": figures.person_id,
        "component": figures.component,
        "employment_class": figures.employment_class,
        "status": figures.status,
        "deliveries": [
            {
                "notice": row.notice_id,
                "title": row.title,
                "round": row.round,
                "state": row.state.value,
                "since": row.since.isoformat() if row.since else None,
                "answer": row.answer or None,
                "answer_state": row.answer_state or None,
                "letters": list(row.letters),
            }
            for row in figures.deliveries
        ],
        "disclosures": None
        if figures.disclosures is None
        else [
            {"at": row.at.isoformat(), "officer": row.officer, "purpose": row.purpose} for row in figures.disclosures
        ],
    }


def deliveries_csv(rows: Iterable[DeliveryRow]) -> str:
    """Write deliveries as CSV with a head, whole in memory: about 100 octets a row."""
    return "".join(csv_lines(rows))


def csv_lines(rows: Iterable[DeliveryRow]) -> Iterator[str]:
    """Yield the same by line, for millions; a cell that a spreadsheet would run as a formula gets an apostrophe in front."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for row in rows:
        yield out.getvalue()
        out.seek(0)
        out.truncate()
        since = row.since.isoformat() if row.since else ""
        cells = (row.person_id, row.component, row.state.value, since, row.status, row.reason, str(row.seq))
        writer.writerow([_cell(cell) for cell in cells])
    yield out.getvalue()


def _cell(text: str) -> str:
    safe = shown(text)
    return f"'{safe}" if text.startswith(_SPREADSHEET_STARTS) else safe


def conditions_view(conditions: Sequence[Condition], *, words: Words | None = None) -> RenderableType:
    """Show what was examined, and under each that does not hold what to do."""
    words = words or words_of()
    if not conditions:
        return Text(words.text("balance_none"))
    grid = Table.grid(padding=(0, 1, 0, 0))
    for condition in sorted(conditions, key=lambda condition: condition.holds):
        sentence = Text(shown(condition.sentence))
        if not condition.holds and condition.next_step:
            sentence.append(f"\n{words.text('next_step', step=shown(condition.next_step))}")
        grid.add_row(mark(condition.holds), sentence)
    broken = sum(not condition.holds for condition in conditions)
    key = "conditions_broken" if broken else "conditions_hold"
    verdict = words.text(key, count=number(len(conditions)), broken=number(broken))
    return Group(grid, Text(), Text(verdict, "bold red" if broken else "bold green"))
