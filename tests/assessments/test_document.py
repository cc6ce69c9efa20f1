"""An assessment is read whole, or every reason why not is said at once; its digest stands for what it says."""

from __future__ import annotations

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.assessments.document import (
    AssessmentDocument,
    Voluntariness,
    assessment_digest,
    canonical_assessment,
    read_assessment,
    read_canonical_assessment,
)
from postmuster.assessments.kinds import AskType, NoticeKind
from postmuster.assessments.table import MAX_FILE_OCTETS, Refusals, line_numbers

from .samples import SOUND, changed, sound


def _refused(data: bytes) -> list[str]:
    reasons = read_assessment(data)
    assert isinstance(reasons, Refusals)
    return list(reasons)


def test_a_sound_assessment_is_read() -> None:
    document = sound()
    assert document.kinds == (NoticeKind.REPORT, NoticeKind.TEST)
    assert document.asks == (AskType.ACKNOWLEDGE, AskType.NONE)
    assert document.voluntary is Voluntariness.BOTH
    assert document.review_on == datetime.date(2027, 12, 31)
    assert [(term.schedule, term.max_days) for term in document.retention] == [("R-1", 90), ("R-3", 30)]
    assert dict(document.sections)["pia.depth"] == "two\nlines"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('slug = "reach-test"\n', "", "`slug` is missing"),
        ('"reach-test"', '"Reach Test"', "`slug` must be lower-case"),
        ("version = 2", "version = 0", "`version` must be a whole number from 1"),
        ("version = 2", "version = true", "`version` must be a whole number"),
        ('privacy_officer = "Pia"', 'privacy_officer = "ADA"', "is also the author"),
        ('["test", "report"]', '["tests"]', "did you mean test"),
        ('kinds = ["test", "report"]\n', "", "`kinds` is missing"),
        ('voluntary = "both"', 'voluntary = "maybe"', "`voluntary` must be true, false"),
        ('voluntary = "both"', "voluntary = true", "`consequences` are listed although every answer is voluntary"),
        ("review_on = 2027-12-31", 'review_on = "soon"', "`review_on` must be a date"),
        ("review_on = 2027-12-31", "review_on = 2027-12-31T10:00:00", "`review_on` must be a date"),
        ('security = ["sealed on arrival"]\n', "", "`security` is missing"),
        ("max_days = 90", "max_days = 99999", "`retention.max_days` must be a whole number"),
        ("max_days = 30", 'max_days = "30"', "`retention[2].max_days` must be a whole number"),
        ('what = "w"\n', "", "lacks `what`"),
        ('what = "w"', 'what = "w"\nwhence = "x"', "has `whence`"),
        ('title = "Reach of mail"', 'title = "Reach\\u200b of mail"', "`title` has a line break, control or invisible"),
        ('title = "Reach of mail"', 'titel = "Reach of mail"', "did you mean `title`"),
        ('title = "Reach of mail"', "title = 7", "`title` must be text in quotation marks"),
        ('["sealed on arrival"]', '"sealed"', "`security` must be a list"),
    ],
)
def test_a_fault_names_its_key_and_what_to_do(old: str, new: str, words: str) -> None:
    reasons = _refused(changed((old, new)))
    assert any(words in reason for reason in reasons), reasons


def test_all_faults_are_said_at_once_each_with_its_line() -> None:
    data = changed(
        ("version = 2", "version = 0"), ("max_days = 30", "max_days = 0"), ('system = "Staff', 'systm = "Staff')
    )
    reasons = _refused(data)
    lines = data.decode().split("\n")
    for wrong in ("version = 0", "max_days = 0", 'systm = "Staff Mail System"'):
        line = lines.index(wrong) + 1
        assert any(reason.startswith(f"assessment.toml line {line}:") for reason in reasons), (wrong, reasons)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"slug =", "is not TOML"),
        (SOUND.encode("utf-16"), "is not UTF-8"),
        (b'title = "\xe9"', "is not UTF-8"),
        (b"x" * (MAX_FILE_OCTETS + 1), "the limit is"),
        (b"a = " + b"[" * 5000, "nested too deeply"),
        (b"a = 1\na = 2", "is not TOML"),
        (b"", "`slug` is missing"),
    ],
)
def test_octets_that_are_no_such_file_are_refused(data: bytes, words: str) -> None:
    assert any(words in reason for reason in _refused(data))


def test_the_digest_does_not_depend_on_order_comments_or_line_ends() -> None:
    turned = changed(('slug = "reach-test"\nversion = 2', 'version = 2 # second\nslug = "reach-test"'))
    windows = read_assessment(turned.replace(b"\n", b"\r\n"))
    assert isinstance(windows, AssessmentDocument)
    assert assessment_digest(windows) == assessment_digest(sound())


@pytest.mark.parametrize(
    ("old", "new"), [("version = 2", "version = 3"), ("max_days = 90", "max_days = 91"), ('what = "w"', 'what = "x"')]
)
def test_the_digest_changes_with_what_is_said(old: str, new: str) -> None:
    assert assessment_digest(sound((old, new))) != assessment_digest(sound())


def test_what_was_stored_reads_back_the_same() -> None:
    document = sound()
    again = read_canonical_assessment(canonical_assessment(document))
    assert isinstance(again, AssessmentDocument)
    assert canonical_assessment(again) == canonical_assessment(document)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b"[" * 100_000, b'{"format": "postmuster-assessment-1"}', b'{"format": "other"}', b"\xff"],
)
def test_stored_octets_that_were_damaged_are_refused(data: bytes) -> None:
    assert isinstance(read_canonical_assessment(data), Refusals)


@given(st.binary(max_size=300))
def test_any_octets_give_reasons(data: bytes) -> None:
    assert all(reason.isprintable() for reason in _refused(data))
    assert isinstance(read_canonical_assessment(data), Refusals)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(json.loads(canonical_assessment(sound())))), _JSON)
def test_any_value_in_the_place_of_another_gives_a_document_or_reasons(key: str, value: object) -> None:
    values = json.loads(canonical_assessment(sound())) | {key: value}
    assert read_canonical_assessment(json.dumps(values).encode()) is not None


def test_lines_are_found_under_headers_lists_of_tables_and_long_texts() -> None:
    lines = line_numbers('a = 1\n[b]\nc = """\nd = 2\n"""\n[[e]]\nf = 1\n[[e]]\nf = 2\n["g"]\n h . i = 1')
    expected = {"a": 1, "b": 2, "b.c": 3, "e": 6, "e.f": 7, "e[2]": 8, "e[2].f": 9, "g": 10}
    assert expected.items() <= lines.items()
    assert "b.d" not in lines
