"""Placeholders in what a drafter writes, and in the generated words around it.

A drafter may write `{name}`, `{component}` and `{deadline}`; `{{` stands for one `{` that means nothing; `}` alone is an
ordinary character. Generated blocks may also hold `{notice_id}` and `{check_code}`. Everything stays in place until a
mail is composed for one person; then each part is filled with values escaped for that part.

`pieces_of` is for `compose`, which prepares each part once and fills it for each person.

Promises: linear in the length of the text; never raises for text read from a file. `fill` raises KeyError for a
placeholder that has no value, because a mail with a hole must not leave.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

AUTHOR_PLACEHOLDERS: Final = ("name", "component", "deadline")
BLOCK_PLACEHOLDERS: Final = (*AUTHOR_PLACEHOLDERS, "notice_id", "check_code")
_TOKEN = re.compile(r"\{\{|\{([a-z_]{1,32})\}|\{")


def problems_in(text: str, allowed: tuple[str, ...] = AUTHOR_PLACEHOLDERS) -> list[tuple[int, int, str]]:
    """Return (line, column, sentence) for each brace that is no known placeholder; both count from 1."""
    found = []
    for match in _TOKEN.finditer(text):
        if match[0] == "{{" or match[1] in allowed:
            continue
        line = text.count("\n", 0, match.start()) + 1
        column = match.start() - text.rfind("\n", 0, match.start())
        known = ", ".join(f"{{{word}}}" for word in allowed)
        shown = match[0] if match[1] else "a lone {"
        found.append((line, column, f"{shown} is not a placeholder; known are {known}; write {{{{ for a plain brace."))
    return found


def names_in(text: str) -> frozenset[str]:
    """Return the placeholders used in a text."""
    return frozenset(match[1] for match in _TOKEN.finditer(text) if match[1])


def escaped(text: str) -> str:
    """Return text whose braces stand for themselves, to be put into a text with placeholders."""
    return text.replace("{", "{{")


def pieces_of(text: str) -> list[tuple[str, str | None]]:
    """Return what a text is made of: plain text, `{{` already read, and the placeholder that follows it (None at the end)."""
    pieces: list[tuple[str, str | None]] = []
    plain: list[str] = []
    place = 0
    for match in _TOKEN.finditer(text):
        plain.append(text[place : match.start()])
        place = match.end()
        if match[1]:
            pieces.append(("".join(plain), match[1]))
            plain = []
        else:
            plain.append("{")
    pieces.append(("".join(plain) + text[place:], None))
    return pieces


def fill(text: str, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    """Put values into a text, each through `escape`; `{{` becomes `{`.

    Raises KeyError when a placeholder has no value.
    """
    return _TOKEN.sub(lambda match: escape(values[match[1]]) if match[1] else "{", text)


def fill_known(text: str, values: Mapping[str, str]) -> str:
    """Put some values in now and leave every other placeholder, and `{{`, for later; values may hold any brace."""
    return _TOKEN.sub(lambda match: escaped(values[match[1]]) if match[1] in values else match[0], text)
