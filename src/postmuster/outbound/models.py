"""Tables of outbound.

An audience row says who is written to and is written once at expand; a delivery row is written once with its outcome and
keeps the last state. No foreign keys and no index on state: at three million rows each would cost more than the mail.
A check query proves integrity instead.
"""

from __future__ import annotations

from django.db import models


class Audience(models.Model):
    """One person of a round; `seq` runs from 1 without gaps."""

    pk = models.CompositePrimaryKey("notice_no", "round_no", "seq")
    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    seq = models.IntegerField()
    person_no = models.BigIntegerField()
    component_no = models.IntegerField()

    class Meta:
        db_table = "outbound_audience"
        constraints = (
            models.UniqueConstraint(fields=["person_no", "notice_no", "round_no"], name="outbound_audience_once"),
        )


class Delivery(models.Model):
    """The outcome of one person's copy; a person of the audience without one is pending."""

    pk = models.CompositePrimaryKey("notice_no", "round_no", "seq")
    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    seq = models.IntegerField()
    component_no = models.IntegerField()
    state = models.CharField(max_length=10)
    reason = models.CharField(max_length=24)
    status = models.CharField(max_length=11)
    reply_code = models.SmallIntegerField(null=True)
    since = models.DateTimeField()

    class Meta:
        db_table = "outbound_delivery"


class History(models.Model):
    """Every change of a delivery that is not pending to relayed."""

    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    seq = models.IntegerField()
    before = models.CharField(max_length=10)
    state = models.CharField(max_length=10)
    reason = models.CharField(max_length=24)
    status = models.CharField(max_length=11)
    at = models.DateTimeField()

    class Meta:
        db_table = "outbound_history"
        indexes = (models.Index(fields=["notice_no", "round_no", "seq"], name="outbound_history_delivery"),)


class Batch(models.Model):
    """A run of one component's people that one sender claims at a time.

    The fencing number shuts out a sender that lost its lease. `handed_seq` is moved before each window: what lies beyond it
    was certainly not handed to the relay, whatever died.
    """

    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    component_no = models.IntegerField()
    handed_seq = models.IntegerField()
    first_seq = models.IntegerField()
    last_seq = models.IntegerField()
    state = models.CharField(max_length=8)
    fence = models.IntegerField(default=0)
    generation = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "outbound_batch"
        indexes = (
            models.Index(
                fields=["notice_no", "round_no", "id"],
                condition=~models.Q(state="done"),
                name="outbound_batch_to_do",
            ),
        )


class Retry(models.Model):
    """A copy that the relay put off; it is tried again when its time has come."""

    pk = models.CompositePrimaryKey("notice_no", "round_no", "seq")
    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    seq = models.IntegerField()
    attempts = models.SmallIntegerField()
    first_at = models.DateTimeField()
    not_before = models.DateTimeField()
    fence = models.IntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "outbound_retry"


class Counter(models.Model):
    """Changes of the number of deliveries in a state, by component; upkeep folds them."""

    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    component_no = models.IntegerField()
    state = models.CharField(max_length=10)
    delta = models.IntegerField()

    class Meta:
        db_table = "outbound_counter"
        indexes = (models.Index(fields=["notice_no", "round_no"], name="outbound_counter_round"),)


class Letter(models.Model):
    """A single mail to one person or officer; its text is in the vault, its making in the approved or house revision."""

    kind = models.CharField(max_length=16)
    notice_no = models.IntegerField()
    person_no = models.BigIntegerField(null=True)
    officer_no = models.BigIntegerField(null=True)
    reply_no = models.BigIntegerField(null=True)
    item_no = models.BigIntegerField()
    state = models.CharField(max_length=10)
    status = models.CharField(max_length=11, default="")
    reply_code = models.SmallIntegerField(null=True)
    attempts = models.SmallIntegerField(default=0)
    written_at = models.DateTimeField()
    not_before = models.DateTimeField()
    since = models.DateTimeField()
    fence = models.IntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "outbound_letter"
        indexes = (
            models.Index(fields=["not_before"], condition=models.Q(state="waiting"), name="outbound_letter_waiting"),
            models.Index(fields=["person_no"], name="outbound_letter_person"),
        )
