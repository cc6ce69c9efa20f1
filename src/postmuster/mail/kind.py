"""Sort what came in: a person's reply, or something a program sent.

What for: everything that `mail.message` read passes here once. Each kind has its own way on: a reply is read for its
answer, a report updates a delivery, an out-of-office is kept as such, and nothing but a reply is ever answered.

Precision first. An ordinary reply taken for automatic loses an answer; an automatic mail taken for a reply makes a
loop. So the forms that only programs write come first, prose last, and what nothing speaks against is a reply.

Promises: never raises; an ordinary reply costs a few looks at fields, under 40 µs (measured in
tests/mail/test_kind.py).

Sources: RFC 3464, 3834, 5965, 8098 (as in `report`, `automatic`), RFC 5546 §3.2.3 (calendar answers), RFC 9078
(reactions).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from postmuster.mail.automatic import Automatic, AutomaticKind, read_automatic, read_challenge
from postmuster.mail.message import Message
from postmuster.mail.phrases import patterns
from postmuster.mail.report import (
    Report,
    ReportFormat,
    is_report_form,
    read_complaint,
    read_delivery_status,
    read_disposition,
    read_refusal,
)
from postmuster.mail.report_ses import TOPIC_FIELD, read_notice
from postmuster.mail.report_words import is_from_server, passes_gate, read_complaint_words, read_words

MAX_CALENDAR_OCTETS: Final = 64 * 1024  # ours: METHOD stands before the first component
MAX_REACTION_CHARS: Final = 400  # ours: of a notice that somebody reacted, above what it quotes


class Kind(StrEnum):
    """What came in."""

    REPLY = "reply"
    AUTOMATIC = "automatic"
    BOUNCE = "bounce"  # any delivery status report, also delay and success
    COMPLAINT = "complaint"
    DISPOSITION = "disposition"
    CALENDAR = "calendar"
    REACTION = "reaction"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Classified:
    """The kind, with what is known about an automatic mail or a report."""

    kind: Kind
    automatic: Automatic | None = None
    report: Report | None = None


_REPLY: Final = Classified(Kind.REPLY)
_KIND_OF_NOTICE: Final = {ReportFormat.FEEDBACK: Kind.COMPLAINT}


def classify(message: Message) -> Classified:
    """Say what a mail is. Never raises."""
    if message.unreadable:
        return Classified(Kind.UNREADABLE)
    if is_report_form(message):
        found = _by_form(message)
        if found is not None:
            return found
    if len(message.parts) > 1 or message.media_type != "text/plain":
        if _is_calendar_answer(message):
            return Classified(Kind.CALENDAR)
        if _is_reaction_part(message):
            return Classified(Kind.REACTION)
        complaint = read_complaint_words(message)
        if complaint is not None:
            return Classified(Kind.COMPLAINT, report=complaint)
    if TOPIC_FIELD in message.index:
        notice = read_notice(message)
        if notice is not None:
            return Classified(_KIND_OF_NOTICE.get(notice.format, Kind.BOUNCE), report=notice)
    if passes_gate(message):
        report = read_words(message)
        if report is not None and (_calls_itself_report(message, report) or not _answers_for_somebody(message)):
            return Classified(Kind.BOUNCE, report=report)
    automatic = read_automatic(message)
    if automatic is not None:
        return Classified(Kind.AUTOMATIC, automatic)
    return Classified(Kind.REACTION) if _is_reaction_notice(message) else _REPLY


def _by_form(message: Message) -> Classified | None:
    complaint = read_complaint(message)
    if complaint is not None:
        return Classified(Kind.COMPLAINT, report=complaint)
    status = read_delivery_status(message) or read_refusal(message)
    if status is not None:
        challenge = None if is_from_server(message) else read_challenge(message)
        return Classified(Kind.AUTOMATIC, challenge) if challenge else Classified(Kind.BOUNCE, report=status)
    disposition = read_disposition(message)
    return Classified(Kind.DISPOSITION, report=disposition) if disposition else None


def _calls_itself_report(message: Message, report: Report) -> bool:
    """Whether it has the fields of a report, or its type, however broken: Postfix marks those auto-replied, too."""
    declared = message.params.get("report-type", "").lower() == "delivery-status"
    return declared or report.format is ReportFormat.DELIVERY_STATUS


def _answers_for_somebody(message: Message) -> bool:
    """An answer for a person who is away may quote a failure; its fields say what it is."""
    submitted = (message.field("auto-submitted") or "").lower()
    if "x-failed-recipients" in message.index or "auto-replied" not in submitted:
        return False
    automatic = read_automatic(message)
    return automatic is not None and automatic.subkind is AutomaticKind.OUT_OF_OFFICE


_METHOD: Final = re.compile(
    rb"^METHOD[^:\n]{0,80}:[ \t]{0,9}(REPLY|COUNTER|DECLINECOUNTER|REFRESH)\b", re.IGNORECASE | re.MULTILINE
)


def _is_calendar_answer(message: Message) -> bool:
    """An accepted or declined invitation. An invitation itself may hold a person's words and stays a reply."""
    for part in message.parts:
        if part.media_type == "text/calendar":
            method = part.params.get("method", "").lower()
            if method in ("reply", "counter", "declinecounter", "refresh"):
                return True
            if not method and _METHOD.search(part.content[:MAX_CALENDAR_OCTETS]):
                return True
    return False


def _is_reaction_part(message: Message) -> bool:
    """Source: RFC 9078 §3; Gmail's own part beside it."""
    return any(
        part.disposition == "reaction" or part.media_type.startswith("text/vnd.google.email-reaction")
        for part in message.parts
    )


_REACTED: Final = patterns("automatic_signs")["reacted"]
_REACTION_FIELDS: Final = frozenset({"x-google-email-reaction", "x-ms-reaction", "x-ms-exchange-reaction"})


def _is_reaction_notice(message: Message) -> bool:
    """A notice of Outlook, Gmail or a phone that somebody pressed a symbol: short, nothing of the person's words."""
    if not _REACTION_FIELDS.isdisjoint(message.index):
        return True
    if len(message.text) > MAX_REACTION_CHARS * 10:
        return False
    head = message.text[:MAX_REACTION_CHARS].lstrip()
    first = head.partition("\n")[0]
    if _REACTED.search(first) is None:
        return False
    own = head.partition("\n>")[0].strip()
    if first[:1] in "-*•–—" or first[:1].isdigit():  # an item of a list that a person wrote
        return False
    return len(own) <= 200 and (
        not first[:1].isalnum() or "://" in own or first.rstrip().endswith((":", "”", '"')) or len(own.split()) <= 12
    )
