"""Rights and row-level security of the vault room's tables."""

from django.db import migrations

from postmuster.base.tables import guard, sequences


class Migration(migrations.Migration):
    dependencies = (("vault", "0001_initial"),)

    operations = (
        guard("vault_key", application="select, insert, update, delete"),
        guard("vault_item", application="select, insert, update, delete", intake="insert"),
        sequences("vault_key_id_seq", "vault_item_id_seq"),
        sequences("vault_item_id_seq", role="intake"),
    )
