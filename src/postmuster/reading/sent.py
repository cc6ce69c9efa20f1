"""Find our own words in a reply: the mail we sent is known, up to how the other program wrapped, marked and spaced it.

What for: "type the word Resign" stands in every reply that quotes us. Our words never count, however a program quoted them.

How: both texts become sequences of words; runs of equal words are found by groups of four, joined over small
differences (a filled placeholder, a link written out), and count as ours from twelve words on. A person who types a
sentence we offered writes fewer in a row.

Promises: linear in both texts (a group keeps three places; a run is stepped over once it is found). Never raises.
Limits: the first 20,000 words of what we sent and the first 50,000 of the reply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from typing import Final

_GROUP: Final = 4
_PLACES: Final = 3
MIN_RUN_WORDS: Final = 12
MAX_SENT_WORDS: Final = 20_000
MAX_REPLY_WORDS: Final = 50_000
_WORD: Final = r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]++"


@dataclass(frozen=True, slots=True)
class SentWords:
    """What we sent, as words and as places of each group of them."""

    words: tuple[str, ...]
    places: dict[tuple[str, ...], tuple[int, ...]]


@cache
def _word() -> re.Pattern[str]:
    """Compile the pattern of a word when something sent is known; large ranges are slow to compile."""
    return re.compile(_WORD)


@lru_cache(maxsize=16)
def sent_words(sent: str) -> SentWords:
    """Prepare what we sent; the last sixteen are kept, since thousands of replies answer one notice."""
    words = tuple(islice((found[0].casefold() for found in _word().finditer(sent)), MAX_SENT_WORDS))
    places: dict[tuple[str, ...], tuple[int, ...]] = {}
    for at in range(len(words) - _GROUP + 1):
        group = words[at : at + _GROUP]
        known = places.get(group, ())
        if len(known) < _PLACES:
            places[group] = (*known, at)
    return SentWords(words, places)


def our_spans(text: str, start: int, end: int, sent: SentWords) -> list[tuple[int, int]]:
    """Return the parts of `text` between `start` and `end` that are our own words, in order."""
    found = list(islice(_word().finditer(text, start, end), MAX_REPLY_WORDS))
    words = [each[0].casefold() for each in found]
    least = min(MIN_RUN_WORDS, max(5, len(sent.words) * 4 // 5))
    spans = []
    for first, last in _joined(_runs(words, sent)):
        if last - first >= least:
            spans.append((found[first].start(), found[last - 1].end()))
    return spans


def _runs(words: list[str], sent: SentWords) -> list[tuple[int, int, int]]:
    """Return the longest equal runs from left to right: place in the reply, length, place in what we sent."""
    runs = []
    at, ours = 0, sent.words
    while at <= len(words) - _GROUP:
        places = sent.places.get(tuple(words[at : at + _GROUP]))
        if not places:
            at += 1
            continue
        best, where = 0, 0
        for place in places:
            length = _GROUP
            limit = min(len(words) - at, len(ours) - place)
            while length < limit and words[at + length] == ours[place + length]:
                length += 1
            if length > best:
                best, where = length, place
        runs.append((at, best, where))
        at += best
    return runs


def _joined(runs: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Join runs that follow each other in both texts, where what lies between was changed and not added."""
    joined: list[tuple[int, int]] = []
    expected = -1
    for at, length, place in runs:
        ours_between = place - expected
        theirs_between = at - joined[-1][1] if joined else 0
        replaced = 0 <= ours_between <= 12 and theirs_between <= (ours_between + 4 if ours_between else 0)
        if joined and expected >= 0 and replaced:
            joined[-1] = (joined[-1][0], at + length)
        else:
            joined.append((at, at + length))
        expected = place + length
    return joined
