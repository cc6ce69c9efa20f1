"""Verify an ARC chain: what servers on the way found before they changed a mail.

What for: a list or a gateway breaks the author's signature; where we trust it, its word for what it had found before
stands in for the signature (`mail.authentication`).

How. The chain must be whole: instances 1 to N without a gap, of each exactly one ARC-Seal, ARC-Message-Signature and
ARC-Authentication-Results; `cv=none` at 1, `cv=pass` above; every seal holds and the newest message signature holds.
Older message signatures are not verified: what came after them may have broken them, which is what a chain is for.

Trust. A seal says that its owner found the chain so; it says nothing about whether the owner is honest: anybody can seal.
So the chain is verified only where its newest sealer is trusted, and `findings` has the results of the newest set and of
those right below it that trusted sealers wrote, too; behind the first stranger nothing is believed.

Promises: never raises; bounded: `MAX_SETS` sets, each verified once.

Sources: RFC 8617 §4 (fields), §5.1.1 (what a seal is over), §5.2 (verifying).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from postmuster.mail.authentication_results import MethodResult, Result, read_results
from postmuster.mail.dkim_check import MAX_SIGNATURE_FIELD_OCTETS, Trouble, read_domain, read_signature, verify
from postmuster.mail.dkim_key import ED25519_SHA256, RSA_SHA256, KeyFault, Keys
from postmuster.mail.signed_mail import SignedMail
from postmuster.mail.tag_list import Tags, read_base64, read_tags

MAX_SETS: Final = 10  # ours: RFC 8617 §4.2.1 allows 50; a reply passes two or three
MAX_RESULTS_OCTETS: Final = 16 * 1024  # ours: of one ARC-Authentication-Results

_SEAL, _MESSAGE, _RESULTS = b"arc-seal", b"arc-message-signature", b"arc-authentication-results"
_ORDER: Final = (_RESULTS, _MESSAGE, _SEAL)  # RFC 8617 §5.1.1
_INSTANCE: Final = re.compile(rb"[ \t]{0,9}i[ \t]{0,9}=[ \t]{0,9}([0-9]{1,2})[ \t]{0,9};")


class ChainTrouble(StrEnum):
    """Why a chain does not count."""

    STRANGER = "sealer_not_trusted"
    TOO_LONG = "arc_too_long"
    BROKEN = "arc_incomplete"
    FAILED_BEFORE = "arc_failed_before"
    SEAL = "arc_seal_failed"
    MESSAGE = "arc_message_changed"
    SILENT = "dns_silent"


_RESULT_OF: Final = {
    ChainTrouble.STRANGER: Result.POLICY,
    ChainTrouble.TOO_LONG: Result.POLICY,
    ChainTrouble.SILENT: Result.TEMPERROR,
}


@dataclass(frozen=True, slots=True)
class ArcResult:
    """A chain: its result, who sealed it last, what the trusted sealers had found, newest first, and what is wrong."""

    result: Result
    sealer: str = ""
    findings: tuple[tuple[MethodResult, ...], ...] = ()
    trouble: ChainTrouble | None = None


NO_CHAIN: Final = ArcResult(Result.NONE)


@dataclass(frozen=True, slots=True)
class _Set:
    """The three fields of one instance, by their numbers, and the tags of the seal."""

    fields: Mapping[bytes, int]
    seal: Tags
    sealer: str


def verify_arc(
    mail: SignedMail, keys: Keys, trusted_sealers: Collection[str], now: datetime | None = None
) -> ArcResult:
    """Verify the chain of a mail as far as it can be of use. Never raises. Source: RFC 8617 §5.2."""
    if not mail.all(_SEAL) and not mail.all(_MESSAGE):
        return NO_CHAIN
    sets = _read_sets(mail)
    if isinstance(sets, ChainTrouble):
        return _failed(sets)
    newest = sets[-1]
    if newest.sealer not in trusted_sealers:
        return _failed(ChainTrouble.STRANGER, newest.sealer)
    trouble = _trouble_of(mail, sets, keys, now)
    if trouble is not None:
        return _failed(trouble, newest.sealer)
    findings: list[tuple[MethodResult, ...]] = []
    for one in reversed(sets):
        if one.sealer not in trusted_sealers:
            break
        read = read_results(mail.value(one.fields[_RESULTS]).decode("utf-8", "replace"))
        findings.append(read.results if read is not None else ())
    return ArcResult(Result.PASS, newest.sealer, tuple(findings))


def _failed(trouble: ChainTrouble, sealer: str = "") -> ArcResult:
    return ArcResult(_RESULT_OF.get(trouble, Result.FAIL), sealer, (), trouble)


def _read_sets(mail: SignedMail) -> list[_Set] | ChainTrouble:
    """The sets, oldest first; trouble unless the instances are 1 to N with each field once. Source: RFC 8617 §4.2."""
    found: dict[int, dict[bytes, int]] = {}
    for name in _ORDER:
        if len(mail.all(name)) > MAX_SETS:
            return ChainTrouble.TOO_LONG
        for number in mail.all(name):
            instance = _instance(mail, name, number)
            fields = found.setdefault(instance, {})
            if not instance or name in fields:
                return ChainTrouble.BROKEN
            fields[name] = number
    sets: list[_Set] = []
    for instance in range(1, len(found) + 1):
        fields = found.get(instance, {})
        if len(fields) != len(_ORDER):
            return ChainTrouble.BROKEN
        seal = read_tags(mail.value(fields[_SEAL])) or {}
        sets.append(_Set(fields, seal, read_domain(seal.get(b"d", b""))))
    return sets


def _instance(mail: SignedMail, name: bytes, number: int) -> int:
    """The i= of a field, 0 for none. Source: RFC 8617 §4.2.1."""
    value = mail.value(number)
    if name == _RESULTS:
        found = _INSTANCE.match(value) if len(value) <= MAX_RESULTS_OCTETS else None
        return int(found[1]) if found else 0
    tags = read_tags(value) if len(value) <= MAX_SIGNATURE_FIELD_OCTETS else None
    written = tags.get(b"i", b"") if tags else b""
    return int(written) if written.isdigit() and len(written) <= 2 else 0


def _trouble_of(mail: SignedMail, sets: list[_Set], keys: Keys, now: datetime | None) -> ChainTrouble | None:
    """Source: RFC 8617 §5.2, steps 2 to 6; the newest statement first, because it is the cheapest to refuse by."""
    states = [one.seal.get(b"cv", b"").lower() for one in sets]
    if states[-1] == b"fail":
        return ChainTrouble.FAILED_BEFORE
    if states[0] != b"none" or any(state != b"pass" for state in states[1:]):
        return ChainTrouble.BROKEN
    number = sets[-1].fields[_MESSAGE]
    signature = read_signature(read_tags(mail.value(number)) or {}, is_arc=True)
    if isinstance(signature, Trouble) or _SEAL in signature.names:
        return ChainTrouble.MESSAGE
    trouble = verify(mail, number, signature, keys, now)
    if trouble is not None:
        return ChainTrouble.SILENT if trouble is Trouble.SILENT else ChainTrouble.MESSAGE
    for count in range(len(sets), 0, -1):
        seal_trouble = _seal_trouble(mail, sets[:count], keys)
        if seal_trouble is not None:
            return seal_trouble
    return None


def _seal_trouble(mail: SignedMail, sets: list[_Set], keys: Keys) -> ChainTrouble | None:
    """Whether the seal of the last of these sets holds. Source: RFC 8617 §5.1.1."""
    own = sets[-1]
    seal = own.seal
    octets, selector = read_base64(seal.get(b"b", b"")), read_domain(seal.get(b"s", b""))
    algorithm = seal.get(b"a", b"")
    if (
        octets is None
        or not own.sealer
        or not selector
        or b"h" in seal
        or algorithm not in (RSA_SHA256, ED25519_SHA256)
    ):
        return ChainTrouble.SEAL
    key = keys.find(selector, own.sealer)
    if isinstance(key, KeyFault):
        return ChainTrouble.SILENT if key is KeyFault.SILENT else ChainTrouble.SEAL
    chosen = [one.fields[name] for one in sets for name in _ORDER][:-1]
    signed = mail.octets(chosen, own.fields[_SEAL], relaxed=True)
    return None if key.algorithm == algorithm and key.made(octets, signed) else ChainTrouble.SEAL
