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
from postmuster.reading.names import Author, is_authors_name, is_name
from postmuster.reading.spans import Lines
from postmuster.reading.words import TOKEN, load_vocabulary, load_words, longest_by_first_word, tokens

MAX_LINES: Final = 400
MAX_PIECES: Final = 2_000
MAX_SENTENCE_WORDS: Final = 40  # ours: of a sentence of the lists, a choice of some words included
MAX_JOINED: Final = 3  # ours: commas in a sentence of the lists, with the author's name between two of them
_PIECE: Final = re.compile(r"([^.!?,;:…。！？，、；：]++)([.!?,;:…。！？，、；：]*+)")
_DASH: Final = re.compile(r" [-–—] ")  # parts a line like a comma does; replaced by as many characters
_COLONS: Final = (":", "：")
_GO_ON: Final = (*_COLONS, ",", "，", "、", ";")
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
    NAMED: Final = 128  # a greeting with a name behind it
    FRAME_START: Final = 64  # "I am replying to say that", in front of a choice or a yes only


_JOINED: Final = frozenset({Meaning.CHOICE, Meaning.CHOICE | Meaning.FRAME_END, Meaning.DECLINE})


@dataclass(frozen=True, slots=True)
class Phrases:
    """The phrases an ask knows: their meaning, and which choice they assert."""

    meanings: Mapping[str, int]
    choices: Mapping[str, str]
    choice_words: frozenset[str]
    longest: Mapping[str, int]  # by first word, the number of words of the longest phrase
    words: frozenset[str]  # of all phrases


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
    row: int = 0

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
    add(known.frame_starts, Meaning.FRAME_START)
    choices: dict[str, str] = {}
    for choice in ask.choices:
        add(_filled(known.decline_frames, choice), Meaning.DECLINE)
    for choice in ask.choices:
        for phrase in _filled(known.frames, choice):
            meanings[phrase] = Meaning.CHOICE
            choices[phrase] = choice
    for phrase, meaning in meanings.items():
        if meaning & Meaning.YES and meaning & Meaning.FILL:
            meanings[phrase] = meaning & ~(Meaning.FILL | Meaning.GREETING)
    meanings.pop("", None)
    choice_words = frozenset(word for choice in ask.choices for word in tokens(choice))
    words = frozenset(word for phrase in meanings for word in phrase.split(" "))
    return Phrases(meanings, choices, choice_words, longest_by_first_word(meanings), words)


def _filled(frames: Iterable[str], choice: str) -> Iterator[str]:
    for frame in frames:
        yield " ".join(tokens(frame.replace("{c}", choice)))


def pieces_of(lines: Lines, phrases: Phrases, author: Author) -> list[Piece]:
    """Split lines into pieces and find what covers each. `author` is the author's own name."""
    pieces: list[Piece] = []
    for row, (start, line) in enumerate(lines[:MAX_LINES]):
        for found in _PIECE.finditer(_DASH.sub(" ; ", line[:10_000])):
            words = tuple(tokens(found[1]))
            if not words:
                continue
            alone = found.start() == 0 and found.end() >= len(line)
            meaning, choices = cover(words, found[1], phrases, author, alone=alone)
            place = start + found.start() + len(found[1]) - len(found[1].lstrip())
            piece = Piece(place, start + found.end(), words, line, found[2], meaning, choices, row)
            if not pieces or not _join(pieces, piece, phrases, author):
                pieces.append(piece)
            if len(pieces) >= MAX_PIECES:
                return pieces
    return pieces


def _join(pieces: list[Piece], piece: Piece, phrases: Phrases, author: Author) -> bool:
    """Join a piece with those before it that remain, when only all together are a known sentence.

    "My choice: Resign"; "I, Jane Doe, resign" (the author's name is left out); "ich schreibe, um zu sagen, dass ich …";
    a sentence that a program broke into two lines.
    """
    words, after = piece.words, piece
    for back in range(1, min(MAX_JOINED, len(pieces)) + 1):
        before = pieces[-back]
        if not _may_go_on(before, after):
            return False
        if before.meaning is None:
            words = before.words + words
            if len(words) > MAX_SENTENCE_WORDS:
                return False
            path = _path(words, phrases)
            meaning, choices = _meaning_of(path, phrases) if path else (None, ())
            if meaning in _JOINED or (meaning == Meaning.YES and before.mark[:1] in _COLONS):
                line = piece.line if before.row == piece.row else f"{before.line} {piece.line}"
                joined = Piece(before.start, piece.end, words, line, piece.mark, meaning, choices, piece.row)
                pieces[-back:] = [joined]
                return True
        elif back > 1 or before.mark != "," or not is_authors_name(before.words, author):
            return False
        after = before
    return False


def _may_go_on(before: Piece, after: Piece) -> bool:
    """Whether a sentence may go on from one piece to the next: by a colon, a comma, a dash, or in the next line."""
    if before.row == after.row:
        return before.mark in _GO_ON
    if before.mark[:1] in _COLONS and before.mark:
        return after.row - before.row <= 2
    return not before.mark and after.row - before.row == 1


def cover(
    words: tuple[str, ...], written: str, phrases: Phrases, author: Author, *, alone: bool = False
) -> tuple[int | None, tuple[str, ...]]:
    """Return what a sequence of phrases that makes up all of `words` means, and the choices in it; None when there is none."""
    path = _path(words, phrases)
    if path is None and is_authors_name(words, author):
        return Meaning.FILL, ()
    if path is None:
        return _greeting_by_name(words, written, phrases, alone=alone), ()
    return _meaning_of(path, phrases)


def _meaning_of(path: list[str], phrases: Phrases) -> tuple[int | None, tuple[str, ...]]:
    """Return what phrases in a row mean; None where the beginning or the end of a sentence has no choice beside it."""
    total, chosen, before = 0, list[str](), 0
    for number, phrase in enumerate(path):
        meaning = phrases.meanings[phrase]
        if meaning & Meaning.FRAME_END and not before & Meaning.CHOICE:
            return None, ()
        if meaning & Meaning.FRAME_START:
            following = phrases.meanings[path[number + 1]] if number + 1 < len(path) else 0
            if following & (Meaning.CHOICE | Meaning.YES | Meaning.FRAME_START):
                meaning = Meaning.FRAME_START  # "yes" in front of a choice is no answer of its own
            elif meaning == Meaning.FRAME_START:
                return None, ()
        if meaning & Meaning.CHOICE:
            chosen.append(phrases.choices[phrase])
        total, before = total | meaning, meaning
    return total & ~Meaning.FRAME_START, tuple(chosen)


def _path(words: tuple[str, ...], phrases: Phrases) -> list[str] | None:
    """Return known phrases that make up all of `words`, longest first, or None. A place that leads nowhere is tried once."""
    if not phrases.words.issuperset(words):  # most of what people write, at once
        return None
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
            if all(is_name(name, phrases.choice_words, any_case=greets) for name in names):
                return Meaning.FILL | Meaning.NAMED
            return None
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
