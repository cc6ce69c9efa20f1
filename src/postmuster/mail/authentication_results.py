"""Read Authentication-Results fields, and those of ARC, which have the same form.

What for: our own border server writes what it found; everybody else can write the same field. `trusted_results` gives
what ours wrote.

Trust. Only fields with a configured authserv-id count, and only where our own servers can have written them: above the
Received of our border, or right below it and above the next one (servers differ in where they put theirs; `mail.received`
says which Received are ours). What stands further down was there before the mail came to us, whatever name it bears. The
place right below the border's Received is the sender's, too, where the border does not take fields with its own name off
(RFC 8601 §5, which it must): it is read only where nothing of ours stands above, and `Statements.certain` says how many of
the results are beyond doubt. Fields of one run, between two Received, are taken together; of each method the first
statement counts, and a signature must be there for `dkim=pass` to be believed (`mail.authentication`).

Promises: never raises; linear; at most `MAX_FIELDS` fields, `MAX_RESULTS` results each.

Sources: RFC 8601 §2.2 (grammar), §2.5 (versions), §5 (removal), RFC 8617 §4.1.1 (ARC).
"""

import re
from collections.abc import Collection, Mapping
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


@dataclass(frozen=True, slots=True)
class Statements:
    """What our own servers say. The first `certain` results nobody else can have written."""

    results: tuple[MethodResult, ...] = ()
    certain: int = 0


# A quoted string that is never closed goes on to the end, so that nothing is read twice.
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
_COMMENT_OR_QUOTED: Final = re.compile(rf"[()]|{_QUOTED}|\\.", re.DOTALL)
_IN_COMMENT: Final = re.compile(r"[()]|\\.", re.DOTALL)  # a quotation mark means nothing there (RFC 5322 §3.2.2)
_PIECE: Final = re.compile(rf'(?:{_QUOTED}|[^;"]++)++', re.DOTALL)
_PAIR: Final = re.compile(
    r"([A-Za-z0-9_-]{1,60}(?:\s{0,3}\.\s{0,3}[A-Za-z0-9_-]{1,60})?)\s{0,9}(?:/\s{0,9}\d{1,3}\s{0,9})?=\s{0,9}"
    rf'((?:{_QUOTED}|[^\s;"]++)++)?',
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
    if words[1:] not in ([], ["1"]):  # a later version may mean something else by the same words (RFC 8601 §2.5)
        return AuthenticationResults(_unquote(words[0]).lower(), (), instance)
    found = []
    for piece in pieces[1 : MAX_RESULTS + 1]:
        result = _read_method(piece)
        if result is not None:
            found.append(result)
    return AuthenticationResults(_unquote(words[0]).lower(), tuple(found), instance)


def trusted_results(message: Message, authserv_ids: Collection[str], own_hops: int) -> Statements:
    """Return what our own servers found, nothing when they say nothing. Never raises.

    `own_hops` are the Received fields that our own servers wrote, `authserv_ids` the names (lower case) they write under.
    """
    found: list[MethodResult] = []
    known: set[str] = set()
    certain = read_fields = passed = 0
    has_spoken = False
    for name, value in message.fields:
        lower = name.lower()
        if lower == "received":
            passed += 1
            if passed > own_hops:
                break
            certain = len(found)
            if passed == own_hops and has_spoken:
                break
        elif lower == "authentication-results" and read_fields < MAX_FIELDS:
            read_fields += 1
            read = read_results(value)
            if read is not None and read.authserv_id in authserv_ids:
                has_spoken = True
                found.extend(result for result in read.results if result.method not in known)
                known.update(result.method for result in read.results)
    return Statements(tuple(found), certain)


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
    while found := (_IN_COMMENT if depth else _COMMENT_OR_QUOTED).search(value, at):
        mark = found[0]
        if not depth:
            out += (value[at : found.start()], " " if mark in "()" else mark)
        depth = depth + 1 if mark == "(" else max(depth - 1, 0) if mark == ")" else depth
        at = found.end()
    if not depth:
        out.append(value[at:])
    return "".join(out)


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"' and text.count('"') == 2 + text.count('\\"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text
