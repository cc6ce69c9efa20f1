"""docs/notice-file.md and docs/assessment-file.md name the keys that the readers know, and their examples are sound."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from postmuster.assessments.coverage import uncovered
from postmuster.assessments.document import AssessmentDocument, _document, read_assessment
from postmuster.assessments.table import Faults, Table
from postmuster.notices.content import _content, claims_of
from postmuster.notices.terms import LANGUAGES

from .samples import ELECTION, ELECTION_TERMS, SENDING, TEST, changed, read

DOCS = Path(__file__).resolve().parents[2] / "docs"


class Watched(dict[str, object]):
    """A table that notes each key somebody asks for, with the tables above it."""

    def __init__(self, values: dict[str, object], seen: set[str], above: str = "") -> None:
        super().__init__({key: self._watch(key, value, seen, above) for key, value in values.items()})
        self._seen, self._above = seen, above

    def get(self, key: str, default: object = None) -> object:
        self._seen.add(self._above + key)
        return super().get(key, default)

    @classmethod
    def _watch(cls, key: str, value: object, seen: set[str], above: str) -> object:
        if isinstance(value, dict):
            return cls(value, seen, f"{above}{key}.")
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return [cls(item, seen, f"{above}{key}.") for item in value]
        return value


def _leaves(seen: set[str]) -> set[str]:
    return {key for key in seen if not any(other.startswith(f"{key}.") for other in seen)}


def _documented(page: str) -> list[str]:
    return re.findall(r"^\| `([a-z_.]+)` \|", (DOCS / page).read_text("utf-8"), re.MULTILINE)


def _example(page: str) -> str:
    found = re.search(r"```toml\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_every_key_of_a_notice_is_documented_and_no_other() -> None:
    seen: set[str] = set()
    required = changed(("voluntary = true", 'voluntary = false\n[requirement]\ncitation = "x"\nconsequence = "y"'))
    asks = (ELECTION, 'type = "report"\nitems = 3')
    attributes = 'components = []\n[audience.attributes]\nlanguage = ["en"]\n[audience.more]'
    for text in (
        TEST,
        TEST + SENDING,
        TEST + ELECTION_TERMS,
        required,
        changed(("components = ", f"{attributes}\nx = ")),
        *(changed(('type = "acknowledge"', ask)) for ask in asks),
    ):
        values = Watched(tomllib.loads(text), seen)
        _content(Table(values, faults=Faults("notice.toml")), {"": b"x"}, Faults("notice.toml"))
    documented = _documented("notice-file.md")
    assert len(documented) == len(set(documented))
    assert _leaves(seen) == set(documented)


def test_every_key_of_an_assessment_is_documented_and_no_other() -> None:
    seen: set[str] = set()
    values = Watched(tomllib.loads(_example("assessment-file.md")), seen)
    _document(Table(values, faults=Faults("assessment.toml")), Faults("assessment.toml"))
    documented = _documented("assessment-file.md")
    sections = {key for key in documented if key.startswith("sections.")}
    assert _leaves(seen) - set(values["sections"]) - sections == set(documented) - sections  # type: ignore[call-overload]
    faults = Faults("assessment.toml")
    Table({"sections": {key.removeprefix("sections."): "x" for key in sections}}, faults=faults).texts_table("sections")
    assert faults.sentences == []


def test_the_sections_documented_are_those_that_are_read() -> None:
    from postmuster.assessments.document import OPTIONAL_SECTIONS, REQUIRED_SECTIONS

    known = {key.replace("pia.", "sections.") for key in (*REQUIRED_SECTIONS, *OPTIONAL_SECTIONS)}
    assert {key for key in _documented("assessment-file.md") if key.startswith("sections.")} == known


def test_the_examples_can_be_read_and_belong_together() -> None:
    notice = read(_example("notice-file.md"), b"Dear {name}, choose by {deadline}.")
    document = read_assessment(_example("assessment-file.md").encode())
    assert isinstance(document, AssessmentDocument), list(document)
    assert uncovered(claims_of(notice), document) == []


def test_the_languages_are_named_as_they_are() -> None:
    page = (DOCS / "notice-file.md").read_text("utf-8")
    assert f"| `language` | {', '.join(LANGUAGES)} |" in page


def test_the_example_about_sending_can_be_read() -> None:
    page = (DOCS / "notice-file.md").read_text("utf-8")
    found = re.search(r"```text\n(\[rounds\]\n.*?)```", page, re.DOTALL)
    assert found
    ramp = read(TEST + found[1]).ramp
    assert ramp is not None
    assert ramp.shares == (1, 10, 30, 59)
