"""`postmuster bench drill`: a few real stops against a relay that answers late; and what is read, drawn and judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.base.errors import Refused
from postmuster.bench.drill import read_receivers, shares, summary
from postmuster.bench.drill_receivers import RECEIVERS, Message, in_log, made_at
from postmuster.bench.drill_run import COMPONENT, WHOLE, Run, window_before
from postmuster.settings import CLOCK_VARIABLE, DATABASE_VARIABLE, ROLE_VARIABLE, SETTINGS_VARIABLE

KEPT = Run(
    receiver="a sink", scope=WHOLE, addressed=100, before=40, after=6, window=5, processes=2, accepted_s=0.2, left_relay_s=None,
    left_relay_messages=None, told_held=None, told=None, waiting=54, in_doubt_true=1, in_doubt_false=2, lost=0, doubled=0,
    missing=0, seconds=4.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Two stops, the whole notice and one component, against the sink at 50/s."""
    folder = tmp_path_factory.mktemp("drill")
    folder.chmod(0o711)
    ours = {SETTINGS_VARIABLE, ROLE_VARIABLE, CLOCK_VARIABLE, DATABASE_VARIABLE}
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    command = [
        sys.executable,
        "-m",
        "postmuster.cli.main",
        "bench",
        "drill",
        "--runs",
        "2",
        "--against",
        "50/s",
        "--json",
    ]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout), folder / "bench-out"


def test_a_stop_in_the_middle_of_a_send_leaves_everybody_with_one_copy_once_it_is_lifted(
    drilled: tuple[dict[str, Any], Path],
) -> None:
    whole, component = drilled[0]["runs"]
    assert (whole["scope"], component["scope"]) == (WHOLE, COMPONENT)
    for run in (whole, component):
        assert (run["lost"], run["doubled"], run["missing"]) == (0, 0, 0)
        assert run["before"] + run["after"] + run["waiting"] == run["addressed"] > 0
    assert whole["before"] > 0
    assert whole["waiting"] > 0
    assert whole["told"]["accepted_s"] <= 1.0
    assert whole["told"]["left_relay_s"] is None  # nothing can be told to this relay
    assert component["addressed"] < whole["addressed"]


def test_after_the_commit_comes_no_more_than_the_largest_window_and_none_late(
    drilled: tuple[dict[str, Any], Path],
) -> None:
    for run in drilled[0]["runs"]:
        assert run["accepted_s"] <= 1.0  # a promise (P4), not a speed
        assert run["after"] <= 200 * run["processes"]
        assert 1 <= run["window"] <= 200


def test_what_was_found_is_kept_and_nothing_else_is_left(drilled: tuple[dict[str, Any], Path]) -> None:
    found, out = drilled
    assert json.loads((out / "stop-drill.json").read_text(encoding="utf-8")) == found
    assert [file.name for file in out.iterdir()] == ["stop-drill.json"]
    assert (found["kept"], found["left_out"]) == (not found["broken"], {})


def test_a_promise_that_was_broken_is_named() -> None:
    runs = [KEPT, replace(KEPT, accepted_s=1.4), replace(KEPT, after=11), replace(KEPT, doubled=3, missing=1)]
    found = summary(runs)
    assert not found["kept"]
    assert [sentence.partition(": ")[2] for sentence in found["broken"]] == [
        "the last message was accepted 1.40 s after the commit.",
        "11 messages after the commit, 2 processes with a window of 5.",
        "3 doubled; 1 without a copy.",
    ]
    (line,) = found["lines"]
    assert (line["runs"], line["accepted_s"], line["after"], line["in_doubt_false"]) == (4, 1.4, 11, 8)
    assert summary([KEPT])["kept"]


@given(st.integers(1, 500), st.integers(1, 8))
def test_runs_are_shared_out_whole_and_evenly(runs: int, receivers: int) -> None:
    found = shares(runs, receivers)
    assert sum(found) == runs
    assert max(found) - min(found) <= 1


def test_a_window_is_what_came_in_200_ms_at_least_1_and_at_most_200() -> None:
    steady = [Message(seq, 10.001 + seq / 50) for seq in range(50)]
    assert window_before(steady, 11.0, processes=2, connections=4) == 10
    assert window_before(steady[:3], 10.05, processes=2, connections=4) == 4  # nobody knows the pace yet
    slow = [Message(seq, 10.0 + seq) for seq in range(20)]
    assert window_before(slow, 29.5, processes=2, connections=4) == 1
    fast = [Message(seq, 10.0 + seq / 10_000) for seq in range(5_000)]
    assert window_before(fast, 10.6, processes=2, connections=4) == 200


def test_a_long_queue_id_says_when_its_file_was_made() -> None:
    assert made_at("3Pt2mN2VXxznjll") == pytest.approx(1300631508.353025, abs=5e-7)  # 20 March 2011
    assert made_at("4F2A1") is None


def test_a_message_counts_as_accepted_once_the_queue_manager_has_seen_it() -> None:
    log = [
        "Nov 24 18:00:01 relay postfix/cleanup[7]: 3Pt2mN2VXxznjll: message-id=<n1.r1.s1.x@agency.example>",
        "Nov 24 18:00:01 relay postfix/cleanup[7]: 3Pt2mN2VXyznjlm: message-id=<n1.r1.s2.x@agency.example>",
        "Nov 24 18:00:01 relay postfix/submission/smtpd[8]: lost connection after BDAT from unknown[127.0.0.1]",
        "Nov 24 18:00:02 relay postfix/qmgr[9]: 3Pt2mN2VXxznjll: from=<b-n1-x@b.example>, size=9, nrcpt=1 (queue active)",
    ]
    assert [name for name, _ in in_log(log)] == ["n1.r1.s1.x@agency.example"]


def test_receivers_are_chosen_by_a_word_of_their_names() -> None:
    assert read_receivers("") == RECEIVERS
    assert [one.name for one in read_receivers("tarpit, 50")] == ["sink at 50/s", "sink that tarpits"]
    with pytest.raises(Refused, match="fast sink"):
        read_receivers("pigeon")
