"""How much may be unanswered: by time, within bounds, and little after a loss (P4)."""

from hypothesis import given
from hypothesis import strategies as st

from postmuster.outbound.pace import MAX_WINDOW, PARTS, Pace

seconds = st.floats(0, 1e4, allow_nan=False)


@given(first=st.integers(0, 10_000), steps=st.lists(st.tuples(st.booleans(), seconds), max_size=60))
def test_never_more_than_a_window_is_unanswered_and_always_something_may_go(
    first: int, steps: list[tuple[bool, float]]
) -> None:
    pace, parts = Pace(first), [0]
    for is_lost, took_s in steps:
        while room := pace.room(sum(parts)):
            parts.append(room)
            assert sum(parts) <= max(pace.window, sum(parts) - room) <= MAX_WINDOW
        assert sum(parts) > 0
        unanswered = sum(parts)
        parts.pop(0)
        if is_lost:
            pace.lost()
        else:
            pace.landed(unanswered, took_s)
        assert 1 <= pace.window <= MAX_WINDOW


def _settles_at(rate_per_s: float, latency_s: float = 0.0) -> int:
    pace = Pace(4)
    for _ in range(40):
        pace.landed(pace.window, latency_s + pace.window / rate_per_s)
    return pace.window


def test_it_settles_at_what_the_relay_takes_in_a_fifth_of_a_second() -> None:
    assert _settles_at(50) == 10
    assert _settles_at(5_000) == MAX_WINDOW
    assert _settles_at(1e9, latency_s=16) == 1  # a tarpit has one at a time


def test_after_a_loss_it_begins_with_one_and_doubles() -> None:
    pace = Pace(200)
    pace.lost()
    windows = [pace.window]
    for _ in range(9):
        pace.landed(pace.window, 1e-3)
        windows.append(pace.window)
    assert windows == [1, 2, 4, 8, 16, 32, 64, 128, 200, 200]


def test_a_window_goes_out_in_two_parts() -> None:
    pace = Pace(200)
    assert PARTS == 2
    assert (pace.room(0), pace.room(100), pace.room(200)) == (100, 100, 0)
    assert Pace(1).room(0) == 1
