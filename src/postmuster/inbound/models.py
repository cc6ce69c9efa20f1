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
