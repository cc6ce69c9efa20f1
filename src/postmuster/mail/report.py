"""Read reports about our own mail: delivery status, complaints, dispositions.

What for: a report changes the state of a delivery, and only what it says may change it. The machine-readable parts
(RFC 3464, 5965, 8098) are believed first; where a server wrote prose, `mail.report_words` reads that.

Promises: never raises; linear in the size; at most `MAX_RECIPIENTS` recipients. An address may be "" when a report
does not say for whom it is: the envelope it came to (VERP) tells. What a report quotes of our mail is used for
matching and never as somebody's words.

Sources: RFC 3464 (delivery status), RFC 6522 (multipart/report), RFC 6533 (internationalised), RFC 3461 §4 (xtext),
RFC 5965 (complaints), RFC 8098 (dispositions).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from postmuster.mail.address import AddrSpec, parse_addr_spec
from postmuster.mail.decoding import decode_text
from postmuster.mail.diagnosis import MAX_DIAGNOSTIC_CHARS, Reason, StatusClass, diagnose, status_of_field
from postmuster.mail.message import Message, Part

MAX_RECIPIENTS: Final = 1_000  # ours: more than a report of one mail of ours can name; we send one recipient a mail
MAX_FIELDS_OCTETS: Final = 256 * 1024  # ours: of one machine-readable part; a thousand recipients fit
MAX_RETURNED_OCTETS: Final = 256 * 1024  # ours: of the returned mail, read for its identifiers
MAX_ADDRESS_CHARS: Final = 320  # RFC 5321 §4.5.3.1: 64 + 1 + 255


class Action(StrEnum):
    """What the reporting server did. Source: RFC 3464 §2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


class ReportFormat(StrEnum):
    """What kind of report it is and how it was read."""

    DELIVERY_STATUS = "delivery_status"  # fields of RFC 3464
    WORDS = "words"  # a delivery report in prose
    FEEDBACK = "feedback"  # RFC 5965, or a complaint in prose
    DISPOSITION = "disposition"  # RFC 8098


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What a report says of one recipient. `class_` follows the status, not the action: failed with 4.4.7 is transient."""

    address: str
    action: Action
    status: str | None
    class_: StatusClass
    reason: Reason


@dataclass(frozen=True, slots=True)
class Report:
    """A report as read. The identifiers are those of our mail, without brackets, where the report holds them.

    `feedback_type` is a complaint's (abuse, fraud, not-spam …), `disposition` a disposition's last word (displayed, deleted …).
    """

    format: ReportFormat
    recipients: tuple[RecipientReport, ...] = ()
    original_message_id: str | None = None
    original_envelope_id: str | None = None
    feedback_type: str | None = None
    disposition: str | None = None


_STATUS_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_FEEDBACK_TYPE: Final = "message/feedback-report"
_DISPOSITION_TYPES: Final = frozenset({"message/disposition-notification", "message/global-disposition-notification"})
_RETURNED_TYPES: Final = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers", "message/rfc822-headers"}
)
_REPORT_TYPES: Final = _STATUS_TYPES | _DISPOSITION_TYPES | {_FEEDBACK_TYPE}


def is_report_form(message: Message) -> bool:
    """Whether a mail has the form of a report, whatever it says. Cheap: asked of every mail."""
    if message.media_type == "multipart/report":
        return True
    parts = message.parts
    return len(parts) > 1 and not _REPORT_TYPES.isdisjoint([part.media_type for part in parts])


def read_complaint(message: Message) -> Report | None:
    """Read a complaint, None when the mail is none. Never raises. Source: RFC 5965 §3."""
    part = next((part for part in message.parts if part.media_type == _FEEDBACK_TYPE), None)
    if part is None:
        return None
    fields = dict(reversed(_fields(part.content)))
    addresses = [value for name, value in _fields(part.content) if name == "original-rcpt-to"]
    people = tuple(
        RecipientReport(read_address(value), Action.DELIVERED, None, StatusClass.NONE, Reason.SPAM)
        for value in dict.fromkeys(addresses[:MAX_RECIPIENTS])
    )
    return Report(
        ReportFormat.FEEDBACK,
        people,
        _identifier(returned_message_id(message)),
        fields.get("original-envelope-id"),
        feedback_type=fields.get("feedback-type", "abuse").lower()[:80],
    )


def read_disposition(message: Message) -> Report | None:
    """Read a disposition notification (a read receipt), None when the mail is none. Never raises. Source: RFC 8098 §3."""
    part = next((part for part in message.parts if part.media_type in _DISPOSITION_TYPES), None)
    if part is None:
        if message.params.get("report-type", "").lower() != "disposition-notification":
            return None
        return Report(ReportFormat.DISPOSITION, original_message_id=_identifier(returned_message_id(message)))
    fields = dict(reversed(_fields(part.content)))
    disposition = fields.get("disposition", "").rpartition(";")[2].split("/")[0].strip().lower()
    return Report(
        ReportFormat.DISPOSITION,
        (),
        _identifier(fields.get("original-message-id") or returned_message_id(message)),
        fields.get("original-envelope-id"),
        disposition=disposition[:80] or None,
    )


_REFUSED: Final = re.compile(r"reject|refus|bounce|quota|full|not accept", re.IGNORECASE)


def read_refusal(message: Message) -> Report | None:
    """Read a disposition by which a mailbox's filter refused the mail, None when it is none. Never raises.

    Source: RFC 5429 §2.1.2: deleted by itself, with the reason in the words above.
    """
    for part in message.parts:
        if part.media_type in _DISPOSITION_TYPES:
            fields = dict(reversed(_fields(part.content)))
            disposition = fields.get("disposition", "").lower()
            by_itself = "automatic-action" in disposition and "deleted" in disposition
            if not by_itself or not _REFUSED.search(f"{message.subject}\n{message.text}", 0, MAX_DIAGNOSTIC_CHARS):
                return None
            address = read_address(fields.get("original-recipient", "")) or read_address(
                fields.get("final-recipient", "")
            )
            found = diagnose(message.text)
            person = RecipientReport(address, Action.FAILED, found.status, found.status_class, found.reason)
            returned = fields.get("original-message-id") or returned_message_id(message)
            return Report(
                ReportFormat.DISPOSITION, (person,), _identifier(returned), fields.get("original-envelope-id")
            )
    return None


def read_delivery_status(message: Message) -> Report | None:
    """Read the machine-readable part of a delivery report, None when there is none with a recipient. Never raises.

    Source: RFC 3464 §2, RFC 6533 §3–4.
    """
    for part in message.parts:
        if part.media_type in _STATUS_TYPES:
            report = read_status_fields(part.content, message)
            if report is not None:
                return report
    return None


def read_status_fields(content: bytes, message: Message) -> Report | None:
    """Read fields of RFC 3464 wherever they stand; None when they name no recipient. Never raises."""
    envelope_id, groups = _groups(_fields(content))
    if not groups:
        return None
    only_one = len(groups) == 1
    people = tuple(_recipient(group, message.text if only_one else "") for group in groups[:MAX_RECIPIENTS])
    return Report(ReportFormat.DELIVERY_STATUS, people, _identifier(returned_message_id(message)), envelope_id)


def with_identifiers(report: Report, message_id: str | None) -> Report:
    """Return the report with the identifier of the returned mail, where it had none."""
    return report if report.original_message_id else replace(report, original_message_id=_identifier(message_id))


_ADDRESS_IN_PLACE: Final = re.compile(r"<([^<>]{1,320})>|([^\s<>;,\"']{1,64}@[^\s<>;,\"']{1,255})")
_XTEXT: Final = re.compile(r"\+([0-9A-F]{2})")
_UNICODE_ESCAPE: Final = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


def read_address(value: str) -> str:
    """Read an address of a report ("rfc822; ada@example.org"); "" when there is none. Never raises.

    Sources: RFC 3464 §2.3.1 (type and address), RFC 3461 §4 (xtext), RFC 6533 §3 (\\x{…}).
    """
    kind, semicolon, rest = value[:2_000].partition(";")
    text = (rest if semicolon else kind).strip()
    if semicolon and kind.strip().lower() == "utf-8":
        text = _UNICODE_ESCAPE.sub(_unescape, text)
    for candidate in (text, _XTEXT.sub(lambda found: chr(int(found[1], 16)), text)):
        read = _one_address(candidate)
        if read:
            return read
    found = _ADDRESS_IN_PLACE.search(text)
    return (_one_address(found[1] or found[2]) or "") if found else ""


def _one_address(text: str) -> str | None:
    addr = parse_addr_spec(text.strip("<> \t\"'") if '"@' not in text else text.strip("<> \t"))
    if isinstance(addr, AddrSpec):
        return str(addr)
    # Addresses that no standard allows are named in reports all the same: two dots in a row, a domain without a dot.
    loose = text.strip("<> \t\"'.,:;")
    if 3 <= len(loose) <= MAX_ADDRESS_CHARS and loose.count("@") == 1 and loose.isprintable() and " " not in loose:
        return loose if not loose.startswith("@") and not loose.endswith("@") else None
    return None


def _unescape(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"


def _fields(content: bytes) -> list[tuple[str, str]]:
    """Split fields, lower-case names; a blank line is ("", "")."""
    text = decode_text(content[:MAX_FIELDS_OCTETS], None)[0]
    out: list[tuple[str, str]] = []
    pending: list[str] = []
    for line in (*text.split("\n"), ""):
        if line[:1] in (" ", "\t") and line.strip() and pending:
            pending.append(line.strip())
            continue
        if pending:
            name, _, value = " ".join(pending).partition(":")
            out.append((name.strip().lower(), value.strip()))
            pending = []
        head, colon, _ = line.partition(":")
        if colon and head.strip() and " " not in head.strip():
            pending = [line]
        elif not line.strip():
            out.append(("", ""))
    return out


_OF_RECIPIENT: Final = frozenset(
    {
        "original-recipient", "final-recipient", "action", "status", "remote-mta", "diagnostic-code", "last-attempt-date",
        "final-log-id", "will-retry-until", "localized-address", "x-actual-recipient", "x-supplementary-info",
        "x-powermta-bouncecategory",
    }
)  # fmt: skip
_STARTS_RECIPIENT: Final = frozenset({"original-recipient", "final-recipient", "action"})
Group = dict[str, str]


def _groups(fields: Iterable[tuple[str, str]]) -> tuple[str | None, list[Group]]:
    """Sort the fields by recipient. Blank lines are often missing or too many: a field that comes again begins the next."""
    envelope_id: str | None = None
    groups: list[Group] = []
    group: Group = {}
    for name, value in fields:
        if name == "original-envelope-id" and envelope_id is None:
            envelope_id = value[:200] or None
        if (not name or (name in _STARTS_RECIPIENT and name in group)) and _names_someone(group):
            groups.append(group)
            group = {}
        if name in _OF_RECIPIENT and name not in group:
            group[name] = value
    if _names_someone(group):
        groups.append(group)
    return envelope_id, groups


def _names_someone(group: Group) -> bool:
    return "final-recipient" in group or "original-recipient" in group


_ACTION: Final = re.compile(r"[a-z]+")
_ACTIONS: Final = {action.value: action for action in Action} | {
    "failure": Action.FAILED, "fail": Action.FAILED, "error": Action.FAILED, "expired": Action.FAILED,
    "delay": Action.DELAYED, "deliverable": Action.DELIVERED,
}  # fmt: skip


# Dovecot states its reason in the words alone.
_REJECTED: Final = re.compile(r"was automatically rejected:\s{0,9}([^\n]{1,300})")


def _recipient(group: Group, text: str) -> RecipientReport:
    # The original recipient is the address we wrote to; the final one may be where it was forwarded.
    address = read_address(group.get("original-recipient", "")) or read_address(group.get("final-recipient", ""))
    status = status_of_field(group.get("status", ""))
    words = group.get("diagnostic-code", "") or group.get("x-supplementary-info", "")
    word = _ACTION.search(group.get("action", "").lower())
    action = _ACTIONS.get(word[0]) if word else None
    if action is None:
        action = {"2": Action.DELIVERED, "4": Action.DELAYED}.get((status or "5")[0], Action.FAILED)
    if action in (Action.DELIVERED, Action.RELAYED, Action.EXPANDED):
        return RecipientReport(address, action, status, StatusClass.NONE, Reason.OTHER)
    stated = _REJECTED.search(text, 0, MAX_DIAGNOSTIC_CHARS)
    sorted_as = group.get("x-powermta-bouncecategory", "")
    found = diagnose(
        stated[1] if stated else words or group.get("status", ""),
        status,
        boilerplate=f"{sorted_as}\n{text}" if sorted_as else text,
        session=text,
        gave_up=action is Action.FAILED,
    )
    return RecipientReport(address, action, found.status, found.status_class, found.reason)


_MESSAGE_ID: Final = re.compile(
    rb"^[ >|\t]{0,20}message-id[ \t]{0,9}:\s{0,9}<?([^<>\s]{1,998})", re.IGNORECASE | re.MULTILINE
)


def returned_message_id(message: Message) -> str | None:
    """Return the Message-ID of the mail a report returns, where a part holds it. Never raises."""
    for part in message.parts:
        if part.media_type in _RETURNED_TYPES or (part.attached and part.media_type.startswith("text/")):
            found = message_id_in(part.content)
            if found:
                return found
    return None


def message_id_in(content: bytes) -> str | None:
    """Find a Message-ID field in what was returned. Never raises."""
    found = _MESSAGE_ID.search(content[:MAX_RETURNED_OCTETS])
    return decode_text(found[1], None)[0] if found else None


def returned_parts(message: Message) -> tuple[Part, ...]:
    """The parts that hold the mail a report returns, or its header."""
    return tuple(part for part in message.parts if part.media_type in _RETURNED_TYPES)


def _identifier(value: str | None) -> str | None:
    if not value:
        return None
    return value.strip().strip("<>").strip()[:998] or None
