"""Mails signed and sealed by another program, dkimpy, whose forms and arithmetic are not ours; and a DNS for them."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import dkim
from cryptography.hazmat.primitives import serialization
from dkim.canonicalization import CanonicalizationPolicy
from dkim.crypto import HASH_ALGORITHMS, parse_pem_private_key

from postmuster.mail.dkim import SigningAlgorithm, make_key, public_record

AT = datetime(2025, 3, 4, 12, 0, tzinfo=UTC)
KEY = make_key(SigningAlgorithm.RSA_SHA256)
RECORD = public_record(KEY)
_PKCS1 = serialization.PrivateFormat.TraditionalOpenSSL
PEM = serialization.load_pem_private_key(KEY, None).private_bytes(
    serialization.Encoding.PEM, _PKCS1, serialization.NoEncryption()
)
NAMES = [b"from", b"to", b"subject", b"date", b"message-id"]


class Dns:
    """Answers of a DNS in which only these names exist; it remembers what it was asked."""

    def __init__(self, records: dict[str, str] | None = None, failing: tuple[str, ...] = ()) -> None:
        self.records = records or {}
        self.failing = failing
        self.asked: list[str] = []

    def __call__(self, name: str) -> str | None:
        self.asked.append(name)
        if any(name.endswith(end) for end in self.failing):
            raise TimeoutError("no answer")
        return self.records.get(name)


def keys_of(*domains: str) -> dict[str, str]:
    """The one key, published by each of these domains."""
    return {f"s1._domainkey.{domain}": RECORD for domain in domains}


def mail(author: str = "Finn <finn@home.example>", extra: str = "", body: str = "YES\r\n") -> bytes:
    dated = "Date: Tue, 4 Mar 2025 12:00:00 +0000\r\nMessage-ID: <1@home.example>\r\n"
    return f"{extra}From: {author}\r\nTo: intake@agency.example\r\nSubject: Re: a test\r\n{dated}\r\n{body}".encode()


def signed(raw: bytes, domain: str = "home.example", **options: Any) -> bytes:
    """Sign as dkimpy does; `canonicalize`, `length`, `include_headers` and `identity` as it calls them."""
    options.setdefault("include_headers", NAMES)
    return bytes(dkim.sign(raw, b"s1", domain.encode(), PEM, **options)) + raw


def sealed(
    raw: bytes, domain: str, results: str, *, instance: int = 1, cv: str = "", forms: str = "relaxed/relaxed"
) -> bytes:
    """Put one ARC set on top, as RFC 8617 §5.1 says. `cv` is none or pass where it is not given."""
    arc = dkim.ARC(raw)
    arc.hasher = HASH_ALGORITHMS[b"rsa-sha256"]
    relaxed, message_forms = (
        CanonicalizationPolicy.from_c_value(each) for each in (b"relaxed/relaxed", forms.encode())
    )
    body_hash = base64.b64encode(hashlib.sha256(message_forms.canonicalize_body(arc.body)).digest())
    number = str(instance).encode()
    common = [(b"i", number), (b"a", b"rsa-sha256"), (b"d", domain.encode()), (b"s", b"s1"), (b"t", b"1741000000")]
    names = [b"from", b"subject", b"date"]
    body = [(b"c", forms.encode()), (b"h", b":".join(names)), (b"bh", body_hash), (b"b", b"0" * 60)]
    state = cv or ("none" if instance == 1 else "pass")
    key = parse_pem_private_key(PEM)
    fields: list[tuple[bytes, bytes]] = []

    def add(name: bytes, value: bytes) -> None:
        fields.insert(0, (name, value))
        arc.headers = [[name, b" " + value], *arc.headers]

    add(b"ARC-Authentication-Results", b"i=" + number + b"; " + results.encode() + b"\r\n")
    add(b"ARC-Message-Signature", arc.gen_header([*common, *body], names, message_forms, b"ARC-Message-Signature", key))
    set_names = [b"arc-authentication-results", b"arc-message-signature", b"arc-seal"]
    arc.headers = relaxed.canonicalize_headers(arc.headers)
    seal = [*common, (b"cv", state.encode()), (b"b", b"0" * 60)]
    add(b"ARC-Seal", arc.gen_header(seal, (set_names * instance)[:-1], relaxed, b"ARC-Seal", key))
    return b"".join(name + b": " + value for name, value in fields) + raw


def chain(raw: bytes, *sealers: tuple[str, str]) -> bytes:
    """Seal once for each domain and what it says, the first one first."""
    for instance, (domain, results) in enumerate(sealers, 1):
        raw = sealed(raw, domain, results, instance=instance)
    return raw
