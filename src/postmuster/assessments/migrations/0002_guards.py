"""Rights and row-level security of the assessments room's tables."""

from django.db import migrations

from postmuster.base.tables import guard, never_changed, sequences


class Migration(migrations.Migration):
    dependencies = (("assessments", "0001_initial"),)

    operations = (
        guard("assessments_assessment", application="select, insert"),
        sequences("assessments_assessment_id_seq"),
        never_changed(["assessments_assessment"]),
    )
