"""People kept though their line was rejected; former addresses and components looked up; an entry ends after it begins."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("roster", "0002_guards"),)

    operations = (
        migrations.AddField("version", "kept", models.IntegerField(default=0)),
        migrations.AddIndex(
            "entry",
            models.Index(
                condition=models.Q(("until__isnull", False)), fields=["address_key"], name="roster_entry_address_former"
            ),
        ),
        migrations.AddIndex("entry", models.Index(fields=["component_no", "person_no"], name="roster_entry_component")),
        migrations.AddConstraint(
            "entry",
            models.CheckConstraint(
                condition=models.Q(("until", None), ("until__gt", models.F("since")), _connector="OR"),
                name="roster_entry_forward",
            ),
        ),
    )
