"""Tables of control. Rows are only added: lifting a stop is another row. The generation counts every change."""

from __future__ import annotations

from django.db import models


class ClockTimestamp(models.Func):
    """The moment at which the row is written, by the server's clock."""

    function = "clock_timestamp"
    output_field = models.DateTimeField()


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
    # What set an automatic hold (`restored`, …); empty for what an officer set.
    kind = models.CharField(max_length=32, default="")
    # The component whose officer set it; empty where an approver or a process did. Who may lift it depends on it.
    level = models.TextField(default="")
    # What the officer who stopped was asked; NULL where nobody was.
    tell_reached = models.BooleanField(null=True)
    accept_replies = models.BooleanField(null=True)
    # The server's own clock, because `set_at` is business time: from here on it is counted how long a stop takes.
    committed_at = models.DateTimeField(db_default=ClockTimestamp())

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


class Told(models.Model):
    """Those reached by a stopped notice were told: which notice told them."""

    stop = models.OneToOneField(Stop, on_delete=models.PROTECT)
    by_notice_no = models.BigIntegerField()
    told_by = models.CharField(max_length=64)
    told_at = models.DateTimeField()

    class Meta:
        db_table = "control_told"


class Identity(models.Model):
    """Which database this is, as it was enrolled or last confirmed; the newest row counts (P13)."""

    system_identifier = models.TextField()
    database_oid = models.BigIntegerField()
    place = models.TextField()
    machine = models.TextField()
    epoch = models.CharField(max_length=64)
    reason = models.TextField(default="")
    confirmed_by = models.CharField(max_length=64)
    confirmed_at = models.DateTimeField()

    class Meta:
        db_table = "control_identity"
