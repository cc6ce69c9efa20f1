"""Signatures of ours are good to another program's eyes, and to nobody's once something was changed.

The judge is dkimpy, with its own arithmetic: none of it is shared with the signer.
"""

import re
from base64 import b64decode
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from postmuster.base.errors import Defect, Permanent
from postmuster.mail.dkim import (
    OVERSIGNED,
    DkimSigner,
    SigningAlgorithm,
    hash_body,
    is_selector,
    load_signer,
    make_key,
    public_record,
    relaxed_body,
    relaxed_field,
)

AT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
DOMAIN = "agency.example"
KEYS = {algorithm: make_key(algorithm) for algorithm in SigningAlgorithm}
RECORDS = {algorithm: public_record(pem) for algorithm, pem in KEYS.items()}

MESSAGES = {
    "plain": b"From: a@agency.example\r\nTo: b@bureau.example\r\nSubject: x\r\n\r\nHello.\r\n",
    "trailing-spaces": b"From: a@agency.example\r\nSubject: x   \r\n\r\nHello.  \t\r\n \r\n\ta \t b\r\n",
    "empty-lines-at-the-end": b"From: a@agency.example\r\nSubject: x\r\n\r\nHello.\r\n\r\n\r\n\r\n",
    "empty-body": b"From: a@agency.example\r\nSubject: x\r\n\r\n",
    "body-of-empty-lines": b"From: a@agency.example\r\nSubject: x\r\n\r\n\r\n\r\n\r\n",
    "body-of-spaces": b"From: a@agency.example\r\nSubject: x\r\n\r\n   \r\n \t\r\n",
    "no-line-end": b"From: a@agency.example\r\nSubject: x\r\n\r\nHello.",
    "long-subject": b"From: a@agency.example\r\nSubject: " + b"word " * 180 + b"\r\n\r\nHello.\r\n",
    "folded": b"From: Ada\r\n <a@agency.example>\r\nSubject: one\r\n\ttwo \r\n  three\r\nTo:b@bureau.example\r\n\r\nx\r\n",
    "encoded-words": b"From: =?utf-8?q?=C3=84da?= <a@agency.example>\r\nSubject: =?utf-8?b?w6Q=?=\r\n\r\n\xc3\xa4\r\n",
    "raw-utf-8": "From: a@agency.example\r\nTo: žofie@bureau.example\r\nSubject: ä\r\n\r\nä\r\n".encode(),
    "octets-of-no-charset": b"From: a@agency.example\r\nSubject: \xff\xfe\r\n\r\n\xff\x00\xfe\r\n",
    "repeated-fields": b"X-A: 1\r\nFrom: a@agency.example\r\nX-A: 2\r\nReceived: by x\r\nX-A: 3\r\n\r\nx\r\n",
    "dots-and-from": b"From: a@agency.example\r\nSubject: x\r\n\r\n.\r\n..\r\nFrom the start\r\n",
}


def signer(algorithm: SigningAlgorithm) -> DkimSigner:
    return load_signer(KEYS[algorithm], domain=DOMAIN, selector="pm1")


def is_good(message: bytes, algorithm: SigningAlgorithm) -> bool:
    def answer(name: bytes, timeout: int = 5) -> str:
        assert name == b"pm1._domainkey.agency.example."
        return RECORDS[algorithm]

    try:
        return bool(
            dkim.DKIM(message, minkey=2048 if algorithm is SigningAlgorithm.RSA_SHA256 else 0).verify(dnsfunc=answer)
        )
    except dkim.ValidationError:
        return False


def signed(message: bytes, algorithm: SigningAlgorithm) -> bytes:
    return signer(algorithm).sign_message(message, at=AT) + message


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
@pytest.mark.parametrize("name", MESSAGES)
def test_another_program_finds_the_signature_good(name: str, algorithm: SigningAlgorithm) -> None:
    assert is_good(signed(MESSAGES[name], algorithm), algorithm)


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
@pytest.mark.parametrize("name", OVERSIGNED)
def test_a_field_added_later_breaks_the_signature(name: str, algorithm: SigningAlgorithm) -> None:
    message = signed(MESSAGES["plain"], algorithm)
    assert is_good(b"X-Trace: added on the way\r\n" + message, algorithm)
    assert not is_good(name.encode() + b": y\r\n" + message, algorithm)


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
@pytest.mark.parametrize(
    "change", [(b"Hello.", b"Hullo."), (b"\r\nSubject: x", b"\r\nSubject: y"), (b"Hello.\r\n", b"Hello.\r\nMore.\r\n")]
)
def test_what_was_changed_is_found_bad(change: tuple[bytes, bytes], algorithm: SigningAlgorithm) -> None:
    message = signed(MESSAGES["plain"], algorithm)
    assert not is_good(message.replace(*change), algorithm)


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
def test_white_space_changed_on_the_way_does_no_harm(algorithm: SigningAlgorithm) -> None:
    message = signed(MESSAGES["folded"], algorithm)
    assert is_good(message.replace(b"\r\n\ttwo ", b" \r\n two") + b"\r\n\r\n", algorithm)


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
def test_the_wrong_key_does_not_do(algorithm: SigningAlgorithm) -> None:
    field = load_signer(make_key(algorithm), domain=DOMAIN, selector="pm1").sign_message(MESSAGES["plain"], at=AT)
    assert not is_good(field + MESSAGES["plain"], algorithm)


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
def test_the_field_is_folded_and_has_no_length(algorithm: SigningAlgorithm) -> None:
    field = signer(algorithm).sign_message(MESSAGES["plain"], at=AT).decode("ascii")
    assert field.endswith("\r\n")
    assert max(map(len, field.split("\r\n"))) <= 78
    tags = dict(part.strip().split("=", 1) for part in field.removeprefix("DKIM-Signature:").split(";"))
    assert set(tags) == {"v", "a", "c", "d", "s", "t", "h", "bh", "b"}
    assert (tags["a"], tags["c"], tags["t"]) == (algorithm, "relaxed/relaxed", str(int(AT.timestamp())))
    names = re.split(r"\s*:\s*", tags["h"])
    assert all(names.count(name) == 1 + (name in ("from", "to", "subject")) for name in OVERSIGNED)


def test_what_a_reader_sees_and_what_says_how_to_read_it_is_oversigned() -> None:
    seen = {"from", "subject", "date", "to", "reply-to"}
    assert seen | {"mime-version", "content-type", "content-transfer-encoding"} <= set(OVERSIGNED)


def test_two_signatures_are_each_good_by_themselves_and_both_break() -> None:
    second = load_signer(KEYS[SigningAlgorithm.ED25519_SHA256], domain=DOMAIN, selector="ed1")
    both = load_signer(KEYS[SigningAlgorithm.RSA_SHA256], domain=DOMAIN, selector="pm1", second=second)
    message = both.sign_message(MESSAGES["raw-utf-8"], at=AT) + MESSAGES["raw-utf-8"]
    records = {
        b"pm1._domainkey.agency.example.": RECORDS[SigningAlgorithm.RSA_SHA256],
        b"ed1._domainkey.agency.example.": RECORDS[SigningAlgorithm.ED25519_SHA256],
    }
    for number in range(2):
        assert dkim.DKIM(message).verify(idx=number, dnsfunc=lambda name, timeout=5: records[name])
        with pytest.raises(dkim.ValidationError):
            dkim.DKIM(message + b"More.\r\n").verify(idx=number, dnsfunc=lambda name, timeout=5: records[name])


@pytest.mark.parametrize(
    ("text", "is_one"), [("pm1", True), ("a.b-c", True), ("PM1", False), ("", False), ("../x", False), ("a_b", False)]
)
def test_a_selector_is_a_name_in_small_letters(text: str, is_one: bool) -> None:
    assert is_selector(text) is is_one


def test_the_record_of_the_rfcs_own_key_is_the_rfcs() -> None:
    """RFC 8463 appendix A.2."""
    key = Ed25519PrivateKey.from_private_bytes(b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert public_record(pem) == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_no_repr_shows_the_key() -> None:
    for algorithm in SigningAlgorithm:
        made = signer(algorithm)
        assert repr(made) == "DkimSigner(domain='agency.example', selector='pm1')"
        assert "key" not in repr(made.plan(("From",))).lower()


def pem_of(key: object) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    "pem",
    [b"", b"no key", RECORDS[SigningAlgorithm.RSA_SHA256].encode(), pem_of(generate_ec_key(SECP256R1()))],
    ids=["empty", "no-pem", "public", "elliptic-curve"],
)
def test_what_is_no_key_of_ours_is_refused_in_a_sentence(pem: bytes) -> None:
    with pytest.raises(Permanent, match=r"signing key"):
        load_signer(pem, domain=DOMAIN, selector="pm1")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(Permanent, match="2048"):
        load_signer(pem_of(generate_private_key(65_537, 1_024)), domain=DOMAIN, selector="pm1")  # noqa: S505


@pytest.mark.parametrize(
    ("domain", "selector"), [("a b", "pm1"), (DOMAIN, "pm1;x"), ("", "pm1"), ("ä.example", "pm1"), (DOMAIN, "a\r\nb")]
)
def test_a_name_that_is_none_is_refused(domain: str, selector: str) -> None:
    with pytest.raises(Defect):
        load_signer(KEYS[SigningAlgorithm.ED25519_SHA256], domain=domain, selector=selector)


@pytest.mark.parametrize("names", [("To",), ("From", "X;b"), ("From", "a:b"), ("From", "a b")])
def test_fields_that_cannot_be_signed_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(Defect):
        signer(SigningAlgorithm.ED25519_SHA256).plan(names)


awkward = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b".", b"\xc3"]), max_size=40).map(b"".join)


@given(awkward)
def test_the_relaxed_body_is_dkimpys(body: bytes) -> None:
    body += b"\r\n"  # what SMTP carries ends so; dkimpy keeps the spaces of a last line that does not
    assert relaxed_body(body) == Relaxed.canonicalize_body(body)
    assert relaxed_body(relaxed_body(body)) == relaxed_body(body)


@given(st.lists(st.sampled_from([" ", "\t", "\r\n ", "\r\n\t", "a", ":", "ä"]), max_size=30).map("".join))
def test_the_relaxed_field_is_dkimpys(value: str) -> None:
    ((name, relaxed),) = Relaxed.canonicalize_headers([(b"Subject", value.encode() + b"\r\n")])
    assert relaxed_field(f"Subject:{value}\r\n").encode() == name + b":" + relaxed


def test_the_empty_body_has_the_hash_of_the_rfc() -> None:
    """RFC 6376 §3.4.4."""
    assert hash_body(relaxed_body(b"\r\n")) == hash_body(b"") == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def test_long_runs_of_white_space_take_no_long_time() -> None:
    assert relaxed_body(b"\r\n" * 500_000 + b"x" + b" " * 1_000_000 + b"y\r\n")[-5:] == b"x y\r\n"
