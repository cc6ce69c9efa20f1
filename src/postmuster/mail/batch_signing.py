"""Eight RSA signatures at once: the decisions around a processor's wide units, without touching them.

What for: where a library can raise eight numbers to the private exponent in one call (`outbound.crypto_mb`), a batch of
mails is signed in 40 to 60 % of the time. `mail.dkim` asks a `BatchSigner` for the signatures of a whole batch.

Promises. Every signature is checked with the public key before anybody sees it: one that is wrong would not only be a mail
that fails, a fault in one half of the CRT gives the private key away to whoever holds it. A wrong one is thrown away,
counted in `faults` and made anew by the ordinary way. After `MOST_FAULTS` of them, or when the library fails as a whole, it
is not asked again. So a caller always gets its signatures, each of them right, in the order of the inputs.

Lanes that would be empty are filled with the last input; below `WORTH_A_CALL` inputs the ordinary way is cheaper.

Limits: RSA-2048 with SHA-256 and PKCS#1 v1.5, which is what DKIM signs with. Nothing is claimed about side channels.

Sources: RFC 8017 §9.2 (EMSA-PKCS1-v1_5); Boneh, DeMillo, Lipton 1997 (one faulty CRT signature factors the modulus).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

LANES: Final = 8
KEY_BITS: Final = 2_048
KEY_OCTETS: Final = KEY_BITS // 8
WORTH_A_CALL: Final = 5  # a call takes as long as 3 (Xeon) to 5 (EPYC) signatures by OpenSSL, whatever the lanes hold
MOST_FAULTS: Final = 8  # a processor that errs more often than this is not asked any more

# RFC 8017 §9.2, note 1: what names SHA-256 before the hash.
_SHA256_INFO: Final = bytes.fromhex("3031300d060960864801650304020105000420")
_BEFORE_HASH: Final = b"\x00\x01" + b"\xff" * (KEY_OCTETS - 3 - len(_SHA256_INFO) - 32) + b"\x00" + _SHA256_INFO

# Raises eight blocks of KEY_OCTETS to the private exponent; None where the library failed as a whole.
Raise = Callable[[Sequence[bytes]], Sequence[bytes] | None]


@dataclass(frozen=True, slots=True)
class PrivateNumbers:
    """What CRT needs of an RSA private key (RFC 8017 §3.2). The larger prime need not be the first."""

    p: int = field(repr=False)
    q: int = field(repr=False)
    d_p: int = field(repr=False)
    d_q: int = field(repr=False)
    q_inverse: int = field(repr=False)


# A library that is loaded: gives the function for one key, None where it cannot.
Library = Callable[[PrivateNumbers], Raise | None]


@dataclass(slots=True)
class BatchSigner:
    """Signs many inputs with one key. Made by `open_batch_signer`."""

    _raise_eight: Raise = field(repr=False)
    _sign_one: Callable[[bytes], bytes] = field(repr=False)
    _is_good: Callable[[bytes, bytes], bool] = field(repr=False)  # signature, SHA-256 of the input
    faults: int = 0
    is_given_up: bool = False

    def sign_all(self, inputs: Sequence[bytes]) -> list[bytes]:
        """Return the PKCS#1 v1.5 signature over the SHA-256 of each input, in their order."""
        signed: list[bytes] = []
        for place in range(0, len(inputs), LANES):
            few = inputs[place : place + LANES]
            if self.is_given_up or len(few) < WORTH_A_CALL:
                signed += map(self._sign_one, few)
            else:
                signed += self._sign_eight(few)
        return signed

    def _sign_eight(self, inputs: Sequence[bytes]) -> list[bytes]:
        hashes = [sha256(octets).digest() for octets in inputs]
        blocks = [_BEFORE_HASH + digest for digest in hashes]
        raised = self._raise_eight(blocks + blocks[-1:] * (LANES - len(blocks)))
        if raised is None or len(raised) != LANES:
            self.is_given_up = True
            return [self._sign_one(octets) for octets in inputs]
        return [
            candidate if self._is_good(candidate, digest) else self._anew(octets)
            for octets, digest, candidate in zip(inputs, hashes, raised, strict=False)
        ]

    def _anew(self, octets: bytes) -> bytes:
        self.faults += 1
        if self.faults >= MOST_FAULTS:
            self.is_given_up = True
        return self._sign_one(octets)


def open_batch_signer(
    library: Library,
    numbers: PrivateNumbers,
    *,
    sign_one: Callable[[bytes], bytes],
    is_good: Callable[[bytes, bytes], bool],
) -> BatchSigner | None:
    """Return a signer that has shown with eight inputs that it signs; None where the key or the library does not do.

    `sign_one` is the ordinary way; `is_good` compares a signature with the SHA-256 of what was signed.
    """
    if (numbers.p * numbers.q).bit_length() != KEY_BITS:
        return None
    if max(numbers.p, numbers.q).bit_length() > KEY_BITS // 2:
        return None  # primes of unlike length: the lanes have room for half of the modulus each
    raise_eight = library(numbers)
    if raise_eight is None:
        return None
    signer = BatchSigner(raise_eight, sign_one, is_good)
    signer.sign_all([bytes([lane]) for lane in range(LANES)])
    return None if signer.faults or signer.is_given_up else signer
