"""The words of the reports, in one place: `words.<language>.toml`.

For: the page, the plots and the terminal say the same thing by the same word, and a translation is one file. Promises:
a key no table knows is shown as itself with blanks for underscores, never dropped; a key that `text` does not know is a
`Defect`. Limits: plain substitution, no plural forms; sentences are written so that they need none.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from postmuster.base.errors import Defect
from postmuster.reports.figures import ELECTION_PREFIX, State

DEFAULT_LANGUAGE: Final = "en"


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    language: str
    tables: dict[str, Any]

    def text(self, key: str, **values: object) -> str:
        try:
            template: str = self.tables["text"][key]
        except KeyError:
            raise Defect(f"The report's words have no text {key!r}; add it to words.{self.language}.toml.") from None
        return template.format_map(values) if values else template

    def named(self, table: str, key: str) -> str:
        """The label of a kind, reason or class; the key itself when it is new."""
        label: str = self.tables.get(table, {}).get(key, "")
        return label or shown(key.replace("_", " ")).capitalize()

    def state(self, state: State) -> str:
        label: str = self.tables["states"][state.value]["label"]
        return label

    def meaning(self, state: State) -> str:
        sentence: str = self.tables["states"][state.value]["sentence"]
        return sentence

    def answer(self, key: str) -> str:
        if key.startswith(ELECTION_PREFIX):
            return self.text("election_choice", choice=shown(key.removeprefix(ELECTION_PREFIX)))
        return self.named("answers", key)


@lru_cache(maxsize=8)
def words(language: str = DEFAULT_LANGUAGE) -> Words:
    """Read the words of a language.

    Raises: `FileNotFoundError` for a language without a file.
    """
    source = resources.files("postmuster.reports") / f"words.{language}.toml"
    return Words(language, tomllib.loads(source.read_text(encoding="utf-8")))


# Escapes of a terminal, and the controls that make the text after them run backwards.
_UNSHOWN: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def shown(text: str) -> str:
    """Make outside text fit to show: on one line, without controls, each replaced by U+FFFD.

    Source: Unicode Technical Report 36 §2.10.
    """
    return _UNSHOWN.sub("\ufffd", text.replace("\n", " ").replace("\t", " "))


def number(value: float) -> str:
    """Show a count with a thin no-break space between thousands, a measure with one decimal."""
    shown = f"{value:,.1f}" if isinstance(value, float) and not value.is_integer() else f"{int(value):,}"
    return shown.replace(",", "\u202f")


def share(part: int, whole: int) -> str:
    """Show a share so that only all is 100 % and only nothing is 0 %."""
    if whole == 0:
        return "–"
    percent = 100 * part / whole
    if part == whole or part == 0:
        return f"{percent:.0f}\u202f%"
    return f"{min(max(percent, 0.1), 99.9):.1f}\u202f%"
