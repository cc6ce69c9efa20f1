"""The README shows what is there, and its commands can be typed from the first to the last."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, page, tool

from postmuster.base.clock import SteppedClock
from postmuster.settings import CLOCK_VARIABLE, DATABASE_VARIABLE, ROLE_VARIABLE, SETTINGS_VARIABLE

COMMAND = Path(sys.executable).with_name("postmuster")
# The form of what a demo prints, one line of each kind.
PRINTED = """\
The Commonwealth of Example

Notice    Audience = Delivered
n1 Test         10 =        10

What came back  n1
Reply            7

Meant      Replies  Read right
──────────────────────────────
Decline          1           1
Delay dsn        1           1

✓ n1: the audience is the sum of its states. 10 = 10
✗ n1: nobody got a copy twice.               0 ≠ 1
No: 1 of 27 checks do not hold.

How long it took: Send 1.0 s
"""
STAYS = ("up",)  # does not end by itself
# Exit codes other than 0, by command: at that moment two approvals are missing.
NOT_YET = {("notice", "check"): 1}
IN_TIME = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)  # before the deadline of the example
LIMIT_S = 120


def _block(language: str) -> list[str]:
    return [block for found, block in page("README.md").blocks if found == language]


def _commands() -> list[list[str]]:
    """The arguments of every `postmuster` line, in order."""
    lines = "".join(_block("sh")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("postmuster ")]


def _example(name: str) -> str:
    [example] = [block for language, block in page(name).blocks if language == "toml"][:1]
    return example


def test_the_first_screen_is_what_the_demo_prints() -> None:
    printed = (ROOT / "docs" / "figures" / "demo.txt").read_text(encoding="utf-8")
    assert _block("text")[0].rstrip("\n") == tool("show_demo").excerpt(printed)


def test_every_line_shown_is_one_that_the_demo_prints() -> None:
    shown = tool("show_demo").excerpt(PRINTED)
    rest = iter(PRINTED.splitlines())
    assert [line for line in shown.splitlines() if line not in ("", "…") and line not in rest] == []
    assert "Delay dsn" not in shown
    assert "How long" not in shown
    assert "No: 1 of 27" in shown


def test_a_demo_of_another_form_is_not_shown_at_all() -> None:
    with pytest.raises(ValueError, match="Meant"):
        tool("show_demo").excerpt(PRINTED.replace("Meant", "Said"))


def test_the_tool_says_when_the_readme_is_old(monkeypatch: pytest.MonkeyPatch, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    showing = tool("show_demo")
    for name, text in (("README", "# A\n\n```text\nanother demo\n```\n"), ("PRINTED", PRINTED)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        monkeypatch.setattr(showing, name, tmp_path / name)
    assert showing.main(["--check"]) == 1
    assert "tools/show_demo.py" in capsys.readouterr().err
    assert showing.main([]) == 0
    assert showing.main(["--check"]) == 0
    assert "another demo" not in (tmp_path / "README").read_text(encoding="utf-8")


def test_the_first_screen_comes_first() -> None:
    text = page("README.md").text
    assert text.index("```text") < text.index("docs/figures/reach.svg") < text.index("## Two commands")
    assert len(text[: text.index("## Two commands")].splitlines()) <= 60


def test_the_columns_of_the_roster_are_those_that_are_read() -> None:
    feed = (ROOT / "src/postmuster/roster/feed.py").read_text(encoding="utf-8")
    [csv] = _block("csv")
    columns = re.search(r"^COLUMNS: Final = \((.*?)\)", feed, re.MULTILINE | re.DOTALL)
    assert columns is not None
    assert csv.splitlines()[0].split(",") == re.findall(r'"(\w+)"', columns[1])


@pytest.fixture
def muster(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with what the README asks a reader to write, and the environment of its commands."""
    folder = tmp_path / "my muster"
    folder.mkdir()
    (folder / "people.csv").write_text(_block("csv")[0], encoding="utf-8")
    (folder / "notice.toml").write_text(_example("docs/notice-file.md"), encoding="utf-8")
    (folder / "assessment.toml").write_text(_example("docs/assessment-file.md"), encoding="utf-8")
    (folder / "body.md").write_text("Dear {name},\n\nyou may leave service by {deadline}.\n", encoding="utf-8")
    SteppedClock(folder / "clock").set(IN_TIME)
    kept = {name: value for name, value in os.environ.items() if name not in (DATABASE_VARIABLE, ROLE_VARIABLE)}
    environment = kept | {SETTINGS_VARIABLE: str(folder / "postmuster.toml"), CLOCK_VARIABLE: str(folder / "clock")}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    yield folder, environment
    remove = [sys.executable, "-m", "postmuster.runtime.postgres", "remove", "var"]
    subprocess.run(remove, cwd=folder, env=environment, check=True, capture_output=True, timeout=LIMIT_S)


@pytest.mark.slow
def test_every_command_can_be_typed_in_order(muster: tuple[Path, dict[str, str]]) -> None:
    folder, environment = muster
    typed = 0
    for words in _commands():
        if words[0] in STAYS:
            continue
        done = subprocess.run(
            [COMMAND, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        said = done.stdout + done.stderr
        assert (words, done.returncode, said) == (words, NOT_YET.get(tuple(words[:2]), 0), said)
        assert "mistake of ours" not in said
        typed += 1
    assert typed > 12
    status = subprocess.run(
        [COMMAND, "notice", "list"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    assert "released" in status.stdout
