"""Whom a further round does not write to."""

from django.db import migrations, models

from postmuster.base.tables import guard


class Migration(migrations.Migration):
    dependencies = (("outbound", "0003_zones_and_waves"),)

    operations = (
        migrations.CreateModel(
            name="Spared",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "notice_no",
                        "round_no",
                        "person_no",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("notice_no", models.IntegerField()),
                ("round_no", models.SmallIntegerField()),
                ("person_no", models.BigIntegerField()),
                ("reason", models.CharField(max_length=24)),
            ],
            options={"db_table": "outbound_spared"},
        ),
        guard("outbound_spared", application="select, insert, delete"),
    )
