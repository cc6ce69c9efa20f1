"""What people write: every language can say everything, and says nothing it should not."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from postmuster.organisation.dice import Dice
from postmuster.organisation.people import name_parts
from postmuster.organisation.statements import Ask, read_ask, state
from postmuster.organisation.truth import Answer, Outcome, Truth
from postmuster.organisation.wording import marked_texts, wording

LANGUAGES = sorted(name_parts())
TEXTS = resources.files("postmuster.organisation") / "texts"


def raw(language: str) -> dict[str, dict[str, object]]:
    return tomllib.loads((TEXTS / f"{language}.toml").read_text("utf-8"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_of_the_roster_has_the_same_texts(language: str) -> None:
    english = {(section, key) for section, keys in raw("en").items() for key in keys}
    assert {(section, key) for section, keys in raw(language).items() for key in keys} == english


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_list_is_long_enough_to_vary(language: str) -> None:
    texts = wording(language)
    assert len(texts.say["items"]) >= 12
    assert all(len(forms) >= 2 for forms in texts.say.values())
    assert len(texts.months) == len(texts.months_short) == 12
    assert len(texts.weekdays) == len(texts.weekdays_short) == 7


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_statements_about_the_choice_hold_its_word(language: str) -> None:
    for meaning, forms in wording(language).say.items():
        about_choice = meaning in {"resign", "resign_unclear", "instructions"}
        assert about_choice or not any("{choice}" in form for form in forms), meaning
    assert all(
        "{choice}" in form for meaning in ("resign", "resign_unclear") for form in wording(language).say[meaning]
    )


def test_a_language_without_texts_speaks_english() -> None:
    assert wording("xx") is wording("en")
    assert wording("../en") is wording("en")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("asked", [3, 5, 9])
def test_a_report_has_the_items_its_truth_counts(language: str, asked: int) -> None:
    for throw in range(60):
        for truth in (Truth.REPORT, Truth.REPORT_SHORT):
            said, expected = state(truth, Ask("report", items=asked), wording(language), Dice(throw), "Ada")
            lines = said.text().split("\n")
            assert expected.items == len(said.items) == len(set(said.items))
            assert 3 <= expected.items <= 9
            assert (expected.items >= asked) or truth is Truth.REPORT_SHORT
            assert sum(any(item in line for item in said.items) for line in lines) == expected.items


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_may_count_as_an_election_is_the_choice_and_little_else(language: str) -> None:
    ask = Ask("election", ("Resign",))
    for throw in range(40):
        said, expected = state(Truth.RESIGN, ask, wording(language), Dice(throw), "Ada")
        assert "resign" in said.text().lower()
        assert (expected.answer, expected.choice, expected.outcome) == (Answer.ELECTION, "Resign", Outcome.COUNTED)
        said, expected = state(Truth.RESIGN_UNCLEAR, ask, wording(language), Dice(throw), "Ada")
        assert "Resign" in said.text()
        assert expected.outcome is Outcome.TO_A_PERSON
        assert Answer.ELECTION not in (expected.answer, *expected.also_answers)


def test_asks_are_read_from_simple_values_and_nothing_else() -> None:
    assert read_ask(("acknowledge",)).usual is Truth.YES
    assert read_ask(("election", ["Resign", "Stay"])).choices == ("Resign", "Stay")
    assert read_ask(("report", 5)).items == 5
    wrongs: list[tuple[object, ...]] = [
        (),
        ("election",),
        ("election", []),
        ("report", "five"),
        ("report", 0),
        ("poll", 3),
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="An ask is"):
            read_ask(wrong)


def test_marked_texts_are_of_both_tiers_and_carry_a_marking() -> None:
    marked = marked_texts()
    assert {text.tier for text in marked} == {"A", "B"}
    assert len(marked) >= 12
    assert all(text.first or text.last or text.subject or text.text.startswith("(") for text in marked)
