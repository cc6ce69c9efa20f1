"""Rights and row-level security of the ledger room's tables."""

from django.db import migrations

from postmuster.base.tables import guard, never_changed, sequences


class Migration(migrations.Migration):
    dependencies = (("ledger", "0001_initial"),)

    operations = (
        guard("ledger_entry", application="select, insert"),
        guard("ledger_link", application="select, insert"),
        sequences("ledger_entry_id_seq"),
        never_changed(["ledger_entry", "ledger_link"]),
    )
