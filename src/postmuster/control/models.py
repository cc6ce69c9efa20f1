"""Tables of control. Rows are only added: lifting a stop is another row. The generation counts every change."""

from __future__ import annotations

from django.db import models


class Generation(models.Model):
    """One row: how often what may happen has changed. Senders compare it before each window."""

    number = models.BigIntegerField()

    class Meta:
        db_table = "control_generation"


class Stop(models.Model):
    """A stop of a lane: for one notice or all (0), for one component with its subtree or all ('')."""

    notice_no = models.BigIntegerField(default=0)
    component_path = models.TextField(default="")
    lane = models.CharField(max_length=16)
    cause = models.CharField(max_length=16)
    reason = models.TextField()
    set_by = models.CharField(max_length=64)
    set_at = models.DateTimeField()

    class Meta:
        db_table = "control_stop"


class Lift(models.Model):
    """The end of a stop."""

    stop = models.OneToOneField(Stop, on_delete=models.PROTECT)
    reason = models.TextField()
    lifted_by = models.CharField(max_length=64)
    lifted_at = models.DateTimeField()

    class Meta:
        db_table = "control_lift"
