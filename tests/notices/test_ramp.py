"""Waves open in order and in time, never past a hold; a limit is a share of what went out, and small figures say nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from postmuster.notices.ramp import (
    LEAST_COPIES,
    LEAST_EVENTS,
    Health,
    Hold,
    Nothing,
    OpenNext,
    cumulative,
    decide,
    opens_at,
    waves_of,
)
from postmuster.notices.terms import Limits, Ramp

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
RAMP = Ramp(1.0, (10.0, 40.0), observe_minutes=60)
WELL = Health(handed=1_000, permanent=0, transient=0, complaints=0, not_mine=0, done_at=NOON, next_wave=1)
OVER = NOON + timedelta(minutes=60)


@pytest.mark.parametrize(
    ("ramp", "shares", "waves"),
    [
        (None, (), 1),
        (RAMP, (1.0, 11.0, 51.0), 4),
        (Ramp(1.0), (1.0,), 2),
        (Ramp(1.0, (10.0, 89.0)), (1.0, 11.0), 3),
        (Ramp(0.1, (0.2, 0.3)), (0.1, 0.3, 0.6), 4),
    ],
)
def test_waves_are_cut_where_the_shares_add_up_to(ramp: Ramp | None, shares: tuple[float, ...], waves: int) -> None:
    assert cumulative(ramp) == shares
    assert waves_of(ramp) == waves


@given(canary=st.floats(0.1, 50), waves=st.lists(st.floats(0.01, 100), max_size=20), minutes=st.integers(1, 10_080))
def test_cuts_rise_and_stay_below_everybody(canary: float, waves: list[float], minutes: int) -> None:
    kept: list[float] = []
    for share in waves:
        if canary + sum(kept) + share <= 100:
            kept.append(share)
    ramp = Ramp(canary, tuple(kept), minutes)
    cuts = cumulative(ramp)
    assert list(cuts) == sorted(cuts)
    assert all(0 < cut <= 100 for cut in cuts)
    assert len(cuts) == waves_of(ramp) - 1


def test_the_next_wave_opens_when_the_open_one_is_sent_and_was_watched() -> None:
    assert decide(RAMP, Limits(), 0, NOON, WELL, OVER - timedelta(seconds=1)) == Nothing()
    assert decide(RAMP, Limits(), 0, NOON, WELL, OVER) == OpenNext(1)
    assert decide(RAMP, Limits(), 0, NOON, replace(WELL, done_at=None), OVER) == Nothing()
    assert decide(RAMP, Limits(), 0, NOON + timedelta(minutes=1), WELL, OVER) == Nothing()


def test_a_wave_with_nobody_in_it_is_passed_over_and_after_the_last_none_opens() -> None:
    assert decide(RAMP, Limits(), 0, NOON, replace(WELL, next_wave=3), OVER) == OpenNext(3)
    assert decide(RAMP, Limits(), 3, NOON, replace(WELL, next_wave=None), OVER) == Nothing()


def test_without_a_ramp_no_wave_opens_and_the_limits_hold_all_the_same() -> None:
    assert opens_at(None, NOON, NOON) is None
    assert decide(None, Limits(), 0, NOON, WELL, OVER) == Nothing()
    assert isinstance(decide(None, Limits(), 0, NOON, replace(WELL, permanent=21), NOON), Hold)


@pytest.mark.parametrize(
    ("kind", "words", "limit"),
    [
        ("permanent", "permanent failures", "failed_percent"),
        ("transient", "transient failures", "deferred_percent"),
        ("complaints", "complaints", "complaints_percent"),
        ("not_mine", "answers “not mine”", "not_mine_percent"),
    ],
)
def test_each_kind_has_its_limit_and_the_reason_names_kind_figure_and_limit(kind: str, words: str, limit: str) -> None:
    limits = replace(Limits(100.0, 100.0, 100.0, 100.0), **{limit: 2.5})
    at = replace(WELL, **{kind: 25})
    assert decide(RAMP, limits, 0, NOON, at, OVER) == OpenNext(1)
    above = decide(RAMP, limits, 0, NOON, replace(WELL, **{kind: 26}), OVER)
    assert above == Hold(f"26 {words} are 2.60 % of 1000 copies handed over; the limit is 2.5 %")


def test_one_of_three_holds_nothing() -> None:
    few = Health(handed=3, permanent=1, transient=1, complaints=1, not_mine=1)
    assert decide(None, Limits(), 0, NOON, few, NOON) == Nothing()
    almost = Health(handed=LEAST_COPIES - 1, permanent=LEAST_COPIES - 1, transient=0, complaints=0, not_mine=0)
    assert decide(None, Limits(), 0, NOON, almost, NOON) == Nothing()
    four = Health(handed=LEAST_COPIES, permanent=LEAST_EVENTS - 1, transient=0, complaints=LEAST_EVENTS - 1, not_mine=0)
    assert decide(None, Limits(), 0, NOON, four, NOON) == Nothing()
    assert isinstance(decide(None, Limits(), 0, NOON, replace(four, permanent=LEAST_EVENTS), NOON), Hold)


def test_figures_since_a_lift_are_called_so() -> None:
    held = decide(None, Limits(), 0, NOON, replace(WELL, permanent=30, is_since_lift=True), NOON)
    assert isinstance(held, Hold)
    assert "30 permanent failures since the last hold was lifted" in held.reason


class Round(RuleBasedStateMachine):
    """A round as a worker and an officer drive it: hand over, fail, wait, look, lift."""

    people = (3, 120, 0, 400)  # by wave; nobody in the third

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.opened = [(0, NOON)]
        self.pending = list(self.people)
        self.done_at: datetime | None = None
        self.failed = 0
        self.accepted = 0
        self.is_held = False

    @property
    def open_wave(self) -> int:
        return self.opened[-1][0]

    def _health(self) -> Health:
        later = [wave for wave in range(self.open_wave + 1, 4) if self.pending[wave]]
        handed = sum(self.people) - sum(self.pending)
        return Health(
            handed, self.failed - self.accepted, 0, 0, 0, self.done_at, min(later, default=None), self.accepted > 0
        )

    @precondition(lambda self: not self.is_held)
    @rule(count=st.integers(1, 200))
    def hand_over(self, count: int) -> None:
        for wave in range(self.open_wave + 1):
            taken = min(count, self.pending[wave])
            self.pending[wave] -= taken
            count -= taken

    @rule(count=st.integers(1, 30))
    def fail(self, count: int) -> None:
        self.failed = min(self.failed + count, sum(self.people) - sum(self.pending))

    @rule(minutes=st.integers(1, 90))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @precondition(lambda self: self.is_held)
    @rule()
    def lift(self) -> None:
        self.is_held, self.accepted = False, self.failed
        assert not isinstance(self._decide(), Hold)  # the same figures do not hold it again

    @precondition(lambda self: not self.is_held)
    @rule()
    def look(self) -> None:
        is_done = not any(self.pending[: self.open_wave + 1])
        self.done_at = (self.done_at or self.now) if is_done else None
        match self._decide():
            case Hold():
                self.is_held = True
            case OpenNext(wave):
                assert is_done
                assert self.now >= self.opened[-1][1] + timedelta(minutes=RAMP.observe_minutes)
                assert not self._is_past_a_limit()
                self.opened.append((wave, self.now))
                self.done_at = None

    def _decide(self) -> Hold | OpenNext | Nothing:
        return decide(RAMP, Limits(), self.open_wave, self.opened[-1][1], self._health(), self.now)

    def _is_past_a_limit(self) -> bool:
        """Said again in other words: more than 2 of 100 failed anew, and at least five."""
        handed, new = sum(self.people) - sum(self.pending), self.failed - self.accepted
        return handed >= LEAST_COPIES and new >= LEAST_EVENTS and new * 50 > handed

    @invariant()
    def waves_are_in_order(self) -> None:
        waves = [wave for wave, _ in self.opened]
        assert waves == sorted(set(waves))
        assert 2 not in waves


TestRound = Round.TestCase
