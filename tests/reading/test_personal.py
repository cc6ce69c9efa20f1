"""Personal data: found by form and checksum, not by length alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.reading.personal import find_personal
from postmuster.reading.personal_numbers import is_iban, is_luhn


def found(text: str, ours: str | None = None) -> list[tuple[str, str]]:
    return [(hit.kind, text[hit.start : hit.end]) for hit in find_personal(text, ours=ours)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "jane.o'neil+x@mail.example.org"),
        ("phone", "+1 202 555 0143"),
        ("phone", "(202) 555-0143"),
        ("phone", "202-555-0143"),
        ("phone", "+49 30 1234567"),
        ("us_ssn", "219-09-9999"),
        ("card", "4111 1111 1111 1111"),
        ("card", "5500005555555559"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "GB82WEST12345698765432"),
    ],
)
def test_each_kind_is_found_in_a_sentence(kind: str, value: str) -> None:
    assert found(f"Please use {value}, thank you.") == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "000-12-3456",
        "666-12-3456",
        "4111 1111 1111 1112",
        "DE89 3704 0044 0532 0130 01",
        "2024-03-05 10:00",
        "05/03/2024",
        "version 1.2.3.4.5.6.7.8",
        "the budget is 12 345 678",
        "user@",
        "@example.org",
        "a @ b",
        "room 1234567890123456789012",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_the_contact_in_our_own_mail_is_exempt() -> None:
    ours = "Questions: contact@example.org, +1 202 555 0143"
    assert found("> contact@example.org\nmine is jane@example.org\n> +1 202 555 0143", ours) == [
        ("email", "jane@example.org")
    ]


def test_checksums_hold_where_the_standards_say_so() -> None:
    assert is_luhn("79927398713")
    assert not is_luhn("79927398710")
    assert is_iban("FR1420041010050500013M02606")
    assert not is_iban("FR1420041010050500013M02607")


@given(st.text(st.sampled_from("0123456789-+() .@aDE/\n"), max_size=300) | st.text(max_size=300))
def test_any_text_gives_places_within_it_and_apart(text: str) -> None:
    at = 0
    for hit in find_personal(text, ours=text[:20]):
        assert at <= hit.start < hit.end <= len(text)
        at = hit.end
