"""Find personal data by form: addresses, telephone numbers, and numbers whose checksum holds.

What for: what a person wrote is redacted before it is shown or sorted. First form: e-mail addresses, telephone
numbers, US social security numbers, payment cards, bank accounts. What we sent ourselves (the contact in every
notice) is exempt where it is handed in.

Promises: never raises; linear: an address is looked for around each @, numbers by one pattern that never looks back.
Limits: 500 hits.

Sources: ISO/IEC 7812-1 Annex B (Luhn), ISO 13616 and ISO 7064 (IBAN, mod 97-10), SSA numbering rules of 2011 (areas
never given), E.164 (15 digits), RFC 5321 (lengths of an address).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import Final

MAX_HITS: Final = 500
_LOCAL: Final = re.compile(r"[A-Za-z0-9._%+'-]{1,64}$")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_NUMBER: Final = re.compile(r"[0-9][0-9().\u00a0 /-]{5,34}+")
_SSN: Final = re.compile(r"(?!000|666|9)\d{3}([- ])(?!00)\d\d\1(?!0000)\d{4}$")
_SSN_FORM: Final = re.compile(r"\d{3}([- ])\d\d\1\d{4}$")
_DATE: Final = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d\d)(?!\d)")
_PHONE: Final = re.compile(r"\+\d|\(\d{2,5}\)|\d{3}[-. ]\d{3}[-. ]\d{4}$|\d{3}-\d{4}$|0\d{1,4}[ /-]\d")
_IBAN: Final = re.compile(r"[A-Z]{2}\d\d(?: ?[A-Z0-9]{1,4}){3,8}")
_IBAN_DIGITS: Final = re.compile(r"[0-9]{2}[A-Z0-9 ]{9}")
_IBAN_LENGTH: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "BA": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22,
    "DK": 18, "EE": 20, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GE": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IS": 26, "IT": 27, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "TR": 26, "UA": 29,
}  # fmt: skip


class PersonalKind(StrEnum):
    """What a number or an address is."""

    EMAIL = "email"
    PHONE = "phone"
    SSN = "us_ssn"
    CARD = "card"
    IBAN = "iban"


@dataclass(frozen=True, slots=True)
class Personal:
    """Personal data and its place, in characters of the text."""

    kind: PersonalKind
    start: int
    end: int


def find_personal(text: str, *, ours: str | None = None) -> tuple[Personal, ...]:
    """Return personal data in order of place, apart from each other. `ours` is the text we sent. Never raises."""
    found = [*islice(_addresses(text), MAX_HITS), *islice(_accounts(text), MAX_HITS), *islice(_numbers(text), MAX_HITS)]
    if not found:
        return ()
    known = _squeezed_ours(ours) if ours else ""
    kept: list[Personal] = []
    for hit in sorted(found, key=lambda each: (each.start, -each.end)):
        if kept and hit.start < kept[-1].end:
            continue
        if known and _squeeze(text[hit.start : hit.end]) in known:
            continue
        kept.append(hit)
    return tuple(kept[:MAX_HITS])


@lru_cache(maxsize=16)
def _squeezed_ours(ours: str) -> str:
    return _squeeze(ours)


def _squeeze(text: str) -> str:
    return "".join(text.split()).lower()


def _addresses(text: str) -> Iterator[Personal]:
    at = text.find("@")
    while at >= 0:
        local = _LOCAL.search(text, max(0, at - 64), at)
        domain = _DOMAIN.match(text, at + 1)
        if local and domain:
            yield Personal(PersonalKind.EMAIL, local.start(), domain.end())
        at = text.find("@", at + 1)


def _accounts(text: str) -> Iterator[Personal]:
    for digits in _IBAN_DIGITS.finditer(text):  # the check digits; the country stands before them
        start = digits.start() - 2
        length = _IBAN_LENGTH.get(text[max(0, start) : digits.start()])
        found = _IBAN.match(text, start) if length else None
        if found is None or length is None or text[max(0, start - 1) : start].isalnum():
            continue
        characters, place = "", start
        while place < found.end() and len(characters) < length:
            characters += text[place].strip()
            place += 1
        if len(characters) == length and is_iban(characters):
            yield Personal(PersonalKind.IBAN, start, place)


def _numbers(text: str) -> Iterator[Personal]:
    for found in _NUMBER.finditer(text):
        start = found.start()
        while start and found.start() - start < 2 and text[start - 1] in "+(":
            start -= 1
        if start and text[start - 1].isalnum():
            continue
        written = text[start : found.end()].rstrip("(. /\u00a0-")
        kind = _kind_of(written)
        if kind is not None:
            yield Personal(kind, start, start + len(written))


def _kind_of(written: str) -> PersonalKind | None:
    if _SSN_FORM.match(written):
        return PersonalKind.SSN if _SSN.match(written) else None
    digits = re.sub(r"\D", "", written)
    if 13 <= len(digits) <= 19 and digits[0] in "23456" and written[0] != "+" and is_luhn(digits):
        return PersonalKind.CARD
    if 7 <= len(digits) <= 15 and _PHONE.match(written) and not _DATE.match(written):
        return PersonalKind.PHONE
    return None


def is_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others. Source: ISO/IEC 7812-1 Annex B."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_iban(characters: str) -> bool:
    """Whether the check digits of an account number without spaces hold. Source: ISO 13616, ISO 7064 mod 97-10."""
    turned = characters[4:] + characters[:4]
    if not (turned.isascii() and turned.isalnum()):
        return False
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1
