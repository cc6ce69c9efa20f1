"""Shrinkage: what a feed may take out of a component without being asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postmuster.roster.shrinkage import SHRINK_PEOPLE, Shrink, is_allowed, shrinking


def test_five_percent_may_go_and_one_more_may_not() -> None:
    assert shrinking({"A": 200}, {"A": 190}, ()) == ()
    assert shrinking({"A": 200}, {"A": 189}, ()) == (Shrink("A", 200, 189, subtree=False),)


def test_a_handful_may_go_whatever_its_share() -> None:
    assert shrinking({"A": SHRINK_PEOPLE}, {}, ()) == ()
    assert shrinking({"A": SHRINK_PEOPLE + 1}, {}, ()) == (Shrink("A", SHRINK_PEOPLE + 1, 0, subtree=False),)


def test_small_components_that_vanish_together_are_seen_above_them() -> None:
    before = {f"A/{number}": 4 for number in range(10)} | {"B": 1000}
    assert shrinking(before, {"B": 1000}, ()) == (Shrink("A", 40, 0, subtree=True),)


def test_a_loss_spread_over_everything_is_seen_at_the_top() -> None:
    before = {f"Office {number}": 4 for number in range(10)}
    after = dict.fromkeys(before, 3)
    assert shrinking(before, after, ()) == (Shrink("/", 40, 30, subtree=True),)


def test_a_loss_is_reported_once_where_it_is_deepest() -> None:
    before = {"A": 10, "A/B": 10, "A/B/C": 100}
    assert shrinking(before, {"A": 10, "A/B": 10, "A/B/C": 20}, ()) == (Shrink("A/B/C", 100, 20, subtree=False),)


def test_own_people_count_apart_from_those_beneath() -> None:
    assert shrinking({"A": 20, "A/B": 1000}, {"A": 0, "A/B": 1020}, ()) == (Shrink("A", 20, 0, subtree=False),)


def test_what_is_allowed_covers_what_is_beneath_and_not_what_is_beside() -> None:
    before = {"A/B": 100, "A/C": 100, "AB": 100}
    assert [shrink.path for shrink in shrinking(before, {}, ["A/B"])] == ["A/C", "AB"]
    assert [shrink.path for shrink in shrinking(before, {}, ["A"])] == ["AB"]
    assert shrinking(before, {}, ["/"]) == ()


def test_growth_elsewhere_in_an_allowed_component_hides_no_loss_beside_it() -> None:
    before, after = {"A/B": 100, "A/C": 100}, {"A/B": 500, "A/C": 50}
    assert [shrink.path for shrink in shrinking(before, after, ["A/B"])] == ["A/C"]


_COUNTS = st.dictionaries(st.sampled_from(["A", "A/B", "A/B/C", "A/D", "E", "E/F"]), st.integers(0, 300))


@given(_COUNTS, _COUNTS)
def test_allowing_what_is_reported_lets_the_feed_through(before: dict[str, int], after: dict[str, int]) -> None:
    allowed: set[str] = set()
    for _ in range(8):  # a loss above may show only once the ones below are accounted for
        found = shrinking(before, after, allowed)
        allowed |= {shrink.path for shrink in found}
    assert shrinking(before, after, allowed) == ()


@given(_COUNTS, _COUNTS)
def test_a_component_that_loses_too_many_of_its_own_is_always_reported(
    before: dict[str, int], after: dict[str, int]
) -> None:
    reported = {shrink.path for shrink in shrinking(before, after, ())}
    for path, people in before.items():
        lost = people - after.get(path, 0)
        if lost > SHRINK_PEOPLE and lost * 20 > people:
            assert path in reported
            assert is_allowed(path, reported)
