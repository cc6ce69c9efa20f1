"""What is watched while a round is sent, mass bounces, and whom nobody writes to any more."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from postmuster.base.tables import guard, never_changed, sequences


def _key(*fields: str) -> tuple[str, Any]:
    return ("pk", models.CompositePrimaryKey(*fields, blank=True, editable=False, primary_key=True, serialize=False))


def _id() -> tuple[str, Any]:
    return ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))


class Migration(migrations.Migration):
    dependencies = (("outbound", "0004_spared"),)

    operations = (
        migrations.AddIndex(
            "history",
            models.Index(
                fields=["notice_no", "round_no", "at"],
                condition=models.Q(state="failed"),
                name="outbound_history_failed",
            ),
        ),
        migrations.CreateModel(
            name="Watch",
            fields=[
                _key("notice_no", "round_no"),
                ("notice_no", models.IntegerField()),
                ("round_no", models.SmallIntegerField()),
                ("states", models.JSONField()),
                ("changed_at", models.DateTimeField()),
                ("looked_at", models.DateTimeField()),
                ("counted_at", models.DateTimeField(null=True)),
                ("counted_failed", models.IntegerField(default=0)),
                ("permanent", models.IntegerField(default=0)),
                ("given_up", models.IntegerField(default=0)),
                ("wave", models.SmallIntegerField(default=0)),
                ("done_at", models.DateTimeField(null=True)),
                ("accepted_lift", models.BigIntegerField(default=0)),
                ("accepted_permanent", models.IntegerField(default=0)),
                ("accepted_transient", models.IntegerField(default=0)),
                ("accepted_complaints", models.IntegerField(default=0)),
                ("accepted_not_mine", models.IntegerField(default=0)),
            ],
            options={"db_table": "outbound_watch"},
        ),
        migrations.CreateModel(
            name="DomainWatch",
            fields=[
                _key("notice_no", "round_no", "domain"),
                ("notice_no", models.IntegerField()),
                ("round_no", models.SmallIntegerField()),
                ("domain", models.TextField()),
                ("handed", models.IntegerField(default=0)),
                ("accepted_incident", models.BigIntegerField(default=0)),
                ("accepted_failed", models.IntegerField(default=0)),
            ],
            options={"db_table": "outbound_domain_watch"},
        ),
        migrations.CreateModel(
            name="Incident",
            fields=[
                _id(),
                ("notice_no", models.IntegerField()),
                ("round_no", models.SmallIntegerField()),
                ("domain", models.TextField()),
                ("failed", models.IntegerField()),
                ("handed", models.IntegerField()),
                ("stop_no", models.BigIntegerField()),
                ("opened_at", models.DateTimeField()),
            ],
            options={
                "db_table": "outbound_incident",
                "indexes": [models.Index(fields=["notice_no", "round_no"], name="outbound_incident_round")],
            },
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                _id(),
                ("person_no", models.BigIntegerField()),
                ("address_digest", models.BinaryField()),
                ("reason", models.CharField(max_length=24)),
                ("notice_no", models.IntegerField()),
                ("round_no", models.SmallIntegerField()),
                ("seq", models.IntegerField(null=True)),
                ("reply_no", models.BigIntegerField(null=True)),
                ("status", models.CharField(default="", max_length=11)),
                ("at", models.DateTimeField()),
            ],
            options={
                "db_table": "outbound_suppression",
                "indexes": [models.Index(fields=["person_no"], name="outbound_suppression_person")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("reply_no", None)),
                        fields=("notice_no", "round_no", "seq"),
                        name="outbound_suppression_delivery",
                    ),
                    models.UniqueConstraint(fields=("reply_no",), name="outbound_suppression_reply"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SuppressionLift",
            fields=[
                _id(),
                (
                    "suppression",
                    models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, to="outbound.suppression"),
                ),
                ("reason", models.TextField()),
                ("lifted_by", models.CharField(max_length=64)),
                ("lifted_at", models.DateTimeField()),
            ],
            options={"db_table": "outbound_suppression_lift"},
        ),
        migrations.CreateModel(
            name="SuppressionMark",
            fields=[_id(), ("until", models.DateTimeField()), ("looked_at", models.DateTimeField())],
            options={"db_table": "outbound_suppression_mark"},
        ),
        guard("outbound_watch", application="select, insert, update"),
        guard("outbound_domain_watch", application="select, insert, update"),
        guard("outbound_incident", application="select, insert"),
        guard("outbound_suppression", application="select, insert"),
        guard("outbound_suppression_lift", application="select, insert"),
        guard("outbound_suppression_mark", application="select, insert, update"),
        sequences(
            "outbound_incident_id_seq",
            "outbound_suppression_id_seq",
            "outbound_suppression_lift_id_seq",
            "outbound_suppression_mark_id_seq",
        ),
        never_changed(("outbound_incident", "outbound_suppression", "outbound_suppression_lift")),
    )
