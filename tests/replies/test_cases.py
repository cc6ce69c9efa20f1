"""The vocabulary of decisions: every reason has one, and nothing outside it, or that was not asked, is taken."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.base.errors import Refused
from postmuster.replies.case_answers import is_answering, read_moves
from postmuster.replies.case_states import VOCABULARY, Asked, Decision, Verdict, read_verdict, vocabulary
from postmuster.replies.states import CaseReason

ELECTION: Final = Asked("election", ("Resign", "Stay on"))
REPORT: Final = Asked("report")
YES: Final = Asked("acknowledge")
NOTHING: Final = Asked("none")


@pytest.mark.parametrize("reason", CaseReason)
def test_every_reason_has_a_vocabulary_that_its_refusal_names(reason: CaseReason) -> None:
    with pytest.raises(Refused) as refused:
        read_verdict(reason, ["whatever"], YES)
    assert VOCABULARY[reason]
    assert all(str(word) in refused.value.sentence for word in VOCABULARY[reason])


def test_only_what_was_asked_is_offered() -> None:
    assert vocabulary(CaseReason.UNCLEAR, REPORT) == (
        Decision.REPORT,
        Decision.DECLINE,
        Decision.WITHDRAW,
        Decision.NONE,
    )
    assert vocabulary(CaseReason.LATE, NOTHING) == (Decision.COUNTS, Decision.TOO_LATE)


def test_every_decision_is_in_some_vocabulary() -> None:
    assert {word for words in VOCABULARY.values() for word in words} == set(Decision)


@pytest.mark.parametrize(
    ("reason", "words", "asked", "verdict"),
    [
        ("unclear", "ACKNOWLEDGE", YES, Verdict(Decision.ACKNOWLEDGE, "acknowledge")),
        ("unclear", "election  stay   on", ELECTION, Verdict(Decision.ELECTION, "election", "Stay on")),
        ("unclear", "report 5", REPORT, Verdict(Decision.REPORT, "report", items=5)),
        ("unclear", "report", REPORT, Verdict(Decision.REPORT, "report")),
        ("question", "answered", NOTHING, Verdict(Decision.ANSWERED)),
        ("question", "decline", YES, Verdict(Decision.DECLINE, "decline")),
        ("not_mine", "ours", YES, Verdict(Decision.OURS)),
        ("other_author", "ours election resign", ELECTION, Verdict(Decision.OURS, "election", "Resign")),
        ("other_author", "ours none", YES, Verdict(Decision.OURS, "none")),
        ("late", "counts", ELECTION, Verdict(Decision.COUNTS)),
        ("unmatched", "spam", NOTHING, Verdict(Decision.SPAM)),
    ],
)
def test_a_decision_is_read_as_it_is_typed(reason: str, words: str, asked: Asked, verdict: Verdict) -> None:
    assert read_verdict(CaseReason(reason), words.split(" "), asked) == verdict


@pytest.mark.parametrize(
    ("reason", "words", "asked"),
    [
        ("unclear", "election", ELECTION),
        ("unclear", "election Leave", ELECTION),
        ("unclear", "election Resign", YES),
        ("unclear", "acknowledge", ELECTION),
        ("unclear", "acknowledge yes", YES),
        ("unclear", "report 0", REPORT),
        ("unclear", "report 101", REPORT),
        ("unclear", "report ٣", REPORT),
        ("unclear", "report", NOTHING),
        ("unclear", "answered", YES),
        ("other_author", "ours", YES),
        ("other_author", "acknowledge", YES),
        ("marked", "acknowledge", YES),
        ("unmatched", "none", NOTHING),
        ("late", "election Resign", ELECTION),
        ("not_mine", "not-ours really", YES),
    ],
)
def test_what_was_not_asked_or_is_not_offered_is_refused(reason: str, words: str, asked: Asked) -> None:
    with pytest.raises(Refused, match="nothing was decided"):
        read_verdict(CaseReason(reason), words.split(), asked)


@given(st.sampled_from(CaseReason), st.lists(st.text(max_size=12), max_size=4))
def test_whatever_is_typed_is_a_verdict_or_refused(reason: CaseReason, words: list[str]) -> None:
    try:
        found = read_verdict(reason, words, ELECTION)
    except Refused:
        return
    assert found.decision in VOCABULARY[reason]
    assert read_verdict(reason, found.words.split(), ELECTION) == found


def test_only_what_says_that_the_reply_answers_makes_an_answer() -> None:
    made = {
        word
        for word in Decision
        if is_answering(Verdict(word, str(word) if word in VOCABULARY[CaseReason.UNCLEAR] else ""))
    }
    assert made == {
        Decision.ACKNOWLEDGE, Decision.ELECTION, Decision.REPORT, Decision.DECLINE, Decision.WITHDRAW, Decision.COUNTS,
    }  # fmt: skip
    assert is_answering(Verdict(Decision.OURS, "acknowledge"))
    assert not is_answering(Verdict(Decision.OURS, "none"))


def test_moves_are_read_as_the_database_gives_them() -> None:
    assert read_moves([[1, "counted", "superseded"]]) == read_moves('[[1, "counted", "superseded"]]')
    assert read_moves(None) == ()
