"""Verify the signatures of a mail that came in: DKIM and ARC. The only door to the library `dkim`.

What for: `mail.authentication` asks which domains signed what we hold.

Promises: never raises, whatever the mail or the DNS says; bounded: `MAX_SIGNATURES` signatures, `MAX_ARC_SETS` ARC
sets, one body of at most `MAX_SIGNED_OCTETS`, keys of at most `MAX_KEY_BITS`. A failed lookup is `temperror`. No
clock: expiry (x=) is held against `now` where the caller gives one, because a mail is read once more years later.

What the library leaves open is closed here: rsa-sha1 does not count (RFC 8301), nor a signature that leaves out the
end of the body (l=), because anything can be put under it; long runs of white space, on which its patterns take
quadratic time, are taken out of the body beforehand where that changes nothing, and are refused in the field; its log
is silenced, since it repeats what it was given.

Sources: RFC 6376 §6 (verifying), RFC 8301, RFC 8463 (Ed25519), RFC 8617 §5.2 (ARC).
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final

import dkim
from dkim.canonicalization import correct_empty_body, strip_trailing_lines
from dkim.crypto import parse_public_key
from dkim.util import parse_tag_value

from postmuster.mail.authentication_results import AuthenticationResults, Result, read_results
from postmuster.mail.dmarc import Lookup, may_align

MAX_SIGNATURES: Final = 5  # ours: verified for one mail; a mail through two services has three
MAX_ARC_SETS: Final = 10  # RFC 8617 §4.2.1 allows 50; a reply passes two or three
MAX_SIGNED_OCTETS: Final = 64 * 1024 * 1024  # ours: of a mail whose body is hashed
MAX_SIGNED_HEADER_OCTETS: Final = 256 * 1024  # ours: as much header as `message.Limits` reads
MAX_SIGNED_FIELDS: Final = 2_000  # ours: fields in a header that is verified
MAX_SIGNATURE_FIELD_OCTETS: Final = 8 * 1024  # ours: a signature of RSA-4096 over a hundred fields has under 3,000
MAX_SPACE_RUN: Final = 100  # ours: white space in a row in a signature field
MAX_KEY_RECORD_CHARS: Final = 2_048  # RSA-4096 takes 736 characters of base64
ED25519_KEY_OCTETS: Final = 32  # RFC 8463 §4.2
MAX_KEY_BITS: Final = 4_096  # RFC 8301 §3.2: verifiers must take 1,024 to 4,096
MAX_EXPONENT: Final = 2**32  # in use: 65,537

_SIGNS: Final = re.compile(rb"^(?:dkim-signature|arc-)", re.I | re.M)
_HEADER_END: Final = re.compile(rb"\r?\n\r?\n")
_LONG_SPACE: Final = re.compile(rb"\s{%d}" % MAX_SPACE_RUN)
_NAME: Final = re.compile(rb"[a-z0-9_](?:[a-z0-9_.-]{0,253}[a-z0-9_])?")
_SPACE_RUN: Final = re.compile(rb"[\t ]{2,}+|\t")
_NEVER: Final = b"999999999999"
_ALGORITHMS: Final = frozenset({b"rsa-sha256", b"ed25519-sha256"})
_DIGITS: Final = re.compile(rb"\d{1,12}\Z")


@dataclass(frozen=True, slots=True)
class SignatureResult:
    """One signature: by which domain, and what it came to."""

    domain: str
    result: Result


@dataclass(frozen=True, slots=True)
class ArcResult:
    """An ARC chain: its result, who sealed it last, and what that sealer had found."""

    result: Result
    sealer: str = ""
    found: AuthenticationResults | None = None


class _Silent:
    """Takes the place of a logger."""

    def debug(self, *_: object) -> None: ...

    def error(self, *_: object) -> None: ...


class _Keys:
    """Looks keys up for the library and remembers why one was not usable."""

    def __init__(self, txt: Lookup) -> None:
        self._txt = txt
        self._known: dict[bytes, bytes | None] = {}
        self.trouble: Result | None = None

    def __call__(self, name: bytes | str, timeout: int = 5) -> bytes | None:
        wanted = name.encode("ascii", "replace") if isinstance(name, str) else bytes(name)
        if wanted in self._known:
            record = self._known[wanted]
            if record is None:
                self.trouble = self.trouble or Result.PERMERROR
            return record
        try:
            text = self._txt(wanted.decode("ascii", "replace").rstrip("."))
        except Exception:  # whatever the caller's resolver raises, the answer is unknown
            self.trouble = Result.TEMPERROR
            return None
        found = _usable_key(text or "")
        if isinstance(found, Result):
            self.trouble = found
        self._known[wanted] = None if isinstance(found, Result) else found
        return self._known[wanted]


@lru_cache(maxsize=1024)
def _usable_key(text: str) -> bytes | Result:
    """Return the record, or why it cannot be used: missing or revoked, or so large that using it would be work without end."""
    line = next((line.strip() for line in text.split("\n") if "p=" in line), "")
    if not line or len(line) > MAX_KEY_RECORD_CHARS or not line.isascii():
        return Result.PERMERROR
    record = line.encode("ascii")
    try:
        tags = parse_tag_value(record)
        if tags.get(b"k", b"rsa") == b"ed25519":
            return record if len(base64.b64decode(tags[b"p"])) == ED25519_KEY_OCTETS else Result.PERMERROR
        key = parse_public_key(base64.b64decode(tags[b"p"]))
        if key["modulus"].bit_length() > MAX_KEY_BITS or not 2 < key["publicExponent"] <= MAX_EXPONENT:
            return Result.PERMERROR
    except Exception:  # the library raises whatever a broken key leads it to
        return Result.PERMERROR
    return record


class SignedMail:
    """A mail whose signatures are verified on demand."""

    def __init__(self, raw: bytes, txt: Lookup, now: datetime | None = None) -> None:
        self._keys = _Keys(txt)
        self._now = now
        self._fields: list[list[bytes]] = []
        self._body = b""
        self._relaxed: bytes | None = None
        self._hashed: dict[bool, tuple[bytes, bytes]] = {}
        self._is_sound = len(raw) <= MAX_SIGNED_OCTETS
        if self._is_sound:
            self._split(bytes(raw))
        self.signers = tuple(self._signer(value) for value in self._signatures()[:MAX_SIGNED_FIELDS])

    def _split(self, raw: bytes) -> None:
        end = _HEADER_END.search(raw, 0, MAX_SIGNED_HEADER_OCTETS)
        header = raw[: end.start()] if end else raw
        if len(header) > MAX_SIGNED_HEADER_OCTETS or header.count(b"\n") > MAX_SIGNED_FIELDS * 10:
            self._is_sound = False
            return
        if _SIGNS.search(header) is None:
            return  # nothing to verify: most of the work is not needed
        try:
            self._fields, _ = dkim.rfc822_parse(header + b"\r\n\r\n")
        except Exception:  # what the library cannot split, nobody signed in this form
            self._is_sound = False
            self._fields = []
        self._is_sound = self._is_sound and len(self._fields) <= MAX_SIGNED_FIELDS
        body = raw[end.end() :] if end else b""
        self._body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def _signatures(self) -> list[bytes]:
        return [value for name, value in self._fields if name.lower() == b"dkim-signature"] if self._is_sound else []

    def _signer(self, value: bytes) -> str:
        """The domain a signature is by, "" when it has none that a key could be looked up for.

        Only a plain name will do: with a space in it, the key could be looked up elsewhere than where it seems to be.
        """
        try:
            domain = parse_tag_value(value[:MAX_SIGNATURE_FIELD_OCTETS])[b"d"].lower()
        except Exception:  # the library raises whatever a broken field leads it to
            return ""
        return domain.decode("ascii") if _NAME.fullmatch(domain) else ""

    def verify(self, author_domain: str, is_aligned: Callable[[str], bool]) -> tuple[SignatureResult, ...]:
        """Verify the signatures that may stand for the author's domain, and one other. Never raises.

        It stops at the first pass that `is_aligned`.
        """
        near = [
            number
            for number, signer in enumerate(self.signers)
            if signer and (signer == author_domain or may_align(signer, author_domain))
        ]
        others = [number for number in range(len(self.signers)) if number not in set(near[:MAX_SIGNATURES])]
        results: list[SignatureResult] = []
        for number in (*near[: MAX_SIGNATURES - 1], *others[:1]):
            result = SignatureResult(self.signers[number], self._verify_one(number))
            results.append(result)
            if result.result is Result.PASS and is_aligned(result.domain):
                break
        return tuple(results)

    def _verify_one(self, number: int) -> Result:
        value = self._signatures()[number]
        if not self.signers[number]:
            return Result.PERMERROR
        if len(value) > MAX_SIGNATURE_FIELD_OCTETS or _LONG_SPACE.search(value):
            return Result.POLICY
        self._keys.trouble = None
        try:
            tags = parse_tag_value(value)
            refused = self._refuse(tags)
            if refused is not None:
                return refused
            names = _signed_names(value)
            if b"from" not in names:
                return Result.PERMERROR
            del tags[b"bh"]  # compared above: the library would hash the body once more for each signature
            checker = dkim.DKIM(None, logger=_Silent())
            self._prepare(checker, b"")
            passed = checker.verify_sig(tags, names, (b"DKIM-Signature", value), self._keys)
        except Exception as error:  # the library raises whatever hostile input leads it to; no such mail passes
            if self._keys.trouble is not None:
                return self._keys.trouble
            return Result.FAIL if isinstance(error, dkim.ValidationError) else Result.PERMERROR
        if passed is True:
            return Result.PASS
        return self._keys.trouble or Result.FAIL

    def _refuse(self, tags: dict[bytes, bytes]) -> Result | None:
        # t= and x= go by the clock of whoever calls the library; they are read below.
        dkim.validate_signature_fields({name: value for name, value in tags.items() if name not in (b"t", b"x")})
        if tags[b"a"] not in _ALGORITHMS:
            return Result.POLICY
        if self._now is not None and int(tags.get(b"x", _NEVER)) < self._now.timestamp():
            return Result.POLICY
        body, body_hash = self._canonical_body(relaxed=_relaxes_body(tags))
        length = tags.get(b"l")
        if length is not None and (not _DIGITS.match(length) or int(length) < len(body)):
            return Result.POLICY
        if base64.b64decode(re.sub(rb"\s+", b"", tags[b"bh"])) != body_hash:
            return Result.FAIL
        return None

    def _prepare(self, checker: "dkim.DomainSigner", body: bytes) -> None:
        checker.headers = [list(field) for field in self._fields]
        checker.body = body

    def _relaxed_body(self) -> bytes:
        """The body as relaxed canonicalisation leaves it but for its last lines; a second time changes nothing.

        Source: RFC 6376 §3.4.4.
        """
        if self._relaxed is None:
            self._relaxed = _SPACE_RUN.sub(b" ", self._body).replace(b" \r\n", b"\r\n")
        return self._relaxed

    def _canonical_body(self, *, relaxed: bool) -> tuple[bytes, bytes]:
        """The body as it is signed and its hash; the same for all signatures. Source: RFC 6376 §3.4.3, §3.4.4."""
        if relaxed not in self._hashed:
            body = strip_trailing_lines(self._relaxed_body() if relaxed else self._body)
            body = correct_empty_body(body) if relaxed else body
            self._hashed[relaxed] = (body, sha256(body).digest())
        return self._hashed[relaxed]

    def verify_arc(self) -> ArcResult:
        """Verify the ARC chain. Never raises. Source: RFC 8617 §5.2."""
        fields = [(name.lower(), value) for name, value in self._fields if name.lower() in dkim.ARC.ARC_HEADERS]
        if not fields or not self._is_sound:
            return ArcResult(Result.NONE)
        too_many = sum(name == b"arc-seal" for name, _ in fields) > MAX_ARC_SETS or len(fields) > MAX_ARC_SETS * 3
        if too_many or any(
            len(value) > MAX_SIGNATURE_FIELD_OCTETS * 2 or _LONG_SPACE.search(value) for _, value in fields
        ):
            return ArcResult(Result.POLICY)
        self._keys.trouble = None
        try:
            checker = dkim.ARC(None, logger=_Silent())
            signatures = [value for name, value in fields if name == b"arc-message-signature"]
            relaxed = all(_relaxes_body(parse_tag_value(value), b"relaxed/relaxed") for value in signatures)
            self._prepare(checker, self._relaxed_body() if relaxed else self._body)
            if not all(b"from" in _signed_names(value) for value in signatures):
                return ArcResult(Result.FAIL)
            state, sets, _ = checker.verify(dnsfunc=self._keys)
            newest = sets[0] if sets else {}
            sealer = bytes(newest.get("as-domain", b"")).decode("ascii", "replace").lower()
            value = bytes(newest.get("aar-value", b"")).decode("utf-8", "replace")
        except Exception:  # the library raises whatever hostile input leads it to; no such chain passes
            return ArcResult(self._keys.trouble if self._keys.trouble is Result.TEMPERROR else Result.FAIL)
        if state == dkim.CV_Pass:
            return ArcResult(Result.PASS, sealer, read_results(value))
        return ArcResult(Result.TEMPERROR if self._keys.trouble is Result.TEMPERROR else Result.FAIL, sealer)


def _signed_names(value: bytes) -> list[bytes]:
    return [name.strip().lower() for name in parse_tag_value(value)[b"h"].split(b":")]


def _relaxes_body(tags: dict[bytes, bytes], default: bytes = b"simple/simple") -> bool:
    return tags.get(b"c", default).strip().endswith(b"/relaxed")
