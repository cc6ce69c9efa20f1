"""A person's words in pieces, and which pieces a closed list of phrases covers.

What for: an answer counts only when nothing remains beside it. A piece is what stands between two marks of
punctuation; it is *covered* when it is a sequence of known phrases, each with a meaning. What is not covered remains,
and what remains makes an answer unclear.

Promises: linear in the number of words (a phrase has a dozen at most); never raises.
Limits: the first 400 lines and 2,000 pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from postmuster.reading.ask import Ask
from postmuster.reading.names import NOBODY, Author, is_authors_name, is_name
from postmuster.reading.spans import Lines
from postmuster.reading.words import TOKEN, load_vocabulary, load_words, longest_by_first_word, tokens

MAX_LINES: Final = 400
MAX_PIECES: Final = 2_000
_PIECE: Final = re.compile(r"([^.!?,;:…。！？，、；：]++)([.!?,;:…。！？，、；：]*+)")
_DASH: Final = re.compile(r" [-–] ")  # parts a line like a comma does; replaced by as many characters
_ENDS_SENTENCE: Final = frozenset(".!?…。！？")
_YES_SIGNS: Final = frozenset("👍✅✔👌🆗☑")
_FILLING_SIGNS: Final = frozenset("🙏😊🙂☺\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff♂♀")


class Meaning:
    """What a phrase does in an answer, as bits (plain integers: an enumeration costs ten times as much)."""

    FILL: Final = 1  # greeting, thanks, politeness, the author's name
    GREETING: Final = 2
    YES: Final = 4
    DECLINE: Final = 8
    CHOICE: Final = 16
    FRAME_END: Final = 32  # "under this offer", behind a choice only


@dataclass(frozen=True, slots=True)
class Phrases:
    """The phrases an ask knows: their meaning, and which choice they assert."""

    meanings: Mapping[str, int]
    choices: Mapping[str, str]
    choice_words: frozenset[str]
    longest: Mapping[str, int]  # by first word, the number of words of the longest phrase


@dataclass(frozen=True, slots=True)
class Piece:
    """Words between two marks of punctuation: where they stand, how they end, what covers them (nothing: they remain)."""

    start: int
    end: int
    words: tuple[str, ...]
    line: str
    mark: str
    meaning: int | None
    choices: tuple[str, ...]

    @property
    def remains(self) -> bool:
        """Whether no sequence of known phrases makes up this piece."""
        return self.meaning is None


@lru_cache(maxsize=64)
def phrases_for(ask: Ask) -> Phrases:
    """Return the phrases for one ask; a choice that is also a common word ("Yes") is the choice."""
    known = load_vocabulary()
    meanings: dict[str, int] = {}

    def add(phrases: Iterable[str], meaning: int) -> None:
        for phrase in phrases:
            meanings[phrase] = meanings.get(phrase, 0) | meaning

    add((" ".join(tokens(phrase)) for phrase in load_words().closing), Meaning.FILL)
    add(known.thanks | known.polite, Meaning.FILL)
    add(known.greeting, Meaning.FILL | Meaning.GREETING)
    add(known.yes, Meaning.YES)
    add(_YES_SIGNS, Meaning.YES)
    add(_FILLING_SIGNS, Meaning.FILL)
    add(known.decline, Meaning.DECLINE)
    add((" ".join(tokens(end)) for end in known.frame_ends), Meaning.FRAME_END)
    choices: dict[str, str] = {}
    for choice in ask.choices:
        add(_filled(known.decline_frames, choice), Meaning.DECLINE)
    for choice in ask.choices:
        for phrase in _filled(known.frames, choice):
            meanings[phrase] = Meaning.CHOICE
            choices[phrase] = choice
    for phrase, meaning in meanings.items():
        if meaning & Meaning.YES and meaning & Meaning.FILL:
            meanings[phrase] = Meaning.YES
    meanings.pop("", None)
    words = frozenset(word for choice in ask.choices for word in tokens(choice))
    return Phrases(meanings, choices, words, longest_by_first_word(meanings))


def _filled(frames: Iterable[str], choice: str) -> Iterator[str]:
    for frame in frames:
        yield " ".join(tokens(frame.replace("{c}", choice)))


def pieces_of(lines: Lines, phrases: Phrases, author: Author) -> list[Piece]:
    """Split lines into pieces and find what covers each. `author` is the author's own name."""
    pieces: list[Piece] = []
    for start, line in lines[:MAX_LINES]:
        for found in _PIECE.finditer(_DASH.sub(" ; ", line[:10_000])):
            words = tuple(tokens(found[1]))
            if not words:
                continue
            alone = found.start() == 0 and found.end() >= len(line)
            meaning, choices = cover(words, found[1], phrases, author, alone=alone)
            place = start + found.start() + len(found[1]) - len(found[1].lstrip())
            piece = Piece(place, start + found.end(), words, line, found[2], meaning, choices)
            joined = _joined(pieces[-1], piece, phrases) if pieces else None
            if joined is not None:
                pieces[-1] = joined
                continue
            pieces.append(piece)
            if len(pieces) >= MAX_PIECES:
                return pieces
    return pieces


def _joined(before: Piece, piece: Piece, phrases: Phrases) -> Piece | None:
    """Join what stands before a colon with what follows when only both together are known ("My choice: Resign").

    Over a comma only for a decline, which German grammar parts with one.
    """
    if before.meaning is not None or before.line is not piece.line or before.mark not in (":", "：", ","):
        return None
    words = before.words + piece.words
    meaning, choices = cover(words, "", phrases, NOBODY)
    if meaning is None or (before.mark == "," and meaning != Meaning.DECLINE):
        return None
    return Piece(before.start, piece.end, words, piece.line, piece.mark, meaning, choices)


def cover(
    words: tuple[str, ...], written: str, phrases: Phrases, author: Author, *, alone: bool = False
) -> tuple[int | None, tuple[str, ...]]:
    """Return what a sequence of phrases that makes up all of `words` means, and the choices in it; None when there is none."""
    path = _path(words, phrases)
    if path is None and is_authors_name(words, author):
        return Meaning.FILL, ()
    if path is None:
        return _greeting_by_name(words, written, phrases, alone=alone), ()
    total, chosen, before = 0, list[str](), 0
    for phrase in path:
        meaning = phrases.meanings[phrase]
        if meaning & Meaning.FRAME_END and not before & Meaning.CHOICE:
            return None, ()
        if meaning & Meaning.CHOICE:
            chosen.append(phrases.choices[phrase])
        total, before = total | meaning, meaning
    return total, tuple(chosen)


def _path(words: tuple[str, ...], phrases: Phrases) -> list[str] | None:
    """Return known phrases that make up all of `words`, longest first, or None. A place that leads nowhere is tried once."""
    count, dead = len(words), set[int]()
    path: list[tuple[int, str]] = []
    at, end = 0, min(phrases.longest.get(words[0], 0), count) if words else 0
    while at < count:
        phrase = ""
        while end > at:
            phrase = " ".join(words[at:end])
            if phrase in phrases.meanings and end not in dead:
                break
            end -= 1
        if end > at:
            path.append((at, phrase))
            at = end
            end = min(at + phrases.longest.get(words[at], 0), count) if at < count else count
        elif path:
            dead.add(at)
            at, phrase = path.pop()
            end = at + phrase.count(" ")
        else:
            return None
    return [phrase for _, phrase in path]


def _greeting_by_name(words: tuple[str, ...], written: str, phrases: Phrases, *, alone: bool) -> int | None:
    """A greeting or thanks with a name behind it ("Dear Ms Doe"): at most three capitalised words that mean nothing else."""
    if not words:
        return None
    for length in range(min(len(words) - 1, phrases.longest.get(words[0], 0)), 0, -1):
        meaning = phrases.meanings.get(" ".join(words[:length]), 0)
        if meaning & Meaning.FILL and len(words) - length <= 3:
            names = TOKEN.findall(written)[length:]
            greets = alone and bool(meaning & Meaning.GREETING)  # "Chers collègues" in a line of its own
            return Meaning.FILL if all(is_name(name, phrases.choice_words, any_case=greets) for name in names) else None
    return None


def sentences(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """Group pieces into sentences: up to a full stop, a question or exclamation mark, or the end of a line."""
    group: list[Piece] = []
    for piece in pieces:
        if group and piece.line is not group[-1].line:
            yield group
            group = []
        group.append(piece)
        if not _ENDS_SENTENCE.isdisjoint(piece.mark):
            yield group
            group = []
    if group:
        yield group
