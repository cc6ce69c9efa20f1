"""Guess the language of a few sentences: by script, else by the small words each language is full of.

Promises: never raises; None rather than a guess (fewer than three small words, or two languages nearly alike). Reads
the first 150 words.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from postmuster.reading.words import load_words

_WORD: Final = re.compile(r"[^\W\d_]++")
_SCRIPTS: Final = (
    ("ja", r"[\u3040-\u30ff]"),
    ("ko", r"[\uac00-\ud7af]"),
    ("zh", r"[\u4e00-\u9fff]"),
    ("el", r"[\u0370-\u03ff]{2}"),
    ("he", r"[\u0590-\u05ff]{2}"),
    ("ar", r"[\u0600-\u06ff]{2}"),
)
_LEAST_WORDS: Final = 3
_SAMPLE_CHARS: Final = 1_500
_SAMPLE_WORDS: Final = 150


def guess_language(text: str) -> str | None:
    """Return a BCP 47 tag or None. Never raises."""
    sample = text[:_SAMPLE_CHARS]
    if not sample:
        return None
    if not sample.isascii():
        for name, script in _scripts():
            if script.search(sample):
                return name
    votes: dict[str, int] = {}
    index = _languages_of_words()
    for word in _WORD.findall(sample.lower())[:_SAMPLE_WORDS]:
        for name in index.get(word, ()):
            votes[name] = votes.get(name, 0) + 1
    most = max(votes.values(), default=0)
    best = [name for name, count in votes.items() if count == most]
    return best[0] if most >= _LEAST_WORDS and len(best) == 1 else None


@cache
def _scripts() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Compile the scripts when a text has more than ASCII; large ranges are slow to compile."""
    return tuple((name, re.compile(script)) for name, script in _SCRIPTS)


@cache
def _languages_of_words() -> dict[str, tuple[str, ...]]:
    index: dict[str, tuple[str, ...]] = {}
    for name, words in load_words().stop.items():
        for word in words:
            index[word] = (*index.get(word, ()), name)
    return index
