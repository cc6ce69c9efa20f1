"""Tables of the roster. An entry holds from one version until another: a version is a view over entries, not a copy."""

from __future__ import annotations

from django.db import models


class Version(models.Model):
    """One load of the feed and what it changed."""

    loaded_at = models.DateTimeField()
    loaded_by = models.CharField(max_length=64)
    source_digest = models.BinaryField()
    people = models.IntegerField()
    joined = models.IntegerField()
    left = models.IntegerField()
    moved = models.IntegerField()
    changed = models.IntegerField()
    rejected = models.IntegerField()
    kept = models.IntegerField(default=0)

    class Meta:
        db_table = "roster_version"


class Component(models.Model):
    path = models.TextField()

    class Meta:
        db_table = "roster_component"
        constraints = (models.UniqueConstraint(fields=["path"], name="roster_component_path"),)


class Person(models.Model):
    """A person for as long as anything is known of them; entries come and go."""

    person_id = models.TextField()

    class Meta:
        db_table = "roster_person"
        constraints = (models.UniqueConstraint(fields=["person_id"], name="roster_person_id"),)


class Entry(models.Model):
    """What the feed said of a person from version `since` until before version `until`."""

    person_no = models.BigIntegerField()
    since = models.IntegerField()
    until = models.IntegerField(null=True)
    local_part = models.TextField()
    domain = models.TextField()
    address_key = models.TextField()
    name = models.TextField()
    component_no = models.BigIntegerField()
    employment_class = models.CharField(max_length=16)
    manager_id = models.TextField()
    time_zone = models.TextField()
    language = models.CharField(max_length=16)
    status = models.CharField(max_length=16)
    leave_until = models.DateField(null=True)

    class Meta:
        db_table = "roster_entry"
        constraints = (
            models.UniqueConstraint(
                fields=["person_no"], condition=models.Q(until=None), name="roster_entry_person_now"
            ),
            models.UniqueConstraint(
                fields=["address_key"], condition=models.Q(until=None), name="roster_entry_address_now"
            ),
            models.CheckConstraint(
                condition=models.Q(until=None) | models.Q(until__gt=models.F("since")), name="roster_entry_forward"
            ),
        )
        indexes = (
            models.Index(fields=["person_no", "since"], name="roster_entry_person_since"),
            models.Index(fields=["component_no", "time_zone", "person_no"], name="roster_entry_component"),
            models.Index(
                fields=["address_key"], condition=models.Q(until__isnull=False), name="roster_entry_address_former"
            ),
        )
