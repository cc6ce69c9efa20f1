"""`bench chaos-read`: what the judge finds, what is drawn, and a few real runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from postmuster.bench.chaos_plan import OF_READING, OF_SENDING, Trouble, draw, seeds
from postmuster.bench.chaos_read import ReadRun, summary
from postmuster.bench.chaos_read_books import KeptMail, ReadVerdict, digest_of, judge_reading
from postmuster.settings import CLOCK_VARIABLE, DATABASE_VARIABLE, ROLE_VARIABLE, SETTINGS_VARIABLE

SENT = [b"one\r\n", b"two\r\n", b"three"]
KEPT = [KeptMail(digest_of(octets), 1, 1) for octets in SENT]


def judged(kept: list[KeptMail], *, letters_twice: int = 0, findings: tuple[str, ...] = ()) -> ReadVerdict:
    return judge_reading(kept, sent=SENT, answered={0, 1, 2}, letters=3, letters_twice=letters_twice, findings=findings)


def test_books_that_balance_have_no_problem() -> None:
    verdict = judged(KEPT)
    assert verdict.problems == ()
    assert (verdict.mails, verdict.answered, verdict.kept, verdict.letters) == (3, 3, 3, 3)


def test_an_end_of_line_that_the_way_added_makes_no_other_mail() -> None:
    assert digest_of(b"three") == digest_of(b"three\r\n") != digest_of(b"three \r\n")


def test_a_mail_that_was_sent_again_and_counts_once_is_no_problem() -> None:
    verdict = judged([*KEPT, replace(KEPT[0], counted=0)])
    assert (verdict.kept_again, verdict.problems) == (1, ())


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (KEPT[1:], "1 lost"),
        ([replace(KEPT[0], findings=0, counted=0), *KEPT[1:]], "1 unread"),
        ([replace(KEPT[0], findings=2), *KEPT[1:]], "1 read twice"),
        ([*KEPT, KEPT[0]], "1 counted twice"),
        ([*KEPT, KeptMail(digest_of(b"strange"), 1, 0)], "1 kept mails are none that were sent"),
    ],
)
def test_each_broken_promise_is_found(kept: list[KeptMail], said: str) -> None:
    assert judged(kept).problems == (said,)


def test_letters_and_what_others_found_are_problems_too() -> None:
    assert judged(KEPT, letters_twice=2, findings=("the ledger: no",)).problems == ("2 letters twice", "the ledger: no")


def test_a_mail_that_got_no_answer_need_not_be_kept() -> None:
    verdict = judge_reading(KEPT[:2], sent=SENT, answered={0, 1}, letters=0, letters_twice=0, findings=())
    assert verdict.problems == ()


def test_every_trouble_of_reading_is_drawn_and_the_relay_s_are_not() -> None:
    drawn = {blow.trouble for seed in seeds(1, 100) for blow in draw(seed, 150, 2, 2, OF_READING).blows}
    assert drawn == set(OF_READING)
    assert Trouble.KILL_INTAKE not in OF_SENDING
    assert set(OF_SENDING) | set(OF_READING) == set(Trouble)


def test_the_sums_are_those_of_the_runs() -> None:
    plans = [draw(seed, 150, 2, 2, OF_READING) for seed in seeds(3, 30)]
    good, bad = judged(KEPT), judged(KEPT[1:])
    runs = [ReadRun(plan, bad if plan.seed % 7 == 0 else good, 1.0) for plan in plans]
    found = summary(runs, people=5, seed=3)
    for key in ("runs", "failed", "mails", "kept", "lost", "letters", "seconds"):
        assert sum(row[key] for row in found["by_trouble"]) == found["totals"][key]
    assert found["totals"]["lost"] == len(found["failed_seeds"]) == sum(plan.seed % 7 == 0 for plan in plans) > 0


@pytest.mark.slow
def test_two_real_runs_lose_nothing_and_count_nothing_twice(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("chaos-read")
    folder.chmod(0o711)
    ours = {SETTINGS_VARIABLE, ROLE_VARIABLE, CLOCK_VARIABLE, DATABASE_VARIABLE}
    command = [
        sys.executable,
        "-m",
        "postmuster.cli.main",
        "bench",
        "chaos-read",
        "--runs",
        "2",
        "--seed",
        "2",
        "--json",
    ]
    done = subprocess.run(
        [*command, "--people", "160"],
        cwd=folder, env={key: value for key, value in os.environ.items() if key not in ours},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["totals"]["runs"], found["totals"]["failed"], found["totals"]["mails"]) == (2, 0, 300)
    assert found["totals"]["letters"] > 100
    assert not (folder / "bench-out" / "house").exists()
