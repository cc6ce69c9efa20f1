"""The whole reading: any octets give a value, and the JSON has every field of the contract."""

from __future__ import annotations

import json
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.mail.kind import Kind, classify
from postmuster.mail.message import parse
from postmuster.reading.answer import AnswerType
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.reading import FileKind, as_json, read, read_message
from postmuster.reading.sent_mail import Sent, SentFault, sent_from_mail, sent_from_notice

RESIGN = Ask(AskType.ELECTION, ("Resign",))
YES = Ask(AskType.ACKNOWLEDGE)
FIELDS = {
    "kind", "automatic", "recipients", "text", "new_text", "signature", "elided", "language", "answer", "attachments", "links",
    "markings", "personal", "authentication", "subject", "message_id", "in_reply_to", "from", "date", "parts", "defects",
}  # fmt: skip


def mail(text: str, *, html: str | None = None, subject: str = "Re: An offer", **fields: str) -> bytes:
    message = EmailMessage()
    message["From"] = "Jane Doe <jane.doe@example.org>"
    message["To"] = "r-token@muster.example"
    message["Subject"] = subject
    message["Date"] = "Tue, 05 Mar 2024 10:00:00 +0000"
    message["Message-ID"] = "<1@example.org>"
    message["In-Reply-To"] = "<n1.r1.s2.x@muster.example>"
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message.as_bytes()


def test_a_reply_is_read_in_full() -> None:
    raw = mail(
        "Resign\n\nJane Doe\nAnalyst\n\nOn Tue, Mar 5, 2024 at 9:00 AM HR <hr@muster.example> wrote:\n> type Resign\n"
    )
    reading = read(raw, ask=RESIGN)
    shown = as_json(reading)
    assert set(shown) >= FIELDS
    assert shown["kind"] == "reply"
    assert shown["answer"]["type"] == "election"
    assert shown["answer"]["choice"] == "Resign"
    start, end = shown["answer"]["evidence"][0]
    assert shown["text"][start:end] == "Resign"
    assert shown["from"] == "Jane Doe <jane.doe@example.org>"
    assert shown["message_id"] == "1@example.org"
    assert shown["in_reply_to"] == "n1.r1.s2.x@muster.example"
    assert shown["parts"] == 1
    assert shown["authentication"]["grade"] == "C"
    assert json.loads(json.dumps(shown)) == shown


def test_the_author_of_the_mail_decides_whose_name_stands_below() -> None:
    assert read(mail("Resign\nJane Doe"), ask=RESIGN).answer.type is AnswerType.ELECTION
    assert read(mail("Resign\n\nJohn Smith\nDirector"), ask=RESIGN).answer.reasons == ("another_name",)


def test_a_choice_struck_out_in_the_html_part_goes_to_a_person() -> None:
    raw = mail("Resign", html="<p><s>Resign</s></p>")
    assert read(raw, ask=RESIGN).answer.reasons == ("struck_text",)


def test_an_automatic_mail_answers_nothing() -> None:
    raw = mail("Yes", subject="Automatic reply: An offer", Auto_Submitted="auto-replied")
    reading = read(raw, ask=YES)
    assert reading.classified.kind is Kind.AUTOMATIC
    assert reading.answer.type is AnswerType.NONE


def test_a_mail_that_was_parsed_before_is_not_parsed_again() -> None:
    raw = mail("Yes, thanks.\n\nJane")
    message = parse(raw)
    reading = read_message(message, classify(message), ask=YES, sent_text=None)
    assert reading.answer == read(raw, ask=YES).answer
    assert reading.message is message


def test_attachments_are_held_and_links_are_shown() -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "jane@example.org", "Re: A report"
    message.set_content("See https://pages.example/a. Bye.")
    message.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="brief_S-NF.pdf")
    shown = as_json(read(message.as_bytes()))
    assert shown["attachments"] == [
        {"name": "brief_S-NF.pdf", "media_type": "application/pdf", "size_octets": 8, "held": True}
    ]
    assert shown["links"] == [{"text": "https://pages.example/a", "target": "https://pages.example/a", "flag": None}]
    assert [(hit["tier"], hit["where"]) for hit in shown["markings"]] == [("B", "attachment")]


def test_a_text_and_an_html_file_are_bodies() -> None:
    text = read("\ufeffJa\r\n\r\n> alt".encode(), file_kind=FileKind.TEXT, ask=YES)
    assert (text.new.new_text, text.answer.type) == ("Ja", AnswerType.ACKNOWLEDGE)
    page = b'<p>Yes</p><blockquote>type YES</blockquote><a href="https://pages.example/">here</a>'
    html = read(page, file_kind=FileKind.HTML, ask=YES)
    assert html.links[0].target == "https://pages.example/"
    assert "Yes" in html.new.new_text


def test_what_we_sent_is_taken_from_our_mail_or_from_the_notice() -> None:
    ours = sent_from_mail(
        mail("Please type the word Resign in your reply.", html="<p>Please type</p>", subject="An offer")
    )
    assert isinstance(ours, Sent)
    assert ours.subject == "An offer"
    assert "type the word Resign" in ours.text
    notice = b'subject = "An offer"\n[ask]\ntype = "election"\nchoices = ["Resign"]\n'
    asked = sent_from_notice(notice, ["Please type the word Resign."])
    assert isinstance(asked, Sent)
    assert asked.ask == RESIGN
    assert read(mail("Resign"), sent=asked).answer.choice == "Resign"
    assert sent_from_notice(b"\xff\xfe") is SentFault.NOT_TOML
    assert sent_from_notice(b"subject = 1") is SentFault.BAD_ASK
    assert sent_from_mail(b"no mail at all") is SentFault.NOT_MAIL


def test_without_an_ask_there_is_no_answer() -> None:
    assert read(mail("Resign")).answer.type is AnswerType.NONE


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00" * 100,
        b"\xff\xfe\x00x",
        b"no mail at all\n",
        b"From: a\n" * 5,
        b"Content-Type: multipart/mixed\n\nx",
    ],
)
def test_octets_that_are_no_mail_are_an_object_too(raw: bytes) -> None:
    shown = as_json(read(raw, ask=YES))
    assert set(shown) >= FIELDS
    json.dumps(shown)


@given(st.binary(max_size=300), st.sampled_from(list(FileKind)))
def test_any_octets_give_a_reading_that_json_can_hold(raw: bytes, kind: FileKind) -> None:
    shown = as_json(
        read(b"From: x@example.org\nSubject: Yes\n\n" + raw if kind is FileKind.MAIL else raw, file_kind=kind, ask=YES)
    )
    json.dumps(shown, ensure_ascii=True)
    for span in shown["elided"]:
        assert 0 <= span["start"] < span["end"] <= len(shown["text"])
