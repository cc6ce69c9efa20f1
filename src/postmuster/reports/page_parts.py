"""What every part of the report page is built from: parts with headings, empty states, plots, folded tables.

For: `page`, `page_reach`, `page_notice`. Promises: each part has a heading, but is no landmark: ten in each
notice would be noise; each plot is named, and a table beside it has its numbers. Source: WCAG 2.2, 1.1.1, 1.3.1, 2.4.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from postmuster.reports.markup import NOTHING, Column, Content, Markup, element, table
from postmuster.reports.words import Words, number, share

FOLD_ROWS: Final = 12
"""A longer table folds on the screen; on paper it is open."""
_NAMESPACE: Final = ' xmlns="http://www.w3.org/2000/svg"'


def part(id: str, name: str, words: Words, *contents: Content) -> Markup:
    """A part of a notice, under a heading of the third level."""
    heading = element("h3", words.text(f"{name}_heading"), id=f"{id}-{name}")
    return element("section", heading, *contents, class_=f"part {name}")


def prose(sentence: str, kind: str | None = None) -> Markup:
    """A paragraph of our own words; what stands between backticks is a command."""
    pieces = sentence.split("`")
    return element(
        "p", *(element("code", piece) if place % 2 else piece for place, piece in enumerate(pieces)), class_=kind
    )


def empty(sentence: str) -> Markup:
    """What is said where there is nothing: that it is so, and what to do next."""
    return prose(sentence, "empty")


def moment(when: datetime) -> Markup:
    return element("time", f"{when:%Y-%m-%d %H:%M}", datetime=when.isoformat())


def drawing(svg: str) -> Markup:
    """Take one of our own drawings into the page; inside HTML it needs no namespace."""
    return Markup(svg.replace(_NAMESPACE, ""))


def plot(svg: str, *, label: str) -> Markup:
    """A plot keeps its size; where it is wider than the screen it scrolls by itself."""
    return element("figure", drawing(svg), class_="scroll", tabindex="0", aria_label=label) if svg else NOTHING


def pair(*contents: Content) -> Markup:
    """A plot and its table, side by side where there is room."""
    return element("div", *contents, class_="pair")


def folded(whole: Markup, rows: int, words: Words) -> Markup:
    if rows <= FOLD_ROWS:
        return whole
    return element("details", element("summary", words.text("fold", count=number(rows))), whole)


def counts_table(
    id: str, caption: str, label: str, rows: Sequence[tuple[str, int]], words: Words, *, whole: int | None = None
) -> Markup:
    """A table of labels and counts with their sum; with `whole`, each count's share of it."""
    total = sum(count for _, count in rows)
    shares = whole is not None

    def cells(name: Content, count: int) -> tuple[Content, ...]:
        return (name, number(count), share(count, whole)) if whole is not None else (name, number(count))

    columns = [Column(label, number=False), Column(words.text("count"))]
    return table(
        id=id,
        caption=caption,
        columns=[*columns, Column(words.text("share"))] if shares else columns,
        rows=[cells(name, count) for name, count in rows],
        total=cells(words.text("sum"), total),
    )
