"""The comparison of a reading with the truth."""

from __future__ import annotations

from postmuster.organisation.truth import Answer, Expected, Kind, Observed, Outcome, Verdict, judge

RESIGN = Expected(Kind.REPLY, Outcome.COUNTED, Answer.ELECTION, "Resign")
REPORT = Expected(Kind.REPLY, Outcome.COUNTED, Answer.REPORT, items=5)
NOBODY = Expected(Kind.REPLY, Outcome.TO_A_PERSON, Answer.UNCLEAR)
AWAY = Expected(Kind.AUTOMATIC, Outcome.NOTED)


def test_the_same_reading_is_right() -> None:
    assert judge(RESIGN, Observed("reply", "counted", "election", "resign")) is Verdict.RIGHT
    assert judge(REPORT, Observed("reply", "counted", "report", items=5)) is Verdict.RIGHT
    assert judge(NOBODY, Observed("reply", "to_a_person", "question")) is Verdict.RIGHT
    assert judge(AWAY, Observed("automatic", "noted")) is Verdict.RIGHT


def test_another_reading_is_wrong() -> None:
    assert judge(RESIGN, Observed("reply", "counted", "election", "Stay")) is Verdict.WRONG
    assert judge(RESIGN, Observed("reply", "counted", "acknowledge")) is Verdict.WRONG
    assert judge(REPORT, Observed("reply", "counted", "report", items=4)) is Verdict.WRONG
    assert judge(NOBODY, Observed("reply", "counted", "acknowledge")) is Verdict.WRONG
    assert judge(AWAY, Observed("reply", "noted")) is Verdict.WRONG
    assert judge(AWAY, Observed("reply", "counted", "acknowledge")) is Verdict.WRONG
    assert judge(RESIGN, Observed("automatic", "counted", "election", "Resign")) is Verdict.WRONG
    assert judge(RESIGN, Observed("reply", "refused")) is Verdict.WRONG


def test_what_a_person_will_look_at_is_safe_but_not_right() -> None:
    assert judge(RESIGN, Observed("reply", "to_a_person", "unclear")) is Verdict.TO_A_PERSON
    assert judge(AWAY, Observed("reply", "to_a_person")) is Verdict.TO_A_PERSON


def test_other_defensible_readings_are_right() -> None:
    lenient = Expected(
        Kind.REPLY, Outcome.TO_A_PERSON, Answer.UNCLEAR, also=(Outcome.COUNTED,), also_answers=(Answer.DECLINE,)
    )
    assert judge(lenient, Observed("reply", "counted", "decline")) is Verdict.RIGHT
    assert judge(lenient, Observed("reply", "counted", "election", "Resign")) is Verdict.WRONG
