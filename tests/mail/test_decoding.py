"""Octets become the words they must have been, and never an exception."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.mail.decoding import (
    MAX_PARAMETERS,
    decode_base64,
    decode_text,
    decode_transfer,
    decode_uu,
    decode_words,
    read_parameters,
    unfold_flowed,
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?caf=C3=A9?=", "café"),
        ("=?UTF-8?B?Y2Fmw6k=?=", "café"),
        ("=?iso-8859-1?q?caf=E9?= and =?iso-8859-1?q?th=E9?=", "café and thé"),
        ("=?utf-8?b?Y2Fm?= =?utf-8?b?w6k=?=", "café"),  # white space between words is none
        ("=?utf-8?b?Y2Fmww==?= =?utf-8?b?qQ==?=", "café"),  # a character cut in two
        ("=?utf-8*en?q?yes?=", "yes"),  # RFC 2231 §5
        ("=?utf-8?q?a_b?=", "a b"),
        ("=?no-such?q?caf=E9?=", "café"),
        ("=?iso-2022-jp?b?GyRCJE8kJBsoQg==?=", "はい"),
        ("=?utf-8?q?really??=", "really?"),  # a question mark that should have been encoded
        ("=?utf-8?q?a?b?= =?utf-8?q?c?=", "a?bc"),
        ("=?utf-8?q?open =?utf-8?q?c?=", "=?utf-8?q?open c"),
        ("=?x-sjis?b?gs2CoA==?=", "はあ"),
        ("=?utf-8?q?open", "=?utf-8?q?open"),
        ("=?utf-8?x?what?=", "=?utf-8?x?what?="),
        ("=?utf-8?q?a=00=0D=0Ab?=", "a b"),
    ],
)
def test_encoded_words(written: str, read: str) -> None:
    assert decode_words(written) == read


@pytest.mark.parametrize(
    ("content", "octets", "defect"),
    [
        (b"WUVT", b"YES", None),
        (b"WUVT\nIG5vdw==\n", b"YES now", None),
        (b"WUV", b"YE", "base64 cut short"),
        (b"WUVTX", b"YES", "base64 cut short"),
        (b"WUVT=\nIG5vdw==", b"YES now", "base64 in several runs"),
        (b"", b"", None),
    ],
)
def test_base64(content: bytes, octets: bytes, defect: str | None) -> None:
    read, found = decode_base64(content)
    assert read == octets
    if defect is not None:
        assert found is not None


def test_nothing_hides_behind_a_pad() -> None:
    assert decode_base64(b"WUVT" + b"QQ==" + b"Tk8=")[0] == b"YESANO"


@pytest.mark.parametrize(
    ("encoding", "content", "octets", "defect"),
    [
        ("7bit", b"a=3D", b"a=3D", None),
        ("Quoted-Printable", b"a=3Db=\nc =\n", b"a=bc ", None),
        (" BASE64 ", b"WUVT", b"YES", None),
        ("base64; x", b"WUVT", b"YES", None),
        ("x-uuencode", b"begin 644 a\n#6453\n`\nend\n", b"YES", None),
        ("rot13", b"YES", b"YES", "transfer encoding unknown"),
        ("", b"YES", b"YES", None),
        (";", b"YES", b"YES", "transfer encoding unknown"),
    ],
)
def test_transfer_encodings(encoding: str, content: bytes, octets: bytes, defect: str | None) -> None:
    read, found = decode_transfer(content, encoding)
    assert (read, found) == (octets, defect)


def test_damaged_uuencode_is_noted() -> None:
    assert decode_uu(b"begin 644 x\n\xff\xff\nend\n")[1] == "uuencode damaged"


@pytest.mark.parametrize(
    ("value", "head", "params"),
    [
        ("text/plain", "text/plain", {}),
        ('Text/Plain; Charset="UTF-8"; format=flowed', "text/plain", {"charset": "UTF-8", "format": "flowed"}),
        ('a/b; name="a \\"b\\"; c"', "a/b", {"name": 'a "b"; c'}),
        ("a/b; filename*=utf-8'en'caf%C3%A9.txt", "a/b", {"filename": "café.txt"}),
        ("a/b; f*0*=iso-8859-1''caf; f*1*=%E9; f*2=.txt", "a/b", {"f": "café.txt"}),
        ("a/b; f*1=b; f*0=a", "a/b", {"f": "ab"}),
        ('a/b; name="=?utf-8?q?caf=C3=A9?="', "a/b", {"name": "café"}),
        ("text/plain; charset=us-ascii (Plain text)", "text/plain", {"charset": "us-ascii"}),
        ("a/b; name=Plan (new).txt", "a/b", {"name": "Plan (new).txt"}),
        ('a/b; name="C:\\dir\\a.txt"', "a/b", {"name": "C:\\dir\\a.txt"}),
        ("a/b; x=1; x=2", "a/b", {"x": "1"}),
        ("a/b;;; ; =x; y", "a/b", {}),
        ('a/b; x="open', "a/b", {"x": "open"}),
    ],
)
def test_parameters(value: str, head: str, params: dict[str, str]) -> None:
    assert read_parameters(value) == (head, params)


def test_parameters_end_at_the_limit() -> None:
    assert len(read_parameters("a/b" + "".join(f"; p{n}=x" for n in range(5_000)))[1]) == MAX_PARAMETERS


@pytest.mark.parametrize(
    "label", ["idna", "punycode", "unicode_escape", "base64", "rot13", "zlib", "x" * 100, "../../etc", "undefined"]
)
def test_a_codec_that_is_no_charset_is_not_used(label: str) -> None:
    text, defect = decode_text(b"caf\xe9", label)
    assert (text, defect) == ("café", "charset unknown")


@pytest.mark.parametrize("label", ["gb2312", "gbk", "big5", "shift_jis", "euc-kr", "ks_c_5601-1987", "euc-jp"])
def test_utf_8_under_an_east_asian_label_is_read_as_utf_8(label: str) -> None:
    assert decode_text("我不想辞职，谢谢".encode(), label) == ("我不想辞职，谢谢", None)


def letters(first: int, last: int, label: str) -> list[str]:
    """Return every seventh letter that a charset has."""
    return [chr(code) for code in range(first, last, 7) if chr(code).encode(label, "ignore")]


COMMON = {
    "gb18030": letters(0x4E00, 0x9FA5, "gb18030"),
    "cp949": letters(0xAC00, 0xD7A4, "cp949"),
    "shift_jis": letters(0x3041, 0x30F7, "shift_jis"),
    "big5": letters(0x4E00, 0x9FA5, "big5"),
}


@pytest.mark.parametrize("label", COMMON)
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_text_under_its_own_label_stays_what_it_is(label: str, data: st.DataObject) -> None:
    text = data.draw(st.text(st.sampled_from(COMMON[label]), min_size=1, max_size=40))
    assert decode_text(text.encode(label), label) == (text, None)


def test_a_mail_cut_within_a_character_stays_utf_8() -> None:
    text, defect = decode_text("ändern, größer, früher".encode() + b"\xc3", "utf-8")
    assert text.startswith("ändern, größer, früher")
    assert defect == "octets do not fit the charset"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("one \ntwo\nthree", "one two\nthree"),
        ("> one \n> two\nmine", "> one two\nmine"),
        ("> one \nmine", "> one \nmine"),
        ("YES\n-- \nFinn", "YES\n-- \nFinn"),
        (" stuffed", "stuffed"),
        (">> deep \n>> er", ">> deep er"),
    ],
)
def test_flowed_text(written: str, read: str) -> None:
    assert unfold_flowed(written, delete_space=False) == read


def test_flowed_text_of_scripts_without_spaces() -> None:
    assert unfold_flowed("は \nい", delete_space=True) == "はい"


LABELS = st.sampled_from(
    ["utf-8", "utf-7", "utf-16", "iso-2022-jp", "hz", "gb18030", "big5", "euc-kr", "koi8-r", "x", "", "utf-32"]
)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), LABELS)
def test_no_octets_raise_and_the_text_can_be_written(content: bytes, label: str) -> None:
    decode_text(content, label)[0].encode("utf-8")
    for encoding in ("base64", "quoted-printable", "x-uuencode", label):
        decode_transfer(content, encoding)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    decode_words(text)
    decode_words(f"=?{text}?b?{text}?=")
    read_parameters(text)
    read_parameters(f"a/b; {text}; f*0*={text}")
    unfold_flowed(text, delete_space=True)
