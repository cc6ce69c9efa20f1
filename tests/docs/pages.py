"""The pages of the documentation, and what is written on them."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ROOT / "src" / "postmuster"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its name from the project's root, its text, its text without code blocks."""

    name: str
    text: str

    @property
    def prose(self) -> str:
        return _FENCE.sub("", self.text)

    @property
    def blocks(self) -> list[tuple[str, str]]:
        """Code blocks: language and content."""
        return _FENCE.findall(self.text)

    @property
    def spans(self) -> list[str]:
        """What stands between single back quotes."""
        return _CODE.findall(self.prose)


@cache
def pages() -> tuple[Page, ...]:
    """Every page of ours: at the root and under docs."""
    found = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    return tuple(Page(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in found)


def page(name: str) -> Page:
    return next(one for one in pages() if one.name == name)


@cache
def tool(name: str) -> ModuleType:
    """One of tools/*.py as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def modules() -> Iterator[Path]:
    """Every module of ours but migrations."""
    return (path for path in sorted(HOUSE.rglob("*.py")) if "migrations" not in path.parts)
