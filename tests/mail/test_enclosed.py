"""What is put into a mail without MIME or inside a wrapper comes out: uuencoded files, winmail.dat, S/MIME, OpenPGP."""

import binascii
import zlib
from collections.abc import Callable
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.mail.cms import CmsKind, read_cms
from postmuster.mail.message import Limits, Message, Wrapping, parse
from postmuster.mail.pgp import unwrap_signed
from postmuster.mail.tnef import MAX_PROPERTIES, TNEF_SIGNATURE, read_tnef
from postmuster.mail.uuencode import cut_encoded_files

HEAD = b"From: Finn <finn@home.example>\nSubject: Re: a test\nMIME-Version: 1.0\n"


def mail(body: bytes, content_type: bytes = b"text/plain; charset=utf-8", extra: bytes = b"") -> Message:
    return parse(HEAD + extra + b"Content-Type: " + content_type + b"\n\n" + body)


def shown(found: Message) -> list[tuple[str | None, str, int]]:
    return [(part.filename, part.media_type, part.size_octets) for part in found.attachments]


# ---- uuencoded files


def encoded(content: bytes, name: str = "a.txt") -> bytes:
    lines = (binascii.b2a_uu(content[at : at + 45], backtick=True) for at in range(0, len(content), 45))
    return b"begin 644 " + name.encode() + b"\n" + b"".join(lines) + b"`\nend\n"


def test_a_uuencoded_file_is_an_attachment_and_no_text() -> None:
    found = mail(b"YES\n\n" + encoded(b"x" * 1_000, "Report 7.doc") + b"\nFinn\n")
    assert shown(found) == [("Report 7.doc", "application/octet-stream", 1_000)]
    assert (found.text, found.defects) == ("YES\n\n\nFinn\n", ())
    assert [part.path for part in found.parts] == ["1", "1:1"]


def test_two_uuencoded_files_are_two() -> None:
    found = mail(encoded(b"one", "1.txt") + b"YES\n" + encoded(b"two!", "2.txt"))
    assert [(name, size) for name, _, size in shown(found)] == [("1.txt", 3), ("2.txt", 4)]
    assert found.text == "YES\n"


def test_a_file_in_the_newer_form_is_read_too() -> None:
    found = mail(b"begin-base64 644 b.bin\nWUVT\nWUVT\n====\nYES\n")
    assert [(name, size) for name, _, size in shown(found)] == [("b.bin", 6)]
    assert found.text == "YES\n"


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (b"", ""),
        (b"YES, I do\n", "YES, I do\n"),
        (b"Resign\nend\n", "Resign\nend\n"),
        (b"I RESIGN\n", "I RESIGN\n"),
    ],
)
def test_words_below_a_file_without_end_stay_words(ending: bytes, text: str) -> None:
    found = mail(b"begin 644 a\n" + binascii.b2a_uu(b"x" * 45) + ending)
    assert (found.text, found.defects) == (text, ("uuencode damaged",))
    assert [size for _, _, size in shown(found)] == [45]


def test_a_line_that_begins_like_a_file_is_text() -> None:
    text = "begin 644 things\nand then go on\nend\n"
    found = mail(text.encode())
    assert (found.text, found.attachments, found.defects) == (text, (), ())


def test_a_uuencoded_part_has_the_name_that_stands_in_it() -> None:
    found = parse(
        HEAD
        + b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: x-uuencode\n\n"
        + encoded(b"YES", "n.bin")
    )
    assert shown(found) == [("n.bin", "application/octet-stream", 3)]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=60))
def test_whatever_was_encoded_is_decoded(content: bytes, below: bytes) -> None:
    kept, files = cut_encoded_files(b"above\n" + encoded(content) + below.replace(b"begin", b""), 10)
    if content:
        assert files[0].content == content
        assert files[0].defect is None
    assert kept.startswith(b"above\n")


def test_more_files_than_there_may_be_are_not_kept() -> None:
    found = mail(encoded(b"x") * 1_000)
    assert len(found.parts) == Limits().parts
    assert "too many parts" in found.defects


# ---- winmail.dat


def attribute(name: int, value: bytes, level: int = 2) -> bytes:
    return pack("<BII", level, name, len(value)) + value + pack("<H", sum(value) & 0xFFFF)


def sized(kind: int, number: int, value: bytes) -> bytes:
    return pack("<HHII", kind, number, 1, len(value)) + value + b"\0" * (-len(value) % 4)


def properties(*values: bytes) -> bytes:
    return pack("<I", len(values)) + b"".join(values)


def wide(text: str) -> bytes:
    return (text + "\0").encode("utf-16-le")


def file(title: str, content: bytes, *values: bytes) -> bytes:
    return (
        attribute(0x00069002, b"\0" * 14)
        + attribute(0x00018010, title.encode("cp1252") + b"\0")
        + attribute(0x0006800F, content)
        + (attribute(0x00069005, properties(*values)) if values else b"")
    )


def container(*pieces: bytes) -> bytes:
    start = TNEF_SIGNATURE + b"\1\0" + attribute(0x00089006, pack("<I", 0x10000), 1)
    return start + attribute(0x00069007, pack("<II", 1252, 0), 1) + b"".join(pieces)


NAMED = (
    pack("<HH", 0x1E, 0x8001) + b"g" * 16 + pack("<II", 1, 10) + wide("name") + b"\0\0" + pack("<II", 1, 4) + b"abc\0"
)
BINARY = file("SHORT~1.DOC", b"d" * 500, NAMED, sized(0x1F, 0x3707, wide("Kündigung Müller.docx")))


def winmail(content: bytes, text: bytes = b"YES\n") -> Message:
    parts = b"--b\nContent-Type: text/plain\n\n" + text if text else b""
    encoded_container = binascii.b2a_base64(content)
    part = b"--b\nContent-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\n"
    return mail(parts + part + encoded_container + b"--b--\n", b"multipart/mixed; boundary=b")


def test_the_attachments_in_a_winmail_dat_are_named_with_their_long_names() -> None:
    found = winmail(container(BINARY, file("b.txt", b"1234", sized(0x1E, 0x370E, b"Text/Plain\0"))))
    assert shown(found) == [("Kündigung Müller.docx", "application/octet-stream", 500), ("b.txt", "text/plain", 4)]
    assert (found.text.strip(), found.defects) == ("YES", ())
    assert [part.path for part in found.parts] == ["1", "2:1", "2:2"]


def test_a_winmail_dat_gives_its_text_where_the_mail_has_no_other() -> None:
    message = attribute(0x00069003, properties(sized(0x1F, 0x1000, wide("YES\r\nFinn"))), 1)
    assert winmail(container(message), text=b"").text == "YES\nFinn"
    assert winmail(container(message), text=b"NO\n").text.strip() == "NO"


def test_an_html_body_in_a_winmail_dat_is_read() -> None:
    page = pack("<HHi", 3, 0x3FDE, 65001) + sized(0x102, 0x1013, "<p>schön</p>".encode())
    found = winmail(container(attribute(0x00069003, pack("<I", 2) + page, 1)), text=b"")
    assert (found.text, found.html) == ("schön", "<p>schön</p>")


def test_text_that_is_there_only_as_rtf_is_said_to_be_there() -> None:
    message = attribute(0x00069003, properties(sized(0x102, 0x1009, b"\x10\0\0\0\0\0\0\0LZFu")), 1)
    assert winmail(container(message), text=b"").defects == ("text only as RTF in winmail.dat, not read",)


def test_a_winmail_dat_that_ends_within_keeps_what_was_read_and_itself() -> None:
    whole = container(file("a.txt", b"1234"), file("b.txt", b"x" * 100))
    found = winmail(whole[:-60])
    assert [name for name, _, _ in shown(found)] == ["a.txt", "b.txt", "winmail.dat"]
    assert "winmail.dat damaged" in found.defects


@pytest.mark.parametrize(
    "hostile",
    [
        pack("<BII", 2, 0x0006800F, 0xFFFFFFFF) + b"x",
        attribute(0x00069003, pack("<I", 0xFFFFFFFF)),
        attribute(0x00069003, properties(pack("<HHI", 0x101F, 0x3707, 0xFFFFFFFF))),
        attribute(0x00069003, properties(pack("<HHI", 0x1003, 0x3707, 0xFFFFFFFF))),
        attribute(0x00069003, properties(pack("<HHII", 0x1F, 0x3707, 1, 0xFFFFFFFE) + b"ab")),
        attribute(0x00069003, properties(pack("<HH", 0x1F, 0x8000) + b"g" * 16 + pack("<II", 1, 0xFFFFFFFF))),
        attribute(0x00069003, properties(pack("<HH", 0x77, 0x1000))),
    ],
)
def test_a_length_that_leads_outside_is_damage(hostile: bytes) -> None:
    found = read_tnef(container(file("a.txt", b"1234"), hostile))
    assert found.files[0].name == "a.txt"
    assert found.defects
    assert sum(len(each.content) for each in found.files) < 100


@pytest.mark.parametrize(
    "bomb",
    [
        attribute(0x00069003, pack("<I", 10**6) + pack("<HH", 0, 1) * 10**6),
        attribute(0x00069003, properties(pack("<HHI", 0x1102, 0x3701, 10**6) + b"\0" * 4 * 10**6)),
        attribute(0x00069002, b"") * 100_000,
    ],
)
def test_more_than_a_container_may_hold_is_not_read(bomb: bytes) -> None:
    found = read_tnef(container(bomb))
    assert "winmail.dat longer than the limit" in found.defects
    assert len(found.files) <= MAX_PROPERTIES


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 900), st.binary(max_size=4))
def test_no_container_raises(tail: bytes, at: int, wrong: bytes) -> None:
    read_tnef(tail)
    read_tnef(TNEF_SIGNATURE + tail)
    whole = container(BINARY, attribute(0x00069003, properties(NAMED, sized(0x1F, 0x1000, wide("YES"))), 1))
    read_tnef(whole[:at] + wrong + whole[at + len(wrong) :])


# ---- S/MIME


def der(tag: int, *content: bytes) -> bytes:
    body = b"".join(content)
    if len(body) < 128:
        return bytes((tag, len(body))) + body
    width = (len(body).bit_length() + 7) // 8
    return bytes((tag, 0x80 | width)) + len(body).to_bytes(width, "big") + body


SIGNED, ENVELOPED, COMPRESSED = "2a864886f70d010702", "2a864886f70d010703", "2a864886f70d0109100109"


def wrapped(kind: str, content: bytes, string: Callable[[bytes], bytes] = lambda each: der(0x04, each)) -> bytes:
    within = der(0x30, der(0x06, bytes.fromhex("2a864886f70d010701")), der(0xA0, string(content)))
    data = der(0x30, der(0x02, b"\1"), der(0x31, der(0x30, der(0x06, b"\x60"))), within, der(0x31))
    return der(0x30, der(0x06, bytes.fromhex(kind)), der(0xA0, data))


def in_pieces(content: bytes) -> bytes:
    pieces = (der(0x04, content[at : at + 7]) for at in range(0, len(content), 7))
    return b"\x24\x80" + b"".join(pieces) + b"\0\0"


def smime(content: bytes, kind: bytes = b"signed-data") -> Message:
    return mail(
        binascii.b2a_base64(content),
        b"application/pkcs7-mime; name=smime.p7m; smime-type=" + kind,
        b"Content-Transfer-Encoding: base64\n",
    )


INNER = (
    b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nYES\r\n"
    b"--i\r\nContent-Type: image/png; name=a.png\r\n\r\nxx\r\n--i--\r\n"
)


@pytest.mark.parametrize("string", [lambda each: der(0x04, each), in_pieces], ids=["definite", "indefinite"])
def test_a_mail_signed_opaquely_is_read(string: Callable[[bytes], bytes]) -> None:
    found = smime(wrapped(SIGNED, INNER, string))
    assert (found.text.strip(), found.wrapping, found.defects) == ("YES", Wrapping.SMIME_SIGNED, ())
    assert [name for name, _, _ in shown(found)] == ["a.png"]


def test_the_text_inside_a_clear_signature_is_read() -> None:
    parts = b"--b\nContent-Type: text/plain\n\nYES\n--b\nContent-Type: application/pkcs7-signature; name=smime.p7s\n\nxx\n--b--\n"
    found = mail(parts, b'multipart/signed; protocol="application/pkcs7-signature"; boundary=b')
    assert (found.text.strip(), found.wrapping, found.defects) == ("YES", Wrapping.SMIME_SIGNED, ())
    assert [name for name, _, _ in shown(found)] == ["smime.p7s"]


def test_what_is_encrypted_with_smime_is_said_to_be() -> None:
    found = smime(wrapped(ENVELOPED, b"secret"), b"enveloped-data")
    assert (found.text, found.wrapping) == ("", Wrapping.SMIME_ENCRYPTED)
    assert found.defects == ("encrypted with S/MIME, not read",)
    assert found.parts[0].defects == found.defects


def test_what_is_encrypted_with_openpgp_is_said_to_be() -> None:
    parts = (
        b"--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b\nContent-Type: application/x\n\nxx\n--b--\n"
    )
    found = mail(parts, b'multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b')
    inline = mail(b"-----BEGIN PGP MESSAGE-----\n\nhQEM\n-----END PGP MESSAGE-----\n")
    assert found.defects == inline.defects == ("encrypted with OpenPGP, not read",)
    assert found.wrapping is inline.wrapping is Wrapping.PGP_ENCRYPTED


def test_a_compressed_mail_is_read_up_to_the_limit() -> None:
    found = smime(wrapped(COMPRESSED, zlib.compress(INNER)), b"compressed-data")
    assert (found.text.strip(), found.wrapping, found.defects) == ("YES", None, ())
    bomb = zlib.compress(b"Content-Type: text/plain\n\n" + b"YES " * 10_000_000)
    assert len(bomb) < 100_000
    burst = read_cms(wrapped(COMPRESSED, bomb), 5_000)
    assert (len(burst.content or b""), burst.defect) == (5_000, "decompressed text longer than the limit")


def test_wrappers_within_each_other_end_at_the_limit() -> None:
    octets = b"\n\nYES"
    for _ in range(60):
        octets = b"Content-Type: application/pkcs7-mime\n\n" + wrapped(SIGNED, octets)
    found = parse(HEAD + octets)
    assert "parts nested too deeply" in found.defects
    assert max(part.depth for part in found.parts) <= Limits().depth


def test_mails_wrapped_in_each_other_are_not_all_copied() -> None:
    octets = b"\n\n" + b"YES\n" * 1_000
    for _ in range(5):
        octets = b"Content-Type: application/pkcs7-mime\n\n" + wrapped(SIGNED, octets)
    assert parse(HEAD + octets, Limits(unwrapped_octets=30_000)).text.startswith("YES")
    found = parse(HEAD + octets, Limits(unwrapped_octets=10_000))
    assert (found.text, found.defects) == ("", ("wrapped mails longer than the limit",))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100), st.integers(0, 120), st.binary(max_size=3))
def test_no_structure_raises(octets: bytes, at: int, wrong: bytes) -> None:
    read_cms(octets, 1_000)
    for kind in (SIGNED, COMPRESSED):
        whole = wrapped(kind, zlib.compress(b"YES" * 20), in_pieces)
        found = read_cms(whole[:at] + wrong + whole[at + len(wrong) :], 1_000)
        assert len(found.content or b"") <= 1_000
        assert found.kind in CmsKind


# ---- OpenPGP in clear

CLEAR = """-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

YES
- -- 
Finn
-----BEGIN PGP SIGNATURE-----

iQEzBAEBCAAdFiEE
-----END PGP SIGNATURE-----
"""


def test_a_text_signed_in_clear_is_read_without_its_frame() -> None:
    found = mail(CLEAR.encode())
    assert (found.text, found.wrapping) == ("YES\n-- \nFinn\n", Wrapping.PGP_SIGNED)


def test_what_stands_around_a_frame_stays() -> None:
    assert unwrap_signed("above\n" + CLEAR + "below") == "above\nYES\n-- \nFinn\nbelow"


@pytest.mark.parametrize(
    "text", ["> " + CLEAR, CLEAR[:60], CLEAR.replace("\n\n", "\n"), "-----BEGIN PGP SIGNED MESSAGE-----", ""]
)
def test_what_is_no_whole_frame_is_left_as_it_is(text: str) -> None:
    assert unwrap_signed(text) == text


def test_without_a_label_a_text_is_read_as_the_header_was_written() -> None:
    subject = b"Subject: =?gb2312?B?" + binascii.b2a_base64("辞职".encode("gb2312")).strip() + b"?=\n"
    body = "我不辞职，谢谢。".encode("gb18030")
    found = parse(b"From: f@home.example\n" + subject + b"Content-Type: text/plain\n\n" + body)
    assert (found.text, found.defects) == ("我不辞职，谢谢。", ("charset missing",))
