"""What was taken from mailboxes, and how far each was read."""

from django.db import migrations, models

from postmuster.base.tables import guard, sequences


class Migration(migrations.Migration):
    dependencies = (("inbound", "0002_guards"),)

    operations = (
        migrations.CreateModel(
            name="Mailbox",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.CharField(max_length=32, unique=True)),
                ("kind", models.CharField(max_length=8)),
                ("uid_validity", models.BigIntegerField(null=True)),
                ("last_uid", models.BigIntegerField(default=0)),
                ("to_mark", models.JSONField(default=list)),
                ("taken", models.BigIntegerField(default=0)),
                ("left_out", models.BigIntegerField(default=0)),
                ("waiting", models.IntegerField(default=0)),
                ("oldest_at", models.DateTimeField(null=True)),
                ("looked_at", models.DateTimeField(null=True)),
                ("trouble", models.CharField(default="", max_length=16)),
                ("trouble_since", models.DateTimeField(null=True)),
            ],
            options={"db_table": "inbound_mailbox"},
        ),
        migrations.CreateModel(
            name="Taken",
            fields=[("digest", models.BinaryField(primary_key=True, serialize=False))],
            options={"db_table": "inbound_taken"},
        ),
        guard("inbound_mailbox", application="select", intake="select, insert, update"),
        guard("inbound_taken", intake="select, insert"),
        sequences("inbound_mailbox_id_seq", role="intake"),
    )
