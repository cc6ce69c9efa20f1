"""Signing: DKIM as the organisation's mail systems do it, and what its name servers say about that.

What for: a known share of the domains signs, some publish what to do with mail that is not signed, some publish
nothing.

Promises: the keys come from the seed, so that the same seed signs with the same octets. What is signed verifies with
dkimpy against `dns_zone()`. A domain that signs with Ed25519 signs with RSA as well, and the RSA signature stands on
top.
Limits: the keys are worth nothing: everyone who knows the seed has them. relaxed/relaxed only, no `l=`, no `t=` (the
organisation's time is not a verifier's).
Sources: RFC 6376 (DKIM), RFC 8463 (Ed25519; §3 key records), RFC 7489 §6.3 (DMARC record), RFC 7208 §4.5 (SPF record).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from math import gcd

from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postmuster.organisation.dice import Dice
from postmuster.organisation.people import AGENCIES, Agency, ascii_domain

RSA_BITS = 2048  # RFC 8301 §3.2 asks for 1,024 at least and 2,048 by preference
RSA_EXPONENT = 65537
SIEVE_BELOW = 2000
ROUNDS = 5  # Miller-Rabin; a wrong prime has a chance below 2^-100 at this size (Damgård, Landrock, Pomerance)
SIGNED_FIELDS = frozenset(
    b"from to cc subject date message-id in-reply-to references mime-version content-type auto-submitted".split()
)
FIELD_END = re.compile(rb"\r\n(?![ \t])")
SPACES = re.compile(rb"[ \t]+")


@dataclass(frozen=True, slots=True)
class Signer:
    """A selector with its key."""

    domain: str
    selector: str
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

    @property
    def algorithm(self) -> str:
        """The value of `a=`."""
        return "rsa-sha256" if isinstance(self.key, rsa.RSAPrivateKey) else "ed25519-sha256"

    def record(self) -> str:
        """Write the key record."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            octets = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return f"v=DKIM1; k=rsa; p={b64encode(octets).decode()}"
        octets = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={b64encode(octets).decode()}"

    def sign(self, octets: bytes) -> bytes:
        """Put a signature before a mail with CRLF line ends."""
        head, _, body = octets.partition(b"\r\n\r\n")
        fields = [field for field in FIELD_END.split(head) if _name(field) in SIGNED_FIELDS]
        names = b":".join(_name(field) for field in fields)
        mark = b64encode(sha256(_relaxed_body(body)).digest())
        own = (
            f"DKIM-Signature: v=1; a={self.algorithm}; c=relaxed/relaxed; d={self.domain};\r\n\ts={self.selector}; h=".encode()
            + names.replace(b":in-reply-to", b":\r\n\t in-reply-to")
            + b";\r\n\tbh="
            + mark
            + b";\r\n\tb="
        )
        signed = b"".join(_relaxed_field(field) + b"\r\n" for field in fields) + _relaxed_field(own)
        value = b64encode(self._raw(signed))
        lines = b"\r\n\t".join(value[at : at + 72] for at in range(0, len(value), 72))
        return own + lines + b"\r\n" + octets

    def _raw(self, signed: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(signed, padding.PKCS1v15(), SHA256())
        return self.key.sign(sha256(signed).digest())


class Signing:
    """The signers of all domains."""

    def __init__(self, seed: int, agencies: Iterable[Agency] = AGENCIES) -> None:
        self._agencies = tuple(agencies)
        self._signers: dict[str, tuple[Signer, ...]] = {}
        for agency in self._agencies:
            domain = ascii_domain(agency.domain)
            if agency.sign == "rsa":
                self._signers[domain] = (Signer(domain, "s1", _rsa_key(seed, domain)),)
            elif agency.sign == "ed25519":
                edwards = Signer(domain, "e1", _ed25519_key(seed, domain))
                self._signers[domain] = (edwards, Signer(domain, "s1", _rsa_key(seed, domain)))

    def signs(self, domain: str) -> bool:
        """Say whether a domain signs what it sends."""
        return domain in self._signers

    def sign(self, octets: bytes, domain: str) -> bytes:
        """Sign a mail as its domain does; a domain that does not sign hands it on."""
        for signer in self._signers.get(domain, ()):
            octets = signer.sign(octets)
        return octets

    def dns_zone(self) -> dict[str, str]:
        """Write what the name servers answer: owner name without final dot to TXT value."""
        zone: dict[str, str] = {}
        for agency in self._agencies:
            domain = ascii_domain(agency.domain)
            for signer in self._signers.get(domain, ()):
                zone[f"{signer.selector}._domainkey.{domain}"] = signer.record()
            if agency.dmarc:
                zone[f"_dmarc.{domain}"] = f"v=DMARC1; p={agency.dmarc}"
            if agency.sign != "none":
                zone[domain] = "v=spf1 ip4:192.0.2.0/24 -all"
        return zone


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].strip().lower()


def _relaxed_field(field: bytes) -> bytes:
    name, _, value = field.partition(b":")
    return name.strip().lower() + b":" + SPACES.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _relaxed_body(body: bytes) -> bytes:
    lines = SPACES.sub(b" ", body).replace(b" \r\n", b"\r\n").rstrip(b" ")
    while lines.endswith(b"\r\n"):
        lines = lines[:-2]
    return lines + b"\r\n" if lines else b""


@lru_cache(maxsize=64)
def _ed25519_key(seed: int, domain: str) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(sha256(f"ed25519 {seed} {domain}".encode()).digest())


@lru_cache(maxsize=64)
def _rsa_key(seed: int, domain: str) -> rsa.RSAPrivateKey:
    """Make the key of a domain from the seed; a library makes only keys that nobody can repeat. About 0.2 s."""
    dice = Dice(seed, "rsa", domain)
    first = _prime(RSA_BITS // 2, dice)
    second = _prime(RSA_BITS // 2, dice)
    order = (first - 1) * (second - 1) // gcd(first - 1, second - 1)
    secret = pow(RSA_EXPONENT, -1, order)
    numbers = rsa.RSAPrivateNumbers(
        p=first,
        q=second,
        d=secret,
        dmp1=secret % (first - 1),
        dmq1=secret % (second - 1),
        iqmp=pow(second, -1, first),
        public_numbers=rsa.RSAPublicNumbers(RSA_EXPONENT, first * second),
    )
    return numbers.private_key()


@lru_cache(maxsize=1)
def _small_primes() -> tuple[int, ...]:
    return tuple(n for n in range(3, SIEVE_BELOW, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2)))


def _prime(bits: int, dice: Dice) -> int:
    """Throw a prime with its two highest bits set, so that the product of two has all its bits."""
    start = 0
    for _ in range(bits // 64):
        start = start << 64 | dice.bits()
    start |= 3 << (bits - 2) | 1
    rests = [(prime, start % prime) for prime in _small_primes()]
    step = 0
    while True:
        candidate = start + step
        free = all((rest + step) % prime for prime, rest in rests)
        if free and candidate % RSA_EXPONENT != 1 and _is_prime(candidate, dice):
            return candidate
        step += 2


def _is_prime(number: int, dice: Dice) -> bool:
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(ROUNDS):
        power = pow(2 + dice.bits(), odd, number)
        if power in {1, number - 1}:
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True
