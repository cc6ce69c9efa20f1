"""Elections, their steps, and the exports two officers asked for; with rights and row-level security."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from postmuster.base.tables import guard, never_changed, sequences

_STANDING = [
    "needs_confirmation",
    "waits_for_page",
    "not_eligible",
    "under_review",
    "escalated",
    "recorded",
    "exported",
]


def _id() -> tuple[str, Any]:
    return "id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = (("replies", "0004_cases"),)

    operations = (
        migrations.CreateModel(
            name="Election",
            fields=[
                _id(),
                ("notice_no", models.IntegerField()),
                ("round_no", models.SmallIntegerField()),
                ("seq", models.IntegerField()),
                ("person_no", models.BigIntegerField()),
                ("component_no", models.IntegerField()),
                ("choice", models.TextField()),
                ("grade", models.CharField(max_length=1)),
                ("state", models.CharField(max_length=20)),
                ("reason", models.CharField(default="", max_length=24)),
                ("tries", models.SmallIntegerField(default=0)),
                ("read_at", models.DateTimeField()),
                ("since", models.DateTimeField()),
                ("code_until", models.DateTimeField(null=True)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("review_until", models.DateTimeField(null=True)),
                ("recorded_at", models.DateTimeField(null=True)),
                ("withdraw_until", models.DateTimeField(null=True)),
                ("reason_item", models.BigIntegerField(null=True)),
                ("answer", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="replies.answer")),
            ],
            options={
                "db_table": "replies_election",
                "indexes": [
                    models.Index(fields=["notice_no", "person_no"], name="replies_election_person"),
                    models.Index(fields=["notice_no", "state", "component_no"], name="replies_election_state"),
                    models.Index(
                        condition=models.Q(("state", "needs_confirmation")),
                        fields=["code_until"],
                        name="replies_election_code",
                    ),
                    models.Index(
                        condition=models.Q(("state", "under_review")),
                        fields=["review_until"],
                        name="replies_election_review",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", _STANDING)),
                        fields=("notice_no", "person_no"),
                        name="replies_election_stands_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ElectionExport",
            fields=[
                _id(),
                ("notice_no", models.IntegerField()),
                ("manifest", models.BinaryField()),
                ("elections", models.IntegerField()),
                ("cut_at", models.DateTimeField()),
                ("first_by", models.BigIntegerField()),
                ("first_at", models.DateTimeField()),
                ("second_by", models.BigIntegerField(null=True)),
                ("second_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "replies_election_export",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("second_by", None)),
                        fields=("notice_no",),
                        name="replies_election_export_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("second_by", None),
                            models.Q(("second_by", models.F("first_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="replies_election_export_two",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ElectionStep",
            fields=[
                _id(),
                ("before", models.CharField(default="", max_length=20)),
                ("after", models.CharField(max_length=20)),
                ("at", models.DateTimeField()),
                ("by", models.CharField(max_length=64)),
                ("letter_no", models.BigIntegerField(null=True)),
                ("election", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="replies.election")),
            ],
            options={
                "db_table": "replies_election_step",
                "constraints": [
                    models.UniqueConstraint(fields=("election", "after"), name="replies_election_step_once"),
                ],
            },
        ),
        guard("replies_election", application="select, insert, update"),
        guard("replies_election_step", application="select, insert"),
        guard("replies_election_export", application="select, insert, update, delete"),
        sequences("replies_election_id_seq", "replies_election_step_id_seq", "replies_election_export_id_seq"),
        never_changed(["replies_election_step"]),
    )
