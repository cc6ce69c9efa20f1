"""Say what a mail server's words mean: enhanced status, class and reason of one failed or delayed delivery.

What for: `mail.report` finds who a report is about and what was said; this module reads what was said. Session
replies of our own relay are read by the same rules, so that a refusal in session and a report that comes later count
alike.

How: a status that settles the reason goes first; then words that only one cause has; then a status that only one
cause has; then words of any refusal; then the words around; then a vague status. Two things change what words mean:
where in the session they were said (who is refused at MAIL FROM is the sender; who is unknown only after DATA was
known at RCPT, and a filter refused), and that a server gave up (nobody answered until the time was up).

Promises: never raises; linear in the text, of which `MAX_DIAGNOSTIC_CHARS` are read. All phrases are asked in one
pass that looks at beginnings of words only. The class follows the first digit of the status, else of the reply code,
else the words; a report that says nothing is permanent.

Sources: RFC 3463 (statuses), RFC 5321 §3.3 and §4.2 (stages, reply codes), RFC 5248; the phrases are in
data/diagnostics.toml, the statuses in data/statuses.toml, each with its sources.
"""

import re
from collections.abc import Iterable, Mapping
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
    HOST = "host"  # the domain's name is not found
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


def diagnose(
    words: str, status: str | None = None, *, boilerplate: str = "", session: str = "", gave_up: bool = False
) -> Diagnosis:
    """Read what a server said of one recipient. Never raises.

    `status` is a report's own Status field; `boilerplate` the words around, asked where `words` have no phrase;
    `session` what else shows the stage at which they were said; `gave_up` that it is a failure and no delay.
    """
    words = _reply_within(words[:MAX_DIAGNOSTIC_CHARS])
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
    reason = _reason(tidy, tidy_around, status)
    if reason in _OF_RECIPIENT:
        reason = _at_stage(reason, tidy, _tidy(session[:MAX_DIAGNOSTIC_CHARS]))
    if gave_up and reason is Reason.NETWORK and _nobody_answered(tidy, status):
        reason = Reason.EXPIRED
    return Diagnosis(status, status_class, reason)


# Lines by which a report says which mail it means: its subject may speak of anything.
_OF_OUR_MAIL: Final = re.compile(
    r"^[ \t>*|]{0,20}(?:subject|to|cc|from|sent|date|betreff|objet|asunto|oggetto|assunto|onderwerp|temat|ämne|emne|"
    r"тема|件名|主题|主旨|제목)[ \t]?[:：][^\n]*",
    re.IGNORECASE | re.MULTILINE,
)


def _tidy(words: str) -> str:
    return _SPACES.sub(" ", _OF_OUR_MAIL.sub("", words)).lower().replace("’", "'").replace("_", " ")


# AsyncOS puts its own sorting before the reply and the reply into quotation marks: the reply counts.
_SORTED_FIRST: Final = re.compile(r"\d\.(\d)\.\d - [A-Za-z ]{1,40} ([45]\d\d)-'([^\n]{1,1000})'")


def _reply_within(words: str) -> str:
    found = _SORTED_FIRST.search(words)
    if found is None:
        return words
    # Its subject 1 is a recipient refused at RCPT; anything else was said of the mail.
    stage = "" if found[1] == "1" else " (after end of data)"
    return f"{found[2]} {found[3]}{stage}"


_AT_SENDER: Final = re.compile(
    r"after mail from:|in reply to mail from command|\[mail from\]|did not like our mail from|sender was rejected"
    r"|>>> mail from:\S{1,400}(?: \S{1,200}){0,4} <<< [45]"
)
_AFTER_DATA: Final = re.compile(
    r"after end of data|in reply to (?:end of )?data command|did not like our (?:final )?data|>>> data <<< [45]"
    # A reply made by the form "<ADDRESS>: …" without an address was not said to one recipient.
    r"|\b5\d\d : user unknown"
)
# A client that sends RCPT and DATA at once shows the refusal of RCPT below DATA, then that nobody was left to send to;
# and a server may answer RCPT late, saying so.
_REFUSED_AT_RCPT: Final = re.compile(r"need rcpt|no valid recipient|valid rcpt|5\d\d (?:5\.\d\.\d{1,3} )?rcpt <")
_OF_RECIPIENT: Final = frozenset({Reason.UNKNOWN_USER, Reason.HOST, Reason.MOVED, Reason.DISABLED})


def _at_stage(reason: Reason, words: str, session: str) -> Reason:
    """What is said of an address at MAIL FROM is said of ours; an address unknown after DATA was known before."""
    for text in (words, session):
        if _AT_SENDER.search(text):
            return Reason.POLICY
        if reason is Reason.UNKNOWN_USER and _AFTER_DATA.search(text) and not _REFUSED_AT_RCPT.search(text):
            return Reason.POLICY
    return reason


_NO_ANSWER: Final = re.compile(r"timed? ?out|time-?out|accept our requests to connect")


def _nobody_answered(words: str, status: str | None) -> bool:
    """Source: RFC 3463 §3.5: X.4.1 is no answer; with class 4 and a failure the time was up."""
    return status == "4.4.1" or (status is None and _NO_ANSWER.search(words) is not None)


def _reason(words: str, around: str, status: str | None) -> Reason:
    detail = status.partition(".")[2] if status else ""
    statuses = _statuses()
    if detail in statuses.decisive:
        return statuses.decisive[detail]
    cause, refusal = _phrases().find(words)
    if cause is not None:
        return cause
    if detail in statuses.precise:
        return statuses.precise[detail]
    if refusal is not None:
        return refusal
    cause, refusal = _phrases().find(around) if around else (None, None)
    return cause or statuses.vague.get(detail) or refusal or Reason.OTHER


@dataclass(frozen=True, slots=True)
class _Statuses:
    decisive: Mapping[str, Reason]
    precise: Mapping[str, Reason]
    vague: Mapping[str, Reason]


@cache
def _statuses() -> _Statuses:
    table = load_table("statuses")
    return _Statuses(*(_by_detail(table.get(name)) for name in ("decisive", "precise", "vague")))


def _by_detail(rows: object) -> Mapping[str, Reason]:
    table = rows if isinstance(rows, dict) else {}
    return {detail: Reason(str(name)) for name, list_ in table.items() for detail in strings(list_, "statuses")}


@dataclass(frozen=True, slots=True)
class _Phrases:
    """Every phrase in one expression, rows in the order of their rank: at each word the best row is tried first."""

    spaced: re.Pattern[str]
    unspaced: re.Pattern[str]
    rows: Mapping[str, tuple[int, Reason, bool]]  # by group: rank, reason, whether only one cause has it

    def find(self, words: str) -> tuple[Reason | None, Reason | None]:
        """Return the reasons of the best cause and of the best refusal."""
        best = [(len(self.rows), Reason.OTHER)] * 2
        for pattern in (self.spaced,) if words.isascii() else (self.spaced, self.unspaced):
            found = pattern.search(words)
            while found is not None:
                rank, reason, is_cause = self.rows[found.lastgroup or ""]
                place = 0 if is_cause else 1
                best[place] = min(best[place], (rank, reason))
                # On from the next word and not from the match's end: a better row's phrase may begin within it.
                found = pattern.search(words, found.start() + 1)
        cause, refusal = (reason if rank < len(self.rows) else None for rank, reason in best)
        return cause, refusal


@cache
def _phrases() -> _Phrases:
    table = load_table("diagnostics")
    rows: dict[str, tuple[int, Reason, bool]] = {}
    groups: dict[bool, list[str]] = {True: [], False: []}
    for name in ("cause", "unspaced", "refusal"):
        for entry in _entries(table.get(name)):
            group = f"r{len(rows)}"
            rows[group] = (len(rows), Reason(str(entry.get("reason"))), name != "refusal")
            phrases = "|".join(strings(entry.get("phrases"), "diagnostics"))
            groups[name != "unspaced"].append(f"(?P<{group}>{phrases})")
    return _Phrases(
        re.compile(rf"\b(?=\w)(?:{'|'.join(groups[True])})"), re.compile("|".join(groups[False]) or r"(?!)"), rows
    )


def _entries(rows: object) -> Iterable[Mapping[str, object]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
