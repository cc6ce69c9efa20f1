"""A whole muster, as `make demo` plays it, with real processes; once more while its workers are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PEOPLE = 220
STATUS_KEYS = {
    "id", "kind", "state", "round", "audience", "states", "by_component", "replies", "answers", "in_doubt", "held_by",
    "rate_per_s", "time_to_stop",
}  # fmt: skip


def play(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "postmuster.cli.main",
        "demo",
        "--people",
        str(PEOPLE),
        "--out",
        str(out),
        *options,
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("POSTMUSTER_")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=400)


def summary_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
def test_a_demo_balances_to_the_last_person_and_leaves_its_files(tmp_path: Path) -> None:
    done = play(tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    summary = json.loads(done.stdout)
    assert summary == summary_of(tmp_path / "out")
    assert summary["balances"]
    assert [notice["kind"] for notice in summary["notices"]] == ["test", "offer", "report"]
    for notice in summary["notices"]:
        assert set(notice) == STATUS_KEYS
        assert notice["audience"] == sum(notice["states"].values()) == summary["people_counted"] == PEOPLE
        assert notice["states"]["pending"] == 0
        sink = summary["sink"][notice["id"]]
        assert sink["accepted"] == sink["distinct"]
        assert sink["doubled"] == 0
    assert sum(summary["truth"].values()) == sum(row["truth"] for row in summary["agreement"].values())
    assert summary["letters"] > 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert (tmp_path / "out" / "people.csv").stat().st_size > 0


@pytest.mark.slow
def test_killing_workers_ten_times_loses_nobody_and_doubles_nobody_unseen(tmp_path: Path) -> None:
    done = play(tmp_path / "out", "--kill-workers", "10")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert done.stderr.count("killed by SIGKILL") == 10
    summary = summary_of(tmp_path / "out")
    for notice in summary["notices"]:
        assert notice["audience"] == sum(notice["states"].values()) == PEOPLE
        # What was handed over without an answer read says so, and nothing else does.
        assert summary["sink"][notice["id"]]["doubled"] == 0
