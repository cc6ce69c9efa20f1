"""Cases with a queue, claims, second readers, steps and looks; an officer's answer stands beside what was read.

The component of a case is filled in from its reply: the table's own guard would hide every row from the owner, so it stands
aside for that statement.
"""

import django.db.models.deletion
from django.db import migrations, models

from postmuster.base.tables import guard, never_changed, sequences

_WAITING = models.Q(state__in=["open", "proposed"])


class Migration(migrations.Migration):
    dependencies = (("replies", "0003_counted_for_holds"),)

    operations = (
        migrations.AddField("case", "component_no", models.IntegerField(null=True)),
        migrations.AddField("case", "claimed_by", models.BigIntegerField(null=True)),
        migrations.AddField("case", "claimed_until", models.DateTimeField(null=True)),
        migrations.AddField("case", "proposed_by", models.BigIntegerField(null=True)),
        migrations.RunSQL(
            "ALTER TABLE replies_case NO FORCE ROW LEVEL SECURITY;"
            "ALTER TABLE replies_reply NO FORCE ROW LEVEL SECURITY;"
            "UPDATE replies_case c SET component_no = r.component_no FROM replies_reply r WHERE r.id = c.reply_id;"
            "ALTER TABLE replies_reply FORCE ROW LEVEL SECURITY;"
            "ALTER TABLE replies_case FORCE ROW LEVEL SECURITY",
            migrations.RunSQL.noop,
        ),
        migrations.RemoveIndex("case", "replies_case_open"),
        migrations.AddIndex("case", models.Index(fields=["id"], condition=_WAITING, name="replies_case_queue")),
        migrations.AddIndex(
            "case", models.Index(fields=["reason", "id"], condition=_WAITING, name="replies_case_by_reason")
        ),
        migrations.AddIndex(
            "case",
            models.Index(fields=["component_no", "id"], condition=_WAITING, name="replies_case_by_component"),
        ),
        migrations.AddField("answer", "decided_in", models.BigIntegerField(null=True)),
        migrations.AlterField(
            "answer",
            "reply",
            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="replies.reply", db_index=False),
        ),
        migrations.AddConstraint(
            "answer",
            models.UniqueConstraint(fields=["reply", "decided_in"], nulls_distinct=False, name="replies_answer_once"),
        ),
        migrations.CreateModel(
            name="CaseStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=16)),
                ("at", models.DateTimeField()),
                ("officer_no", models.BigIntegerField()),
                ("decision", models.CharField(default="", max_length=24)),
                ("answer", models.CharField(default="", max_length=16)),
                ("choice", models.TextField(default="")),
                ("items", models.SmallIntegerField(default=0)),
                ("because", models.TextField(default="")),
                ("moves", models.JSONField(default=list)),
                (
                    "case",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="replies.case"),
                ),
            ],
            options={
                "db_table": "replies_case_step",
                "indexes": [models.Index(fields=["case", "id"], name="replies_case_step_case")],
            },
        ),
        migrations.CreateModel(
            name="Look",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person_no", models.BigIntegerField(null=True)),
                ("officer_no", models.BigIntegerField()),
                ("because", models.TextField()),
                ("at", models.DateTimeField()),
                (
                    "case",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="replies.case"),
                ),
                (
                    "reply",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="replies.reply"),
                ),
            ],
            options={
                "db_table": "replies_look",
                "indexes": [
                    models.Index(fields=["case", "id"], name="replies_look_case"),
                    models.Index(fields=["person_no", "id"], name="replies_look_person"),
                ],
            },
        ),
        guard("replies_case_step", application="select, insert"),
        guard("replies_look", application="select, insert"),
        sequences("replies_case_step_id_seq", "replies_look_id_seq"),
        never_changed(["replies_case_step", "replies_look"]),
    )
