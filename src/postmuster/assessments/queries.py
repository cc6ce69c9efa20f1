"""Reading published assessments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from postmuster.assessments.document import AssessmentDocument, read_canonical_assessment
from postmuster.assessments.models import Assessment
from postmuster.assessments.table import Refusals
from postmuster.base import sql
from postmuster.base.errors import Defect


@dataclass(frozen=True, slots=True)
class Published:
    """One published version."""

    assessment_no: int
    document: AssessmentDocument
    digest: bytes
    published_by: str
    published_at: datetime


def published(slug: str, version: int | None = None) -> Published | None:
    """The named version, or the newest one of the slug. Index: assessment_version_once."""
    with sql.guarded():
        found = Assessment.objects.filter(slug=slug).order_by("-version")
        row = (found.filter(version=version) if version is not None else found).first()
        return _value(row) if row else None


def by_number(assessment_no: int) -> Published:
    """The version a round stands on. Index: primary key."""
    with sql.guarded():
        return _value(Assessment.objects.get(pk=assessment_no))


def all_published() -> list[Published]:
    """Every version, by slug and number."""
    with sql.guarded():
        return [_value(row) for row in Assessment.objects.order_by("slug", "version")]


def _value(row: Assessment) -> Published:
    document = read_canonical_assessment(bytes(row.document))
    if isinstance(document, Refusals):
        raise Defect(f"The stored assessment {row.pk} cannot be read; nothing was done; please report it.")
    return Published(row.pk, document, bytes(row.digest), row.published_by, row.published_at)
