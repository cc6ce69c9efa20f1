"""The generated words: complete in every language, and honest about silence."""

from __future__ import annotations

import dataclasses
import re

import pytest

from postmuster.assessments.kinds import AskType, MachineSorting
from postmuster.assessments.table import Texts
from postmuster.mail.placeholders import names_in
from postmuster.notices.body import blocks_text, render
from postmuster.notices.terms import LANGUAGES, NoticeContent, Requirement, RetentionStart
from postmuster.notices.wording import DECLINE_WORDS, SENSITIVE_SENTENCE, WITHDRAW_WORDS, statement, words_in
from postmuster.reading.ask import Ask
from postmuster.reading.ask import AskType as AskedType
from postmuster.reading.reading import FileKind
from postmuster.reading.reading import read as read_reply

from .samples import KINDS, read, rehearsal_notice


def _block(content: NoticeContent, language: str = "en") -> str:
    return blocks_text(statement(content, language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_sentences_with_the_same_gaps(language: str) -> None:
    english = words_in("en")
    own = words_in(language)
    assert {name: set(section) for name, section in own.items()} == {name: set(keys) for name, keys in english.items()}
    for name, section in english.items():
        for key, text in section.items():
            assert names_in(own[name][key]) == names_in(text), (name, key)
    assert len(own["time"]["weekdays"].split(",")) == 7
    assert len(own["time"]["months"].split(",")) == 12


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_generated_word_links_or_presses(language: str) -> None:
    text = "\n".join(value for section in words_in(language).values() for value in section.values())
    assert re.search(r"https?:|www\.|!|(?i:urgent|immediately|shortly|click here|sofort|inmediatamente)", text) is None


def test_an_unknown_language_has_no_words() -> None:
    with pytest.raises(KeyError):
        words_in("../en")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_gap_but_the_persons_own_is_left_in_a_notice(kind: str, language: str) -> None:
    assert names_in(_block(rehearsal_notice(kind), language)) == {"deadline", "notice_id", "check_code"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_voluntary_notice_says_that_silence_has_no_consequence(language: str) -> None:
    for kind in KINDS:
        assert words_in(language)["answer"]["voluntary"] in _block(rehearsal_notice(kind), language)


def test_a_required_answer_names_its_authority_and_its_consequence() -> None:
    required = dataclasses.replace(
        read(),
        voluntary=False,
        requirement=Requirement(Texts((("en", "your record stays open."),)), "Order 9"),
        authority=dataclasses.replace(read().authority, may_instruct=True),
    )
    block = _block(required)
    assert "Answering is required under Order 9. If you do not answer: your record stays open." in block
    assert "voluntary" not in block
    assert "This is a request" not in block
    silent = dataclasses.replace(required, requirement=Requirement(Texts(), "Order 9"))
    assert "required under Order 9. Not answering has no consequence." in _block(silent)


def test_who_does_not_employ_everyone_requests() -> None:
    assert "This is a request, not an instruction" in _block(read())


def test_the_privacy_statement_says_each_element() -> None:
    block = _block(rehearsal_notice("offer"))
    for words in (
        "Collected: name and work address; the choice and when it arrived.",
        "Purpose: to carry out the offer for those who choose it.",
        "Shared with: the personnel office of the person's own component.",
        "Kept for 730 days after the matter is closed, then destroyed (schedule R-7, Records Officer, Order R).",
        "Fixed rules sort the answers; only people decide anything about you.",
        "“offer-election”",
    ):
        assert words in block


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_start_of_a_term_and_each_way_of_sorting_has_its_sentence(language: str) -> None:
    for start in RetentionStart:
        for sorting in MachineSorting:
            content = dataclasses.replace(
                read(), retention=dataclasses.replace(read().retention, start=start), machine_sorting=sorting
            )
            assert "90" in _block(content, language)


def test_an_announcement_asks_nothing_and_collects_nothing() -> None:
    silent = dataclasses.replace(
        read(), ask=dataclasses.replace(read().ask, type=AskType.NONE), voluntary=None, data=(), deadline=None
    )
    block = _block(silent)
    assert "This mail asks nothing of you." in block
    assert "This mail collects nothing from you." in block
    assert "voluntary" not in block
    assert "{deadline}" not in block


def test_the_election_names_each_choice_alone_and_who_decides() -> None:
    block = _block(rehearsal_notice("offer"))
    assert "\n- Resign\n" in block
    assert "the personnel office of your component decides within 10 days" in block


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_says_the_sentence_that_is_a_whole_answer(language: str) -> None:
    assert SENSITIVE_SENTENCE in _block(rehearsal_notice("report"), language)


def test_what_a_drafter_writes_cannot_become_a_placeholder_or_markup() -> None:
    hostile = dataclasses.replace(
        read(),
        contact=dataclasses.replace(read().contact, name="{check_code} <b>*x*</b>"),
        authority=dataclasses.replace(read().authority, text=Texts((("en", "{citation} {sender}"),))),
    )
    wording = render(hostile, "en")
    assert "{{check_code} <b>*x*</b>" in wording.text
    assert "{{citation} {{sender}" in wording.text
    assert "<b>" not in wording.html
    assert names_in(wording.text) == {"name", "deadline", "notice_id", "check_code"}


def test_the_block_cannot_be_written_away_by_the_body() -> None:
    block = blocks_text(statement(read(), "en"))
    for body in (
        b"```\nopen fence",
        b"<!-- open comment",
        b"> quote",
        b"[x]: https://e.example\n\nhi",
        b"| a |\n|---|\n| b",
    ):
        wording = render(read(body=body), "en")
        assert wording.text.endswith(block + "\n")
        assert wording.html.count("Is this mail genuine?") == 1
        assert wording.html.index("<footer") < wording.html.index("Is this mail genuine?")


# The words that `answer.acknowledge` asks for in each language.
YES = {"en": "YES", "es": "SÍ", "fr": "OUI", "de": "JA", "pt": "SIM", "it": "SÌ", "pl": "TAK", "zh": "是"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_a_person_is_told_to_write_are_understood(language: str) -> None:
    assert YES[language] in words_in(language)["answer"]["acknowledge"]
    for word in ("YES", YES[language]):
        assert _answer(word, Ask(AskedType.ACKNOWLEDGE)) == "acknowledge"
    election, report = Ask(AskedType.ELECTION, ("Resign",)), Ask(AskedType.REPORT, (), 5)
    for ask, word, understood in (
        (election, "Resign", "election"),
        (election, WITHDRAW_WORDS, "withdraw"),
        (election, DECLINE_WORDS, "decline"),
        (report, DECLINE_WORDS, "decline"),
        (report, SENSITIVE_SENTENCE, "report"),
    ):
        assert word in "\n".join(
            (_block(rehearsal_notice("offer"), language), _block(rehearsal_notice("report"), language))
        )
        assert _answer(word, ask) == understood


def _answer(text: str, ask: Ask) -> str:
    answer = read_reply(f"{text}\n".encode(), file_kind=FileKind.TEXT, ask=ask).answer
    return str(answer.type) if answer else ""
