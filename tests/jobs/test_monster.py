"""A mail that takes too much is read by a process that may die, and by no other."""

import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from postmuster.inbound.actions import ClaimedMail
from postmuster.inbound.envelope import TakenMail
from postmuster.jobs import monster
from postmuster.jobs.monster import (
    MAX_OPEN_OCTETS,
    MAX_PLAIN_OCTETS,
    Reader,
    TooMuch,
    portions,
    try_first,
    watch_s,
    watched,
)
from postmuster.jobs.trial import DONE, read_all

MAIL = b"From: Finn <finn@home.example>\nSubject: Re: x\n\nYES\n"
LARGE = MAIL + b"x" * MAX_PLAIN_OCTETS


def claimed(number: int, octets: int, attempts: int = 1) -> ClaimedMail:
    return ClaimedMail(number, number, datetime(2025, 3, 4, tzinfo=UTC), octets, 1, attempts)


def opened(raw: bytes) -> bytes:
    return TakenMail(None, ("r@agency.example",), raw).pack()


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    made = Reader()
    monkeypatch.setattr(monster, "_READER", made)
    yield made
    made.close()


def test_the_other_process_reads_one_mail_after_the_other(reader: Reader) -> None:
    assert [reader.fault(raw) for raw in (MAIL, b"", LARGE, MAIL)] == [None, None, None, None]


def test_a_process_that_takes_too_long_is_ended_and_another_begun() -> None:
    reader = Reader(max_read_s=0.0)  # only the first mail has the time that a process needs to begin
    try:
        assert [reader.fault(MAIL) for _ in range(3)] == [None, "time", None]
    finally:
        reader.close()


def test_a_mail_that_needs_too_much_memory_ends_the_process_and_another_is_begun() -> None:
    reader = Reader(max_memory_octets=256 * 1024 * 1024)
    try:
        assert reader.fault(MAIL) is None
        assert reader.fault(MAIL + b"x\n" * 60_000_000) == "memory"
        assert reader.fault(MAIL) is None
    finally:
        reader.close()


def test_an_ordinary_mail_goes_to_no_other_process(reader: Reader) -> None:
    try_first([claimed(1, len(MAIL))], {1: opened(MAIL)})
    assert reader._process is None


@pytest.mark.parametrize(("raw", "attempts"), [(LARGE, 1), (MAIL, 2)], ids=["large", "claimed before"])
def test_a_mail_nobody_knows_the_cost_of_is_tried_first(reader: Reader, raw: bytes, attempts: int) -> None:
    try_first([claimed(1, len(raw), attempts)], {1: opened(raw)})
    assert reader._process is not None


def test_a_mail_that_is_too_much_is_named_by_its_number_alone(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "fault", lambda _reader, _octets: "time")
    with pytest.raises(TooMuch) as raised:
        try_first([claimed(7, len(LARGE))], {7: opened(LARGE)})
    assert "Mail 7 " in raised.value.sentence
    assert "finn" not in raised.value.sentence


def test_so_much_mail_is_open_at_once_and_no_more() -> None:
    sizes = [10, MAX_OPEN_OCTETS - 10, 1, MAX_OPEN_OCTETS * 2, 5, 5]
    parts = list(portions([claimed(number, size) for number, size in enumerate(sizes)]))
    assert [[mail.octets for mail in part] for part in parts] == [sizes[:2], [1], [MAX_OPEN_OCTETS * 2], [5, 5]]
    assert list(portions([])) == []


def test_a_batch_has_twice_its_lease_and_never_less_than_a_minute() -> None:
    assert [watch_s(lease) for lease in (0, 20, 60)] == [60, 60, 120]


def test_a_batch_that_outlives_its_time_ends_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monster, "GRACE_S", 0.0)
    left, died = threading.Event(), threading.Event()
    with watched(0.0, left.set, died.set):
        assert left.wait(10)
        assert died.wait(10)


def test_a_batch_that_ends_while_its_worker_leaves_does_not_kill_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monster, "GRACE_S", 10.0)
    left, died = threading.Event(), threading.Event()
    with watched(0.0, left.set, died.set):
        assert left.wait(10)
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(10)
    assert not died.is_set()


def test_a_batch_in_time_leaves_nothing_behind() -> None:
    before = threading.active_count()
    with watched(1_000.0):
        assert threading.active_count() == before + 1
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(10)
    assert threading.active_count() == before


def test_the_dialog_with_the_other_process_ends_with_its_input() -> None:
    answers = io.BytesIO()
    read_all(io.BytesIO(len(MAIL).to_bytes(8, "big") + MAIL + b"\0\0"), answers)
    assert answers.getvalue() == DONE
