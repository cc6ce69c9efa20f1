"""An assessment covers a notice element by element, and what is missing is said in the notice's own words."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from postmuster.assessments.coverage import Claims, overdue, uncovered
from postmuster.assessments.kinds import AskType, MachineSorting, NoticeKind

from .samples import sound

COVERED = Claims(
    assessment="reach-test",
    assessment_version=2,
    kind=NoticeKind.TEST,
    ask=AskType.ACKNOWLEDGE,
    data=("the answer",),
    purpose="to see whom mail reaches",
    sharing=("the person's own component",),
    voluntary=True,
    consequence=None,
    schedule="R-1",
    retention_days=90,
    machine_sorting=MachineSorting.RULES,
)


def test_a_notice_within_the_assessment_is_covered() -> None:
    assert uncovered(COVERED, sound()) == []
    assert uncovered(dataclasses.replace(COVERED, assessment_version=None), sound()) == []


def test_case_spaces_and_unicode_form_do_not_matter_but_words_do() -> None:
    spaced = dataclasses.replace(COVERED, data=("The  ANSWER",), purpose="to see whom mail reaches ")
    assert uncovered(spaced, sound()) == []
    assert len(uncovered(dataclasses.replace(COVERED, data=("an answer",)), sound())) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"assessment": "other"}, "names the assessment other"),
        ({"assessment_version": 1}, "names version 1"),
        ({"kind": NoticeKind.OFFER}, "is a offer"),
        ({"ask": AskType.ELECTION}, "asks election"),
        ({"data": ("salary",)}, "collects “salary”"),
        ({"purpose": "to rate people"}, "states the purpose “to rate people”"),
        ({"sharing": ("the press",)}, "shares with “the press”"),
        ({"consequence": "dismissal"}, "states the consequence “dismissal”"),
        ({"schedule": "R-9"}, "under schedule R-9"),
        ({"retention_days": 91}, "allows 90 under schedule R-1"),
        ({"schedule": "R-3", "retention_days": 31}, "allows 30 under schedule R-3"),
        ({"machine_sorting": MachineSorting.MODEL}, "sorted by model"),
    ],
)
def test_each_element_that_is_not_covered_is_one_sentence(change: dict[str, object], words: str) -> None:
    reasons = uncovered(dataclasses.replace(COVERED, **change), sound())  # type: ignore[arg-type]
    assert len(reasons) == 1
    assert words in reasons[0].replace("an offer", "a offer")


def test_voluntary_and_required_must_agree() -> None:
    required = sound(('voluntary = "both"', "voluntary = false"))
    free = sound(('voluntary = "both"', "voluntary = true"), ('consequences = ["the record stays open"]\n', ""))
    demanded = dataclasses.replace(COVERED, voluntary=False, consequence="the record stays open")
    assert uncovered(demanded, required) == []
    assert uncovered(demanded, sound()) == []
    assert [reason for reason in uncovered(COVERED, required) if "says required" in reason]
    assert [reason for reason in uncovered(demanded, free) if "says voluntary" in reason]
    assert uncovered(dataclasses.replace(COVERED, voluntary=None), required) == []


def test_everything_uncovered_is_said_at_once() -> None:
    wrong = dataclasses.replace(
        COVERED, data=("salary", "health"), purpose="x", schedule="R-9", machine_sorting=MachineSorting.MODEL
    )
    assert len(uncovered(wrong, sound())) == 5


def test_an_assessment_whose_review_is_due_is_said() -> None:
    assert overdue(sound(), datetime.date(2027, 12, 31)) == []
    assert "review it first" in overdue(sound(), datetime.date(2028, 1, 1))[0]
