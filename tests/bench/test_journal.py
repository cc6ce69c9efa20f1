"""The sink's journal: whole lines only, whatever was torn; counted by time as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.bench import journal
from postmuster.bench.journal import Journal, line_end


def lines(*taken: tuple[str, float]) -> list[bytes]:
    return [
        b"%b\tp@agency.example%b" % (name.encode(), line_end(100 + second, 1_000 + second)) for name, second in taken
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_counts_times_and_what_came_twice(file: Path) -> None:
    with Journal(file) as written:
        written.write(lines(("a", 0), ("b", 0.5)))
        written.write(lines(("a", 1.5), ("", 2.5)))
    found = journal.summary(file)
    assert (found.messages, found.distinct, found.doubled, found.unnamed) == (4, 2, 1, 1)
    assert found.first is not None
    assert found.last is not None
    assert (found.first.monotonic_s, found.last.wall_s) == (100, 1_002.5)
    assert [entry.message_id for entry in journal.taken_after(file, 1_000.5)] == ["a", ""]


def test_an_empty_journal_has_nothing(file: Path) -> None:
    Journal(file).close()
    assert journal.summary(file) == journal.Summary(0, 0, 0, 0, None, None)
    assert journal.per_second(file, since_s=5, until_s=4) == []


def test_seconds_are_counted_from_the_first_message_and_empty_ones_stand(file: Path) -> None:
    with Journal(file) as written:
        written.write(lines(("before", -1), ("a", 0), ("b", 0.999), ("c", 2), ("after", 9)))
    assert journal.per_second(file, since_s=100, until_s=102) == [(0, 2), (1, 0), (2, 1)]


def test_writing_goes_on_behind_what_is_there(file: Path) -> None:
    for name in "abc":
        with Journal(file) as written:
            written.write(lines((name, 0)))
    assert [entry.message_id for entry in journal.entries(file)] == ["a", "b", "c"]


@given(torn=st.binary(max_size=40).filter(lambda octets: b"\n" not in octets))
def test_a_torn_end_is_not_read_and_is_taken_away(torn: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("journal") / "journal"
    file.write_bytes(b"".join(lines(("a", 0))) + torn)
    assert journal.summary(file).messages == 1
    with Journal(file) as written:
        written.write(lines(("b", 0)))
    assert [entry.message_id for entry in journal.entries(file)] == ["a", "b"]


@given(foreign=st.lists(st.binary(max_size=60), max_size=8))
def test_what_is_no_line_of_ours_is_passed_over(foreign: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("journal") / "journal"
    file.write_bytes(b"\n".join([*foreign, b"a\tb\tnever\tnow", b""]) + b"".join(lines(("known", 0))))
    assert [entry.message_id for entry in journal.entries(file)][-1] == "known"
    assert list(journal.message_ids(file))[-1] == b"known"
