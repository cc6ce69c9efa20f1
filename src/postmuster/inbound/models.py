"""Table of mail taken in. The row is the job: committed before 250, claimed by digest loops under a lease."""

from __future__ import annotations

from django.db import models


class Mail(models.Model):
    """One mail for one of our addresses: envelope and bytes are one sealed item."""

    item_no = models.BigIntegerField()
    accepted_at = models.DateTimeField()
    octets = models.IntegerField()
    state = models.CharField(max_length=8)
    attempts = models.SmallIntegerField(default=0)
    fence = models.IntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "inbound_mail"
        indexes = (models.Index(fields=["id"], condition=models.Q(state="waiting"), name="inbound_mail_waiting"),)


class Mailbox(models.Model):
    """How far a mailbox was taken from. `place` is a digest; numbers are the server's (UID)."""

    place = models.CharField(max_length=32, unique=True)
    kind = models.CharField(max_length=8)
    uid_validity = models.BigIntegerField(null=True)
    last_uid = models.BigIntegerField(default=0)
    to_mark = models.JSONField(default=list)
    taken = models.BigIntegerField(default=0)
    left_out = models.BigIntegerField(default=0)
    waiting = models.IntegerField(default=0)
    oldest_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)
    trouble = models.CharField(max_length=16, default="")
    trouble_since = models.DateTimeField(null=True)

    class Meta:
        db_table = "inbound_mailbox"


class Taken(models.Model):
    """Digests of mails that came from a mailbox: what is read there again is the same mail, and is taken once for ever."""

    digest = models.BinaryField(primary_key=True)

    class Meta:
        db_table = "inbound_taken"
