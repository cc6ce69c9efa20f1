"""Tables of replies. Text is in the vault; rows hold what can be counted, and digests that let one mail count once."""

from __future__ import annotations

from django.db import models


class Reply(models.Model):
    """One mail that came in and what it was taken for."""

    mail_no = models.BigIntegerField(unique=True)
    item_no = models.BigIntegerField()
    kind = models.CharField(max_length=16)
    subkind = models.CharField(max_length=16, default="")
    notice_no = models.IntegerField(null=True)
    round_no = models.SmallIntegerField(null=True)
    seq = models.IntegerField(null=True)
    person_no = models.BigIntegerField(null=True)
    component_no = models.IntegerField(null=True)
    matched_by = models.CharField(max_length=12)
    reason = models.CharField(max_length=24, default="")
    grade = models.CharField(max_length=1, default="")
    language = models.CharField(max_length=16, default="")
    late = models.BooleanField(default=False)
    accepted_at = models.DateTimeField()
    digested_at = models.DateTimeField()

    class Meta:
        db_table = "replies_reply"
        indexes = (
            models.Index(fields=["notice_no", "kind"], name="replies_reply_notice"),
            models.Index(fields=["person_no"], name="replies_reply_person"),
            models.Index(fields=["digested_at"], condition=models.Q(kind="complaint"), name="replies_reply_complaint"),
        )


class Seen(models.Model):
    """Digests of Message-IDs and signed bodies: the same mail counts once for ever."""

    digest = models.BinaryField(primary_key=True)
    mail_no = models.BigIntegerField()

    class Meta:
        db_table = "replies_seen"


class Answer(models.Model):
    """What a reply answers; at most one answer of a person and notice stands."""

    reply = models.OneToOneField(Reply, on_delete=models.PROTECT)
    notice_no = models.IntegerField()
    person_no = models.BigIntegerField()
    component_no = models.IntegerField()
    type = models.CharField(max_length=16)
    choice = models.TextField(default="")
    items = models.SmallIntegerField(default=0)
    confidence = models.FloatField()
    reasons = models.JSONField()
    state = models.CharField(max_length=20)
    accepted_at = models.DateTimeField()

    class Meta:
        db_table = "replies_answer"
        constraints = (
            models.UniqueConstraint(
                fields=["notice_no", "person_no"],
                condition=models.Q(state__in=["counted", "needs_confirmation"]),
                name="replies_answer_stands_once",
            ),
        )
        indexes = (
            models.Index(fields=["notice_no"], condition=models.Q(type="not_mine"), name="replies_answer_not_mine"),
        )


class Case(models.Model):
    """Something only a person can decide."""

    reply = models.ForeignKey(Reply, on_delete=models.PROTECT)
    reason = models.CharField(max_length=24)
    state = models.CharField(max_length=10)
    opened_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=64, default="")
    decision = models.CharField(max_length=24, default="")

    class Meta:
        db_table = "replies_case"
        indexes = (
            models.Index(fields=["reason"], condition=models.Q(state="open"), name="replies_case_open"),
            models.Index(
                fields=["decided_at"],
                condition=models.Q(reason="not_mine", decision="not-ours"),
                name="replies_case_not_ours",
            ),
        )
