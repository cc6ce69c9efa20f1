"""Personal data: cases of every kind, and false friends, kept as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmuster.reading.personal import PersonalKind, find_personal


def _cases() -> list[tuple[str, str]]:
    lines = (Path(__file__).parent / "data_personal.txt").read_text(encoding="utf-8").splitlines()
    cases = (line.partition(" | ") for line in lines if line and not line.startswith("#"))
    return [(kind, text.replace("\\n", "\n")) for kind, _, text in cases]


@pytest.mark.parametrize(("kind", "marked"), [case for case in _cases() if case[0] != "-"])
def test_the_value_is_found_whole_and_nothing_else(kind: str, marked: str) -> None:
    value = marked.partition("⟦")[2].partition("⟧")[0]
    text = marked.replace("⟦", "").replace("⟧", "")
    assert [(hit.kind, text[hit.start : hit.end]) for hit in find_personal(text)] == [(kind, value)]


@pytest.mark.parametrize("text", [text for kind, text in _cases() if kind == "-"])
def test_a_false_friend_is_left_alone(text: str) -> None:
    assert [text[hit.start : hit.end] for hit in find_personal(text)] == []


@pytest.mark.parametrize("text", [text for kind, text in _cases() if kind == "-"])
def test_a_false_friend_is_left_alone_in_the_middle_of_a_mail(text: str) -> None:
    whole = f"Hello,\n\nhere is my week.\n\n> {text}\n\nBest regards\nJane\n"
    assert [whole[hit.start : hit.end] for hit in find_personal(whole)] == []


def test_every_kind_has_cases_and_half_of_all_are_false_friends() -> None:
    kinds = [kind for kind, _ in _cases()]
    assert set(PersonalKind) <= set(kinds)
    assert kinds.count("-") >= 80
    assert len(kinds) - kinds.count("-") >= 80
