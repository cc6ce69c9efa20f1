"""Find the items of a report: bullets, numbers, dashes, rows of a table, lines or paragraphs.

What for: people list what they did in whatever form their program offers. Marked lists are taken as they are; lines
and paragraphs without marks are a list only where their number says so, because two paragraphs may as well be a
letter.

Promises: linear; never raises. Limits: 200 items of 4,000 characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from postmuster.reading.spans import Lines

MAX_ITEMS: Final = 200
MAX_ITEM_CHARS: Final = 4_000
_BULLET: Final = re.compile(
    r"(?:[-–—](?![-–—])|[*•‣◦▪▫●○■□·+➢►▶✓✔☑»]|\(?\d{1,2}[.)\]:]|\d{1,2}\s?[-–]|#\d{1,2}[.):]?(?=\s)|\(?(?:[a-zA-Z]|[ivx]{1,4}|[IVX]{1,4})[.)]|\d\ufe0f?\u20e3|[①-⑳]|o(?=\s))[\s\u00a0]*+(?=\S)"
)
_BARE_MARK: Final = re.compile(r"(?:[-*•●·–]|\(?\d{1,2}[.)\]:]?)$")
_NUMBER: Final = re.compile(r"(\d{1,2})[ \t\u00a0]+(?=[^\W\d_])")
_RULE: Final = frozenset("|-:+= \t")  # the line below the head of a table
_NUMBER_CELL: Final = re.compile(r"\s*\d{1,2}[.)]?\s*\|")
_STOPS: Final = (".", "。", "!", "！", "?", "？")
_WRAPPED_CHARS: Final = 55  # a line this long may have been wrapped by a program


@dataclass(frozen=True, slots=True)
class Items:
    """The items, whether the person marked them as a list, and where each stands.

    `ragged` items have no marks and are paragraphs of which one has several short lines, as letters have.
    """

    texts: tuple[str, ...]
    marked: bool
    spans: tuple[tuple[int, int], ...]
    ragged: bool = False


def find_items(lines: Lines) -> Items:
    """Return the items of a text whose greeting and signature are gone already. Never raises."""
    groups = _rows(lines) or _marked(lines)
    if groups:
        return _items(groups, marked=True)
    paragraphs = _paragraphs(lines)
    if _has_preface(paragraphs):
        del paragraphs[0]
    if len(paragraphs) == 1 and not _is_wrapped(paragraphs[0]):
        paragraphs = [[line] for line in paragraphs[0]]
    if len(paragraphs) == 1 and len(paragraphs[0]) == 1:
        paragraphs = _by_semicolon(paragraphs[0][0])
    ragged = len(paragraphs) > 1 and any(len(each) > 1 and not _is_wrapped(each) for each in paragraphs)
    return _items(paragraphs, marked=False, ragged=ragged)


def _rows(lines: Lines) -> list[list[tuple[int, str]]]:
    """Return the rows of a table drawn with bars: without its head, without a first cell that is a number."""
    groups: list[list[tuple[int, str]]] = []
    for start, line in lines:
        bare = line.strip()
        if len(bare) < 3 or bare[0] != "|" or bare[-1] != "|":
            continue
        if "-" in bare and _RULE.issuperset(bare):
            if len(groups) == 1:
                groups.clear()
            continue
        number = _NUMBER_CELL.match(bare, 1)
        inner = bare[number.end() if number else 1 : -1]
        place = start + line.index("|") + (number.end() if number else 1)
        if inner.strip():
            groups.append([(place + len(inner) - len(inner.lstrip()), inner.strip())])
    return groups if len(groups) > 1 else []


def _is_numbered(lines: Lines) -> bool:
    """Whether lines begin with 1, 2, 3 and nothing behind the number, as the rows of a table do."""
    found = [int(hit[1]) for _, line in lines if (hit := _NUMBER.match(line.strip()))]
    return len(found) > 1 and found == list(range(1, len(found) + 1))


def _marked(lines: Lines) -> list[list[tuple[int, str]]]:
    """Group lines by bullets; lines below a bullet belong to it up to a blank line."""
    groups: list[list[tuple[int, str]]] = []
    numbered = _is_numbered(lines)
    is_open = False
    for start, line in lines:
        bare = line.strip()
        place = start + len(line) - len(line.lstrip())
        found = _BULLET.match(bare) or (_NUMBER.match(bare) if numbered else None)
        if found:
            groups.append([(place + found.end(), bare[found.end() :])])
            is_open = True
        elif _BARE_MARK.match(bare):  # the mark alone, its words in the next line
            groups.append([])
            is_open = True
        elif not bare:
            is_open = bool(groups) and not groups[-1]
        elif is_open:
            groups[-1].append((place, bare))
    return [group for group in groups if group]


def _paragraphs(lines: Lines) -> list[list[tuple[int, str]]]:
    groups: list[list[tuple[int, str]]] = [[]]
    for start, line in lines:
        bare = line.strip()
        if bare:
            groups[-1].append((start + len(line) - len(line.lstrip()), bare))
        elif groups[-1]:
            groups.append([])
    return [group for group in groups if group]


def _has_preface(paragraphs: list[list[tuple[int, str]]]) -> bool:
    """Whether one sentence stands above three or more lines that are none ("Please find my points below.")."""
    if len(paragraphs) != 2 or len(paragraphs[0]) != 1 or len(paragraphs[1]) < 3 or _is_wrapped(paragraphs[1]):
        return False
    return paragraphs[0][0][1].endswith(_STOPS) and not any(line.endswith(_STOPS) for _, line in paragraphs[1])


def _is_wrapped(paragraph: list[tuple[int, str]]) -> bool:
    """Whether the lines of a paragraph are one text that a program broke: all but the last are long."""
    return len(paragraph) > 1 and all(len(line) >= _WRAPPED_CHARS for _, line in paragraph[:-1])


def _by_semicolon(line: tuple[int, str]) -> list[list[tuple[int, str]]]:
    start, text = line
    groups = []
    for found in re.finditer(r"[^;；]++", text):
        bare = found[0].strip()
        if bare:
            groups.append([(start + found.start(), bare)])
    return groups


def _items(groups: list[list[tuple[int, str]]], *, marked: bool, ragged: bool = False) -> Items:
    texts, spans = [], []
    for group in groups[:MAX_ITEMS]:
        texts.append(" ".join(line for _, line in group)[:MAX_ITEM_CHARS])
        spans.append((group[0][0], group[-1][0] + len(group[-1][1])))
    return Items(tuple(texts), marked, tuple(spans), ragged)
