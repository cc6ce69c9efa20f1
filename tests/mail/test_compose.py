"""What is composed is one clean message to one person: what was put in reads back, and no value leaves its place."""

import email
import email.policy
import html
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr, parsedate_to_datetime
from typing import Any

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.base.errors import Defect, Permanent
from postmuster.mail.address import AddrSpec, Mailbox, one_line, parse_mailboxes
from postmuster.mail.compose import CompiledMail, Copy, Wording, compile_mail
from postmuster.mail.dkim import SigningAlgorithm, load_signer, make_key, public_record, relaxed_body
from postmuster.mail.limits import MAX_PART_CHARS, MAX_PLACEHOLDERS, MAX_SUBJECT_CHARS, MAX_VALUE_CHARS
from postmuster.mail.placeholders import escaped, fill, names_in
from postmuster.mail.submission import has_only_whole_line_ends, stuff_dots

PEM = make_key(SigningAlgorithm.RSA_SHA256)
RECORD = public_record(PEM)
SIGNER = load_signer(PEM, domain="agency.example", selector="pm1")
AT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
FROM = Mailbox("Agency, Office of Examples", AddrSpec("notices", "agency.example"))
FINN = Mailbox("Finn Example", AddrSpec("finn", "bureau.example"))
REPLY_TO = Mailbox("", AddrSpec("reply+abc", "agency.example"))
WORDING = Wording(
    "Please answer until {deadline}",
    "Dear {name},\n\nplease answer.\n{component}\n",
    "<p>Dear {name},</p>\n<p>please answer.</p>\n<p>{component}</p>\n",
)
VALUES = {
    "name": "Finn Example",
    "component": "Agency / Bureau",
    "deadline": "Monday, 17:00",
    "notice_id": "n12",
    "check_code": "34679-CDFGH",
}
COPY = Copy(FINN, "<n12.r1.s7.abc@agency.example>", AT, REPLY_TO, VALUES)
AWKWARD = [
    "x",
    "two  spaces,   three, a tab\tand the end  \n \n  indented\n",
    "Grüße aus Köln, zażółć gęślą jaźń, 你好世界，请回复。 Привет мир 👩‍👩‍👧 " * 4,
    "a=b==c =3D =_ --=_ 100 % %s %(name)s %%",
    ".\n..\n.leading dot\nFrom here on\n>From\n",
    "word " * 400,
    "x" * 5_000,
    "ä" * 1_000,
    "one\r\ntwo\rthree\nfour",
    "no end {{name} }} {name}",
    "{name}{name}{component}\n{name}",
    "{name}\n",
    "",
    "\n\n\n",
]


def compiled(wording: Wording = WORDING, *, signed: bool = False, **other: Any) -> CompiledMail:
    given_: dict[str, Any] = {
        "header_from": FROM,
        "language": "en",
        "signer": SIGNER if signed else None,
        "boundary_seed": b"1",
    }
    return compile_mail(wording=wording, **(given_ | other))


def parsed(message: bytes) -> EmailMessage:
    read = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    return read


def content(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert isinstance(part, EmailMessage)
    text: str = part.get_content()
    return text.replace("\r\n", "\n")


def as_put_in(text: str) -> str:
    """Line ends are LF, one at the end."""
    return re.sub(r"\r\n?", "\n", text).rstrip("\n") + "\n"


def read_raw(message: bytes, name: str) -> str:
    found = re.search(rf"(?m)^{name}:((?:.*\r\n )*.*)\r$", message.decode())
    assert found is not None
    return found[1]


def assert_is_clean(message: bytes) -> None:
    assert has_only_whole_line_ends(message)
    assert b"\0" not in message
    header, _, body = message.partition(b"\r\n\r\n")
    assert max(map(len, header.split(b"\r\n"))) <= 998
    assert all(line.strip(b" ") for line in header.split(b"\r\n"))
    assert body.isascii()
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert not re.search(rb"(?m)^(\.|From )", body)
    names = [line.partition(b":")[0].lower() for line in header.split(b"\r\n") if not line.startswith(b" ")]
    assert len(names) == len(set(names))
    assert {b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type"} <= set(names)


def assert_signature_is_good(message: bytes) -> None:
    judge = dkim.DKIM(message, minkey=2_048)
    assert judge.verify(dnsfunc=lambda name, timeout=5: RECORD)


def test_the_fields_are_those_of_one_clean_message() -> None:
    message = compiled(signed=True, fields=(("List-Id", "<n12.agency.example>"),)).write(COPY)
    assert_is_clean(message)
    assert [name for name, _ in parsed(message).items()] == [
        "DKIM-Signature",
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Reply-To",
        "List-Id",
        "MIME-Version",
        "Content-Language",
        "Content-Type",
    ]
    read = parsed(message)
    assert read["From"].addresses[0].display_name == "Agency, Office of Examples"
    assert read["To"] == "Finn Example <finn@bureau.example>"
    assert read["Subject"] == "Please answer until Monday, 17:00"
    assert read["Message-ID"] == COPY.message_id
    assert read["Reply-To"] == "reply+abc@agency.example"
    assert read["Content-Language"] == "en"
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
    assert not any(part.defects for part in read.walk())


@pytest.mark.parametrize(
    "subject", ["=?utf-8?q?Eve?=", "word " * 70, "x" * 300, "Ä" * 300, "", "a" * 60 + " " + "b" * 60]
)
def test_an_awkward_subject_reads_back_from_lines_that_are_not_long(subject: str) -> None:
    message = compiled(replace(WORDING, subject=subject), signed=True).write(COPY)
    assert_is_clean(message)
    assert_signature_is_good(message)
    assert max(map(len, message.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 78
    assert parsed(message)["Subject"] == subject.strip()


def test_a_wording_without_html_is_a_plain_text() -> None:
    message = compiled(replace(WORDING, html=""), signed=True).write(COPY)
    assert_is_clean(message)
    assert_signature_is_good(message)
    read = parsed(message)
    assert read.get_content_type() == "text/plain"
    assert content(read, "plain") == "Dear Finn Example,\n\nplease answer.\nAgency / Bureau\n"


@pytest.mark.parametrize("part", AWKWARD, ids=range(len(AWKWARD)))
@pytest.mark.parametrize("is_multipart", [True, False])
def test_awkward_contents_read_back_and_are_signed_well(part: str, is_multipart: bool) -> None:
    name = ".From  <b>Ä</b> & =3D " + "x" * 80
    wording = Wording(one_line(part, 300), part, part if is_multipart else "")
    message = compiled(wording, signed=True).write(replace(COPY, values=VALUES | {"name": name}))
    assert_is_clean(message)
    assert_signature_is_good(message)
    read = parsed(message)
    values = VALUES | {"name": one_line(name, MAX_VALUE_CHARS)}
    assert content(read, "plain") == fill(as_put_in(part), values)
    if is_multipart and part:
        assert content(read, "html") == fill(as_put_in(part), values, html.escape)
    assert read["Subject"] == one_line(fill(wording.subject, values), 998)


@pytest.mark.parametrize("part", AWKWARD, ids=range(len(AWKWARD)))
def test_the_body_is_its_own_relaxed_form(part: str) -> None:
    body = compiled(Wording("x", part, part or "x")).write(COPY).partition(b"\r\n\r\n")[2]
    assert relaxed_body(body) == body


def test_a_relay_that_carries_lines_as_they_are_breaks_nothing() -> None:
    message = compiled(Wording("x", ".\n.{name}\n..\n", "<p>.</p>\n."), signed=True).write(COPY)
    carried = b"\r\n".join(line[line.startswith(b".") :] for line in stuff_dots(message).split(b"\r\n")[:-2])
    assert carried + b"\r\n" == message
    assert_signature_is_good(b"Received: from a by b; Mon, 6 May 2024 07:08:10 +0000\r\n" + carried + b"\r\n")


@pytest.mark.parametrize("signed", [True, False])
def test_a_batch_is_what_its_messages_are_one_by_one(signed: bool) -> None:
    mail = compiled(signed=signed)
    copies = [replace(COPY, message_id=f"<{number}@agency.example>") for number in range(3)]
    copies.append(replace(COPY, reply_to=None, fields=(("In-Reply-To", "<1@bureau.example>"),)))
    assert mail.write_all(copies) == [mail.write(copy) for copy in copies]
    assert mail.write_all([]) == []


def test_a_boundary_in_the_content_ends_no_part() -> None:
    boundary = parsed(compiled().write(COPY)).get_boundary()
    wording = Wording("x", f"--{boundary}--\n{{name}}\n", f"--{boundary}\n\nx\n")
    message = compiled(wording).write(replace(COPY, values=VALUES | {"name": f"--{boundary}--"}))
    read = parsed(message)
    assert len(list(read.iter_parts())) == 2
    assert content(read, "plain") == f"--{boundary}--\n--{boundary}--\n"


def test_another_revision_has_another_boundary() -> None:
    first, second = (parsed(compiled(boundary_seed=seed).write(COPY)).get_boundary() for seed in (b"1", b"2"))
    assert first != second


def test_the_date_is_in_utc_whatever_its_zone() -> None:
    at = datetime(2024, 12, 31, 23, 30, 1, tzinfo=timezone(timedelta(hours=-5)))
    message = compiled().write(replace(COPY, date=at))
    assert b"\r\nDate: Wed, 1 Jan 2025 04:30:01 +0000\r\n" in message
    assert parsedate_to_datetime(parsed(message)["Date"]) == at


def test_a_date_without_zone_is_a_defect() -> None:
    with pytest.raises(Defect):
        compiled().write(replace(COPY, date=AT.replace(tzinfo=None)))


@pytest.mark.parametrize(
    "display_name",
    [
        "Example, Finn",
        'Finn "the" Example\\',
        "J. R. Example (Bureau) <x@y.example>; a:b",
        "Žofie Nováková",
        "山田 太郎",
        "=?utf-8?q?Eve?=",
        "word " * 40,
        "x" * 250,
        "Ä" * 250,
        "a@b.example",
        "",
    ],
)
def test_a_display_name_comes_out_right(display_name: str) -> None:
    message = compiled(signed=True).write(replace(COPY, to=Mailbox(display_name, FINN.addr)))
    assert_is_clean(message)
    assert_signature_is_good(message)
    header = message.partition(b"\r\n\r\n")[0].decode("ascii")
    assert max(map(len, header.split("\r\n"))) <= 78
    written, address = parseaddr(read_raw(message, "To").replace("\r\n", ""))
    # The newer reader of `email` sets a space between two encoded words of a phrase, against RFC 2047 §6.2.
    assert (str(make_header(decode_header(written))), address) == (display_name.strip(), "finn@bureau.example")
    assert parse_mailboxes(read_raw(message, "To")) == (Mailbox(display_name.strip(), FINN.addr),)


def test_an_address_that_needs_smtputf8_stands_as_it_is() -> None:
    to = Mailbox("Žofie", AddrSpec("žofie", "bureau.example"))
    message = compiled(signed=True).write(replace(COPY, to=to))
    assert_is_clean(message)
    assert_signature_is_good(message)
    assert "\r\nTo: =?utf-8?b?xb1vZmll?= <žofie@bureau.example>\r\n".encode() in message


def test_quoted_local_parts_with_spaces_are_signed_well() -> None:
    message = compiled(signed=True).write(replace(COPY, to=Mailbox("Finn", AddrSpec("a  b ", "bureau.example"))))
    assert b'\r\nTo: Finn <"a  b "@bureau.example>\r\n' in message
    assert_signature_is_good(message)


def test_further_fields_of_a_copy_are_written_and_signed() -> None:
    identifiers = " ".join(f"<{number}.{'x' * 90}@bureau.example>" for number in range(5))
    fields = (("In-Reply-To", "<1@bureau.example>"), ("References", identifiers))
    message = compiled(signed=True).write(replace(COPY, fields=fields, reply_to=None))
    assert_is_clean(message)
    assert_signature_is_good(message)
    signature = parsed(message)["DKIM-Signature"]
    assert {"in-reply-to", "references"} <= set(re.split(r"[\s:=;]+", signature))
    assert parsed(message)["References"] == identifiers
    assert parsed(message)["Reply-To"] is None


@pytest.mark.parametrize(
    "name",
    ["From", "to", "BCC", "Subject", "DKIM-Signature", "Content-Type", "X:Y", "", "X\r\nBcc", "X Y", "List-Id", "Ä"],
)
def test_a_field_that_is_not_the_callers_is_a_defect(name: str) -> None:
    mail = compiled(fields=(("List-Id", "<n12.agency.example>"),))
    with pytest.raises(Defect):
        mail.write(replace(COPY, fields=((name, "x"),)))
    with pytest.raises(Defect):
        compiled(fields=(("List-Id", "<x.example>"), (name, "x")))


@pytest.mark.parametrize("value", ["", " ", "a\r\nBcc: eve@attacker.example", "ä"])
def test_a_fixed_field_that_cannot_stand_is_a_defect(value: str) -> None:
    with pytest.raises(Defect):
        compiled(fields=(("List-Id", value),))


@pytest.mark.parametrize("message_id", ["", "a@b", "<a@b>\r\nBcc: x", "<a b@c>", "<a@b", "<@b>", f"<{'x' * 250}@b>"])
def test_a_message_id_that_is_none_is_a_defect(message_id: str) -> None:
    with pytest.raises(Defect):
        compiled().write(replace(COPY, message_id=message_id))


def test_a_placeholder_without_a_value_is_a_defect() -> None:
    assert compiled().placeholders == {"name", "component", "deadline"}
    with pytest.raises(Defect):
        compiled().write(replace(COPY, values={"name": "Finn"}))


@pytest.mark.parametrize("language", ["", "english please", "en\r\nBcc: x", "e", "de_DE"])
def test_a_language_that_is_no_tag_is_a_defect(language: str) -> None:
    with pytest.raises(Defect):
        compiled(language=language)


@pytest.mark.parametrize(
    "wording",
    [
        Wording("x" * (MAX_SUBJECT_CHARS + 1), "", ""),
        Wording("x", "x" * (MAX_PART_CHARS + 1), ""),
        Wording("x", "x", "x" * (MAX_PART_CHARS + 1)),
        Wording("x", "{name}" * (MAX_PLACEHOLDERS + 1), ""),
    ],
    ids=["subject", "text", "html", "placeholders"],
)
def test_a_wording_beyond_the_limits_is_refused(wording: Wording) -> None:
    with pytest.raises(Permanent):
        compiled(wording)


def test_as_many_placeholders_as_the_limit_says_are_taken() -> None:
    assert compiled(Wording("x", "{name}" * MAX_PLACEHOLDERS, "")).placeholders == {"name"}


def test_a_value_is_cut() -> None:
    message = compiled(Wording("{name}", "{name}", "<i>{name}</i>")).write(replace(COPY, values={"name": "ä" * 1_000}))
    assert_is_clean(message)
    assert content(parsed(message), "plain") == "ä" * MAX_VALUE_CHARS + "\n"
    assert parsed(message)["Subject"] == "ä" * MAX_VALUE_CHARS


def test_controls_in_a_wording_are_left_out() -> None:
    message = compiled(Wording("a\0b\r\nc", "a\0b\x1bc\td\x7f", "<p>\x08</p>")).write(COPY)
    assert content(parsed(message), "plain") == "abc\td\n"
    assert content(parsed(message), "html") == "<p></p>\n"
    assert parsed(message)["Subject"] == "a b c"


hostile = st.text(
    alphabet=st.one_of(
        st.sampled_from(list("\r\n\t \0\x0b\x0c\x1c\x85\u2028\u2029\u202e\ud800=?_<>&\"'{}%.:;,@()\\-F")),
        st.characters(),
    ),
    max_size=120,
)


@given(
    values=st.fixed_dictionaries(dict.fromkeys(VALUES, hostile)),
    display_name=hostile,
    reply_name=hostile,
    further=hostile,
)
def test_no_value_leaves_its_place(values: Mapping[str, str], display_name: str, reply_name: str, further: str) -> None:
    wording = Wording(
        "About {component} for {name}: {deadline}",
        "Dear {name},\n{component} {{ {deadline}\n{notice_id}{check_code}",
        '<p title="{name}">{component}</p>{deadline}\n{notice_id}{check_code}',
    )
    copy = replace(
        COPY,
        to=Mailbox(display_name, FINN.addr),
        reply_to=Mailbox(reply_name, REPLY_TO.addr),
        values=values,
        fields=(("In-Reply-To", further),),
    )
    message = compiled(wording, signed=False).write(copy)
    assert_is_clean(message)
    read = parsed(message)
    expected = ["From", "To", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To"]
    assert [name for name, _ in read.items()] == [*expected, "MIME-Version", "Content-Language", "Content-Type"]
    assert message.isascii()
    clean = {name: one_line(value, MAX_VALUE_CHARS) for name, value in values.items()}
    assert content(read, "plain") == fill(wording.text, clean) + "\n"
    assert content(read, "html") == fill(wording.html, clean, html.escape) + "\n"
    assert str(make_header(decode_header(read_raw(message, "Subject").replace("\r\n", "")))).strip() == (
        one_line(fill(wording.subject, clean), 998)
    )
    (to,) = parse_mailboxes(read_raw(message, "To"))
    assert to == Mailbox(one_line(display_name, 256), FINN.addr)


@given(hostile)
def test_any_text_reads_back_and_is_signed_well(text: str) -> None:
    wording = Wording("x", escaped(text), escaped(text) or "x")
    message = compiled(wording, signed=True).write(COPY)
    assert_is_clean(message)
    assert_signature_is_good(message)
    clean = as_put_in(text.encode("utf-8", "replace").decode())
    clean = "".join(char for char in clean if char in "\n\t" or (char >= " " and char != "\x7f"))
    assert content(parsed(message), "plain") == as_put_in(clean)


@given(hostile)
def test_placeholders_are_those_of_the_wording(text: str) -> None:
    assert compiled(Wording("", text[:100], "")).placeholders == names_in(text[:100])


def test_no_repr_shows_a_person_or_a_key() -> None:
    assert not re.search("finn|bureau|reply", repr(COPY), re.IGNORECASE)
    assert "PRIVATE" not in repr(compiled(signed=True))
    assert "Dear" not in repr(compiled(signed=True))
