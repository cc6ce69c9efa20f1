"""`postmuster bench`: the contract's keys from a small real run, and what is refused.

One run of all measurements serves every test here. How fast anything is is never tested.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from postmuster.bench.send import has_ifma
from postmuster.bench.tables import write_tables
from postmuster.settings import CLOCK_VARIABLE, DATABASE_VARIABLE, ROLE_VARIABLE, SETTINGS_VARIABLE

PEOPLE = 200
SEND = {
    "messages_per_s", "sign", "yardstick", "ratio", "lost", "doubled", "peak_rss_mb", "rss_mb", "bytes_per_delivery", "expand_s",
    "cpu_s", "bytes_per_person", "wal_octets_per_message", "job_tables_octets", "rate_over_time",
}  # fmt: skip
READ = {"digest_per_s", "intake_per_s", "yardstick", "ratio", "peak_rss_mb", "rss_mb"}


def bench(*arguments: str, at: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in {SETTINGS_VARIABLE, ROLE_VARIABLE, CLOCK_VARIABLE, DATABASE_VARIABLE}
    }
    command = [sys.executable, "-m", "postmuster.cli.main", "bench", *arguments]
    return subprocess.run(
        command, cwd=at, env=kept | environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("bench")
    folder.chmod(0o711)
    done = bench("all", "--sizes", str(PEOPLE), "--yardstick-s", "0.1", "--json", at=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), folder / "bench-out"


def test_send_says_what_the_contract_names_and_nobody_is_lost_or_doubled(
    measured: tuple[dict[str, Any], Path],
) -> None:
    send = measured[0]["sizes"][0]["send"]
    assert send.keys() >= SEND
    assert send["yardstick"].keys() >= {"openssl_rsa2048_per_s", "naive_per_s"}
    assert send["ratio"].keys() >= {"openssl", "naive"}
    assert (send["sign"], send["lost"], send["doubled"]) == ("openssl", 0, 0)
    assert send["audience"] == PEOPLE
    assert {"worker-1", "worker-2"} == set(send["rss_mb"])
    assert {"worker-1", "worker-2", "postgres", "sink"} == set(send["cpu_s"])
    assert send["peak_rss_mb"] == max(send["rss_mb"].values())
    assert sum(messages for _, messages in send["rate_over_time"]) == send["messages"]
    assert send["bytes_per_person"] > send["bytes_per_delivery"] > 0
    assert send["wal_octets_per_message"] > 0
    assert send["job_tables_octets"] > 0


def test_read_says_what_the_contract_names_and_every_reply_is_read(measured: tuple[dict[str, Any], Path]) -> None:
    read = measured[0]["sizes"][0]["read"]
    assert read.keys() >= READ
    assert read["yardstick"]["email_default_per_s"] > 0
    assert (read["replies"], read["lost"], read["refused"]) == (PEOPLE, 0, 0)
    assert read["mix"] == {"reply": 120, "quoting": 30, "automatic": 20, "report": 20, "attachment": 10}
    assert read["kinds"]["bounce"] == 20
    assert 4_000 <= read["median_octets"] <= 8_000


def test_the_three_settings_stand_beside_every_figure(measured: tuple[dict[str, Any], Path]) -> None:
    on = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    assert [measured[0]["sizes"][0][part]["database"] for part in ("load", "send", "read")] == [on, on, on]


def test_figures_plot_and_page_are_left_and_the_installation_is_not(measured: tuple[dict[str, Any], Path]) -> None:
    _, out = measured
    assert json.loads((out / "bench.json").read_text()) == measured[0]
    assert (out / "bench.svg").read_text().startswith("<svg")
    assert "<table" in (out / "bench.html").read_text()
    assert not (out / "house").exists()


def test_the_page_for_the_documentation_has_a_row_for_each_step(measured: tuple[dict[str, Any], Path]) -> None:
    page = write_tables(measured[0])
    assert [
        step for step in ("load", "expand", "send", "intake", "digest") if f"| {step} | {PEOPLE} |" not in page
    ] == []
    assert f"{PEOPLE} / 0" in page


@pytest.mark.parametrize("name", ["send", "read", "load"])
def test_no_people_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    done = bench(name, "--people", "0", at=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("0 people cannot be measured with")
    assert not list(tmp_path.iterdir())


def test_a_signer_that_is_not_installed_is_refused_in_one_sentence(tmp_path: Path) -> None:
    if has_ifma():
        pytest.skip("this machine has the signer")
    done = bench("send", "--people", "200", "--sign", "ifma", at=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "ifma" in done.stderr
    assert "not installed" in done.stderr


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    done = bench("load", "--people", "200", at=tmp_path, DATABASE_URL="postgresql://nowhere.example/x")
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr
