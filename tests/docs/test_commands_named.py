"""Commands: the page is what they say of themselves, and whoever names one names one that exists."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from tests.docs.pages import HOUSE, ROOT, modules, page, pages, tool

_NAMED = re.compile(r"`((?:[A-Z_]+=\S+ )*postmuster [^`\n]+)`")
_MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")
# Words after "make" in prose that are no target.
_NO_TARGET = {"sure"}


@cache
def _commands() -> dict[tuple[str, ...], Any]:
    return {word.words: word for word in tool("write_commands").commands()}


def _fault(line: str) -> str | None:
    """What is wrong with a command line as it is written in a page or a sentence; None where it could be typed."""
    words = [word for word in shlex.split(line.replace("…", ""), comments=True) if not re.match(r"[A-Z_]+=", word)]
    words = [word for word in words[1:] if word not in ("|", "[", "]")]  # alternatives and what may be left out
    path: tuple[str, ...] = ()
    while len(words) > len(path) and (*path, words[len(path)]) in _commands():
        path = (*path, words[len(path)])
    rest = words[len(path) :]
    if not path:
        return None if not rest or rest == ["--help"] else f"there is no command {rest[0]}"
    if (
        getattr(_commands()[path].command, "commands", None)
        and rest
        and not (rest[0].startswith("-") or rest[0].isupper())
    ):
        return f"there is no command {' '.join((*path, rest[0]))}"
    unknown = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in _known(path)]
    return f"{' '.join(path)} has no option {unknown[0]}" if unknown else None


def _known(path: tuple[str, ...]) -> set[str]:
    return {*_commands()[path].options, "--help"}


def _in_pages() -> Iterator[tuple[str, str]]:
    for one in pages():
        for line in _NAMED.findall(one.prose):
            yield one.name, line
        for language, block in one.blocks:
            if language in ("sh", "console"):
                joined = block.replace("\\\n", " ")
                yield from (
                    (one.name, line.removeprefix("$ ")) for line in joined.splitlines() if "postmuster " in line
                )


def _in_code() -> Iterator[tuple[str, str]]:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from (
                    (str(path.relative_to(HOUSE)), line) for line in _NAMED.findall(" ".join(node.value.split()))
                )


def _starts_with_postmuster(line: str) -> bool:
    return re.match(r"(?:[A-Z_]+=\S+ )*postmuster\b", line) is not None


def test_the_page_is_what_the_commands_say() -> None:
    assert page("docs/commands.md").text == tool("write_commands").page()


def test_the_tool_says_when_the_page_is_old(monkeypatch: pytest.MonkeyPatch, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    writing = tool("write_commands")
    monkeypatch.setattr(writing, "PAGE", tmp_path / "commands.md")
    assert writing.main([]) == 0
    assert writing.main(["--check"]) == 0
    (tmp_path / "commands.md").write_text("old")
    assert writing.main(["--check"]) == 1
    assert "tools/write_commands.py" in capsys.readouterr().err


def test_every_command_and_option_has_a_sentence() -> None:
    silent = [
        (" ".join(words), parameter.name)
        for words, word in _commands().items()
        for parameter in word.command.params
        if not parameter.help and parameter.name != "help"
    ]
    assert silent == []
    assert [words for words, word in _commands().items() if not word.command.help] == []


def test_pages_name_commands_and_options_that_exist() -> None:
    named = [(where, line) for where, line in _in_pages() if _starts_with_postmuster(line)]
    assert len(named) > 20
    assert [(where, line, fault) for where, line in named if (fault := _fault(line))] == []


def test_sentences_of_the_code_name_commands_that_exist() -> None:
    named = list(_in_code())
    assert len(named) > 10
    assert [(where, line, fault) for where, line in named if (fault := _fault(line))] == []


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("postmuster notice status n1", True),
        ("postmuster notice status n1 --json", True),
        ("POSTMUSTER_SETTINGS=a.toml postmuster check", True),
        ("postmuster notice stats n1", False),
        ("postmuster notices status n1", False),
        ("postmuster notice status n1 --jsn", False),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, right: bool) -> None:
    assert (_fault(line) is None) == right


def test_pages_name_targets_of_make_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        (one.name, target)
        for one in pages()
        for span in (*one.spans, *(block for language, block in one.blocks if language == "sh"))
        for target in _MAKE.findall(span)
    }
    assert named
    assert {(where, target) for where, target in named if target not in targets | _NO_TARGET} == set()
