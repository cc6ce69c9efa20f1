"""The report page: it shows every number, runs nothing, loads nothing, and can be read by ear."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from tests.reports.sample import HOSTILE, NOW, announcement, empty, offer, organisation_report

from postmuster.reports import charts
from postmuster.reports.figures import Check, ComponentFigures, NoticeFigures, OrganisationReport, State
from postmuster.reports.page import write_page
from postmuster.reports.words import number

VERDICTS = {"holds": "every check holds", "broken": "do not hold"}


@pytest.fixture(scope="module")
def page() -> str:
    return write_page(organisation_report())


@pytest.fixture(scope="module")
def tree(page: str) -> ET.Element:
    """The page as XML: it is written so that both parsers can read it."""
    return ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))  # noqa: S314 - our own


def said(node: ET.Element) -> str:
    """The text of an element on one line; the thin space inside numbers stays."""
    return re.sub(r"[ \n]+", " ", "".join(node.itertext())).strip()


def table_of(tree: ET.Element, caption: str) -> list[list[str]]:
    found = [node for node in tree.iter("table") if said(node).startswith(caption)]
    assert found, caption
    return [[said(cell) for cell in row if cell.tag in ("th", "td")] for row in found[0].iter("tr")]


def test_equal_reports_give_equal_pages(page: str) -> None:
    assert write_page(organisation_report()) == page


def test_the_page_runs_nothing_and_loads_nothing(page: str, tree: ET.Element) -> None:
    assert "://" not in page
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    loading = {"script", "link", "iframe", "object", "embed", "img", "image", "video", "audio", "form", "base", "use"}
    assert loading.isdisjoint({node.tag for node in tree.iter()})
    names = {name for node in tree.iter() for name in node.attrib}
    assert not {name for name in names if name.startswith("on") or name in ("src", "srcset", "action", "data")}
    assert all(link.get("href", "").startswith("#") for link in tree.iter("a"))
    policy = next(node for node in tree.iter("meta") if node.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy.get("content") or "")


def test_what_comes_from_outside_stays_text_and_turns_no_words_around(page: str, tree: ET.Element) -> None:
    assert "<script" not in page
    assert "\u202e" not in page
    title = HOSTILE.replace("\u202e", "\ufffd")
    assert [said(node) for node in tree.iter("h2")].count(title) == 1
    hostile = write_page(hostile_report())
    assert "<img" not in hostile
    assert "\x1b" not in hostile
    ET.fromstring(hostile.removeprefix("<!DOCTYPE html>\n"))  # noqa: S314 - our own


def hostile_report() -> OrganisationReport:
    """Everything that can come from outside, hostile."""
    evil = "<img src=x onerror=alert(1)>\x1b[31m\x00&\"'"
    bad = replace(
        announcement(),
        id=evil,
        kind=evil,
        state=evil,
        asks=evil,
        held_by=(evil,),
        by_component=(ComponentFigures(evil, 40, announcement().states),),
        replies={evil: 2},
        answers={f"election:{evil}": 3},
        cases={evil: 1},
        letters={evil: 1},
        withheld={evil: 1},
        assessment=evil,
        drafted_by=evil,
        approved_by=(evil,),
    )
    return OrganisationReport(
        notices=(bad,),
        people_counted=1,
        organisation=evil,
        checks=(Check(evil, True, 1, 1),),
        seconds={evil: 1.0},
        unmatched={evil: 4},
    )


def test_headings_are_in_order_and_the_page_has_its_landmarks(tree: ET.Element) -> None:
    levels = [int(node.tag[1]) for node in tree.iter() if re.fullmatch(r"h[1-6]", node.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    body = tree.find("body")
    assert body is not None
    assert [node.tag for node in body if node.tag in ("header", "nav", "main")] == ["header", "nav", "main"]
    assert tree.get("lang") == "en"
    links = [node for node in body if node.tag == "a"]
    assert links[0].get("class") == "skip"


def test_ids_are_different_and_every_reference_has_its_target(page: str, tree: ET.Element) -> None:
    ids = [node.get("id") for node in tree.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    named = {name for node in tree.iter() for name in (node.get("aria-labelledby") or "").split()}
    linked = {(node.get("href") or "").removeprefix("#") for node in tree.iter("a")}
    filled = set(re.findall(r"url\(#([^)]+)\)", page))
    assert (named | linked | filled) <= set(ids)


def test_every_table_has_a_caption_and_scopes_and_can_be_scrolled_by_keyboard(tree: ET.Element) -> None:
    tables = list(tree.iter("table"))
    assert len(tables) > 15
    for table in tables:
        assert said(next(table.iter("caption")))
        assert {cell.get("scope") for cell in table.iter("th")} <= {"col", "row"}
        widths = {len(row) for row in table.iter("tr")}
        assert len(widths) == 1
    frames = [node for node in tree.iter("div") if node.get("class") == "scroll"]
    assert [frame.get("tabindex") for frame in frames] == ["0"] * len(tables)


def test_every_component_is_in_the_table_with_all_its_numbers(tree: ET.Element) -> None:
    rows = {row[0]: row[1:] for row in table_of(tree, "People of each component")}
    first = offer()
    used = [state for state in State if any(part.states[state] for part in first.by_component)]
    assert len(rows) == 24 + 2
    for part in first.by_component:
        shown = rows[part.path]
        assert shown[0] == number(part.audience)
        assert shown[3:] == [number(part.states[state]) for state in used]
    assert rows["Sum"][0] == number(first.audience)


def test_the_table_of_states_adds_up_to_the_audience(tree: ET.Element) -> None:
    *_, total = rows = table_of(tree, "Every person is in exactly one state")
    counts = [int(row[1].replace("\u202f", "")) for row in rows[1:-1]]
    assert len(counts) == len(State)
    assert sum(counts) == int(total[1].replace("\u202f", "")) == offer().audience


def test_all_numbers_of_a_notice_are_on_the_page(tree: ET.Element) -> None:
    text = said(tree)
    first = offer()
    counts = [
        first.audience,
        first.reached,
        *first.states.values(),
        *first.replies.values(),
        *first.answers.values(),
        first.answers_waiting,
        first.needs_confirmation,
        first.without_answer,
        *first.cases.values(),
        *first.letters.values(),
        *first.withheld.values(),
        *(row.count for row in first.in_doubt),
        *(row.count for row in first.failed),
        *(row.audience for row in first.by_class),
        *(row.count for row in first.replies_over_time),
    ]
    cells = {said(cell) for cell in tree.iter("td")}
    assert [count for count in counts if number(count) not in cells] == []
    for shown in ("ada", "ben, cho", "A3, version 2", "0.42 s", "3.1 s (211 messages)", "5.1.1", "Held by order 4."):
        assert shown in text


def test_answers_with_what_waits_and_what_is_silent_are_the_whole_audience(tree: ET.Element) -> None:
    *rows, total = table_of(tree, "Answers that stand")
    assert sum(int(row[1].replace("\u202f", "")) for row in rows[1:]) == offer().audience
    assert total[1] == number(offer().audience)


def test_reach_is_said_between_its_bounds(tree: ET.Element) -> None:
    first = offer()
    reached, delivered = number(first.reached), number(first.count(State.DELIVERED))
    sentence = (
        f"{reached} (97.0\u202f%) are not proven unreached. For {delivered} of these there is evidence of delivery"
    )
    assert sentence in "".join(tree.itertext())


def test_what_the_reasons_leave_open_is_shown_as_such(tree: ET.Element) -> None:
    withheld = table_of(tree, "People kept back")
    assert ["No reason recorded", "8"] in withheld
    assert withheld[-1][1] == number(offer().count(State.WITHHELD))


@pytest.mark.parametrize("broken", [False, True])
def test_a_check_that_does_not_hold_comes_first_and_in_words(broken: bool) -> None:
    checks = (Check("One is one.", True, 1, 1), *((Check("One is two.", False, 1, 2),) if broken else ()))
    page = write_page(replace(organisation_report(), checks=checks))
    assert VERDICTS["broken" if broken else "holds"] in page
    if broken:
        assert page.index("One is two.") < page.index("One is one.")
        assert "✗ does not hold" in page


def test_where_there_is_nothing_the_page_says_what_to_do_next() -> None:
    nothing = write_page(OrganisationReport(notices=(), people_counted=0))
    assert "<code>postmuster check</code>" in nothing
    assert "<code>postmuster notice draft FILE.toml</code>" in nothing
    bare = write_page(OrganisationReport(notices=(empty(), replace(empty(), asks="acknowledge")), people_counted=0))
    assert "<code>postmuster notice check n4</code>" in bare
    assert "There is nothing to do." in bare
    assert "<code>postmuster case list</code>" in bare


def test_a_plot_that_leaves_components_out_says_so_and_the_table_has_all() -> None:
    names = [f"office {place:03}" for place in range(charts.PLOT_ROWS + 5)]
    parts = tuple(ComponentFigures(name, 2, {State.RELAYED: 2}) for name in names)
    many = NoticeFigures(
        id="n9",
        kind="test",
        title="Many",
        state="settled",
        round=1,
        audience=2 * len(parts),
        states={State.RELAYED: 2 * len(parts)},
        generated_at=NOW,
        by_component=parts,
    )
    tree = ET.fromstring(  # noqa: S314 - our own
        write_page(OrganisationReport(notices=(many,), people_counted=0)).removeprefix("<!DOCTYPE html>\n")
    )
    assert f"in the {charts.PLOT_ROWS} components least reached, of {len(parts)}" in said(tree)
    assert {row[0] for row in table_of(tree, "People of each component")} >= set(names)


def test_long_tables_fold_and_short_ones_do_not(tree: ET.Element) -> None:
    folded = [said(next(node.iter("caption"))) for node in tree.iter("details")]
    assert len(folded) == 2
    assert folded[0].startswith("People of each component")
    assert all(node.get("open") is None for node in tree.iter("details"))
