"""Delivery status reports: what the mail systems of the organisation send when they regret, delay or confirm.

What for: a mailbox that took a mail may still bounce it an hour later, and every make of mail system says so in its own
way: Postfix, Exchange, Gmail. Success and delay reports come in the same dress.

Promises: pure; sent from the null address to the reverse-path of the mail that was received. Each parses as
multipart/report with a message/delivery-status part whose Action and Status are those of `Expected`.
Sources: RFC 3464 (fields), RFC 6522 (multipart/report), RFC 3463 (status codes), RFC 6533 (addresses in UTF-8).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, parseaddr
from html import escape

from postmuster.organisation.dice import Dice
from postmuster.organisation.encoding import encoded_words, mailbox
from postmuster.organisation.received import ReceivedMail
from postmuster.organisation.truth import Expected, Kind, Outcome

STYLES = ("postfix", "exchange", "gmail")
STYLE_OF_AGENCY = {
    "rivers.agency.example": "exchange",
    "brücken.agency.example": "postfix",
    "weather.agency.example": "gmail",
    "seeds.agency.example": "exchange",
    "records.agency.example": "gmail",
    "lights.agency.example": "postfix",
}
# status, what each style says
FAILURES = (
    ("5.1.1", {
        "postfix": '550 5.1.1 <{address}>: Recipient address rejected: User unknown in local recipient table',
        "exchange": "550 5.1.1 RESOLVER.ADR.RecipientNotFound; not found",
        "gmail": "550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's "
        "email address for typos or unnecessary spaces.",
    }),
    ("5.2.2", {
        "postfix": "552 5.2.2 <{address}>: user is over quota",
        "exchange": "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException; Failed to process message",
        "gmail": "552-5.2.2 The email account that you tried to reach is over quota and inactive.",
    }),
    ("5.7.1", {
        "postfix": "550 5.7.1 <{address}>: Recipient address rejected: Access denied by policy",
        "exchange": "550 5.7.1 RESOLVER.RST.AuthRequired; authentication required",
        "gmail": "550-5.7.1 This message was blocked because its content presents a potential security issue.",
    }),
    ("5.4.7", {
        "postfix": "550 5.4.7 delivery time expired",
        "exchange": "550 5.4.7 QUEUE.Expired; message expired",
        "gmail": "The recipient server did not accept our requests to connect.",
    }),
)  # fmt: skip
# what stands in Subject, what the text begins with
POSTFIX_SAYS = {
    "failed": (
        "Undelivered Mail Returned to Sender",
        "I'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients. "
        "It's attached below.",
    ),
    "delayed": (
        "Delayed Mail (still being retried)",
        "THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE.\n\n"
        "Your message could not be delivered for more than 4 hour(s).",
    ),
    "delivered": (
        "Successful Mail Delivery Report",
        "Your message was successfully delivered to the destination(s)\nlisted below.",
    ),
}
EXCHANGE_SAYS = {
    "failed": ("Undeliverable", "Your message couldn't be delivered to"),
    "delayed": ("Delivery delayed", "Delivery to this recipient has been delayed. It will be tried again:"),
    "delivered": ("Delivered", "Your message has been delivered to the following recipients:"),
}
GMAIL_SAYS = {
    "failed": (
        "Delivery Status Notification (Failure)",
        "** Message not delivered **\n\nYour message wasn't delivered to",
    ),
    "delayed": (
        "Delivery Status Notification (Delay)",
        "** Delivery incomplete **\n\nThere was a temporary problem delivering your message to",
    ),
    "delivered": ("Delivery Status Notification (Success)", "** Delivered **\n\nYour message was delivered to"),
}
DELAY_STATUS, SUCCESS_STATUS = "4.4.1", "2.0.0"


@dataclass(frozen=True, slots=True)
class Report:
    """A report to be written: about whom, to where, in which style. Addresses are as fields carry them."""

    style: str
    action: str
    address: str
    domain: str
    reverse_path: str
    mail: ReceivedMail
    at: datetime


def write_report(report: Report, dice: Dice) -> tuple[bytes, Expected]:
    """Write a report with CRLF line ends, and say what a right reading of it is."""
    status, diagnostic = _finding(report, dice)
    writer = {"postfix": _postfix, "exchange": _exchange, "gmail": _gmail}[report.style]
    octets = writer(report, status, diagnostic, dice).encode().replace(b"\n", b"\r\n")
    return octets, Expected(Kind.BOUNCE, Outcome.NOTED, action=report.action, status=status)


def _finding(report: Report, dice: Dice) -> tuple[str, str]:
    if report.action == "delayed":
        return DELAY_STATUS, f"connect to mailstore.{report.domain}[192.0.2.25]:24: Connection timed out"
    if report.action == "delivered":
        return SUCCESS_STATUS, "250 2.0.0 Message delivered to mailbox"
    status, says = dice.pick(FAILURES)
    return status, says[report.style].format(address=report.address)


def _head(report: Report, sender: str, subject: str, identifier: str, boundary: str, more: tuple[str, ...] = ()) -> str:
    return "\n".join([
        f"From: {sender}", f"To: {report.reverse_path}", f"Subject: {encoded_words(subject)}",
        f"Date: {format_datetime(report.at)}", f"Message-ID: <{identifier}>", *more, "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\n boundary="{boundary}"', "", "",
    ])  # fmt: skip


def _returned(report: Report) -> str:
    mail = report.mail
    fields = [
        f"From: {mailbox(mail.from_name, mail.from_address)}", f"To: {mailbox(*parseaddr(mail.to))}",
        f"Subject: {encoded_words(mail.subject)}", f"Date: {format_datetime(mail.date)}", f"Message-ID: {mail.message_id}",
    ]  # fmt: skip
    return "\n".join(fields)


def _status_part(report: Report, status: str, diagnostic: str, server: str, *, final: str) -> str:
    kind = "rfc822" if report.address.isascii() else "utf-8"
    lines = [f"Reporting-MTA: dns; {server}", f"Arrival-Date: {format_datetime(report.mail.date)}", ""]
    lines += [f"Final-Recipient: {kind}; {report.address}", f"Original-Recipient: {kind};{report.address}"]
    lines += [f"Action: {report.action}", f"Status: {status}", final.format(diagnostic=diagnostic)]
    if report.action == "delayed":
        lines.append(f"Will-Retry-Until: {format_datetime(report.at)}")
    kind = "delivery-status" if report.address.isascii() else "global-delivery-status"
    return f"Content-Type: message/{kind}\n\n" + "\n".join(lines) + "\n"


def _postfix(report: Report, status: str, diagnostic: str, dice: Dice) -> str:
    queue, server = dice.hexadecimal(11).upper(), f"mail.{report.domain}"
    boundary = f"{queue}.1764000000/{server}"
    subject, says = POSTFIX_SAYS[report.action]
    text = (
        f"This is the mail system at host {server}.\n\n{says}\n\n                   The mail system\n\n"
        f"<{report.address}>: {diagnostic if report.action != 'delivered' else 'delivery via local: delivered to mailbox'}\n"
    )
    part = _status_part(report, status, diagnostic, server, final="Diagnostic-Code: smtp; {diagnostic}")
    charset = "us-ascii" if text.isascii() else "utf-8"
    return (
        _head(
            report, f"MAILER-DAEMON@{report.domain} (Mail Delivery System)", subject,
            f"{dice.hexadecimal(14)}.{queue}@{server}", boundary, ("Auto-Submitted: auto-replied",),
        )
        + f"This is a MIME-encapsulated message.\n\n--{boundary}\nContent-Description: Notification\n"
        f"Content-Type: text/plain; charset={charset}\n\n{text}\n--{boundary}\nContent-Description: Delivery report\n{part}\n"
        f"--{boundary}\nContent-Description: Undelivered Message Headers\nContent-Type: text/rfc822-headers\n\n"
        f"{_returned(report)}\n\n--{boundary}--\n"
    )  # fmt: skip


def _exchange(report: Report, status: str, diagnostic: str, dice: Dice) -> str:
    server = f"{dice.hexadecimal(12).upper()}.{report.domain}"
    boundary = f"_{dice.hexadecimal(8)}-{dice.hexadecimal(12)}_{server}"
    prefix, says = EXCHANGE_SAYS[report.action]
    page = (
        f"<html><head><title>{prefix}</title></head><body><p><b>{escape(says)} {escape(report.address)}.</b></p>"
        f"<p>Diagnostic information for administrators:</p><p>Generating server: {server}</p>"
        f"<p>{escape(report.address)}<br>Remote Server returned '{escape(diagnostic)}'</p></body></html>"
    )
    text = (
        f"{says}\n\n{report.address}\n\nDiagnostic information for administrators:\n\n"
        f"Generating server: {server}\n\n{report.address}\n{diagnostic}\n"
    )
    inner = f"{boundary}-text"
    part = _status_part(report, status, diagnostic, server, final="Diagnostic-Code: smtp;{diagnostic}")
    sender = f"Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@{report.domain}>"
    return (
        _head(
            report, sender, f"{prefix}: {report.mail.subject}", f"{dice.hexadecimal(32)}@{server}", boundary,
            (f"In-Reply-To: {report.mail.message_id}", "X-MS-Exchange-Message-Is-Ndr:", "Auto-Submitted: auto-replied"),
        )
        + f'--{boundary}\nContent-Type: multipart/alternative;\n boundary="{inner}"\n\n'
        f"--{inner}\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n"
        f"--{inner}\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{page}\n--{inner}--\n\n"
        f"--{boundary}\n{part}\n--{boundary}\nContent-Type: message/rfc822\n\n{_returned(report)}\n\n--{boundary}--\n"
    )  # fmt: skip


def _gmail(report: Report, status: str, diagnostic: str, dice: Dice) -> str:
    boundary, inner = dice.hexadecimal(28), dice.hexadecimal(28)
    subject, says = GMAIL_SAYS[report.action]
    text = f"{says} {report.address}.\n\nThe response was:\n\n{diagnostic}\n"
    page = (
        f"<html><body><p>{escape(says)} <b>{escape(report.address)}</b>.</p>"
        f"<p>The response was:</p><pre>{escape(diagnostic)}</pre></body></html>"
    )
    part = _status_part(report, status, diagnostic, "googlemail.example", final="Diagnostic-Code: smtp; {diagnostic}")
    return (
        _head(
            report, f"Mail Delivery Subsystem <mailer-daemon@{report.domain}>", subject,
            f"{dice.hexadecimal(8)}.{dice.hexadecimal(12)}.GMR@mx.{report.domain}", boundary,
            (f"In-Reply-To: {report.mail.message_id}", f"X-Failed-Recipients: {report.address}", "Auto-Submitted: auto-replied")
            if report.action == "failed" else (f"In-Reply-To: {report.mail.message_id}", "Auto-Submitted: auto-replied"),
        )
        + f'--{boundary}\nContent-Type: multipart/alternative; boundary="{inner}"\n\n'
        f'--{inner}\nContent-Type: text/plain; charset="UTF-8"\nContent-Transfer-Encoding: 8bit\n\n{text}\n'
        f'--{inner}\nContent-Type: text/html; charset="UTF-8"\nContent-Transfer-Encoding: 8bit\n\n{page}\n--{inner}--\n\n'
        f"--{boundary}\n{part}\n--{boundary}\nContent-Type: message/rfc822\n\n{_returned(report)}\n\n--{boundary}--\n"
    )  # fmt: skip
