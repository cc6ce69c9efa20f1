"""Find classification and CUI markings, in three tiers.

What for: a reply with marked text is held before any person, index or model sees it. Tier A: quarantine now. Tier B:
hold for a cleared role. Tier C: counted only.

Promises: never raises; linear (each pattern runs on one line, forwards). Precision first: level words count only in
upper case and only where a marking stands (a line of its own, the start of a paragraph, a bracket); a word in a
sentence is tier C at most. Our own wording is exempt where the caller hands it in: it says not to send classified
data and sits in every quoted reply.

Limits: 200 hits; of a line the first 4,000 characters. Unmarked secrets, code words and pictures are invisible to it.

Sources: ISOO marking booklet (2018), IC markings register (2013), 32 CFR 2002.20 (CUI), RFC 7444, the Australian
e-mail protective marking standard, RFC 5545 (CLASS is no marking).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from postmuster.reading.spans import Span, SpanKind

MAX_HITS: Final = 200
MAX_LINE_CHARS: Final = 4_000


class Tier(StrEnum):
    """How grave a marking is."""

    A = "A"
    B = "B"
    C = "C"


class Where(StrEnum):
    """Where a marking stands."""

    SUBJECT = "subject"
    BODY = "body"
    QUOTE = "quote"
    ATTACHMENT = "attachment"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Marking:
    """A marking; its place counts characters of the text, the subject, the file name or the field it stands in."""

    tier: Tier
    text: str
    where: Where
    start: int
    end: int


_CONTROL: Final = (
    r"(?:HCS(?:-[OP])?|SI(?:-[A-Z]{1,6})?|TK|RSV|KDK|SAR-|SPECIAL ACCESS|RD(?:-CNWDI)?|FRD|TFNI|CNWDI|SIGMA|UCNI|FGI|RSEN|"
    r"ORCON(?:-USGOV)?|OC|IMCON|IMC|NOFORN|NF|PROPIN|PR|RELIDO|FISA|DSEN|REL(?: TO)?|DISPLAY ONLY|LIMDIS|DS|EXDIS|XD|NODIS|ND|"
    r"LES|SSI|SBU|FOUO|CUI)(?![A-Za-z0-9])"
)
_LEVEL: Final = r"(?:TOP SECRET|SECRET|CONFIDENTIAL)"
_CATEGORY: Final = r"(?:SP-)?[A-Z]{2,12}"
_TIER_A: Final = (
    re.compile(rf"{_LEVEL}//{_CONTROL}"),
    re.compile(r"//(?:JOINT |[A-Z]{3,4} )(?:TOP SECRET|SECRET|CONFIDENTIAL|RESTRICTED)\b|//COSMIC TOP SECRET\b"),
    re.compile(r"(?:UK|AUS|NATO) (?:TOP SECRET|SECRET|CONFIDENTIAL)$|COSMIC TOP SECRET$"),
    re.compile(r"(?:TR[EÈ]S SECRET|SECRET|CONFIDENTIEL) UE(?:/EU (?:TOP SECRET|SECRET|CONFIDENTIAL))?$"),
    re.compile(r"(?:T O P {1,3})?S E C R E T(?:$| SECTION \d|//)|C O N F I D E N T I A L(?:$| SECTION \d|//)"),
    re.compile(r"\[SEC=(?:PROTECTED|SECRET|TOP-SECRET)\b"),
)
_TIER_B: Final = (
    re.compile(rf"{_LEVEL}$"),
    re.compile(rf"UNCLASSIFIED//{_CONTROL}"),
    re.compile(r"(?:FOUO|FOR OFFICIAL USE ONLY)$"),
    re.compile(r"CUI$|CONTROLLED$"),
    re.compile(rf"(?:CUI|CONTROLLED)//{_CATEGORY}(?:[/ ]|$)"),
    re.compile(r"\[SEC=OFFICIAL:\s?Sensitive", re.IGNORECASE),
    re.compile(r"OFFICIAL-SENSITIVE(?:$|[:\s-]+[A-Z]+$)|UK OFFICIAL-SENSITIVE"),
    re.compile(r"NATO RESTRICTED$|RESTREINT UE(?:/EU RESTRICTED)?$|EU RESTRICTED$"),
    re.compile(r"VS-NfD$|VS-NUR F(?:Ü|UE)R DEN DIENSTGEBRAUCH$"),
    re.compile(r"PROTECTED [ABC]$"),
    re.compile(r"\[Contains CUI\]", re.IGNORECASE),
    re.compile(r"\(CUI\) ?\S"),
)
_PORTION: Final = re.compile(
    rf"\((?:(?P<a>(?:TS|S|C)//{_CONTROL}[A-Z0-9,/ -]{{0,80}}+\)|//[A-Z]{{3,4}} (?:TS|S|C|R)(?://[A-Z0-9,/ -]{{1,60}}+)?\))"
    rf"|(?P<b>U//{_CONTROL}[A-Z0-9,/ -]{{0,80}}+\)|CUI//{_CATEGORY}[A-Z0-9,/ -]{{0,80}}+\)))"
)
_SEC_INSIDE: Final = re.compile(
    r"\[SEC=(?:(?P<a>PROTECTED|SECRET|TOP-SECRET)\b|(?P<b>OFFICIAL:\s?Sensitive))", re.IGNORECASE
)
_BARE_PORTION: Final = re.compile(r"\((TS|S|C|U)\) \D")
_LIST_LETTER: Final = re.compile(r"\(([A-Z])\) ")
_AUTHORITY: Final = re.compile(
    r"(classified by:|derived from:|reason: ?1\.4|declassify on: ?(?:\d{8}|25x|50x|\d{4}-\d\d-\d\d))", re.IGNORECASE
)
_BOX: Final = re.compile(r"(controlled by:|cui category|limited dissemination control:|poc:)", re.IGNORECASE)
_PROSE: Final = re.compile(r"\b(?:TOP SECRET|NOFORN|ORCON|CLASSIFIED|CUI|FOUO)\b")
_FILE_NAME: Final = re.compile(
    r"(?:^|[\W_])(?:(?:TS|S|C)-(?:NF|SI|OC|NOFORN)|TOP[ _-]?SECRET|SECRET|CUI|FOUO|NOFORN)(?:[\W_]|$)"
)
# What a text must contain before any line of it is looked at. Each pattern begins with one character that is rare in clean
# text, so that looking for all of them takes 15 µs in 6 KB; one pattern for all would take twice as long.
_KEYS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"C(?:ONFID|UI|ONTROLL| O N F|OSMIC|LASSIF)",
        r"S(?:ECRE|EC=| E C R)",
        r"\([TSCU/ ]",
        r"FO(?:UO|R OFF)",
        r"O(?:FFICIAL|RCON)",
        r"RESTR",
        r"PROTECTED",
        r"VS-N",
        r"NOFORN",
    )
)
_ANY_KEY: Final = re.compile("|".join(pattern.pattern for pattern in _KEYS))
_BLOCK_KEYS: Final = (
    "lassified by:", "lassified By:", "LASSIFIED BY:", "erived from:", "erived From:", "ERIVED FROM:",
    "ontrolled by:", "ontrolled By:", "ONTROLLED BY:",
)  # fmt: skip
_INVISIBLE: Final = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_EMPHASIS: Final = re.compile(r"[*_#`]+")
_SLASHES: Final = re.compile(r" */ */ *")
_MARKS: Final = re.compile(r"(?:[>|]+ ?)+")
_SPACES: Final = re.compile(r"[ \t\u00a0]{2,}")


def find_markings(
    text: str,
    *,
    elided: Sequence[Span] = (),
    subject: str = "",
    file_names: Iterable[str] = (),
    labels: Iterable[str] = (),
    ours: str | None = None,
) -> tuple[Marking, ...]:
    """Return the markings of a mail in order of place.

    `elided` says which parts of `text` are quoted, `labels` are the values of fields that carry a marking
    (`X-Protective-Marking`, `SIO-Label`), `ours` is the text we sent. Never raises.
    """
    hits: list[Marking] = []
    exempt = ours or ""
    place = _placer(elided)
    for start, raw, line in _candidates(text):
        if exempt and _is_ours(line, exempt):
            continue
        _read_line(hits, line, raw, start, place)
        if len(hits) >= MAX_HITS:
            break
    hits += _blocks(text, place, exempt)
    for _, raw, line in _candidates(subject[:MAX_LINE_CHARS]):
        _read_subject(hits, line, raw)
    for name in file_names:
        plain = unicodedata.normalize("NFKC", name)
        found = _FILE_NAME.search(plain)
        if found:
            hits.append(Marking(Tier.B, name, Where.ATTACHMENT, 0, len(name)))
    for label in labels:
        _read_label(hits, label)
    return tuple(hits[:MAX_HITS])


def _plain(line: str) -> str:
    """Return a line as its author meant it: composed, without emphasis, quote marks and spaces around slashes."""
    if not line.isascii():
        line = unicodedata.normalize("NFKC", line.translate(_INVISIBLE))
    line = _MARKS.sub("", line.strip(), count=1) if line.lstrip()[:1] in (">", "|") else line.strip()
    line = _EMPHASIS.sub("", line)
    if "/" in line and "://" not in line:
        line = _SLASHES.sub("//", line)
    return _SPACES.sub(" ", line).strip()


def _candidates(text: str) -> list[tuple[int, str, str]]:
    """Return place, text and plain form of the lines that may hold a marking."""
    search = text if text.isascii() else unicodedata.normalize("NFKC", text.translate(_INVISIBLE))
    if not any(pattern.search(search) for pattern in _KEYS):
        return []
    found, at = [], 0
    for raw in text.split("\n"):
        line = raw[:MAX_LINE_CHARS]
        if line and (not line.isascii() or _ANY_KEY.search(line) or ("*" in line and "/" in line)):
            plain = _plain(line)
            if plain:
                found.append((at, line, plain))
        at += len(raw) + 1
    return found


def _placer(elided: Sequence[Span]) -> Callable[[int], Where]:
    quotes = [span for span in elided if span.kind in (SpanKind.QUOTE, SpanKind.FORWARD)]

    def place(at: int) -> Where:
        low, high = 0, len(quotes)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if quotes[middle].end <= at else (low, middle)
        return Where.QUOTE if low < len(quotes) and quotes[low].start <= at else Where.BODY

    return place


def _read_line(hits: list[Marking], line: str, raw: str, start: int, place: Callable[[int], Where]) -> None:
    begin = start + len(raw) - len(raw.lstrip())
    end = start + len(raw.rstrip())
    tier = _tier_of(line)
    if tier is not None:
        hits.append(Marking(tier, line[:200], place(begin), begin, end))


def _tier_of(line: str) -> Tier | None:
    """Return the gravest tier of one line."""
    if any(pattern.match(line) for pattern in _TIER_A):
        return Tier.A
    best: Tier | None = None
    for pattern in (_PORTION, _SEC_INSIDE):
        for found in pattern.finditer(line):
            if found["a"]:
                return Tier.A
            best = Tier.B
    if best is not None or any(pattern.match(line) for pattern in _TIER_B):
        return Tier.B
    return Tier.C if _PROSE.search(line) else None


def _read_subject(hits: list[Marking], line: str, raw: str) -> None:
    bare = re.sub(r"^(?:(?:re|fw|fwd|aw|wg|tr|rv)\s?:\s?)+", "", line, flags=re.IGNORECASE)
    tier = _tier_of(bare) or _tier_of(line)
    if tier is None and re.match(r"\((?:TS|S)\) \S", bare):
        tier = Tier.B
    if tier is not None:
        hits.append(Marking(tier, bare[:200], Where.SUBJECT, 0, len(raw)))


def _blocks(text: str, place: Callable[[int], Where], exempt: str) -> list[Marking]:
    """Find what several lines say together: an authority block, a CUI box, paragraphs with bare portion marks."""
    if not (_BARE_PORTION.search(text) or any(key in text for key in _BLOCK_KEYS)):
        return []
    authority: dict[str, tuple[int, str]] = {}
    box: dict[str, tuple[int, str]] = {}
    portions: list[tuple[int, str, str]] = []
    letters: set[str] = set()
    at = 0
    for raw in text.split("\n"):
        line = _plain(raw[:MAX_LINE_CHARS]) if raw else ""
        if line and not (exempt and _is_ours(line, exempt)):
            for pattern, seen in ((_AUTHORITY, authority), (_BOX, box)):
                found = pattern.match(line)
                if found:
                    seen.setdefault(found[1].lower()[:10], (at, line))
            bare = _BARE_PORTION.match(line)
            if bare:
                portions.append((at, line, bare[1]))
            letter = _LIST_LETTER.match(line)
            if letter:
                letters.add(letter[1])
        at += len(raw) + 1
    hits = []
    for seen, tier in ((authority, Tier.A), (box, Tier.B)):
        if len(seen) >= 2:
            hits += [Marking(tier, line[:200], place(start), start, start + len(line)) for start, line in seen.values()]
    levels = {level for *_, level in portions}
    if len(portions) >= 3 and len(levels) >= 2 and letters <= {"S", "C", "U"} and levels != {"C", "U"}:
        hits += [Marking(Tier.B, line[:200], place(start), start, start + len(line)) for start, line, _ in portions]
    return [Marking(hit.tier, hit.text, hit.where, hit.start, min(hit.end, len(text))) for hit in hits]


_AU_LABEL: Final = re.compile(
    r"SEC\s?=\s?(?:(?P<a>PROTECTED|SECRET|TOP-SECRET)|(?P<b>OFFICIAL:\s?Sensitive))", re.IGNORECASE
)
_SIO_LABEL: Final = re.compile(r"marking\s?=\s?\"?(?P<a>TOP SECRET|SECRET|CONFIDENTIAL|NATO SECRET)", re.IGNORECASE)


def _read_label(hits: list[Marking], label: str) -> None:
    for pattern in (_AU_LABEL, _SIO_LABEL):
        found = pattern.search(label[:MAX_LINE_CHARS])
        if found:
            tier = Tier.A if found["a"] else Tier.B
            hits.append(Marking(tier, found[0], Where.HEADER, found.start(), found.end()))


@lru_cache(maxsize=16)
def _our_lines(ours: str) -> tuple[frozenset[str], str]:
    lines = [_plain(line[:MAX_LINE_CHARS]) for line in ours.split("\n")]
    return frozenset(line for line in lines if line), " ".join(" ".join(lines).split())


def _is_ours(line: str, ours: str) -> bool:
    """Whether a line is one of ours, or at least five words that follow each other in what we sent."""
    lines, whole = _our_lines(ours)
    return line in lines or (line.count(" ") >= 4 and line in whole)
