"""Secrets: found by the forms their makers publish; a word after "password:" is none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.reading.secrets import entropy_bits, find_secrets, looks_secret

# Put together here, so that no scanner takes this file for a leak.
_JWT = "eyJhbGciOiJIUzI1NiJ9" + "." + "eyJzdWIiOiIxMjM0In0" + "." + "dozjgNryP4J3jVmNHl0w5N"
_KEY = "-----BEGIN {}PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSj\n-----END {}PRIVATE KEY-----"


def found(text: str) -> list[tuple[str, str]]:
    return [(hit.kind, text[hit.start : hit.end]) for hit in find_secrets(text)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("private_key", _KEY.format("", "")),
        ("private_key", _KEY.format("RSA ", "RSA ")),
        ("private_key", _KEY.format("OPENSSH ", "OPENSSH ")),
        ("private_key", _KEY.format("ENCRYPTED ", "ENCRYPTED ")),
        ("aws_key", "AKIA" + "IOSFODNN7EXAMPLE"),
        ("aws_key", "ASIA" + "QWERTYUIOPASDFGH"),
        ("github_token", "ghp_" + "aB1" * 12),
        ("github_token", "gho_" + "Zz9" * 12),
        ("github_token", "ghs_" + "q1W" * 12),
        ("github_token", "github_pat_" + "11ABCDEFG0_" + "a1B2" * 12),
        ("google_key", "AIza" + "Sy4a_-x" * 5),
        ("slack_token", "xoxb-" + "123456789012-1234567890123-AbCdEf"),
        ("slack_token", "xoxp-" + "123456789012-abc"),
        ("slack_token", "xapp-1-" + "A0123-456-abcdef"),
        ("jwt", _JWT),
    ],
)
def test_each_published_form_is_found_in_a_sentence(kind: str, value: str) -> None:
    assert found(f"Please use {value} from now on.") == [(kind, value)]
    assert found(f"key={value}\n")[0][0] in (kind, "password")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password: hunter2x", "hunter2x"),
        ("Password: Sommer2024.", "Sommer2024"),
        ("PASSWORD=Tr0ub4dor&3", "Tr0ub4dor&3"),
        ("the password is Xy7#kk9q, ok?", "Xy7#kk9q"),
        ('"password": "s3cr3t-Value"', "s3cr3t-Value"),
        ("Password (temporary): Ab12Cd34", "Ab12Cd34"),
        ("Passwort: Geheim99!", "Geheim99!"),
        ("Das Passwort lautet Geheim99", "Geheim99"),
        ("mot de passe : Azerty12!", "Azerty12!"),
        ("contraseña: Abc12345", "Abc12345"),
        ("пароль: Qwerty12", "Qwerty12"),
        ("pwd = `k9$Lm2pQ`", "k9$Lm2pQ"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLE"),
        ("api_key: 9f8e7d6c5b4a3f2e1d0c", "9f8e7d6c5b4a3f2e1d0c"),
        ("https://bob:pa55w0rd@host.example/path", "pa55w0rd"),
    ],
)
def test_what_is_assigned_to_a_word_for_a_password_is_one(text: str, value: str) -> None:
    assert found(text) == [("password", value)]


@pytest.mark.parametrize(
    "text",
    [
        "Password: required",
        "Password: required!",
        "password: ********",
        "password: <your password>",
        "password: ${PASSWORD}",
        "password: xxxxxxxx",
        "password=abc",
        "password reset: https://pages.example/a1b2c3",
        "the password is expired",
        "passwords: see the wiki",
        "My password expires on 2025-03-05",
        "token: see below now",
        "Secret: everybody knows it",
        "Keyword: abc123def",
        "the token ring of 1985",
        "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----",
        "-----BEGIN PGP SIGNATURE-----\niQEz\n-----END PGP SIGNATURE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "AKIA is a Japanese name",
        "AKIAIOSFODNN7",
        "ghp_short",
        "snake_case_name_of_a_long_function_that_nobody_reads_to_its_end",
        "xoxo-grandmother-of-everyone",
        "eyJust.look.here",
        "https://pages.example/user:name/",
        "From: jane@example.org\nSubject: Re: five bullets\nDate: Mon, 3 Mar 2025 09:14:00 +0000",
        "Nothing special at all.",
        "",
    ],
)
def test_what_only_looks_like_a_secret_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_key_without_its_end_is_taken_as_far_as_it_goes() -> None:
    text = "> -----BEGIN PRIVATE KEY-----\n> MIIEvQIBADANBgkq\n> AASCBKcwggSj==\n\nThanks for all of it\nJane"
    assert [text[hit.start : hit.end].endswith("AASCBKcwggSj==\n") for hit in find_secrets(text)] == [True]


def test_entropy_tells_a_password_from_a_word() -> None:
    assert entropy_bits("aaaa") == 0
    assert entropy_bits("abcd") == 8
    assert looks_secret("Xy7#kk9q")
    assert not looks_secret("password")
    assert not looks_secret("pass-phrase")


@given(st.text(st.sampled_from("AKIZaeyJ_-.=:ghpxob1 \npassword"), max_size=300) | st.text(max_size=300))
def test_any_text_gives_places_within_it_and_apart(text: str) -> None:
    at = 0
    for hit in find_secrets(text):
        assert at <= hit.start < hit.end <= len(text)
        at = hit.end


@pytest.mark.parametrize(
    "piece", ["eyJ", "eyJa.", "AKIA", "ghp_", "xoxb-1", "password:", "=a", "://a:", "-----BEGIN RSA PRIVATE KEY-----\n"]
)
def test_a_monster_is_read_in_linear_time(piece: str) -> None:
    begun = time.process_time()
    find_secrets(piece * (200_000 // len(piece)))
    assert time.process_time() - begun < 1
