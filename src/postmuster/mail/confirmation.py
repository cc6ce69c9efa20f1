"""The code by which a person confirms an election: twelve characters that no table holds.

What for: what has effect in law is not taken from one mail alone. A code goes to the enrolled address, and only whoever
reads that mailbox can type it. It is derived again whenever one comes in.

Promises. Derived with a purpose of its own (`token.Purpose.CONFIRM`), so that no token, Message-ID or check code can be
turned into one; bound to the election, the delivery and the moment it ends, so that an election whose number comes again
after a restore has another. Three groups of four cannot be taken for a check code (two of five). Compared in constant
time under every key in force. Readers never raise.

Sources: RFC 2104; NIST SP 800-63B §5.1.3.2 (at least 20 bits, limited tries, ten minutes there for a mailbox on the way
in; here the mailbox is the enrolled one, the code has 52 bits, and the notice says how many days it holds).
"""

from __future__ import annotations

import hmac
import re
import struct
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from postmuster.mail.token import CHECK_ALPHABET, DeliveryRef, Purpose, signed_prefix

GROUPS: Final = 3
GROUP_CHARS: Final = 4
CODE_CHARS: Final = GROUPS * GROUP_CHARS

_BOUND: Final = struct.Struct(">QIBIQ")
_MAX_TEXT_CHARS: Final = 20_000  # a mail that holds nothing but a code is far shorter
_JOINTS: Final = " -\u2010\u2011\u2013\u00a0"
_GROUP: Final = f"[{CHECK_ALPHABET}{CHECK_ALPHABET.lower()}]{{{GROUP_CHARS}}}"
_CODE: Final = re.compile(rf"(?<![0-9A-Za-z]){_GROUP}(?:[{_JOINTS}]?{_GROUP}){{{GROUPS - 1}}}(?![0-9A-Za-z])")
_PLAIN: Final = str.maketrans("", "", _JOINTS)


def write_confirmation(election_no: int, ref: DeliveryRef, ends: datetime, key: bytes) -> str:
    """Write the code of an election, `XXXX-XXXX-XXXX`. `ends` is the moment from which it holds no more, to the second.

    Raises ValueError if a number does not fit its field: a defect of the caller.
    """
    try:
        bound = _BOUND.pack(election_no, ref.notice_no, ref.round_no, ref.seq, int(ends.timestamp()))
    except struct.error as error:
        raise ValueError("A code was not written because a number does not fit its field.") from error
    digest = hmac.digest(key, signed_prefix(Purpose.CONFIRM) + bound, "sha256")
    number = int.from_bytes(digest[:16], "big")  # 128 bits: no bias worth naming
    chars = []
    for _ in range(CODE_CHARS):
        number, digit = divmod(number, len(CHECK_ALPHABET))
        chars.append(CHECK_ALPHABET[digit])
    code = "".join(chars)
    return "-".join(code[place : place + GROUP_CHARS] for place in range(0, CODE_CHARS, GROUP_CHARS))


def find_codes(text: str) -> tuple[tuple[int, int], ...]:
    """Where something of the form of a code stands in a text, in either case, its groups apart or together. Never raises."""
    return tuple(match.span() for match in _CODE.finditer(text[:_MAX_TEXT_CHARS]))


def confirmation_holds(typed: str, election_no: int, ref: DeliveryRef, ends: datetime, keys: Iterable[bytes]) -> bool:
    """Say whether a typed code is that of the election, under any of the keys in force. Never raises."""
    plain = typed[:64].translate(_PLAIN).upper()
    if not plain.isascii() or len(plain) != CODE_CHARS:
        return False
    try:
        codes = [write_confirmation(election_no, ref, ends, key).replace("-", "") for key in keys]
    except ValueError:
        return False
    held = [hmac.compare_digest(plain, code) for code in codes]  # all of them, whichever holds
    return any(held)
