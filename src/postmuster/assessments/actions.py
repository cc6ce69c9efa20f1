"""Publishing an assessment: from then on that version never changes."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from postmuster.access.roles import Actor
from postmuster.assessments import queries
from postmuster.assessments.document import AssessmentDocument, assessment_digest, canonical_assessment
from postmuster.assessments.models import Assessment
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.ledger import actions as ledger


def publish(document: AssessmentDocument, *, actor: Actor, now: datetime) -> int:
    """Publish one version; returns its number. Versions follow one another without a gap.

    Ledger: `assessment published`. Raises `Refused` for a version that is there already or skips one.
    """
    with sql.guarded(), transaction.atomic():
        newest = queries.published(document.slug)
        expected = newest.document.version + 1 if newest else 1
        if document.version != expected:
            raise Refused(
                f"The next version of {document.slug} is {expected}, the file says {document.version}; nothing was "
                f"published; set version = {expected}."
            )
        digest = bytes.fromhex(assessment_digest(document))
        row = Assessment.objects.create(
            slug=document.slug,
            version=document.version,
            document=canonical_assessment(document),
            digest=digest,
            published_by=actor.mark,
            published_at=now,
        )
        facts = {"version": document.version, "digest": digest.hex()}
        ledger.append(
            kind="assessment published", actor=actor.mark, subject=f"assessment:{row.pk}", facts=facts, now=now
        )
    return int(row.pk)
