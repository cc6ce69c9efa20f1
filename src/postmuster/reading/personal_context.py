"""Say what a number is by the words before it: a passport, a medical record, a date of birth, a telephone.

What for: nine digits are a passport number only where somebody says so. `reading.personal` asks with a place.

Promises: never raises; looks back at most 48 characters and over at most one line end, so a text of many numbers costs
linear time. A word counts only when no other number and no end of a sentence stands between it and the value, and never
beyond a closing square bracket: what was redacted there says nothing about what follows.

Sources: forms of passport numbers as issuing states print them (ICAO 9303 sets nine characters at most); German and
French forms as their registers publish them.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

LOOK_BACK_CHARS: Final = 48


class Context(StrEnum):
    """What the words before a number say about it."""

    PASSPORT = "passport"
    RECORD = "record"
    HEALTH = "health"
    BIRTH = "birth"
    PHONE = "phone"
    SSN = "ssn"
    ADDRESS = "address"
    OTHER = "other"  # an invoice, an order, a ticket: no personal number


_WORDS: Final[dict[Context, str]] = {
    Context.PASSPORT: "passport passports passeport reisepass reisepassnummer passnummer pass-nr pasaporte passaporto passaporte"
    " paspoort paspoortnummer paszport паспорт",
    Context.HEALTH: "nhs versichertennummer krankenversichertennummer krankenversicherungsnummer medicare",
    Context.RECORD: "mrn fallnummer patientennummer patienten-id ipp",
    Context.BIRTH: "birth birthday birthdate dob born geb geboren geburtsdatum geburtstag née naissance nacimiento nacido nacida"
    " nascimento nascido nascida nascita nato nata geboorte geboortedatum urodzenia urodzony urodzona рождения",
    Context.SSN: "ssn itin tin",
    Context.PHONE: "tel telephone telefon telefoon telefono teléfono telefone téléphone phone cellphone mobile mob móvil mobil"
    " tél tlf tfno gsm natel fon cell handy fax call whatsapp rufnummer telefonnummer mobilnummer тел телефон",
    Context.ADDRESS: "address home living residence adresse anschrift wohnhaft wohne wohnt habite domicile domiciled"
    " demeurant",
    Context.OTHER: "invoice invoices order orders ticket tickets tracking ref reference serial isbn issn imei po rechnung"
    " rechnungsnummer bestellung bestellnummer auftrag auftragsnummer facture commande factura version build gtin ean doi",
}
_PAIRS: Final[dict[Context, str]] = {
    Context.RECORD: "medical:record medical:records health:record patient:id patient:no patient:number patienten:nr chart:no"
    " chart:number hospital:no hospital:number hospital:id fall:nr dossier:médical dossier:patient"
    " historia:clínica cartella:clinica",
    Context.BIRTH: "né:le née:le nato:il nata:il",
    Context.SSN: "social:security social:sec",
    Context.PHONE: "ring:me",
    Context.ADDRESS: "live:at live:on live:in lives:at lives:in lived:at lived:in reside:at resides:at moved:to ship:to"
    " shipped:to deliver:to delivered:to",
    Context.OTHER: "part:no part:number case:no case:number case:id purchase:order",
}
_SAYS: Final = {word: context for context, words in _WORDS.items() for word in words.split()}
_SAY_TOGETHER: Final = {tuple(pair.split(":")): context for context, pairs in _PAIRS.items() for pair in pairs.split()}
_KEYS: Final = frozenset(_SAYS) | frozenset(first for first, _ in _SAY_TOGETHER)
_WORD: Final = re.compile(r"[^\W\d_]++(?:-(?:nr|id))?")
_CJK: Final = re.compile(r"(护照|旅券|パスポート)|(生年月日|出生)|(電話|电话)")
_CJK_SAYS: Final = (Context.PASSPORT, Context.BIRTH, Context.PHONE)
_ENDS: Final = re.compile(r"[!?;\]]|\.(?=\s)(?<!\bno\.)(?<!\bnr\.)(?<!\bnum\.)(?<!geb\.)(?<!tel\.)(?<!b\.)|\d{3}")
_PASSPORT: Final = re.compile(
    r"[A-Z]{0,3} ?[0-9]{6,9}|[0-9]{2} ?[A-Z]{2} ?[0-9]{5}|[0-9]{2} ?[0-9]{7}|[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}[0-9]?"
)
_RECORD: Final = re.compile(r"[A-Z]{0,4}-?[0-9](?:[ -]?[0-9]){4,11}")
_HEALTH: Final = re.compile(r"[A-Z][0-9]{9}|[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}")
_PHONE: Final = re.compile(r"[0-9](?:[ ./()\-]{0,2}[0-9]){6,14}")
_SSN: Final = re.compile(r"[0-9]{9}|[0-9]{3}[ .\-]{1,3}[0-9]{2}[ .\-]{1,3}[0-9]{4}")


def context_of(text: str, start: int) -> Context | None:
    """Return what the words before `start` say. The nearest word decides; None where none says anything."""
    before = text[max(0, start - LOOK_BACK_CHARS) : start].lower().replace("d.o.b", "dob")
    if _KEYS.isdisjoint(_WORD.findall(before)) and (before.isascii() or not _CJK.search(before)):
        return None
    return _nearest(before)


def _nearest(before: str) -> Context | None:
    context, end, last = None, 0, ""
    for found in _WORD.finditer(before):
        says = _SAY_TOGETHER.get((last, found[0])) or _SAYS.get(found[0])
        if says is not None:
            context, end = says, found.end()
        last = found[0]
    for found in _CJK.finditer(before):
        if found.end() > end:
            context, end = _CJK_SAYS[(found.lastindex or 1) - 1], found.end()
    if context is None or before.count("\n", end) > 1 or _ENDS.search(before, end):
        return None
    return context


def value_pattern(context: Context) -> re.Pattern[str] | None:
    """Return the form that a value has where the words before it say `context`."""
    return _FORMS.get(context)


_FORMS: Final = {
    Context.PASSPORT: _PASSPORT,
    Context.RECORD: _RECORD,
    Context.HEALTH: _HEALTH,
    Context.PHONE: _PHONE,
    Context.SSN: _SSN,
}
