"""Automatic mail of the simulated organisation: every program in every language writes a mail that others can read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from postmuster.organisation.automatic import (
    AutomaticMail,
    Responder,
    Setting,
    automatic_words,
    responders,
    write_automatic,
)
from postmuster.organisation.dice import Dice

LANGUAGES = sorted(automatic_words())


def written(responder: Responder, language: str, back: date = date(2024, 3, 14)) -> AutomaticMail:
    setting = Setting(
        name="Ada Coldley",
        address="ada@agency.example",
        language=language,
        at=datetime(2024, 3, 5, 12, 0, tzinfo=UTC),
        back=back,
        subject="An offer",
        message_id="<n1.r1@muster.example>",
        to="b-1-x@muster.example",
    )
    return write_automatic(responder, setting, Dice("automatic", responder.name, language))


def test_there_are_twelve_languages_that_say_the_same() -> None:
    assert len(LANGUAGES) >= 12
    for words in automatic_words().values():
        assert len(words.months) == 12
        assert len(words.weekdays) == 7
        assert len(words.days) >= 3
        assert len(words.away) >= 5
        assert all("{until}" in text for text in words.away[:-1])
        assert "{until}" not in words.away[-1]
        assert "{until}" in words.notes
        assert (len(words.receipt), len(words.read), len(words.challenge), len(words.list)) == (3, 2, 2, 2)


def test_there_are_programs_of_every_sort() -> None:
    sorts = [responder.sort for responder in responders()]
    assert sorts.count("out_of_office") >= 12
    assert set(sorts) == {"out_of_office", "receipt", "list", "challenge", "disposition"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("responder", responders(), ids=lambda responder: responder.name)
def test_an_automatic_mail_parses_and_has_nothing_left_to_fill_in(responder: Responder, language: str) -> None:
    mail = written(responder, language)
    message = message_from_bytes(mail.octets, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    assert "{" not in message["subject"] + "".join(f"{name}: {value}" for name, value in message.items())
    assert message["to"] == "b-1-x@muster.example"
    assert b"\n" not in mail.octets.replace(b"\r\n", b"")
    found = [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"]
    parts = [part for part in found if part.strip()]  # the parser sees an empty text within a notification
    assert parts
    assert not any("{" in part for part in parts)
    assert mail.until in (None, date(2024, 3, 14))
    assert mail.until is None or responder.sort == "out_of_office"


def test_the_same_throws_give_the_same_octets() -> None:
    first = responders()[0]
    assert written(first, "de") == written(first, "de")
    assert written(first, "de").octets != written(first, "fr").octets


def test_a_day_that_is_read_in_two_ways_is_said_to_be_so() -> None:
    doubtful = {written(responder, "en", date(2024, 4, 5)).is_sure for responder in responders()}
    assert doubtful == {True, False}
