"""Cut a reply into what the person wrote now and everything else.

What for: an answer is read in new words only. `cut` returns them with every cut as a span of the text handed in, so
that a person can see what was taken away and why.

Promises: never raises; time linear in the text; nothing is lost: `new_text` is the text outside the spans, without
the blank lines around it and with at most one blank line in a row. What we sent, when handed in, is never new text
however it was quoted.

How: quotes by marks and announcements (`quotes`), then our own words in what is left (`sent`), then signatures and
notices (`signature`). Where nothing is new and the quote has no marks, words that stand between our own are taken as
an answer written into the quote, with low confidence.

Limits: the first 250,000 characters or 20,000 lines are read; what follows them is cut as a quote and the confidence
says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from postmuster.reading.language import guess_language
from postmuster.reading.names import NOBODY, read_author
from postmuster.reading.quotes import mark_quotes, opens_quote
from postmuster.reading.sent import SentWords, our_spans, sent_words
from postmuster.reading.sheet import Sheet
from postmuster.reading.signature import mark_endings
from postmuster.reading.spans import Lines, Span, SpanKind, join_lines, remaining_lines

MAX_TEXT_CHARS: Final = 250_000  # ours: the longest threads in the corpora have 60,000
MAX_LINES: Final = 20_000  # ours: keeps the worst text under a quarter of a second
_INSIDE_QUOTE: Final = 0.5  # confidence of an answer that stands in a quote without marks
_SHARED_LINE: Final = 0.7  # where our words and others share a line: somebody cites us
_HAS_WORD: Final = re.compile(r"[^\W_]|[\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
_FIELD_LIKE: Final = re.compile(r"[^\s:：][^:：]{0,40}[:：]")
_EVIDENCE: Final = re.compile(r"@|\b(?:19|20)\d\d\b|\d[:.]\d\d")


@dataclass(frozen=True, slots=True)
class NewText:
    """What a person wrote, and what was cut.

    `lines` are the lines of `new_text` with their places in the text, so that evidence can point there; `notices` are
    the legal notices that were cut; `inside_quote` says that nothing is new but lines with quote marks, between our own.
    """

    new_text: str
    signature: str | None
    elided: tuple[Span, ...]
    confidence: float
    language: str | None
    lines: Lines = ()
    notices: str = ""
    inside_quote: bool = False


def cut(text: str, *, sent: str | None = None, author: str = "") -> NewText:
    """Cut `text`, whose lines end in LF; `sent` is the text of the mail it answers, `author` the From field. Never raises."""
    whole, limit = len(text), _limit(text)
    sheet = Sheet(text[:limit])
    mark_quotes(sheet)
    inner: list[Span] = []
    inside = False
    if sent:
        words = sent_words(sent)
        inner = _mark_ours(sheet, words)
        if not any(map(sheet.kept, range(len(sheet.bare)))):
            inner += _reopen(sheet, words)
            inside = not inner and _has_words_inside(sheet, words)
    mark_endings(sheet, read_author(author) if author else NOBODY)
    spans = sheet.spans()
    if inner:
        spans = _merge(spans, inner)
    if whole > limit:
        spans = _close(spans, limit, whole)
        sheet.doubt(_INSIDE_QUOTE)
    lines = remaining_lines(text, spans)
    new_text = join_lines(lines)
    return NewText(
        new_text=new_text,
        signature=_cut_as(text, spans, SpanKind.SIGNATURE) or None,
        elided=tuple(spans),
        confidence=sheet.confidence,
        language=guess_language(new_text),
        lines=lines,
        notices=_cut_as(text, spans, SpanKind.DISCLAIMER),
        inside_quote=inside,
    )


def _mark_ours(sheet: Sheet, sent: SentWords) -> list[Span]:
    """Mark the kept lines that are ours; return our words within lines that also have others."""
    kept = [number for number, kind in enumerate(sheet.kinds) if kind is None and sheet.bare[number]]
    if not kept:
        return []
    first, last = kept[0], kept[-1]
    if any(sheet.marked[first:last]):  # wrapped pieces of marked lines are known by the lines around them
        last = len(sheet.bare) - 1 if sheet.open_quote is None else sheet.open_quote[0]
    end = sheet.starts[last] + len(sheet.lines[last])
    inner: list[Span] = []
    for start, stop in our_spans(sheet.text, sheet.starts[first], end, sent):
        inner += _mark_span(sheet, first, start, stop)
    return inner


def _mark_span(sheet: Sheet, first: int, start: int, stop: int) -> list[Span]:
    """Mark the lines our words cover, and the announcement above them; return the parts of lines they share."""
    number = _line_at(sheet, start, first)
    opening = number
    inner: list[Span] = []
    while number < len(sheet.lines) and sheet.starts[number] < stop:
        begin, end = sheet.starts[number], sheet.starts[number] + len(sheet.lines[number])
        if sheet.kinds[number] is None and sheet.bare[number]:
            before, after = sheet.text[begin : max(begin, start)], sheet.text[min(end, stop) : end]
            shared = _HAS_WORD.search(before) or _HAS_WORD.search(after)
            if shared and not _is_our_subject(sheet, number, before, after):
                inner.append(Span(SpanKind.QUOTE, max(begin, start), min(end, stop)))
                sheet.doubt(_SHARED_LINE)
            else:
                sheet.cut(number, number, SpanKind.QUOTE)
        number += 1
    if sheet.kinds[opening] is not None:
        _mark_announcement(sheet, opening)
    return inner


def _is_our_subject(sheet: Sheet, number: int, before: str, after: str) -> bool:
    """Whether a line is the last of a block of fields with our subject in it: a label before, another field above."""
    above = number - 1
    field_above = above >= 0 and sheet.kept(above) and _FIELD_LIKE.match(sheet.bare[above]) is not None
    return field_above and before.rstrip().endswith((":", "：")) and len(before) <= 40 and not _HAS_WORD.search(after)


def _line_at(sheet: Sheet, place: int, low: int) -> int:
    high = len(sheet.starts)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if sheet.starts[middle] <= place else (low, middle)
    return low


def _mark_announcement(sheet: Sheet, ours: int) -> None:
    """Mark what announces our words when it is in a language or a form that `quotes` does not know."""
    above = sheet.line_before(ours)
    lines: list[int] = []
    while above >= 0 and sheet.kept(above) and len(lines) < 8 and _FIELD_LIKE.match(sheet.bare[above]):
        lines.append(above)
        above -= 1
    if lines and _EVIDENCE.search(" ".join(sheet.bare[number][:300] for number in lines)):
        sheet.cut(lines[-1], lines[0], SpanKind.QUOTE)


def _reopen(sheet: Sheet, sent: SentWords) -> list[Span]:
    """Take back, out of a quote without marks, lines that stand between our own words.

    Only when the quote begins with our words: what stands above them in a quote is somebody else's.
    """
    if sheet.open_quote is None:
        return []
    first = sheet.open_quote[1]
    if first >= len(sheet.lines):
        return []
    ours = our_spans(sheet.text, sheet.starts[first], len(sheet.text), sent)
    if not ours or _HAS_WORD.search(sheet.text, sheet.starts[first], ours[0][0]):
        return []
    inner: list[Span] = []
    place = 0
    for number in range(_line_at(sheet, ours[0][0], first), len(sheet.lines)):
        begin, end = sheet.starts[number], sheet.starts[number] + len(sheet.lines[number])
        while place < len(ours) and ours[place][1] <= begin:
            place += 1
        start, stop = ours[place] if place < len(ours) else (end, end)
        before, after = sheet.text[begin : max(begin, min(start, end))], sheet.text[min(end, max(begin, stop)) : end]
        if not sheet.bare[number] or not (_HAS_WORD.search(before) or _HAS_WORD.search(after)):
            continue
        if opens_quote(sheet.bare[number]):
            break
        sheet.kinds[number] = None
        sheet.doubt(_INSIDE_QUOTE)
        if start < end:
            inner.append(Span(SpanKind.QUOTE, max(begin, start), min(end, stop)))
    return inner


def _has_words_inside(sheet: Sheet, sent: SentWords) -> bool:
    """Whether whole lines that are not ours stand between our own within a quote with marks: somebody typed there.

    So it is where our words follow each other in another order: a word of ours, typed once more, is somebody's too.
    """
    if not any(sheet.marked):
        return False
    first = sheet.marked.index(True)
    ours = our_spans(sheet.text, sheet.starts[first], len(sheet.text), sent)
    for (_, end), (start, _) in pairwise(ours):
        lines = sheet.text[end:start].split("\n")
        if any(map(_HAS_WORD.search, lines[1:-1])) or not any(map(_HAS_WORD.search, lines)):
            return True
    return False


def _merge(spans: list[Span], inner: list[Span]) -> list[Span]:
    """Put parts of lines among whole lines; a line that was cut for another reason later holds its part already."""
    merged: list[Span] = []
    for span in sorted([*spans, *inner], key=lambda each: (each.start, -each.end)):
        if span.start < span.end and (not merged or span.start >= merged[-1].end):
            merged.append(span)
    return merged


def _limit(text: str) -> int:
    """Return how much of a text is read."""
    limit = min(len(text), MAX_TEXT_CHARS)
    if text.count("\n", 0, limit) <= MAX_LINES:
        return limit
    place = -1
    for _ in range(MAX_LINES):
        place = text.find("\n", place + 1)
    return place


def _close(spans: list[Span], limit: int, whole: int) -> list[Span]:
    """Cut what is beyond the limit."""
    kept = list(spans)
    start = limit
    if kept and kept[-1].end >= limit:
        start = kept.pop().start
    return [*kept, Span(SpanKind.QUOTE, start, whole)]


def _cut_as(text: str, spans: list[Span], kind: SpanKind) -> str:
    return "\n".join(text[span.start : span.end].strip("\n") for span in spans if span.kind is kind)
