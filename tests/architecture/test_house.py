"""Rules of the house that import-linter cannot see, read from the sources themselves."""

from __future__ import annotations

import ast
import fnmatch
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ROOT / "src" / "postmuster"
MOST_LINES = 500
MOST_FUNCTION_LINES = 60

# The floor of each room, lowest first; a room's SQL names its own tables and those of lower rooms.
ROOMS = (
    "ledger",
    "control",
    "access",
    "vault",
    "roster",
    "assessments",
    "notices",
    "outbound",
    "inbound",
    "replies",
    "reports",
    "jobs",
    "runtime",
    "rehearsal",
    "bench",
    "cli",
)
LATE_IMPORTS = {  # modules with imports inside functions, each with its reason
    "cli/bench.py": "each benchmark loads what it measures and nothing else; `corpus` needs no tables",
}
ENVIRONMENT_READERS = ("settings/", "bench/corpus.py")  # the bench asks where the developer keeps their corpora
GENERATED = {".git", ".venv", "__pycache__", "var", "demo-out", "bench-out", "build", "node_modules"}
TEXT_SUFFIXES = {
    "", ".cff", ".cfg", ".css", ".csv", ".html", ".in", ".ini", ".json", ".md", ".py", ".sh", ".sql", ".svg", ".toml", ".txt",
    ".yaml", ".yml",
}  # fmt: skip


def _modules() -> list[Path]:
    return sorted(path for path in HOUSE.rglob("*.py") if "migrations" not in path.parts)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _name(path: Path) -> str:
    return str(path.relative_to(HOUSE))


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _project_files() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part not in (".ci", ".importlinter", ".gitignore") for part in parts)
        made = GENERATED & set(parts) or any(part.endswith(".egg-info") for part in parts)
        if not hidden and not made and path.is_file() and path.suffix in TEXT_SUFFIXES:
            yield path


def test_no_import_hides_inside_a_function_but_those_with_a_reason() -> None:
    found = {
        _name(path)
        for path in _modules()
        for function in _functions(_tree(path))
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert found - set(LATE_IMPORTS) == set()
    assert set(LATE_IMPORTS) - found == set()


def test_only_settings_touches_the_environment() -> None:
    found = {
        _name(path)
        for path in _modules()
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "putenv")
    }
    assert {name for name in found if not name.startswith(ENVIRONMENT_READERS)} == set()


def test_every_module_opens_with_what_it_is_for() -> None:
    silent = [_name(path) for path in _modules() if path.stat().st_size and not ast.get_docstring(_tree(path))]
    assert silent == []


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    long = {_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in _modules()}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{_name(path)}:{function.name}": length
        for path in _modules()
        for function in _functions(_tree(path))
        if (length := (function.end_lineno or 0) - function.lineno + 1) > MOST_FUNCTION_LINES
    }
    assert long == {}


def _tables() -> set[str]:
    made = re.compile(r'db_table = "(\w+)"')
    found = {table for path in HOUSE.glob("*/models.py") for table in made.findall(path.read_text(encoding="utf-8"))}
    assert found
    return found


def test_every_table_bears_the_name_of_its_room() -> None:
    for path in HOUSE.glob("*/models.py"):
        for table in re.findall(r'db_table = "(\w+)"', path.read_text(encoding="utf-8")):
            assert table.startswith(f"{path.parent.name}_")


def _foreign_tables(room: str, text: str) -> set[str]:
    """Tables of ours that a room's SQL names although they belong to a room on its own floor or above."""
    may = {room, *ROOMS[: ROOMS.index(room)]} - ({"outbound"} if room == "inbound" else set())
    words = set(re.findall(r"[a-z_]+", text))
    return {table for table in _tables() & words if not any(table.startswith(f"{name}_") for name in may)}


def test_sql_names_tables_of_its_own_room_and_lower_ones_only() -> None:
    files = sorted(HOUSE.glob("*/sql/*.sql"))
    assert files
    for path in files:
        assert (_name(path), _foreign_tables(path.parts[-3], path.read_text(encoding="utf-8"))) == (_name(path), set())


def test_the_rule_about_tables_sees_a_table_from_above() -> None:
    assert _foreign_tables("roster", "SELECT FROM roster_person JOIN outbound_delivery USING (id)") == {
        "outbound_delivery"
    }
    assert _foreign_tables("inbound", "SELECT FROM outbound_letter") == {"outbound_letter"}
    assert _foreign_tables("outbound", "SELECT FROM outbound_letter, control_stop") == set()


def test_nothing_but_code_is_left_out_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["postmuster"]
    wanted = [
        str(path.relative_to(HOUSE))
        for path in HOUSE.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and "__pycache__" not in path.parts
    ]
    suffixes = [pattern.removeprefix("**/") for pattern in patterns]
    assert [name for name in wanted if not any(fnmatch.fnmatch(Path(name).name, suffix) for suffix in suffixes)] == []


# Written in pieces, so that this file does not find itself.
FORBIDDEN = {
    "a path of somebody's machine": re.compile("/wo" + r"rk/(?:main|shared|\.)|/ro" + r"ot/|/ho" + r"me/[a-z]"),
    "a package index": re.compile(
        "(?:py" + r"pi|python" + r"hosted|npm" + r"js|crates)\.(?:org|io|com)|index-ur" + "l =", re.I
    ),
    "a ticket": re.compile(r"\bissue" + r" (?:#|no\.? ?)?\d|\bGH-\d", re.I),
    "who or what wrote it": re.compile(
        r"\bC" + r"laude\b|\bChat" + r"GPT\b|\bCo" + r"pilot\b|\bco-auth" + "ored-by", re.I
    ),
    "a note to oneself": re.compile(r"\bTO" + r"DO\b|\bFIX" + r"ME\b|\bXX" + r"X\b"),
}


@pytest.mark.parametrize("what", sorted(FORBIDDEN))
def test_the_project_speaks_of_the_product_alone(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in _project_files()
        if (match := FORBIDDEN[what].search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert found == []


# Domains nobody owns (RFC 2606, RFC 6761), and names that are no addresses on the internet.
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})\b")
_RESERVED = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost|local)$", re.I)


def test_every_address_in_the_project_is_under_a_reserved_domain() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in _project_files()
        if path.suffix != ".txt" or "requirements" not in path.parts
        for match in _ADDRESS.finditer(path.read_text(encoding="utf-8", errors="replace"))
        if not _RESERVED.search(match[1])
    ]
    assert found == []
