"""The terminal's views: 80 columns, nothing by colour alone, nothing from outside in command; and the CSV."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType
from tests.reports.sample import HOSTILE, announcement, conditions, empty, offer, organisation_report, people, rows

from postmuster.reports.figures import DeliveryRow, State, TimeToStop
from postmuster.reports.terminal import (
    VIEW_ROWS,
    bar,
    conditions_view,
    csv_lines,
    deliveries_csv,
    deliveries_view,
    delivery_json,
    person_json,
    person_view,
    status_view,
)
from postmuster.reports.terminal_demo import demo_view
from postmuster.reports.words import number

VIEWS: list[Callable[[], RenderableType]] = [
    lambda: status_view(offer()),
    lambda: status_view(announcement()),
    lambda: status_view(empty()),
    lambda: person_view(people()[0]),
    lambda: person_view(people()[1]),
    lambda: deliveries_view(rows(30)),
    lambda: conditions_view(conditions()),
    lambda: demo_view(organisation_report(), written=["demo-out/report.html"]),
]
EACH_VIEW = pytest.mark.parametrize("view", VIEWS)


def printed(view: RenderableType, *, colour: bool = False, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None).print(view)
    return out.getvalue()


@EACH_VIEW
def test_a_view_fits_80_columns(view: Callable[[], RenderableType]) -> None:
    assert max(cell_len(line) for line in printed(view()).splitlines()) <= 80


@EACH_VIEW
def test_a_pipe_gets_the_same_words_without_escapes(view: Callable[[], RenderableType]) -> None:
    plain = printed(view())
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[\d;]*m", "", printed(view(), colour=True)) == plain


def test_a_status_names_every_state_with_its_number_and_they_add_up() -> None:
    text = printed(status_view(offer()))
    counts = {}
    for label in ("Delivered", "Relayed", "Deferred", "In doubt", "Failed", "Withheld", "Pending", "Audience"):
        found = re.search(rf"^{label} +([\d\u202f]+)", text, re.MULTILINE)
        assert found, label
        counts[label] = int(found[1].replace("\u202f", ""))
    audience = counts.pop("Audience")
    assert sum(counts.values()) == audience == offer().audience
    assert f"between {number(offer().count(State.DELIVERED))} (with evidence) and {number(offer().reached)}" in text


def test_a_status_says_what_holds_it_and_what_came_back() -> None:
    text = printed(status_view(announcement()))
    assert "Held by order 4." in text
    full = re.sub(r"[ \n]+", " ", printed(status_view(offer())))
    for part in (
        "Automatic answer 342",
        "Elected: Resign 1\u202f204",
        "awaiting confirmation",
        "3\u202f120 messages a second",
    ):
        assert part in full


def test_the_demo_shows_audience_and_states_in_one_row_for_each_notice() -> None:
    text = printed(demo_view(organisation_report()))
    first = next(line for line in text.splitlines() if line.startswith("n2 Offer"))
    audience, *states = [int(part.replace("\u202f", "")) for part in re.findall(r"[\d\u202f]+(?= |$)", first)[1:]]
    assert audience == sum(states) == offer().audience
    assert "✓ Each letter the book has, the relay saw." in text
    assert "Yes: every check holds (3 of 3)." in text
    assert re.search(r"Out of office +402 +400 +1 +1", text)


def test_the_demo_shows_pending_only_where_somebody_is() -> None:
    waiting = replace(empty(), audience=9, states={State.PENDING: 9})
    report = organisation_report()
    assert "Pending" not in printed(demo_view(report))
    text = printed(demo_view(replace(report, notices=(*report.notices, waiting))))
    assert "Pending" in text
    assert max(cell_len(line) for line in text.splitlines()) <= 80


def test_a_check_that_breaks_is_marked_by_sign_and_word() -> None:
    report = organisation_report()
    broken = replace(report, checks=(replace(report.checks[0], holds=False, right=1.0),))
    text = printed(demo_view(broken))
    assert "✗ Everyone in the audience" in text
    assert "≠ 1" in text
    assert "No: 1 of 1 checks do not hold" in text


def test_what_is_to_be_done_stands_under_what_does_not_hold() -> None:
    first, second, *_ = printed(conditions_view(conditions())).splitlines()
    assert first.startswith("✗ There is no relay")
    assert second.strip() == "Next: start it, or set relay.port."


@pytest.mark.parametrize("text", [HOSTILE, "\x1b]0;owned\x07", "[bold red]x[/]", "a\r\nb"])
def test_what_comes_from_outside_is_neither_escape_nor_markup(text: str) -> None:
    row = DeliveryRow(seq=1, person_id=text, component=text, state=State.FAILED, since=None, reason=text)
    views = (status_view(replace(offer(), title=text)), deliveries_view([row]))
    for shown in map(printed, views):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
        if text.startswith("["):
            assert "[bold" in shown


def test_more_deliveries_than_a_screen_holds_are_said_not_shown() -> None:
    asked = iter(rows(VIEW_ROWS + 50))
    text = printed(deliveries_view(asked))
    assert text.count("p-00") == VIEW_ROWS
    assert f"first {VIEW_ROWS}" in text
    assert "first" not in printed(deliveries_view(rows(VIEW_ROWS)))
    assert "nothing to do" in printed(deliveries_view([]))


def test_nothing_is_said_of_disclosures_that_nobody_counts() -> None:
    counted = people()[1]
    assert "Nobody has looked" in printed(person_view(counted))
    assert "looked" not in printed(person_view(replace(counted, disclosures=None)))
    assert person_json(replace(counted, disclosures=None))["disclosures"] is None


def test_a_persons_json_has_every_delivery() -> None:
    body = person_json(people()[0])
    assert [(row["notice"], row["state"], row["answer"]) for row in body["deliveries"]] == [
        ("n2", "delivered", "election:Resign"),
        ("n3", "pending", None),
    ]


def test_the_csv_says_of_each_row_what_the_json_says() -> None:
    listed = rows(5)
    read = list(csv.DictReader(io.StringIO(deliveries_csv(listed), newline="")))
    assert read == [{key: str(value) for key, value in delivery_json(row).items()} for row in listed]
    assert "".join(csv_lines(listed)) == deliveries_csv(listed)
    assert deliveries_csv([]).strip().split(",")[0] == "person_id"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_made_text(text: str) -> None:
    row = DeliveryRow(seq=1, person_id=text, component='a,"b"\nc', state=State.FAILED, since=None)
    (_, cells) = csv.reader(io.StringIO(deliveries_csv([row]), newline=""))
    assert cells[0].startswith("'")
    assert cells[1] == 'a,"b" c'


def test_a_status_pays_for_no_plotting_library() -> None:
    looked = "import sys, postmuster.reports.terminal_demo; print('altair' in sys.modules, 'vl_convert' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_bar_shows_anyone_at_all() -> None:
    assert bar(1, 3_000_000) == "▏"
    assert bar(0, 5) == ""
    assert bar(5, 5, 4) == "████"
    assert bar(0, 0) == ""


def test_a_status_says_how_long_the_stop_took_and_what_cannot_be_seen() -> None:
    seen = printed(status_view(offer()))
    assert "the relay took the last message 0.42 s after it" in seen
    assert "the last of 211 that left the relay left 3.1 s after it" in seen
    unseen = printed(status_view(replace(offer(), time_to_stop=TimeToStop(0.0, None, None))))
    assert "what left this relay after it is not visible" in unseen
