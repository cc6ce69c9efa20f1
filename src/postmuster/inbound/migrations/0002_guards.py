"""Rights and row-level security of the inbound room's tables."""

from django.db import migrations

from postmuster.base.tables import guard, sequences


class Migration(migrations.Migration):
    dependencies = (("inbound", "0001_initial"),)

    operations = (
        guard("inbound_mail", application="select, update", intake="insert"),
        sequences("inbound_mail_id_seq"),
        sequences("inbound_mail_id_seq", role="intake"),
    )
