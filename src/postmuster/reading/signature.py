"""Find what stands below a text and is no part of it: signatures, lines that telephones add, legal notices.

What for: a name, a title and a quotation below an answer must not be read as the answer, nor must a legal notice.

Promises: one pass upwards for notices and one downwards for signatures in each block of kept lines; linear. A closing
phrase begins a signature only when what follows looks like one (a few short lines without a sentence); otherwise the
text is kept and the confidence says so. The first line of a mail is never its signature.

Sources: RFC 3676 §4.3 ("-- "), what mail programs add, as seen in the corpora.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from postmuster.reading.disclaimer import find_notice
from postmuster.reading.names import MAX_TAIL_LINES, NOBODY, Author, is_authors_name, is_tail_line, says_where
from postmuster.reading.sheet import Sheet
from postmuster.reading.spans import SpanKind
from postmuster.reading.words import Words, fold, load_vocabulary, load_words, tokens

MAX_SIGNATURE_LINES: Final = 14  # ours: RFC 3676 asks for 4, offices write up to a dozen
_DELIMITERS: Final = frozenset({"--", "—", "––", "__", "-- -", "---"})
_OUTLOOK_FOR: Final = re.compile(
    r"\bOutlook\b.{0,12}\b(?:iOS|Android)\b"
)  # the verb before or after it has forty languages
_LIST_RULE: Final = re.compile(r"_{20,}+$|-{30,}+$|={20,}+$")
_RULE: Final = re.compile(r"[_\-=*~#]{3,}+$")
_POSTSCRIPT: Final = re.compile(r"p\.?\s?s\b|n\.?b\b", re.IGNORECASE)
_SENTENCE_WORDS: Final = 9  # a line with more words, most of them in lower case, is a sentence


def mark_endings(sheet: Sheet, author: Author = NOBODY) -> None:
    """Mark the notices and signatures of every block of kept lines. Never raises."""
    words = load_words()
    seen_text = False
    for first, last in _blocks(sheet):
        last = _mark_notices(sheet, first, last, words)
        _mark_signature(sheet, first, last, words, seen_text=seen_text)
        if author:
            _mark_name_block(sheet, first, last, author, seen_text=seen_text)
        seen_text = True


def _blocks(sheet: Sheet) -> Iterator[tuple[int, int]]:
    """Yield first and last line of each block of kept lines that has text."""
    first: int | None = None
    last = 0
    for number, kind in enumerate(sheet.kinds):
        if kind is None:
            if sheet.bare[number]:
                first = number if first is None else first
                last = number
        elif first is not None:
            yield first, last
            first = None
    if first is not None:
        yield first, last


def _mark_notices(sheet: Sheet, first: int, last: int, words: Words) -> int:
    """Mark legal notices at the end of a block; return the last line before them."""
    found = find_notice(sheet, first, last, words)
    if found is None:
        return last
    start, sure = found
    if start == first and not sure and not _is_long(sheet, start, last):
        return last
    before = sheet.line_before(start)
    while before >= first and _RULE.match(sheet.bare[before]):
        start, before = before, sheet.line_before(before)
    sheet.cut(start, last, SpanKind.DISCLAIMER)
    return before


def _is_long(sheet: Sheet, first: int, last: int) -> bool:
    return sum(len(sheet.bare[number]) for number in range(first, last + 1)) > 150


def _mark_signature(sheet: Sheet, first: int, last: int, words: Words, *, seen_text: bool) -> None:
    """Mark the signature of one block, or single lines that a telephone added."""
    at = first
    while at <= last:
        bare = sheet.bare[at]
        if not bare or len(bare) > 200:
            at += 1
            continue
        alone = at == first and not seen_text
        if bare in _DELIMITERS and _is_ending(sheet, at + 1, last, words, explicit=bare == "--"):
            sheet.cut(at, last, SpanKind.SIGNATURE)
            return
        if _is_device(bare, words):
            if _is_ending(sheet, at + 1, last, words, explicit=False):
                sheet.cut(at, last, SpanKind.SIGNATURE)
                return
            sheet.cut(at, at, SpanKind.SIGNATURE)
        elif not alone and _is_closing(bare, words):
            if _is_ending(sheet, at + 1, last, words, explicit=False):
                sheet.cut(at, last, SpanKind.SIGNATURE)
                return
            sheet.doubt(0.9)
        elif at > first and _LIST_RULE.match(bare) and _is_ending(sheet, at + 1, last, words, explicit=True):
            sheet.cut(at, last, SpanKind.SIGNATURE)
            return
        at += 1


def _mark_name_block(sheet: Sheet, first: int, last: int, author: Author, *, seen_text: bool) -> None:
    """Mark a last paragraph that begins with the author's name and has nothing but names and ways to reach somebody.

    A name with a title below it and nothing else is left: what looks like a title may be an answer.
    """
    while last > first and not sheet.kept(last):
        last -= 1
    start = last
    while start > first and sheet.bare[start - 1] and sheet.kept(start - 1) and last - start < MAX_TAIL_LINES:
        start -= 1
    if (start == first and not seen_text) or not sheet.kept(start):
        return
    if not is_authors_name(tokens(sheet.bare[start][:200]), author):
        return
    lines = sheet.bare[start + 1 : last + 1]
    known = load_vocabulary()
    if lines and not (any(map(says_where, lines)) and all(is_tail_line(each, (), known, author) for each in lines)):
        return
    sheet.cut(start, last, SpanKind.SIGNATURE)


def _is_device(bare: str, words: Words) -> bool:
    plain = bare.lstrip("-_*[( ").lower()
    phrases = words.device.get(plain[:3])
    if phrases and plain.startswith(phrases) and len(plain) < 120:
        return True
    if len(plain) >= 60:
        return False
    return plain.rstrip(" .。").endswith(words.device_end) or _OUTLOOK_FOR.search(bare) is not None


def _is_closing(bare: str, words: Words) -> bool:
    """Whether a line is a closing phrase, alone or with a name behind it ("Best regards, Jane")."""
    if len(bare) > 80 or bare[0] in "-•*" or bare.endswith(("?", ":")):
        return False
    plain = fold(bare)
    if plain in words.closing:
        return True
    if plain.partition(" ")[0].rstrip(",") not in words.closing_first:
        return False
    head, comma, name = bare.partition(",")
    if comma and fold(head) in words.closing:
        return 0 < len(name.split()) <= 4 and all(word[:1].isupper() for word in name.split())
    return False


def _is_ending(sheet: Sheet, first: int, last: int, words: Words, *, explicit: bool) -> bool:
    """Whether the lines from `first` to `last` look like a signature. An explicit delimiter allows sentences in it."""
    count = 0
    for number in range(first, last + 1):
        bare = sheet.bare[number]
        if not bare or _is_device(bare, words):
            continue
        count += 1
        if count > MAX_SIGNATURE_LINES or _POSTSCRIPT.match(bare):
            return False
        if not explicit and _is_sentence(bare):
            return False
    return True


def _is_sentence(bare: str) -> bool:
    if bare.endswith("?"):
        return True
    parts = bare[:400].split()
    lower = sum(part[:1].islower() and "@" not in part and "." not in part[:-1] for part in parts)
    if len(parts) >= _SENTENCE_WORDS:
        return lower * 2 > len(parts)
    return len(parts) >= 3 and lower * 3 >= len(parts) * 2 and bare[:1].isalpha() and bare[-1:] in ".!…"
