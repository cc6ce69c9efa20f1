"""Whom a notice reached, for the report page: the bounds, the states, the components, the employment classes.

For: `page_notice`. Promises: reach is said between its two bounds, what there is evidence for and what is only not
disproved (P2); every component and class is in its table, however many the plot leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postmuster.reports import charts
from postmuster.reports.figures import NoticeFigures, State, reached_of
from postmuster.reports.markup import Column, Content, Markup, element, joined, name_of, table
from postmuster.reports.page_parts import empty, folded, part, plot, prose
from postmuster.reports.textures import strip, swatch
from postmuster.reports.words import Words, number, share, shown


@dataclass(frozen=True, slots=True)
class _Group:
    """A component or an employment class, under the name it is shown by."""

    label: str
    people: int
    states: Mapping[State, int]

    @property
    def reached(self) -> int:
        return reached_of(self.states)

    @property
    def rank(self) -> tuple[float, int, str]:
        """The least reached first; of two alike the larger."""
        return (self.reached / self.people if self.people else 2.0, -self.people, self.label)


def reach_parts(figures: NoticeFigures, id: str, words: Words) -> tuple[Markup, ...]:
    """Show reach as a whole, by component and by employment class."""
    if not figures.audience:
        return (part(id, "reach", words, empty(words.text("reach_nobody", id=figures.id))),)
    components = sorted(
        (_Group(shown(row.path), row.audience, row.states) for row in figures.by_component), key=lambda row: row.rank
    )
    classes = sorted(
        (_Group(words.named("classes", row.employment_class), row.audience, row.states) for row in figures.by_class),
        key=lambda row: row.rank,
    )
    return (
        _reach(figures, id, words),
        _groups(components, id, "components", first="component", figures=figures, words=words),
        _groups(classes, id, "classes", first="class", figures=figures, words=words),
    )


def _reach(figures: NoticeFigures, id: str, words: Words) -> Markup:
    sentence = words.text(
        "reach_sentence",
        audience=number(figures.audience),
        reached=number(figures.reached),
        share=share(figures.reached, figures.audience),
        delivered=number(figures.count(State.DELIVERED)),
    )
    lead = prose(sentence, "lead")
    bar = Markup(strip(figures.states))
    return part(id, "reach", words, _bounds(figures, words), bar, lead, _states(figures, id, words))


def _bounds(figures: NoticeFigures, words: Words) -> Markup:
    """The numbers a reader looks for first: the whole, and reach between its two bounds."""
    counts = {
        "bound_audience": figures.audience,
        "bound_evidence": figures.count(State.DELIVERED),
        "bound_reached": figures.reached,
        "bound_unreached": figures.count(State.FAILED) + figures.count(State.WITHHELD),
        "bound_pending": figures.count(State.PENDING),
    }
    return element(
        "dl", *(_bound(key, count, figures.audience, words) for key, count in counts.items()), class_="bounds"
    )


def _bound(key: str, count: int, whole: int, words: Words) -> Markup:
    value = element("dd", number(count), " ", element("small", share(count, whole)))
    return element("div", element("dt", words.text(key)), value)


def _states(figures: NoticeFigures, id: str, words: Words) -> Markup:
    rows = [
        (_key(state, words), number(figures.count(state)), share(figures.count(state), figures.audience))
        for state in State
    ]
    return table(
        id=f"{id}-states",
        caption=words.text("states_caption"),
        columns=(Column(words.text("state"), number=False), Column(words.text("people")), Column(words.text("share"))),
        rows=rows,
        total=(words.text("sum_is_audience"), number(figures.audience), share(1, 1)),
    )


def _key(state: State, words: Words) -> Markup:
    """A state's texture, name and meaning: the legend of every plot."""
    name = element("span", Markup(swatch(state)), words.state(state), class_="key")
    return joined((name, element("span", words.meaning(state), class_="aside")))


def _groups(
    groups: Sequence[_Group], id: str, name: str, *, first: str, figures: NoticeFigures, words: Words
) -> Markup:
    """A plot of the groups, the least reached first, and the table of them all."""
    some = [group for group in groups if group.people]
    if not some:
        return part(id, name, words, empty(words.text(f"{name}_none", id=figures.id)))
    title = words.text(f"{name}_plot")
    if len(some) > charts.PLOT_ROWS:
        title = words.text(f"{name}_plot_few", shown=number(charts.PLOT_ROWS), all=number(len(some)))
    drawn = charts.states_plot(
        [charts.Bar(group.label, group.people, list(group.states.items())) for group in some],
        caption=charts.Caption(f"{id}-{name}-plot", title, _described(some[: charts.PLOT_ROWS], words)),
        labels={state: words.state(state) for state in State},
        count_title=words.text("people"),
    )
    rows = _group_table(groups, f"{id}-{name}", words.text(f"{name}_caption"), words.text(first), words)
    return part(id, name, words, plot(drawn, label=title), _strips(some), folded(rows, len(groups), words))


def _strips(groups: Sequence[_Group]) -> Markup:
    """What a narrow screen shows in place of the plot: each group's strip under its name; the table speaks."""
    return element(
        "div",
        *(
            element(
                "p",
                name_of(group.label),
                element("span", share(group.reached, group.people)),
                Markup(strip(group.states)),
            )
            for group in groups[: charts.PLOT_ROWS]
        ),
        class_="strips",
        aria_hidden="true",
    )


def _described(groups: Sequence[_Group], words: Words) -> str:
    first, last = groups[0], groups[-1]
    return words.text(
        "groups_desc",
        first=first.label,
        first_share=share(first.reached, first.people),
        last=last.label,
        last_share=share(last.reached, last.people),
    )


def _group_table(groups: Sequence[_Group], id: str, caption: str, first: str, words: Words) -> Markup:
    """People of each group by state; a state that nobody anywhere is in gets no column."""
    used = [state for state in State if any(group.states.get(state) for group in groups)]

    def cells(name: Content, group: _Group) -> list[Content]:
        states = [number(group.states.get(state, 0)) for state in used]
        return [name, number(group.people), number(group.reached), share(group.reached, group.people), *states]

    whole = {state: sum(group.states.get(state, 0) for group in groups) for state in State}
    aside = element("span", words.text("zero_states"), class_="aside") if len(used) < len(State) else None
    return table(
        id=id,
        caption=joined((caption, ". ", aside)) if aside else caption,
        columns=(
            Column(first, number=False),
            *(Column(words.text(key)) for key in ("people", "reached", "share")),
            *(Column(words.state(state)) for state in used),
        ),
        rows=[cells(name_of(group.label), group) for group in groups],
        total=cells(words.text("sum"), _Group("", sum(group.people for group in groups), whole)),
    )
