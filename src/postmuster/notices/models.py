"""Tables of notices. A revision's bytes never change; approvals name the revision they were given to."""

from __future__ import annotations

from django.db import models


class Notice(models.Model):
    kind = models.CharField(max_length=16)
    state = models.CharField(max_length=16)
    drafted_by = models.ForeignKey("access.Officer", on_delete=models.PROTECT)
    drafted_at = models.DateTimeField()

    class Meta:
        db_table = "notices_notice"


class Revision(models.Model):
    """The text of a notice as one officer left it: the TOML, the bodies by language, and the digest of both."""

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT)
    number = models.IntegerField()
    toml = models.BinaryField()
    bodies = models.JSONField()
    digest = models.BinaryField()
    edited_by = models.ForeignKey("access.Officer", on_delete=models.PROTECT)
    edited_at = models.DateTimeField()

    class Meta:
        db_table = "notices_revision"
        constraints = (models.UniqueConstraint(fields=["notice", "number"], name="notices_revision_once"),)


class Approval(models.Model):
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT)
    officer = models.ForeignKey("access.Officer", on_delete=models.PROTECT)
    approved_at = models.DateTimeField()

    class Meta:
        db_table = "notices_approval"
        constraints = (models.UniqueConstraint(fields=["revision", "officer"], name="notices_approval_once"),)


class Round(models.Model):
    """One sending of a frozen revision to the audience of a fixed roster version.

    `open_wave` is the last wave that may be sent, counted from 0 (the canary where there is one), open since `wave_opened_at`.
    """

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT)
    number = models.IntegerField()
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT)
    assessment_no = models.BigIntegerField()
    roster_version = models.IntegerField()
    state = models.CharField(max_length=16)
    audience = models.IntegerField(default=0)
    released_by = models.CharField(max_length=64)
    released_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    to = models.CharField(max_length=10, default="everyone")
    open_wave = models.SmallIntegerField(default=0)
    wave_opened_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "notices_round"
        constraints = (models.UniqueConstraint(fields=["notice", "number"], name="notices_round_once"),)
