"""The private letter says of what kind a thing is, never what, and how to have the mail destroyed."""

from __future__ import annotations

import pytest

from postmuster.mail.placeholders import BLOCK_PLACEHOLDERS, problems_in
from postmuster.notices.content import canonical
from postmuster.notices.screened_letters import GRAVE, MARKINGS, every_screened_letter, screened_letter, what_to_tell
from postmuster.notices.terms import LANGUAGES
from postmuster.notices.wording import words_in
from postmuster.reading.reading import FileKind, read

from .samples import KINDS, rehearsal_notice


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_letter_is_complete_in_every_language(kind: str, language: str) -> None:
    content = rehearsal_notice(kind)
    for found in (MARKINGS[:1], MARKINGS[1:], GRAVE[:1], (*MARKINGS, *GRAVE)):
        wording = screened_letter(content, language, found=found)
        assert wording.html == ""
        assert problems_in(wording.text, BLOCK_PLACEHOLDERS) == []
        assert problems_in(wording.subject, BLOCK_PLACEHOLDERS) == []
        assert wording.text.count("\n- ") == len(found)
        for needed in ("{name}", "{notice_id}", "{check_code}", "staff-affairs@agency.example", "+1 555 0100"):
            assert needed in wording.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mark_is_held_and_a_number_is_covered(language: str) -> None:
    words = words_in(language)["screened"]
    content = rehearsal_notice("test")
    for kind in (*MARKINGS, *GRAVE):
        text = screened_letter(content, language, found=(kind,)).text
        assert (words["held"] in text, words["covered"] in text) == (kind in MARKINGS, kind in GRAVE)
        assert words[kind] in text
        assert words["purge"] in text


def test_every_word_that_can_be_sent_is_fixed_with_the_revision() -> None:
    content = rehearsal_notice("test")
    fixed = canonical(content).decode()
    approved = {line for wording in every_screened_letter(content, "de") for line in wording.text.splitlines()}
    for kind in (*MARKINGS, *GRAVE):
        assert words_in("de")["screened"][kind] in fixed
        assert set(screened_letter(content, "de", found=(kind,)).text.splitlines()) <= approved


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("TOP SECRET//NOFORN\n\nYES", ("classified",)),
        ("CUI\n\nYES", ("controlled",)),
        ("YES, as SECRET as it is", ()),
        ("YES, my number is 536-22-8145 and I am at eve@evil.example, +1 202 555 0143", ("us_ssn",)),
        ("YES\nDE89 3704 0044 0532 0130 00\n4111 1111 1111 1111", ("card", "iban")),
        ("YES\nPassword (temporary): Ab12Cd34", ("secret",)),
        ("YES", ()),
    ],
)
def test_only_grave_kinds_are_told(text: str, found: tuple[str, ...]) -> None:
    assert what_to_tell(read(text.encode(), file_kind=FileKind.TEXT)) == found
