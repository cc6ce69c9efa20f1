"""Spans of a text and what is left without them.

What for: nothing is thrown away when a text is cut; each cut is a place in the text with its kind, and what remains
can be made again from text and spans by `remaining_lines` and `join_lines`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class SpanKind(StrEnum):
    """Why a part of a text is not what the person wrote now."""

    QUOTE = "quote"
    SIGNATURE = "signature"
    DISCLAIMER = "disclaimer"
    FORWARD = "forward"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text from `start` up to, not including, `end`, in characters."""

    kind: SpanKind
    start: int
    end: int


Lines = tuple[tuple[int, str], ...]  # where a line begins in the text, and the line without white space at its end

_MANY_BLANK: Final = re.compile(r"\n{3,}")


def remaining_lines(text: str, spans: Sequence[Span]) -> Lines:
    """Return the lines of `text` outside `spans`, which are in order and apart; outer blank lines are gone."""
    lines: list[tuple[int, str]] = []
    at = 0
    for start, end in [*((span.start, span.end) for span in spans), (len(text), len(text))]:
        for piece in text[at:start].split("\n"):
            lines.append((at, piece.rstrip()))
            at += len(piece) + 1
        at = end
    while lines and not lines[-1][1]:
        lines.pop()
    first = next((number for number, (_, line) in enumerate(lines) if line), len(lines))
    return tuple(lines[first:])


def join_lines(lines: Iterable[tuple[int, str]]) -> str:
    """Return lines as one text; more than one blank line between them becomes one."""
    return _MANY_BLANK.sub("\n\n", "\n".join(line for _, line in lines))
