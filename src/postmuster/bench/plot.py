"""The plot of `bench all`: a panel a step with its yardstick as a line, and one for memory. One of two doors to Altair.

Promises: equal figures give equal bytes; bars begin at zero; nothing is told by colour alone (each panel has its name,
each line of the last its own mark and dash); ink and paper are fixed, so that it reads on any page.
"""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import vl_convert

from postmuster.bench.steps import lines, yardsticks_of

PANEL_WIDTH: Final = 190
PANEL_HEIGHT: Final = 170
COLUMNS: Final = 3
FONT: Final = "Liberation Sans, Arial, Helvetica, sans-serif"
INK: Final = "#1b1b1b"
BAR: Final = "#2378c3"
BESIDE: Final = "#b3541e"
SHAPES: Final = ("circle", "square", "triangle-up", "diamond")
LEGEND: Final = alt.Legend(title=None, orient="bottom-right", offset=8)
SCALE: Final = 2  # pixels of the PNG to one of the plot
TITLES: Final = {
    "load": "Load: people a second",
    "expand": "Expand: people a second",
    "send": "Send: signed mails a second",
    "intake": "Intake: mails a second",
    "digest": "Digest: replies a second",
}
BESIDES: Final = {
    "load": "plain COPY",
    "send": "RSA-2048 signing",
    "intake": "email parser",
    "digest": "email parser",
}
PROCESSES: Final = (("load", "load"), ("sending worker", "expand"), ("intake", "intake"), ("reading worker", "digest"))


def draw(found: dict[str, Any]) -> str:
    """Draw what `bench.json` holds as SVG."""
    rows = [(measured, {name: (rate, mb) for name, rate, _, _, mb in lines(measured)}) for measured in found["sizes"]]
    order = [f"{measured['people']:,}" for measured, _ in rows]
    panels = []
    for step, title in TITLES.items():
        values = [
            {"people": size, "rate": steps[step][0], "beside": yardsticks_of(measured).get(step)}
            for size, (measured, steps) in zip(order, rows, strict=True)
        ]
        panels.append(_panel(values, order, title, BESIDES.get(step, "")))
    memory = [
        {"people": size, "process": name, "mb": steps[step][1]}
        for name, step in PROCESSES
        for size, (_, steps) in zip(order, rows, strict=True)
    ]
    panels.append(_memory(memory, order))
    rows_of = [alt.hconcat(*panels[at : at + COLUMNS]) for at in range(0, len(panels), COLUMNS)]
    grid = alt.vconcat(*(row.resolve_legend(color="independent", shape="independent") for row in rows_of))
    styled = (
        grid.configure(font=FONT, background="#ffffff", padding=12)
        .configure_axis(labelColor=INK, titleColor=INK, gridColor="#d6d7d9", domainColor="#71767a", titleFontWeight="normal")
        .configure_title(color=INK, fontSize=13, anchor="start")
        .configure_legend(labelColor=INK)
        .configure_view(stroke=None)
    )  # fmt: skip
    drawn: str = vl_convert.vegalite_to_svg(styled.to_dict(validate=False))
    return drawn


def to_png(svg: str) -> bytes:
    """Turn the drawing into pixels."""
    png: bytes = vl_convert.svg_to_png(svg, scale=SCALE)
    return png


def _x(order: list[str]) -> alt.X:
    return alt.X("people:N", sort=order, title="people", axis=alt.Axis(labelAngle=0))


def _panel(values: list[dict[str, Any]], order: list[str], title: str, beside: str) -> alt.LayerChart | alt.FacetChart:
    base = alt.Chart(alt.InlineData(values=values)).encode(x=_x(order))
    top = max(max(value["rate"], value["beside"] or 0) for value in values) * 1.12
    y = alt.Scale(domain=[0, top], nice=False)
    bars = base.mark_bar(color=BAR, size=34).encode(y=alt.Y("rate:Q", title=None, scale=y, axis=alt.Axis(tickCount=5)))
    numbers = base.mark_text(color=INK, dy=-7, fontSize=12).encode(y="rate:Q", text=alt.Text("rate:Q", format=",.0f"))
    layers = [bars, numbers]
    if beside:
        layers.append(base.mark_tick(color=BESIDE, thickness=3, size=50, opacity=1).encode(y="beside:Q"))
    heading = alt.TitleParams(title, subtitle=f"▬ {beside}, the same run" if beside else " ", subtitleColor=BESIDE)
    return alt.layer(*layers).properties(width=PANEL_WIDTH, height=PANEL_HEIGHT, title=heading)


def _memory(values: list[dict[str, Any]], order: list[str]) -> alt.LayerChart | alt.FacetChart:
    names = [name for name, _ in PROCESSES]
    top = max(value["mb"] for value in values) * 1.12
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=_x(order),
        y=alt.Y("mb:Q", title=None, scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(tickCount=5)),
        color=alt.Color("process:N", scale=alt.Scale(domain=names, range=[INK, BAR, BESIDE, "#4d8055"]), legend=LEGEND),
    )
    marks = base.mark_point(filled=True, size=60, opacity=1).encode(
        shape=alt.Shape("process:N", scale=alt.Scale(domain=names, range=list(SHAPES)), legend=LEGEND)
    )
    heading = alt.TitleParams("Memory of a process, MB", subtitle="the most at any moment")
    return alt.layer(base.mark_line(), marks).properties(width=PANEL_WIDTH, height=PANEL_HEIGHT, title=heading)
