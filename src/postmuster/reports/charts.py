"""Plots of a notice's figures as SVG, drawn here without a browser, a script, a network or a font file.

For: the report page and the documentation. Each function takes figures and returns one `<svg>`, or an empty string when
there is nothing to draw.

Promises: equal figures give equal bytes. Meaning never hangs on colour alone: every state and kind has a texture of its
own, and an order. Each plot has a title and a description for people who hear it. Colours come from variables
(`--pm-delivered`) with a fallback, so that a page can darken them; text takes the colour of the text around it. Fonts are
named by generic families; Vega measures with Liberation Sans, which has the widths of Arial and Helvetica.

Limits: at most `PLOT_ROWS` bars; whoever calls says which were left out. Importing this module costs about 0.3 s and the first
plot about 0.7 s more (Altair 6.3, vl-convert 1.9, one core, 2026-11), the following ones 0.03–0.06 s: only the page and
tools import it.

Source: WCAG 2.2, 1.1.1, 1.4.1, 1.4.11; WAI-ARIA Graphics Module for `role="img"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import pairwise
from typing import Any, Final

import altair as alt
import vl_convert

from postmuster.reports.figures import ReplyBucket, State
from postmuster.reports.textures import SERIES_TEXTURES, STATE_TEXTURES, Texture
from postmuster.reports.words import number

PLOT_ROWS: Final = 40
"""Bars on one plot: as many as an A4 page holds legibly."""
PLOT_WIDTH: Final = 440
"""Pixels of the drawing area; with labels a plot of states is about 690 wide, as much as A4 takes without shrinking it."""
NARROW_WIDTH: Final = 300
"""For a plot that stands beside its table."""
LABEL_LENGTH: Final = 32
LABEL_LIMIT: Final = 220
"""Pixels a label may take before Vega cuts it."""
BAR_STEP: Final = 22
FONT: Final = "Liberation Sans, Arial, Helvetica, sans-serif"
FONT_SIZE: Final = 12.5
INK: Final = "currentColor"
GRID: Final = "#8a8f98"

_SVG_HEAD: Final = re.compile(r"<svg\b[^>]*>")
_INNER_ID: Final = re.compile(r'(id="|url\(#)(clip|gradient)')
_INNER_ROLE: Final = re.compile(r' (?:role="graphics-[a-z]+"|aria-roledescription="[^"]*")')
"""A plot is one image to the ear; Vega gives roles to its parts as well, which then would need names."""
_GAP: Final = 'stroke="#fff"'
"""The gap between two bars has the colour of the paper."""
_VIEW_BOX: Final = re.compile(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"')


@dataclass(frozen=True, slots=True)
class Caption:
    """What a plot is called and what it says, for the ear; `id` is unique on the page."""

    id: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of stacked states."""

    label: str
    audience: int
    states: Sequence[tuple[State, int]]


def _short(label: str, taken: set[str]) -> str:
    """Shorten a path before its last part, so that both the agency and the office stay; keep it whole if two became the same."""
    rest, slash, last = label.rpartition("/")
    tail = slash + (last if len(last) <= LABEL_LENGTH // 2 + 4 else f"{last[: LABEL_LENGTH // 2]}…")
    short = label
    if len(label) > LABEL_LENGTH:
        short = f"{rest[: LABEL_LENGTH - 1 - len(tail)].rstrip()}…{tail}" if slash else f"{label[: LABEL_LENGTH - 1]}…"
    chosen = label if short in taken else short
    taken.add(chosen)
    return chosen


def _finish(
    chart: alt.Chart | alt.LayerChart | alt.FacetChart, *, caption: Caption, textures: Iterable[Texture]
) -> str:
    styled = (
        chart.configure(font=FONT, background="transparent", aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK,
            titleColor=INK,
            labelFontSize=FONT_SIZE,
            titleFontSize=FONT_SIZE,
            titleFontWeight="normal",
            gridColor=GRID,
            gridOpacity=0.35,
            domainColor=GRID,
            tickColor=GRID,
            labelLimit=LABEL_LIMIT,
        )
        .configure_legend(
            labelColor=INK,
            labelFontSize=FONT_SIZE,
            symbolSize=170,
            symbolType="square",
            symbolStrokeWidth=0,
            orient="top",
            direction="horizontal",
            columns=4,
            title=None,
            labelLimit=220,
            columnPadding=14,
        )
        .configure_text(color=INK, fontSize=FONT_SIZE)
    )
    drawn: str = vl_convert.vegalite_to_svg(styled.to_dict(validate=False))
    return _speaking(drawn, caption=caption, textures=textures)


def _speaking(drawn: str, *, caption: Caption, textures: Iterable[Texture]) -> str:
    """Give the drawing a name, a description and its textures; ids get the caption's id in front."""
    box = _VIEW_BOX.search(drawn)
    width, height = box.groups() if box else ("560", "300")
    name = escape(caption.id, quote=True)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{name}-title {name}-desc" class="plot" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<title id="{name}-title">{escape(caption.title)}</title><desc id="{name}-desc">{escape(caption.description)}</desc>'
        f"<defs>{''.join(texture.definition(name) for texture in textures)}</defs>"
    )
    body = _INNER_ROLE.sub("", _INNER_ID.sub(rf"\1{name}-\2", _SVG_HEAD.sub("", drawn, count=1)))
    return head + body.replace(_GAP, f'{_GAP} style="stroke:var(--pm-paper,#fff)"')


def _fill(caption: Caption, texture: Texture) -> str:
    return f"url(#{caption.id}-{texture.name})"


def states_plot(bars: Sequence[Bar], *, caption: Caption, labels: dict[State, str], count_title: str) -> str:
    """Draw one bar to a row, each the whole of its people, split by state from what reached to what did not."""
    shown = [state for state in State if any(count and of is state for bar in bars for of, count in bar.states)]
    rows = [bar for bar in bars[:PLOT_ROWS] if bar.audience]
    if not rows:
        return ""
    taken: set[str] = set()
    names = [_short(bar.label, taken) for bar in rows]
    order = list(State)
    values = [
        {"name": name, "state": labels[state], "order": order.index(state), "share": count / bar.audience}
        for name, bar in zip(names, rows, strict=True)
        for state, count in bar.states
        if count
    ]
    totals = [{"name": name, "people": number(bar.audience)} for name, bar in zip(names, rows, strict=True)]
    y = alt.Y("name:N", sort=names, title=None, axis=alt.Axis(ticks=False, domain=False, labelPadding=8))
    colours = alt.Scale(
        domain=[labels[state] for state in shown], range=[_fill(caption, STATE_TEXTURES[state]) for state in shown]
    )
    stack = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(stroke="#fff", strokeWidth=0.8, height=BAR_STEP - 7)
        .encode(
            y=y,
            x=alt.X(
                "share:Q",
                stack="zero",
                title=None,
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=5),
            ),
            fill=alt.Fill("state:N", scale=colours),
            order=alt.Order("order:Q"),
        )
    )
    people = (
        alt.Chart(alt.InlineData(values=totals))
        .mark_text(align="right", baseline="middle")
        .encode(y=y, x=alt.value(PLOT_WIDTH + 58), text="people:N")
    )
    heading = (
        alt.Chart(alt.InlineData(values=[{"title": count_title}]))
        .mark_text(align="right", baseline="bottom", opacity=0.85)
        .encode(x=alt.value(PLOT_WIDTH + 58), y=alt.value(-3), text="title:N")
    )
    chart = alt.layer(stack, people, heading).properties(width=PLOT_WIDTH, height=alt.Step(BAR_STEP))
    return _finish(chart, caption=caption, textures=[STATE_TEXTURES[state] for state in shown])


def _bucket_width(buckets: Sequence[ReplyBucket]) -> timedelta:
    """The buckets' own width: the least gap between two, an hour when there is one alone."""
    starts = sorted({bucket.start for bucket in buckets})
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    return min(gaps, default=timedelta(hours=1))


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _time_format(span: timedelta) -> str:
    if span <= timedelta(minutes=20):
        return "%H:%M:%S"
    return "%H:%M" if span <= timedelta(hours=36) else "%d %b %H:%M" if span <= timedelta(days=5) else "%d %b"


def replies_plot(
    buckets: Sequence[ReplyBucket], *, caption: Caption, kinds: Sequence[tuple[str, str]], count_title: str
) -> str:
    """Draw mail accepted per bucket, stacked by kind; `kinds` are (key, label) from the axis up."""
    if not buckets:
        return ""
    width = _bucket_width(buckets)
    labels = dict(kinds)
    order = [key for key, _ in kinds]
    values: list[dict[str, Any]] = []
    heights: dict[datetime, int] = {}
    for bucket in sorted(buckets, key=lambda bucket: (bucket.start, order.index(bucket.kind))):
        bottom = heights.get(bucket.start, 0)
        top = heights[bucket.start] = bottom + bucket.count
        values.append({
            "start": _utc(bucket.start), "end": _utc(bucket.start + width), "kind": labels[bucket.kind],
            "bottom": bottom, "top": top,
        })  # fmt: skip
    span = max(bucket.start for bucket in buckets) + width - min(bucket.start for bucket in buckets)
    textures = [SERIES_TEXTURES[place % len(SERIES_TEXTURES)] for place in range(len(kinds))]
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(stroke="#fff", strokeWidth=0.6, binSpacing=1)
        .encode(
            x=alt.X(
                "start:T", title=None, scale=alt.Scale(type="utc"),
                axis=alt.Axis(format=_time_format(span), grid=False, labelOverlap="greedy", labelFlush=True, tickCount=6),
            ),
            x2="end:T",
            y=alt.Y("top:Q", title=count_title, stack=None, axis=alt.Axis(tickCount=5, tickMinStep=1, domain=False, ticks=False)),
            fill=alt.Fill(
                "kind:N",
                scale=alt.Scale(domain=[label for _, label in kinds], range=[_fill(caption, item) for item in textures]),
            ),
            y2="bottom:Q",
        )
        .properties(width=PLOT_WIDTH, height=230)
    )  # fmt: skip
    return _finish(chart, caption=caption, textures=textures)


def counts_plot(counts: Sequence[tuple[str, int]], *, caption: Caption) -> str:
    """Draw one bar to a count, in the order given, each with its number at its end."""
    rows = list(counts)[:PLOT_ROWS]
    if not rows:
        return ""
    taken: set[str] = set()
    names = [_short(label, taken) for label, _ in rows]
    values = [
        {"name": name, "count": count, "shown": number(count)} for name, (_, count) in zip(names, rows, strict=True)
    ]
    texture = SERIES_TEXTURES[0]
    base = alt.Chart(alt.InlineData(values=values)).encode(
        y=alt.Y("name:N", sort=names, title=None, axis=alt.Axis(ticks=False, domain=False, labelPadding=8)),
        x=alt.X("count:Q", title=None, scale=alt.Scale(domainMin=0, nice=False), axis=None),
    )
    bars = base.mark_bar(height=BAR_STEP - 6, fill=_fill(caption, texture))
    numbers = base.mark_text(align="left", baseline="middle", dx=5).encode(text="shown:N")
    chart = alt.layer(bars, numbers).properties(width=NARROW_WIDTH, height=alt.Step(BAR_STEP + 4))
    return _finish(chart, caption=caption, textures=[texture])
