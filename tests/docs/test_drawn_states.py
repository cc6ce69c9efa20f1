"""The drawn states are the code's, and every enumeration with arrows is drawn."""

from __future__ import annotations

import re
from enum import StrEnum
from importlib import import_module
from types import MappingProxyType

import pytest
from tests.docs.pages import HOUSE, page, tool

STATE_FILES = sorted(path.relative_to(HOUSE).as_posix() for path in HOUSE.glob("*/states.py"))
_ARROW = re.compile(r"^    (\[\*\]|\w+) --> (\[\*\]|\w+)$", re.MULTILINE)


def _lives() -> dict[str, str]:
    """The drawings on the page, by title."""
    sections = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page("docs/states.md").text, re.MULTILINE | re.DOTALL)
    return {title: re.search(r"```mermaid\n(.*?)```", body, re.DOTALL)[1] for title, body in sections}  # type: ignore[index]


def _arrow_tables(module_name: str) -> list[dict[StrEnum, frozenset[StrEnum]]]:
    module = import_module(f"postmuster.{module_name.removesuffix('.py').replace('/', '.')}")
    return [value for name, value in vars(module).items() if name.endswith("ARROWS")]


def test_the_page_is_what_the_tool_draws() -> None:
    assert page("docs/states.md").text == tool("draw_states").page()


def test_the_tool_says_when_the_page_is_old(monkeypatch: pytest.MonkeyPatch, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    drawing = tool("draw_states")
    monkeypatch.setattr(drawing, "PAGE", tmp_path / "states.md")
    assert drawing.main([]) == 0
    assert drawing.main(["--check"]) == 0
    (tmp_path / "states.md").write_text("old")
    assert drawing.main(["--check"]) == 1
    assert "tools/draw_states.py" in capsys.readouterr().err


@pytest.mark.parametrize("file", STATE_FILES)
def test_every_table_of_arrows_is_drawn(file: str) -> None:
    drawn = [dict(life.arrows) for life in tool("draw_states").LIVES]
    for arrows in _arrow_tables(file):
        assert dict(MappingProxyType(arrows)) in drawn


def test_the_arrows_on_the_page_are_those_of_the_code_and_no_others() -> None:
    lives = _lives()
    for life in tool("draw_states").LIVES:
        drawn = {pair for pair in _ARROW.findall(lives[life.title]) if "[*]" not in pair}
        assert drawn == {(str(a), str(b)) for a, afters in life.arrows.items() for b in afters}
    assert set(lives) == {life.title for life in tool("draw_states").LIVES}


def test_every_state_has_its_arrows_even_if_none_leave_it() -> None:
    for life in tool("draw_states").LIVES:
        assert set(life.arrows) == set(life.states)


def test_every_life_begins_somewhere_and_no_state_is_an_island() -> None:
    for title, drawing in _lives().items():
        pairs = _ARROW.findall(drawing)
        assert any(before == "[*]" for before, _ in pairs), title
        assert {after for _, after in pairs} >= {before for before, _ in pairs if before != "[*]"}, title
