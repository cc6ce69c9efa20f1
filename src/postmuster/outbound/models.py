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
        indexes = (
            models.Index(fields=["notice_no", "round_no", "seq"], name="outbound_history_delivery"),
            models.Index(
                fields=["notice_no", "round_no", "at"],
                condition=models.Q(state="failed"),
                name="outbound_history_failed",
            ),
        )


class Batch(models.Model):
    """A run of people of one component, in one time zone and of one wave, that one sender claims at a time.

    So a pause, quiet hours and a wave each hold whole batches, and cost nothing at the claim. The fencing number shuts out a
    sender that lost its lease. `handed_seq` is moved before each window: what lies beyond it was certainly not handed to the
    relay, whatever died.
    """

    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    component_no = models.IntegerField()
    time_zone = models.TextField(default="")
    wave = models.SmallIntegerField(default=0)
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


class Halt(models.Model):
    """What a sender saw when a stop ended its dialog: when the relay last took a copy (machine time)."""

    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    generation = models.BigIntegerField()
    last_taken_at = models.DateTimeField()

    class Meta:
        db_table = "outbound_halt"
        indexes = (models.Index(fields=["notice_no", "generation"], name="outbound_halt_notice"),)


class Spared(models.Model):
    """Somebody whom a further round does not write to, and why; written before the audience, gone when the next round begins."""

    pk = models.CompositePrimaryKey("notice_no", "round_no", "person_no")
    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    person_no = models.BigIntegerField()
    reason = models.CharField(max_length=24)

    class Meta:
        db_table = "outbound_spared"


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


class Watch(models.Model):
    """What upkeep last saw of a round that is being sent.

    `changed_at` is when its states last changed, by business time; `looked_at` and `counted_at` are the server's own clock.
    The accepted figures are those at `accepted_lift`, the newest lift of an automatic hold: they do not hold the round again.
    """

    pk = models.CompositePrimaryKey("notice_no", "round_no")
    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    states = models.JSONField()
    changed_at = models.DateTimeField()
    looked_at = models.DateTimeField()
    counted_at = models.DateTimeField(null=True)
    counted_failed = models.IntegerField(default=0)
    permanent = models.IntegerField(default=0)
    given_up = models.IntegerField(default=0)
    wave = models.SmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True)
    accepted_lift = models.BigIntegerField(default=0)
    accepted_permanent = models.IntegerField(default=0)
    accepted_transient = models.IntegerField(default=0)
    accepted_complaints = models.IntegerField(default=0)
    accepted_not_mine = models.IntegerField(default=0)

    class Meta:
        db_table = "outbound_watch"


class DomainWatch(models.Model):
    """A receiving domain with many failures in a round: copies it was handed at least, and the failures accepted."""

    pk = models.CompositePrimaryKey("notice_no", "round_no", "domain")
    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    domain = models.TextField()
    handed = models.IntegerField(default=0)
    accepted_incident = models.BigIntegerField(default=0)
    accepted_failed = models.IntegerField(default=0)

    class Meta:
        db_table = "outbound_domain_watch"


class Incident(models.Model):
    """A mass bounce: too many permanent failures in one receiving domain. It stands as long as its hold does."""

    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    domain = models.TextField()
    failed = models.IntegerField()
    handed = models.IntegerField()
    stop_no = models.BigIntegerField()
    opened_at = models.DateTimeField()

    class Meta:
        db_table = "outbound_incident"
        indexes = (models.Index(fields=["notice_no", "round_no"], name="outbound_incident_round"),)


class Suppression(models.Model):
    """Why a person is not written to at an address: the evidence is a delivery or a reply. The address is a digest."""

    person_no = models.BigIntegerField()
    address_digest = models.BinaryField()
    reason = models.CharField(max_length=24)
    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    seq = models.IntegerField(null=True)
    reply_no = models.BigIntegerField(null=True)
    status = models.CharField(max_length=11, default="")
    at = models.DateTimeField()

    class Meta:
        db_table = "outbound_suppression"
        indexes = (models.Index(fields=["person_no"], name="outbound_suppression_person"),)
        constraints = (
            models.UniqueConstraint(
                fields=["notice_no", "round_no", "seq"],
                condition=models.Q(reply_no=None),
                name="outbound_suppression_delivery",
            ),
            models.UniqueConstraint(fields=["reply_no"], name="outbound_suppression_reply"),
        )


class SuppressionLift(models.Model):
    """The end of a suppression by an officer, or by an incident that makes its evidence doubtful."""

    suppression = models.OneToOneField(Suppression, on_delete=models.PROTECT)
    reason = models.TextField()
    lifted_by = models.CharField(max_length=64)
    lifted_at = models.DateTimeField()

    class Meta:
        db_table = "outbound_suppression_lift"


class SuppressionMark(models.Model):
    """Failures up to here were looked at. One row; `looked_at` is the server's own clock."""

    until = models.DateTimeField()
    looked_at = models.DateTimeField()

    class Meta:
        db_table = "outbound_suppression_mark"
