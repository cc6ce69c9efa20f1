"""Whom a round is for, and which of its waves may be sent."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("notices", "0002_guards"),)

    operations = (
        migrations.AddField(model_name="round", name="to", field=models.CharField(default="everyone", max_length=10)),
        migrations.AddField(model_name="round", name="open_wave", field=models.SmallIntegerField(default=0)),
        migrations.AddField(model_name="round", name="wave_opened_at", field=models.DateTimeField(null=True)),
    )
