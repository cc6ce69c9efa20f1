"""Find secrets that people paste: private keys, keys of cloud services, tokens, passwords.

What for: a password in a reply is redacted before anybody sees it, and its writer is told. Kinds: private key blocks, keys of
AWS and Google, tokens of GitHub and Slack, JSON web tokens, passwords (what is assigned to a word for one, or stands before
the `@` of a web address).

Promises: never raises; linear: each form begins with a character that is rare in clean text, and what follows is looked at
once. A value is a password only when it looks like one: other classes of characters than a word has, and enough entropy.
Limits: 500 finds unless the caller says otherwise; a key block of 20,000 characters.

Sources: RFC 7468 (textual encodings of keys), RFC 7519 (JWT), the token forms that AWS, GitHub, Google and Slack publish
for scanners; Shannon 1948 (entropy).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from math import log2
from typing import Final

MAX_FINDS: Final = 500
MAX_KEY_CHARS: Final = 20_000  # an RSA key of 16,384 bits has 12,800 in base64
MIN_PASSWORD_BITS: Final = 15.0  # six different characters have 15.5
MIN_TOKEN_BITS: Final = 40.0


class SecretKind(StrEnum):
    """What opens something."""

    PRIVATE_KEY = "private_key"
    AWS_KEY = "aws_key"
    GITHUB_TOKEN = "github_token"  # noqa: S105
    GOOGLE_KEY = "google_key"
    SLACK_TOKEN = "slack_token"  # noqa: S105
    JWT = "jwt"
    PASSWORD = "password"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret and its place, in characters of the text."""

    kind: SecretKind
    start: int
    end: int


_KEY_BEGIN: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,60}(?:-----)?")
_KEY_LINES: Final = re.compile(
    r"(?:\r?\n[>| \t]*+(?:[A-Za-z0-9+/=]++|[A-Z][\w-]{2,20}: [^\n]{0,200})?(?=\r?\n|$)){0,300}"
)
_CLOUD: Final = re.compile(
    r"A(?<![A-Za-z0-9]A)(?:(?P<aws_key>(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}(?![A-Za-z0-9]))"
    r"|(?P<google_key>Iza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])))"
)
_GITHUB: Final = re.compile(
    r"_(?:(?<=\bgh[pousr]_)(?P<github_token>[A-Za-z0-9]{36,255}+)|(?<=\bgithub_pat_)(?P<long>[A-Za-z0-9_]{22,255}+))"
)
_SLACK: Final = re.compile(
    r"x(?<![A-Za-z0-9]x)(?:ox[abeoprs]-(?:[0-9]-)?|app-[0-9]-)(?P<slack_token>[A-Za-z0-9][0-9A-Za-z-]{9,250}+)"
)
_HOOK: Final = "hooks.slack.com/services/"
_HOOK_PATH: Final = re.compile(r"T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/[A-Za-z0-9]{16,32}")
_JWT: Final = re.compile(
    r"J(?<=eyJ)(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{8,4000}+\.eyJ[A-Za-z0-9_-]{4,8000}+\.[A-Za-z0-9_-]{0,1400}+"
)
_VALUE: Final = r"[ \t*\"'`]{0,4}(?P<value>[^\s\"'`]{6,200})"
_COLON: Final = re.compile(r":(?<=[dtnyeaoDTNYEAO\"'`*) ñьł码ド]:)" + _VALUE)
_EQUALS: Final = re.compile(r"=(?<=[dtnyeaoDTNYEAO\"'`*) ñьł]=)" + _VALUE)
_IS: Final = re.compile(r"(?:[Pp]ass(?:word|wort)|[Mm]ot de passe) (?:is|ist|lautet|est)(?: now| jetzt)?" + _VALUE)
_URL_USER: Final = re.compile(r"://[^\s/:@]{1,64}:(?P<value>[^\s/@]{3,128})@")
_PASSWORD_WORDS: Final = (
    "password", "passwort", "passcode", "passphrase", "passwd", "pwd", "kennwort", "mot de passe", "contraseña", "senha",
    "wachtwoord", "lösenord", "hasło", "пароль", "密码", "パスワード",
)  # fmt: skip
_TOKEN_WORDS: Final = (
    "secret",
    "token",
    "api_key",
    "api key",
    "apikey",
    "api-key",
    "access_key",
    "access key",
    "private_key",
)
_PLACEHOLDER: Final = re.compile(r"[<\[{%$(]|(.)\1*$|x{3}|\*{3}|\.{3}|your|https?:", re.IGNORECASE)
_WINDOW: Final = 32  # characters before a colon in which the word for a password is looked for
_TRAIL: Final = ".,;:)>]}"


def find_secrets(text: str, *, most: int = MAX_FINDS) -> tuple[Secret, ...]:
    """Return secrets in order of place, apart from each other. Never raises."""
    found = list(islice(_all(text), most))
    if not found:
        return ()
    kept: list[Secret] = []
    for each in sorted(found, key=lambda secret: (secret.start, -secret.end)):
        if kept and each.start < kept[-1].end:
            kept[-1] = Secret(kept[-1].kind, kept[-1].start, max(kept[-1].end, each.end))
        else:
            kept.append(each)
    return tuple(kept)


def _all(text: str) -> Iterator[Secret]:
    yield from _private_keys(text)
    for found in _CLOUD.finditer(text):
        yield Secret(SecretKind(str(found.lastgroup)), *found.span())
    for found in _GITHUB.finditer(text) if "_" in text else ():
        start = found.start() - (10 if found["long"] else 3)
        yield Secret(SecretKind.GITHUB_TOKEN, start, found.end())
    for found in _SLACK.finditer(text):
        if any(map(str.isdigit, found["slack_token"])):
            yield Secret(SecretKind.SLACK_TOKEN, *found.span())
    yield from _hooks(text)
    for found in _JWT.finditer(text):
        yield Secret(SecretKind.JWT, found.start() - 2, found.end())
    yield from _passwords(text)


def _private_keys(text: str) -> Iterator[Secret]:
    at = text.find("-----BEGIN ")
    while at >= 0:
        begin = _KEY_BEGIN.match(text, at)
        end = at + 11
        if begin:
            close = text.find("-----END ", begin.end(), begin.end() + MAX_KEY_CHARS)
            ending = _KEY_END.match(text, close) if close >= 0 else _KEY_LINES.match(text, begin.end())
            end = ending.end() if ending else begin.end()
            yield Secret(SecretKind.PRIVATE_KEY, at, end)
        at = text.find("-----BEGIN ", end)


def _hooks(text: str) -> Iterator[Secret]:
    at = text.find(_HOOK)
    while at >= 0:
        path = _HOOK_PATH.match(text, at + len(_HOOK))
        if path:
            yield Secret(SecretKind.SLACK_TOKEN, path.start(), path.end())
        at = text.find(_HOOK, at + len(_HOOK))


def _passwords(text: str) -> Iterator[Secret]:
    for pattern in (_COLON, _EQUALS) if "=" in text else (_COLON,):
        for found in pattern.finditer(text):
            at = found.start()
            before = text[max(0, at - _WINDOW) : at].rpartition("\n")[2].lower()
            if any(word in before for word in _PASSWORD_WORDS):
                least = MIN_PASSWORD_BITS
            elif any(word in before for word in _TOKEN_WORDS):
                least = MIN_TOKEN_BITS
            else:
                continue
            yield from _value(found, least)
    if "assw" in text or "de passe" in text:
        for found in _IS.finditer(text):
            yield from _value(found, MIN_PASSWORD_BITS)
    for found in _URL_USER.finditer(text):
        yield Secret(SecretKind.PASSWORD, *found.span("value"))


def _value(found: re.Match[str], least_bits: float) -> Iterator[Secret]:
    value = found["value"].rstrip(_TRAIL)
    if looks_secret(value, least_bits):
        yield Secret(SecretKind.PASSWORD, found.start("value"), found.start("value") + len(value))


def looks_secret(value: str, least_bits: float = MIN_PASSWORD_BITS) -> bool:
    """Whether a value looks made to be guessed by nobody: more than one class of characters, and that much entropy."""
    value = value.rstrip("!?")  # as likely to end the sentence
    if len(value) < 6 or _PLACEHOLDER.match(value):
        return False
    classes = (
        any(map(str.islower, value)),
        any(map(str.isupper, value[1:])),
        any(map(str.isdigit, value)),
        not value.replace("-", "").replace("/", "").replace("'", "").isalnum(),
    )
    return sum(classes) >= 2 and entropy_bits(value) >= least_bits


def entropy_bits(value: str) -> float:
    """The entropy of the characters of a value, all together, in bits."""
    size = len(value)
    return sum(count * log2(size / count) for count in Counter(value).values())
