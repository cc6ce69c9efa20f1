"""What the relay holds stays within `max_in_relay`, whoever asks when and whatever leaves in between."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.base.errors import Refused, Transient
from postmuster.outbound import programs
from postmuster.outbound.in_relay import STALE_S, DepthShare, InRelay, RateShare, ask_command
from postmuster.outbound.postfix_queue import PostfixQueue, read_line
from postmuster.settings import Relay

TOKEN = "a" * 39
WAIT_S = 10.0


# ---- the bound


@dataclass
class _Sender:
    share: DepthShare
    answer: int | None = None  # what the relay held when its question was put, not yet heard


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "hear", "send", "leave"]), st.integers(0, 7), st.integers(0, 400)), max_size=120
)


@given(st.integers(1, 8), st.integers(15, 300), STEPS)
def test_the_relay_never_holds_more_than_max_in_relay(
    workers: int, most: int, steps: list[tuple[str, int, int]]
) -> None:
    senders = [_Sender(DepthShare(most, workers)) for _ in range(workers)]
    held = 0
    for what, who, count in steps:
        sender = senders[who % workers]
        if what == "ask":
            sender.share.asked()
            sender.answer = held
        elif what == "hear" and sender.answer is not None:
            sender.share.answered(sender.answer)
            sender.answer = None
        elif what == "send":
            held += sender.share.take(count)
        elif what == "leave":
            held -= min(held, count)
        assert held <= most


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_an_idle_relay_is_filled_again_after_each_question(workers: int) -> None:
    most = 2000
    threshold = most * workers // (2 * workers - 1)
    shares = [DepthShare(most, workers) for _ in range(workers)]
    for _ in range(3):
        for share in shares:
            share.asked()
            share.answered(0)
        assert sum(share.take(most) for share in shares) == threshold // workers * workers


def test_what_is_sent_while_the_question_is_open_counts() -> None:
    share = DepthShare(100, 1)
    share.asked()
    share.answered(0)
    share.asked()
    assert share.take(60) == 60
    share.answered(0)  # seen before they came
    assert share.take(100) == 40


def test_a_limit_too_small_for_so_many_processes_is_refused() -> None:
    with pytest.raises(Refused, match="set it to 5 or more"):
        DepthShare(4, 3)
    share = DepthShare(5, 3)
    share.answered(0)
    assert share.take(9) == 1


@given(
    st.integers(1, 1000),
    st.integers(1, 6),
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 5), st.integers(0, 5000)), max_size=60),
)
def test_a_stated_rate_is_kept_by_all_together(rate: int, workers: int, steps: list[tuple[float, int, int]]) -> None:
    shares = [RateShare(rate, 2000, workers, 0.0) for _ in range(workers)]
    now_s, sent = 0.0, 0
    for wait_s, who, want in steps:
        now_s += wait_s
        sent += shares[who % workers].take(want, now_s)
        assert sent <= rate * now_s + 1e-6 * rate


# ---- asking


class _Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def _command(tmp_path: Path, body: str) -> str:
    file = tmp_path / "depth.py"
    file.write_text(body, encoding="utf-8")
    return f"{sys.executable} '{file}'"


def test_nothing_is_allowed_before_the_first_answer(tmp_path: Path) -> None:
    relay = InRelay(Relay(depth_command=_command(tmp_path, "print(30)"), max_in_relay=100), 1)
    assert relay.allowance(10) == 0
    relay.ask_once()
    assert (relay.allowance(50), relay.allowance(50)) == (50, 20)


def test_an_answer_that_is_too_old_allows_nothing_and_is_told_once(tmp_path: Path) -> None:
    said: list[str] = []
    clock = _Clock()
    relay = InRelay(Relay(depth_command=_command(tmp_path, "print(0)")), 1, tell=said.append, clock=clock)
    relay.ask_once()
    assert relay.allowance(10) == 10
    clock.now_s = STALE_S + 1
    assert (relay.allowance(10), relay.allowance(10)) == (0, 0)
    assert len(said) == 1
    relay.ask_once()
    assert relay.allowance(10) == 10
    clock.now_s = 3 * STALE_S
    assert relay.allowance(10) == 0
    assert len(said) == 2


@pytest.mark.parametrize(
    "body", ["raise SystemExit(3)", "print('many')", "print(-1)", "pass", "print(10**12)", "print('٣')"]
)
def test_a_command_that_says_nothing_of_use_allows_nothing_and_is_told_once(tmp_path: Path, body: str) -> None:
    said: list[str] = []
    relay = InRelay(Relay(depth_command=_command(tmp_path, body)), 1, tell=said.append)
    for _ in range(2):
        relay.ask_once()
        assert relay.allowance(10) == 0
    assert len(said) == 1
    assert "nothing more is handed to it" in said[0]


def test_a_thread_asks_and_ends_with_the_block(tmp_path: Path) -> None:
    with InRelay(Relay(depth_command=_command(tmp_path, "print(0)")), 2) as relay:
        relay.await_room(WAIT_S)
        assert relay.allowance(10) == 10
    assert not [thread for thread in threading.enumerate() if "depth" in thread.name]


def test_a_relay_that_cannot_be_asked_is_blind_and_unbounded() -> None:
    relay = InRelay(Relay(), 2)
    assert relay.is_blind
    assert relay.allowance(10_000) == 10_000


def test_a_stated_rate_bounds_where_nothing_can_be_asked() -> None:
    clock = _Clock()
    relay = InRelay(Relay(rate_per_s=100), 2, clock=clock)
    assert not relay.is_blind
    assert relay.allowance(10) == 0
    clock.now_s = 0.5
    assert relay.allowance(100) == 25


# ---- programs


def _all(arguments: list[str], limit_s: float = WAIT_S, given: bytes = b"") -> bytes:
    with programs.run(arguments, limit_s=limit_s, given=given) as lines:
        return b"".join(lines)


def test_a_program_is_given_its_input_and_no_word_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret@db.example/")
    assert _all(["cat"], given=b"x" * 300_000) == b"x" * 300_000
    assert b"secret" not in _all(["env"])
    assert _all(["echo", "$HOME; exit 3"]) == b"$HOME; exit 3\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["false"], "exit 1"),
        (["/nowhere/at-all"], "No such file"),
        ([], "cannot be called"),
        (["sleep", "60"], "no end within"),
    ],
)
def test_a_program_that_does_not_do_it_is_a_sentence(arguments: list[str], why: str) -> None:
    with pytest.raises(Transient, match=why):
        _all(arguments, limit_s=0.3)


def test_what_a_slow_program_started_is_killed_with_it() -> None:
    with pytest.raises(Transient, match="no end within"):
        _all(["sh", "-c", "sleep 60 & sleep 60"], limit_s=0.3)


def test_an_open_quotation_mark_is_refused() -> None:
    with pytest.raises(Refused, match="quotation"):
        ask_command("echo 'x", 1)


# ---- Postfix's queue


def _line(**given: object) -> bytes:
    usual = {
        "queue_name": "deferred",
        "queue_id": "4Xy12345abc",
        "sender": f"b-n12-{TOKEN}@bounce.agency.example",
        "recipients": [{"address": "finn@lights.agency.example", "delay_reason": "no"}],
    }
    return json.dumps(usual | given).encode() + b"\n"


def test_our_mail_in_the_queue_is_known_by_its_sender_alone() -> None:
    found = read_line(_line(), "bounce.agency.example")
    assert found is not None
    assert (found.notice_no, found.is_held, found.queue_id) == (12, False, "4Xy12345abc")
    held = read_line(_line(queue_name="hold"), "bounce.agency.example")
    assert held is not None
    assert held.is_held


@pytest.mark.parametrize(
    "line",
    [
        _line(sender="MAILER-DAEMON"),
        _line(sender=f"b-n12-{TOKEN}@elsewhere.example"),
        _line(sender=f"b-n12-{TOKEN}x@bounce.agency.example"),
        _line(sender="b-n12-@bounce.agency.example"),
        _line(queue_id="ALL"),
        _line(queue_id="-d ALL"),
        _line(sender=None),
        b"",
        b"[]",
        b"null",
        b"\xff\x00",
        b'{"queue_name"',
        b"[" * 100_000,
    ],
)
def test_what_is_not_ours_is_passed_over(line: bytes) -> None:
    assert read_line(line, "bounce.agency.example") is None


@given(st.binary(max_size=200))
def test_no_line_raises(line: bytes) -> None:
    read_line(line, "bounce.agency.example")


def test_a_queue_that_cannot_be_asked_is_a_sentence(tmp_path: Path) -> None:
    ask: Callable[[], int] = PostfixQueue("bounce.agency.example", str(tmp_path), 5.0).depth
    with pytest.raises(Transient, match="postqueue"):
        ask()
