"""People are gone through by component and time zone, so that a run of them is in one zone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("roster", "0003_kept_and_former"),)

    operations = (
        migrations.RemoveIndex("entry", "roster_entry_component"),
        migrations.AddIndex(
            "entry", models.Index(fields=["component_no", "time_zone", "person_no"], name="roster_entry_component")
        ),
    )
