"""Find classification and CUI markings, in three tiers.

What for: a reply with marked text is held before any person, index or model sees it. Tier A: quarantine now. Tier B:
hold for a cleared role. Tier C: counted only.

Promises: never raises; linear (each pattern runs on one line, forwards). Precision first: level words count only in
upper case and only where a marking stands (a line of its own, the start of a paragraph, a bracket); a word in a
sentence is tier C at most. Our own wording is exempt where the caller hands it in: it says not to send classified
data and sits in every quoted reply.

Limits: 200 hits of each tier; a longer line than 4,000 characters is read in pieces. Unmarked secrets, code words and
pictures are invisible to it.

Sources: ISOO marking booklet (2018), IC markings register (2013), 32 CFR 2002.20 (CUI), RFC 7444, the Australian
e-mail protective marking standard, RFC 5545 (CLASS is no marking).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from postmuster.reading.marking_lines import MAX_LINE_CHARS, composed, is_ours, lines_with_keys, plain_line
from postmuster.reading.spans import Span, SpanKind

MAX_HITS: Final = 200


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
    r"(?:HCS(?:-[OP])?|SI(?:-[A-Z]{1,6})?|TK|RSV|KDK|SAR-[A-Z0-9]{1,20}|SPECIAL ACCESS(?: REQUIRED(?:-[A-Z0-9]{1,20})?)?|"
    r"RD(?:-CNWDI)?|FRD|TFNI|CNWDI|SIGMA|UCNI|FGI|RSEN|"
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
    rf"\( ?(?:(?P<a>(?:TS|S|C)//{_CONTROL}[A-Z0-9,/ -]{{0,80}}+\)|//[A-Z]{{3,4}} (?:TS|S|C|R)(?://[A-Z0-9,/ -]{{1,60}}+)?\))"
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
# A colon that may end the first words of an authority block or of a CUI box; without one no two lines are compared.
_BLOCK_KEY: Final = re.compile(
    r":(?i:(?<=ied by:)|(?<=led by:)|(?<=ed from:)|(?<=fy on:)|(?<=category:)|(?<=control:)|(?<=reason:)|(?<=poc:))"
)
_PREFIXES: Final = re.compile(r"^(?:(?:re|fw|fwd|aw|wg|tr|rv)\s?:\s?)+", re.IGNORECASE)


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
    for start, raw, line in lines_with_keys(text):
        hit = _read_line(line, raw, start, place)
        if hit is not None and not (exempt and is_ours(line, text, start, start + len(raw), exempt)):
            hits.append(hit)
    hits += _blocks(text, place, exempt)
    for _, raw, line in lines_with_keys(subject[:MAX_LINE_CHARS]):
        _read_subject(hits, line, raw)
    for name in file_names:
        plain = composed(name)
        found = _FILE_NAME.search(plain)
        if found:
            hits.append(Marking(Tier.B, name, Where.ATTACHMENT, 0, len(name)))
    for label in labels:
        _read_label(hits, label)
    return _capped(hits)


def _capped(hits: list[Marking]) -> tuple[Marking, ...]:
    """At most so many of each tier: many words in sentences must not push a marking out."""
    if len(hits) <= MAX_HITS:
        return tuple(hits)
    room = dict.fromkeys(Tier, MAX_HITS)
    kept = []
    for hit in hits:
        room[hit.tier] -= 1
        if room[hit.tier] >= 0:
            kept.append(hit)
    return tuple(kept)


def _placer(elided: Sequence[Span]) -> Callable[[int], Where]:
    quotes = [span for span in elided if span.kind in (SpanKind.QUOTE, SpanKind.FORWARD)]

    def place(at: int) -> Where:
        low, high = 0, len(quotes)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if quotes[middle].end <= at else (low, middle)
        return Where.QUOTE if low < len(quotes) and quotes[low].start <= at else Where.BODY

    return place


def _read_line(line: str, raw: str, start: int, place: Callable[[int], Where]) -> Marking | None:
    tier = _tier_of(line)
    if tier is None:
        return None
    begin = start + len(raw) - len(raw.lstrip())
    return Marking(tier, line[:200], place(begin), begin, start + len(raw.rstrip()))


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
    bare = _PREFIXES.sub("", line)
    tier = _tier_of(bare) or _tier_of(line)
    if tier is None and re.match(r"\((?:TS|S)\) \S", bare):
        tier = Tier.B
    if tier is not None:
        hits.append(Marking(tier, bare[:200], Where.SUBJECT, 0, len(raw)))


def _blocks(text: str, place: Callable[[int], Where], exempt: str) -> list[Marking]:
    """Find what several lines say together: an authority block, a CUI box, paragraphs with bare portion marks."""
    if not (_BARE_PORTION.search(text) or _BLOCK_KEY.search(text)):
        return []
    authority: dict[str, tuple[int, str]] = {}
    box: dict[str, tuple[int, str]] = {}
    portions: list[tuple[int, str, str]] = []
    letters: set[str] = set()
    at = 0
    for raw in text.split("\n"):
        line = plain_line(raw[:MAX_LINE_CHARS]) if raw else ""
        in_authority, in_box, bare = _AUTHORITY.match(line), _BOX.match(line), _BARE_PORTION.match(line)
        if letter := _LIST_LETTER.match(line):
            letters.add(letter[1])
        said = in_authority or in_box or bare
        if said and not (exempt and is_ours(line, text, at, at + len(raw), exempt)):
            if in_authority:
                authority.setdefault(in_authority[1].lower()[:10], (at, line))
            if in_box:
                box.setdefault(in_box[1].lower()[:10], (at, line))
            if bare:
                portions.append((at, line, bare[1]))
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
