"""Rights and row-level security of the control room's tables."""

from django.db import migrations

from postmuster.base.tables import guard, never_changed, sequences


class Migration(migrations.Migration):
    dependencies = (("control", "0001_initial"),)

    operations = (
        migrations.RunSQL("INSERT INTO control_generation (number) VALUES (1)", migrations.RunSQL.noop),
        guard("control_generation", application="select, update", intake="select"),
        guard("control_stop", application="select, insert", intake="select"),
        guard("control_lift", application="select, insert", intake="select"),
        sequences("control_stop_id_seq", "control_lift_id_seq"),
        never_changed(["control_stop", "control_lift"]),
    )
