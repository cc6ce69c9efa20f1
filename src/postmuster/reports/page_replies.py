"""What came back to a notice and what it answers, for the report page.

For: `page_notice`. Promises: mail is counted by kind and by the time it was accepted; answers are those that stand, beside
those that wait and the number of people without one, who are never listed (P6).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from postmuster.reports import charts
from postmuster.reports.figures import NoticeFigures, by_count
from postmuster.reports.markup import NOTHING, Column, Content, Markup, table
from postmuster.reports.page_parts import counts_table, empty, folded, moment, pair, part, plot, prose
from postmuster.reports.words import Words, number


def replies_part(figures: NoticeFigures, id: str, words: Words) -> Markup:
    """Show the mail that came back, by kind and over time."""
    kinds = by_count(figures.replies)
    if not kinds:
        return part(id, "replies", words, empty(words.text("replies_none")))
    rows = [(words.named("replies", kind), count) for kind, count in kinds]
    whole = counts_table(f"{id}-kinds", words.text("replies_caption"), words.text("kind"), rows, words)
    return part(id, "replies", words, pair(_time_plot(figures, id, words), whole), _time_table(figures, id, words))


def _kinds_over_time(figures: NoticeFigures) -> list[str]:
    """The most frequent kind stands at the foot of each bar, where it is easiest to compare."""
    totals: dict[str, int] = defaultdict(int)
    for bucket in figures.replies_over_time:
        totals[bucket.kind] += bucket.count
    return [kind for kind, _ in by_count(totals)]


def _time_plot(figures: NoticeFigures, id: str, words: Words) -> Markup:
    buckets = [bucket for bucket in figures.replies_over_time if bucket.count]
    if not buckets:
        return NOTHING
    heights: dict[datetime, int] = defaultdict(int)
    for bucket in buckets:
        heights[bucket.start] += bucket.count
    peak = min(heights, key=lambda start: (-heights[start], start))
    description = words.text(
        "time_desc",
        total=number(sum(heights.values())),
        first=f"{min(heights):%Y-%m-%d %H:%M}",
        last=f"{max(heights):%Y-%m-%d %H:%M}",
        most=number(heights[peak]),
        peak=f"{peak:%Y-%m-%d %H:%M}",
    )
    drawn = charts.replies_plot(
        buckets,
        caption=charts.Caption(f"{id}-time-plot", words.text("time_plot"), description),
        kinds=[(kind, words.named("replies", kind)) for kind in _kinds_over_time(figures)],
        count_title=words.text("mails"),
    )
    return plot(drawn, label=words.text("time_plot"))


def _time_table(figures: NoticeFigures, id: str, words: Words) -> Markup:
    kinds = _kinds_over_time(figures)
    counts: dict[datetime, dict[str, int]] = defaultdict(lambda: dict.fromkeys(kinds, 0))
    for bucket in figures.replies_over_time:
        if bucket.count:
            counts[bucket.start][bucket.kind] += bucket.count
    if not counts:
        return NOTHING

    def cells(name: Content, row: Mapping[str, int]) -> list[Content]:
        return [name, *(number(row[kind]) for kind in kinds), number(sum(row.values()))]

    whole = table(
        id=f"{id}-time",
        caption=words.text("time_caption"),
        columns=(
            Column(words.text("from_time"), number=False),
            *(Column(words.named("replies", kind)) for kind in kinds),
            Column(words.text("sum")),
        ),
        rows=[cells(moment(start), counts[start]) for start in sorted(counts)],
        total=cells(words.text("sum"), {kind: sum(row[kind] for row in counts.values()) for kind in kinds}),
    )
    return folded(whole, len(counts), words)


def answers_part(figures: NoticeFigures, id: str, words: Words) -> Markup:
    """Show the answers that stand, those that wait, and how many people gave none."""
    standing = [(words.answer(key), count) for key, count in by_count(figures.answers)]
    waiting = figures.answers_waiting + figures.needs_confirmation
    if not standing and not waiting:
        asked = figures.asks not in ("", "none")
        return part(id, "answers", words, empty(words.text("answers_none" if asked else "answers_unasked")))
    drawn = NOTHING
    if standing:
        description = words.text(
            "answers_desc", total=number(figures.answered), top=standing[0][0], top_count=number(standing[0][1])
        )
        caption = charts.Caption(f"{id}-answers-plot", words.text("answers_plot"), description)
        drawn = plot(charts.counts_plot(standing, caption=caption), label=words.text("answers_plot"))
    rows = [
        *standing,
        (words.text("unconfirmed"), figures.needs_confirmation),
        (words.text("waiting"), figures.answers_waiting),
        (words.text("silence"), figures.without_answer),
    ]
    whole = counts_table(
        f"{id}-answer", words.text("answers_caption"), words.text("answer"), rows, words, whole=figures.audience
    )
    note = prose(words.text("silence_note"), "note")
    return part(id, "answers", words, pair(drawn, whole), note)
