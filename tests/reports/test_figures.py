"""Figures: a book that does not balance cannot be made."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports.sample import NOW, empty, offer, organisation_report

from postmuster.base.errors import Defect
from postmuster.reports.figures import (
    LISTED,
    Check,
    ClassFigures,
    ComponentFigures,
    FailureFigures,
    InDoubtFigures,
    NoticeFigures,
    OrganisationReport,
    State,
    by_count,
    reached_of,
)

STATES = st.fixed_dictionaries({state: st.integers(0, 9_000_000) for state in State})


def notice(states: dict[State, int], audience: int) -> NoticeFigures:
    return NoticeFigures(
        id="n1", kind="test", title="T", state="sending", round=1, audience=audience, states=states, generated_at=NOW
    )


@given(STATES, st.integers(-3, 3).filter(bool))
def test_an_audience_that_is_not_the_sum_of_its_states_cannot_be_made(states: dict[State, int], off: int) -> None:
    audience = sum(states.values())
    assert notice(states, audience).audience == audience
    with pytest.raises(Defect, match="does not balance"):
        notice(states, audience + off)


@given(STATES)
def test_reached_and_proven_unreached_and_pending_are_everyone(states: dict[State, int]) -> None:
    unreached = states[State.FAILED] + states[State.WITHHELD]
    assert reached_of(states) + unreached + states[State.PENDING] == sum(states.values())


def test_a_negative_count_cannot_hide_in_a_sum_that_is_right() -> None:
    with pytest.raises(Defect, match="negative"):
        notice({State.RELAYED: 11, State.PENDING: -1}, 10)


@pytest.mark.parametrize("kind", [ComponentFigures, ClassFigures])
def test_a_part_that_does_not_balance_cannot_be_made(kind: type[ComponentFigures] | type[ClassFigures]) -> None:
    with pytest.raises(Defect):
        kind("a part", 5, {State.RELAYED: 4})


def test_components_that_do_not_add_up_state_by_state_cannot_be_made() -> None:
    good = offer()
    first, *others = good.by_component
    moved = dict(first.states) | {
        State.RELAYED: first.states[State.RELAYED] - 1,
        State.FAILED: first.states[State.FAILED] + 1,
    }
    with pytest.raises(Defect, match="components"):
        replace(good, by_component=(ComponentFigures(first.path, first.audience, moved), *others))
    with pytest.raises(Defect, match="classes"):
        replace(good, by_class=good.by_class[1:])


def test_no_reason_explains_more_than_is_counted() -> None:
    good = offer()
    with pytest.raises(Defect):
        replace(good, in_doubt=(InDoubtFigures("sender lost", good.count(State.IN_DOUBT) + 1),))
    with pytest.raises(Defect):
        replace(good, failed=(FailureFigures("5.1.1", "unknown_user", good.count(State.FAILED) + 1),))
    with pytest.raises(Defect):
        replace(good, withheld={"component": good.count(State.WITHHELD) + 1})


def test_more_answers_than_people_cannot_be_made() -> None:
    with pytest.raises(Defect, match="more answers"):
        replace(offer(), answers_waiting=30_000)


def test_the_json_of_a_status_balances_and_names_every_state() -> None:
    body = offer().to_json()
    assert body["audience"] == sum(body["states"].values())
    assert set(body["states"]) == {state.value for state in State}
    assert sum(row["audience"] for row in body["by_component"]) == body["audience"]
    assert body["time_to_stop"] == {"accepted_s": 0.42, "left_relay_s": 3.1, "left_relay_messages": 211}
    assert empty().to_json()["time_to_stop"] is None


def test_who_did_not_answer_is_a_number_and_can_be_listed_by_no_state() -> None:
    good = offer()
    assert good.answered + good.answers_waiting + good.needs_confirmation + good.without_answer == good.audience
    assert LISTED.isdisjoint({State.PENDING, State.RELAYED, State.DELIVERED})


def test_a_report_without_a_check_does_not_balance() -> None:
    report = organisation_report()
    assert report.balances
    assert not replace(report, checks=()).balances
    assert not OrganisationReport(notices=(), people_counted=0, checks=(Check("x", False, 1, 2),)).balances


def test_counts_are_ordered_by_size_then_name_and_zeros_left_out() -> None:
    assert by_count({"b": 2, "a": 2, "c": 9, "d": 0}) == [("c", 9), ("a", 2), ("b", 2)]
