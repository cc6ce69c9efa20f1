"""Rights and row-level security of the roster room's tables."""

from django.db import migrations

from postmuster.base.tables import guard, sequences


class Migration(migrations.Migration):
    dependencies = (("roster", "0001_initial"),)

    operations = (
        guard("roster_version", application="select, insert, update"),
        guard("roster_component", application="select, insert"),
        guard("roster_person", application="select, insert"),
        guard("roster_entry", application="select, insert, update"),
        sequences("roster_version_id_seq", "roster_component_id_seq", "roster_person_id_seq", "roster_entry_id_seq"),
    )
