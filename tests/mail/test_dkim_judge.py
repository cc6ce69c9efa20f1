"""Another program, dkimpy, judges every kind of signature over a thousand mails: random notices to random people.

Notices have subjects and bodies as bad as they come: long, empty, with spaces at line ends, in UTF-8, with fields of odd lengths.
Each example is one notice to a batch of people, and each of its mails is judged with the public key as it stands in the DNS.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import dkim
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postmuster.mail.address import AddrSpec, Mailbox
from postmuster.mail.batch_signing import KEY_OCTETS, WORTH_A_CALL, PrivateNumbers, Raise
from postmuster.mail.compose import Copy, Wording, compile_mail
from postmuster.mail.dkim import (
    DkimSigner,
    SigningAlgorithm,
    hash_body,
    load_signer,
    make_key,
    public_record,
    relaxed_body,
    relaxed_field,
)
from postmuster.mail.placeholders import escaped
from postmuster.outbound import crypto_mb

DOMAIN = "agency.example"
EXAMPLES, PEOPLE = 50, 5  # of each kind: 4 kinds × 50 notices × 5 people = 1,000 mails
RSA, ED25519 = make_key(SigningAlgorithm.RSA_SHA256), make_key(SigningAlgorithm.ED25519_SHA256)
RECORDS = {
    b"rsa._domainkey.agency.example.": public_record(RSA),
    b"ed._domainkey.agency.example.": public_record(ED25519),
}
FROM = Mailbox("Agency, Office of Exämples", AddrSpec("notices", DOMAIN))
AT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


class Kind(StrEnum):
    """How a mail is signed."""

    RSA = "rsa"
    ED25519 = "ed25519"
    BOTH = "both"
    BATCH = "batch"


asked_for_eight: list[int] = []


def eight(numbers: PrivateNumbers) -> Raise | None:
    """crypto_mb where it can be used; else the same arithmetic by Python."""
    folder = os.environ.get("POSTMUSTER_CRYPTO_MB")
    library = crypto_mb.open_library(Path(folder) if folder else None)
    private = numbers.d_p, numbers.d_q

    def by_python(blocks: Sequence[bytes]) -> list[bytes]:
        given_ = [int.from_bytes(block, "big") for block in blocks]
        halves = [(pow(each, private[0], numbers.p), pow(each, private[1], numbers.q)) for each in given_]
        raised = [in_q + (in_p - in_q) * numbers.q_inverse % numbers.p * numbers.q for in_p, in_q in halves]
        return [each.to_bytes(KEY_OCTETS, "big") for each in raised]

    raise_eight = library(numbers) if library else by_python

    def counted(blocks: Sequence[bytes]) -> Sequence[bytes] | None:
        asked_for_eight.append(len(blocks))
        return raise_eight(blocks) if raise_eight else None

    return counted


SECOND = load_signer(ED25519, domain=DOMAIN, selector="ed")
SIGNERS: dict[Kind, DkimSigner] = {
    Kind.RSA: load_signer(RSA, domain=DOMAIN, selector="rsa"),
    Kind.ED25519: SECOND,
    Kind.BOTH: load_signer(RSA, domain=DOMAIN, selector="rsa", second=SECOND),
    Kind.BATCH: load_signer(RSA, domain=DOMAIN, selector="rsa", library=eight),
}

pieces = st.sampled_from(
    [
        "",
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        " \n",
        "\n\n\n",
        ".",
        "From ",
        "=",
        "=3D",
        "a",
        "ä",
        "Ж",
        "你好",
        "word ",
        "x" * 75,
    ]
)
texts = st.lists(pieces | st.text(max_size=12), max_size=25).map("".join)
lines = st.lists(st.sampled_from([" ", "a", "ä", "Ж", "你", "-", '"', ",", "word ", "x" * 30]), max_size=30).map(
    "".join
)
tokens = st.text("abcXYZ019", min_size=1, max_size=60)
people = st.builds(
    lambda name, local, domain: (name, AddrSpec(local, f"{domain}.example")),
    lines,
    st.text("abc.xyz", min_size=1, max_size=40).map(lambda text: f"p{text.strip('.').replace('..', '.x')}")
    | st.just("žofie"),
    st.text("abc", min_size=1, max_size=60),
)


@st.composite
def notices(draw: st.DrawFn) -> tuple[Wording, list[tuple[str, str]], list[Copy]]:
    """A wording, the fields that are the same for all, and a copy for each of several people."""
    subject = escaped(draw(lines)[:300]) + draw(st.sampled_from(["", "{name}", " for {name}  "]))
    text = escaped(draw(texts)) + draw(st.sampled_from(["", "{name}", "Dear {name},\n \n", "{name} \n\n\n"]))
    html = (
        draw(st.sampled_from(["", "<p>{name}</p>\n", "<p>ä  </p> \n\n"])) and f"<p>{escaped(draw(texts))} {{name}}</p>"
    )
    fields = [("List-Id", f"<{draw(tokens)}.{DOMAIN}>")] * draw(st.booleans())
    fields += [("X-Odd", " ".join(draw(st.lists(tokens, min_size=1, max_size=12))))] * draw(st.booleans())
    reply_to = Mailbox(draw(lines), AddrSpec("reply+abc", DOMAIN)) if draw(st.booleans()) else None
    copies = [
        Copy(
            Mailbox(name, address),
            f"<{draw(tokens)}@{DOMAIN}>",
            AT - timedelta(seconds=draw(st.integers(0, 10**8))),
            reply_to,
            {"name": name or "-"},
        )
        for name, address in draw(st.lists(people, min_size=PEOPLE, max_size=PEOPLE))
    ]
    return Wording(subject, text, html), fields, copies


def in_one_batch(signer: DkimSigner, messages: Sequence[bytes]) -> Iterator[bytes]:
    """Put a signature made with all the others before each mail; their fields have the same names."""
    drafts, names = [], []
    for message in messages:
        header, _, body = message.partition(b"\r\n\r\n")
        unfolded = header.decode().replace("\r\n ", " ").split("\r\n")
        names = [line.partition(":")[0] for line in unfolded]
        drafts.append(("".join(map(relaxed_field, unfolded)), hash_body(relaxed_body(body)), int(AT.timestamp())))
    for signature, message in zip(signer.plan(names).sign_all(drafts), messages, strict=True):
        yield signature.encode() + message


def judge(message: bytes) -> list[bool]:
    """What dkimpy says of each signature, the first one first."""
    return [_verdict(message, number) for number in range(message.count(b"DKIM-Signature: "))]


def _verdict(message: bytes, number: int) -> bool:
    try:
        return bool(dkim.DKIM(message).verify(idx=number, dnsfunc=published))
    except dkim.ValidationError:
        return False


def published(name: bytes, timeout: int = 5) -> str:
    return RECORDS[name]


@pytest.mark.parametrize("kind", Kind)
def test_every_signature_of_a_thousand_mails_is_good(kind: Kind) -> None:
    judged: list[bool] = []
    asked_for_eight.clear()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(notices())
    def every_mail_is_good(notice: tuple[Wording, list[tuple[str, str]], list[Copy]]) -> None:
        wording, fields, copies = notice
        signer = SIGNERS[kind]
        mail = compile_mail(
            header_from=FROM,
            wording=wording,
            language="en",
            fields=fields,
            signer=None if kind is Kind.BATCH else signer,
            boundary_seed=b"1",
        )
        messages = mail.write_all(copies)
        if kind is Kind.BATCH:
            messages = list(in_one_batch(signer, messages))
        for message in messages:
            verdict = judge(message)
            assert verdict == [True] * (2 if kind is Kind.BOTH else 1)
            judged.append(all(verdict))

    every_mail_is_good()
    assert len(judged) >= EXAMPLES * PEOPLE
    assert bool(asked_for_eight) is (kind is Kind.BATCH)
    assert PEOPLE >= WORTH_A_CALL


def test_the_judge_sees_a_changed_mail() -> None:
    copy = Copy(Mailbox("Finn", AddrSpec("finn", "bureau.example")), f"<a@{DOMAIN}>", AT, None, {})
    for kind in (Kind.RSA, Kind.ED25519, Kind.BOTH):
        mail = compile_mail(
            header_from=FROM,
            wording=Wording("x", "Hello", ""),
            language="en",
            signer=SIGNERS[kind],
            boundary_seed=b"1",
        )
        message = mail.write(copy)
        assert all(judge(message))
        assert not all(judge(message.replace(b"Hello", b"Hullo")))
