"""Find what a reply quotes: marked lines, the lines mail programs write above a quote, and the quote itself.

What for: programs announce a quote in one of four ways, in the language they are set to: a sentence ("On … wrote:"),
a block of fields ("From: … Sent: … To: … Subject: …"), a title ("-----Original Message-----", "Begin forwarded
message:") or nothing but marks (`>`).

Promises: one pass, time linear in the text; each pattern runs on a bounded piece of a line. Marked lines are quotes
wherever they stand, and new lines between them stay. Below an announcement whose quote carries no marks everything is
quote. What looks like an announcement and is none by evidence (a date, an address, a mark below) is kept, and the
confidence says so.

Sources: the mark-up of the programs as seen in the corpora; RFC 3676 §4.5 (marks).
"""

from __future__ import annotations

import re
from typing import Final

from postmuster.reading.sheet import Sheet
from postmuster.reading.spans import SpanKind
from postmuster.reading.words import Label, Words, fold, load_words

_MAX_HEADER_CHARS: Final = 500  # an announcement longer than this, joined over its lines, is none
_MAX_LABEL_CHARS: Final = 40
_MAX_BLOCK_LINES: Final = 24  # a block of fields with folded lists of addresses
_DATE: Final = re.compile(
    r"\b(?:19|20)\d\d\b|\d{1,2}[:.hH]\d\d(?!\d)|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}\s?[月日시時时]|[月日]\s?\d{1,2}"
)
_TIME: Final = re.compile(r"\d{1,2}[:.]\d\d(?!\d)|\d\d(?:19|20)\d\d")
_DECORATION: Final = "-_=*#~<>—–[]| \t\u00a0\u2501\u2500\ufeff\u200e\u200f"
_RULE: Final = re.compile(r"[-_=*~—–\u2500\u2501 ]{3,}+$")
_FRAMED: Final = re.compile(r"-{4,}+[^-]{1,60}+-{4,}+$")  # a title in words that are not known
_INLINE_LABEL: Final = re.compile(r"([^\W\d_]{1,20})\*?\s?[:：]")
_ONLY_LINK: Final = re.compile(r"[(<\[]?https?://[^\s<>]{1,2000}+[>\])]?[> ]{0,20}$")
_LONG_LINE_CHARS: Final = 40  # a marked line this long may have been broken by a program
_ENDS_LINE: Final = frozenset(".!?:;…)]\"'”»。！？")
_TITLE_IN_LINE: Final = re.compile(
    r"-{3,}+\s?([^-\s][^-]{2,60}+)-{3,}+\s{0,3}[^\s-]"
)  # the first field follows in the line
_ENDS_OPEN: Final = (":", "：", ":*", ":_", "--")
_INVISIBLE: Final = str.maketrans("", "", "\u200b\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069\ufeff")


def mark_quotes(sheet: Sheet) -> None:
    """Mark on the sheet what is quoted or forwarded. Never raises."""
    words = load_words()
    _mark_broken_lines(sheet)
    number, count = 0, len(sheet.bare)
    while number < count:
        bare = sheet.bare[number]
        if not bare or sheet.kinds[number] is not None:
            number += 1
            continue
        found = _announcement(sheet, number, bare, words)
        if found is None:
            number += 1
            continue
        first, last, kind = found
        number = _take(sheet, first, last, kind)


def _mark_broken_lines(sheet: Sheet) -> None:
    """Mark lines that a program broke out of a marked one.

    Either nothing but an address of a page between two marked lines, or a line right below a long marked one that ends
    within a sentence.
    """
    marked = sheet.marked
    for number in range(1, len(marked)):
        bare = sheet.bare[number]
        if marked[number] or sheet.kinds[number - 1] is None or not bare or not sheet.bare[number - 1]:
            continue
        above = sheet.bare[number - 1]
        below = number + 1 < len(marked) and marked[number + 1]
        within = len(above) >= _LONG_LINE_CHARS and above[-1] not in _ENDS_LINE and len(bare) <= len(above) + 16
        if within or (below and _ONLY_LINK.match(bare)):
            sheet.kinds[number] = SpanKind.QUOTE


def _announcement(sheet: Sheet, number: int, bare: str, words: Words) -> tuple[int, int, SpanKind] | None:
    """Return first and last line of what announces a quote here, and what it announces."""
    if bare.endswith(_ENDS_OPEN) or sheet.marked_below(number):
        first = _wrote(sheet, number, words)
        if first is not None:
            return first, number, SpanKind.QUOTE
    title = _title(bare, words)
    if title is not None:
        last = _block_end(sheet, sheet.next_line(number), words, required=2)
        return number, number if last is None else last, title
    label = _label(bare, words)
    if label & (Label.FROM | Label.DATE | Label.SUBJECT | Label.TO):
        if label & Label.FROM and len(bare) > 60 and _is_one_line_block(bare, words):
            return number, number, SpanKind.QUOTE
        return _field_block(sheet, number, words)
    return None


def _take(sheet: Sheet, first: int, last: int, kind: SpanKind) -> int:
    """Mark an announcement and what it announces; return the line to go on with."""
    following = sheet.next_line(last)
    count = len(sheet.bare)
    if following < count and sheet.marked[following]:
        sheet.cut(first, last, SpanKind.QUOTE if kind is not SpanKind.FORWARD else kind)
        if kind is SpanKind.FORWARD:
            while following < count and (sheet.marked[following] or not sheet.bare[following]):
                sheet.cut(following, following, kind)
                following += 1
        return max(following, last + 1)
    sheet.open_quote = (first, last + 1)
    sheet.cut(first, count - 1, kind)
    return count


def _wrote(sheet: Sheet, number: int, words: Words) -> int | None:
    """Return where a sentence of the form "On … wrote:" that ends at this line begins."""
    joined, first = "", number
    marked_below = sheet.marked_below(number)
    best: int | None = None
    for back in range(4):
        at = number - back
        if at < 0 or not sheet.bare[at] or sheet.marked[at] or len(sheet.bare[at]) > _MAX_HEADER_CHARS:
            break
        joined = f"{sheet.bare[at]} {joined}" if joined else sheet.bare[at]
        if len(joined) > _MAX_HEADER_CHARS:
            break
        first = at
        strength = _announces(joined.translate(_INVISIBLE), words, marked_below=marked_below)
        if strength == 2:
            return first
        if strength == 1 and best is None:
            best = first
    if best is None and joined.endswith((":", "：")) and words.wrote.search(joined[-60:]):
        sheet.doubt(0.7)
    return best


def _announces(joined: str, words: Words, *, marked_below: bool) -> int:
    """Return 2 when a line says that what follows is quoted, 1 when that may begin further up, 0 otherwise."""
    plain = joined.strip(_DECORATION)
    ends = plain.endswith((":", "："))
    dashed = joined.endswith("--") and len(plain) < len(joined)
    if not (ends or dashed or marked_below):
        return 0
    dated = _DATE.search(plain) is not None
    addressed = "@" in plain
    opened = plain.partition(" ")[0].lower().rstrip(",") in words.on
    if not (dated or addressed or marked_below):
        return 0
    wrote = words.wrote.search(plain) is not None
    if wrote and dated and (ends or dashed or addressed):
        return 2 if opened or plain[:1].isdigit() or addressed else 1
    if wrote and addressed and (opened or (dashed and joined.startswith("--"))):
        return 2
    if ends and addressed and _TIME.search(plain):
        return 2
    if marked_below and ((dated and (addressed or ends)) or (ends and (wrote or addressed))):
        return 1
    return 0


def _title(bare: str, words: Words) -> SpanKind | None:
    """Read a title like "-----Original Message-----", "Begin forwarded message:"."""
    if len(bare) > 200 and not bare.startswith("---"):
        return None
    joined = _TITLE_IN_LINE.match(bare)
    core = joined[1] if joined else bare.strip(_DECORATION)
    decorated = bool(joined) or len(bare) - len(core) >= 4 or bare.startswith("##")
    if not decorated and not core.endswith((":", "：")):
        return None
    plain = fold(core)
    if plain in words.forwarded:
        return SpanKind.FORWARD
    if not decorated:
        return None
    if plain in words.original:
        return SpanKind.QUOTE
    for kind, phrases in ((SpanKind.FORWARD, words.forwarded), (SpanKind.QUOTE, words.original)):
        if any(plain.startswith(phrase) and not plain[len(phrase) : len(phrase) + 1].isalpha() for phrase in phrases):
            return kind
        if kind is SpanKind.QUOTE and any(plain.endswith(phrase) for phrase in phrases if "above this line" in phrase):
            return kind
    return None


def _label(bare: str, words: Words) -> int:
    """Return which field this line may be."""
    for colon in (":", "："):
        at = bare.find(colon, 0, _MAX_LABEL_CHARS)
        if at > 0:
            return words.labels.get(fold(bare[:at]), 0)
    return 0


def _is_one_line_block(bare: str, words: Words) -> bool:
    """Whether all fields stand in one line, as some programs make of a table."""
    seen = 0
    for found in _INLINE_LABEL.finditer(bare[:2000]):
        seen |= words.labels.get(found[1].lower(), 0)
    return bool(seen & Label.FROM and seen & Label.DATE and seen & Label.SUBJECT and "@" in bare[:2000])


def _field_block(sheet: Sheet, number: int, words: Words) -> tuple[int, int, SpanKind] | None:
    """Return a block of fields that begins at this line, with the rule or title above it."""
    first, kind, framed = number, SpanKind.QUOTE, False
    above = sheet.line_before(number)
    while above >= 0 and sheet.kinds[above] is None and number - above <= 6:
        title = _bare_title(sheet.bare[above], words)
        if title is None and not _RULE.match(sheet.bare[above]) and not _FRAMED.match(sheet.bare[above]):
            break
        kind = title if title is SpanKind.FORWARD else kind
        first, framed = above, True
        above = sheet.line_before(above)
    last = _block_end(sheet, number, words, required=2 if framed else 3)
    return None if last is None else (first, last, kind)


def _bare_title(bare: str, words: Words) -> SpanKind | None:
    plain = fold(bare.strip(_DECORATION)) if len(bare) <= 200 else ""
    if plain in words.forwarded:
        return SpanKind.FORWARD
    return SpanKind.QUOTE if plain in words.original else None


def _block_end(sheet: Sheet, number: int, words: Words, *, required: int) -> int | None:
    """Return the last line of a block of fields, or None when it is none.

    Evidence is wanted besides the labels: an address or a date. Lines without label are folded values; one blank line
    may stand between.
    """
    seen, last, loose = 0, None, 0
    sure = False
    at = number
    while at < len(sheet.bare) and at - number < _MAX_BLOCK_LINES:
        bare = sheet.bare[at]
        if not bare:
            following = sheet.next_line(at)
            if following - at > 2 or following >= len(sheet.bare) or not _label(sheet.bare[following], words):
                break
            at = following
            continue
        label = _label(bare, words)
        if label & seen and not label & ~seen & ~Label.OTHER and label is not Label.OTHER and last is not None:
            break
        if label:
            seen |= label
            last, loose = at, 0
        elif last is None or loose >= 3:
            break
        else:
            loose += 1
        sure = sure or "@" in bare or _DATE.search(bare[:500]) is not None
        at += 1
    named = (seen & (Label.FROM | Label.DATE | Label.TO | Label.CC | Label.SUBJECT)).bit_count()
    if not (seen & Label.FROM or (seen & Label.DATE and seen & Label.SUBJECT)):
        return None
    strong = bool(seen & Label.FROM and seen & Label.DATE) and "@" in sheet.bare[number] and sure
    return last if last is not None and sure and (named >= required or (strong and named >= 2)) else None


def opens_quote(bare: str) -> bool:
    """Whether a line could announce another quote: a field, a title, or a sentence that says who wrote."""
    words = load_words()
    announced = _title(bare, words) is not None or _announces(bare[:500], words, marked_below=False) > 0
    return announced or bool(_label(bare, words))
