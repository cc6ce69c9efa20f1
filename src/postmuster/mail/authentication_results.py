"""Read Authentication-Results fields, and those of ARC, which have the same form.

What for: our own border server writes what it found; everybody else can write the same field. `trusted_results` gives
what ours wrote.

Trust. Only fields with the configured authserv-id count, and only in the top-most run of Authentication-Results
fields: the first one in the header and those that follow it before the next Received. What stands below a Received
was there before our server took the mail. A border server that does not remove fields with its own name (RFC 8601 §5,
which it must) can still be imitated right below its own; of each method the first statement counts, and a signature
must be there for `dkim=pass` to be believed (`mail.authentication`).

Promises: never raises; linear; at most `MAX_FIELDS` fields, `MAX_RESULTS` results each.

Sources: RFC 8601 §2.2 (grammar), §5 (removal), RFC 8617 §4.1.1 (ARC).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from postmuster.mail.message import Message

MAX_FIELDS: Final = 10  # ours: of one run; a server with milters writes one field a method
MAX_RESULTS: Final = 30  # ours: of one field
MAX_VALUE_CHARS: Final = 16_384  # ours: of one field


class Result(StrEnum):
    """What a check came to. Source: RFC 8601 §2.7."""

    PASS = "pass"  # noqa: S105 -- a result, no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    POLICY = "policy"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method's result. `properties` has names such as "smtp.mailfrom" and "header.d", lower case."""

    method: str
    result: str
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AuthenticationResults:
    """One field as read. `instance` is ARC's, None in an ordinary field."""

    authserv_id: str
    results: tuple[MethodResult, ...]
    instance: int | None = None


_COMMENT_OR_QUOTED: Final = re.compile(r'[()]|"(?:[^"\\]|\\.)*+"|\\.', re.DOTALL)
_PIECE: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|[^;"]++|")++', re.DOTALL)
_PAIR: Final = re.compile(
    r'([A-Za-z0-9_-]{1,60}(?:\s{0,3}\.\s{0,3}[A-Za-z0-9_-]{1,60})?)\s{0,9}(?:/\s{0,9}\d{1,3}\s{0,9})?=\s{0,9}("(?:[^"\\]|\\.)*+"|[^\s;"]++(?:"[^"]*+"[^\s;"]*+)*+)?',
    re.DOTALL,
)
_INSTANCE: Final = re.compile(r"\s{0,9}i\s{0,9}=\s{0,9}(\d{1,3})\s{0,9}$", re.IGNORECASE)


def read_results(value: str) -> AuthenticationResults | None:
    """Read one field body; None when it has no authserv-id. Never raises. Source: RFC 8601 §2.2."""
    pieces = _PIECE.findall(_without_comments(value[:MAX_VALUE_CHARS]))
    instance: int | None = None
    if pieces and (numbered := _INSTANCE.match(pieces[0])):
        instance = int(numbered[1])
        pieces = pieces[1:]
    if not pieces:
        return None
    words = pieces[0].split()
    if not words or "=" in words[0]:
        return None
    found = []
    for piece in pieces[1 : MAX_RESULTS + 1]:
        result = _read_method(piece)
        if result is not None:
            found.append(result)
    return AuthenticationResults(_unquote(words[0]).lower(), tuple(found), instance)


def trusted_results(message: Message, authserv_id: str) -> tuple[MethodResult, ...]:
    """Return what our own border server found, nothing when it says nothing. Never raises."""
    wanted = authserv_id.strip().lower()
    if not wanted or "authentication-results" not in message.index:
        return ()
    found: list[MethodResult] = []
    count = 0
    for name, value in message.fields:
        lower = name.lower()
        if lower == "authentication-results" and count < MAX_FIELDS:
            count += 1
            read = read_results(value)
            if read is not None and read.authserv_id == wanted:
                known = {result.method for result in found}
                found.extend(result for result in read.results if result.method not in known)
        elif lower == "received" and count:
            break
    return tuple(found)


def _read_method(piece: str) -> MethodResult | None:
    method, result = "", ""
    properties: dict[str, str] = {}
    for pair in _PAIR.finditer(piece):
        name = "".join(pair[1].split()).lower()
        value = _unquote(pair[2] or "")
        if not method:
            if "." in name:
                return None
            method, result = name, value.lower()
        elif name not in properties:
            properties[name] = value
    return MethodResult(method, result, properties) if method else None


def _without_comments(value: str) -> str:
    if "(" not in value:
        return value
    out: list[str] = []
    depth, at = 0, 0
    for found in _COMMENT_OR_QUOTED.finditer(value):
        mark = found[0]
        if not depth:
            out.append(value[at : found.start()])
        if mark == "(":
            depth += 1
        elif mark == ")":
            depth = max(depth - 1, 0)
        elif not depth:
            out.append(mark)
        at = found.end()
    if not depth:
        out.append(value[at:])
    return " ".join(out) if len(out) > 1 else "".join(out)


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text
