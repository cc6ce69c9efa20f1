"""Read what Amazon SES says of our mail: the notices that its topics send by mail, in JSON.

What for: who sends through that service gets bounces, complaints and confirmations so, and the delivery they are about
must learn of it as of any other report.

Promises: never raises; linear; reads at most `MAX_NOTICE_CHARS` and `MAX_RECIPIENTS` recipients. The field of the
topic and the first character of the text are asked first, so that no other mail is read as JSON. Anybody can write
such a mail: as with every report, what it changes is decided by the address it came to.

Sources: Amazon SES Developer Guide, "Amazon SNS notification contents for Amazon SES" and "Event data that Amazon SES
publishes to Amazon SNS" (names of the fields).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from postmuster.mail.diagnosis import Reason, StatusClass, diagnose, status_in_words, status_of_field
from postmuster.mail.message import Message
from postmuster.mail.report import MAX_RECIPIENTS, Action, RecipientReport, Report, ReportFormat, read_address

MAX_NOTICE_CHARS: Final = 256 * 1024  # what a message of the topic may hold
TOPIC_FIELD: Final = "x-amz-sns-message-id"

_ABSENT: Final[Mapping[str, object]] = {}
_CLASS_OF_TYPE: Final = {"transient": StatusClass.TRANSIENT, "permanent": StatusClass.PERMANENT}
_REASON_OF_SUBTYPE: Final = {
    "noemail": Reason.UNKNOWN_USER,
    "suppressed": Reason.DISABLED,
    "onaccountsuppressionlist": Reason.DISABLED,
    "mailboxfull": Reason.MAILBOX_FULL,
    "messagetoolarge": Reason.TOO_BIG,
    "contentrejected": Reason.CONTENT,
    "attachmentrejected": Reason.CONTENT,
}


def read_notice(message: Message) -> Report | None:
    """Read a notice of a bounce, a complaint, a delivery or a delay; None when the mail is none. Never raises."""
    if TOPIC_FIELD not in message.index or message.text.lstrip()[:1] != "{":
        return None
    notice = _object(message.text.lstrip()[:MAX_NOTICE_CHARS])
    if isinstance(notice.get("Message"), str):  # the topic's own envelope
        notice = _object(_text(notice, "Message"))
    kind = (_text(notice, "notificationType") or _text(notice, "eventType")).lower()
    our_mail = _part(notice, "mail")
    if kind == "complaint":
        complaint = _part(notice, "complaint")
        people = tuple(
            RecipientReport(address, Action.DELIVERED, None, StatusClass.NONE, Reason.SPAM)
            for address, _ in _people(complaint, "complainedRecipients")
        )
        feedback = _text(complaint, "complaintFeedbackType").lower()[:80] or "abuse"
        return Report(ReportFormat.FEEDBACK, people, _message_id(our_mail), feedback_type=feedback)
    people = tuple(_outcomes(kind, notice))
    return Report(ReportFormat.DELIVERY_STATUS, people, _message_id(our_mail)) if people else None


def _outcomes(kind: str, notice: Mapping[str, object]) -> Iterator[RecipientReport]:
    if kind == "bounce":
        bounce = _part(notice, "bounce")
        for address, row in _people(bounce, "bouncedRecipients"):
            yield _bounced(address, row, _text(bounce, "bounceType").lower(), _text(bounce, "bounceSubType").lower())
    elif kind == "delivery":
        delivery = _part(notice, "delivery")
        status = status_of_field(_text(delivery, "smtpResponse")[3:])
        for address, _ in _people(delivery, "recipients"):
            yield RecipientReport(address, Action.DELIVERED, status, StatusClass.NONE, Reason.OTHER)
    elif kind == "deliverydelay":
        delay = _part(notice, "deliveryDelay")
        for address, row in _people(delay, "delayedRecipients"):
            found = diagnose(_text(row, "diagnosticCode"), status_of_field(_text(row, "status")) or "4.0.0")
            yield RecipientReport(address, Action.DELAYED, found.status, found.status_class, found.reason)


def _bounced(address: str, row: Mapping[str, object], bounce_type: str, subtype: str) -> RecipientReport:
    words = _text(row, "diagnosticCode")
    status = status_of_field(_text(row, "status")) or status_in_words(words)
    found = diagnose(words, status, gave_up=True)
    status_class = found.status_class if status else _CLASS_OF_TYPE.get(bounce_type, found.status_class)
    reason = _REASON_OF_SUBTYPE.get(subtype) if found.reason is Reason.OTHER else None
    return RecipientReport(address, Action.FAILED, found.status, status_class, reason or found.reason)


def _people(part: Mapping[str, object], name: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    rows = part.get(name)
    for row in rows[:MAX_RECIPIENTS] if isinstance(rows, list) else []:
        fields = row if isinstance(row, dict) else _ABSENT
        address = read_address(row if isinstance(row, str) else _text(fields, "emailAddress"))
        if address:
            yield address, fields


def _message_id(our_mail: Mapping[str, object]) -> str | None:
    own = _text(_part(our_mail, "commonHeaders"), "messageId") or _text(our_mail, "messageId")
    return own.strip("<> ")[:998] or None


def _object(text: str) -> Mapping[str, object]:
    # Servers break lines of more than 998 octets by "!", a line end and a space.
    try:
        found, _ = json.JSONDecoder().raw_decode(text.replace("!\n ", ""))
    except (ValueError, RecursionError):
        return _ABSENT
    return found if isinstance(found, dict) else _ABSENT


def _part(whole: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = whole.get(name)
    return found if isinstance(found, dict) else _ABSENT


def _text(whole: Mapping[str, object], name: str) -> str:
    found = whole.get(name)
    return found if isinstance(found, str) else ""
