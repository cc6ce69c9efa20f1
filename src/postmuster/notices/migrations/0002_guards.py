"""Rights and row-level security of the notices room's tables."""

from django.db import migrations

from postmuster.base.tables import guard, never_changed, sequences


class Migration(migrations.Migration):
    dependencies = (("notices", "0001_initial"),)

    operations = (
        guard("notices_notice", application="select, insert, update"),
        guard("notices_revision", application="select, insert"),
        guard("notices_approval", application="select, insert"),
        guard("notices_round", application="select, insert, update"),
        sequences(
            "notices_notice_id_seq", "notices_revision_id_seq", "notices_approval_id_seq", "notices_round_id_seq"
        ),
        never_changed(["notices_revision", "notices_approval"]),
    )
