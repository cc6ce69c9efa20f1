"""Write docs/commands.md from the commands themselves.

    .venv/bin/python tools/write_commands.py            writes the page
    .venv/bin/python tools/write_commands.py --check    exit 1 when the page and the commands differ

Everything on the page (words, arguments, options, defaults, sentences) is what the command line itself says; tests/docs
compares the two. To change the page, change the command.
"""

from __future__ import annotations

import importlib
import os
import sys
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import django
import typer
from django.apps import apps

from postmuster.cli.main import COMMANDS, PACKAGE
from postmuster.settings import adopt

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
WORDS = {str: "text", int: "number", Path: "path"}
HEAD = """\
# Commands

Written from the commands themselves by `tools/write_commands.py`; a test compares the two.

A command finds its settings by `POSTMUSTER_SETTINGS`, or in `postmuster.toml` in the folder it is called from (see
[settings](settings.md)). Exit 0: done. Exit 1: refused or failed, with one sentence on standard error that says what to
do. Exit 2: wrong usage. `--json` prints one JSON value on standard output. A command that acts takes `--as OFFICER`; the
operator's shell is trusted, and the ledger says “by shell” beside the officer's number.
"""


@dataclass(frozen=True, slots=True)
class Word:
    """One command that can be typed: its words, and what click knows about it."""

    words: tuple[str, ...]
    command: Any

    @property
    def options(self) -> set[str]:
        return {name for one in self.command.params for name in (*one.opts, *one.secondary_opts) if name[:1] == "-"}


def commands() -> Iterator[Word]:
    """Every command of the command line, groups opened, in the order of `postmuster --help`."""
    if not apps.ready:  # the rooms' tables can be imported only after this; no database is asked
        adopt(file=Path(os.devnull, "no-settings.toml"), role="application")
        django.setup()
    for word, (module, attribute, _, line) in COMMANDS.items():
        found = getattr(importlib.import_module(f"{PACKAGE}.{module}"), attribute)
        holder = found
        if not isinstance(found, typer.Typer):
            holder = typer.Typer(add_completion=False)
            holder.command()(found)
        command = typer.main.get_command(holder)
        command.help = command.help or line
        yield from _opened((word,), command)


def _opened(words: tuple[str, ...], command: Any) -> Iterator[Word]:
    yield Word(words, command)
    for name, inner in getattr(command, "commands", {}).items():
        yield from _opened((*words, name), inner)


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _value(parameter: Any) -> str:
    """What stands for a value on the page: choices, limits or a word."""
    several = " (may be given several times)" if parameter.multiple else ""
    kind = _kind(parameter.type_descriptor.annotation)
    if kind is bool:
        return ""
    if issubclass(kind, Enum):
        return ", ".join(str(one.value) for one in kind) + several
    if parameter.metavar and not _is_argument(parameter):
        return f"{parameter.metavar}{several}"
    if kind is int and (parameter.min, parameter.max) != (None, None):
        return f"{parameter.min} to {parameter.max}"
    return WORDS.get(kind, kind.__name__) + several


def _kind(annotation: Any) -> type:
    """The type of one value: what is inside a list, or what may be left out."""
    inner = [one for one in typing.get_args(annotation) if one is not type(None)]
    return _kind(inner[0]) if inner else annotation


def _default(parameter: Any) -> str:
    if parameter.required:
        return "needed"
    default = parameter.default
    if default is None or default is False or default == "" or callable(default):
        return ""
    return f"`{default}`"


def _name(parameter: Any) -> str:
    if _is_argument(parameter):
        return f"`{parameter.metavar or parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _usage(word: Word) -> str:
    parts = ["postmuster", *word.words]
    for one in word.command.params:
        if _is_argument(one):
            parts.append(one.metavar or one.name.upper())
        elif one.required:
            parts.append(f"{one.opts[0]} {one.metavar or one.name.upper()}")
    return " ".join(parts)


def _section(word: Word) -> str:
    level = "#" * (len(word.words) + 1)
    if getattr(word.command, "commands", None):
        return f"{level} {' '.join(word.words)}\n\n{_sentence(word)}\n"
    lines = [f"{level} {' '.join(word.words)}", "", f"`{_usage(word)}`", "", _sentence(word), ""]
    shown = [one for one in word.command.params if not getattr(one, "hidden", False) and one.name != "help"]
    if shown:
        lines += ["| argument or option | value | default | meaning |", "| --- | --- | --- | --- |"]
        lines += [_row(one) for one in shown]
        lines.append("")
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    cells = (_name(parameter), _value(parameter), _default(parameter), parameter.help or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _sentence(word: Word) -> str:
    text = " ".join((word.command.help or "").split())
    return text if text.endswith(".") else f"{text}."


def page() -> str:
    """The whole of docs/commands.md."""
    return "\n".join([HEAD, *map(_section, commands())])


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print("usage: write_commands.py [--check]", file=sys.stderr)
        return 2
    written = page()
    if arguments:
        if PAGE.read_text(encoding="utf-8") != written:
            print("docs/commands.md is not what the commands say; run tools/write_commands.py.", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
