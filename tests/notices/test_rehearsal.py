"""The notices of the rehearsal are sound, covered and in time."""

from __future__ import annotations

import datetime

import pytest

from postmuster.assessments.coverage import overdue, uncovered
from postmuster.assessments.document import AssessmentDocument, read_assessment
from postmuster.notices.content import claims_of, reasons_static
from postmuster.notices.terms import LANGUAGES, PERSON_ZONE
from postmuster.organisation.people import AGENCIES

from .samples import KINDS, REHEARSAL, rehearsal_notice

BEGINS = datetime.datetime(2027, 3, 1, 9, tzinfo=datetime.UTC)


def _assessment(slug: str) -> AssessmentDocument:
    document = read_assessment((REHEARSAL / "assessments" / f"{slug}.toml").read_bytes())
    assert isinstance(document, AssessmentDocument), list(document)
    return document


@pytest.mark.parametrize("kind", KINDS)
def test_each_notice_is_covered_and_in_time_when_the_rehearsal_begins(kind: str) -> None:
    content = rehearsal_notice(kind)
    document = _assessment(content.assessment.slug)
    assert uncovered(claims_of(content), document) == []
    assert overdue(document, BEGINS.date()) == []
    assert reasons_static(content, BEGINS) == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_notice_goes_to_the_whole_organisation_but_judges_and_elected_people(kind: str) -> None:
    audience = rehearsal_notice(kind).audience
    assert set(audience.components) == {agency.name for agency in AGENCIES}
    assert set(audience.classes) == {"employee", "contractor", "detailee", "other", "military"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_notice_has_a_body_in_every_language(kind: str) -> None:
    content = rehearsal_notice(kind)
    assert {language for language, _ in content.bodies} == set(LANGUAGES)
    assert content.language_for("es-MX") == "es"
    assert content.language_for("ja") == "en"


def test_the_offer_ends_in_each_persons_own_zone() -> None:
    deadline = rehearsal_notice("offer").deadline
    assert deadline is not None
    assert deadline.zone == PERSON_ZONE


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_in_an_assessment_is_needed_by_its_notice(kind: str) -> None:
    content = rehearsal_notice(kind)
    document, claims = _assessment(content.assessment.slug), claims_of(content)
    assert set(document.data) == set(claims.data)
    assert set(document.sharing) == set(claims.sharing)
    assert [term.max_days for term in document.retention] == [claims.retention_days]
