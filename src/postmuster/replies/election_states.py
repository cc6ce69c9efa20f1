"""The life of an election: from the choice that was read to the file that carries it out.

A state is told to the person in a letter of its own. Nothing here is reached by waiting but `lapsed`, which takes an
unconfirmed choice away, and `escalated`, which decides nothing: no clock accepts an election.
"""

from __future__ import annotations

from enum import StrEnum


class ElectionState(StrEnum):
    """Where an election stands."""

    NEEDS_CONFIRMATION = "needs_confirmation"  # a code is with the enrolled address
    WAITS_FOR_PAGE = "waits_for_page"  # below grade A: that mail cannot confirm it, a signed-in page will
    NOT_ELIGIBLE = "not_eligible"  # the notice's terms and the roster say no; the component can admit it
    UNDER_REVIEW = "under_review"
    ESCALATED = "escalated"  # the component's term is over, the decision is still to be made
    RECORDED = "recorded"
    DECLINED = "declined"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    EXPORTED = "exported"


class Ineligible(StrEnum):
    """Why somebody is not eligible, by the notice's terms and the newest roster."""

    NOT_IN_ROSTER = "not_in_roster"
    EMPLOYMENT_CLASS = "employment_class"
    STATUS = "status"
    COMPONENT = "component"


class Lapse(StrEnum):
    """Why an unconfirmed election is over."""

    TIME = "time"
    TRIES = "tries"


_E = ElectionState
_TAKEN_BACK = frozenset({_E.WITHDRAWN, _E.SUPERSEDED})
ELECTION_ARROWS: dict[ElectionState, frozenset[ElectionState]] = {
    _E.NEEDS_CONFIRMATION: frozenset({_E.WAITS_FOR_PAGE, _E.UNDER_REVIEW, _E.LAPSED}) | _TAKEN_BACK,
    _E.WAITS_FOR_PAGE: frozenset({_E.UNDER_REVIEW}) | _TAKEN_BACK,
    _E.NOT_ELIGIBLE: frozenset({_E.NEEDS_CONFIRMATION, _E.WAITS_FOR_PAGE, _E.DECLINED}) | _TAKEN_BACK,
    _E.UNDER_REVIEW: frozenset({_E.ESCALATED, _E.RECORDED, _E.DECLINED}) | _TAKEN_BACK,
    _E.ESCALATED: frozenset({_E.RECORDED, _E.DECLINED}) | _TAKEN_BACK,
    _E.RECORDED: frozenset({_E.EXPORTED}) | _TAKEN_BACK,
    _E.DECLINED: frozenset(),
    _E.LAPSED: frozenset(),
    _E.WITHDRAWN: frozenset(),
    _E.SUPERSEDED: frozenset(),
    _E.EXPORTED: frozenset(),
}
BEGINS: frozenset[ElectionState] = frozenset({_E.NEEDS_CONFIRMATION, _E.WAITS_FOR_PAGE, _E.NOT_ELIGIBLE})
DECIDABLE: frozenset[ElectionState] = frozenset({_E.NOT_ELIGIBLE, _E.UNDER_REVIEW, _E.ESCALATED})
# Shown one by one to those who decide. Who has not confirmed is in no list: there are counts only.
LISTED: frozenset[ElectionState] = DECIDABLE | {_E.RECORDED, _E.DECLINED, _E.EXPORTED}
