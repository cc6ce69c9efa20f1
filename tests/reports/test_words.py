"""The words: each is used, each that is used is there, in every language, and nothing outside slips through as control."""

from __future__ import annotations

import io
import string
from dataclasses import dataclass, field, replace
from importlib import resources

import pytest
from rich.console import Console
from tests.reports.sample import announcement, conditions, empty, offer, organisation_report, people, rows

from postmuster.assessments.kinds import AskType, NoticeKind
from postmuster.base.errors import Defect
from postmuster.notices.states import RoundState
from postmuster.outbound.letters import LetterKind
from postmuster.replies.states import CaseReason
from postmuster.reports import page
from postmuster.reports.figures import Check, ClassFigures, ComponentFigures, OrganisationReport, State, TimeToStop
from postmuster.reports.terminal import conditions_view, deliveries_view, person_view, status_view
from postmuster.reports.terminal_demo import demo_view
from postmuster.reports.words import Words, number, share, shown, words
from postmuster.roster.states import EmploymentClass, Status

LANGUAGES = sorted(
    entry.name.split(".")[1]
    for entry in resources.files("postmuster.reports").iterdir()
    if entry.name.startswith("words.") and entry.name.endswith(".toml")
)


@dataclass(frozen=True, slots=True)
class Listener(Words):
    """Notes each text that was asked for."""

    heard: set[str] = field(default_factory=set)

    def text(self, key: str, **values: object) -> str:
        self.heard.add(key)
        return Words.text(self, key, **values)


def every_report() -> list[OrganisationReport]:
    """Reports that between them show every sentence."""
    full = organisation_report()
    many = tuple(ComponentFigures(f"office {place:02}", 1, {State.RELAYED: 1}) for place in range(45))
    crowd = replace(
        announcement(),
        audience=45,
        states={State.RELAYED: 45},
        by_component=many,
        by_class=tuple(ClassFigures(f"class {place:02}", 1, {State.RELAYED: 1}) for place in range(45)),
    )
    unseen = replace(offer(), in_doubt=(), failed=(), time_to_stop=TimeToStop(0.4, None, None))
    return [
        full,
        replace(full, organisation="", checks=(Check("x", False, 1, 2),), notices=(crowd, unseen)),
        OrganisationReport(notices=(), people_counted=0),
        OrganisationReport(notices=(replace(empty(), asks="report"), empty(), announcement()), people_counted=0),
    ]


def test_every_text_is_used_and_every_text_that_is_used_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener("en", words("en").tables)
    monkeypatch.setattr(page, "words_of", lambda language: listener)
    console = Console(width=80, file=io.StringIO())
    for report in every_report():
        page.write_page(report)
        console.print(demo_view(report, written=["report.html"], words=listener))
        for notice in report.notices:
            console.print(status_view(notice, words=listener))
    for person in people():
        console.print(person_view(person, words=listener))
    for listed in (rows(3), rows(300), []):
        console.print(deliveries_view(listed, words=listener))
    for examined in (conditions(), conditions()[:1], ()):
        console.print(conditions_view(examined, words=listener))
    assert listener.heard == set(listener.tables["text"])


def test_a_text_nobody_wrote_is_a_defect() -> None:
    with pytest.raises(Defect, match="no_such_text"):
        words().text("no_such_text")


def keys(tables: object, path: str = "") -> dict[str, set[str]]:
    """The keys of a language with the placeholders of each text."""
    if isinstance(tables, dict):
        return {key: fields for name, value in tables.items() for key, fields in keys(value, f"{path}/{name}").items()}
    return {path: {name for _, name, _, _ in string.Formatter().parse(str(tables)) if name}}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys_and_placeholders(language: str) -> None:
    assert keys(words(language).tables) == keys(words("en").tables)


def test_every_state_kind_class_and_reason_of_the_house_has_a_word() -> None:
    tables = words().tables
    assert set(tables["states"]) == {state.value for state in State}
    assert set(tables["kinds"]) == set(NoticeKind)
    assert set(tables["asks"]) == set(AskType)
    assert set(tables["classes"]) == set(EmploymentClass)
    assert set(tables["person_states"]) == set(Status)
    assert set(tables["cases"]) >= set(CaseReason)
    assert set(tables["letters"]) >= set(LetterKind)
    assert set(tables["notice_states"]) >= set(RoundState)


def test_a_kind_without_a_word_is_shown_by_its_own_name() -> None:
    assert words().named("reasons", "a_new_reason") == "A new reason"
    assert words().named("a_new_table", "x\x1b[2J") == "X\ufffd[2j"
    assert words().answer("election:Stay\x00") == "Elected: Stay\ufffd"


@pytest.mark.parametrize("hidden", ["\x00", "\x1b", "\x9b", "\u202e", "\u2066", "\x7f", "\ud800"])
def test_what_could_take_over_a_terminal_or_turn_a_line_is_replaced(hidden: str) -> None:
    assert shown(f"a{hidden}b") == "a\ufffdb"


def test_a_share_is_all_only_for_all_and_nothing_only_for_nothing() -> None:
    assert share(0, 0) == "–"
    assert share(0, 5) == "0\u202f%"
    assert share(5, 5) == "100\u202f%"
    assert share(1, 3_000_000) == "0.1\u202f%"
    assert share(2_999_999, 3_000_000) == "99.9\u202f%"


def test_numbers_have_spaces_between_thousands() -> None:
    assert number(2_300_000) == "2\u202f300\u202f000"
    assert number(9.71) == "9.7"
    assert number(12.0) == "12"
