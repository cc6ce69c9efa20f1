"""What stands in a copy for its delivery: reply address, reverse path, Message-ID and check code, for a whole round.

What for: `outbound.copies` needs the four for every person. They are what `token.write_reply_address`,
`write_verp_address`, `write_message_id` and `write_check_code` write (a test compares them), in a third of the time: 6 us
instead of 18 on one core at 2.6 GHz, where a signature takes 250.

How. Of an HMAC's input only the sequence differs from one person to the next, so the hash's state after key and constant
octets is kept and copied (RFC 2104 §4 describes it for the key). Of a token's 39 characters the first nine say key, notice
and round, and are written once.

Sources: RFC 2104, RFC 4648 §6. Errors: ValueError when a number does not fit its field, a defect of the caller.
"""

from hashlib import sha256
from typing import Final, NamedTuple

from postmuster.mail.token import (
    CHECK_ALPHABET,
    PAIRS,
    Purpose,
    Token,
    signed_prefix,
    write_token,
)

_BLOCK_OCTETS: Final = 64  # of SHA-256
_INNER, _OUTER = bytes(octet ^ 0x36 for octet in range(256)), bytes(octet ^ 0x5C for octet in range(256))
_CONSTANT_CHARS: Final = 9  # 45 of the 48 bits of key id, notice and round
_LOW: Final = 1023
_CHECK_PAIRS: Final = tuple(first + second for second in CHECK_ALPHABET for first in CHECK_ALPHABET)
_PAIR_BASE: Final = len(_CHECK_PAIRS)
_CODES: Final = len(CHECK_ALPHABET) ** 10


class DeliveryNames(NamedTuple):
    """The four of one delivery; addresses without angle brackets, the Message-ID with."""

    reply_to: str
    reverse_path: str
    message_id: str
    check_code: str


class _Mac:
    """HMAC-SHA256 whose input begins with the same octets each time."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes, prefix: bytes) -> None:
        padded = (sha256(key).digest() if len(key) > _BLOCK_OCTETS else key).ljust(_BLOCK_OCTETS, b"\0")
        self._inner = sha256(padded.translate(_INNER) + prefix)
        self._outer = sha256(padded.translate(_OUTER))

    def digest(self, rest: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(rest)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


class RoundNames:
    """Writes the names of one round's deliveries. `token` is any delivery's of the round: its sequence does not matter."""

    def __init__(
        self,
        token: Token,
        key: bytes,
        *,
        domain: str,
        reply_domain: str,
        reply_name: str,
        separator: str,
        bounce_domain: str,
    ) -> None:
        ref = token.ref
        start = write_token(Purpose.REPLY, token, key)[:_CONSTANT_CHARS]  # checks the fields, too
        self._reply_start, self._reply_end = f"{reply_name}{separator}{start}", f"@{reply_domain}"
        self._verp_start, self._verp_end = f"b-n{ref.notice_no}-{start}", f"@{bounce_domain}"
        self._id_start, self._id_end = f"<n{ref.notice_no}.r{ref.round_no}.s", f"@{domain}>"
        self._round_bits = (ref.round_no & 7) << 32
        self._expires_day = token.expires_day
        self._expires = token.expires_day.to_bytes(2, "big")
        of_round = ref.notice_no.to_bytes(4, "big") + ref.round_no.to_bytes(1, "big")
        of_key = token.key_id.to_bytes(1, "big")
        self._reply = _Mac(key, signed_prefix(Purpose.REPLY) + of_key + of_round)
        self._verp = _Mac(key, signed_prefix(Purpose.VERP) + of_key + of_round)
        self._id = _Mac(key, signed_prefix(Purpose.MESSAGE_ID) + of_round)
        self._check = _Mac(key, signed_prefix(Purpose.CHECK) + of_round)

    def write(self, seq: int) -> DeliveryNames:
        """Write the names of the delivery with this sequence (u32)."""
        octets = seq.to_bytes(4, "big")
        tail = octets + self._expires
        middle_bits = (self._round_bits | seq) << 15 | self._expires_day >> 1
        middle = (
            f"{PAIRS[middle_bits >> 40]}{PAIRS[middle_bits >> 30 & _LOW]}{PAIRS[middle_bits >> 20 & _LOW]}"
            f"{PAIRS[middle_bits >> 10 & _LOW]}{PAIRS[middle_bits & _LOW]}"
        )
        odd_day = (self._expires_day & 1) << 49
        mark = int.from_bytes(self._id.digest(octets)[:10], "big")
        high, low = mark >> 40, mark & 0xFF_FFFF_FFFF
        return DeliveryNames(
            f"{self._reply_start}{middle}{_signature(self._reply.digest(tail), odd_day)}{self._reply_end}",
            f"{self._verp_start}{middle}{_signature(self._verp.digest(tail), odd_day)}{self._verp_end}",
            f"{self._id_start}{seq}.{PAIRS[high >> 30]}{PAIRS[high >> 20 & _LOW]}{PAIRS[high >> 10 & _LOW]}{PAIRS[high & _LOW]}"
            f"{PAIRS[low >> 30]}{PAIRS[low >> 20 & _LOW]}{PAIRS[low >> 10 & _LOW]}{PAIRS[low & _LOW]}{self._id_end}",
            _code(self._check.digest(octets)),
        )


def _signature(digest: bytes, odd_day: int) -> str:
    """The last 20 characters of a token: one bit of the day, 96 of the signature, three zeros."""
    number = int.from_bytes(digest[:12], "big")
    high, low = odd_day | number >> 47, (number & 0x7FFF_FFFF_FFFF) << 3
    return (
        f"{PAIRS[high >> 40]}{PAIRS[high >> 30 & _LOW]}{PAIRS[high >> 20 & _LOW]}{PAIRS[high >> 10 & _LOW]}{PAIRS[high & _LOW]}"
        f"{PAIRS[low >> 40]}{PAIRS[low >> 30 & _LOW]}{PAIRS[low >> 20 & _LOW]}{PAIRS[low >> 10 & _LOW]}{PAIRS[low & _LOW]}"
    )


def _code(digest: bytes) -> str:
    number = int.from_bytes(digest[:16], "big") % _CODES
    number, first = divmod(number, _PAIR_BASE)
    number, second = divmod(number, _PAIR_BASE)
    number, third = divmod(number, _PAIR_BASE)
    number, fourth = divmod(number, _PAIR_BASE)
    middle = _CHECK_PAIRS[third]
    return f"{_CHECK_PAIRS[first]}{_CHECK_PAIRS[second]}{middle[0]}-{middle[1]}{_CHECK_PAIRS[fourth]}{_CHECK_PAIRS[number]}"
