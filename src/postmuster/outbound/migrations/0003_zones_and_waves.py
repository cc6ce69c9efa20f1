"""A batch is of one time zone and one wave; a sender that was stopped says when the relay last took a copy from it."""

from django.db import migrations, models

from postmuster.base.tables import guard, sequences


class Migration(migrations.Migration):
    dependencies = (("outbound", "0002_guards"),)

    operations = (
        migrations.AddField("batch", "time_zone", models.TextField(default="")),
        migrations.AddField("batch", "wave", models.SmallIntegerField(default=0)),
        migrations.CreateModel(
            name="Halt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("notice_no", models.IntegerField()),
                ("round_no", models.SmallIntegerField()),
                ("generation", models.BigIntegerField()),
                ("last_taken_at", models.DateTimeField()),
            ],
            options={
                "db_table": "outbound_halt",
                "indexes": [models.Index(fields=["notice_no", "generation"], name="outbound_halt_notice")],
            },
        ),
        guard("outbound_halt", application="select, insert"),
        sequences("outbound_halt_id_seq"),
    )
