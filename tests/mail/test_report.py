"""A report is read for whom it is about, what happened, and which mail of ours it means."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.mail.diagnosis import Reason, StatusClass, diagnose, status_in_words, status_of_field
from postmuster.mail.kind import Kind, classify
from postmuster.mail.message import parse
from postmuster.mail.report import Action, RecipientReport, Report, ReportFormat, read_address

OURS = b"""From: Agency <notice@agency.example>
To: finn@home.example
Subject: A test of the mail
Message-ID: <b-12-1-3@agency.example>
Date: Tue, 4 Mar 2025 12:00:00 +0000

Please answer YES.
"""


def dsn(
    fields: str, text: str = "not delivered", *, sender: str = "MAILER-DAEMON@mx.home.example", returned: bytes = OURS
) -> bytes:
    head = (
        f"Return-Path: <>\nFrom: {sender}\nTo: b-12-abc@agency.example\nSubject: Undelivered Mail Returned to Sender\n"
    )
    head += "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
    head += "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
    parts = f"--b\nContent-Type: text/plain\n\n{text}\n\n--b\nContent-Type: message/delivery-status\n\n{fields}\n\n"
    return (head + parts + "--b\nContent-Type: message/rfc822\n\n").encode() + returned + b"\n--b--\n"


def prose(
    text: str, *, sender: str = "MAILER-DAEMON@mx.home.example", subject: str = "failure notice", extra: str = ""
) -> bytes:
    return f"From: {sender}\nTo: b-12-abc@agency.example\nSubject: {subject}\n{extra}\n{text}".encode()


def bounce(raw: bytes) -> Report:
    found = classify(parse(raw))
    assert found.kind is Kind.BOUNCE
    assert found.report is not None
    return found.report


def only(raw: bytes) -> RecipientReport:
    (person,) = bounce(raw).recipients
    return person


POSTFIX = """Reporting-MTA: dns; mx.home.example
X-Postfix-Queue-ID: 4XyZ
Original-Envelope-Id: b-12-1-3
Arrival-Date: Tue,  4 Mar 2025 12:00:00 +0000

Final-Recipient: rfc822; finn@home.example
Original-Recipient: rfc822;finn@home.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; inner.home.example
Diagnostic-Code: smtp; 550 5.1.1 <finn@home.example>: Recipient address
    rejected: User unknown in virtual mailbox table"""


def test_a_report_of_postfix() -> None:
    report = bounce(dsn(POSTFIX))
    assert report.format is ReportFormat.DELIVERY_STATUS
    assert report.original_message_id == "b-12-1-3@agency.example"
    assert report.original_envelope_id == "b-12-1-3"
    assert report.recipients == (
        RecipientReport("finn@home.example", Action.FAILED, "5.1.1", StatusClass.PERMANENT, Reason.UNKNOWN_USER),
    )


def test_a_report_of_exchange() -> None:
    fields = (
        "Reporting-MTA: dns;EX1.home.example\nReceived-From-MTA: dns;EX2.home.example\n\n"
        "Final-Recipient: rfc822;finn@home.example\nAction: failed\nStatus: 5.2.2\n"
        "Diagnostic-Code: smtp;554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException\n"
        "X-Display-Name: Finn"
    )
    sender = "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@home.example>"
    assert only(dsn(fields, sender=sender)) == RecipientReport(
        "finn@home.example", Action.FAILED, "5.2.2", StatusClass.PERMANENT, Reason.MAILBOX_FULL
    )


def test_a_report_of_google() -> None:
    fields = (
        "Reporting-MTA: dns; mx.else.example\nArrival-Date: Tue, 04 Mar 2025 04:00:00 -0800 (PST)\n"
        "X-Original-Message-ID: <b-12-1-3@agency.example>\n\n"
        "Final-Recipient: rfc822; finn@home.example\nAction: failed\nStatus: 5.7.1\nRemote-MTA: dns; mx.home.example. "
        "(192.0.2.1)\n"
        "Diagnostic-Code: smtp; 550-5.7.1 [192.0.2.9] Our system has detected that this message is likely\n"
        " 550-5.7.1 unsolicited mail. To reduce the amount of spam sent to us, this\n 550 5.7.1 message has been "
        "blocked.\n"
    )
    person = only(dsn(fields, sender="Mail Delivery Subsystem <mailer-daemon@mx.else.example>"))
    assert (person.status, person.class_, person.reason) == ("5.7.1", StatusClass.PERMANENT, Reason.SPAM)


def test_a_delay_is_no_failure() -> None:
    person = only(
        dsn(
            "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; finn@home.example\nAction: delayed\nStatus: 4.4.1\n"
            "Will-Retry-Until: x"
        )
    )
    assert (person.action, person.class_) == (Action.DELAYED, StatusClass.TRANSIENT)


def test_a_success_is_a_report_of_class_none() -> None:
    for action in ("delivered", "relayed", "expanded"):
        person = only(
            dsn(f"Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; finn@home.example\nAction: {action}\nStatus: 2.0.0")
        )
        assert (person.action, person.class_, person.reason) == (Action(action), StatusClass.NONE, Reason.OTHER)


def test_a_failure_after_the_time_is_up_is_of_class_transient() -> None:
    person = only(
        dsn("Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; finn@home.example\nAction: failed\nStatus: 4.4.7")
    )
    assert (person.action, person.class_, person.reason) == (Action.FAILED, StatusClass.TRANSIENT, Reason.EXPIRED)


def test_each_recipient_has_its_own_outcome() -> None:
    fields = (
        "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@home.example\nAction: failed\nStatus: 5.1.1\n\n"
        "Final-Recipient: rfc822; b@home.example\nAction: delivered\nStatus: 2.1.5\n"
        "Final-Recipient: rfc822; c@home.example\nAction: delayed\nStatus: 4.2.2"  # no blank line before it
    )
    found = [(person.address, person.action.value, person.status) for person in bounce(dsn(fields)).recipients]
    assert found == [
        ("a@home.example", "failed", "5.1.1"),
        ("b@home.example", "delivered", "2.1.5"),
        ("c@home.example", "delayed", "4.2.2"),
    ]


def test_the_original_recipient_goes_before_where_it_was_forwarded() -> None:
    fields = (
        "Reporting-MTA: dns; x\n\n"
        "Original-Recipient: rfc822;finn@home.example\nFinal-Recipient: rfc822;new@else.example\nAction: failed"
    )
    assert only(dsn(fields)).address == "finn@home.example"


def test_a_vague_status_gives_way_to_a_precise_one_in_the_diagnostic() -> None:
    fields = (
        "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822;f@home.example\nAction: failed\n"
        "Status: 5.0.0\nDiagnostic-Code: smtp; 550 5.2.1 inactive"
    )
    person = only(dsn(fields))
    assert (person.status, person.reason) == ("5.2.1", Reason.DISABLED)


def test_a_returned_header_alone_names_our_mail() -> None:
    raw = dsn(POSTFIX).replace(b"Content-Type: message/rfc822", b"Content-Type: text/rfc822-headers")
    assert bounce(raw).original_message_id == "b-12-1-3@agency.example"


def test_an_internationalised_report() -> None:
    fields = "Reporting-MTA: dns; x\n\nFinal-Recipient: utf-8; b\\x{FC}cher@home.example\nAction: failed\nStatus: 5.6.7"
    raw = dsn(fields).replace(b"message/delivery-status", b"message/global-delivery-status")
    person = only(raw)
    assert (person.address, person.reason) == ("bücher@home.example", Reason.CONTENT)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("rfc822; finn@home.example", "finn@home.example"),
        ("RFC822;<Finn@Home.EXAMPLE>", "Finn@home.example"),
        ("rfc822; finn+2Btag@home.example", "finn+2Btag@home.example"),
        ("finn@home.example", "finn@home.example"),
        ("rfc822; Finn Person <finn@home.example>", "finn@home.example"),
        ("x400; /C=us/", ""),
        ("utf-8; \\x{D800}@home.example", "\ufffd@home.example"),
        ("", ""),
    ],
)
def test_addresses_of_reports(value: str, address: str) -> None:
    assert read_address(value) == address


# ---- prose


def test_a_report_of_qmail() -> None:
    raw = prose(
        "Hi. This is the qmail-send program at mx.home.example.\nI'm afraid I wasn't able to deliver your message to "
        "the following addresses.\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\n\n<finn@home.example>:\nSorry, no "
        "mailbox here by that name. (#5.1.1)\n\n"
        "<ada@home.example>:\nThe users mailfolder is over the allowed quota (size). (#5.2.2)\n\n--- Below this line "
        "is a copy of the message.\n\n" + OURS.decode()
    )
    report = bounce(raw)
    assert report.original_message_id == "b-12-1-3@agency.example"
    assert [(person.address, person.status, person.reason) for person in report.recipients] == [
        ("finn@home.example", "5.1.1", Reason.UNKNOWN_USER),
        ("ada@home.example", "5.2.2", Reason.MAILBOX_FULL),
    ]


def test_a_report_of_exim() -> None:
    raw = prose(
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be "
        "delivered to one or more of its\n"
        "recipients. This is a permanent error. The following address(es) failed:\n\n  finn@home.example\n    host "
        "mx.home.example [192.0.2.1]\n"
        "    SMTP error from remote mail server after RCPT TO:<finn@home.example>:\n    550 5.7.1 Relaying denied\n",
        sender="Mail Delivery System <Mailer-Daemon@mx.agency.example>",
        subject="Mail delivery failed: returning message to sender",
        extra="X-Failed-Recipients: finn@home.example\n",
    )
    assert only(raw) == RecipientReport(
        "finn@home.example", Action.FAILED, "5.7.1", StatusClass.PERMANENT, Reason.POLICY
    )


def test_a_warning_in_prose_is_a_delay() -> None:
    raw = prose(
        "A message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 "
        "hours.\n\n  finn@home.example\n"
        "    connection timed out\n\nNo action is required on your part. Delivery attempts will continue.\n",
        subject="Warning: message 1abc delayed 24 hours",
    )
    person = only(raw)
    assert (person.address, person.action, person.class_) == (
        "finn@home.example",
        Action.DELAYED,
        StatusClass.TRANSIENT,
    )


def test_fields_of_a_report_within_prose_are_read() -> None:
    raw = prose(
        "Technical report:\n\nReporting-MTA: dns; x\n\nAction: failed\nFinal-Recipient: rfc822; finn@home.example\n"
        "Status: 5.1.1\n"
    )
    assert only(raw).status == "5.1.1"


def test_a_report_that_names_nobody_is_still_one() -> None:
    person = only(prose("Your message could not be delivered.\nMailbox is full."))
    assert (person.address, person.reason) == ("", Reason.MAILBOX_FULL)


def test_the_returned_mails_addressee_is_meant_where_nobody_is_named() -> None:
    raw = prose("Your message could not be delivered.\n\n--- Original message follows.\n\n" + OURS.decode())
    assert only(raw).address == "finn@home.example"


def test_a_report_in_german_and_japanese() -> None:
    assert (
        only(prose("Ihre Nachricht an <finn@home.example> konnte nicht zugestellt werden: Postfach ist voll.")).reason
        is Reason.MAILBOX_FULL
    )
    assert (
        only(prose("次のあて先に配信できませんでした。\n\n<finn@home.example>\n\nUser unknown")).address
        == "finn@home.example"
    )


# ---- mails of people that look alike


@pytest.mark.parametrize(
    ("sender", "subject", "text"),
    [
        (
            "Finn <finn@home.example>",
            "Re: Undeliverable: A test",
            "My mail to ada@home.example could not be delivered. What now?",
        ),
        (
            "Finn <finn@home.example>",
            "Mail not delivered?",
            "I heard that mail to ada@home.example was not delivered. Can you check?",
        ),
        (
            "Finn <finn@home.example>",
            "A test",
            "YES\n\n> your message could not be delivered to the following recipient\n> <ada@home.example>: 550",
        ),
        ("System Administrator <admin@home.example>", "Re: A test", "YES. We refused nothing and bounced nothing."),
        (
            "Delivery Systems Group <group@home.example>",
            "Re: A test",
            "- fixed the delivery failure of last week\n- wrote the report",
        ),
    ],
)
def test_a_person_who_writes_of_failure_is_no_report(sender: str, subject: str, text: str) -> None:
    assert classify(parse(prose(text, sender=sender, subject=subject))).kind is Kind.REPLY


def test_a_forwarded_report_is_no_report() -> None:
    head = b"From: finn@home.example\nSubject: Fwd: Undelivered\nContent-Type: multipart/mixed; boundary=f\n\n"
    raw = head + b"--f\n\nYES, but see below\n--f\nContent-Type: message/rfc822\n\n" + dsn(POSTFIX) + b"\n--f--\n"
    assert classify(parse(raw)).kind is Kind.REPLY


# ---- complaints and dispositions


def arf(kind: str = "abuse") -> bytes:
    head = "From: feedback@isp.example\nTo: abuse@agency.example\nSubject: FW: A test\nMIME-Version: 1.0\n"
    head += "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nThis is an email abuse report\n\n"
    fields = f"Feedback-Type: {kind}\nUser-Agent: x/1\nVersion: 1\nOriginal-Rcpt-To: <finn@home.example>\n"
    return (
        f"{head}--b\nContent-Type: message/feedback-report\n\n{fields}\n--b\nContent-Type: message/rfc822\n\n".encode()
        + OURS
        + b"--b--\n"
    )


def test_a_complaint() -> None:
    found = classify(parse(arf("fraud")))
    assert found.kind is Kind.COMPLAINT
    assert found.report is not None
    assert (found.report.feedback_type, found.report.original_message_id) == ("fraud", "b-12-1-3@agency.example")
    assert [person.address for person in found.report.recipients] == ["finn@home.example"]


def mdn(disposition: str, text: str = "seen", subject: str = "Read: A test") -> bytes:
    head = f"From: finn@home.example\nSubject: {subject}\n"
    head += "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n"
    fields = (
        "Reporting-UA: x\nFinal-Recipient: rfc822; finn@home.example\nOriginal-Message-ID: <b-12-1-3@agency.example>\n"
    )
    notification = f"Content-Type: message/disposition-notification\n\n{fields}Disposition: {disposition}\n"
    return f"{head}--b\n\n{text}\n--b\n{notification}--b--\n".encode()


def test_a_disposition() -> None:
    found = classify(parse(mdn("manual-action/MDN-sent-manually; displayed")))
    assert found.kind is Kind.DISPOSITION
    assert found.report is not None
    assert (found.report.disposition, found.report.original_message_id) == ("displayed", "b-12-1-3@agency.example")


def test_a_refusal_by_a_filter_is_a_bounce_whatever_its_form() -> None:
    raw = mdn(
        "automatic-action/MDN-sent-automatically; deleted",
        "Your message was automatically rejected:\nQuota exceeded",
        "Rejected",
    )
    assert only(raw) == RecipientReport(
        "finn@home.example", Action.FAILED, None, StatusClass.PERMANENT, Reason.MAILBOX_FULL
    )


def test_deleted_unread_is_a_disposition() -> None:
    assert classify(parse(mdn("manual-action/MDN-sent-manually; deleted"))).kind is Kind.DISPOSITION


# ---- what servers' words mean


@pytest.mark.parametrize(
    ("words", "status", "class_", "reason"),
    [
        ("550 5.1.1 User unknown", "5.1.1", "permanent", "unknown_user"),
        ("550 No such user here", None, "permanent", "unknown_user"),
        ("452 4.2.2 Over quota", "4.2.2", "transient", "mailbox_full"),
        ("552 Message size exceeds fixed maximum message size", None, "permanent", "too_big"),
        ("554 5.7.1 Blocked - see http://www.spamhaus.org", "5.7.1", "permanent", "policy"),
        ("550 5.7.26 This mail is unauthenticated", "5.7.26", "permanent", "auth"),
        ("421 4.7.28 Our system has detected an unusual rate of mail", "4.7.28", "transient", "rate"),
        ("Host or domain name not found. Name service error for name=x.example", None, "permanent", "host"),
        ("connect to mx.home.example[192.0.2.1]:25: Connection timed out", None, "permanent", "network"),
        ("Message expired, retry timeout exceeded", None, "permanent", "expired"),
        ("451 Temporary local problem, try again later", None, "transient", "expired"),
        ("550 5.2.1 The email account that you tried to reach is disabled", "5.2.1", "permanent", "disabled"),
        ("550 5.1.6 recipient no longer on server", "5.1.6", "permanent", "moved"),
        ("554 5.6.0 Malformed message", "5.6.0", "permanent", "content"),
        ("571 Message looks like spam", None, "permanent", "spam"),
        ("", None, "permanent", "other"),
    ],
)
def test_words_of_servers(words: str, status: str | None, class_: str, reason: str) -> None:
    found = diagnose(words)
    assert (found.status, found.status_class.value, found.reason.value) == (status, class_, reason)


@pytest.mark.parametrize(
    "words", ["host 192.0.2.5 said no", "on 4.5.2025", "Exim 4.94", "5.1", "15.1.1", "see 5.1.1.2"]
)
def test_numbers_that_are_no_status(words: str) -> None:
    assert status_in_words(words) is None


def test_a_status_field_may_be_loose() -> None:
    assert status_of_field("5.1.1 (bad destination mailbox address)") == "5.1.1"
    assert status_of_field("unknown") is None


PIECES = st.sampled_from(
    [
        "From: mailer-daemon@x.example\n",
        "Subject: failure notice\n",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n",
        "Content-Type: message/delivery-status\n",
        "Content-Type: message/disposition-notification\n",
        "Content-Type: message/feedback-report\n",
        "Disposition: automatic-action; deleted\n",
        "X-Failed-Recipients: ",
        "could not be delivered ",
        "--- copy of the message\n",
        "utf-8; \\x{110000}",
        *(
            "\n",
            "--b\n",
            "--b--\n",
            "Final-Recipient: rfc822;",
            "a@b.example",
            "Action: ",
            "Status: 5",
            ".",
            "\x00",
            "To: ",
        ),
        *("<", ">", ":", ";", "550 ", "ä"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=30))
def test_no_order_of_the_pieces_of_reports_raises(pieces: list[str]) -> None:
    found = classify(parse("".join(pieces).encode()))
    assert found.kind in Kind
    for person in found.report.recipients if found.report else ():
        assert person.address.isprintable()
        assert not any(char in person.address for char in "\r\n")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300))
def test_no_words_raise(text: str) -> None:
    diagnose(text, boilerplate=text)
    read_address(text)
    classify(parse(prose(text)))
