"""The words of mail programs and of people, in 34 languages, read from `data/<language>.toml`.

What for: the readers of quotes, signatures and answers know no word themselves; a reviewer corrects a language in one file.

Promises: read once, then frozen. Everything is looked up in lower case without end punctuation; `fold` is the one way
to get there.
Limits: the words of all languages are looked up at once, because the program that quotes and the person who writes
seldom use one language; a word that stands for two things (Spanish `si`) is whatever its place says, and in an answer
what is ambiguous is unclear.

`Words` is for cutting, `Vocabulary` for answers: each is built when first asked for.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_ENDS: Final = " \t\u00a0,.;:!?*_-–—~\"'“”‘’„«»()[]،。、！，：；"
TOKEN: Final = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"  # a character where words have no spaces between them
    r"|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]++(?:['’-][^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]++)*+"
    r"|[\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]"  # signs that people answer with
)
PARTICLES: Final = frozenset(
    {"de", "la", "da", "van", "von", "der", "di", "le", "del", "al", "el", "of", "the", "and", "for"}
)


class Label:
    """The fields that mail programs write above what they quote, as bits (an enumeration costs ten times as much)."""

    FROM: Final = 1
    DATE: Final = 2
    TO: Final = 4
    CC: Final = 8
    SUBJECT: Final = 16
    OTHER: Final = 32


_LABEL_KEYS: Final = {
    "from": Label.FROM, "date": Label.DATE, "to": Label.TO, "cc": Label.CC, "subject": Label.SUBJECT, "other": Label.OTHER,
}  # fmt: skip
# Where two claim a phrase, the later one has it.
_OPENINGS: Final = ("question", "by_component", "leave", "sensitive", "not_mine", "withdraw")


@dataclass(frozen=True, slots=True)
class Words:
    """What mail programs write, all languages together. Device phrases are found by their first three characters."""

    labels: dict[str, int]
    wrote: re.Pattern[str]
    on: frozenset[str]
    original: frozenset[str]
    forwarded: frozenset[str]
    device: dict[str, tuple[str, ...]]
    device_end: tuple[str, ...]
    closing: frozenset[str]
    closing_first: frozenset[str]
    disclaimer: tuple[str, ...]
    disclaimer_marks: tuple[str, ...]
    stop: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What people answer, all languages together; phrases are tokens joined by a space."""

    greeting: frozenset[str]
    thanks: frozenset[str]
    polite: frozenset[str]
    yes: frozenset[str]
    decline: frozenset[str]
    frames: tuple[str, ...]
    frame_starts: frozenset[str]
    frame_ends: tuple[str, ...]
    decline_frames: tuple[str, ...]
    openings: dict[str, str]  # what a sentence begins with, and which kind of sentence that is: a key of the data
    longest_opening: dict[str, int]  # by first word, in words
    doubt: frozenset[str]  # negation, condition, joke
    conditions: frozenset[str]  # those and words of time and condition, which stand in no signature
    you: frozenset[str]  # words that speak to the reader
    known: frozenset[str]  # no word of these is a name
    answers: frozenset[str]  # those of them that mean something in an answer, small words apart
    phrases: frozenset[str]  # all that answers, greets or thanks, as phrases


def fold(text: str) -> str:
    """Return the form in which words are looked up: composed, lower case, one space, no punctuation at the ends."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.lower().replace("’", "'").split()).strip(_ENDS)


def tokens(text: str) -> list[str]:
    """Return the words of a text in the form in which answers are looked up."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'").replace("\ufe0f", "")
    return TOKEN.findall(text.casefold())


@cache
def languages() -> dict[str, dict[str, Any]]:
    """Return the tables of all languages as they stand in the files."""
    # Not importlib.resources: it loads what makes temporary files, a twentieth of the command's start.
    folder = Path(__file__).with_name("data")
    return {entry.stem: tomllib.loads(entry.read_text("utf-8")) for entry in sorted(folder.glob("*.toml"))}


def _all(section: str, key: str) -> list[str]:
    return [fold(word) for data in languages().values() for word in data.get(section, {}).get(key, ())]


def _either(words: list[str]) -> str:
    """Alternatives, longest first; word boundaries only where the writing has them."""
    ordered = sorted({word for word in words if word}, key=lambda word: (-len(word), word))
    spaced = [re.escape(word) for word in ordered if ord(word[0]) < 0x3000]
    joined = [re.escape(word) for word in ordered if ord(word[0]) >= 0x3000]
    parts = [rf"(?<![^\W\d_])(?:{'|'.join(spaced)})(?![^\W\d_])"] if spaced else []
    return "|".join(parts + joined)


@cache
def load_words() -> Words:
    """Return the words of mail programs."""
    labels: dict[str, int] = {}
    for key, label in _LABEL_KEYS.items():
        for word in _all("quotes", key):
            labels[word] = labels.get(word, 0) | label
    devices: dict[str, list[str]] = {}
    for phrase in _all("signature", "device"):
        devices.setdefault(phrase[:3], []).append(phrase)
    # What is a yes in one language is no closing in another: Polish "tak" is Danish "thanks".
    closing = frozenset(_all("signature", "closing")) - frozenset(_all("answer", "yes"))
    return Words(
        labels=labels,
        wrote=re.compile(_either(_all("quotes", "wrote")), re.IGNORECASE),
        on=frozenset(_all("quotes", "on")),
        original=frozenset(_all("quotes", "original")),
        forwarded=frozenset(_all("quotes", "forwarded")),
        device={start: tuple(phrases) for start, phrases in devices.items()},
        device_end=tuple(word for word in _all("signature", "device_end") if word),
        closing=closing,
        closing_first=frozenset(phrase.split()[0] for phrase in closing if phrase),
        disclaimer=tuple(_all("disclaimer", "opening")),
        disclaimer_marks=tuple(_all("disclaimer", "marks")),
        stop={name: tuple(data.get("language", {}).get("stop", ())) for name, data in languages().items()},
    )


def _phrases(key: str) -> frozenset[str]:
    joined = {" ".join(tokens(phrase)) for data in languages().values() for phrase in data["answer"].get(key, ())}
    return frozenset(joined - {""})


def _frames(key: str) -> tuple[str, ...]:
    return tuple(sorted({frame for data in languages().values() for frame in data["answer"].get(key, ())}))


def _doubt() -> frozenset[str]:
    """Return words of negation and condition."""
    return _unambiguous("doubt")


def _unambiguous(key: str) -> frozenset[str]:
    """Return the words of a list without those that another language is full of (Italian "ma" is "my" in French)."""
    stop = load_words().stop
    found = set()
    for name, data in languages().items():
        others = {word for other, words in stop.items() if other != name for word in words}
        found |= {" ".join(tokens(word)) for word in data["answer"].get(key, ())} - others
    return frozenset(word for word in found if len(word) > 1 or not word.isascii())


def longest_by_first_word(phrases: Iterable[str]) -> dict[str, int]:
    """Return how many words the longest phrase has that begins with a word."""
    longest: dict[str, int] = {}
    for phrase in phrases:
        first, length = phrase.partition(" ")[0], phrase.count(" ") + 1
        longest[first] = max(length, longest.get(first, 0))
    return longest


@cache
def load_vocabulary() -> Vocabulary:
    """Return the words of answers."""
    lists = {
        key: _phrases(key)
        for key in (
            "greeting", "thanks", "polite", "yes", "decline", "withdraw", "not_mine", "question", "sensitive", "leave",
            "by_component", "doubt",
        )
    }  # fmt: skip
    stop = {word for words in load_words().stop.values() for word in words if len(word) > 1}
    plain = ("greeting", "thanks", "polite", "yes", "decline", "withdraw", "doubt")
    phrases = frozenset(phrase for key in plain for phrase in lists[key])
    known = {word for phrase in phrases for word in phrase.split()} | stop | _phrases("not_a_name")
    answers = {phrase for phrase in phrases if " " not in phrase} | _phrases("not_a_name") | _phrases("you")
    openings = {phrase: key for key in _OPENINGS for phrase in lists.pop(key)}
    lists["doubt"] = _doubt()
    plain_doubts = {word for word in _phrases("doubt") | _phrases("condition") if len(word) > 2}
    lists["conditions"] = (lists["doubt"] | _unambiguous("condition") | plain_doubts) - _phrases("and")
    return Vocabulary(
        **lists,
        frames=_frames("frames"),
        frame_starts=_phrases("frame_starts"),
        frame_ends=_frames("frame_ends"),
        you=_phrases("you"),
        decline_frames=_frames("decline_frames"),
        openings=openings,
        longest_opening=longest_by_first_word(openings),
        known=frozenset(known - PARTICLES),
        answers=frozenset(answers),
        phrases=phrases,
    )
