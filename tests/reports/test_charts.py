"""Plots: equal figures give equal bytes, each is named, and nothing is said by colour alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from tests.reports.sample import HOSTILE, NOW, components, replies_over_time

from postmuster.reports import charts
from postmuster.reports.charts import Bar, Caption
from postmuster.reports.figures import ReplyBucket, State
from postmuster.reports.textures import SERIES_TEXTURES, STATE_TEXTURES, Texture, strip

SVG = "{http://www.w3.org/2000/svg}"
LABELS = {state: state.value.title() for state in State}
CAPTION = Caption("p1", "A title & more", "What it says <to the ear>")
KINDS = [("reply", "Reply"), ("automatic", "Automatic"), ("bounce", "Report")]


def states_plot(bars: list[Bar] | None = None) -> str:
    rows = [Bar(part.path, part.audience, list(part.states.items())) for part in components()]
    return charts.states_plot(rows if bars is None else bars, caption=CAPTION, labels=LABELS, count_title="People")


def replies_plot() -> str:
    return charts.replies_plot(replies_over_time(), caption=CAPTION, kinds=KINDS, count_title="Mail")


def counts_plot() -> str:
    return charts.counts_plot([("Yes", 1234), ("No", 7)], caption=CAPTION)


PLOTS = pytest.mark.parametrize("plot", [states_plot, replies_plot, counts_plot])


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - our own


@PLOTS
def test_equal_figures_give_equal_bytes(plot: Callable[[], str]) -> None:
    assert plot() == plot()


@PLOTS
def test_a_plot_has_a_name_and_a_description_for_the_ear(plot: Callable[[], str]) -> None:
    root = ET.fromstring(plot())  # noqa: S314 - our own
    named = (root.get("aria-labelledby") or "").split()
    spoken = {node.get("id"): node.text for node in root if node.tag in (f"{SVG}title", f"{SVG}desc")}
    assert root.get("role") == "img"
    assert [spoken[name] for name in named] == [CAPTION.title, CAPTION.description]


@PLOTS
def test_a_plot_loads_nothing_and_runs_nothing(plot: Callable[[], str]) -> None:
    drawn = plot().replace("http://www.w3.org/2000/svg", "")
    assert "://" not in drawn
    assert not re.search(r"<(script|image|foreignObject|style|use)\b|\son\w+=|href|@import", drawn)


def test_every_state_in_a_plot_has_a_texture_of_its_own() -> None:
    drawn = states_plot()
    used = set(re.findall(r'fill="url\(#(p1-[\w-]+)\)"', drawn))
    assert used == set(re.findall(r'<pattern id="(p1-[\w-]+)"', drawn))
    assert len(used) == sum(any(part.states[state] for part in components()) for state in State)


@pytest.mark.parametrize("textures", [tuple(STATE_TEXTURES.values()), SERIES_TEXTURES])
def test_textures_differ_without_their_colours(textures: tuple[Texture, ...]) -> None:
    marks = [re.sub(r"stroke:[^;]*|stroke-width:[^;]*", "", texture.marks) for texture in textures]
    assert len(set(marks)) == len(marks)


def test_a_bar_of_a_component_splits_its_whole_audience() -> None:
    drawn = states_plot([Bar("a/b", 200, [(State.DELIVERED, 150), (State.FAILED, 50)])])
    marks = re.findall(r'd="M([\d.]+),[\d.-]+h([\d.]+)v[\d.]+h-[\d.]+Z" fill="url\(#p1-(\w+)\)"', drawn)
    assert [(name, float(left), float(width)) for left, width, name in marks] == [
        ("delivered", 0.0, 330.0),
        ("failed", 330.0, 110.0),
    ]
    assert "200" in texts(drawn)


def test_a_plot_says_every_components_people_and_no_two_labels_are_the_same() -> None:
    shown = texts(states_plot())
    for part in components():
        assert f"{part.audience:,}".replace(",", "\u202f") in shown
    labels = [text for text in shown if "/" in text]
    assert len(labels) == len(set(labels)) == 24


def test_a_long_path_keeps_its_agency_and_its_office() -> None:
    path = "Agency of Records, Maps and Weights/Bureau of Archives/Reading Room"
    label = next(text for text in texts(states_plot([Bar(path, 1, [(State.RELAYED, 1)])])) if "/" in text)
    assert label.startswith("Agency of Rec")
    assert label.endswith("…/Reading Room")
    assert len(label) <= charts.LABEL_LENGTH


def test_no_more_bars_are_drawn_than_a_page_holds() -> None:
    many = [Bar(f"office {place}", 10, [(State.RELAYED, 10)]) for place in range(charts.PLOT_ROWS + 9)]
    assert sum(text.startswith("office") for text in texts(states_plot(many))) == charts.PLOT_ROWS


def test_names_from_outside_stay_text() -> None:
    for drawn in (
        states_plot([Bar(HOSTILE.replace("\u202e", ""), 3, [(State.RELAYED, 3)])]),
        charts.counts_plot([("</text><script>x</script>", 3)], caption=CAPTION),
        charts.counts_plot([("x", 3)], caption=Caption("p1", "</title><script>x</script>", '"><script>')),
    ):
        assert "<script" not in drawn
        ET.fromstring(drawn)  # noqa: S314 - our own


def test_buckets_stand_at_their_time_and_height() -> None:
    rows = [ReplyBucket(NOW, "reply", 30), ReplyBucket(NOW + timedelta(hours=1), "reply", 10)]
    drawn = charts.replies_plot(rows, caption=CAPTION, kinds=KINDS[:1], count_title="Mail")
    # The legend's square comes last.
    high, low, _ = (float(height) for height in re.findall(r'h[\d.]+v([\d.]+)h-[\d.]+Z" fill="url', drawn))
    assert high == pytest.approx(3 * low, rel=0.001)


def test_where_there_is_nothing_there_is_no_plot() -> None:
    assert states_plot([]) == ""
    assert states_plot([Bar("a", 0, [])]) == ""
    assert charts.replies_plot([], caption=CAPTION, kinds=KINDS, count_title="Mail") == ""
    assert charts.counts_plot([], caption=CAPTION) == ""
    assert strip({}) == ""


def test_a_strip_adds_up_to_its_width_and_shows_one_in_a_million() -> None:
    widths = [
        float(width) for width in re.findall(r'width="([\d.]+)%"', strip({State.RELAYED: 999_999, State.FAILED: 1}))
    ]
    assert sum(widths) == pytest.approx(100, abs=0.02)
    assert min(widths) >= 0.4
