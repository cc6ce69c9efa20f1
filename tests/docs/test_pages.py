"""What is written in pages is there: links, files, names in the code, lists; and nothing that should not be."""

from __future__ import annotations

import ast
import configparser
import re
from functools import cache
from pathlib import Path

import pytest
from tests.docs.pages import HOUSE, ROOT, Page, page, pages

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_NAMED = re.compile(r"([\w./-]+\.(?:py|sql)):([A-Za-z_][\w.]*)")
_FILE = re.compile(r"[\w./-]+\.(?:py|sql|toml|sh|css|md|txt)|(?:src|docs|tests|tools|requirements)/[\w./-]*")
# Pages that others draw or write; their absence is theirs to mend, a link to anything else has to resolve.
MOST_DECISION_LINES = 60
DECISION_PARTS = ("Question", "Options", "Choice", "Price", "What would change our mind")


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def _broken(one: Page) -> list[str]:
    folder = (ROOT / one.name).parent
    broken = []
    for target in _LINK.findall(one.prose):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (folder / path).resolve() if path else ROOT / one.name
        headings = {_anchor(h) for h in _HEADING.findall(file.read_text(encoding="utf-8"))} if _is_page(file) else set()
        if not file.exists() or (anchor and anchor not in headings):
            broken.append(target)
    return broken


def _is_page(file: Path) -> bool:
    return file.is_file() and file.suffix == ".md"


@pytest.mark.parametrize("one", pages(), ids=lambda one: one.name)
def test_every_link_resolves(one: Page) -> None:
    assert _broken(one) == []


def test_a_broken_link_is_found() -> None:
    assert _broken(
        Page("docs/x.md", "[a](none.md) [b](glossary.md#no-such) [c](glossary.md#to-whom) [d](../README.md)")
    ) == [
        "none.md",
        "glossary.md#no-such",
    ]


def test_the_index_lists_every_page() -> None:
    linked = {(Path("docs") / target).as_posix() for target in _LINK.findall(page("docs/index.md").text)}
    normal = {Path(ROOT / name).resolve().relative_to(ROOT).as_posix() for name in linked}
    assert {one.name for one in pages()} - normal - {"docs/index.md"} == set()


@cache
def _defined(path: Path) -> frozenset[str]:
    """What a file defines: functions, classes, methods as Class.method, constants; named statements of SQL."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        return frozenset(re.findall(r"^-- name: (\w+)$", text, re.MULTILINE))
    found: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return frozenset(found)


def _missing(text: str) -> list[str]:
    """Names such as `jobs/notice.py:release` that are not in the code."""
    missing = []
    for file, name in _NAMED.findall(text):
        path = next((place for place in (HOUSE / file, ROOT / file) if place.is_file()), None)
        if path is None or name not in _defined(path):
            missing.append(f"{file}:{name}")
    return missing


@pytest.mark.parametrize("one", pages(), ids=lambda one: one.name)
def test_every_name_in_the_code_is_there(one: Page) -> None:
    assert _missing(one.text) == []


def test_a_name_that_is_not_there_is_found() -> None:
    text = "`jobs/notice.py:release` `jobs/notice.py:relase` `jobs/nothing.py:x` `outbound/sql/send.sql:claim_batch`"
    assert _missing(text) == ["jobs/notice.py:relase", "jobs/nothing.py:x"]


def test_the_walks_name_enough_to_be_followed() -> None:
    sections = dict(
        re.findall(r"^## (A notice|A reply|An order)\n(.*?)(?=^## )", page("ARCHITECTURE.md").text, re.M | re.S)
    )
    assert {title: len(_NAMED.findall(body)) >= 5 for title, body in sections.items()} == dict.fromkeys(
        ("A notice", "A reply", "An order"), True
    )


@pytest.mark.parametrize("one", pages(), ids=lambda one: one.name)
def test_every_file_named_is_there(one: Page) -> None:
    made_by_users = {
        "postmuster.toml",
        "people.csv",
        "notice.toml",
        "assessment.toml",
        "body.md",
        "body.es.md",
        "X.toml",
    }
    missing = []
    for span in one.spans:
        if _FILE.fullmatch(span) and span not in made_by_users:
            places = (ROOT / span, HOUSE / span, ROOT / "src" / span, (ROOT / one.name).parent / span)
            if not any(place.exists() for place in places) and not any(HOUSE.glob(f"*/{span}")):
                missing.append(span)
    assert missing == []


def _contracts() -> configparser.ConfigParser:
    read = configparser.ConfigParser()
    read.read(ROOT / ".importlinter", encoding="utf-8")
    return read


def test_the_floors_are_those_of_the_contract() -> None:
    layers = re.sub(r"[()]", "", _contracts()["importlinter:contract:floors"]["layers"]).split("\n")
    drawn = next(block for _, block in page("ARCHITECTURE.md").blocks if block.startswith("cli\n"))
    assert [line.strip() for line in drawn.splitlines()] == [line.strip() for line in layers if line.strip()]


def test_every_contract_and_every_room_has_a_row() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", page("ARCHITECTURE.md").text, re.MULTILINE))
    contracts = {name.rpartition(":")[2] for name in _contracts().sections() if ":contract:" in name}
    rooms = {path.name for path in HOUSE.iterdir() if (path / "__init__.py").exists()}
    assert contracts | rooms <= rows


def test_every_table_stands_with_its_room() -> None:
    section = re.search(r"^## Tables\n(.*?)^## ", page("ARCHITECTURE.md").text, re.M | re.S)
    assert section is not None
    drawn = {
        (room, table)
        for room, cells in re.findall(r"^\| `(\w+)` \| (.*) \|$", section[1], re.MULTILINE)
        for table in re.findall(r"`(\w+)`", cells)
    }
    real = {
        (path.parent.name, table)
        for path in HOUSE.glob("*/models.py")
        for table in re.findall(r'db_table = "(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert drawn == real


def test_tables_marked_append_only_are_those_the_migrations_guard() -> None:
    marked = set(re.findall(r"`(\w+)` †", page("ARCHITECTURE.md").text))
    guarded = {
        table
        for path in HOUSE.glob("*/migrations/*.py")
        for listed in re.findall(r"never_changed\([\[(](.*?)[\])]", path.read_text(encoding="utf-8"), re.DOTALL)
        for table in re.findall(r'"(\w+)"', listed)
    }
    assert marked == guarded


DECISIONS = [one for one in pages() if one.name.startswith("docs/decisions/")]


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(Path(one.name).name[:4]) for one in DECISIONS]
    assert len(numbers) >= 10
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("one", DECISIONS, ids=lambda one: one.name)
def test_a_decision_says_what_it_weighed_and_fits_on_a_page(one: Page) -> None:
    assert len(one.text.splitlines()) <= MOST_DECISION_LINES
    assert tuple(heading for heading in _HEADING.findall(one.text)[1:]) == DECISION_PARTS


def test_the_changelog_has_the_headings_that_operators_look_for() -> None:
    headings = _HEADING.findall(page("CHANGELOG.md").text)
    assert headings[1].startswith(("Unreleased", "0."))
    assert {"Added", "Privacy", "Migration"} <= set(headings)


def test_the_licence_is_the_one_that_the_package_names() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert 'license = { text = "Apache-2.0" }' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
