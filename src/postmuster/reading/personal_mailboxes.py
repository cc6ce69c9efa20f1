"""Find e-mail addresses in a text.

What for: an address is personal data. More letters than ASCII has, quotation marks and the `=` of envelope senders count, so
that no half of an address is left.

Promises: never raises; linear: at each `@` at most 64 characters before it and one domain after it are looked at.

Sources: RFC 5321 §4.5.3.1 (lengths), RFC 6531 (letters), RFC 5322 §3.4.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_DOMAIN: Final = re.compile(r"[^\W_][\w-]{0,62}(?:\.[\w-]{1,63}){1,8}")
_LOCAL_CHARS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+'&~=-"
_LOCAL: Final = re.compile(r"[\w.%+'&~=-]{1,64}\Z")
_QUOTED_LOCAL: Final = re.compile(r'"[^"\n]{1,62}"\Z')


def mailboxes(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each address begins and ends: what may stand after each `@`, then what stands before it. Never raises."""
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        length = _local_length(text[max(0, at - 64) : at]) if domain else 0
        if domain and length:
            yield at - length, domain.end()
        at = text.find("@", at + 1)


def _local_length(window: str) -> int:
    rest = window.rstrip(_LOCAL_CHARS)
    length = len(window) - len(rest)
    if rest and (rest[-1].isalnum() or rest[-1] == '"'):  # letters beyond ASCII; quotation marks
        local = _QUOTED_LOCAL.search(window) or _LOCAL.search(window)
        length = len(local[0]) if local else 0
    while length and window[-length] == "'":
        length -= 1
    return length
