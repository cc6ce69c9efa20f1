"""Sealing: the one door to symmetric encryption.

Every item has its own random data key (AES-256-GCM, 96-bit random nonce in front, the item's number as associated data).
The data key is wrapped under HKDF-SHA256 of the notice's key and the person's key, or, while nobody is known for it, under
the master epoch alone. Text is compressed before it is sealed (zlib level 1: replies are mostly quoted text).
Sources: NIST SP 800-38D, RFC 5869.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_OCTETS = 32
NONCE_OCTETS = 12
MAX_OPEN_OCTETS = 128 * 1024 * 1024  # what one item may decompress to: twice the largest mail taken in
_COMPRESSION = 1

Randomness = Callable[[int], bytes]


class Unopenable(ValueError):
    """The bytes were not sealed under this key for this item, or were changed since."""


def seal(plain: bytes, key: bytes, bound_to: bytes, randomness: Randomness = os.urandom) -> bytes:
    """Compress and seal; `bound_to` must be given again to open."""
    return _encrypt(zlib.compress(plain, _COMPRESSION), key, bound_to, randomness)


def unseal(sealed: bytes, key: bytes, bound_to: bytes) -> bytes:
    """Open what `seal` made. Raises `Unopenable`."""
    inflater = zlib.decompressobj()
    plain = inflater.decompress(_decrypt(sealed, key, bound_to), MAX_OPEN_OCTETS)
    if inflater.unconsumed_tail:
        raise Unopenable("the item opens to more than the limit")
    return plain


def wrap(key: bytes, under: bytes, bound_to: bytes, randomness: Randomness = os.urandom) -> bytes:
    return _encrypt(key, under, bound_to, randomness)


def unwrap(wrapped: bytes, under: bytes, bound_to: bytes) -> bytes:
    return _decrypt(wrapped, under, bound_to)


def joint_key(notice_key: bytes, person_key: bytes) -> bytes:
    """The key of everything one person said about one notice: gone when either of the two is gone."""
    derivation = HKDF(algorithm=SHA256(), length=KEY_OCTETS, salt=None, info=b"postmuster notice and person")
    return derivation.derive(notice_key + person_key)


def _encrypt(plain: bytes, key: bytes, bound_to: bytes, randomness: Randomness) -> bytes:
    nonce = randomness(NONCE_OCTETS)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound_to)


def _decrypt(sealed: bytes, key: bytes, bound_to: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_OCTETS], sealed[NONCE_OCTETS:], bound_to)
    except (InvalidTag, ValueError):
        raise Unopenable("the item does not open under this key") from None
