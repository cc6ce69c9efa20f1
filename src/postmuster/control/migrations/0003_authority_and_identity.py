"""Who set a stop, what was asked with it, when it was committed; who was told; which database this is."""

import django.db.models.deletion
from django.db import migrations, models

import postmuster.control.models
from postmuster.base.tables import guard, never_changed, sequences


class Migration(migrations.Migration):
    dependencies = (("control", "0002_guards"),)

    operations = (
        migrations.AddField("stop", "kind", models.CharField(default="", max_length=32)),
        migrations.AddField("stop", "level", models.TextField(default="")),
        migrations.AddField("stop", "tell_reached", models.BooleanField(null=True)),
        migrations.AddField("stop", "accept_replies", models.BooleanField(null=True)),
        migrations.AddField(
            "stop", "committed_at", models.DateTimeField(db_default=postmuster.control.models.ClockTimestamp())
        ),
        migrations.CreateModel(
            name="Told",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("by_notice_no", models.BigIntegerField()),
                ("told_by", models.CharField(max_length=64)),
                ("told_at", models.DateTimeField()),
                ("stop", models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, to="control.stop")),
            ],
            options={"db_table": "control_told"},
        ),
        migrations.CreateModel(
            name="Identity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("system_identifier", models.TextField()),
                ("database_oid", models.BigIntegerField()),
                ("place", models.TextField()),
                ("machine", models.TextField()),
                ("epoch", models.CharField(max_length=64)),
                ("reason", models.TextField(default="")),
                ("confirmed_by", models.CharField(max_length=64)),
                ("confirmed_at", models.DateTimeField()),
            ],
            options={"db_table": "control_identity"},
        ),
        guard("control_told", application="select, insert", intake="select"),
        guard("control_identity", application="select, insert"),
        sequences("control_told_id_seq", "control_identity_id_seq"),
        never_changed(["control_told", "control_identity"]),
    )
