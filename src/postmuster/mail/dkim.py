"""DKIM: sign what we send, so that anyone can check that it is ours and unaltered.

What for: `compose` signs a mail for one person; `sign_message` signs any whole message. One of the three doors to the
library `cryptography`.

Promises. Relaxed canonicalisation of header and body, SHA-256, RSA (2,048 to 4,096 bits) or Ed25519. Every field that is
present is signed, and each name in `OVERSIGNED` once more than it is present, so that a second Subject or a new Reply-To
breaks the signature. There is no `l=`: nothing can be added under the text. No key appears in a `repr` or an error.

Speed. Measured on one core at 2.6 GHz: signing takes 250 us for RSA-2048 and 32 us for Ed25519, all the rest here about 5
us, because a `SigningPlan` holds all of the field that does not change from one message to the next. Hashing 3 KB takes
2.0 us; starting from a saved state of the hash takes as long where the first name stands in the first lines, so bodies
are hashed whole, and those that are the same for all once. `SigningPlan.sign_all` takes a batch: with a library that raises
eight numbers at once (`batch_signing`) RSA takes 100 to 150 us, the check of each signature with the public key included.

Randomness: `make_key` draws from the library's own source, because a key made from anything else is not a key.

Limits: one signature a message, or two where a signer has a second one (RSA for everybody, Ed25519 for who can: RFC 8463
§3.1); no `i=`, `x=` or `z=`. The record in the DNS is the caller's to publish; values over 255
octets go into several strings of one TXT record (RFC 6376 §3.6.2.2).

Errors: `Permanent` for a key that is none of ours to use, `Defect` for a name that cannot stand in a signature.

Sources: RFC 6376, RFC 8301 (SHA-256, key lengths), RFC 8463 (Ed25519: the signature is over the SHA-256 hash).
"""

import re
from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from postmuster.base.errors import Defect, Permanent
from postmuster.mail.batch_signing import BatchSigner, Library, PrivateNumbers, open_batch_signer
from postmuster.mail.limits import SOFT_LINE_OCTETS

OVERSIGNED: Final = (
    "from",
    "subject",
    "date",
    "to",
    "reply-to",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "message-id",
)
# RFC 6376 §5.4.1 and §5.4: what the way adds or changes is left out.
UNSIGNED: Final = frozenset(
    ("return-path", "received", "comments", "keywords", "bcc", "dkim-signature", "authentication-results")
)

RSA_KEY_BITS: Final = 2_048  # RFC 8301 §3.2: what signers should have at least; longer keys take longer to sign with
MAX_RSA_KEY_BITS: Final = 4_096  # RFC 8301 §3.2: the longest every verifier must be able to check
_RSA_PUBLIC_EXPONENT: Final = 65_537
_SIGNATURE_LINE_CHARS: Final = 72

_WORD: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_FIELD_NAME: Final = re.compile(r"[!-9<-~]+")  # RFC 5322 §3.6.8 ftext; a ";" would end the tag (RFC 6376 §3.5)
_WSP_TO_LEVEL: Final = re.compile(r"[ \t]{2,}|\t")
_WSP_TO_LEVEL_IN_BODY: Final = re.compile(rb"[ \t]{2,}|\t")

_SHA256: Final = SHA256()
_PREHASHED: Final = Prehashed(_SHA256)
_PKCS1V15: Final = PKCS1v15()

# The fields in relaxed form, the body's hash, seconds since 1970: what `SigningPlan.sign` takes.
Draft = tuple[str, str, int]


class SigningAlgorithm(StrEnum):
    """The `a=` of a signature."""

    RSA_SHA256 = "rsa-sha256"
    ED25519_SHA256 = "ed25519-sha256"


SigningKey = RSAPrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class SigningPlan:
    """All of a DKIM-Signature field but time, body hash and signature, for messages with the same fields."""

    _sign: Callable[[bytes], bytes] = field(repr=False)
    _before_time: str
    _after_time: str
    _relaxed_before_time: str
    _relaxed_after_time: str
    _sign_batch: Callable[[Sequence[bytes]], Sequence[bytes]] | None = field(default=None, repr=False)
    _second: "SigningPlan | None" = None

    def sign(self, relaxed_fields: str, body_hash: str, at_s: int) -> str:
        """Return the whole field, or both where there are two signatures, CRLF included.

        `relaxed_fields` are the fields named in the plan, in its order; `body_hash` comes from `hash_body`; `at_s` is in
        seconds since 1970.
        """
        written = self._write(self._sign(self._input(relaxed_fields, body_hash, at_s)), body_hash, at_s)
        return written if self._second is None else written + self._second.sign(relaxed_fields, body_hash, at_s)

    def sign_all(self, drafts: Sequence[Draft]) -> list[str]:
        """Sign several messages, each as `sign` does; where eight can be signed at once, they are."""
        if self._sign_batch is None:
            return [self.sign(*draft) for draft in drafts]
        signatures = self._sign_batch([self._input(*draft) for draft in drafts])
        written = [
            self._write(signature, body_hash, at_s)
            for signature, (_, body_hash, at_s) in zip(signatures, drafts, strict=True)
        ]
        if self._second is None:
            return written
        return [first + second for first, second in zip(written, self._second.sign_all(drafts), strict=True)]

    def _input(self, relaxed_fields: str, body_hash: str, at_s: int) -> bytes:
        relaxed = f"{relaxed_fields}{self._relaxed_before_time}{at_s}{self._relaxed_after_time}{body_hash}; b="
        return relaxed.encode("utf-8", "surrogateescape")

    def _write(self, signature: bytes, body_hash: str, at_s: int) -> str:
        text = b2a_base64(signature, newline=False).decode("ascii")
        if len(text) > _SIGNATURE_LINE_CHARS:
            step = _SIGNATURE_LINE_CHARS
            text = "\r\n ".join([text[place : place + step] for place in range(0, len(text), step)])
        return f"{self._before_time}{at_s}{self._after_time}{body_hash};\r\n b={text}\r\n"


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """Signs for one domain with one key, and with a second signer's too where there is one. Made by `load_signer`."""

    domain: str
    selector: str
    key: SigningKey = field(repr=False)
    batch: BatchSigner | None = field(default=None, repr=False, compare=False)
    second: "DkimSigner | None" = field(default=None, repr=False)

    @property
    def algorithm(self) -> SigningAlgorithm:
        if isinstance(self.key, RSAPrivateKey):
            return SigningAlgorithm.RSA_SHA256
        return SigningAlgorithm.ED25519_SHA256

    def plan(self, names: Sequence[str]) -> SigningPlan:
        """Prepare the signing of messages with these fields, in this order; `OVERSIGNED` is added.

        Raises `Defect` when From is missing or a name cannot stand in a signature. Source: RFC 6376 §3.5, §5.4.
        """
        lowered = [name.lower() for name in names]
        if "from" not in lowered or not all(map(_FIELD_NAME.fullmatch, lowered)):
            raise Defect(
                "A message was not signed because its fields have no From or an impossible name; mend the caller."
            )
        before = f"DKIM-Signature: v=1; a={self.algorithm}; c=relaxed/relaxed;\r\n d={self.domain};\r\n s={self.selector}; t="
        after = f";\r\n {_fold_names([*lowered, *OVERSIGNED])};\r\n bh="
        return SigningPlan(
            _signing(self.key),
            before,
            after,
            _unfold(before.replace("DKIM-Signature: ", "dkim-signature:")),
            _unfold(after),
            self.batch.sign_all if self.batch is not None else None,
            self.second.plan(names) if self.second is not None else None,
        )

    def sign_message(self, message: bytes, *, at: datetime) -> bytes:
        """Return the DKIM-Signature field to be put before a whole message with CRLF line ends, CRLF included.

        Repeated fields are signed from the last to the first (RFC 6376 §5.4.2).
        """
        header, _, body = message.partition(b"\r\n\r\n")
        written = header.decode("utf-8", "surrogateescape").replace("\r\n ", " ").replace("\r\n\t", "\t")
        signed = [
            (name, f"{name}:{value}")
            for name, _, value in (line.partition(":") for line in reversed(written.split("\r\n")))
            if name.rstrip(" \t").lower() not in UNSIGNED
        ]
        plan = self.plan([name.rstrip(" \t") for name, _ in signed])
        relaxed_fields = "".join([relaxed_field(whole) for _, whole in signed])
        return plan.sign(relaxed_fields, hash_body(relaxed_body(body)), int(at.timestamp())).encode("ascii")


def make_key(algorithm: SigningAlgorithm) -> bytes:
    """Make a private key and return it as PEM (PKCS #8, not encrypted: the caller seals or guards it)."""
    key: SigningKey
    if algorithm is SigningAlgorithm.RSA_SHA256:
        key = generate_private_key(_RSA_PUBLIC_EXPONENT, RSA_KEY_BITS)
    else:
        key = Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_signer(
    pem: bytes, *, domain: str, selector: str, library: Library | None = None, second: DkimSigner | None = None
) -> DkimSigner:
    """Make a signer from a private key in PEM.

    `library` signs eight at once where key and library are fit for it; `second` adds its own signature to each mail.

    Raises `Permanent` when the key cannot be read or is neither RSA of 2,048 to 4,096 bits nor Ed25519, `Defect` when
    the domain or the selector is not one in A-labels.
    """
    domain, selector = domain.lower(), selector.lower()
    if not (_is_domain(domain) and _is_domain(selector)):
        raise Defect(
            "No mail can be signed because the signing domain or selector is not a DNS name; correct the setting."
        )
    key = _read_key(pem)
    batch = _batch(key, library) if library is not None and isinstance(key, RSAPrivateKey) else None
    return DkimSigner(domain, selector, key, batch, second)


def public_record(pem: bytes) -> str:
    """Return the value of the TXT record at `selector._domainkey.domain` for a private key. Raises as `load_signer`.

    Source: RFC 6376 §3.6.1, RFC 8463 §4.
    """
    public = _read_key(pem).public_key()
    if isinstance(public, RSAPublicKey):
        kind, encoding, form = "rsa", serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    else:
        kind, encoding, form = "ed25519", serialization.Encoding.Raw, serialization.PublicFormat.Raw
    return f"v=DKIM1; k={kind}; p={b64encode(public.public_bytes(encoding, form)).decode('ascii')}"


def relaxed_field(written: str) -> str:
    """Return a field in relaxed form, CRLF included; `written` may be folded and may end with CRLF.

    Source: RFC 6376 §3.4.2.
    """
    name, _, value = written.partition(":")
    value = value.replace("\r\n", "")
    if "  " in value or "\t" in value:
        value = _WSP_TO_LEVEL.sub(" ", value)
    return f"{name.rstrip(' ').lower()}:{value.strip(' ')}\r\n"


def relaxed_body(body: bytes) -> bytes:
    """Return a body in relaxed form; linear in its length. Source: RFC 6376 §3.4.4."""
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    return without_empty_end(_WSP_TO_LEVEL_IN_BODY.sub(b" ", body).replace(b" \r\n", b"\r\n"))


def without_empty_end(body: bytes) -> bytes:
    """Return a body that ends with CRLF without the empty lines at its end."""
    end = len(body)
    while body.endswith(b"\r\n\r\n", 0, end):
        end -= 2
    return b"" if body[:end] == b"\r\n" else body[:end]


def hash_body(relaxed: bytes) -> str:
    """Return the `bh=` of a body in relaxed form."""
    return b2a_base64(sha256(relaxed).digest(), newline=False).decode("ascii")


def is_selector(text: str) -> bool:
    """Whether this can be the selector of a key: labels in small letters (RFC 6376 §3.1)."""
    return _is_domain(text)


def _batch(key: RSAPrivateKey, library: Library) -> BatchSigner | None:
    numbers, public = key.private_numbers(), key.public_key()

    def is_good(signature: bytes, digest: bytes) -> bool:
        try:
            public.verify(signature, digest, _PKCS1V15, _PREHASHED)
        except InvalidSignature:
            return False
        return True

    wanted = PrivateNumbers(numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    return open_batch_signer(library, wanted, sign_one=_signing(key), is_good=is_good)


def _signing(key: SigningKey) -> Callable[[bytes], bytes]:
    if isinstance(key, RSAPrivateKey):
        sign_rsa = key.sign
        return lambda octets: sign_rsa(octets, _PKCS1V15, _SHA256)
    sign_ed25519 = key.sign
    return lambda octets: sign_ed25519(sha256(octets).digest())


def _read_key(pem: bytes) -> SigningKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Permanent(
            "No mail can be signed because the signing key is not a private key in PEM without a password; "
            "nothing was sent; give the right file."
        ) from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, RSAPrivateKey) and RSA_KEY_BITS <= key.key_size <= MAX_RSA_KEY_BITS:
        return key
    raise Permanent(
        "No mail can be signed because the signing key is neither RSA of 2048 to 4096 bits nor Ed25519; "
        "nothing was sent; make a new key."
    )


def _is_domain(text: str) -> bool:
    return len(text) <= 253 and all(map(_WORD.fullmatch, text.split(".")))


def _fold_names(names: Sequence[str]) -> str:
    """White space may stand on both sides of a colon (RFC 6376 §3.5), nowhere in a name."""
    lines = ["h=" + names[0]]
    for name in names[1:]:
        lines[-1] += ":"
        if len(lines[-1]) + len(name) + 2 > SOFT_LINE_OCTETS:
            lines.append("")
        lines[-1] += name
    return "\r\n ".join(lines)


def _unfold(text: str) -> str:
    return text.replace("\r\n", "")
