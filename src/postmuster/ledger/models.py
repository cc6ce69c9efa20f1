"""Tables of the ledger: entries as acts made them, links as the sequencer numbered them. Both are append-only."""

from __future__ import annotations

from django.db import models


class Entry(models.Model):
    """One act, appended in its own transaction, unnumbered."""

    kind = models.CharField(max_length=64)
    at = models.DateTimeField()
    actor = models.CharField(max_length=64)
    subject = models.CharField(max_length=64)
    facts = models.JSONField()
    salt = models.BinaryField()

    class Meta:
        db_table = "ledger_entry"


class Link(models.Model):
    """The place the sequencer gave an entry, and the hash that binds all before it."""

    seq = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT)
    leaf = models.BinaryField()
    chained = models.BinaryField()

    class Meta:
        db_table = "ledger_link"
