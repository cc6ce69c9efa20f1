"""Say what a mail server's words mean: enhanced status, class and reason of one failed or delayed delivery.

What for: `mail.report` finds who a report is about and what was said; this module reads what was said. Session
replies of our own relay are read by the same rules, so that a refusal in session and a report that comes later count
alike.

Promises: never raises; linear in the text, of which `MAX_DIAGNOSTIC_CHARS` are read. The class follows the first
digit of the status, else of the reply code, else the words; a report that says nothing is permanent.

Sources: RFC 3463 (statuses), RFC 5321 §4.2 (reply codes), RFC 5248; the phrases are in data/diagnostics.toml.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from postmuster.mail.phrases import load_table, strings

MAX_DIAGNOSTIC_CHARS: Final = 4_000  # the longest in the corpora has under 1,500


class StatusClass(StrEnum):
    """Whether trying again can help. Source: RFC 3463 §3.1."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    NONE = "none"


class Reason(StrEnum):
    """Why a delivery failed or waits."""

    UNKNOWN_USER = "unknown_user"
    MAILBOX_FULL = "mailbox_full"
    POLICY = "policy"
    SPAM = "spam"
    TOO_BIG = "too_big"
    HOST = "host"
    NETWORK = "network"
    EXPIRED = "expired"
    DISABLED = "disabled"
    MOVED = "moved"
    CONTENT = "content"
    AUTH = "auth"
    RATE = "rate"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was said of one recipient."""

    status: str | None
    status_class: StatusClass
    reason: Reason


_CLASS_OF_DIGIT: Final = {"2": StatusClass.NONE, "4": StatusClass.TRANSIENT, "5": StatusClass.PERMANENT}
# A status beside a reply code, in brackets or after "#" is one; three numbers elsewhere may be a version or an address.
_STATUS_BESIDE_CODE: Final = re.compile(r"(?<![\d.])([45])\d\d[ \-:#(;]{1,4}(\1\.[0-7]\.\d{1,3})(?![\d.]?\d)")
_STATUS_ALONE: Final = re.compile(r"(?<![\d.\w])([45]\.[0-7]\.\d{1,3})(?!\.?\d|[.-]?\w)")
_STATUS_FIELD: Final = re.compile(r"(?<![\d.])([245])\s{0,2}\.\s{0,2}(\d{1,3})\s{0,2}\.\s{0,2}(\d{1,3})(?![\d.]?\d)")
_CODE: Final = re.compile(
    r"(?:^|[\s<>(\[:;,'\"#])(?:smtp;? {0,3}|code:? {0,3}|error:? {0,3}|said:? {0,3}|#)?"
    r"([45][0-5]\d)(?=[\s\-:;,)\]>#'\"]|$)",
    re.IGNORECASE,
)
_TRANSIENT_WORDS: Final = re.compile(
    r"temporar|try (?:again )?later|\bdelay|deferred|not yet been delivered|will be retried|gr[ea]ylist|server busy"
)
_FINAL_WORDS: Final = re.compile(r"giv(?:en|ing) up|not going to try|expired|queue too long|aborted|permanent")
_SPACES: Final = re.compile(r"\s+")


def status_of_field(value: str) -> str | None:
    """Read a Status field; None when it holds no status. Source: RFC 3464 §2.3.4."""
    found = _STATUS_FIELD.search(value[:200])
    return f"{found[1]}.{int(found[2])}.{int(found[3])}" if found else None


def status_in_words(words: str) -> str | None:
    """Find the enhanced status in a reply or a report's text, None when there is none."""
    words = words[:MAX_DIAGNOSTIC_CHARS]
    beside = _STATUS_BESIDE_CODE.search(words)
    if beside is not None:
        return beside[2]
    alone = _STATUS_ALONE.search(words)
    return alone[1] if alone else None


def diagnose(words: str, status: str | None = None, *, boilerplate: str = "") -> Diagnosis:
    """Read what a server said of one recipient. Never raises.

    `status` is a report's own Status field; `boilerplate` the words around, asked where `words` have no phrase.
    """
    words = words[:MAX_DIAGNOSTIC_CHARS]
    around = boilerplate[:MAX_DIAGNOSTIC_CHARS]
    said = status_in_words(words)
    if status is None or (status.endswith((".0.0",)) and said is not None and said[0] == status[0]):
        status = said or status
    code = _CODE.search(words)
    digit = status[0] if status else code[1][0] if code else ""
    tidy, tidy_around = _tidy(words), _tidy(around)
    status_class = _CLASS_OF_DIGIT.get(digit)
    if status_class is None:
        transient = _TRANSIENT_WORDS.search(tidy) and not _FINAL_WORDS.search(tidy)
        status_class = StatusClass.TRANSIENT if transient else StatusClass.PERMANENT
    reason = _reason(tidy, status)
    if reason is Reason.OTHER and around:
        reason = _reason(tidy_around, status)
    return Diagnosis(status, status_class, reason)


def _tidy(words: str) -> str:
    return _SPACES.sub(" ", words).lower().replace("’", "'")


@dataclass(frozen=True, slots=True)
class _Row:
    reason: Reason
    phrases: re.Pattern[str]
    decisive: frozenset[str]
    statuses: frozenset[str]


def _reason(words: str, status: str | None) -> Reason:
    table = _table()
    detail = status.partition(".")[2] if status else ""
    for row in table:
        if detail in row.decisive:
            return row.reason
    for row in table:
        if row.phrases.search(words):
            return row.reason
    return next((row.reason for row in table if detail in row.statuses), Reason.OTHER)


@cache
def _table() -> tuple[_Row, ...]:
    return tuple(_row(name, entry) for name, entry in load_table("diagnostics").items())


def _row(name: str, entry: object) -> _Row:
    table = entry if isinstance(entry, dict) else {}
    return _Row(
        Reason(str(table.get("reason", name))),
        re.compile("|".join(strings(table.get("phrases"), "diagnostics"))),
        frozenset(strings(table.get("decisive"), "diagnostics")),
        frozenset(strings(table.get("statuses"), "diagnostics")),
    )
