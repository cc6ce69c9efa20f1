"""A mail is read once, whatever it is, in time that grows with its size and no faster."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.mail.header_block import MAX_SAME_NAME
from postmuster.mail.message import Limits, Wrapping, parse, read_date

HEAD = (
    b"From: Finn <finn@home.example>\nSubject: Re: a test\n"
    b"Message-ID: <1@home.example>\nDate: Tue, 4 Mar 2025 12:00:00 -0500\n"
)


def mail(body: bytes, content_type: bytes = b"text/plain; charset=utf-8", extra: bytes = b"") -> bytes:
    return HEAD + b"MIME-Version: 1.0\nContent-Type: " + content_type + b"\n" + extra + b"\n" + body


def multipart(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    body = b"".join(b"--b\n" + part + b"\n" for part in parts) + b"--b--\n"
    return mail(body, b"multipart/" + kind + b"; boundary=b")


def test_the_fields_of_an_ordinary_reply_are_read() -> None:
    found = parse(
        mail(b"YES\n", extra=b"In-Reply-To: <b-12@agency.example>\nReferences: <a@x.example>\n <b-12@agency.example>\n")
    )
    assert found.subject == "Re: a test"
    assert found.header_from == "Finn <finn@home.example>"
    assert found.message_id == "1@home.example"
    assert found.in_reply_to == ("b-12@agency.example",)
    assert found.references == ("a@x.example", "b-12@agency.example")
    assert found.date == datetime(2025, 3, 4, 17, 0, tzinfo=UTC)
    assert (found.text, found.text_source, found.unreadable, found.defects) == ("YES\n", "plain", False, ())


@pytest.mark.parametrize("name", ["crlf", "cr"])
def test_line_ends_of_any_kind_read_the_same(name: str) -> None:
    raw = multipart(
        b"Content-Type: text/plain\n\nYES\nand more\n", b"Content-Type: text/html\n\n<p>YES</p>", kind=b"alternative"
    )
    other = raw.replace(b"\n", b"\r\n" if name == "crlf" else b"\r")
    first, second = parse(raw), parse(other)
    assert (first.fields, first.text, first.html) == (second.fields, second.text, second.html)
    assert [part.media_type for part in first.parts] == [part.media_type for part in second.parts]


def test_the_plain_alternative_goes_before_the_html_one() -> None:
    found = parse(
        multipart(b"Content-Type: text/plain\n\nYES", b"Content-Type: text/html\n\n<p>no</p>", kind=b"alternative")
    )
    assert (found.text.strip(), found.html, found.text_source) == ("YES", "<p>no</p>", "plain")


def test_html_alone_is_read_as_text() -> None:
    found = parse(mail(b"<div>YES<br>of course</div>", b"text/html"))
    assert (found.text, found.text_source) == ("YES\nof course", "html")


def test_an_attached_text_is_no_part_of_the_mails_own() -> None:
    note = b'Content-Type: text/plain\nContent-Disposition: attachment; filename="no.txt"\n\nNO'
    found = parse(multipart(b"Content-Type: text/plain\n\nYES", note))
    assert "NO" not in found.text
    assert [part.filename for part in found.attachments] == ["no.txt"]


def test_the_first_part_of_a_report_is_its_text() -> None:
    found = parse(
        multipart(b"\nnot delivered", b"Content-Type: message/delivery-status\n\nAction: failed", kind=b"report")
    )
    assert found.text.strip() == "not delivered"


def test_the_top_most_field_of_a_name_counts_and_cannot_be_pushed_out() -> None:
    raw = b"From: first@home.example\n" + b"From: other@home.example\n" * (MAX_SAME_NAME * 2) + b"\nYES"
    found = parse(raw)
    assert found.header_from == "first@home.example"
    assert len(found.all("from")) == MAX_SAME_NAME


# ---- what is broken


def test_ten_thousand_nested_parts_are_cut_at_the_limit() -> None:
    levels = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(10_000))
    found = parse(HEAD + levels + b"\nYES\n")
    assert "parts nested too deeply" in found.defects
    assert max(part.depth for part in found.parts) <= Limits().depth


def test_ten_thousand_parts_side_by_side_are_cut_at_the_limit() -> None:
    found = parse(multipart(*[b"\nx"] * 10_000))
    assert "too many parts" in found.defects
    assert len(found.parts) == Limits().parts


def test_nul_octets_are_left_out_and_noted() -> None:
    found = parse(mail(b"Y\x00E\x00S") + b"\x00" * 1_000)
    assert (found.text, found.defects) == ("YES", ("NUL in text",))
    assert parse(b"Subject: a\x00b\nFrom: f@x.example\n\n").subject == "ab"


def test_a_line_of_two_megabytes_is_cut_at_the_limit() -> None:
    found = parse(mail(b"YES " * 500_000))
    assert len(found.text) == Limits().text_chars + len("\n…")
    assert "text longer than the limit" in found.defects


def test_a_mail_over_the_size_limit_is_read_up_to_it() -> None:
    found = parse(mail(b"YES\n" * 100), Limits(size_octets=len(mail(b"YES\n"))))
    assert (found.text, found.defects) == ("YES\n", ("longer than the size limit",))


def test_a_huge_header_is_cut_and_the_body_still_found() -> None:
    found = parse(b"X-Pad: " + b"a" * 300_000 + b"\n" + HEAD + b"\nYES")
    assert "header longer than the limit" in found.defects
    assert found.text == "YES"


@pytest.mark.parametrize(
    ("raw", "text", "defect"),
    [
        (mail(b"caf\xe9", b"text/plain; charset=utf-8"), "café", "octets do not fit the charset"),
        (mail("café".encode(), b"text/plain; charset=iso-8859-1"), "café", None),
        (mail(b"caf\xe9", b"text/plain; charset=us-ascii"), "café", None),
        (mail(b"caf\xe9", b"text/plain; charset=no-such"), "café", "charset unknown"),
        (mail(b"caf\xe9", b"text/plain"), "café", "charset missing"),
        (mail("はい".encode("iso-2022-jp"), b"text/plain; charset=iso-2022-jp"), "はい", None),
        (mail("ДА".encode("koi8-r"), b"text/plain; charset=koi8-r"), "ДА", None),
        (mail("是的".encode("gb18030"), b"text/plain; charset=gb2312"), "是的", None),
        (mail(b"\x93yes\x94", b"text/plain; charset=iso-8859-1"), "“yes”", None),
    ],
)
def test_a_charset_that_is_wrong_is_read_as_what_it_must_have_been(raw: bytes, text: str, defect: str | None) -> None:
    found = parse(raw)
    assert (found.text, found.defects) == (text, (defect,) if defect else ())


def test_a_multipart_without_its_boundary_is_read_as_text() -> None:
    found = parse(mail(b"--x\n\nYES\n--x--\n", b"multipart/mixed"))
    assert ("YES" in found.text, found.defects) == (True, ("multipart without parts",))


def test_a_multipart_without_its_end_keeps_its_last_part() -> None:
    found = parse(mail(b"--b\n\nYES\n--b\nContent-Type: text/html\n\n<p>more", b"multipart/mixed; boundary=b"))
    assert ("YES" in found.text, found.defects) == (True, ("multipart not closed",))


def test_a_boundary_that_begins_another_does_not_end_it() -> None:
    inner = b"Content-Type: multipart/alternative; boundary=bb\n\n--bb\n\nYES\n--bb--"
    assert parse(multipart(inner, b"\nmore")).text.split() == ["YES", "more"]


def test_junk_between_fields_is_left_out() -> None:
    found = parse(b"From: finn@home.example\nthis is no field\nSubject: x\n\nYES")
    assert (found.subject, found.text, found.defects) == ("x", "YES", ("header field malformed",))


def test_a_body_without_its_blank_line_is_a_body() -> None:
    found = parse(b"From: finn@home.example\nSubject: x\nYES, I do\nsecond line")
    assert found.text == "YES, I do\nsecond line"


def test_an_mbox_separator_is_no_field() -> None:
    found = parse(b"From finn@home.example Tue Mar  4 12:00:00 2025\n" + HEAD + b"\nYES")
    assert (found.subject, found.defects) == ("Re: a test", ())


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"no mail at all", b"\x00\xff" * 50, b"X-Thing: y\n\nz"])
def test_what_has_no_field_of_a_mail_is_unreadable(raw: bytes) -> None:
    assert parse(raw).unreadable


@pytest.mark.parametrize(
    ("content_type", "body", "wrapping"),
    [
        (b"application/pkcs7-mime; smime-type=enveloped-data", b"xx", Wrapping.SMIME_ENCRYPTED),
        (b"application/pkcs7-mime; smime-type=signed-data", b"xx", Wrapping.SMIME_SIGNED),
        (b"multipart/signed; protocol=application/pgp-signature; boundary=b", b"--b\n\nx\n--b--", Wrapping.PGP_SIGNED),
        (b"text/plain", b"-----BEGIN PGP MESSAGE-----\n", Wrapping.PGP_ENCRYPTED),
        (b"text/plain", b"YES", None),
    ],
)
def test_a_cryptographic_wrapper_is_named(content_type: bytes, body: bytes, wrapping: Wrapping | None) -> None:
    assert parse(mail(body, content_type)).wrapping is wrapping


@pytest.mark.parametrize(
    "value", ["", "yesterday", "Tue, 99 Mar 2025 12:00:00 +0000", "1 Jan 99999 00:00 +0000", "\x00" * 100]
)
def test_a_date_that_is_none_is_none(value: str) -> None:
    assert read_date(value) is None


def test_encoded_words_are_read_in_subject_and_file_names() -> None:
    subject = b"Subject: =?utf-8?q?caf=C3?= =?utf-8?q?=A9?=\n"
    found = parse(b"From: f@x.example\n" + subject + b"Content-Type: text/plain; name*=utf-8''caf%C3%A9.txt\n\nx")
    assert (found.subject, found.parts[0].filename) == ("café", "café.txt")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (b'"C:\\dir\\a b.txt"', "a b.txt"),
        (b'"../../etc/passwd"', "passwd"),
        (b'"/"', None),
        (b'"a\xe2\x80\xaetxt.exe"', "atxt.exe"),  # a mark that turns the direction of reading
        (b"utf-8''x", "utf-8''x"),
    ],
)
def test_a_file_name_is_its_last_part_and_can_be_seen(written: bytes, name: str | None) -> None:
    found = parse(mail(b"x", extra=b"Content-Disposition: attachment; filename=" + written + b"\n"))
    assert found.parts[0].filename == name


# ---- time

SHAPES = {
    "fields": (b"", b"X: y\n", b"\nx"),
    "junk": (b"From: a@x.example\n", b"junk\nX: y\n", b"\nx"),
    "folds": (b"From: a@x.example\nSubject: ", b"\n x", b"\n\nx"),
    "encoded words": (b"From: a@x.example\nSubject: ", b"=?utf-8?q?a", b"\n\nx"),
    "parameters": (HEAD + b"Content-Type: text/plain", b';a="\\"', b"\n\nx"),
    "parts": (HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n", b"--b\n\nx\n", b""),
    "same boundary": (HEAD, b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", b"\nx"),
    "near boundaries": (HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", b"\n--bb", b""),
    "base64": (HEAD + b"Content-Transfer-Encoding: base64\n\n", b"YQ==", b""),
    "flowed": (HEAD + b"Content-Type: text/plain; format=flowed\n\n", b"> > a \n", b""),
    "open tags": (HEAD + b"Content-Type: text/html\n\n", b"<blockquote>x", b""),
    "open comments": (HEAD + b"Content-Type: text/html\n\n", b"<!--", b""),
    "open quotes": (HEAD + b"Content-Type: text/html\n\n", b'<a href="', b""),
    "open raw": (HEAD + b"Content-Type: text/html\n\n", b"<style></styl", b""),
}


@pytest.mark.parametrize("name", SHAPES)
def test_time_grows_with_size_and_no_faster(name: str) -> None:
    head, piece, end = SHAPES[name]

    def seconds(size: int) -> float:
        raw = head + piece * (size // len(piece)) + end
        best = 9.0
        for _ in range(3):
            start = time.process_time()
            parse(raw)
            best = min(best, time.process_time() - start)
        return best

    small, large = seconds(25_000), seconds(200_000)  # eight times the size; quadratic would be 64 times the time
    assert large < max(small * 24, 0.05)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600))
def test_no_octets_raise(raw: bytes) -> None:
    found = parse(raw)
    assert found.text.isprintable() or "\x00" not in found.text


PIECES = st.sampled_from(
    [
        b"From: a@x.example\n",
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"Content-Type: text/html; charset=utf-7\n",
        b"Content-Type: text/plain; charset=zlib\n",
        b"Content-Type: multipart/digest; boundary=b\n",
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Disposition: attachment; filename*0*=utf-8''%ff\n",
        *(b"\n", b"--b\n", b"--b--\n", b"YQ==", b"=?utf-8?b?", b"\r", b"\x00", b" ", b"\xff", b"<p>", b"begin 644 x\n"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=25))
def test_no_order_of_the_pieces_of_mails_raises(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    found = parse(raw)
    assert found == parse(raw)
    assert len(found.parts) >= 1
