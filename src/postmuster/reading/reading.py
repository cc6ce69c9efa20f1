"""Read what came in: kind, new text, answer, markings, personal data, secrets, links, authentication, in one value.

What for: the digest of replies and the command `postmuster reply read` see the same reading; `as_json` writes it in
the stable form of the command line (docs/reading.md lists its fields).

Promises: any octets give a reading; never raises; time linear in the size. An unreadable mail is a reading of the
kind `unreadable`. Only a mail of the kind reply is read for an answer: what a program sent answers nothing.

Limits: text and parts as in `mail.message.Limits`; those of the readers it calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from postmuster.mail.decoding import decode_text, decode_words
from postmuster.mail.html_text import read_html
from postmuster.mail.kind import Classified, Kind, classify
from postmuster.mail.message import Message, parse
from postmuster.reading.answer import Answer, AnswerType, read_answer
from postmuster.reading.ask import Ask
from postmuster.reading.links import ReadLink, read_links
from postmuster.reading.markings import Marking, find_markings
from postmuster.reading.newtext import NewText, cut
from postmuster.reading.personal import Personal, find_personal
from postmuster.reading.secrets import Secret, find_secrets
from postmuster.reading.sent_mail import Sent

if TYPE_CHECKING:  # its libraries take a third of the command's start
    from postmuster.mail.authentication import Authentication

_STRUCK: Final = re.compile(r"<(?:s|strike|del)[\s>]|line-through", re.IGNORECASE)
_LABEL_FIELDS: Final = ("x-protective-marking", "sio-label", "x-sio-label")
_TOO_LONG_PAGE: Final = "HTML longer than the limit"
_EMPTY: Final = NewText("", None, (), 1.0, None)
_NO_ANSWER: Final = Answer(AnswerType.NONE)


class FileKind(StrEnum):
    """What a file holds."""

    MAIL = "mail"
    TEXT = "text"  # a plain body
    HTML = "html"  # an HTML body


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was read of one mail."""

    classified: Classified
    text: str
    new: NewText
    answer: Answer
    markings: tuple[Marking, ...]
    personal: tuple[Personal, ...]
    secrets: tuple[Secret, ...]
    links: tuple[ReadLink, ...]
    authentication: Authentication | None = None
    message: Message | None = field(default=None, repr=False)
    defects: tuple[str, ...] = ()

    @property
    def language(self) -> str | None:
        """The language of the new text, BCP 47, or None."""
        return self.new.language


def read(
    raw: bytes,
    *,
    file_kind: FileKind | str = FileKind.MAIL,
    ask: Ask | None = None,
    sent: Sent | None = None,
    authenticate: Callable[[bytes, Message], Authentication] | None = None,
) -> Reading:
    """Read a file. `ask` goes before the one that `sent` has. Never raises."""
    asked = ask or (sent.ask if sent else None)
    if file_kind == FileKind.MAIL:
        message = parse(raw)
        reading = read_message(
            message,
            classify(message),
            ask=asked,
            sent_text=sent.text if sent else None,
            sent_subject=sent.subject if sent else None,
        )
        return _with(reading, authenticate(raw, message)) if authenticate else reading
    return _read_body(raw, asked, sent, is_html=file_kind == FileKind.HTML)


def read_message(
    message: Message,
    classified: Classified,
    *,
    ask: Ask | None,
    sent_text: str | None,
    sent_subject: str | None = None,
    with_links: bool = True,
) -> Reading:
    """Read a mail that was parsed and sorted. `sent_text` is what it may quote of ours. Never raises."""
    text = message.text
    page = read_html(message.html) if with_links and message.html else None
    author = decode_words(message.header_from)
    new = cut(text, sent=sent_text, author=author) if text else _EMPTY
    answer = _NO_ANSWER
    if ask is not None and classified.kind is Kind.REPLY:
        struck = message.html is not None and _STRUCK.search(message.html) is not None
        answer = read_answer(
            new,
            message.subject,
            ask,
            sent_subject=sent_subject,
            author=author,
            struck=struck,
        )
    names = [part.filename for part in message.attachments if part.filename]
    labels = [value for name in _LABEL_FIELDS for value in message.all(name)]
    return Reading(
        classified=classified,
        text=text,
        new=new,
        answer=answer,
        markings=find_markings(
            text, elided=new.elided, subject=message.subject, file_names=names, labels=labels, ours=sent_text
        ),
        personal=find_personal(text, ours=sent_text),
        secrets=find_secrets(text),
        links=read_links(page, text) if with_links else (),
        message=message,
        defects=message.defects,
    )


def _read_body(raw: bytes, ask: Ask | None, sent: Sent | None, *, is_html: bool) -> Reading:
    """Read a body without its mail."""
    text, defect = decode_text(raw[:64_000_000], None)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    struck = is_html and _STRUCK.search(text) is not None
    page = read_html(text) if is_html else None
    text = page.text if page else text
    ours = sent.text if sent else None
    new = cut(text, sent=ours)
    answer = _NO_ANSWER
    if ask is not None:
        answer = read_answer(new, "", ask, sent_subject=sent.subject if sent else None, struck=struck)
    return Reading(
        classified=Classified(Kind.REPLY),
        text=text,
        new=new,
        answer=answer,
        markings=find_markings(text, elided=new.elided, ours=ours),
        personal=find_personal(text, ours=ours),
        secrets=find_secrets(text),
        links=read_links(page, text),
        defects=tuple(each for each in (defect, _TOO_LONG_PAGE if page and not page.is_whole else None) if each),
    )


def _with(reading: Reading, authentication: Authentication) -> Reading:
    return Reading(
        reading.classified,
        reading.text,
        reading.new,
        reading.answer,
        reading.markings,
        reading.personal,
        reading.secrets,
        reading.links,
        authentication,
        reading.message,
        reading.defects,
    )


def as_json(reading: Reading) -> dict[str, Any]:
    """Return a reading in the form of `reply read --json`, without `file`. Every field is always there."""
    return {**_kind_json(reading), **_text_json(reading), **_mail_json(reading)}


def _kind_json(reading: Reading) -> dict[str, Any]:
    automatic, report = reading.classified.automatic, reading.classified.report
    is_bounce = reading.classified.kind is Kind.BOUNCE and report is not None
    return {
        "kind": str(reading.classified.kind),
        "automatic": {
            "subkind": str(automatic.subkind),
            "until": automatic.until.isoformat() if automatic.until else None,
        }
        if automatic
        else None,
        "recipients": [
            {
                "address": each.address,
                "action": str(each.action),
                "status": each.status,
                "class": str(each.class_),
                "reason": str(each.reason),
            }
            for each in (report.recipients if report and is_bounce else ())
        ],
    }


def _text_json(reading: Reading) -> dict[str, Any]:
    answer, new = reading.answer, reading.new
    return {
        "text": reading.text,
        "new_text": new.new_text,
        "signature": new.signature,
        "elided": [{"kind": str(span.kind), "start": span.start, "end": span.end} for span in new.elided],
        "language": new.language,
        "confidence": new.confidence,
        "answer": {
            "type": str(answer.type),
            "choice": answer.choice,
            "items": list(answer.items),
            "reasons": list(answer.reasons),
            "evidence": [list(span) for span in answer.evidence],
            "confidence": answer.confidence,
        },
        "markings": [
            {"tier": str(hit.tier), "text": hit.text, "where": str(hit.where), "start": hit.start, "end": hit.end}
            for hit in reading.markings
        ],
        "personal": [{"kind": str(hit.kind), "start": hit.start, "end": hit.end} for hit in reading.personal],
        "secrets": [{"kind": str(hit.kind), "start": hit.start, "end": hit.end} for hit in reading.secrets],
        "links": [
            {"text": link.text, "target": link.target, "flag": str(link.flag) if link.flag else None}
            for link in reading.links
        ],
    }


def _mail_json(reading: Reading) -> dict[str, Any]:
    message, found = reading.message, reading.authentication
    attachments = message.attachments if message else ()
    return {
        "attachments": [
            {"name": part.filename, "media_type": part.media_type, "size_octets": part.size_octets, "held": True}
            for part in attachments
        ],
        "authentication": {
            "spf": str(found.spf) if found else None,
            "dkim": str(found.dkim) if found else None,
            "dmarc": str(found.dmarc) if found else None,
            "arc": str(found.arc) if found else None,
            "grade": str(found.grade) if found else "C",
            "reason": str(found.reason) if found else None,
            "aligned_domain": found.aligned_domain if found else None,
        },
        "subject": message.subject if message else "",
        "message_id": message.message_id if message else None,
        "in_reply_to": message.in_reply_to[0] if message and message.in_reply_to else None,
        "from": decode_words(message.header_from) if message else "",
        "date": message.date.isoformat() if message and message.date else None,
        "parts": len(message.parts) if message else 1,
        "defects": list(reading.defects),
    }
