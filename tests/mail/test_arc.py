"""An ARC chain counts when it is whole, every seal holds, and trusted sealers stand between the finding and us."""

from __future__ import annotations

import re

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmuster.mail.arc import MAX_SETS, ArcResult, ChainTrouble, verify_arc
from postmuster.mail.authentication import Grade, authenticate
from postmuster.mail.authentication_results import Result
from postmuster.mail.dkim_key import Keys
from postmuster.mail.message import parse
from postmuster.mail.signed_mail import SignedMail

from .sealing import AT, Dns, chain, keys_of, mail, sealed

LIST, GATE, EVE = "list.example", "gate.example", "eve.example"
FOUND = f"mx.{LIST}; dkim=pass header.d=home.example; dmarc=pass header.from=home.example"
LOST = f"mx.{GATE}; arc=pass; dkim=fail header.d=home.example; dmarc=fail header.from=home.example"
DNS = {**keys_of(LIST, GATE, EVE), "_dmarc.home.example": "v=DMARC1; p=reject"}
TRUSTED = frozenset({LIST, GATE})


def verify(raw: bytes, dns: Dns | None = None, trusted: frozenset[str] = TRUSTED) -> ArcResult:
    return verify_arc(SignedMail(raw), Keys(dns or Dns(DNS)), trusted, AT)


def grade(raw: bytes, trusted: frozenset[str] = TRUSTED) -> tuple[Grade, str]:
    found = authenticate(raw, parse(raw), txt=Dns(DNS), trusted_sealers=trusted)
    return found.grade, found.reason


ONE, TWO = chain(mail(), (LIST, FOUND)), chain(mail(), (LIST, FOUND), (GATE, LOST))


@pytest.mark.parametrize("raw", [ONE, TWO, chain(mail(), *[(LIST, FOUND)] * MAX_SETS)], ids=["one", "two", "most"])
def test_a_whole_chain_passes_for_us_and_for_another_verifier(raw: bytes) -> None:
    assert verify(raw).result is Result.PASS
    judged, _, why = dkim.ARC(raw).verify(dnsfunc=lambda name, timeout=5: DNS[name.decode().rstrip(".")].encode())
    assert (judged, why) == (b"pass", "success")


def test_line_ends_change_nothing() -> None:
    assert verify(TWO.replace(b"\r\n", b"\n")) == verify(TWO)


def test_the_message_may_be_signed_in_simple_form() -> None:
    assert verify(sealed(mail(), LIST, FOUND, forms="simple/simple")).result is Result.PASS


def test_what_the_first_trusted_sealer_found_lifts_the_grade() -> None:
    assert grade(ONE) == (Grade.B, "arc")
    assert grade(TWO) == (Grade.B, "arc")
    assert [results[0].method for results in verify(TWO).findings] == ["arc", "dkim"]


def test_no_finding_is_believed_behind_a_stranger() -> None:
    through_eve = chain(mail(), (EVE, FOUND), (GATE, LOST))
    assert verify(through_eve).result is Result.PASS
    assert len(verify(through_eve).findings) == 1
    assert grade(through_eve) == (Grade.D, "arc_found_nothing")
    assert grade(chain(mail(), (LIST, FOUND), (EVE, FOUND), (GATE, LOST)))[0] is Grade.D


def test_a_stranger_at_the_end_is_no_work_at_all() -> None:
    dns = Dns(DNS)
    found = verify(chain(mail(), (LIST, FOUND), (EVE, FOUND)), dns)
    assert (found.result, found.trouble, found.sealer, dns.asked) == (Result.POLICY, ChainTrouble.STRANGER, EVE, [])
    assert grade(chain(mail(), (EVE, FOUND))) == (Grade.D, "sealer_not_trusted")
    assert grade(ONE, frozenset()) == (Grade.D, "sealer_not_trusted")


def test_a_finding_of_nothing_lifts_nothing() -> None:
    assert grade(chain(mail(), (LIST, LOST))) == (Grade.D, "arc_found_nothing")
    assert grade(chain(mail(), (LIST, "mx; dkim=pass header.d=eve.example")))[0] is Grade.D


def test_an_altered_mail_and_an_altered_finding_break_the_chain() -> None:
    assert verify(TWO.replace(b"YES", b"NO!")).trouble is ChainTrouble.MESSAGE
    assert verify(TWO.replace(b"Subject: Re", b"Subject: Fw")).trouble is ChainTrouble.MESSAGE
    changed = TWO.replace(b"arc=pass; dkim=fail", b"arc=pass; dkim=pass")
    assert verify(changed).trouble is ChainTrouble.SEAL
    assert verify(TWO.replace(b"dkim=pass header.d=home", b"dkim=pass header.d=hers")).trouble is ChainTrouble.SEAL


def test_only_the_newest_signature_over_the_message_has_to_hold() -> None:
    below = sealed(mail(body="YES\r\n"), LIST, FOUND)
    footed = below.replace(b"YES\r\n", b"YES\r\n-- \r\nthe list\r\n")
    assert verify(sealed(footed, GATE, LOST, instance=2)).result is Result.PASS
    assert verify(footed).trouble is ChainTrouble.MESSAGE


def without(raw: bytes, field: str, instance: int) -> bytes:
    whole = re.sub(rb"(?m)^%b: i=%d;.*\r\n(?:[ \t].*\r\n)*" % (field.encode(), instance), b"", raw)
    assert whole != raw
    return whole


@pytest.mark.parametrize("field", ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"])
@pytest.mark.parametrize("instance", [1, 2])
def test_a_field_that_is_missing_or_there_twice_breaks_the_chain(field: str, instance: int) -> None:
    assert verify(without(TWO, field, instance)).trouble is ChainTrouble.BROKEN
    assert verify(f"{field}: i={instance}; x=y\r\n".encode() + TWO).trouble is ChainTrouble.BROKEN


@pytest.mark.parametrize(
    ("raw", "trouble"),
    [
        (sealed(mail(), LIST, FOUND, instance=2), ChainTrouble.BROKEN),
        (sealed(ONE, GATE, LOST, instance=3), ChainTrouble.BROKEN),
        (sealed(mail(), LIST, FOUND, cv="pass"), ChainTrouble.BROKEN),
        (sealed(ONE, GATE, LOST, instance=2, cv="none"), ChainTrouble.BROKEN),
        (sealed(ONE, GATE, LOST, instance=2, cv="fail"), ChainTrouble.FAILED_BEFORE),
        (ONE.replace(b"cv=none", b"cv=what"), ChainTrouble.BROKEN),
        (ONE.replace(b"ARC-Seal: i=1;", b"ARC-Seal: i=1; h=from;"), ChainTrouble.SEAL),
        (ONE.replace(b"ARC-Seal: i=1; a=rsa-sha256", b"ARC-Seal: i=1; a=rsa-sha1"), ChainTrouble.SEAL),
        (ONE.replace(b"h=from:subject", b"h=nobody:subject"), ChainTrouble.MESSAGE),
        (ONE.replace(b"h=from:", b"h=arc-seal:from:"), ChainTrouble.MESSAGE),
        (ONE.replace(b"ARC-Message-Signature: i=1;", b"ARC-Message-Signature: i=1; l=2;"), ChainTrouble.MESSAGE),
        (b"ARC-Seal: i=0; d=list.example\r\n" + ONE, ChainTrouble.BROKEN),
        (b"ARC-Seal: i=one; d=list.example\r\n" + ONE, ChainTrouble.BROKEN),
        (b"ARC-Seal: i=1\r\n" * 50 + mail(), ChainTrouble.TOO_LONG),
        (b"ARC-Message-Signature: i=1\r\n" + mail(), ChainTrouble.BROKEN),
    ],
)  # fmt: skip
def test_a_chain_that_is_not_whole_fails(raw: bytes, trouble: ChainTrouble) -> None:
    found = verify(raw)
    assert (found.trouble, found.findings) == (trouble, ())
    assert found.result in (Result.FAIL, Result.POLICY)


def test_a_second_from_field_breaks_no_seal_but_has_no_author() -> None:
    raw = b"From: eve@eve.example\r\n" + ONE
    assert verify(raw).trouble is ChainTrouble.MESSAGE
    assert grade(raw) == (Grade.D, "several_authors")


def test_a_silent_dns_is_temporary() -> None:
    found = verify(TWO, Dns(DNS, failing=(f"_domainkey.{LIST}",)))
    assert (found.result, found.trouble) == (Result.TEMPERROR, ChainTrouble.SILENT)
    raw = TWO
    whole = authenticate(raw, parse(raw), txt=Dns(DNS, failing=(f"_domainkey.{GATE}",)), trusted_sealers=TRUSTED)
    assert (whole.grade, whole.reason, whole.is_temporary) == (Grade.D, "dns_silent", True)


def test_a_mail_without_a_chain_has_none() -> None:
    assert verify(mail()) == ArcResult(Result.NONE)
    assert verify(b"") == ArcResult(Result.NONE)
    assert verify(b"ARC-Authentication-Results: i=1; x; spf=pass\r\n" + mail()).result is Result.NONE


def seals(raw: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of the chain as another program splits them, without white space."""
    fields, _ = dkim.rfc822_parse(raw)
    return sorted(
        (name.lower(), re.sub(rb"\s", b"", value)) for name, value in fields if name.lower().startswith(b"arc-")
    )


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_change_of_a_chain_passes_but_of_white_space(data: st.DataObject) -> None:
    raw = bytearray(TWO)
    raw[data.draw(st.integers(0, raw.index(b"From:") - 1))] = data.draw(st.integers(0, 255))
    if verify(bytes(raw)).result is Result.PASS:
        assert seals(bytes(raw)) == seals(TWO)
