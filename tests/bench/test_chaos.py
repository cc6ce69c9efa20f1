"""`bench chaos`: what is drawn, what the judge finds, and a few real runs."""

from __future__ import annotations

import json
import os
import re
import smtplib
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postmuster.base.errors import Refused
from postmuster.bench import children
from postmuster.bench.chaos import Run, bench_chaos, summary
from postmuster.bench.chaos_books import Books, Doubt, Verdict, doubt, judge
from postmuster.bench.chaos_plan import OF_SENDING, Plan, Trouble, draw, seeds
from postmuster.bench.chaos_stage import Sink
from postmuster.notices.terms import DoubtPolicy
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.values import RoundRef
from postmuster.settings import CLOCK_VARIABLE, DATABASE_VARIABLE, ROLE_VARIABLE, SETTINGS_VARIABLE

OF = RoundRef(7, 1, 1)
PEOPLE = 6
LEAVE, RESEND = DoubtPolicy.LEAVE, DoubtPolicy.RESEND
RELAYED, IN_DOUBT, WITHHELD = DeliveryState.RELAYED, DeliveryState.IN_DOUBT, DeliveryState.WITHHELD


def books(
    states: Mapping[int, DeliveryState] | None = None,
    *,
    taken: tuple[int, ...] = (1, 2, 3, 4, 5),
    listed: tuple[int, ...] = (),
    notice_no: int = 7,
) -> Books:
    """Five people were written to and one was withheld, but for what is said otherwise."""
    rows = dict.fromkeys(range(1, PEOPLE), RELAYED) | {PEOPLE: WITHHELD} | dict(states or {})
    names = [f"n{notice_no}.r1.s{seq}.MARK@agency.example" for seq in taken]
    return Books(
        rows,
        {seq: f"p{seq}@agency.example" for seq in rows},
        frozenset(listed),
        Counter(rows.values()),
        (),
        Counter(names),
        {name: (notice_no, 1, seq, f"p{seq}@agency.example") for name, seq in zip(names, taken, strict=True)},
    )


def verdict(of_books: Books, policy: DoubtPolicy = RESEND, senders_hit: int = 1) -> Verdict:
    return judge(OF, of_books, policy=policy, people=PEOPLE, senders_hit=senders_hit)


# ---- what is drawn


def test_the_same_seed_gives_the_same_run() -> None:
    assert [draw(seed, 400, 2, 2) for seed in seeds(3, 50)] == [draw(seed, 400, 2, 2) for seed in seeds(3, 50)]


def test_both_policies_and_every_trouble_alone_and_together_with_another_come_up_in_a_hundred_runs() -> None:
    plans = [draw(seed, 400, 2, 2) for seed in seeds(1, 100)]
    assert Counter(plan.policy for plan in plans) == {LEAVE: 50, RESEND: 50}
    assert {(plan.blows[0].trouble, len(plan.blows)) for plan in plans} == {
        (one, n) for one in OF_SENDING for n in (1, 2)
    }
    assert all(0 <= blow.after_messages < 400 and blow.worker in (1, 2) for plan in plans for blow in plan.blows)


def test_a_frozen_worker_outlasts_its_lease() -> None:
    blows = [blow for seed in seeds(1, 100) for blow in draw(seed, 400, 2, 2).blows if blow.trouble is Trouble.FREEZE]
    assert blows
    assert all(blow.lasts_s > 3 for blow in blows)


# ---- what the judge finds


def test_books_that_balance_have_no_problem() -> None:
    assert verdict(books()) == Verdict(6, 5, 5, 0, 0, 0, 0, 0, ())


@pytest.mark.parametrize("state", [RELAYED, DeliveryState.DELIVERED, DeliveryState.DEFERRED])
def test_who_is_said_to_have_been_sent_to_and_is_not_in_the_journal_is_lost(state: DeliveryState) -> None:
    found = verdict(books({3: state}, taken=(1, 2, 4, 5)), LEAVE)
    assert (found.lost, found.problems) == (1, ("1 lost",))


def test_who_is_in_doubt_and_not_in_the_journal_is_not_lost_and_is_missing_only_where_copies_go_again() -> None:
    in_doubt = books({3: IN_DOUBT}, taken=(1, 2, 4, 5), listed=(3,))
    assert verdict(in_doubt, LEAVE).problems == ()
    assert verdict(in_doubt, RESEND).problems == ("1 missing from the journal after resending",)
    assert doubt(OF, in_doubt) == Doubt(rightly=1, needlessly=0)
    assert doubt(OF, books({3: IN_DOUBT}, listed=(3,))) == Doubt(rightly=0, needlessly=1)


def twice(*, listed: tuple[int, ...], times: int = 2) -> Books:
    found = books(listed=listed)
    return replace(found, taken=found.taken + Counter({"n7.r1.s3.MARK@agency.example": times - 1}))


def test_what_came_twice_is_doubled_and_must_have_been_listed() -> None:
    assert (verdict(twice(listed=(3,))).doubled, verdict(twice(listed=(3,))).problems) == (1, ())
    assert verdict(twice(listed=(4,))).problems == ("1 doubled and never listed in doubt",)


def test_nothing_may_come_twice_where_copies_in_doubt_are_left() -> None:
    assert verdict(twice(listed=(3,)), LEAVE).problems == ("1 doubled though the notice leaves what is in doubt",)


def test_more_than_a_window_for_each_process_hit_is_too_many() -> None:
    assert verdict(twice(listed=(3,), times=201)).problems == ()
    assert verdict(twice(listed=(3,), times=202)).problems == ("201 doubled, more than a window a process hit",)
    assert verdict(twice(listed=(3,), times=202), senders_hit=2).problems == ()


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (books({3: DeliveryState.PENDING}), "1 pending at the end"),
        (books({3: DeliveryState.FAILED}), "1 failed though nobody was refused"),
        (books({7: WITHHELD}), "the audience is 7 of 6 people"),
        (books(taken=(1, 2, 3, 4, 5, 6)), "1 written to though withheld"),
        (replace(books(), counted={RELAYED: 4}), "the counters say 4 relayed, the rows 5 relayed, 1 withheld"),
        (replace(books(), imbalances=("Something else.",)), "Something else."),
    ],
)  # fmt: skip
def test_everything_else_that_does_not_balance_is_named(found: Books, problem: str) -> None:
    assert verdict(found).problems == (problem,)


def test_a_message_of_another_round_or_to_another_address_is_named() -> None:
    name = "n7.r1.s3.MARK@agency.example"
    found = books()
    elsewhere = replace(found, taken_of={**found.taken_of, name: (7, 1, 3, "p4@agency.example")})
    assert verdict(elsewhere).problems == ("1 messages of another round or to another address",)
    assert "5 messages of another round or to another address" in verdict(books(notice_no=6)).problems


def test_the_counts_add_up_by_trouble_and_policy() -> None:
    plans: list[Plan] = [draw(seed, 400, 2, 2) for seed in seeds(1, 40)]
    bad = Verdict(6, 5, 5, 1, 0, 2, 2, 0, ("1 lost",))
    good = Verdict(6, 5, 5, 0, 3, 2, 2, 0, ())
    runs = [Run(plan, bad if plan.seed % 4 == 0 else good, Doubt(1, 1), 2.0) for plan in plans]
    found = summary(runs, people=6, seed=1)
    assert found["totals"]["runs"] == 40
    for key in ("runs", "failed", "lost", "doubled", "listed_in_doubt", "in_doubt_rightly", "seconds"):
        assert sum(row[key] for row in found["by_trouble"]) == pytest.approx(found["totals"][key])
    assert found["failed_seeds"] == [plan.seed for plan in plans if plan.seed % 4 == 0]
    assert found["totals"]["most_doubled"] == 3


# ---- the relay


def said_to_mail(port: str) -> int:
    with smtplib.SMTP("127.0.0.1", int(port), timeout=5) as client:
        client.ehlo()
        return client.mail("a@agency.example")[0]


def test_the_relay_behaves_badly_when_told_and_well_again_afterwards() -> None:
    with children.sink() as sink:
        heard = [said_to_mail(sink.said)]
        sink.ask("manners --busy 1")
        heard.append(said_to_mail(sink.said))
        sink.ask("manners --cut 3")
        with pytest.raises(smtplib.SMTPServerDisconnected):
            said_to_mail(sink.said)
        assert sink.ask("manners")["busy"] == 1
        assert [*heard, said_to_mail(sink.said)] == [250, 421, 250]


def test_a_relay_that_was_killed_comes_back_on_its_port_with_its_journal_and_its_manners(tmp_path: Path) -> None:
    with children.sink() as first:
        port = first.said
    sink = Sink(int(port))
    try:
        sink.begin(tmp_path / "journal")
        with smtplib.SMTP("127.0.0.1", int(port), timeout=5) as client:
            client.sendmail("a@agency.example", "b@agency.example", "Message-ID: <one@agency.example>\r\n\r\nx")
        assert sink.messages() == 1
        sink.behave(Trouble.BUSY, "--busy 1")
        sink.kill()
        with pytest.raises(ConnectionRefusedError):
            said_to_mail(port)
        sink.start()
        assert (said_to_mail(port), sink.messages()) == (421, 1)
    finally:
        sink.close()


# ---- real runs


@pytest.mark.parametrize("runs", [0, 501])
def test_no_runs_and_too_many_are_refused(runs: int, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="none or too many"):
        bench_chaos(runs, 1, 200, out=tmp_path, tell=print, heard=print)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_three_real_runs_keep_the_books_and_leave_nothing_behind(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("chaos")
    folder.chmod(0o711)
    ours = {SETTINGS_VARIABLE, ROLE_VARIABLE, CLOCK_VARIABLE, DATABASE_VARIABLE}
    command = [sys.executable, "-m", "postmuster.cli.main", "bench", "chaos", "--runs", "3", "--seed", "2", "--json"]
    done = subprocess.run(
        [*command, "--people", "150"],
        cwd=folder, env={key: value for key, value in os.environ.items() if key not in ours},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["totals"]["runs"], found["totals"]["failed"], found["totals"]["lost"]) == (3, 0, 0)
    assert found["totals"]["messages"] > 150
    assert len(re.findall(r"^seed 20000\d ", done.stderr, re.MULTILINE)) == 3
    assert found["database"] == {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    assert not (folder / "bench-out" / "house").exists()
    assert [line for line in _command_lines() if str(folder) in line] == []


def _command_lines() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found.append((entry / "cmdline").read_bytes().decode("utf-8", "replace"))
        except OSError:
            continue
    return found
