"""`postmuster roster`: who may load, what is printed, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from postmuster.base.errors import Refused
from postmuster.cli import roster as commands
from postmuster.roster.delta import Progress, Stage

from .sample import people, write


def run(*arguments: str) -> Any:
    """The result of a command that did what it was asked; its refusal is raised."""
    result = CliRunner().invoke(commands.app, list(arguments))
    if isinstance(result.exception, Exception):
        raise result.exception
    return result


def test_load_and_status_print_what_the_roster_holds(officers: Any, tmp_path: Path) -> None:
    everyone = people(20) | people(10, "Agency", first=21)
    everyone["E1"]["employment_class"] = "judge"
    file = write(tmp_path / "people.csv", everyone.values())
    assert "30 people; joined 30" in run("load", str(file), "--as", officers.ove).stdout
    shown = run("status").stdout
    assert "30 people in 2 components" in shown
    assert "employee 29, judge 1" in shown


def test_json_has_the_promised_shape(officers: Any, tmp_path: Path) -> None:
    everyone = people(200)
    everyone["E4"]["time_zone"] = "Nowhere"
    file = write(tmp_path / "people.csv", everyone.values())
    loaded = json.loads(run("load", str(file), "--as", officers.ove, "--json").stdout)
    assert {key: loaded[key] for key in ("people", "joined", "left", "moved", "changed", "kept", "rejected")} == {
        "people": 199, "joined": 199, "left": 0, "moved": 0, "changed": 0, "kept": 0, "rejected": 1,
    }  # fmt: skip
    assert loaded["rejects_file"] == str(tmp_path / "people.rejects.csv")
    assert loaded["by_component"] == [
        {
            "component": "Agency/Office", "before": 0, "people": 199, "joined": 199, "left": 0, "moved_in": 0,
            "moved_out": 0, "changed": 0,
        }
    ]  # fmt: skip
    told = json.loads(run("status", "--json").stdout)
    assert told["version"] == loaded["version"]
    assert told["classes"] == {"employee": 199}
    assert told["versions"][0]["rejected"] == 1


def test_a_shrinking_component_is_let_through_by_name(officers: Any, tmp_path: Path) -> None:
    run("load", str(write(tmp_path / "people.csv", people(100).values())), "--as", officers.ove)
    fewer = str(write(tmp_path / "people.csv", people(50).values()))
    with pytest.raises(Refused, match="--allow-shrink"):
        run("load", fewer, "--as", officers.ove)
    result = run("load", fewer, "--as", officers.ove, "--allow-shrink", "Agency/Office")
    assert "Agency/Office: 100 → 50" in result.stdout


def test_rejects_are_listed_where_asked_and_allowed_where_asked(officers: Any, tmp_path: Path) -> None:
    everyone = people(10)
    everyone["E4"]["status"] = "gone"
    file = str(write(tmp_path / "people.csv", everyone.values()))
    listed = tmp_path / "listed.csv"
    with pytest.raises(Refused, match="1 of 10 lines"):
        run("load", file, "--as", officers.ove, "--rejects", str(listed))
    assert "status" in listed.read_text()
    result = run("load", file, "--as", officers.ove, "--rejects", str(listed), "--allow-rejects")
    assert "1 lines were rejected" in result.stdout


def test_only_an_operator_loads(officers: Any, tmp_path: Path) -> None:
    file = str(write(tmp_path / "people.csv", people(3).values()))
    with pytest.raises(Refused, match="does not hold the role operator"):
        run("load", file, "--as", officers.ada)
    with pytest.raises(Refused, match="no officer"):
        run("load", file, "--as", "eve")
    assert CliRunner().invoke(commands.app, ["load", file]).exit_code == 2


def test_status_without_a_roster_says_how_to_load_one(database: Any) -> None:
    with pytest.raises(Refused, match="postmuster roster load"):
        run("status")


def test_a_long_load_says_how_far_it_is(
    officers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "SILENT_S", 0.0)
    with commands._Watch() as watch:
        watch.tell(Progress(Stage.READING, 50, 200, 7))
    assert "reading … " in capsys.readouterr().err
    assert commands._extent(Progress(Stage.READING, 50, 200, 7)) == "7 lines, 25 %"
    assert commands._extent(Progress(Stage.WRITING, 200, 200, 7)) == "7 lines"
