"""Placeholders are found, refused, filled and left, and braces that are none stay what they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.mail.placeholders import escaped, fill, fill_known, names_in, pieces_of, problems_in

braced = st.text(alphabet="ab{}_ \n", max_size=60)


def test_known_placeholders_are_no_problem() -> None:
    assert problems_in("Dear {name} of {component}, until {deadline}. {{ is a brace, } too.") == []


def test_a_problem_has_its_line_and_column() -> None:
    (problem,) = problems_in("Dear {name},\n  {nmae}")
    assert problem[:2] == (2, 3)
    assert "{nmae} is not a placeholder" in problem[2]


def test_a_lone_brace_is_a_problem() -> None:
    (problem,) = problems_in("a { b")
    assert problem[:2] == (1, 3)
    assert "a lone {" in problem[2]


def test_placeholders_of_generated_blocks_are_not_for_authors() -> None:
    assert len(problems_in("{notice_id}")) == 1
    assert problems_in("{notice_id}", ("notice_id",)) == []


def test_a_placeholder_without_a_value_stops_the_filling() -> None:
    with pytest.raises(KeyError):
        fill("Dear {name}", {})


def test_values_are_escaped_and_never_read_for_placeholders() -> None:
    assert (
        fill("<{name}> {{", {"name": "{deadline}&"}, lambda value: value.replace("&", "&amp;")) == "<{deadline}&amp;> {"
    )


def test_filling_some_leaves_the_others_for_later() -> None:
    first = fill_known("{name} {deadline} {{", {"deadline": "{name}"})
    assert names_in(first) == {"name"}
    assert fill(first, {"name": "Finn"}) == "Finn {name} {"


@given(braced)
def test_escaped_text_stands_for_itself(text: str) -> None:
    assert names_in(escaped(text)) == frozenset()
    assert fill(escaped(text), {}) == text


@given(braced)
def test_pieces_are_what_filling_joins(text: str) -> None:
    values = dict.fromkeys(names_in(text), "value")
    joined = "".join(plain + (values[name] if name else "") for plain, name in pieces_of(text))
    assert joined == fill(text, values)
    assert [name for _, name in pieces_of(text)][-1] is None
