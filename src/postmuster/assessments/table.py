"""A TOML file read key by key, with every fault gathered.

An officer who writes a notice or a privacy assessment by hand should learn of all mistakes at once, each as one
sentence that names the key and, where it can be found, the line. So nothing here raises: a `Table` hands out values that are
already of the right type (or an empty stand-in) and writes each fault into the `Faults` it shares with its sub-tables.

Promises: any octets give either tables or faults, never an exception; text comes back in Unicode normal form C, without
control, invisible, direction-changing or private-use characters (they are refused, not dropped); each key that nobody
asked for is a fault with the nearest known key as a hint.
Limits: `MAX_FILE_OCTETS` a file, `MAX_FAULTS` sentences. Lines are found by a scan beside the parser, which keeps no
positions: a key inside an inline table is given the line of that table.
Sources: TOML 1.0.0; Unicode UAX #15 (normal forms), UTS #39 §5.4 (characters that hide or turn text).
"""

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

MAX_FILE_OCTETS = 65_536  # own limit: the longest example is under 4 KiB
MAX_FAULTS = 50  # own limit: more sentences than this help nobody
MAX_TEXT_CHARS = 2_000  # own limit for one field of text
MAX_LIST_ITEMS = 1_000  # own limit: components named one by one

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
_HEADER_LINE = re.compile(r"[ \t]*(\[\[?)[ \t]*([^\]\n]{1,200})\]")
_NUMBER = re.compile(r"\[[0-9]+\]$")
_KEY_LINE = re.compile(r"[ \t]*([A-Za-z0-9_.\"'-]{1,200})[ \t]*=")

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Refusals:
    """Why a file was not taken: every reason, each one sentence."""

    reasons: tuple[str, ...]

    def __iter__(self) -> Iterator[str]:
        return iter(self.reasons)

    def __len__(self) -> int:
        return len(self.reasons)


@dataclass(frozen=True, slots=True)
class Texts:
    """One text in one or more languages: pairs of language tag and text, sorted by tag."""

    pairs: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def best(self, language: str, default: str) -> str:
        """Return the text in `language`, else in `default`, else the first one there is, else nothing."""
        texts = dict(self.pairs)
        return texts.get(language) or texts.get(default) or next(iter(texts.values()), "")

    @property
    def languages(self) -> frozenset[str]:
        return frozenset(tag for tag, _ in self.pairs)


@dataclass(slots=True)
class Faults:
    """Sentences gathered while one file is read."""

    file: str
    lines: Mapping[str, int] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)

    def add(self, path: str, sentence: str) -> None:
        """Note a fault at a dotted key path ("" for the file as a whole)."""
        line = self._line_of(path)
        where = f"{self.file} line {line}" if line else self.file
        self.sentences.append(f"{where}: {sentence}")

    def refusals(self) -> Refusals:
        """Return what was gathered, once each, cut after `MAX_FAULTS`."""
        unique = list(dict.fromkeys(self.sentences))
        rest = len(unique) - MAX_FAULTS
        if rest > 0:
            unique = [*unique[:MAX_FAULTS], f"{self.file}: there are {rest} more faults; correct these first."]
        return Refusals(tuple(unique))

    def _line_of(self, path: str) -> int | None:
        while path:
            if path in self.lines:
                return self.lines[path]
            unnumbered = _NUMBER.sub("", path)
            path = unnumbered if unnumbered != path else path.rpartition(".")[0]
        return None


class Table:
    """One TOML table being read; ask for each key once, then call `done`."""

    def __init__(self, values: Mapping[str, object], *, faults: Faults, path: str = "") -> None:
        self._values = values
        self._faults = faults
        self._path = path
        self._asked: set[str] = set()

    def fault(self, key: str, sentence: str) -> None:
        """Note a fault of one key; the sentence is written after the key's name."""
        path = self._path_of(key)
        self._faults.add(path, f"`{path}` {sentence}" if path else sentence)

    def has(self, key: str) -> bool:
        """Say whether the key is there, without reading it."""
        return key in self._values

    def raw(self, key: str) -> object:
        """Return the value as TOML gave it, for kinds of value this class has no reader for."""
        self._asked.add(key)
        return self._values.get(key)

    def text(self, key: str, *, missing: str = "", most_chars: int = MAX_TEXT_CHARS) -> str:
        """Return one line of text; `missing` is the sentence when a needed key is absent ("" = may be absent)."""
        value = self.raw(key)
        if value is None:
            if missing:
                self.fault(key, missing)
            return ""
        return self._clean(key, value, most_chars) or ""

    def texts(self, key: str, *, language: str, missing: str = "", most_chars: int = MAX_TEXT_CHARS) -> Texts:
        """Return a text written once (then in `language`) or as a table of language tags."""
        value = self.raw(key)
        if value is None:
            if missing:
                self.fault(key, missing)
            return Texts()
        return self._texts_of(key, value, language, most_chars)

    def texts_list(self, key: str, *, language: str) -> tuple[Texts, ...]:
        """Return a list whose items are each a text or a table of language tags, in the order written."""
        items = enumerate(self._items(key), start=1)
        found = [self._texts_of(_numbered(key, at), item, language, MAX_TEXT_CHARS) for at, item in items]
        return tuple(dict.fromkeys(texts for texts in found if texts))

    def words(self, key: str, *, most_chars: int = 200) -> tuple[str, ...]:
        """Return a list of texts without repetitions, in the order written."""
        found = [self._clean(_numbered(key, at), item, most_chars) for at, item in enumerate(self._items(key), start=1)]
        return tuple(dict.fromkeys(word for word in found if word))

    def whole(self, key: str, *, least: int, most: int, missing: str = "") -> int | None:
        """Return a whole number within `least`..`most`."""
        value = self.raw(key)
        if value is None:
            if missing:
                self.fault(key, missing)
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.fault(key, f"must be a whole number from {least} to {most}.")
            return None
        return value

    def flag(self, key: str) -> bool | None:
        """Return true, false, or None when the key is absent or of another kind."""
        value = self.raw(key)
        if value is not None and not isinstance(value, bool):
            self.fault(key, "must be true or false.")
            return None
        return value

    def choice(self, key: str, kinds: type[Choice], *, missing: str = "") -> Choice | None:
        """Return one member of an enumeration."""
        word = self.text(key, missing=missing, most_chars=60)
        return self._member(key, word, kinds) if word else None

    def choices(self, key: str, kinds: type[Choice]) -> tuple[Choice, ...]:
        """Return members of an enumeration, sorted, without repetitions."""
        members = {self._member(key, word, kinds) for word in self.words(key)}
        return tuple(sorted(member for member in members if member is not None))

    def table(self, key: str, *, missing: str = "") -> "Table":
        """Return a sub-table; an empty one when it is absent or not a table (with the fault noted)."""
        value = self.raw(key)
        if value is None:
            if missing:
                self.fault(key, missing)
            value = {}
        if not isinstance(value, dict):
            self.fault(key, f"must be a table, written as [{self._path_of(key)}].")
            value = {}
        return Table(value, faults=self._faults, path=self._path_of(key))

    def nested(self, key: str, number: int, values: Mapping[str, object]) -> "Table":
        """Return a reader for one item of a list of tables; items are numbered from 1."""
        return Table(values, faults=self._faults, path=self._path_of(_numbered(key, number)))

    def texts_table(self, key: str) -> tuple[tuple[str, str], ...]:
        """Return a table of free keys and texts (line breaks allowed in the texts), sorted by key."""
        inner = self.table(key)
        pairs = []
        for name in sorted(inner._values):
            value = inner.raw(name)
            text = inner._clean(name, value, 10 * MAX_TEXT_CHARS, many_lines=True)
            if text:
                pairs.append((name, text))
        return tuple(pairs)

    def done(self) -> None:
        """Note every key that nobody asked for, with the nearest known one."""
        for key in self._values:
            if key in self._asked:
                continue
            near = difflib.get_close_matches(key[:60], sorted(self._asked), n=1)
            hint = f"did you mean `{self._path_of(near[0])}`?" if near else "take it out or correct its name."
            self.fault(key, f"is not a key known here; {hint}")

    def _path_of(self, key: str) -> str:
        shown = _HIDDEN.sub("?", key[:60])
        return f"{self._path}.{shown}" if self._path and shown else shown or self._path

    def _items(self, key: str) -> list[object]:
        value = self.raw(key)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > MAX_LIST_ITEMS:
            self.fault(key, f"must be a list of at most {MAX_LIST_ITEMS} items.")
            return []
        return value

    def _texts_of(self, key: str, value: object, language: str, most_chars: int) -> Texts:
        if not isinstance(value, dict):
            text = self._clean(key, value, most_chars)
            return Texts(((language, text),)) if text else Texts()
        pairs = []
        for tag, item in value.items():
            if not _LANGUAGE.fullmatch(tag):
                self.fault(key, f"has `{_HIDDEN.sub('?', tag[:20])}`, which is not a language tag such as en or es.")
            elif text := self._clean(f"{key}.{tag}", item, most_chars):
                pairs.append((tag, text))
        return Texts(tuple(sorted(pairs)))

    def _clean(self, key: str, value: object, most_chars: int, *, many_lines: bool = False) -> str | None:
        if not isinstance(value, str):
            self.fault(key, "must be text in quotation marks.")
            return None
        text = unicodedata.normalize("NFC", value).strip()
        if not text:
            self.fault(key, "is empty.")
            return None
        if len(text) > most_chars:
            self.fault(key, f"is longer than {most_chars} characters.")
            return None
        if hides(text, many_lines=many_lines):
            self.fault(key, "has a line break, control or invisible character; write it without.")
            return None
        return text

    def _member(self, key: str, word: str, kinds: type[Choice]) -> Choice | None:
        try:
            return kinds(word)
        except ValueError:
            near = difflib.get_close_matches(word, [str(kind) for kind in kinds], n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            self.fault(key, f"is {word[:60]}{hint}; it must be one of {', '.join(kinds)}.")
            return None


def hides(text: str, *, many_lines: bool = False) -> bool:
    """Say whether text has characters that a reader cannot see or that turn it around.

    With `many_lines`, line feeds and tabs are allowed. Source: UTS #39 §5.4.
    """
    if many_lines:
        text = text.replace("\n", "").replace("\t", "")
    return _HIDDEN.search(text) is not None


def open_table(data: bytes, *, file: str) -> tuple[Table, Faults]:
    """Parse octets as TOML; never raises.

    `file` is the name used in sentences. When the octets cannot be read, the table is empty and the faults say why.
    """
    faults = Faults(file)
    values: Mapping[str, object] = {}
    if len(data) > MAX_FILE_OCTETS:
        faults.add("", f"is {len(data)} octets long; the limit is {MAX_FILE_OCTETS}.")
        return Table(values, faults=faults), faults
    try:
        text = data.decode("utf-8-sig")
        values = tomllib.loads(text)
        faults.lines = line_numbers(text)
    except UnicodeDecodeError as error:
        faults.add("", f"is not UTF-8 text (octet {error.start}); save it as UTF-8.")
    except RecursionError:
        faults.add("", "is nested too deeply to be read.")
    except ValueError as error:  # TOMLDecodeError and the number and date limits of the interpreter
        faults.add("", f"is not TOML: {_HIDDEN.sub('?', str(error))[:200]}.")
    return Table(values, faults=faults), faults


def line_numbers(text: str) -> dict[str, int]:
    """Find on which line (1-based) each dotted key and table header is written first.

    The second table of a list `x` and what stands in it are found under `x[2]`, and so on.
    """
    found: dict[str, int] = {}
    times: dict[str, int] = {}
    table = ""
    fence = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if fence:
            fence = "" if line.count(fence) % 2 else fence
            continue
        if header := _HEADER_LINE.match(line):
            table = _plain(header[2])
            if header[1] == "[[":
                times[table] = times.get(table, 0) + 1
                table = _numbered(table, times[table])
            found.setdefault(table, number)
        elif key := _KEY_LINE.match(line):
            name = _plain(key[1])
            found.setdefault(f"{table}.{name}" if table else name, number)
        fence = next((mark for mark in ('"""', "'''") if line.count(mark) % 2), "")
    return found


def _numbered(key: str, number: int) -> str:
    return key if number < 2 else f"{key}[{number}]"


def _plain(key: str) -> str:
    return ".".join(part.strip(" \t\"'") for part in key.split("."))
