"""Read delivery reports that a server wrote for people and not for programs.

What for: about a quarter of the reports in the field have no machine-readable part (qmail, Exim, older Exchange,
Domino, carriers).

How: a mail passes a gate (who wrote it, what its subject says); its words above the returned mail must say that
something was not delivered; then addresses are looked for in the places where servers put them, strongest place
first, and what stands behind an address is what was said of it. No list of single servers: what they write differs by
version, where they put it hardly does.

Promises: never raises; linear in the text, of which `MAX_REPORT_CHARS` are read; a mail of a person is none: without
a server as its author, subject and words must both say so and an address must be found.

Sources: reports of qmail, Exim, Sendmail, Postfix, Exchange, Google, Yahoo, Zoho, Domino, GroupWise, carriers of
Japan.
"""

import re
from typing import Final

from postmuster.mail.address import AddrSpec, parse_addr_spec, parse_mailboxes
from postmuster.mail.decoding import decode_text, decode_words
from postmuster.mail.diagnosis import Reason, StatusClass, diagnose
from postmuster.mail.html_text import html_to_text
from postmuster.mail.message import Message
from postmuster.mail.phrases import alternatives, load_table, patterns, strings
from postmuster.mail.report import (
    MAX_RECIPIENTS,
    MAX_RETURNED_OCTETS,
    Action,
    RecipientReport,
    Report,
    ReportFormat,
    message_id_in,
    read_address,
    read_status_fields,
    returned_message_id,
    returned_parts,
    with_identifiers,
)

MAX_REPORT_CHARS: Final = 64 * 1024  # the longest report above a returned mail in the corpora has under 8,000

_WORDS: Final = patterns("report_words")
_LISTS: Final = alternatives("report_words")
_SERVER_NAME: Final = _WORDS["server_name"]
_FAILURE_SUBJECT: Final = _WORDS["failure_subject"]
_COMPLAINT_SUBJECT: Final = _WORDS["complaint_subject"]
_FAILURE_WORDS: Final = _WORDS["failure_words"]
_MACHINE_WORDS: Final = _WORDS["machine_words"]
_DELAY_WORDS: Final = _WORDS["delay_words"]
_GAVE_UP: Final = _WORDS["gave_up_words"]
_SERVER_STEMS: Final = strings(load_table("report_words")["server_stems"], "report_words")
_FAILURE_STEMS: Final = strings(load_table("report_words")["failure_stems"], "report_words")
REPLY_PREFIX: Final = re.compile(rf"\s{{0,9}}(?:{_LISTS['reply_prefix']})\s?(?:\[\d+\])?\s?[:：]", re.IGNORECASE)


def passes_gate(message: Message) -> bool:
    """Whether a mail may be a delivery report in prose. Cheap: asked of every mail."""
    if "x-failed-recipients" in message.index or is_from_server(message) or says_failure(message):
        return True
    return len(message.parts) > 1 and _has_null_path(message) and bool(returned_parts(message))


def is_from_server(message: Message) -> bool:
    """Whether the author calls itself a mail system. Anybody can: this opens the gate and proves nothing."""
    author = message.header_from
    if author:
        lower = author[:400].lower()
        if not any(stem in lower for stem in _SERVER_STEMS):
            return False
        return _SERVER_NAME.search(author if "=?" not in author else decode_words(author[:2_000]), 0, 400) is not None
    return _has_null_path(message) or message.params.get("report-type", "").lower() == "delivery-status"


def _has_null_path(message: Message) -> bool:
    path = message.field("return-path")
    return path is not None and (path.strip() == "<>" or _SERVER_NAME.search(path, 0, 400) is not None)


def says_failure(message: Message) -> bool:
    """Whether the subject speaks of mail that was not delivered and does not answer one that did."""
    subject = message.subject
    if REPLY_PREFIX.match(subject) is not None:
        return False
    lower = subject[:300].lower()
    return any(stem in lower for stem in _FAILURE_STEMS) and _FAILURE_SUBJECT.search(subject, 0, 300) is not None


_CUT: Final = re.compile(
    rf"^(?:[-=_*|> \t]{{2,80}}+(?:{_LISTS['cut_after_rule']})|{_LISTS['cut_at_line']})", re.IGNORECASE | re.MULTILINE
)
_STATUS_FIELDS: Final = re.compile(r"^[ \t]{0,8}(?:final|original)-recipient[ \t]?:", re.IGNORECASE | re.MULTILINE)


def read_words(message: Message) -> Report | None:
    """Read a delivery report in prose, None when the mail is none. Never raises."""
    if not passes_gate(message):
        return None
    server, subject = is_from_server(message), says_failure(message)
    failed_field = message.all("x-failed-recipients")
    section, rest = _report_section(message)
    fields = _STATUS_FIELDS.search(section)
    if fields is not None and (server or subject):
        report = read_status_fields(section[max(fields.start() - 400, 0) :].encode("utf-8", "replace"), message)
        if report is not None:
            return with_identifiers(report, message_id_in(rest.encode("utf-8", "replace")[:MAX_RETURNED_OCTETS]))
    speaks = _FAILURE_WORDS.search(section) is not None
    returned = message_id_in(rest.encode("utf-8", "replace")[:MAX_RETURNED_OCTETS]) or returned_message_id(message)
    sent_back = server or (_has_null_path(message) and bool(returned_parts(message)))
    people = _people(message, section, rest)
    shown = subject or bool(returned) or bool(people) or _MACHINE_WORDS.search(section) is not None
    if not (failed_field or (sent_back and shown and (speaks or subject)) or (subject and speaks)):
        return None
    sent_back = sent_back and REPLY_PREFIX.match(message.subject) is None
    if not sent_back and not failed_field and not (people and (returned or _is_machine_made(message, section))):
        return None  # a person may write of failure, too
    return with_identifiers(Report(ReportFormat.WORDS, people or (_nobody(section, message),)), returned)


def _is_machine_made(message: Message, section: str) -> bool:
    submitted = (message.field("auto-submitted") or "no").strip().lower()
    return submitted != "no" or _has_null_path(message) or _MACHINE_WORDS.search(section) is not None


def read_complaint_words(message: Message) -> Report | None:
    """Read a complaint whose machine-readable part is missing or labelled as something else. Never raises."""
    if _COMPLAINT_SUBJECT.search(message.subject, 0, 300) is None:
        return None
    message_id = returned_message_id(message)
    return Report(ReportFormat.FEEDBACK, original_message_id=message_id, feedback_type="abuse") if message_id else None


def _report_section(message: Message) -> tuple[str, str]:
    """Return the words above the returned mail, and the rest."""
    text = message.text
    if not text.strip():
        text = next((part.text for part in message.parts if part.text and part.text.strip()), "")
        if "<" in text and "</" in text:
            text = html_to_text(text, MAX_REPORT_CHARS)
    cut = _CUT.search(text, 0, MAX_REPORT_CHARS)
    # A report that begins with fields has no words above them; then the fields are its words.
    if cut is None or not text[: cut.start()].strip():
        return text[:MAX_REPORT_CHARS], text[MAX_REPORT_CHARS : MAX_REPORT_CHARS * 4]
    return text[: cut.start()], text[cut.start() : cut.start() + MAX_RETURNED_OCTETS]


_ADDR: Final = r"[^\s<>()\[\],;:\"'@=|*]{1,64}@[A-Za-z0-9\u0080-\U0010ffff][A-Za-z0-9.\u0080-\U0010ffff-]{0,253}"
# The strongest place first: an address that has a line, or its beginning, for itself.
_ALONE: Final = re.compile(
    rf"^[ \t>|]{{0,20}}(?:[*•-]{{1,3}} )?[<\"']?({_ADDR})[>\"']?[ \t]*(?:$|:|\.\.\.|\s\.\.\.|\s\[|\son\s|\s-\s|,?\s*$)",
    re.MULTILINE,
)
_LEADING: Final = re.compile(
    rf"^[ \t]{{0,20}}(?:\d{{3}}[ -])?(?:[45]\.\d\.\d{{1,3}} )?<?({_ADDR})>?(?:\.\.\.|[:,]?\s+\S)", re.MULTILINE
)
_NAMED: Final = re.compile(rf"(?:{_LISTS['named']})[^\n@]{{0,40}}?[\s:<(\"'=]({_ADDR})", re.IGNORECASE)
_ANY: Final = re.compile(_ADDR)
_NOT_RECIPIENTS: Final = re.compile(rf"(?:{_LISTS['not_recipients']})@", re.IGNORECASE)


def _people(message: Message, section: str, rest: str) -> tuple[RecipientReport, ...]:
    own = {
        str(box.addr).lower()
        for name in ("to", "from")
        for value in message.all(name)[:1]
        for box in parse_mailboxes(value)[:10]
    }
    listed = [
        read_address(piece)
        for value in message.all("x-failed-recipients")
        for piece in value.split(",")[:MAX_RECIPIENTS]
    ]
    found = [address for address in listed if address]
    if not found:
        found = _addresses(section, own)
    if not found:
        found = _addressees_of_returned(message, rest, own)
    unique = list({address.lower(): address for address in reversed(found)}.values())[::-1][:MAX_RECIPIENTS]
    spans = _said_of(section, unique)
    delayed = _is_delay(message.subject, section)
    return tuple(_judge(address, spans.get(address.lower(), section), section, delayed=delayed) for address in unique)


def _addresses(section: str, own: set[str]) -> list[str]:
    for skip in (own, set[str]()):
        for pattern in (_ALONE, _LEADING, _NAMED, _ANY):
            found = [_tidy(hit[pattern.groups]) for hit in pattern.finditer(section)]
            kept = [
                address
                for address in found
                if address and address.lower() not in skip and not _NOT_RECIPIENTS.match(address)
            ]
            if kept:
                return kept[:MAX_RECIPIENTS]
    return []


def _tidy(text: str) -> str:
    text = text.strip("<>\"'").rstrip(".,:;-")
    addr = parse_addr_spec(text)
    return str(addr) if isinstance(addr, AddrSpec) else ""


_TO_FIELD: Final = re.compile(r"^[ >|\t]{0,20}to[ \t]?:((?:[^\n]|\n[ \t])*+)", re.IGNORECASE | re.MULTILINE)


def _addressees_of_returned(message: Message, rest: str, own: set[str]) -> list[str]:
    """Where a report names nobody, the returned mail's only addressee is meant."""
    texts = [rest, *(decode_text(part.content[:MAX_RETURNED_OCTETS], None)[0] for part in returned_parts(message))]
    for text in texts:
        field = _TO_FIELD.search(text)
        if field is not None:
            boxes = [str(box.addr) for box in parse_mailboxes(field[1])]
            boxes = [address for address in boxes if address.lower() not in own]
            if len(boxes) == 1:
                return boxes
    return []


def _said_of(section: str, addresses: list[str]) -> dict[str, str]:
    """What stands from an address's first mention to the next one's, and every later line with it."""
    if len(addresses) < 2:
        return {}
    lower = section.lower()
    wanted = {address.lower() for address in addresses}
    said: dict[str, list[str]] = {}
    current = ""
    for line, line_lower in zip(section.split("\n"), lower.split("\n"), strict=False):
        named = [hit[0].rstrip(".-") for hit in _ANY.finditer(line_lower)] if "@" in line_lower else []
        current = next((address for address in named if address in wanted), current)
        if current:
            said.setdefault(current, []).append(line)
    return {address: "\n".join(lines) for address, lines in said.items()}


def _judge(address: str, said: str, section: str, *, delayed: bool) -> RecipientReport:
    found = diagnose(said, None, boilerplate=section)
    if delayed:
        status_class = found.status_class if found.status else StatusClass.TRANSIENT
        return RecipientReport(address, Action.DELAYED, found.status, status_class, found.reason)
    return RecipientReport(address, Action.FAILED, found.status, found.status_class, found.reason)


def _is_delay(subject: str, section: str) -> bool:
    if _DELAY_WORDS.search(section) is None and "delay" not in subject.lower():
        return False
    return "delay" in subject.lower() or "warning" in subject.lower() or _GAVE_UP.search(section) is None


def _nobody(section: str, message: Message) -> RecipientReport:
    person = _judge("", section, section, delayed=_is_delay(message.subject, section))
    return person if section.strip() else RecipientReport("", Action.FAILED, None, StatusClass.PERMANENT, Reason.OTHER)
