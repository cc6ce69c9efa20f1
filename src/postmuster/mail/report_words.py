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

from postmuster.mail.decoding import decode_words
from postmuster.mail.diagnosis import MAX_DIAGNOSTIC_CHARS, Reason, StatusClass, diagnose
from postmuster.mail.html_text import html_to_text
from postmuster.mail.message import Message, parse
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
    read_delivery_status,
    read_status_fields,
    returned_message_id,
    returned_parts,
    with_identifiers,
)
from postmuster.mail.report_people import addresses_in, find_people, said_of

MAX_REPORT_CHARS: Final = 64 * 1024  # the longest report above a returned mail in the corpora has under 8,000
MAX_EXPLAINED: Final = 20  # ours: recipients up to which the words around are asked for each; more would be slow
MAX_VERDICT_LINES: Final = 12  # ours: of a report that is nothing but its verdict
MAX_VERDICT_CHARS: Final = 80  # ours: at the end of a subject
MAX_INNER_HEADER_OCTETS: Final = 16 * 1024  # ours: of a returned mail, looked at for the form of a report

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
_VERDICT_AT_END: Final = re.compile(rf"\((?:{_LISTS['failure_subject']})[^()]*\)$", re.IGNORECASE)
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
    """Whether the subject speaks of mail that was not delivered and does not answer one that did.

    A server may put its verdict behind the subject that it returns: "RE: A test: not delivered (delivery failed)".
    """
    subject = message.subject
    if REPLY_PREFIX.match(subject) is not None:
        return subject.endswith(")") and _VERDICT_AT_END.search(subject[-MAX_VERDICT_CHARS:]) is not None
    lower = subject[:300].lower()
    return any(stem in lower for stem in _FAILURE_STEMS) and _FAILURE_SUBJECT.search(subject, 0, 300) is not None


_CUT: Final = re.compile(
    rf"^(?:(?!> ?\w)[-=_*|> \t]{{2,80}}+(?:{_LISTS['cut_after_rule']})|{_LISTS['cut_at_line']})",
    re.IGNORECASE | re.MULTILINE,
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
    answers = REPLY_PREFIX.match(message.subject) is not None
    if sent_back and not answers and not failed_field:
        inner = _passed_on(message, section, rest)
        if inner is not None:
            return inner
    people = _people(message, section, rest, by_server=server)
    shown = subject or bool(returned) or bool(people) or _MACHINE_WORDS.search(section) is not None
    if not (failed_field or (sent_back and shown and (speaks or subject)) or (subject and speaks)):
        return None
    if (answers or not sent_back) and not failed_field:  # a person may write of failure, too
        if answers and not server:
            by_program = _says_nothing_else(section)
        else:
            by_program = bool(returned) or _is_machine_made(message, section)
        if not people or not by_program:
            return None
    return with_identifiers(Report(ReportFormat.WORDS, people or (_nobody(section, message),)), returned)


def _says_nothing_else(section: str) -> bool:
    """Whether each line is an address, a rule, or one sentence that something failed: nobody writes so by hand."""
    lines = [line.strip("-=_*#|> \t") for line in section[:MAX_DIAGNOSTIC_CHARS].split("\n")]
    said = [line for line in lines if line and not ("@" in line and " " not in line)]
    return 0 < len(said) <= MAX_VERDICT_LINES and all(
        not ("@" in line or "?" in line or ". " in line) and _FAILURE_WORDS.search(line) for line in said
    )


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


def _people(message: Message, section: str, rest: str, *, by_server: bool) -> tuple[RecipientReport, ...]:
    listed = [
        read_address(piece)
        for value in message.all("x-failed-recipients")
        for piece in value.split(",")[:MAX_RECIPIENTS]
    ]
    found = [address for address in listed if address]
    if not found:
        found = find_people(message, section, rest, by_server=by_server)
    unique = list({address.lower(): address for address in reversed(found)}.values())[::-1][:MAX_RECIPIENTS]
    spans = said_of(section, unique)
    delayed = _is_delay(message.subject, section)
    around = section if len(unique) <= MAX_EXPLAINED else ""
    return tuple(_judge(address, spans.get(address.lower(), around), around, delayed=delayed) for address in unique)


def _passed_on(message: Message, section: str, rest: str) -> Report | None:
    """A report that a gateway passed on as its own: what it returns is a report itself, and we send none."""
    for content in (*(part.content for part in returned_parts(message)), rest.encode("utf-8", "replace")):
        if b"multipart/report" in content[:MAX_INNER_HEADER_OCTETS].lower() and not addresses_in(section):
            inner = read_delivery_status(parse(content[:MAX_RETURNED_OCTETS]))
            if inner is not None:
                return inner
    return None


def _judge(address: str, said: str, section: str, *, delayed: bool) -> RecipientReport:
    found = diagnose(said, None, boilerplate="" if said is section else section, gave_up=not delayed)
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
