"""Our own words, as a reply may hold them again."""

from __future__ import annotations

import pytest

from postmuster.mail.placeholders import BLOCK_PLACEHOLDERS
from postmuster.notices.sent import sent_text
from postmuster.notices.terms import LANGUAGES

from .samples import rehearsal_notice

VALUES = dict.fromkeys(BLOCK_PLACEHOLDERS, "Ada & <Ben>")


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_parts_and_the_subject_are_there(language: str) -> None:
    content = rehearsal_notice("offer")
    text = sent_text(content, language)
    assert text.startswith(content.subject.best(language, "en"))
    assert text.count("Resign") == 2
    assert text.count("{check_code}") == 2


def test_values_stand_where_they_stood_in_the_mail() -> None:
    text = sent_text(rehearsal_notice("offer"), "en", VALUES)
    assert text.count("Dear Ada & <Ben>,") == 2
    assert "{" not in text


def test_a_missing_value_is_no_hole() -> None:
    with pytest.raises(KeyError):
        sent_text(rehearsal_notice("offer"), "en", {"name": "Ada"})
