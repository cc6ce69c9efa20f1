"""Automatic mail: what mail programs, servers, desks and lists send without anybody typing it, in twelve languages.

What for: an out-of-office says something about a person and answers nothing; receipts, lists and challenges say nothing
at all. A reader has to tell them from what people write, by the fields each program sets and the words of each
language.

Promises: pure; the same responder, setting and throws give the same octets. Every mail parses with the standard library.
CRLF line ends.
Limits: modelled on what the programs are known to write, not byte for byte; the programs are data
(`data/responders.toml`), so are the words (`texts/automatic.toml`).
Sources: RFC 3834 (fields, null reverse-path), RFC 5230 §5 (vacation), RFC 8098 (read receipts), RFC 2919 and 2369 (lists).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import date, datetime
from email.utils import format_datetime
from functools import lru_cache
from html import escape
from importlib import resources
from typing import Any

from postmuster.organisation.dice import Dice
from postmuster.organisation.encoding import LOCAL_CHARSETS, encode_text, encoded_words, mailbox
from postmuster.organisation.programs import message_id

NAMES_NO_DAY = 0.15  # of the absences: people who forget to say until when


@dataclass(frozen=True, slots=True)
class Responder:
    """A program that sends by itself; the words are those of `data/responders.toml`."""

    name: str
    sort: str
    subject: str
    form: str
    transfer: str
    path: str
    message_id: str
    fields: tuple[str, ...]
    charset: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Words:
    """What one language says in automatic mail; the keys are those of `texts/automatic.toml`."""

    months: tuple[str, ...]
    weekdays: tuple[str, ...]
    days: tuple[str, ...]
    prefix: str
    notes: str
    subjects: tuple[str, ...]
    away: tuple[str, ...]
    receipt: tuple[str, ...]
    read: tuple[str, ...]
    challenge: tuple[str, ...]
    list: tuple[str, ...]

    def day(self, form: str, day: date) -> str:
        """Write a day in one of the forms of this language."""
        return form.format(
            d=day.day, d2=f"{day.day:02d}", m=day.month, m2=f"{day.month:02d}", month=self.months[day.month - 1],
            y=day.year, yy=f"{day.year % 100:02d}", weekday=self.weekdays[day.weekday()],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """Who answers for whom, to what, and when. `back` is the day an absence ends; `message_id` has its brackets."""

    name: str
    address: str
    language: str
    at: datetime
    back: date
    subject: str
    message_id: str
    to: str


@dataclass(frozen=True, slots=True)
class AutomaticMail:
    """A mail with its envelope, the sort it is, and the day it names (None: none, or none that one can be sure of)."""

    octets: bytes
    reverse_path: str | None
    sort: str
    until: date | None = None
    is_sure: bool = field(default=True)


@lru_cache(maxsize=1)
def responders() -> tuple[Responder, ...]:
    """Read the programs."""
    text = (resources.files(__package__) / "data" / "responders.toml").read_text("utf-8")
    return tuple(
        Responder(**{**entry, "fields": tuple(entry["fields"])}) for entry in tomllib.loads(text)["responders"]
    )


@lru_cache(maxsize=1)
def automatic_words() -> dict[str, Words]:
    """Read the words, by language."""
    text = (resources.files(__package__) / "texts" / "automatic.toml").read_text("utf-8")
    return {language: _read_words(entry) for language, entry in tomllib.loads(text).items()}


def _read_words(entry: dict[str, Any]) -> Words:
    values: dict[str, Any] = {key: value if isinstance(value, str) else tuple(value) for key, value in entry.items()}
    return Words(**values)


def write_automatic(responder: Responder, setting: Setting, dice: Dice) -> AutomaticMail:
    """Write what a program sends in answer to a mail, or to everybody on its list."""
    words = automatic_words().get(setting.language) or automatic_words()["en"]
    form = dice.pick(words.days)
    told = words.day(form, setting.back)
    subject, text = _said(responder, words, setting, told, dice)
    names = _names(responder, setting, dice)
    for name, value in names.items():
        subject, text = subject.replace(name, value), text.replace(name, value)
    fields = [
        f"From: {mailbox(*_author(responder, setting, names['{domain}']))}",
        f"To: {setting.to}",
        f"Subject: {encoded_words(subject)}",
        f"Date: {format_datetime(setting.at)}",
        f"Message-ID: {names['{own_id}']}",
        *(_filled(each, names, dice) for each in responder.fields),
        "MIME-Version: 1.0",
    ]
    head = "\n".join(fields).encode() + b"\n"
    body = _body(responder, setting, text, names, dice).encode("latin-1")
    names_day = told in subject or told in text
    return AutomaticMail(
        (head + body).replace(b"\n", b"\r\n"),
        {"null": None, "list": f"club-bounces@lists.{names['{domain}']}"}.get(responder.path, setting.address),
        responder.sort,
        setting.back if responder.sort == "out_of_office" and names_day else None,
        is_sure=not _is_ambiguous(form, setting.back),
    )


def _is_ambiguous(form: str, day: date) -> bool:
    """Whether a day is written as 03/05/2024, which is read in two ways in English."""
    return form.startswith("{m2}/{d2}") and day.day <= 12 and day.day != day.month


def _said(responder: Responder, words: Words, setting: Setting, told: str, dice: Dice) -> tuple[str, str]:
    """Choose subject and text, with the day filled in."""
    away = words.away[-1] if dice.chance(NAMES_NO_DAY) else dice.pick(words.away[:-1])
    own = dice.pick(words.subjects)
    text = {
        "out_of_office": f"{away}\n\n{setting.name}",
        "receipt": words.read[1] if "{read}" in responder.subject else f"{words.receipt[1]}.\n\n{words.receipt[2]}",
        "disposition": words.read[1],
        "list": f"{words.list[1]}\n\nhttps://lists.agency.example/club/{{n}}",
        "challenge": f"{words.challenge[1]}\n\nhttps://guard.agency.example/{{h8}}",
    }[responder.sort]
    fillings = {
        "{prefix}": words.prefix, "{own}": own, "{notes}": words.notes, "{receipt}": words.receipt[1], "{read}": words.read[0],
        "{challenge}": words.challenge[0], "{list}": words.list[0], "{subject}": setting.subject, "{name}": setting.name,
    }  # fmt: skip
    subject = responder.subject
    for name, value in fillings.items():
        subject = subject.replace(name, value)
    return subject.replace("{until}", told), text.replace("{until}", told)


def _names(responder: Responder, setting: Setting, dice: Dice) -> dict[str, str]:
    domain = setting.address.rpartition("@")[2]
    return {
        "{name}": setting.name,
        "{address}": setting.address,
        "{domain}": domain,
        "{topic}": encoded_words(setting.subject),
        "{id}": setting.message_id,
        "{own_id}": message_id(responder.message_id.replace("{n}", "7"), domain, dice),
        "{n}": str(2_024_000_000 + dice.below(10_000_000)),
        "{h8}": dice.hexadecimal(8),
    }


def _author(responder: Responder, setting: Setting, domain: str) -> tuple[str, str]:
    """Return display name and address in From: a desk and a list have their own."""
    if responder.name in {"otrs", "request_tracker", "zendesk"}:
        return "Help Desk", f"helpdesk@{domain}"
    if responder.sort == "list":
        return "Gardening Club", f"club@lists.{domain}"
    return setting.name, setting.address


def _filled(text: str, names: dict[str, str], dice: Dice) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text.replace("{h32}", dice.hexadecimal(32)).replace("{topic}", "")


def _body(responder: Responder, setting: Setting, text: str, names: dict[str, str], dice: Dice) -> str:
    charset = LOCAL_CHARSETS.get(setting.language, "utf-8") if responder.charset == "local" else responder.charset
    lines = "".join(f"<p>{escape(line, quote=False)}</p>" for line in text.split("\n") if line)
    page = f"<html><body>{lines}</body></html>\n"
    if responder.form == "html":
        return encode_text(page, subtype="html", charset=charset, transfer=responder.transfer)
    plain = encode_text(f"{text}\n", subtype="plain", charset=charset, transfer=responder.transfer)
    if responder.form == "text":
        return plain
    boundary = dice.hexadecimal(24)
    if responder.form == "report":
        second = (
            "Content-Type: message/disposition-notification\n\n"
            f"Reporting-UA: mail.{names['{domain}']}; Reader 4.2\nFinal-Recipient: rfc822; {setting.address}\n"
            f"Original-Message-ID: {setting.message_id}\n"
            "Disposition: manual-action/MDN-sent-manually; displayed\n"
        )
        kind = f'multipart/report; report-type=disposition-notification; boundary="{boundary}"'
    else:
        second = encode_text(page, subtype="html", charset=charset, transfer=responder.transfer)
        kind = f'multipart/alternative; boundary="{boundary}"'
    return f"Content-Type: {kind}\n\n--{boundary}\n{plain}\n--{boundary}\n{second}\n--{boundary}--\n"
