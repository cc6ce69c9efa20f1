"""Whether a report had the person's manager in copy: one word."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("replies", "0005_elections"),)

    operations = (
        migrations.AddField("reply", "manager_in_copy", models.CharField(db_default="", default="", max_length=12)),
    )
