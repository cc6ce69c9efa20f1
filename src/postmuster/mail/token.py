"""Stateless signed tokens: which delivery a reply, a bounce or a caller is talking about.

For everything that comes back to us. A token stands in the local part of the reply address and of the VERP envelope
address; a Message-ID and a check code that people can read out on the telephone are derived from the same delivery.
No table is asked to read them.

Promises. Each of the four is derived with its own purpose inside the HMAC, so that none can be turned into another. A
token altered in any one character is refused, as is another spelling of the same octets. Comparison is in constant
time. Readers never raise. A token names the delivery and proves nothing about who wrote the reply.

Layout, 24 octets: key id (1), notice (4), round (1), sequence (4), last valid day (2), truncated HMAC-SHA256 (12);
in base32 without padding 39 characters. They carry 195 bits, the last three of which must be zero.

Sources: RFC 2104 (HMAC), RFC 4648 §6 (base32), RFC 5233 (subaddress), RFC 5321 §4.5.3.1.1 (64 octets of local part),
RFC 5322 §3.6.4 (Message-ID).
"""

import hmac
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

TOKEN_CHARS: Final = 39

_PAYLOAD: Final = struct.Struct(">BIBIH")
_REF: Final = struct.Struct(">IBI")
_SIGNATURE_OCTETS: Final = 12
_TOKEN_OCTETS: Final = _PAYLOAD.size + _SIGNATURE_OCTETS
_SPARE_BITS: Final = TOKEN_CHARS * 5 - _TOKEN_OCTETS * 8
_TOKEN: Final = re.compile(r"[a-z2-7]{39}")

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
# int() reads base 32 with the digits 0-9a-v; this maps RFC 4648's alphabet onto them. Decoding a token this way takes a
# sixth of what base64.b32decode takes.
_DIGITS: Final = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")

_MESSAGE_ID: Final = re.compile(r"<n(\d{1,10})\.r(\d{1,3})\.s(\d{1,10})\.([a-z2-7]{16})@([!-;=?-~]{1,255})>")
_MESSAGE_ID_OCTETS: Final = 10
_VERP: Final = re.compile(r"b-n(\d{1,10})-([a-z2-7]{39})")

# Digits and consonants that cannot be taken for one another in print, in handwriting or spoken: without 0 O, 1 I L,
# 2 Z, 5 S, 8 B, U V, and without vowels, so that no code is a word. Ten of them make 43.9 bits.
CHECK_ALPHABET: Final = "34679CDFGHJKMNPQRTWXY"
CHECK_CHARS: Final = 10
_CHECK_GROUP: Final = 5
_CHECK_SEPARATORS: Final = str.maketrans("", "", " -\u2010\u2011\u2013\u00a0\t\r\n")
_MAX_TYPED_CHARS: Final = 64


class Purpose(StrEnum):
    """What a token is for. Part of what is signed."""

    REPLY = "reply"
    VERP = "verp"
    CHECK = "check"
    MESSAGE_ID = "message-id"
    CONFIRM = "confirm"  # written and read in `confirmation`


_SIGNED_AS: Final = {purpose: b"postmuster\0" + purpose.encode() + b"\0" for purpose in Purpose}


class TokenFault(StrEnum):
    """Why a token was refused."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown-key"
    WRONG_SIGNATURE = "wrong-signature"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class DeliveryRef:
    """One message to one person: notice (u32), round (u8), sequence (u32, 1-based; 0 is a letter)."""

    notice_no: int
    round_no: int
    seq: int


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says. `expires_day` is its last valid day, counted from 1970-01-01 (u16, until 2149)."""

    key_id: int
    ref: DeliveryRef
    expires_day: int


def signed_prefix(purpose: Purpose) -> bytes:
    """What every HMAC for this purpose begins with."""
    return _SIGNED_AS[purpose]


def write_token(purpose: Purpose, token: Token, key: bytes) -> str:
    """Write a token as 39 lower-case characters.

    Raises ValueError if a number does not fit its field: that is a defect of the caller, never of a stranger's mail.
    """
    ref = token.ref
    try:
        payload = _PAYLOAD.pack(token.key_id, ref.notice_no, ref.round_no, ref.seq, token.expires_day)
    except struct.error as error:
        raise ValueError("A token was not written because a number does not fit its field.") from error
    return _base32(payload + _mac(purpose, payload, key)[:_SIGNATURE_OCTETS])


def read_token(purpose: Purpose, text: str, keys: Mapping[int, bytes], today: int) -> Token | TokenFault:
    """Read a token in either case; `today` is in days since 1970-01-01. Never raises."""
    if not text.isascii():  # str.lower() turns the Kelvin sign into a k
        return TokenFault.MALFORMED
    lowered = text.lower()
    if not _TOKEN.fullmatch(lowered):
        return TokenFault.MALFORMED
    number = int(lowered.translate(_DIGITS), 32)
    if number & ((1 << _SPARE_BITS) - 1):
        return TokenFault.MALFORMED
    octets = (number >> _SPARE_BITS).to_bytes(_TOKEN_OCTETS, "big")
    payload, signature = octets[: _PAYLOAD.size], octets[_PAYLOAD.size :]
    key = keys.get(payload[0])
    if key is None:
        return TokenFault.UNKNOWN_KEY
    if not hmac.compare_digest(signature, _mac(purpose, payload, key)[:_SIGNATURE_OCTETS]):
        return TokenFault.WRONG_SIGNATURE
    key_id, notice_no, round_no, seq, expires_day = _PAYLOAD.unpack(payload)
    if expires_day < today:
        return TokenFault.EXPIRED
    return Token(key_id, DeliveryRef(notice_no, round_no, seq), expires_day)


def write_reply_address(token: Token, key: bytes, *, domain: str, name: str = "reply", separator: str = "+") -> str:
    """Write the address a person's reply goes to: `name` is the local part that a separator and the token follow. RFC 5233."""
    return f"{name}{separator}{write_token(Purpose.REPLY, token, key)}@{domain}"


def write_verp_address(token: Token, key: bytes, *, domain: str) -> str:
    """Write the reverse path of a delivery. The notice stands in clear, so that a relay can hold one notice."""
    return f"b-n{token.ref.notice_no}-{write_token(Purpose.VERP, token, key)}@{domain}"


def find_token(local_part: str, *, name: str = "reply", separator: str = "+") -> tuple[Purpose, str] | None:
    """Find the token text in a local part of ours and say what it is for; None if it is not ours. Never raises.

    The notice in clear is for relays only: what counts is the one inside the token.
    """
    if not local_part.isascii():
        return None
    lowered = local_part.lower()
    prefix = f"{name}{separator}".lower()
    if lowered.startswith(prefix):
        return Purpose.REPLY, lowered[len(prefix) :]
    verp = _VERP.fullmatch(lowered)
    return (Purpose.VERP, verp[2]) if verp else None


def write_message_id(ref: DeliveryRef, key: bytes, *, domain: str) -> str:
    """Write the Message-ID of a delivery, angle brackets included; always the same for the same delivery and key."""
    mark = _base32(_mac(Purpose.MESSAGE_ID, _packed(ref), key)[:_MESSAGE_ID_OCTETS])
    return f"<n{ref.notice_no}.r{ref.round_no}.s{ref.seq}.{mark}@{domain}>"


def read_message_id(text: str, keys: Iterable[bytes], *, domain: str) -> DeliveryRef | TokenFault:
    """Read a Message-ID of ours, brackets included, under any of the keys in force. Never raises."""
    lowered = text.lower() if text.isascii() else ""
    match = _MESSAGE_ID.fullmatch(lowered)
    if match is None or match[5] != domain.lower():
        return TokenFault.MALFORMED
    ref = DeliveryRef(int(match[1]), int(match[2]), int(match[3]))
    if f"<n{ref.notice_no}.r{ref.round_no}.s{ref.seq}." != lowered[: match.start(4)]:  # leading zeros
        return TokenFault.MALFORMED
    try:
        written = [write_message_id(ref, key, domain=match[5]).encode() for key in keys]
    except ValueError:
        return TokenFault.MALFORMED
    held = [hmac.compare_digest(lowered.encode(), candidate) for candidate in written]
    return ref if any(held) else TokenFault.WRONG_SIGNATURE


def write_letter_id(letter_no: int, key: bytes, *, domain: str) -> str:
    """Write the Message-ID of a letter, angle brackets included. It names no delivery, and no other mail's is like it."""
    mark = _base32(
        hmac.digest(key, _SIGNED_AS[Purpose.MESSAGE_ID] + b"letter %d" % letter_no, "sha256")[:_MESSAGE_ID_OCTETS]
    )
    return f"<l{letter_no}.{mark}@{domain}>"


def write_check_code(ref: DeliveryRef, key: bytes) -> str:
    """Write the code a person can type or read out to check a mail: ten characters in two groups, `XXXXX-XXXXX`."""
    number = int.from_bytes(_mac(Purpose.CHECK, _packed(ref), key)[:16], "big")  # 128 bits: no bias worth naming
    chars = []
    for _ in range(CHECK_CHARS):
        number, digit = divmod(number, len(CHECK_ALPHABET))
        chars.append(CHECK_ALPHABET[digit])
    code = "".join(chars)
    return f"{code[:_CHECK_GROUP]}-{code[_CHECK_GROUP:]}"


def check_code_holds(text: str, ref: DeliveryRef, keys: Iterable[bytes]) -> bool:
    """Say whether a typed code belongs to the delivery, whatever its case, spaces or hyphens. Never raises."""
    typed = text[:_MAX_TYPED_CHARS].translate(_CHECK_SEPARATORS)
    if not typed.isascii() or len(typed) != CHECK_CHARS:
        return False
    typed = typed.upper()
    try:
        codes = [write_check_code(ref, key).replace("-", "") for key in keys]
    except ValueError:
        return False
    held = [hmac.compare_digest(typed, code) for code in codes]  # all of them, whichever holds
    return any(held)


def _packed(ref: DeliveryRef) -> bytes:
    try:
        return _REF.pack(ref.notice_no, ref.round_no, ref.seq)
    except struct.error as error:
        raise ValueError("A delivery was not named because a number does not fit its field.") from error


def _mac(purpose: Purpose, payload: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _SIGNED_AS[purpose] + payload, "sha256")


def _base32(octets: bytes) -> str:
    """Two characters a look-up: half the time of base64.b32encode, and every delivery needs three of these."""
    number = int.from_bytes(octets, "big") << (-len(octets) * 8 % 10)
    bits = len(octets) * 8 + (-len(octets) * 8 % 10)
    pairs = [PAIRS[number >> shift & 1023] for shift in range(bits - 10, -1, -10)]
    return "".join(pairs)[: (len(octets) * 8 + 4) // 5]
