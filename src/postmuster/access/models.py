"""Tables of access: officers and the roles they hold, for everything or for one component."""

from __future__ import annotations

from django.db import models


class Officer(models.Model):
    handle = models.CharField(max_length=64)
    name = models.TextField(default="")
    address = models.TextField(default="")
    joined_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "access_officer"
        constraints = (models.UniqueConstraint(fields=["handle"], name="access_officer_handle"),)


class OfficerRole(models.Model):
    officer = models.ForeignKey(Officer, on_delete=models.PROTECT)
    role = models.CharField(max_length=32)
    component_path = models.TextField(default="")

    class Meta:
        db_table = "access_officer_role"
        constraints = (models.UniqueConstraint(fields=["officer", "role", "component_path"], name="access_role_once"),)
