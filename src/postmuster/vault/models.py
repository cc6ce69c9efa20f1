"""Tables of the vault: wrapped keys of notices and persons, and sealed items that refer to them."""

from __future__ import annotations

from django.db import models


class Key(models.Model):
    """The key of one notice or one person, wrapped under a master epoch."""

    scope = models.CharField(max_length=8)
    owner_no = models.BigIntegerField()
    epoch_no = models.IntegerField()
    wrapped = models.BinaryField()
    made_at = models.DateTimeField()

    class Meta:
        db_table = "vault_key"
        constraints = (models.UniqueConstraint(fields=["scope", "owner_no"], name="vault_key_once"),)


class Item(models.Model):
    """Sealed bytes. Either both owners are named, or the data key is wrapped under `epoch_no` alone."""

    notice_no = models.BigIntegerField(null=True)
    person_no = models.BigIntegerField(null=True)
    epoch_no = models.IntegerField(null=True)
    wrapped = models.BinaryField()
    sealed = models.BinaryField()
    octets = models.IntegerField()
    sealed_at = models.DateTimeField()

    class Meta:
        db_table = "vault_item"
        constraints = (
            models.CheckConstraint(
                condition=models.Q(epoch_no__isnull=False, notice_no=None, person_no=None)
                | models.Q(epoch_no=None, notice_no__isnull=False, person_no__isnull=False),
                name="vault_item_one_way",
            ),
        )
