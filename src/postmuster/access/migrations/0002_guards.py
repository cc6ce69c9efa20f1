"""Rights and row-level security of the access room's tables."""

from django.db import migrations

from postmuster.base.tables import guard, sequences


class Migration(migrations.Migration):
    dependencies = (("access", "0001_initial"),)

    operations = (
        guard("access_officer", application="select, insert, update"),
        guard("access_officer_role", application="select, insert, delete"),
        sequences("access_officer_id_seq", "access_officer_role_id_seq"),
    )
