"""The lines of a text that may hold a marking, as their author meant them, and which of them are our own words.

What for: `reading.markings` reads single lines; this says which, so that a text without markings costs little. Our own
wording says not to send classified data and stands in every quoted reply: it is exempt by the hashes of its runs of five
words, however another program wrapped and marked it.

Promises: never raises; linear: each key is looked for once a line. Composed forms, invisible characters, emphasis and spaces
around slashes do not hide a marking; letters of another alphabet that look alike do.

Sources: Unicode Standard Annex 15 (NFKC).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

MAX_LINE_CHARS: Final = 4_000
_OVERLAP_CHARS: Final = 200  # of the pieces of a longer line
RUN_WORDS: Final = 5  # of our own words in a row, before a line counts as ours

# What a line must contain before it is read. Each pattern begins with one character that is rare in clean text, so that
# looking for all of them takes 20 µs in 6 KB; one pattern for all would take twice as long.
_KEYS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"C(?:ONFID|UI|ONTROLL| O N F|OSMIC|LASSIF|ontains CUI)",
        r"S(?:ECRE|EC=| E C R)",
        r"\([TSCU/ *_]",
        r"FO(?:UO|R OFF)",
        r"O(?:FFICIAL|RCON)",
        r"RESTR",
        r"PROTECTED",
        r"VS-N",
        r"NOFORN",
    )
)
_ANY_KEY: Final = re.compile("|".join(pattern.pattern for pattern in _KEYS))
_INVISIBLE: Final = dict.fromkeys(
    [0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF]
)
# Characters that become one of a key when composed, or that vanish: full width, letter-like, circled, mathematical.
_ODD: Final = re.compile(
    "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\u2102-\u2134\u24b6-\u24cf\ufeff\uff08\uff0f\uff21-\uff3a"
    "\U0001d400-\U0001d7ff]"
)
_ODD_OCTETS: Final = (b"\xe2", b"\xef", b"\xc2\xad", b"\xf0\x9d")  # how those begin in UTF-8
_EMPHASIS: Final = re.compile(r"[*_#`]+")
_SLASHES: Final = re.compile(r"(?:(?<! ) ++)?+/ *+/ *+")  # a run of spaces is tried once, from its beginning
_MARKS: Final = re.compile(r"(?:[>|]+ ?)+")
_SPACES: Final = re.compile(r"[ \t\u00a0]{2,}")
_LINE_MARKS: Final = re.compile(r"\n[>| ]*")
_NEAR_CHARS: Final = 200  # looked at on each side of a line for the words around it


def composed(text: str) -> str:
    """Return a text in composed form, without characters that nobody sees."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text.translate(_INVISIBLE))


def plain_line(line: str) -> str:
    """Return a line as its author meant it: composed, without emphasis, quote marks and spaces around slashes."""
    line = composed(line).strip()
    if line[:1] in (">", "|"):
        line = _MARKS.sub("", line, count=1)
    line = _EMPHASIS.sub("", line)
    if "/" in line and "://" not in line:
        line = _SLASHES.sub("//", line)
    return _SPACES.sub(" ", line).strip()


def lines_with_keys(text: str) -> list[tuple[int, str, str]]:
    """Return place, text and plain form of the lines that may hold a marking, in order; a very long one in pieces."""
    starts: set[int] = set()
    for key in _KEYS:
        _collect(text, key, starts)
    if not text.isascii():
        octets = text.encode("utf-8", "surrogatepass")
        if any(odd in octets for odd in _ODD_OCTETS):
            _collect(text, _ODD, starts)
    found = []
    for start in sorted(starts):
        end = text.find("\n", start)
        end = end if end >= 0 else len(text)
        for at in range(start, max(end - _OVERLAP_CHARS, start + 1), MAX_LINE_CHARS - _OVERLAP_CHARS):
            line = text[at : min(end, at + MAX_LINE_CHARS)]
            plain = plain_line(line)
            if plain and _ANY_KEY.search(plain):
                found.append((at, line, plain))
    return found


def _collect(text: str, key: re.Pattern[str], starts: set[int]) -> None:
    """Add where lines begin that hold a key. After a find the search goes on in the next line."""
    found = key.search(text)
    while found:
        starts.add(text.rfind("\n", 0, found.start()) + 1)
        end = text.find("\n", found.end())
        found = key.search(text, end) if end >= 0 else None


@lru_cache(maxsize=16)
def _our_runs(ours: str) -> tuple[frozenset[str], frozenset[tuple[str, ...]]]:
    """Our lines of three and more words, and every run of five words of ours, to be asked for by their hashes."""
    lines = [plain_line(line[:MAX_LINE_CHARS]) for line in ours.split("\n")]
    words = " ".join(lines).split()
    runs = frozenset(tuple(words[at : at + RUN_WORDS]) for at in range(max(1, len(words) - RUN_WORDS + 1)))
    return frozenset(line for line in lines if line.count(" ") >= 2), runs


def is_ours(line: str, text: str, start: int, end: int, ours: str) -> bool:
    """Whether every word of a plain line is within a run of our own words, those of the lines around it included."""
    lines, runs = _our_runs(ours)
    words = line.split()
    if line in lines or tuple(words) in runs:
        return True
    side = RUN_WORDS - 1
    before = _LINE_MARKS.sub(" ", "\n" + text[max(0, start - _NEAR_CHARS) : start]).split()[-side:]
    after = _LINE_MARKS.sub(" ", text[end : end + _NEAR_CHARS]).split()[:side]
    whole = [*before, *words, *after]
    last = -1  # the last word known to be ours
    for at in range(len(whole) - RUN_WORDS + 1):
        if tuple(whole[at : at + RUN_WORDS]) in runs:
            if at > max(last + 1, len(before)):
                return False
            last = at + RUN_WORDS - 1
    return last >= len(before) + len(words) - 1
