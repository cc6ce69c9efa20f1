"""Redaction: what is found is gone, what is left is unchanged, and twice is the same as once."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.reading.personal import find_personal
from postmuster.reading.redact import LABELS, WITHHELD, redact
from postmuster.reading.secrets import find_secrets

PIECES = (
    "jane@example.org", "+1 202 555 0143", "(202) 555-0143", "219-09-9999", "219", "-09-", "4111 1111 1111 1111", "41111111",
    "DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "passport no. ", "A1234567", "123456789", "MRN ", "00482913",
    "DOB: ", "born on ", "3 May 1970", "03/05/1970", "12 Main Street", "\nSpringfield, IL 62704", "Hauptstraße 12",
    ", 10115 Berlin", "12 rue de la Paix", "password: ", "password=", "hunter2!x", "AKIAIOSFODNN7EXAMPLE", "ghp_", "a1B2" * 9,
    "eyJhbGciOi.eyJzdWIi.abc", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "MIIEvQ", "\n", " ", ", ", ". ",
    "@", "[", "]", "[password]", "[telephone number]", "[text withheld]", "phone ", "tel. ", "0", "1", "7", "é", "> ", "Straße ",
    "call me at ", "://a:", "x", "Box ",
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def test_each_find_becomes_a_label_of_fixed_words() -> None:
    text = "I am jane@example.org, call (202) 555-0143; the password is Xy7#kk9q."
    redacted = redact(text)
    assert redacted.text == "I am [e-mail address], call [telephone number]; the password is [password]."
    assert [(span.kind, text[span.start : span.end]) for span in redacted.spans] == [
        ("email", "jane@example.org"),
        ("phone", "(202) 555-0143"),
        ("password", "Xy7#kk9q"),
    ]
    assert redacted.counts == {"email": 1, "phone": 1, "password": 1}


def test_text_without_finds_stays_as_it_is() -> None:
    text = "Yes.\n\nI finished 14 reviews on 5 March 2025 at 10:30 (version 2.4.1)."
    assert redact(text).text == text
    assert redact(text).spans == ()


def test_our_own_contact_stays() -> None:
    ours = "Questions: contact@example.org, +1 202 555 0143"
    text = "> contact@example.org\n> +1 202 555 0143\nmine: jane@example.org"
    assert redact(text, ours=ours).text == "> contact@example.org\n> +1 202 555 0143\nmine: [e-mail address]"


def test_what_overlaps_is_taken_out_together() -> None:
    redacted = redact("password: aB3$jane@example.org and more")
    assert redacted.text == "password: [password] and more"
    assert len(redacted.spans) == 1


@settings(max_examples=300, deadline=None)
@given(texts | st.text(max_size=200))
def test_nothing_personal_is_left_and_twice_is_once(text: str) -> None:
    redacted = redact(text)
    assert find_personal(redacted.text) == ()
    assert find_secrets(redacted.text) == ()
    assert redact(redacted.text).text == redacted.text


@settings(max_examples=200, deadline=None)
@given(texts)
def test_spans_are_apart_and_the_text_between_them_is_unchanged(text: str) -> None:
    redacted = redact(text)
    made, at = [], 0
    for span in redacted.spans:
        assert at <= span.start < span.end <= len(text)
        made += [text[at : span.start], LABELS[span.kind]]
        at = span.end
    assert "".join([*made, text[at:]]) == redacted.text


@settings(max_examples=200, deadline=None)
@given(texts)
def test_every_find_of_the_first_look_lies_within_a_span(text: str) -> None:
    spans = redact(text).spans
    for find in (*find_personal(text), *find_secrets(text)):
        assert any(span.start <= find.start and find.end <= span.end for span in spans)


def test_more_finds_than_the_limit_are_withheld_and_none_is_left() -> None:
    text = "a@b.example " * 12_000
    redacted = redact(text)
    assert "@" not in redacted.text
    assert redacted.spans[-1].kind == WITHHELD


@pytest.mark.parametrize(
    "monster",
    [
        "1 " * 60_000,
        "12 A " * 40_000,
        "@" * 100_000,
        "a@" * 60_000,
        "eyJ" * 60_000,
        "-----BEGIN PRIVATE KEY-----\n" * 5_000,
        "password:" * 15_000,
        "5 Main " * 20_000,
        "A1" * 60_000,
        "9" * 100_000,
        "passport " * 10_000 + "1" * 9,
        "_" * 100_000,
    ],
    ids=lambda monster: monster[:12],
)
def test_a_monster_is_redacted_in_linear_time(monster: str) -> None:
    begun = time.process_time()
    redact(monster)
    assert time.process_time() - begun < 2
