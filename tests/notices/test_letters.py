"""A receipt says what was understood, who decides on it and by when, and never more than that."""

from __future__ import annotations

import dataclasses

import pytest

from postmuster.mail.placeholders import BLOCK_PLACEHOLDERS, problems_in
from postmuster.notices.letters import ANSWER_TYPES, Understood, every_receipt, proof_mark, receipt
from postmuster.notices.terms import LANGUAGES, NoticeContent

from .samples import KINDS, rehearsal_notice


def _text(content: NoticeContent, understood: Understood, language: str = "en") -> str:
    wording = receipt(content, language, understood=understood)
    assert wording.html == ""
    return wording.text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_receipt_is_complete_in_every_language(kind: str, language: str) -> None:
    content = rehearsal_notice(kind)
    for wording in every_receipt(content, language):
        assert problems_in(wording.text, BLOCK_PLACEHOLDERS) == []
        assert problems_in(wording.subject, BLOCK_PLACEHOLDERS) == []
        assert content.subject.best(language, "en") in wording.subject
        for needed in ("{name}", "{notice_id}", "{check_code}", "staff-affairs@agency.example", "+1 555 0100"):
            assert needed in wording.text


def test_an_election_is_received_but_not_in_force() -> None:
    text = _text(rehearsal_notice("offer"), Understood("election", choice="Resign"))
    assert "Your choice “Resign” was received. It is not yet in force; you will be asked to confirm it." in text
    assert "decided by the personnel office of your component within 10 days after you confirm" in text
    assert "Nothing is to be decided" not in text


def test_a_choice_that_was_not_offered_is_not_repeated() -> None:
    text = _text(rehearsal_notice("offer"), Understood("election", choice="Call +1 555 0199 now"))
    assert "0199" not in text
    assert "we could not tell for certain" in text


def test_an_unknown_type_is_receipted_as_unclear() -> None:
    assert "we could not tell for certain" in _text(rehearsal_notice("test"), Understood("praise"))


def test_a_report_is_counted_and_not_repeated() -> None:
    content = rehearsal_notice("report")
    assert "Points asked for: 5. Points understood: 3 (numbers 1–3" in _text(content, Understood("report", items=3))
    assert "Points understood: 1 (numbers 1," in _text(content, Understood("report", items=1))
    assert "complete answer without points" in _text(content, Understood("report"))


def test_a_yes_needs_nothing_more() -> None:
    text = _text(rehearsal_notice("test"), Understood("acknowledge"))
    assert "Your answer YES was received and recorded." in text
    assert "Nothing is to be decided" in text


@pytest.mark.parametrize("kind", ["question", "unclear", "not_mine"])
def test_what_goes_to_a_person_says_who_and_within_how_many_days(kind: str) -> None:
    text = _text(rehearsal_notice("test"), Understood(kind, with_person=True))
    assert "within 5 days of the date of this mail (Office of Staff Affairs)" in text
    assert text.count("A person will") == 1
    assert "shortly" not in text


def test_an_answer_that_a_person_sees_as_well_says_so() -> None:
    text = _text(rehearsal_notice("test"), Understood("acknowledge", with_person=True))
    assert "A person will read your mail within 5 days" in text
    assert "Nothing is to be decided" not in text


def test_a_late_answer_says_that_it_is_kept_and_who_decides() -> None:
    late = Understood("election", choice="Resign", late=True)
    text = _text(rehearsal_notice("offer"), late)
    assert "It arrived after the deadline, {deadline}. It is kept and marked as late." in text
    assert "by: the personnel office of your component" in text
    without = dataclasses.replace(rehearsal_notice("test"), deadline=None)
    assert "{deadline}" not in _text(without, Understood("acknowledge", late=True))


def test_declining_and_withdrawing_are_answers() -> None:
    content = rehearsal_notice("offer")
    assert "Not answering has no consequence." in _text(content, Understood("decline"))
    assert "the earlier answer no longer counts" in _text(content, Understood("withdraw"))


def test_each_receipt_that_can_be_written_is_among_those_approved() -> None:
    for kind in KINDS:
        content = rehearsal_notice(kind)
        approved = {paragraph for wording in every_receipt(content, "de") for paragraph in wording.text.split("\n\n")}
        for type_ in (*ANSWER_TYPES, "other"):
            for late in (False, True):
                for with_person in (False, True):
                    understood = Understood(type_, "Resign", content.ask.items, late, with_person)
                    assert set(receipt(content, "de", understood=understood).text.split("\n\n")) <= approved


def test_more_items_than_were_asked_for_are_counted_as_they_are() -> None:
    assert "Points understood: 9 (numbers 1–9" in _text(rehearsal_notice("report"), Understood("report", items=9))


def test_a_proof_copy_is_marked_once() -> None:
    assert proof_mark("Test") == "[PROOF] Test"
    assert proof_mark(proof_mark("Test")) == "[PROOF] Test"
