"""Five hundred phrasings of an election in eleven languages (phrasings.toml): what is not plain is never accepted.

The data were written before any of them was read by the program; a third was kept aside while the lists were mended.
"""

from __future__ import annotations

import time
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.reading.answer import Answer, AnswerType, read_answer
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.newtext import cut

LEAST_ACCEPTED = 0.95  # of the plain ones
LEAST_AS_EXPECTED = 0.95  # of the others; what is missing goes to a person


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One phrasing, as the file has it."""

    language: str
    sort: str
    text: str
    expected: tuple[str, ...]
    choices: tuple[str, ...]
    author: str
    kept_aside: bool

    def read(self, text: str | None = None) -> Answer:
        return read_answer(
            cut(self.text if text is None else text, author=self.author),
            "Re: A mail",
            Ask(AskType.ELECTION, self.choices),
            sent_subject="A mail",
            author=self.author,
        )

    def as_expected(self, found: Answer) -> bool:
        said = f"accept {found.choice}" if found.type is AnswerType.ELECTION else str(found.type)
        return said in self.expected


def load() -> list[Phrasing]:
    data = tomllib.loads(Path(__file__).with_name("phrasings.toml").read_text("utf-8"))
    rows = [(language, row) for language, rows in data["phrasings"].items() for row in rows]
    return [
        Phrasing(
            language=language,
            sort=row["sort"],
            text=row["text"],
            expected=tuple(part.strip() for part in row["expected"].split("|")),
            choices=tuple(row.get("choices", ("Resign",))),
            author=row.get("author", data["authors"][language]),
            kept_aside=number % 3 == 2,
        )
        for number, (language, row) in enumerate(rows)
    ]


PHRASINGS = load()
PLAIN = [phrasing for phrasing in PHRASINGS if phrasing.sort == "plain"]
OTHERS = [phrasing for phrasing in PHRASINGS if phrasing.sort != "plain"]
DOUBTS = {
    "en": ("not", "if I am paid", "but not now", "maybe"),
    "es": ("no", "si me pagan", "pero ahora no", "quizás"),
    "fr": ("non", "si je suis payé", "mais pas maintenant", "peut-être"),
    "de": ("nicht", "wenn ich bezahlt werde", "aber nicht jetzt", "vielleicht"),
    "pt": ("não", "se me pagarem", "mas agora não", "talvez"),
    "it": ("no", "se mi pagano", "ma non adesso", "forse"),
    "pl": ("nie", "jeśli dostanę pieniądze", "ale nie teraz", "może"),
    "nl": ("niet", "als ik betaald word", "maar nu niet", "misschien"),
    "ru": ("нет", "если заплатят", "но не сейчас", "может быть"),
    "zh": ("不", "如果付款", "但不是现在", "也许"),
    "ja": ("ではない", "もし支払われるなら", "でも今ではない", "たぶん"),
}


def test_there_are_four_hundred_phrasings_of_every_sort_in_eleven_languages() -> None:
    assert len({(each.language, each.text, each.choices) for each in PHRASINGS}) == len(PHRASINGS) >= 400
    assert Counter(phrasing.language for phrasing in PHRASINGS).keys() == DOUBTS.keys()
    sorts = Counter(phrasing.sort for phrasing in PHRASINGS)
    assert min(sorts.values()) >= 3
    assert len(PLAIN) >= 150
    assert all(phrasing.expected[0].startswith("accept ") for phrasing in PLAIN)
    assert not any(word.startswith("accept") for phrasing in OTHERS for word in phrasing.expected)


@pytest.mark.parametrize("phrasing", OTHERS, ids=lambda each: f"{each.language}-{each.sort}-{each.text[:40]!r}")
def test_what_is_not_plain_is_never_accepted(phrasing: Phrasing) -> None:
    found = phrasing.read()
    assert found.type is not AnswerType.ELECTION, found
    assert found.choice is None


@pytest.mark.parametrize("kept_aside", [False, True], ids=["seen", "kept aside"])
def test_plain_ones_are_accepted(kept_aside: bool) -> None:
    tried = [phrasing for phrasing in PLAIN if phrasing.kept_aside is kept_aside]
    missed = [(each.language, each.text, each.read()) for each in tried if not each.as_expected(each.read())]
    assert len(missed) <= (1 - LEAST_ACCEPTED) * len(tried), missed
    assert not any(found.type is AnswerType.ELECTION for _, _, found in missed), "another choice than the one said"


def test_what_is_no_election_is_what_it_says_or_goes_to_a_person() -> None:
    missed = [(each.language, each.text, each.read()) for each in OTHERS if not each.as_expected(each.read())]
    assert all(found.type in (AnswerType.UNCLEAR, AnswerType.QUESTION) for _, _, found in missed), missed
    assert len(missed) <= (1 - LEAST_AS_EXPECTED) * len(OTHERS), missed


@pytest.mark.parametrize("phrasing", PLAIN[::2], ids=lambda each: f"{each.language}-{each.text[:40]!r}")
def test_a_plain_one_with_a_doubt_beside_it_is_never_accepted(phrasing: Phrasing) -> None:
    first, *rest = phrasing.text.split("\n")
    bare = first.rstrip(".!\"”'»*。」")
    for doubt in DOUBTS[phrasing.language]:
        for text in (
            "\n".join([f"{bare} {doubt}", *rest]),
            "\n".join([f"{bare}, {doubt}.", *rest]),
            f"{doubt} {phrasing.text}",
            f"{phrasing.text}\n\n{doubt}.",
            f"{doubt.capitalize()}.\n\n{phrasing.text}",
        ):
            assert phrasing.read(text).type is not AnswerType.ELECTION, text
    assert phrasing.read(f"{bare}?").type is not AnswerType.ELECTION


def others() -> list[tuple[str, str, Ask, str, str, str]]:
    data = tomllib.loads(Path(__file__).with_name("phrasings.toml").read_text("utf-8"))
    asks = {"acknowledgements": Ask(AskType.ACKNOWLEDGE), "reports": Ask(AskType.REPORT, items=5)}
    return [
        (section, language, ask, row["text"], row["expected"], data["authors"][language])
        for section, ask in asks.items()
        for language, rows in data[section].items()
        for row in rows
    ]


@pytest.mark.parametrize("case", others(), ids=lambda case: f"{case[0]}-{case[1]}-{case[3][:40]!r}")
def test_yes_and_reports_are_what_they_say(case: tuple[str, str, Ask, str, str, str]) -> None:
    _, _, ask, text, expected, author = case
    found = read_answer(cut(text, author=author), "Re: A mail", ask, sent_subject="A mail", author=author)
    said = f"report {len(found.items)}" if found.type is AnswerType.REPORT else str(found.type)
    assert said in [part.strip() for part in expected.split("|")], found


def test_a_sentence_that_a_program_broke_is_the_same_sentence() -> None:
    wrapped = "I am replying to say that I choose to\nresign under this offer.\n\nJane Doe"
    phrasing = PLAIN[0]
    assert phrasing.read(wrapped).choice == "Resign"
    assert phrasing.read("My choice:\n\nResign").choice == "Resign"
    assert phrasing.read("I do not want to\nresign.").type is AnswerType.DECLINE
    assert phrasing.read("I do not know what to\nsay.\nResign").type is AnswerType.UNCLEAR


def _with_a_word_everywhere(phrasing: Phrasing, word: str) -> list[tuple[str, str]]:
    """Return the text with a word at every place, and the line it was put into."""
    lines = phrasing.text.split("\n")
    found = []
    for number, line in enumerate(lines):
        words = line.split(" ")
        for place in range(len(words) + 1):
            changed = " ".join([*words[:place], word, *words[place:]])
            found.append(("\n".join([*lines[:number], changed, *lines[number + 1 :]]), line))
    return found


@pytest.mark.parametrize("language", DOUBTS)
def test_a_denial_at_any_place_of_a_plain_one_is_never_accepted(language: str) -> None:
    for phrasing in [each for each in PLAIN if each.language == language][::2]:
        for text, _ in _with_a_word_everywhere(phrasing, DOUBTS[language][0]):
            assert phrasing.read(text).type is not AnswerType.ELECTION, text


@pytest.mark.parametrize("language", [each for each in DOUBTS if each not in ("zh", "ja")])
def test_an_unknown_word_in_the_line_of_a_choice_is_never_accepted(language: str) -> None:
    for phrasing in [each for each in PLAIN if each.language == language][::2]:
        for text, line in _with_a_word_everywhere(phrasing, "pineapple"):
            if any(choice.casefold() in line.casefold() for choice in phrasing.choices):
                assert phrasing.read(text).type is not AnswerType.ELECTION, text


def test_a_table_has_its_rows_as_items() -> None:
    ask = Ask(AskType.REPORT, items=2)
    drawn = "| No | What |\n|----|------|\n| 1 | Wrote the plan |\n| 2 | Met the council |"
    found = read_answer(cut(drawn), "Re: A mail", ask)
    assert found.items == ("Wrote the plan", "Met the council")
    assert [drawn[start:end] for start, end in found.evidence] == list(found.items)
    rows = "1 Wrote the plan\n2 Met the council"  # as the text of an HTML table comes
    assert read_answer(cut(rows), "Re: A mail", ask).items == ("Wrote the plan", "Met the council")
    assert read_answer(cut("7 years ago\n9 people left"), "Re: A mail", ask).confidence < 1


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("|-: 12\nab.#"), max_size=120))
def test_whatever_looks_like_a_table_is_read_within_its_text(text: str) -> None:
    new = cut(text)
    found = read_answer(new, "Re: A mail", Ask(AskType.REPORT, items=2))
    assert all(0 <= start <= end <= len(text) for start, end in found.evidence)


def test_a_line_of_dashes_costs_no_more_than_its_length() -> None:
    started = time.process_time()
    read_answer(cut("|" + "-" * 200_000 + "x|\n" * 2), "Re: A mail", Ask(AskType.REPORT, items=2))
    assert time.process_time() - started < 1.0
