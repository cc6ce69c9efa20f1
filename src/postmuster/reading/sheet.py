"""A text as lines, each with what it was found to be.

What for: the readers of quotes, signatures and our own words mark lines on one sheet; at the end the marks become spans.

Promises: making one and turning it into spans is linear. Positions are those of the text handed in.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

from postmuster.reading.spans import Span, SpanKind

_INITIALS: Final = re.compile(r"[A-Z]{2,3}>(?: |$)|\| ?>")  # what some programs put before the mark


class Sheet:
    """The lines of a text: `bare` without outer white space, `marked` when they carry a quote mark, `kinds` when cut."""

    __slots__ = ("bare", "confidence", "kinds", "lines", "marked", "open_quote", "starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.bare = [line.strip() for line in self.lines]
        match, quote = _INITIALS.match, SpanKind.QUOTE
        self.marked = [bare[:1] == ">" or (">" in bare[:4] and match(bare) is not None) for bare in self.bare]
        self.kinds: list[SpanKind | None] = [quote if mark else None for mark in self.marked]
        self.starts = [0, *accumulate(len(line) + 1 for line in self.lines)]
        self.starts.pop()
        self.confidence = 1.0
        self.open_quote: tuple[int, int] | None = None  # lines of a quote without marks: its header, its first line

    def doubt(self, confidence: float) -> None:
        """Lower the confidence of the whole cut."""
        self.confidence = min(self.confidence, confidence)

    def cut(self, first: int, last: int, kind: SpanKind) -> None:
        """Mark the lines from `first` to `last`, both included; lines with quote marks stay quotes unless forwarded."""
        for number in range(first, last + 1):
            if self.kinds[number] is None or kind is SpanKind.FORWARD:
                self.kinds[number] = kind

    def kept(self, number: int) -> bool:
        """Whether a line is not cut and not blank."""
        return self.kinds[number] is None and bool(self.bare[number])

    def next_line(self, number: int) -> int:
        """Return the next line that is not blank, or the number of lines."""
        number += 1
        while number < len(self.bare) and not self.bare[number]:
            number += 1
        return number

    def marked_below(self, number: int) -> bool:
        """Whether the next line that is not blank carries a quote mark."""
        following = self.next_line(number)
        return following < len(self.marked) and self.marked[following]

    def line_before(self, number: int) -> int:
        """Return the line before that is not blank, or -1."""
        number -= 1
        while number >= 0 and not self.bare[number]:
            number -= 1
        return number

    def spans(self) -> list[Span]:
        """Return what is cut; blank lines between two lines of one kind are cut with them."""
        found: list[Span] = []
        kind: SpanKind | None = None
        first = last = 0
        for number, now in enumerate(self.kinds):
            if now is None and not self.bare[number]:
                continue
            if now is not kind:
                if kind is not None:
                    found.append(self._span(kind, first, last))
                kind, first = now, number
            last = number
        if kind is not None:
            found.append(self._span(kind, first, last))
        return found

    def _span(self, kind: SpanKind, first: int, last: int) -> Span:
        return Span(kind, self.starts[first], self.starts[last] + len(self.lines[last]))
