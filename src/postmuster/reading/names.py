"""Names: the author's own, other people's, and the block of them that stands below an answer.

What for: "Ada Coldley / Head of Section | Directorate / Tel. 555-0142" is no part of an answer, with or without a line
that marks it off. The author's name is known from the From field; other names are capitalised words that mean nothing
in an answer.

Promises: linear; never raises. A word that answers, denies or doubts is no name, unless it stands in the author's
full display name and is written out with the rest of it.
Limits: 500 characters of the From field; a block of 8 lines.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from postmuster.reading.spans import Lines
from postmuster.reading.words import PARTICLES, TOKEN, Vocabulary, fold, load_vocabulary, load_words, tokens

MAX_TAIL_LINES: Final = 8
MAX_ROOM_DIGITS: Final = 3  # a longer number may be a year or a sum
MAX_TAIL_WORDS: Final = 7  # of a line: a name, or a title and an office
_CONTACT: Final = re.compile(r"@|https?:|www\.|(?:\d[^\d\n]{0,3}){7}")
_NO_WORDS: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Author:
    """What is known of an author's name: words that stand for it alone, and all words of the display name in order."""

    words: frozenset[str] = _NO_WORDS
    display: tuple[str, ...] = ()

    def without(self, words: frozenset[str]) -> Author:
        """Return the name without words that mean something here: a choice is no name."""
        return Author(self.words - words, () if not words.isdisjoint(self.display) else self.display)

    def __bool__(self) -> bool:
        return bool(self.words or self.display)


NOBODY: Final = Author()


def read_author(header_from: str) -> Author:
    """Read the name in a From field: its display name and the local part of its address. Never raises."""
    plain = header_from[:500]
    known = load_vocabulary()
    local = plain.partition("@")[0]
    words = {word for part in re.split(r"[\W_\d]+", local) for word in tokens(part) if len(word) > 1}
    shown = tuple(tokens(plain.partition("<")[0])) if "<" in plain else ()
    # Many a first name is a small word of some language ("Ben", "Ada"): it stands for the person who bears it.
    own = {word for word in shown if len(word) > 2 and word in _small_words() and word.isalpha()}
    phrase = " ".join(shown)
    is_name = len(shown) > 1 and phrase not in known.phrases and known.doubt.isdisjoint(shown)
    return Author(frozenset(words - known.known) | frozenset(own), shown if is_name else ())


@cache
def _small_words() -> frozenset[str]:
    """Return the words a language is full of, without those that answer."""
    every = {word for words in load_words().stop.values() for word in words}
    return frozenset(every) - load_vocabulary().answers


def is_authors_name(words: Sequence[str], author: Author) -> bool:
    """Whether words are the author's name: words of it and initials, or the whole display name in any order."""
    if not author.words.isdisjoint(words) and all(
        word in author.words or word in author.display or len(word) == 1 for word in words
    ):
        return True
    return len(words) == len(author.display) > 0 and sorted(words) == sorted(author.display)


def is_name(word: str, choice_words: Collection[str], *, any_case: bool = False) -> bool:
    """Whether a word may be part of a name: capitalised, and without meaning in an answer."""
    low = word.casefold()
    if low in PARTICLES:
        return True
    return (any_case or word[:1].isupper()) and low not in load_vocabulary().known and low not in choice_words


@dataclass(frozen=True, slots=True)
class Tail:
    """Lines at the end that are a signature without delimiter."""

    lines: int
    set_off: bool  # a blank line stands above, and a line has two words
    names_author: bool
    opens_with_author: bool = False  # the author's name is its first line
    says_where: bool = False  # a telephone number, an address, an office stands in it

    @property
    def is_no_list(self) -> bool:
        """Whether these lines are no items of a report, which may be short and capitalised too."""
        return self.opens_with_author or self.says_where or (self.lines == 1 and self.set_off)


NO_TAIL: Final = Tail(0, set_off=False, names_author=False)


def find_tail(lines: Lines, choice_words: frozenset[str], author: Author) -> Tail:
    """Find a block of short capitalised lines at the end: names, titles, telephone numbers. The first line is never in it."""
    taken, named, set_off, full, opens, where = 0, False, False, False, False, False
    known, closing = load_vocabulary(), load_words().closing
    for number in range(len(lines) - 1, 0, -1):
        bare = lines[number][1].strip()
        if not bare:
            set_off = full
            break
        if fold(bare) in closing or not is_tail_line(bare, choice_words, known, author):
            break
        taken += 1
        full = full or " " in bare
        words = tokens(bare[:200])
        opens = not author.words.isdisjoint(words) or is_authors_name(words, author)
        named, where = named or opens, where or says_where(bare)
        if taken > MAX_TAIL_LINES:
            return NO_TAIL
    return Tail(taken, set_off, named, opens, where)


def is_tail_line(bare: str, choice_words: Collection[str], known: Vocabulary, author: Author) -> bool:
    """Whether a line may stand in a block of names: a name, a title and an office, a way to reach somebody."""
    if len(bare) > 80 or bare.endswith(("!", "?", "…", "...")) or bare[0] in "-*•–—·|":
        return False
    words = tokens(bare)
    if says_where(bare) and known.doubt.isdisjoint(words) and ("|" not in bare or words_are_free(words, choice_words)):
        return True  # "Tel. 555-0142", "Analyst | Office of Water"
    found = TOKEN.findall(bare.lstrip("/~ "))
    if is_authors_name(tuple(word.casefold() for word in found), author):
        return True
    if not 0 < len(found) <= MAX_TAIL_WORDS or not is_name(found[0], choice_words):
        return False
    return all(is_name(word, choice_words) or _is_room(word) for word in found[1:])


def _is_room(word: str) -> bool:
    """Whether a word may be the number of a room, a floor or a section."""
    return word.isdigit() and len(word) <= MAX_ROOM_DIGITS


def says_where(bare: str) -> bool:
    """Whether a line has a telephone number, an address, or a title and an office parted by a bar."""
    return "|" in bare or _CONTACT.search(bare) is not None


def words_are_free(words: Sequence[str], choice_words: Collection[str]) -> bool:
    """Whether none of the words is one of a choice."""
    return not any(word in choice_words for word in words)
