"""Signatures: another implementation believes them, and the same seed makes the same keys."""

from __future__ import annotations

import base64
import re
from hashlib import sha256

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from postmuster.organisation.people import AGENCIES, ascii_domain
from postmuster.organisation.signing import Signing

SIGNING = Signing(4)
ZONE = SIGNING.dns_zone()
SIGNING_DOMAINS = [ascii_domain(agency.domain) for agency in AGENCIES if agency.sign != "none"]
MAIL = (
    b"From: Ada <ada@rivers.agency.example>\r\nTo:  reply+x@survey.example\r\nSubject: Re: a  long\r\n\t subject\r\n"
    b"Date: Tue, 03 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x.example>\r\nIn-Reply-To: <2@x.example>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nYES \t  indeed  \r\n\r\n\r\n"
)


def answers(name: bytes, timeout: int = 5) -> bytes | None:
    del timeout
    value = ZONE.get(name.decode().rstrip("."))
    return value.encode() if value else None


@pytest.mark.parametrize("domain", SIGNING_DOMAINS)
@pytest.mark.parametrize("body_end", [b"", b"\r\n\r\n", b"no line end", b"spaces  \r\n"])
def test_dkimpy_verifies_what_was_signed(domain: str, body_end: bytes) -> None:
    assert dkim.verify(SIGNING.sign(MAIL + body_end, domain), dnsfunc=answers)


@pytest.mark.parametrize("domain", SIGNING_DOMAINS)
def test_an_altered_mail_does_not_verify(domain: str) -> None:
    signed = SIGNING.sign(MAIL, domain)
    assert not dkim.verify(signed.replace(b"YES", b"NOT"), dnsfunc=answers)
    assert not dkim.verify(signed.replace(b"Ada", b"Eve"), dnsfunc=answers)


def test_the_ed25519_signature_verifies_by_the_key_in_the_zone() -> None:
    domain = next(ascii_domain(agency.domain) for agency in AGENCIES if agency.sign == "ed25519")
    signed = SIGNING.sign(MAIL, domain)
    head, _, _ = signed.partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", head)
    own = next(field for field in fields if b"a=ed25519" in field)
    value = base64.b64decode(re.sub(rb"\s", b"", own.rpartition(b"b=")[2]))
    names = re.sub(rb"\s", b"", re.search(rb"h=([^;]*);", own)[1]).split(b":")  # type: ignore[index]
    relaxed = b""
    for name in names:
        field = next(field for field in fields if field.lower().startswith(name + b":"))
        text = re.sub(rb"[ \t]+", b" ", field.partition(b":")[2].replace(b"\r\n", b"")).strip()
        relaxed += name + b":" + text + b"\r\n"
    empty = own[: own.rindex(b"b=") + 2]
    relaxed += b"dkim-signature:" + re.sub(rb"[ \t]+", b" ", empty.partition(b":")[2].replace(b"\r\n", b"")).strip()
    record = ZONE[f"e1._domainkey.{domain}"]
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(record.rpartition("p=")[2]))
    key.verify(value, sha256(relaxed).digest())
    with pytest.raises(InvalidSignature):
        key.verify(value, sha256(relaxed + b"x").digest())


def test_domains_that_do_not_sign_hand_the_mail_on() -> None:
    assert SIGNING.sign(MAIL, "seeds.agency.example") == MAIL
    assert not SIGNING.signs("seeds.agency.example")


def test_the_same_seed_makes_the_same_keys_and_another_one_others() -> None:
    assert Signing(4).dns_zone() == ZONE
    assert Signing(4).sign(MAIL, SIGNING_DOMAINS[0]) == SIGNING.sign(MAIL, SIGNING_DOMAINS[0])
    assert not set(Signing(5).dns_zone().values()) & {value for value in ZONE.values() if "DKIM1" in value}


def test_the_zone_answers_for_every_domain_that_publishes_something() -> None:
    for agency in AGENCIES:
        domain = ascii_domain(agency.domain)
        assert (f"s1._domainkey.{domain}" in ZONE) == (agency.sign != "none")
        assert ZONE.get(f"_dmarc.{domain}", "") == (f"v=DMARC1; p={agency.dmarc}" if agency.dmarc else "")
    assert all(name.isascii() and not name.endswith(".") for name in ZONE)
