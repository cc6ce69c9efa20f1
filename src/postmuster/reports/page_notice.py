"""The part of the report page that shows one round of one notice.

For: `page`. Promises: every number of `NoticeFigures` is shown, in a table where there is more than one; a plot never says
what its table does not; where there is nothing, a sentence says what to do next. Officers are named
by handle, recipients never. Limits: `place` must be different for each notice of a page, for ids are made from it.
"""

from __future__ import annotations

from postmuster.reports.figures import NoticeFigures, State, by_count
from postmuster.reports.markup import NOTHING, Column, Content, Markup, element, name_of, table
from postmuster.reports.page_parts import counts_table, empty, folded, moment, part, prose
from postmuster.reports.page_reach import reach_parts
from postmuster.reports.page_replies import answers_part, replies_part
from postmuster.reports.words import Words, number


def notice_section(figures: NoticeFigures, *, place: int, words: Words) -> Markup:
    """Show one round of one notice under a heading of the second level."""
    id = f"notice-{place}"
    heading = element("h2", name_of(figures.title), id=f"{id}-title")
    held = prose(words.text("held", who="; ".join(figures.held_by)), "held") if figures.held_by else NOTHING
    wide = (*reach_parts(figures, id, words), replies_part(figures, id, words), answers_part(figures, id, words))
    narrow = (
        _doubt(figures, id, words),
        _failures(figures, id, words),
        _withheld(figures, id, words),
        _cases(figures, id, words),
        _letters(figures, id, words),
        _origin(figures, id, words),
    )
    contents = (heading, _facts(figures, words), held, *wide, element("div", *narrow, class_="narrow"))
    return element("section", *contents, id=id, class_="notice", aria_labelledby=f"{id}-title")


def _facts(figures: NoticeFigures, words: Words) -> Markup:
    line = words.text(
        "facts",
        kind=words.named("kinds", figures.kind),
        id=figures.id,
        round=figures.round,
        state=words.named("notice_states", figures.state),
        asks=words.named("asks", figures.asks or "none"),
    )
    return prose(line, "facts")


def _doubt(figures: NoticeFigures, id: str, words: Words) -> Markup:
    count = figures.count(State.IN_DOUBT)
    if not count:
        return part(id, "doubt", words, empty(words.text("doubt_none")))
    rows: list[tuple[Content, ...]] = [
        (
            words.named("reasons", row.reason),
            moment(row.since) if row.since else words.text("not_recorded"),
            number(row.count),
        )
        for row in sorted(figures.in_doubt, key=lambda row: (-row.count, row.reason))
    ]
    unexplained = count - sum(row.count for row in figures.in_doubt)
    if unexplained:
        rows.append((words.text("unexplained"), words.text("not_recorded"), number(unexplained)))
    whole = table(
        id=f"{id}-doubts",
        caption=words.text("doubt_caption"),
        columns=(
            Column(words.text("reason"), number=False),
            Column(words.text("since"), number=False),
            Column(words.text("people")),
        ),
        rows=rows,
        total=(words.text("sum"), "", number(count)),
    )
    return part(id, "doubt", words, whole, prose(words.text("doubt_next"), "note"))


def _failures(figures: NoticeFigures, id: str, words: Words) -> Markup:
    count = figures.count(State.FAILED)
    if not count:
        return part(id, "failed", words, empty(words.text("failed_none")))
    rows: list[tuple[Content, ...]] = [
        (words.named("reasons", row.reason), row.status or words.text("not_recorded"), number(row.count))
        for row in sorted(figures.failed, key=lambda row: (-row.count, row.status, row.reason))
    ]
    unexplained = count - sum(row.count for row in figures.failed)
    if unexplained:
        rows.append((words.text("unexplained"), words.text("not_recorded"), number(unexplained)))
    whole = table(
        id=f"{id}-failures",
        caption=words.text("failed_caption"),
        columns=(
            Column(words.text("reason"), number=False),
            Column(words.text("status"), number=False),
            Column(words.text("people")),
        ),
        rows=rows,
        total=(words.text("sum"), "", number(count)),
    )
    next_step = words.text("failed_next", id=figures.id)
    return part(id, "failed", words, folded(whole, len(rows), words), prose(next_step, "note"))


def _withheld(figures: NoticeFigures, id: str, words: Words) -> Markup:
    count = figures.count(State.WITHHELD)
    if not count:
        return part(id, "withheld", words, empty(words.text("withheld_none")))
    rows = [(words.named("reasons", reason), people) for reason, people in by_count(figures.withheld)]
    unexplained = count - sum(figures.withheld.values())
    if unexplained:
        rows.append((words.text("unexplained"), unexplained))
    whole = counts_table(f"{id}-kept", words.text("withheld_caption"), words.text("reason"), rows, words)
    return part(id, "withheld", words, whole)


def _cases(figures: NoticeFigures, id: str, words: Words) -> Markup:
    rows = [(words.named("cases", reason), count) for reason, count in by_count(figures.cases)]
    if not rows:
        return part(id, "cases", words, empty(words.text("cases_none")))
    whole = counts_table(f"{id}-case", words.text("cases_caption"), words.text("reason"), rows, words)
    return part(id, "cases", words, whole, prose(words.text("cases_next"), "note"))


def _letters(figures: NoticeFigures, id: str, words: Words) -> Markup:
    rows = [(words.named("letters", kind), count) for kind, count in by_count(figures.letters)]
    if not rows:
        return part(id, "letters", words, empty(words.text("letters_none")))
    return part(
        id,
        "letters",
        words,
        counts_table(f"{id}-letter", words.text("letters_caption"), words.text("kind"), rows, words),
    )


def _origin(figures: NoticeFigures, id: str, words: Words) -> Markup:
    missing = words.text("not_recorded")
    rows: list[tuple[Content, Content]] = [
        (words.text("drafted_by"), figures.drafted_by or missing),
        (words.text("approved_by"), ", ".join(figures.approved_by) or missing),
        (words.text("assessment"), figures.assessment or missing),
        (words.text("roster_version"), missing if figures.roster_version is None else number(figures.roster_version)),
        (words.text("generated"), moment(figures.generated_at)),
    ]
    if figures.rate_per_s is not None:
        rows.append((words.text("rate"), words.text("rate_value", rate=number(figures.rate_per_s))))
    stop = figures.time_to_stop
    if stop is not None:
        left = words.text("stop_unseen")
        if stop.left_relay_s is not None:
            left = words.text(
                "stop_left_value", seconds=stop.left_relay_s, messages=number(stop.left_relay_messages or 0)
            )
        rows.append((words.text("stop_accepted"), words.text("seconds_value", seconds=stop.accepted_s)))
        rows.append((words.text("stop_left"), left))
    whole = table(
        id=f"{id}-rests",
        caption=words.text("origin_caption"),
        columns=(Column(words.text("item"), number=False), Column(words.text("value"), number=False)),
        rows=rows,
    )
    return part(id, "origin", words, whole)
