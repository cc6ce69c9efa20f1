"""A signature counts for the whole mail or not at all, and two other programs agree on what holds.

dkimpy signs in every form and judges what comes out; our own signer's mails are judged in `test_dkim_judge`.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.mail.dkim import SigningAlgorithm, load_signer, make_key, public_record
from postmuster.mail.dkim_check import MAX_SIGNATURES, RESULTS, SignatureResult, Signatures, Trouble
from postmuster.mail.dkim_key import KeyFault, Keys, PublicKey, read_key
from postmuster.mail.signed_mail import SignedMail, level_spaces
from postmuster.mail.tag_list import MAX_TAGS, read_base64, read_tags, without_value

from .sealing import AT, NAMES, RECORD, Dns, keys_of, mail, signed

HOME = keys_of("home.example")
FORMS = [(header, body) for header in (b"simple", b"relaxed") for body in (b"simple", b"relaxed")]


def check(raw: bytes, dns: Dns | None = None) -> tuple[SignatureResult, ...]:
    signatures = Signatures(SignedMail(raw), Keys(dns or Dns(HOME)), AT)
    return signatures.verify("home.example", lambda domain: domain == "home.example")


def trouble(raw: bytes, dns: Dns | None = None) -> Trouble | None:
    (found,) = check(raw, dns)
    assert found.result is RESULTS[found.trouble]
    return found.trouble


def judged(raw: bytes) -> bool:
    try:
        return bool(dkim.DKIM(raw).verify(dnsfunc=lambda name, timeout=5: RECORD.encode()))
    except dkim.DKIMException:
        return False


SIGNED = signed(mail())
lines = st.text(st.sampled_from("ab \t.\r"), max_size=12).map(lambda text: text.replace("\r", ""))
bodies = st.lists(lines, max_size=8).map("\r\n".join)
subjects = st.lists(st.sampled_from(["a", "b", "\r\n c", "\r\n\td", "  ", "\t"]), max_size=6).map("".join)


@settings(max_examples=40, deadline=None)
@given(bodies, subjects, st.sampled_from(FORMS), st.booleans())
def test_what_another_program_signed_holds_in_every_form(
    body: str, subject: str, forms: tuple[bytes, bytes], measured: bool
) -> None:
    raw = signed(
        mail(body=body, extra=f"X-Odd: 1{subject}\r\n"),
        canonicalize=forms,
        length=measured,
        include_headers=[*NAMES, b"x-odd"],
    )
    assert trouble(raw) is None
    lf = raw.replace(b"\r\n", b"\n")
    assert trouble(lf) is None


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_no_change_passes_that_another_verifier_refuses(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(CHANGEABLE)))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found = check(bytes(raw))
    if any(each.trouble is None for each in found):
        assert judged(bytes(raw))


CHANGEABLE = [signed(mail(body="YES \t I  do\r\n\r\n"), canonicalize=forms) for forms in FORMS]


# ---- what a signature has to cover


def changed(raw: bytes, old: bytes, new: bytes) -> bytes:
    assert old in raw
    return raw.replace(old, new, 1)


def test_a_signature_that_leaves_out_the_end_of_the_body_does_not_count() -> None:
    raw = signed(mail(), length=True)
    assert trouble(raw) is None
    assert judged(raw + b"I resign.\r\n")
    assert trouble(raw + b"I resign.\r\n") is Trouble.PARTIAL


def test_a_length_beyond_the_body_is_no_length() -> None:
    assert trouble(changed(signed(mail(), length=True), b"l=5;", b"l=6;")) is Trouble.MALFORMED


@pytest.mark.parametrize(
    "field", [b"Subject: I resign\r\n", b"Content-Type: text/html\r\n", b"Date: now\r\n", b"From: eve@eve.example\r\n"]
)
def test_a_field_that_was_put_on_top_of_a_signed_one_is_seen(field: bytes) -> None:
    names = [*NAMES, b"content-type"]
    raw = signed(b"Content-Type: text/plain\r\n" + mail(), include_headers=names)
    assert trouble(raw) is None
    assert judged(field + raw) or field.startswith(b"From")
    assert trouble(field + raw) is Trouble.FIELD_ADDED


def test_a_field_that_was_signed_once_more_than_it_is_there_cannot_be_added() -> None:
    raw = signed(mail(), include_headers=[*NAMES, b"subject", b"reply-to", b"cc"])
    assert trouble(raw) is None
    assert trouble(b"Reply-To: eve@eve.example\r\n" + raw) is Trouble.FAILED
    assert trouble(b"Cc: eve@eve.example\r\n" + raw) is Trouble.FAILED


def test_from_must_be_signed_and_there() -> None:
    raw = changed(SIGNED, b"from : to", b"x-a : to")
    assert trouble(raw) is Trouble.FROM_UNSIGNED
    assert trouble(changed(SIGNED, b"From: Finn", b"Fron: Finn")) is Trouble.FROM_UNSIGNED


def test_what_was_changed_is_told_apart() -> None:
    assert trouble(changed(SIGNED, b"YES", b"NO!")) is Trouble.BODY_CHANGED
    assert trouble(changed(SIGNED, b"Re: a test", b"Re: a rest")) is Trouble.FAILED


def test_a_signature_has_one_spelling() -> None:
    head, _, rest = SIGNED.partition(b"b=")
    while not rest.startswith((b"b=", b" ", b"\r")) and b"b=" in rest.partition(b"\r\nFrom")[0]:
        more, _, rest = rest.partition(b"b=")
        head += b"b=" + more
    value, end, tail = rest.partition(b"\r\nFrom")
    assert value.endswith(b"==")
    letter = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = letter[letter.index(value[-3]) + 1 :][:1] or b"+"
    respelled = head + b"b=" + value[:-3] + other + b"==" + end + tail
    assert judged(respelled)
    assert trouble(respelled) is Trouble.MALFORMED


# ---- the field


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (b"v=1;", b"v=2;", Trouble.MALFORMED),
        (b"v=1;", b"v=1; v=1;", Trouble.MALFORMED),
        (b"v=1;", b"", Trouble.MALFORMED),
        (b"v=1;", b"v=1;;", Trouble.MALFORMED),
        (b"v=1;", b"v=1; " + b";".join(b"x%d=1" % n for n in range(MAX_TAGS)) + b";", Trouble.MALFORMED),
        (b"v=1;", b"v=1; z=" + b"x" * 9_000 + b";", Trouble.TOO_LONG),
        (b"a=rsa-sha256", b"a=rsa-sha1", Trouble.WEAK),
        (b"a=rsa-sha256", b"a=rsa-md5", Trouble.MALFORMED),
        (b"a=rsa-sha256", b"a=ed25519-sha256", Trouble.BAD_KEY),
        (b"s=s1;", b"s=s1 s2;", Trouble.MALFORMED),
        (b"d=home.example", b"d=ho\xc3\xb6me.example", Trouble.MALFORMED),
        (b"d=home.example", b"d=", Trouble.MALFORMED),
        (b"s=s1;", b"s=s1; i=@eve.example;", Trouble.MALFORMED),
        (b"s=s1;", b"s=s1; i=finn@xhome.example;", Trouble.MALFORMED),
        (b"s=s1;", b"s=s1; q=dns/rr;", Trouble.MALFORMED),
        (b"s=s1;", b"s=s1; l=-1;", Trouble.MALFORMED),
        (b"s=s1;", b"s=s1; x=tomorrow;", Trouble.MALFORMED),
        (b"s=s1;", b"s=s1; t=9; x=8;", Trouble.MALFORMED),
        (b"s=s1;", b"s=s1; x=1741089599;", Trouble.EXPIRED),
        (b"s=s1;", b"s=s1; x=1741089600;", Trouble.FAILED),
        (b"h=from", b"h=" + b"x:" * 600 + b"from", Trouble.TOO_LONG),
    ],
)
def test_a_field_that_says_something_impossible_does_not_count(old: bytes, new: bytes, wanted: Trouble) -> None:
    raw = changed(changed(SIGNED, b" t=", b" y="), old, new)
    assert trouble(raw) is wanted


def test_an_identity_below_the_domain_is_fine_unless_the_key_says_exactly() -> None:
    raw = signed(mail(), identity=b"finn@mail.home.example")
    assert trouble(raw) is None
    exact = Dns({"s1._domainkey.home.example": RECORD.replace("k=rsa;", "k=rsa; t=s;")})
    assert trouble(raw, exact) is Trouble.BAD_KEY
    assert trouble(SIGNED, exact) is None


def test_a_key_is_asked_for_once_and_few_signatures_are_verified() -> None:
    dns = Dns(HOME)
    head = SIGNED.partition(b"\r\nFrom:")[0] + b"\r\n"
    broken = head.replace(b"s=s1;", b"s=s2;")
    check(broken * 60 + mail(), dns)
    assert dns.asked == ["s2._domainkey.home.example"]
    assert len(check(broken * 60 + mail())) == MAX_SIGNATURES


def test_of_two_signatures_the_one_that_stands_for_the_author_ends_the_search() -> None:
    both = signed(SIGNED, domain="eve.example")
    assert [found.domain for found in check(both)] == ["home.example"]
    assert [found.domain for found in check(signed(mail(), domain="eve.example"), Dns(keys_of("eve.example")))] == [
        "eve.example"
    ]


@pytest.mark.parametrize(
    "raw",
    [
        changed(SIGNED, b"From: Finn", b"no field at all\r\nFrom: Finn"),
        b"\r\n" + SIGNED,
        b"X: y\r\n" * 3_000 + SIGNED,
        changed(SIGNED, b"From: Finn", b"X: " + b"x" * 300_000 + b"\r\nFrom: Finn"),
        b"",
        b"DKIM-Signature",
        b"DKIM-Signature:",
    ],
)
def test_a_header_that_is_no_header_has_nothing_signed_in_it(raw: bytes) -> None:
    assert all(found.trouble is not None for found in check(raw))


def test_an_mbox_separator_is_no_field() -> None:
    assert trouble(b"From finn Tue Mar  4 12:00:00 2025\r\n" + SIGNED) is None


# ---- keys


def rsa_record(bits: int, exponent: int = 65_537) -> str:
    public = rsa.generate_private_key(exponent, bits).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; p={base64.b64encode(der).decode()}"


def bare_record() -> str:
    public = serialization.load_der_public_key(base64.b64decode(RECORD.partition("p=")[2]))
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    return f"p={base64.b64encode(der).decode()}"


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        f"{RECORD}\n",
        f"spf\n{RECORD}",
        RECORD.replace("v=DKIM1; ", ""),
        f"{RECORD}; s=email; h=sha1:sha256",
        bare_record(),
    ],
)
def test_a_key_can_be_written_in_several_ways(record: str) -> None:
    assert isinstance(read_key(record), PublicKey)
    assert trouble(SIGNED, Dns({"s1._domainkey.home.example": record})) is None


def ec_record() -> str:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; p={base64.b64encode(der).decode()}"


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ("", KeyFault.MISSING),
        ("v=spf1 -all", KeyFault.MISSING),
        ("v=DKIM1; p=", KeyFault.REVOKED),
        ("v=DKIM1; k=rsa; p=AAAA", KeyFault.UNUSABLE),
        ("v=DKIM1; k=ed25519; p=YWJj", KeyFault.UNUSABLE),
        ("v=DKIM1; k=dsa; p=AAAA", KeyFault.UNUSABLE),
        ("p=AAAA; v=DKIM1", KeyFault.UNUSABLE),
        (RECORD.replace("DKIM1", "DKIM2"), KeyFault.UNUSABLE),
        (f"{RECORD}; s=tlsrpt", KeyFault.UNUSABLE),
        (f"{RECORD}; h=sha1", KeyFault.UNUSABLE),
        (f"{RECORD}; p=again", KeyFault.UNUSABLE),
        (f"{RECORD}; n={'x' * 3_000}", KeyFault.UNUSABLE),
        (f"{RECORD}; n=\u00e4", KeyFault.UNUSABLE),
        (ec_record(), KeyFault.UNUSABLE),
    ],
)
def test_what_is_no_key_to_trust_is_none(record: str, fault: KeyFault) -> None:
    assert read_key(record) is fault
    assert trouble(SIGNED, Dns({"s1._domainkey.home.example": record})) is Trouble(fault.value)


def test_a_key_of_1024_bits_is_the_shortest() -> None:
    assert isinstance(read_key(rsa_record(1_024)), PublicKey)
    short = (
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANmBe10IgY+u7h3enWTukkqtUD5PR52Tb/mPfjC0QJTocVBq6Za/"
        "PlzfV+Py92VaCak19F4WrbVTK5Gg5tW220MCAwEAAQ=="
    )
    assert read_key(f"v=DKIM1; p={short}") is KeyFault.UNUSABLE


def test_an_ed25519_signature_holds_and_stands_for_its_own_kind_only() -> None:
    key = make_key(SigningAlgorithm.ED25519_SHA256)
    raw = load_signer(key, domain="home.example", selector="s1").sign_message(mail(), at=AT) + mail()
    assert trouble(raw, Dns({"s1._domainkey.home.example": public_record(key)})) is None
    assert trouble(raw) is Trouble.BAD_KEY
    assert (
        trouble(changed(raw, b"Re: a", b"Fw: a"), Dns({"s1._domainkey.home.example": public_record(key)}))
        is Trouble.FAILED
    )


def test_silence_is_no_answer() -> None:
    assert trouble(SIGNED, Dns(HOME, failing=("home.example",))) is Trouble.SILENT


def test_expiry_is_asked_of_the_callers_time_only() -> None:
    raw = changed(SIGNED, b"s=s1;", b"s=s1; x=9999999999;")
    for now in (None, AT, AT + timedelta(days=9_000)):
        (found,) = Signatures(SignedMail(raw), Keys(Dns(HOME)), now).verify("home.example", lambda _: True)
        assert found.trouble is Trouble.FAILED


# ---- the parts


def test_a_tag_list_is_read_or_refused_whole() -> None:
    assert read_tags(b" a = 1 ;b_2=\r\n x y;") == {b"a": b"1", b"b_2": b"x y"}
    for wrong in (b"", b";", b"a", b"a=1;a=2", b"=1", b"a=1;;b=2", b"a b=1", b"a=1;b"):
        assert read_tags(wrong) is None


def test_only_the_value_of_the_signature_is_left_out() -> None:
    assert without_value(b"X: bh=1; b= 2 3 ; d=b=4", b"b") == b"X: bh=1; b=; d=b=4"
    assert without_value(b"X: d=1", b"b") == b"X: d=1"


def test_base64_is_read_in_its_one_spelling() -> None:
    assert read_base64(b"YW Jj\r\n ZA==") == b"abcd"
    for wrong in (b"", b"YWJjZB==", b"YWJjZA", b"YWJjZA=", b"YWJj*", b"====", "\u00e4".encode()):
        assert read_base64(wrong) is None


@given(
    st.binary(max_size=80).map(
        lambda octets: octets.translate(bytes(octet % 4 + 0x20 if octet % 5 else 0x0D for octet in range(256)))
    )
)
def test_both_forms_of_a_body_are_those_of_another_program(body: bytes) -> None:
    from_other: dict[bool, Any] = {
        True: dkim.canonicalization.Relaxed.canonicalize_body,
        False: dkim.canonicalization.Simple.canonicalize_body,
    }
    body = body.replace(b"\r", b"\r\n")
    for relaxed, canonicalize in from_other.items():
        length, _ = SignedMail(b"A: b\r\n\r\n" + body).body(relaxed=relaxed)
        assert length == len(canonicalize(body))


def test_runs_of_spaces_are_levelled_in_one_pass() -> None:
    assert level_spaces(b"a \t  b" + b" " * 100_000 + b"c") == b"a b c"
    assert SignedMail(b"A: b\r\n\r\nx" + b"\r\n" * 300_000).body(relaxed=True)[0] == 3
    assert SignedMail(b"A: b\r\n\r\nx\r" + b"\r\n" * 300_000).body(relaxed=True)[0] == 4
