"""The plots of `bench send-all`: rate over time, and rate over the size of the audience with its yardsticks.

Promises: equal figures give equal octets; axes of rates begin at zero; nothing is told by colour alone (each signer has a
mark and a dash of its own); ink and paper are fixed, so that it reads on any page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import vl_convert

from postmuster.bench.plot import BAR, BESIDE, FONT, INK

WIDTH: Final = 280
HEIGHT: Final = 190
COLUMNS: Final = 2
GRID: Final = "#d6d7d9"
SIGNERS: Final = ("openssl", "ifma", "ed25519", "none")
COLOURS: Final = (INK, BESIDE, "#4d8055", BAR)
SHAPES: Final = ("circle", "square", "triangle-up", "diamond")
DASHES: Final = ((1, 0), (6, 2), (2, 2), (8, 2, 2, 2))
LEAST_SECONDS: Final = 3  # a run shorter than that has no course to draw
MOST_POINTS: Final = 200  # of a line; longer runs are drawn by means of several seconds

Line = dict[str, Any]


def draw_time(lines: Sequence[Line]) -> str:
    """Draw messages a second over the seconds of each run, a panel a size. The last second, not a whole one, is left out."""
    panels: list[Any] = []
    for people in sorted({line["people"] for line in lines}):
        values = [
            {"second": second, "rate": rate, "sign": line["sign"]}
            for line in lines
            if line["people"] == people
            for second, rate in course(line["rate_over_time"])
        ]
        if values:
            panels.append(_over_time(values, f"{people:,} people"))
    if not panels:
        panels.append(_note(f"No run took {LEAST_SECONDS} seconds: there is no course to draw."))
    return _svg(alt.vconcat(*(alt.hconcat(*panels[at : at + COLUMNS]) for at in range(0, len(panels), COLUMNS))))


def course(rate_over_time: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """Return the points to draw of one run: (second, messages a second)."""
    whole = [float(rate) for _, rate in rate_over_time[:-1]]
    if len(whole) < LEAST_SECONDS:
        return []
    step = -(-len(whole) // MOST_POINTS)
    spans = [whole[at : at + step] for at in range(0, len(whole), step)]
    return [(at * step, round(sum(span) / len(span), 1)) for at, span in enumerate(spans)]


def draw_size(lines: Sequence[Line]) -> str:
    """Draw messages a second over the size of the audience: a line a signer, and the two yardsticks of the same runs."""
    order = [f"{people:,}" for people in sorted({line["people"] for line in lines})]
    values = [{"people": f"{line['people']:,}", "rate": line["messages_per_s"], "sign": line["sign"]} for line in lines]
    beside = [
        {"people": f"{line['people']:,}", "rate": line["yardstick"]["openssl_rsa2048_per_s"]} for line in lines
    ]  # fmt: skip
    naive = [{"people": f"{line['people']:,}", "rate": line["yardstick"]["naive_per_s"]} for line in lines]
    x = alt.X("people:N", sort=order, title="people", axis=alt.Axis(labelAngle=0))
    y = alt.Y("rate:Q", title="messages a second", scale=alt.Scale(zero=True))
    base = alt.Chart(alt.InlineData(values=values)).encode(x=x, y=y, color=_colour())
    ticks = [
        alt.Chart(alt.InlineData(values=rows)).mark_tick(color=colour, thickness=3, size=60, opacity=1).encode(x=x, y=y)
        for rows, colour in ((beside, BESIDE), (naive, "#71767a"))
    ]
    marks = base.mark_point(filled=True, size=80, opacity=1).encode(shape=_shape())
    rates = base.mark_text(color=INK, dy=15, fontSize=11).encode(
        text=alt.Text("rate:Q", format=",.0f"), color=alt.value(INK)
    )
    heading = alt.TitleParams(
        "Messages a second by size",
        subtitle=[
            "▬ wide marks, upper: RSA-2048 signatures alone, all cores",
            "▬ wide marks, lowest: the loop a user would write",
        ],
        subtitleColor=BESIDE,
    )
    chart = alt.layer(*ticks, base.mark_line().encode(strokeDash=_dash()), marks, rates)
    return _svg(chart.properties(width=2 * WIDTH, height=int(1.5 * HEIGHT), title=heading))


def _over_time(values: list[dict[str, Any]], title: str) -> Any:
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("second:Q", title="seconds since the first message"),
        y=alt.Y("rate:Q", title="messages a second", scale=alt.Scale(zero=True)),
        color=_colour(),
        strokeDash=_dash(),
    )
    return base.mark_line().properties(width=WIDTH, height=HEIGHT, title=title)


def _note(text: str) -> Any:
    rows = alt.InlineData(values=[{"text": text}])
    return (
        alt.Chart(rows).mark_text(color=INK, fontSize=13).encode(text="text:N").properties(width=2 * WIDTH, height=40)
    )


def _colour() -> alt.Color:
    return alt.Color("sign:N", scale=alt.Scale(domain=list(SIGNERS), range=list(COLOURS)), legend=_legend())


def _shape() -> alt.Shape:
    return alt.Shape("sign:N", scale=alt.Scale(domain=list(SIGNERS), range=list(SHAPES)), legend=_legend())


def _dash() -> alt.StrokeDash:
    dashes = [list(dash) for dash in DASHES]
    return alt.StrokeDash("sign:N", scale=alt.Scale(domain=list(SIGNERS), range=dashes), legend=_legend())


def _legend() -> alt.Legend:
    return alt.Legend(title="signer", orient="right")


def _svg(chart: Any) -> str:
    styled = (
        chart.configure(font=FONT, background="#ffffff", padding=12)
        .configure_axis(labelColor=INK, titleColor=INK, gridColor=GRID, domainColor="#71767a", titleFontWeight="normal")
        .configure_title(color=INK, fontSize=13, anchor="start")
        .configure_legend(labelColor=INK, titleColor=INK, titleFontWeight="normal")
        .configure_view(stroke=None)
    )
    drawn: str = vl_convert.vegalite_to_svg(styled.to_dict(validate=False))
    return drawn + "\n"
