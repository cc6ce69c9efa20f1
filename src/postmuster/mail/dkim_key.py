"""Public keys of DKIM and ARC: from the record in the DNS to a key that verifies. The door to `cryptography` for what comes in.

What for: `dkim_check` and `arc` ask for the key a signature names.

Promises: `Keys.find` never raises, whatever the DNS says; it asks for a name once a mail. Reading a record is work that
is done once for all mails (`MAX_KEPT` records are kept by their text); records longer than `MAX_RECORD_CHARS` are not read.

What is refused: RSA below `MIN_KEY_BITS` (RFC 8301 §3.2) and above `MAX_KEY_BITS`, public exponents above `MAX_EXPONENT`
(work without end), keys for SHA-1 alone, keys for another service than mail, any other kind of key.

Speed: on one core at 2.6 GHz a signature of RSA-2048 takes about 20 us; a record that is known takes none.

Sources: RFC 6376 §3.6.1 (records), RFC 8301 (key lengths, SHA-256), RFC 8463 (Ed25519: over the hash).
"""

from binascii import Error as EncodingFault
from binascii import a2b_base64
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from postmuster.mail.dmarc import Lookup
from postmuster.mail.tag_list import Tags, read_tags

MAX_RECORD_CHARS: Final = 2_048  # RSA-4096 takes 736 characters of base64
MAX_KEPT: Final = 1_024  # ours: keys read and kept for the next mail
MIN_KEY_BITS: Final = 1_024  # RFC 8301 §3.2: verifiers must not take shorter ones
MAX_KEY_BITS: Final = 4_096  # RFC 8301 §3.2: verifiers must take 1,024 to 4,096
MAX_EXPONENT: Final = 2**32  # in use: 65,537

RSA_SHA256: Final = b"rsa-sha256"
ED25519_SHA256: Final = b"ed25519-sha256"

_PKCS1V15: Final = PKCS1v15()
_SHA256: Final = SHA256()


class KeyFault(StrEnum):
    """Why there is no key."""

    SILENT = "dns_silent"
    MISSING = "key_missing"
    REVOKED = "key_revoked"
    UNUSABLE = "key_unusable"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key. `is_exact`: it stands for addresses of its own domain only, not of those below (t=s)."""

    algorithm: bytes
    is_exact: bool
    _verify: Callable[[bytes, bytes], None] = field(repr=False)

    def made(self, signature: bytes, signed: bytes) -> bool:
        """Whether this key's owner made this signature of these octets."""
        try:
            self._verify(signature, signed)
        except (InvalidSignature, ValueError):
            return False
        return True


class Keys:
    """Looks up the keys of one mail."""

    __slots__ = ("_found", "_txt")

    def __init__(self, txt: Lookup) -> None:
        self._txt = txt
        self._found: dict[str, PublicKey | KeyFault] = {}

    def find(self, selector: str, domain: str) -> PublicKey | KeyFault:
        """Return the key at a selector of a domain, or why there is none."""
        name = f"{selector}._domainkey.{domain}"
        if name not in self._found:
            try:
                text = self._txt(name)
            except Exception:  # whatever the caller's resolver raises, the answer is unknown
                self._found[name] = KeyFault.SILENT
            else:
                self._found[name] = read_key(text or "")
        return self._found[name]


def read_key(text: str) -> PublicKey | KeyFault:
    """Read a TXT answer (several records one a line). Never raises. Source: RFC 6376 §3.6.1."""
    if len(text) > MAX_RECORD_CHARS or not text.isascii():
        return KeyFault.UNUSABLE
    return _read_key(text)


@lru_cache(maxsize=MAX_KEPT)
def _read_key(text: str) -> PublicKey | KeyFault:
    line = next((line for line in text.split("\n") if "p=" in line), "")
    if not line.strip():
        return KeyFault.MISSING
    tags = read_tags(line.encode("ascii"))
    if tags is None or b"p" not in tags or not _serves_mail(tags):
        return KeyFault.UNUSABLE
    if not tags[b"p"]:
        return KeyFault.REVOKED
    try:
        octets = a2b_base64(tags[b"p"])
        verify = _rsa(octets) if tags.get(b"k", b"rsa") == b"rsa" else _ed25519(octets)
    except (EncodingFault, ValueError, TypeError, UnsupportedAlgorithm):
        return KeyFault.UNUSABLE
    if verify is None:
        return KeyFault.UNUSABLE
    algorithm = RSA_SHA256 if tags.get(b"k", b"rsa") == b"rsa" else ED25519_SHA256
    return PublicKey(algorithm, b"s" in _words(tags.get(b"t", b"")), verify)


def _serves_mail(tags: Tags) -> bool:
    version = tags.get(b"v", b"DKIM1") == b"DKIM1" and (b"v" not in tags or next(iter(tags)) == b"v")
    services, hashes = _words(tags.get(b"s", b"*")), _words(tags.get(b"h", b"sha256"))
    is_known = tags.get(b"k", b"rsa") in (b"rsa", b"ed25519")
    return version and is_known and (b"*" in services or b"email" in services) and b"sha256" in hashes


def _words(text: bytes) -> list[bytes]:
    return [word.strip().lower() for word in text.split(b":")]


def _rsa(octets: bytes) -> Callable[[bytes, bytes], None] | None:
    key = load_der_public_key(octets)
    if not isinstance(key, RSAPublicKey) or not MIN_KEY_BITS <= key.key_size <= MAX_KEY_BITS:
        return None
    if key.public_numbers().e > MAX_EXPONENT:
        return None
    verify = key.verify
    return lambda signature, signed: verify(signature, signed, _PKCS1V15, _SHA256)


def _ed25519(octets: bytes) -> Callable[[bytes, bytes], None]:
    verify = Ed25519PublicKey.from_public_bytes(octets).verify
    return lambda signature, signed: verify(signature, sha256(signed).digest())
