"""What we sent: the text a reply may quote, its subject and its ask.

What for: the command line reads a reply against the mail it answers (`--sent FILE`): our mail as it went out, or the
notice's TOML.

Promises: never raises; a file that is neither gives a fault with a sentence.
Limits: of a mail the text and the words of its HTML part are taken. A mail does not say what it asks in a form for
programs, so the ask of a mail comes from `--ask`. Of a notice's TOML the subject (one text or one per language) and
`[ask]` are taken, and the words of the Markdown bodies handed in with it; placeholders stand unfilled.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from postmuster.mail.html_text import html_to_text
from postmuster.mail.message import parse
from postmuster.reading.ask import Ask, AskFault, parse_ask


@dataclass(frozen=True, slots=True)
class Sent:
    """What we sent. `ask` is None where the file does not say."""

    text: str
    subject: str | None
    ask: Ask | None = None


class SentFault(StrEnum):
    """Why a file is nothing we sent."""

    NOT_TOML = "not-toml"
    BAD_ASK = "bad-ask"
    NOT_MAIL = "not-mail"

    @property
    def sentence(self) -> str:
        """What is wrong and what to hand in instead."""
        return {
            SentFault.NOT_TOML: "The notice is not readable as TOML in UTF-8; correct it or hand in the mail itself.",
            SentFault.BAD_ASK: "The notice has no [ask] that can be read; correct it or give --ask.",
            SentFault.NOT_MAIL: "The sent file is not a mail; hand in the .eml as it went out, or the notice's TOML.",
        }[self]


def sent_from_mail(raw: bytes) -> Sent | SentFault:
    """Read our mail. Never raises."""
    message = parse(raw)
    if message.unreadable:
        return SentFault.NOT_MAIL
    html = html_to_text(message.html) if message.html else ""
    return Sent(f"{message.subject}\n\n{message.text}\n{html}\n", message.subject)


def sent_from_notice(toml: bytes, bodies: Iterable[str] = ()) -> Sent | SentFault:
    """Read a notice's TOML; `bodies` are its Markdown texts. Never raises."""
    try:
        table = tomllib.loads(toml.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        return SentFault.NOT_TOML
    ask = _ask(table.get("ask"))
    if ask is None:
        return SentFault.BAD_ASK
    subject = table.get("subject")
    subjects = [text for text in subject.values() if isinstance(text, str)] if isinstance(subject, dict) else [subject]
    words = [text for text in subjects if isinstance(text, str)]
    return Sent("\n\n".join([*words, *bodies]), words[0] if len(words) == 1 else None, ask)


def _ask(table: Any) -> Ask | None:
    if not isinstance(table, dict):
        return None
    kind, choices, items = table.get("type"), table.get("choices"), table.get("items")
    word = str(kind)
    if kind == "election" and isinstance(choices, list):
        word = "election:" + ",".join(str(choice).replace(",", " ") for choice in choices)
    elif kind == "report":
        word = f"report:{items}"
    ask = parse_ask(word)
    return None if isinstance(ask, AskFault) else ask
