"""Each mail is one kind, an ordinary reply is a reply, and saying so costs next to nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.mail.kind import Kind, classify
from postmuster.mail.message import parse

REPLY = b"""Return-Path: <finn@home.example>
Received: from a.home.example by mx.agency.example with LMTP; Tue, 4 Mar 2025 12:00:00 +0000
Received: from b.home.example by a.home.example; Tue, 4 Mar 2025 12:00:00 +0000
Authentication-Results: mx.agency.example; dkim=pass header.d=home.example
DKIM-Signature: v=1; a=rsa-sha256; d=home.example; s=s1; h=from:to; bh=xx; b=yy
From: "Finn, Felix (Office of the Chief)" <finn.felix@home.example>
To: intake+abcdefghijklm@agency.example
Subject: RE: What did you do last week? Please answer until Monday night
Thread-Topic: What did you do last week?
Date: Tue, 4 Mar 2025 12:00:00 +0000
Message-ID: <1@home.example>
In-Reply-To: <b-12-1-3@agency.example>
References: <b-12-1-3@agency.example>
X-MS-Has-Attach: no
Accept-Language: en-US
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="b1"

--b1
Content-Type: text/plain; charset=utf-8

- I reviewed 40 applications.
- I wrote the report.

On Mon, 3 Mar 2025, Agency wrote:
> What did you do last week?
--b1
Content-Type: text/html; charset=utf-8

<html><body><ul><li>I reviewed 40 applications.</li></ul></body></html>
--b1--
"""


def mail(body: str, content_type: str = "text/plain", extra: str = "") -> bytes:
    head = f"From: finn@home.example\nSubject: Re: A test\nContent-Type: {content_type}\n{extra}\n"
    return (head + body).encode()


def kind(raw: bytes) -> Kind:
    return classify(parse(raw)).kind


def test_an_ordinary_reply_is_a_reply() -> None:
    found = classify(parse(REPLY))
    assert (found.kind, found.automatic, found.report) == (Kind.REPLY, None, None)


@pytest.mark.parametrize("raw", [b"", b"\x00\xff\x00", b"nothing of a mail"])
def test_what_is_no_mail_is_unreadable(raw: bytes) -> None:
    assert kind(raw) is Kind.UNREADABLE


def calendar(method: str, params: str = "") -> bytes:
    event = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\nEND:VCALENDAR"
    return mail(
        f"--b\n\nsee\n--b\nContent-Type: text/calendar{params}\n\n{event}\n--b--\n", "multipart/alternative; boundary=b"
    )


@pytest.mark.parametrize("method", ["REPLY", "COUNTER", "reply"])
def test_an_answer_of_a_calendar(method: str) -> None:
    assert kind(calendar(method)) is Kind.CALENDAR
    assert kind(calendar("X", f"; method={method}")) is Kind.CALENDAR


@pytest.mark.parametrize("method", ["REQUEST", "PUBLISH", "CANCEL"])
def test_an_invitation_may_hold_a_persons_words_and_stays_a_reply(method: str) -> None:
    assert kind(calendar(method)) is Kind.REPLY


def test_a_reaction_by_its_part() -> None:
    body = "--b\nContent-Type: text/plain\nContent-Disposition: reaction\n\n👍\n--b--\n"
    assert kind(mail(body, "multipart/mixed; boundary=b")) is Kind.REACTION
    body = '--b\n\nx\n--b\nContent-Type: text/vnd.google.email-reaction+json\n\n{"emoji":"👍","version":1}\n--b--\n'
    assert kind(mail(body, "multipart/alternative; boundary=b")) is Kind.REACTION


@pytest.mark.parametrize(
    "text",
    [
        "👍 Finn Person reacted to your message:\n\n> Please answer YES",
        "Finn Person reacted to your message",
        "❤️ Finn Person hat auf Ihre Nachricht reagiert:\n\nPlease answer",
        "👍 Finn a réagi à votre message :",
        "Liked “Please answer YES”",
        "👍 さんがリアクションしました",
    ],
)
def test_a_reaction_by_its_words(text: str) -> None:
    assert kind(mail(text, "text/plain; charset=utf-8")) is Kind.REACTION


@pytest.mark.parametrize(
    "text",
    [
        "YES 👍",
        "👍",
        "- reacted to three incidents within the hour and wrote the report about them for the chief\n- met the team",
        "I reacted to the new rule as the memo of last week asks for, with a long note to all of the staff members.",
        "YES\n\n> Finn reacted to your message",
    ],
)
def test_a_persons_words_about_reactions_stay_a_reply(text: str) -> None:
    assert kind(mail(text, "text/plain; charset=utf-8")) is Kind.REPLY


def test_an_absence_that_quotes_a_failure_is_an_absence() -> None:
    head = "From: postmaster@home.example\nSubject: Automatic reply: Undeliverable\nAuto-Submitted: auto-replied\n\n"
    found = classify(
        parse((head + "I am out of the office. Mail to ada@home.example could not be delivered.").encode())
    )
    assert found.kind is Kind.AUTOMATIC


@pytest.mark.parametrize(
    "declared", ["Content-Type: multipart/report; report-type=delivery-status; boundary=lost\n", ""]
)
def test_a_report_of_broken_form_is_one_whatever_its_words_remind_of(declared: str) -> None:
    head = "From: MAILER-DAEMON@mx.home.example\nSubject: Undelivered Mail Returned to Sender\n"
    fields = "Final-Recipient: rfc822; finn@home.example\nAction: failed\nStatus: 5.1.1\n"
    text = f"{head}Auto-Submitted: auto-replied\n{declared}\nI am out of the office. Not delivered.\n\n{fields}"
    found = classify(parse(text.encode()))
    assert found.kind is Kind.BOUNCE
    assert found.report is not None
    assert [person.address for person in found.report.recipients] == ["finn@home.example"]


def test_a_challenge_in_the_form_of_a_report_is_a_challenge() -> None:
    head = "From: noreply@guard.example\nSubject: Re: A test (Action Required)\n"
    head += "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
    text = "--b\n\nClick the link below to be added to my Guest List.\n--b\nContent-Type: message/delivery-status\n\n"
    fields = (
        "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; finn@home.example\nAction: failed\nStatus: 5.7.1\n--b--\n"
    )
    found = classify(parse((head + text + fields).encode()))
    assert found.kind is Kind.AUTOMATIC
    assert found.automatic is not None
    assert found.automatic.subkind.value == "challenge"


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_line_ends_change_nothing(ends: bytes) -> None:
    for raw in (REPLY, calendar("REPLY").replace(b"\r\n", b"\n")):
        assert kind(raw.replace(b"\n", ends)) is kind(raw)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=500))
def test_no_octets_raise(raw: bytes) -> None:
    assert kind(raw) in Kind
    assert kind(b"From: a@x.example\nSubject: " + raw) in Kind
