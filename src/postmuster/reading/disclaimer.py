"""Find the legal notices that offices put below every mail.

What for: "This message is for the addressee only. If you have received it in error …" is nobody's answer, and it
stands below millions of them, in the language of the office, with or without a title.

How: a notice is a paragraph of its own at the end of what a person wrote, and all below it belongs to it: more such
paragraphs, short ways to reach somebody. It is known either by the words that such notices open with and two of the
words they have (`opening`, `marks`), or by what it says: it speaks of a message and of two of the addressee, the reader
who got it by mistake, what that reader has to do, and secrecy. In both cases nobody in it says "I" and nothing is asked.

Promises: linear; never raises; conservative: who writes "I received it in error, please delete me" is not cut, and a
paragraph that begins with other words ("Yes. This message is …") stays whole.
Limits: a paragraph is read up to 4,000 characters; notices shorter than 20 characters are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from postmuster.reading.sheet import Sheet
from postmuster.reading.words import Words, fold, languages, tokens

MAX_PARAGRAPH_CHARS: Final = 4_000  # ours: two pages
_LEAST_CHARS: Final = 20  # Chinese says it in this many
_SHORT_CHARS: Final = 60  # a line below a notice that is shorter may be somebody's answer
_MAX_TRIES: Final = 50  # lines within paragraphs that begin like a notice; keeps hostile texts linear
_RULE: Final = re.compile(r"[_\-=*~#]{3,}+$")
_FIRST_SENTENCE: Final = re.compile(r"[^.!。！]*+[.!。！]?")
_WAYS: Final = re.compile(r"https?:|www\.|@|\d{3}")
_THEMES: Final = ("message", "addressee", "mistaken", "duty", "secret")
_OWN: Final = "own"  # words of somebody who speaks for themselves
_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class _Language:
    """What notices say in one language; phrases are tokens between spaces, by theme."""

    opening: tuple[str, ...]
    themes: dict[str, tuple[str, ...]]


def find_notice(sheet: Sheet, first: int, last: int, words: Words) -> tuple[int, bool] | None:
    """Return where the notices at the end of a block begin, and whether one says so beyond doubt; None without one."""
    at, follows_blank, tries = first, True, 0
    other: int | None = None
    while at <= last:
        bare = sheet.bare[at]
        if not bare or _RULE.match(bare):
            follows_blank = True
        elif follows_blank or (tries < _MAX_TRIES and _begins(bare, words)):
            tries += not follows_blank
            kind = _kind(sheet, at, last, words)
            if kind is not None:
                other = _last_other_paragraph(sheet, first, last, words) if other is None else other
                if other <= _paragraph_end(sheet, at, last):
                    return at, kind == "said"
            follows_blank = False
        at += 1
    return None


def _begins(bare: str, words: Words) -> bool:
    """Whether a line within a paragraph begins as notices do: a title, or the message it speaks of."""
    if _opens(bare, words):
        return True
    spaced = _spaced(bare[:60])
    first = spaced[1:].partition(" ")[0]
    return any(
        theme in ("message", "mistaken") and spaced.startswith(phrase)
        for phrase, _, theme in _by_first_word().get(first, ())
    )


def _opens(bare: str, words: Words) -> bool:
    return fold(bare[:120].lstrip("*_- ")).startswith(words.disclaimer)


def _kind(sheet: Sheet, at: int, last: int, words: Words) -> str | None:
    """Return how a notice that begins at this line is known: `said` or `opened`; None when it is none."""
    paragraph = _paragraph(sheet, at, last)
    if len(paragraph) < _LEAST_CHARS or "?" in paragraph or "？" in paragraph:
        return None
    opened = _opens(sheet.bare[at], words)
    said = _said(_spaced(paragraph))
    for number, language in enumerate(_notice_languages()):
        themes = said.get(number, _NONE)
        if _OWN in themes:
            continue
        if _says(number, themes, paragraph, opened=opened):
            return "said"
        if opened and _has_opening(language, sheet.bare[at]) and _has_marks(sheet, at, last, words):
            return "opened"
    return None


def _says(language_no: int, themes: Set[str], paragraph: str, *, opened: bool) -> bool:
    if "message" not in themes and not opened:
        return False
    others = themes - {"message"}
    if len(others) < 2 or not ("mistaken" in others or {"secret", "addressee"} <= others):
        return False
    found = _FIRST_SENTENCE.match(paragraph)
    return opened or (found is not None and bool(_said(_spaced(found[0])).get(language_no, _NONE) - {_OWN}))


def _has_marks(sheet: Sheet, at: int, last: int, words: Words) -> bool:
    """Whether what follows an opening has two of the words that notices have, or one where it is short."""
    text = " ".join(sheet.bare[number][:1000] for number in range(at, min(last, at + 20) + 1)).lower()
    marks = sum(mark in text for mark in words.disclaimer_marks)
    return marks >= 2 or (marks >= 1 and len(text) < 300 and at > 0)


def _has_opening(language: _Language, bare: str) -> bool:
    return fold(bare[:120].lstrip("*_- ")).startswith(language.opening)


def _last_other_paragraph(sheet: Sheet, first: int, last: int, words: Words) -> int:
    """Return the last line of the last paragraph that is neither notice nor a way to reach somebody: maybe an answer."""
    end = last
    while end >= first:
        if not sheet.bare[end]:
            end -= 1
            continue
        start = end
        while start > first and sheet.bare[start - 1]:
            start -= 1
        if not _belongs(_paragraph(sheet, start, end), sheet.bare[start], words):
            return end
        end = start - 1
    return first - 1


def _paragraph_end(sheet: Sheet, at: int, last: int) -> int:
    while at < last and sheet.bare[at + 1]:
        at += 1
    return at


def _belongs(paragraph: str, bare: str, words: Words) -> bool:
    if _RULE.match(bare) or _opens(bare, words):
        return True
    least = 1 if len(paragraph) > _SHORT_CHARS else 2
    if "?" not in paragraph and any(
        len(themes) >= least and _OWN not in themes for themes in _said(_spaced(paragraph)).values()
    ):
        return True
    return len(paragraph) <= _SHORT_CHARS * 3 and _WAYS.search(paragraph) is not None and paragraph.count(". ") < 2


def _paragraph(sheet: Sheet, at: int, last: int) -> str:
    parts, size = [], 0
    while at <= last and sheet.bare[at] and size < MAX_PARAGRAPH_CHARS:
        parts.append(sheet.bare[at][:MAX_PARAGRAPH_CHARS])
        size += len(parts[-1])
        at += 1
    return " ".join(parts)


def _spaced(text: str) -> str:
    return f" {' '.join(tokens(text))} "


def _said(spaced: str) -> dict[int, set[str]]:
    """Return the themes of a text of tokens, by the number of the language, in one walk along its words.

    Looking for each phrase of each language in each paragraph took most of 3 ms for 5.5 KB of prose.
    """
    found: dict[int, set[str]] = {}
    phrases, at = _by_first_word(), 0
    for word in spaced.split():
        for phrase, language_no, theme in phrases.get(word, ()):
            if spaced.startswith(phrase, at):
                found.setdefault(language_no, set()).add(theme)
        at += len(word) + 1
    return found


@cache
def _by_first_word() -> dict[str, tuple[tuple[str, int, str], ...]]:
    """Every phrase with its language and theme, by its first word."""
    found: dict[str, list[tuple[str, int, str]]] = {}
    for number, language in enumerate(_notice_languages()):
        for theme, phrases in language.themes.items():
            for phrase in phrases:
                found.setdefault(phrase.split()[0], []).append((phrase, number, theme))
    return {word: tuple(phrases) for word, phrases in found.items()}


@cache
def _notice_languages() -> tuple[_Language, ...]:
    found = []
    for data in languages().values():
        section: dict[str, Any] = data.get("disclaimer", {})
        if "opening" in section:
            themes = {theme: _phrases(section.get(theme, ())) for theme in (*_THEMES, _OWN)}
            found.append(_Language(tuple(fold(phrase) for phrase in section["opening"]), themes))
    return tuple(found)


def _phrases(phrases: Iterable[str]) -> tuple[str, ...]:
    return tuple(_spaced(phrase) for phrase in phrases)
