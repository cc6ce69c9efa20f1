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
    manager_in_copy = models.CharField(max_length=12, default="", db_default="")
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
    """What a reply answers, as it was read or (`decided_in`, a step of its case) as an officer decided; at most one stands."""

    reply = models.ForeignKey(Reply, on_delete=models.PROTECT, db_index=False)
    decided_in = models.BigIntegerField(null=True)
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
            models.UniqueConstraint(fields=["reply", "decided_in"], nulls_distinct=False, name="replies_answer_once"),
        )
        indexes = (
            models.Index(fields=["notice_no"], condition=models.Q(type="not_mine"), name="replies_answer_not_mine"),
        )


class Case(models.Model):
    """Something only a person can decide. A claim is a lease: from `claimed_until` on it is nobody's."""

    reply = models.ForeignKey(Reply, on_delete=models.PROTECT)
    component_no = models.IntegerField(null=True)
    reason = models.CharField(max_length=24)
    state = models.CharField(max_length=10)
    opened_at = models.DateTimeField()
    claimed_by = models.BigIntegerField(null=True)
    claimed_until = models.DateTimeField(null=True)
    proposed_by = models.BigIntegerField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=64, default="")
    decision = models.CharField(max_length=24, default="")

    class Meta:
        db_table = "replies_case"
        indexes = (
            models.Index(fields=["id"], condition=models.Q(state__in=["open", "proposed"]), name="replies_case_queue"),
            models.Index(
                fields=["reason", "id"],
                condition=models.Q(state__in=["open", "proposed"]),
                name="replies_case_by_reason",
            ),
            models.Index(
                fields=["component_no", "id"],
                condition=models.Q(state__in=["open", "proposed"]),
                name="replies_case_by_component",
            ),
            models.Index(
                fields=["decided_at"],
                condition=models.Q(reason="not_mine", decision="not-ours"),
                name="replies_case_not_ours",
            ),
        )


class CaseStep(models.Model):
    """What an officer did with a case. `moves` are the answers it moved: number, state before, state after."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, db_index=False)
    kind = models.CharField(max_length=16)
    at = models.DateTimeField()
    officer_no = models.BigIntegerField()
    decision = models.CharField(max_length=24, default="")
    answer = models.CharField(max_length=16, default="")
    choice = models.TextField(default="")
    items = models.SmallIntegerField(default=0)
    because = models.TextField(default="")
    moves = models.JSONField(default=list)

    class Meta:
        db_table = "replies_case_step"
        indexes = (models.Index(fields=["case", "id"], name="replies_case_step_case"),)


class Look(models.Model):
    """One look of an officer at what somebody wrote, entered before the text is opened."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, db_index=False)
    reply = models.ForeignKey(Reply, on_delete=models.PROTECT, db_index=False)
    person_no = models.BigIntegerField(null=True)
    officer_no = models.BigIntegerField()
    because = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "replies_look"
        indexes = (
            models.Index(fields=["case", "id"], name="replies_look_case"),
            models.Index(fields=["person_no", "id"], name="replies_look_person"),
        )


_STANDING = [
    "needs_confirmation",
    "waits_for_page",
    "not_eligible",
    "under_review",
    "escalated",
    "recorded",
    "exported",
]


class Election(models.Model):
    """A choice on its way from the mail that was read to the file that carries it out; at most one of a person stands.

    `reason` is a word: why it is not eligible, has lapsed, or waits. An officer's own words are in the vault (`reason_item`).
    """

    answer = models.ForeignKey(Answer, on_delete=models.PROTECT)
    notice_no = models.IntegerField()
    round_no = models.SmallIntegerField()
    seq = models.IntegerField()
    person_no = models.BigIntegerField()
    component_no = models.IntegerField()
    choice = models.TextField()
    grade = models.CharField(max_length=1)
    state = models.CharField(max_length=20)
    reason = models.CharField(max_length=24, default="")
    tries = models.SmallIntegerField(default=0)
    read_at = models.DateTimeField()
    since = models.DateTimeField()
    code_until = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    review_until = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(null=True)
    withdraw_until = models.DateTimeField(null=True)
    reason_item = models.BigIntegerField(null=True)

    class Meta:
        db_table = "replies_election"
        constraints = (
            models.UniqueConstraint(
                fields=["notice_no", "person_no"],
                condition=models.Q(state__in=_STANDING),
                name="replies_election_stands_once",
            ),
        )
        indexes = (
            models.Index(fields=["notice_no", "person_no"], name="replies_election_person"),
            models.Index(fields=["notice_no", "state", "component_no"], name="replies_election_state"),
            models.Index(
                fields=["code_until"], condition=models.Q(state="needs_confirmation"), name="replies_election_code"
            ),
            models.Index(
                fields=["review_until"], condition=models.Q(state="under_review"), name="replies_election_review"
            ),
        )


class ElectionStep(models.Model):
    """One step of an election, and the letter that told its person; a state is entered once, and told once."""

    election = models.ForeignKey(Election, on_delete=models.PROTECT)
    before = models.CharField(max_length=20, default="")
    after = models.CharField(max_length=20)
    at = models.DateTimeField()
    by = models.CharField(max_length=64)
    letter_no = models.BigIntegerField(null=True)

    class Meta:
        db_table = "replies_election_step"
        constraints = (models.UniqueConstraint(fields=["election", "after"], name="replies_election_step_once"),)


class ElectionExport(models.Model):
    """An export that one officer asked for, and that another made by asking for the same. `cut_at` fixes what is in it."""

    notice_no = models.IntegerField()
    manifest = models.BinaryField()
    elections = models.IntegerField()
    cut_at = models.DateTimeField()
    first_by = models.BigIntegerField()
    first_at = models.DateTimeField()
    second_by = models.BigIntegerField(null=True)
    second_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "replies_election_export"
        constraints = (
            models.UniqueConstraint(
                fields=["notice_no"], condition=models.Q(second_by=None), name="replies_election_export_open"
            ),
            models.CheckConstraint(
                condition=models.Q(second_by=None) | ~models.Q(second_by=models.F("first_by")),
                name="replies_election_export_two",
            ),
        )
