"""Reports in forms of their own: passed on by a gateway, forwarded, with bare names, as a verdict, as a service's notice."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.mail.diagnosis import Reason, StatusClass
from postmuster.mail.kind import Classified, Kind, classify
from postmuster.mail.message import parse
from postmuster.mail.report import Action, RecipientReport, Report

DAEMON = "Mail Delivery Subsystem <MAILER-DAEMON@mx.home.example>"
OURS = "Message-ID: <b-12-1-3@agency.example>\nFrom: Agency <notice@agency.example>\nTo: finn@home.example\n\nAnswer YES.\n"
FIELDS = (
    "Reporting-MTA: dns; mx.home.example\n\nFinal-Recipient: rfc822; finn@home.example\nAction: failed\nStatus: 5.1.1\n"
    "Diagnostic-Code: smtp; 550 5.1.1 User unknown\n"
)
INNER = (
    f"Return-Path: <>\nFrom: {DAEMON}\nTo: b-12-abc@agency.example\nSubject: Returned mail\nMIME-Version: 1.0\n"
    "Content-Type: multipart/report; report-type=delivery-status; boundary=in\n\n--in\n\nnot delivered\n"
    f"--in\nContent-Type: message/delivery-status\n\n{FIELDS}\n--in\nContent-Type: message/rfc822\n\n{OURS}\n--in--\n"
)


def read(text: str, *, subject: str = "failure notice", sender: str = DAEMON, extra: str = "") -> Classified:
    head = f"From: {sender}\nTo: b-12-abc@agency.example\nSubject: {subject}\n{extra}"
    return classify(parse(f"{head}\n{text}".encode()))


def report_of(found: Classified) -> Report:
    assert found.report is not None
    return found.report


def only(found: Classified) -> RecipientReport:
    assert found.kind is Kind.BOUNCE
    (person,) = report_of(found).recipients
    return person


FINN = RecipientReport("finn@home.example", Action.FAILED, "5.1.1", StatusClass.PERMANENT, Reason.UNKNOWN_USER)


def test_a_report_that_a_gateway_passes_on_as_a_part_counts() -> None:
    body = (
        "--out\nContent-Type: text/plain\n\n----- The following addresses had permanent delivery errors -----\n\n"
        f"--out\nContent-Type: message/rfc822\n\n{INNER}\n--out--\n"
    )
    found = read(body, extra="MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=out\n")
    assert only(found) == FINN
    assert report_of(found).original_message_id == "b-12-1-3@agency.example"


def test_a_report_that_a_gateway_passes_on_as_text_counts() -> None:
    found = read(f"Your message could not be delivered. Ask <support@home.example>.\n\n-------\n{INNER}")
    assert only(found) == FINN
    assert report_of(found).original_message_id == "b-12-1-3@agency.example"


def test_a_report_that_names_its_own_recipient_is_not_read_further() -> None:
    text = f"<ada@home.example>: mailbox is full\n\n--- Original message follows.\n\n{INNER}"
    assert only(read(text)).address == "ada@home.example"


def test_a_report_that_a_person_forwards_names_whom_it_named() -> None:
    text = (
        "See below.\n\nBegin forwarded message:\n\n> From: Mail Delivery Subsystem <MAILER-DAEMON>\n"
        "> Subject: Returned mail: see transcript for details\n>\n> The original message was received yesterday\n>\n"
        ">    ----- The following addresses had permanent fatal errors -----\n> <finn@home.example>\n"
        ">     (reason: 550 5.1.1 <finn@home.example>... User unknown)\n>\n> Return-Path: <notice@agency.example>\n"
        "> Message-Id: <b-12-1-3@agency.example>\n> X-Spam-Status: no\n"
    )
    found = read(text, subject="Fwd: Returned mail: see transcript for details", sender="Ada <ada@home.example>")
    assert only(found) == FINN


def test_a_bare_name_in_a_servers_list_is_a_mailbox_of_its_own() -> None:
    text = (
        "Your mail to the following recipients could not be delivered, they refuse b@agency.example:\n\tfinn\n\tada\n"
    )
    found = read(text)
    assert [person.address for person in report_of(found).recipients] == ["finn@mx.home.example", "ada@mx.home.example"]
    assert found.kind is Kind.BOUNCE


def test_an_address_is_taken_before_a_bare_name() -> None:
    text = "Your mail to the following recipients could not be delivered:\n\tfinn\n\nfinn@home.example\n"
    assert only(read(text)).address == "finn@home.example"


VERDICT = "*********\nYour message could not be delivered to\nfinn@home.example\n*********\n"


def test_a_gateways_verdict_behind_the_subject_it_returns() -> None:
    found = read(VERDICT, subject="RE: A test : non remis (delivery failed)", sender="gateway-7@home.example")
    assert only(found).address == "finn@home.example"


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("RE: A test", VERDICT),
        ("RE: A test (delivery failed)", "YES. Mail to ada@home.example could not be delivered, by the way."),
        ("RE: A test (delivery failed)", "YES\nMail could not be delivered to\nada@home.example"),
        ("RE: A test (delivery failed)", "Was mail not delivered to\nada@home.example\nor could it not be delivered?"),
        ("RE: A test (failure)", ""),
    ],
)
def test_a_person_who_answers_such_a_subject_is_no_report(subject: str, text: str) -> None:
    assert read(text, subject=subject, sender="Finn <finn@home.example>").kind is Kind.REPLY


def test_a_mailbox_program_states_its_reason_in_the_words() -> None:
    body = (
        "--b\n\nYour message to <finn> was automatically rejected:\nNot enough disk space\n"
        f"--b\nContent-Type: message/delivery-status\n\n{FIELDS}\n--b--\n"
    )
    extra = "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n"
    assert only(read(body, extra=extra)).reason is Reason.MAILBOX_FULL


def test_a_senders_own_sorting_is_asked_where_the_words_say_nothing() -> None:
    fields = FIELDS.replace("5.1.1 User unknown", "no").replace("Status: 5.1.1", "Status: 5.0.0")
    extra = "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n"
    for category, reason in (("quota-issues", "mailbox_full"), ("bad-domain", "host"), ("other", "other")):
        sorted_fields = f"{fields}X-PowerMTA-BounceCategory: {category}\n"
        body = f"--b\n\nno\n--b\nContent-Type: message/delivery-status\n\n{sorted_fields}\n--b--\n"
        assert only(read(body, extra=extra)).reason.value == reason


@pytest.mark.parametrize(
    "subject",
    ["Nedoručitelné: A test", "Kézbesíthetetlen: A test", "Не удается доставить: A test", "Kan ikke leveres: A test",
     "No se puede entregar: A test", "未传递: A test", "배달되지 않음: A test"],
)  # fmt: skip
def test_subjects_of_reports_in_more_languages(subject: str) -> None:
    text = "The message could not be delivered.\n\n<finn@home.example>: 550 5.1.1 User unknown\n"
    assert only(read(text, subject=subject, sender="gateway-7@home.example")) == FINN


def test_a_failure_after_days_without_an_answer_is_one_of_time_and_a_delay_is_not() -> None:
    words = "\n\n  finn@home.example\n    connect to mx.home.example: Connection timed out\n"
    assert only(read(f"A message that you sent could not be delivered.{words}")).reason is Reason.EXPIRED
    delayed = read(f"A message that you sent has not yet been delivered.{words}", subject="Warning: message delayed")
    assert (only(delayed).action, only(delayed).reason) == (Action.DELAYED, Reason.NETWORK)


def test_a_report_about_a_thousand_recipients_is_read_at_once() -> None:
    """Measured: 83 ms."""
    people = "\n".join(f"<p{number}@home.example>: something went wrong" for number in range(1_000))
    start = time.process_time()
    found = read(f"Your message could not be delivered.\n\n{people}\n" + "of no use " * 300)
    assert time.process_time() - start < 0.6
    assert len(report_of(found).recipients) == 1_000


# ---- notices of a sending service


def notice(kind: str, *, key: str = "notificationType", envelope: bool = False, **parts: Any) -> bytes:
    mail = {"messageId": "0101-x", "commonHeaders": {"messageId": "<b-12-1-3@agency.example>"}}
    text = json.dumps({key: kind, "mail": mail, **parts})
    if envelope:
        text = json.dumps({"Type": "Notification", "Message": text})
    head = "From: topic <no-reply@service.example>\nTo: intake@agency.example\nSubject: AWS Notification Message\n"
    tail = "\n\n--\nIf you wish to stop receiving notifications from this topic, visit https://service.example/\n"
    return f"{head}x-amz-sns-message-id: 1-2\nContent-Type: text/plain\n\n{text}{tail}".encode()


BOUNCED = {
    "emailAddress": "finn@home.example",
    "action": "failed",
    "status": "5.1.1",
    "diagnosticCode": "smtp; 550 5.1.1 no such user",
}


@pytest.mark.parametrize("envelope", [False, True])
def test_a_bounce_in_a_notice(envelope: bool) -> None:
    bounce = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [BOUNCED]}
    found = classify(parse(notice("Bounce", envelope=envelope, bounce=bounce)))
    assert only(found) == FINN
    assert report_of(found).original_message_id == "b-12-1-3@agency.example"


@pytest.mark.parametrize(
    ("kind", "subtype", "class_", "reason"),
    [
        ("Permanent", "NoEmail", "permanent", "unknown_user"),
        ("Permanent", "OnAccountSuppressionList", "permanent", "disabled"),
        ("Transient", "MailboxFull", "transient", "mailbox_full"),
        ("Transient", "MessageTooLarge", "transient", "too_big"),
        ("Transient", "ContentRejected", "transient", "content"),
        ("Undetermined", "Undetermined", "permanent", "other"),
    ],
)
def test_a_bounce_without_a_status_has_the_class_and_the_reason_of_its_type(
    kind: str, subtype: str, class_: str, reason: str
) -> None:
    bounce = {
        "bounceType": kind,
        "bounceSubType": subtype,
        "bouncedRecipients": [{"emailAddress": "finn@home.example"}],
    }
    person = only(classify(parse(notice("Bounce", bounce=bounce))))
    assert (person.action, person.class_.value, person.reason.value) == (Action.FAILED, class_, reason)


def test_a_complaint_in_a_notice() -> None:
    complaint = {"complainedRecipients": [{"emailAddress": "finn@home.example"}], "complaintFeedbackType": "abuse"}
    found = classify(parse(notice("Complaint", key="eventType", complaint=complaint)))
    assert found.kind is Kind.COMPLAINT
    report = report_of(found)
    assert (report.feedback_type, report.original_message_id) == ("abuse", "b-12-1-3@agency.example")
    assert [person.address for person in report.recipients] == ["finn@home.example"]


def test_a_success_in_a_notice() -> None:
    delivery = {"recipients": ["finn@home.example"], "smtpResponse": "250 2.6.0 Message received"}
    person = only(classify(parse(notice("Delivery", delivery=delivery))))
    assert person == RecipientReport("finn@home.example", Action.DELIVERED, "2.6.0", StatusClass.NONE, Reason.OTHER)


def test_a_delay_in_a_notice() -> None:
    rows = [
        {"emailAddress": "finn@home.example", "status": "4.4.1", "diagnosticCode": "smtp; 421 connection timed out"}
    ]
    person = only(classify(parse(notice("DeliveryDelay", key="eventType", deliveryDelay={"delayedRecipients": rows}))))
    assert (person.action, person.class_, person.reason) == (Action.DELAYED, StatusClass.TRANSIENT, Reason.NETWORK)


def test_a_notice_whose_long_line_a_server_broke_is_read() -> None:
    raw = notice("Delivery", delivery={"recipients": ["finn@home.example"], "smtpResponse": "250 2.0.0 ok"})
    assert only(classify(parse(raw.replace(b"finn@ho", b"finn@ho!\n ")))).address == "finn@home.example"


def test_other_mail_of_a_topic_is_no_report() -> None:
    for text in (
        "hello",
        "{",
        "{}",
        "[" * 9_000,
        '{"notificationType": "Received"}',
        '{"notificationType": 7, "mail": []}',
    ):
        raw = b"From: a@service.example\nSubject: x\nx-amz-sns-message-id: 1\n\n" + text.encode()
        assert classify(parse(raw)).kind in (Kind.REPLY, Kind.AUTOMATIC)


JUNK = st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["bouncedRecipients", "emailAddress", "status", "recipients", "complainedRecipients", "messageId"]
            ),
            inner,
            max_size=3,
        )
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["Bounce", "Complaint", "Delivery", "DeliveryDelay", ""]), JUNK)
def test_no_notice_raises(kind: str, junk: Any) -> None:
    raw = notice(kind, bounce=junk, complaint=junk, delivery=junk, deliveryDelay=junk)
    assert classify(parse(raw)).kind in Kind
