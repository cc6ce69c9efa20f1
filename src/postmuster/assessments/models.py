"""Published assessment versions: never changed, never removed."""

from __future__ import annotations

from django.db import models


class Assessment(models.Model):
    slug = models.CharField(max_length=64)
    version = models.IntegerField()
    document = models.BinaryField()
    digest = models.BinaryField()
    published_by = models.CharField(max_length=64)
    published_at = models.DateTimeField()

    class Meta:
        db_table = "assessments_assessment"
        constraints = (models.UniqueConstraint(fields=["slug", "version"], name="assessment_version_once"),)
