"""Find personal data by form, checksum and the words before it.

What for: what a person wrote is redacted before it is shown or sorted. Kinds: e-mail addresses, telephone numbers, US
social security numbers, payment cards, bank accounts (IBAN), passports, medical record numbers, dates of birth, postal
addresses. What we sent ourselves (the contact in every notice) is exempt where it is handed in.

How: one compiled pattern goes through the text once and stops where digits begin, which every kind but one has; e-mail
addresses are looked for at each `@` (`personal_mailboxes`). What is found is then proved: by a checksum
(`personal_numbers`), by the words before it (`personal_context`) or by the rest of an address (`personal_places`). Dates,
times, versions, network addresses, invoices and tickets are none.

Promises: never raises; linear: at each digit a bounded number of characters is looked at, ahead and back.
Limits: 500 hits unless the caller says otherwise. Names are not found, nor what is written in words.

Sources: those of the modules named; E.164 (15 digits); North American Numbering Plan (no area begins with 0 or 1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import Final

from postmuster.reading import personal_places as places
from postmuster.reading.personal_context import Context, context_of, value_pattern
from postmuster.reading.personal_mailboxes import mailboxes
from postmuster.reading.personal_numbers import card_end, iban_end, is_nhs, is_ssn, narrowed

MAX_HITS: Final = 500


class PersonalKind(StrEnum):
    """What a number or an address is."""

    EMAIL = "email"
    PHONE = "phone"
    SSN = "us_ssn"
    CARD = "card"
    IBAN = "iban"
    PASSPORT = "passport"
    MEDICAL_RECORD = "medical_record"
    BIRTH_DATE = "birth_date"
    POSTAL_ADDRESS = "postal_address"


@dataclass(frozen=True, slots=True)
class Personal:
    """Personal data and its place, in characters of the text."""

    kind: PersonalKind
    start: int
    end: int


_DASH: Final = "\\-\u2010-\u2013"
_SPACE: Final = " \u00a0\u2009\u202f"
_ANY: Final = rf"[{_SPACE}./(){_DASH}]"  # what people put between the digits of a telephone number
_YEAR: Final = "(?:1[89]|20)[0-9][0-9]"
_WORDY_DATE: Final = (  # of a word only its first letter and its length; the months are asked for where somebody was born
    rf"[0-9]?(?:[a-zº.]{{1,2}})?[ -](?:(?:of|de|di) )?[JFMASONDEGLjfmasondegl][a-zäéû]{{2,9}}\.?,?[ -](?:de )?{_YEAR}"
    rf"|[0-9]?(?:[a-z]{{2}})?, {_YEAR}|[0-9]{{3}}年[0-9]{{1,2}}月[0-9]{{1,2}}日"
)
_GROUPS: Final = rf"[0-9]{{0,4}}(?:\)?[{_SPACE}./{_DASH}]{{1,3}}\(?|\)|\(0\)|[A-Za-z]{{1,4}})[0-9]|[0-9]{{4}}"
_SEPARATED: Final = rf"[{_SPACE}.{_DASH}]"
# What a digit with which a run begins may be the beginning of. Most forms are looked at ahead, so that a run within what
# turns out to be nothing gets its own turn.
_NUMBER: Final = re.compile(
    r"[0-9](?:"
    rf"(?={_GROUPS})(?:(?<!\w.)(?:"
    r"(?P<date>(?:[0-9]{3}|[0-9]?)[./-] ?[0-9]{1,2}[./-] ?[0-9]{2,4}(?!\w|[./-][0-9]))"
    rf"|(?=(?P<ssn>[0-9]{{2}}[{_SPACE}{_DASH}][0-9]{{2}}[{_SPACE}{_DASH}][0-9]{{4}}(?!\w)))"
    rf"|(?<=[2-6])(?=(?P<card>[0-9](?:[{_SPACE}.-]?[0-9]){{11,21}}(?!\w)))"
    rf"|(?<=\+[1-9])(?<![\w+]\+.)(?=(?P<plus>(?:{_ANY}{{0,3}}[0-9]){{6,14}}(?![0-9])))"
    rf"|(?<=[2-9])(?=(?P<nanp>[0-9]{{2}}(?:\)[{_SPACE}]?|{_SEPARATED})[2-9][0-9]{{2}}{_SEPARATED}[0-9]{{4}}(?![\w{_DASH}])))"
    rf"|(?<=1)(?=(?P<long>{_SEPARATED}\(?[2-9][0-9]{{2}}\)?{_SEPARATED}{{1,2}}[2-9][0-9]{{2}}{_SEPARATED}[0-9]{{4}}(?![\w{_DASH}])))"
    rf"|(?<=0)(?=(?P<pairs>[1-9](?:{_SEPARATED}[0-9]{{2}}){{4}}(?!\w|[.{_DASH}][0-9])))"
    rf"|(?<=0)(?=(?P<trunk>(?:0[1-9][0-9]{{0,2}}|[1-9][0-9]{{0,4}})\)?(?:[{_SPACE}/{_DASH}]{{1,3}}[0-9]{{1,9}}){{1,6}}(?!\w))))"
    rf"|(?<=[A-Za-z]{{2}}[0-9])(?<!\w[A-Za-z]{{2}}.)(?=(?P<iban>[0-9](?:[{_SPACE}-]?[A-Za-z0-9]){{11,30}})))"
    rf"|(?<!\w.)(?:(?P<wordy>(?:{_WORDY_DATE})(?!\w))"
    rf"|(?={places.HOUSE_NUMBER})(?:(?=(?P<rue>{places.RUE}))|(?=(?P<street>{places.STREET})))"
    rf"|{places.BEFORE_GERMAN}(?=(?P<german>{places.GERMAN}))"
    rf"|(?<=[a-zäöüß.] [0-9])(?=(?P<town>{places.NUMBER_AND_TOWN}))"
    rf"|{places.BEFORE_BOX}(?=(?P<mailbox>[0-9 ]{{0,8}}(?!\w))))"
    rf"|(?=(?P<other>(?:{_ANY}{{0,3}}[0-9]|[A-Z]){{4,24}}+(?![a-z0-9]))))"
)
# Finding runs of digits among octets takes half the time of a pattern that stops at each digit.
_DIGITS_ALONE: Final = bytes(ord("0") if chr(octet) in "0123456789" else ord(" ") for octet in range(256))

_EXTENSION: Final = re.compile(r",? ?(?:[Ee]xt(?:ension|\.)?|x|[Dd]urchwahl|DW|[Pp]oste) ?[0-9]{1,5}(?!\w)")
_MONTH: Final = re.compile(
    r"(?:jan|ene|gen|f[eé][bv]|m[aä]r|a[bpv]r|ma[igy]|ju[iln]|giu|lug|a[gou][gou]|août|se[pt]|o[ck]t|ott|out|no[vw]|d[eéi][cz])"
    r"[a-zäéû]{0,7}\.?(?= |,|-|$)",
    re.IGNORECASE,
)
_MONTH_BEFORE: Final = re.compile(r"\b[A-Za-zäéû]{3,10}\.? \Z")
_DAY_AND_YEAR: Final = re.compile(rf"0[0-9][{_SPACE}/{_DASH}][0-9]{{2}}[{_SPACE}/{_DASH}](?:19|20)[0-9]{{2}}(?![0-9])")
_LONGER: Final = re.compile(rf"[0-9]{{3}}[{_SPACE}]\Z")  # groups of a longer number
_PREFIX: Final = re.compile(r"(?:(?<![A-Za-z0-9])[A-Z]{1,4}-?)?\Z")  # letters before a number that belong to it
_NOT_BEFORE_A_PHONE: Final = frozenset("./#-_=")


def find_personal(text: str, *, ours: str | None = None, most: int = MAX_HITS) -> tuple[Personal, ...]:
    """Return personal data in order of place, apart from each other. `ours` is the text we sent. Never raises."""
    known = _squeezed_ours(ours) if ours else ""
    kept: list[Personal] = []
    for hit in sorted(islice(_hits(text), most), key=_place):
        if known and _squeeze(text[hit.start : hit.end]) in known:
            continue
        if kept and hit.start < kept[-1].end:  # two readings of one thing: together, under the first one's name
            kept[-1] = Personal(kept[-1].kind, kept[-1].start, max(kept[-1].end, hit.end))
            continue
        kept.append(hit)
    return tuple(kept)


def _place(hit: Personal) -> tuple[int, int]:
    return hit.start, -hit.end


@lru_cache(maxsize=16)
def _squeezed_ours(ours: str) -> str:
    return _squeeze(ours)


def _squeeze(text: str) -> str:
    return "".join(text.replace(">", "").split()).lower()


def _hits(text: str) -> Iterator[Personal]:
    if not text.isascii():
        text = narrowed(text)
    for start, end in mailboxes(text):
        yield Personal(PersonalKind.EMAIL, start, end)
    digits = text.encode("ascii", "replace").translate(_DIGITS_ALONE)
    at = digits.find(b"0")
    while at >= 0:
        found = _NUMBER.match(text, at)
        end = digits.find(b" ", at)
        if found:
            hit = _READERS[str(found.lastgroup)](text, found)
            end = max(end, found.end())
            if hit is not None:
                end = max(end, hit.end)
                yield hit
        at = digits.find(b"0", end) if end >= 0 else -1


def _ssn(text: str, found: re.Match[str]) -> Personal | None:
    written = text[found.start() : found.end("ssn")]
    if written[3] != written[6] or not is_ssn(written[:3] + written[4:6] + written[7:]):
        return None
    return Personal(PersonalKind.SSN, found.start(), found.end("ssn"))


def _card(text: str, found: re.Match[str]) -> Personal | None:
    start = found.start()
    written = text[start : found.end("card")]
    end = card_end(written)
    if not end or (written[:end].isdigit() and context_of(text, start) is Context.OTHER):
        return _other(text, start)
    return Personal(PersonalKind.CARD, start, start + end)


def _plus(text: str, found: re.Match[str]) -> Personal | None:
    start, end = found.start() - 1, found.end("plus")
    return _phone(text, start - (text[start - 1 : start] == "("), end)


def _national(text: str, found: re.Match[str]) -> Personal | None:
    """A telephone number by its groups alone, unless the words before it say that it is something else."""
    start, end = found.start(), found.end(str(found.lastgroup))
    if text[start - 1 : start] == "(":
        start -= 1
    written = text[start:end]
    digits = sum(map(str.isdigit, written))
    if not 9 <= digits <= 14 or text[start - 1 : start] in _NOT_BEFORE_A_PHONE or _DAY_AND_YEAR.match(written):
        return None
    if _LONGER.search(text, max(0, start - 4), start):
        return None
    context = context_of(text, start)
    if context is Context.OTHER:
        return None
    said = _other(text, start) if context and context is not Context.PHONE else None
    return said or _phone(text, start, end)


def _phone(text: str, start: int, end: int) -> Personal:
    extension = _EXTENSION.match(text, end)
    return Personal(PersonalKind.PHONE, start, extension.end() if extension else end)


def _date(text: str, found: re.Match[str]) -> Personal | None:
    if context_of(text, found.start()) is not Context.BIRTH:
        return None
    return Personal(PersonalKind.BIRTH_DATE, found.start(), found.end())


def _wordy_date(text: str, found: re.Match[str]) -> Personal | None:
    """A date with the month in letters, after the day or before it."""
    start = found.start()
    if context_of(text, start) is not Context.BIRTH:
        return None
    before = _MONTH_BEFORE.search(text, max(0, start - 14), start)
    if before and _MONTH.match(before[0]):
        start = before.start()
    elif not any(_MONTH.match(word) for word in found[0].replace("-", " ").split()) and "年" not in found[0]:
        return None
    return Personal(PersonalKind.BIRTH_DATE, start, found.end())


def _iban(text: str, found: re.Match[str]) -> Personal | None:
    start = found.start() - 2
    end = iban_end(text, start)
    return Personal(PersonalKind.IBAN, start, end) if end else _other(text, found.start())


def _street(text: str, found: re.Match[str]) -> Personal | None:
    return _address(places.english_place(text, found.start(), found.end("street")))


def _rue(text: str, found: re.Match[str]) -> Personal | None:
    return _address(places.french_place(text, found.start(), found.end("rue")))


def _german(text: str, found: re.Match[str]) -> Personal | None:
    return _address(places.german_place(text, found.start(), found.end("german")))


def _town(text: str, found: re.Match[str]) -> Personal | None:
    return _address(places.german_town_place(text, found.start(), found.end("town")))


def _mailbox(text: str, found: re.Match[str]) -> Personal | None:
    return _address(places.box_place(text, found.start(), found.end("mailbox")))


def _address(place: tuple[int, int] | None) -> Personal | None:
    return Personal(PersonalKind.POSTAL_ADDRESS, *place) if place else None


_BY_CONTEXT: Final = {
    Context.PASSPORT: PersonalKind.PASSPORT,
    Context.RECORD: PersonalKind.MEDICAL_RECORD,
    Context.HEALTH: PersonalKind.MEDICAL_RECORD,
    Context.PHONE: PersonalKind.PHONE,
    Context.SSN: PersonalKind.SSN,
}


def _said(text: str, found: re.Match[str]) -> Personal | None:
    return _other(text, found.start())


def _other(text: str, digit: int) -> Personal | None:
    """A number that is personal only because the words before it say so."""
    prefix = _PREFIX.search(text, max(0, digit - 5), digit)
    start = prefix.start() if prefix else digit
    context = context_of(text, start)
    form = value_pattern(context) if context else None
    if context is None or form is None or (start and text[start - 1].isalnum()):
        return None
    value = form.match(text, start) or form.match(text, digit)
    if value is None or text[value.end() : value.end() + 1].isalnum():
        return None
    digits = "".join(filter(str.isdigit, value[0]))
    if context is Context.HEALTH and len(digits) == 10 and not is_nhs(digits):
        return None
    if context is Context.SSN and not is_ssn(digits):
        return None
    return Personal(_BY_CONTEXT[context], value.start(), value.end())


_READERS: Final[dict[str, Callable[[str, re.Match[str]], Personal | None]]] = {
    "date": _date,
    "wordy": _wordy_date,
    "ssn": _ssn,
    "card": _card,
    "plus": _plus,
    "nanp": _national,
    "long": _national,
    "pairs": _national,
    "trunk": _national,
    "rue": _rue,
    "street": _street,
    "german": _german,
    "town": _town,
    "mailbox": _mailbox,
    "iban": _iban,
    "other": _said,
}
