"""Rights and row-level security of the outbound room's tables."""

from django.db import migrations

from postmuster.base.tables import guard, sequences


class Migration(migrations.Migration):
    dependencies = (("outbound", "0001_initial"),)

    operations = (
        guard("outbound_audience", application="select, insert"),
        guard("outbound_delivery", application="select, insert, update"),
        guard("outbound_history", application="select, insert"),
        guard("outbound_batch", application="select, insert, update"),
        guard("outbound_retry", application="select, insert, update, delete"),
        guard("outbound_counter", application="select, insert, delete"),
        guard("outbound_letter", application="select, insert, update"),
        sequences(
            "outbound_history_id_seq", "outbound_batch_id_seq", "outbound_counter_id_seq", "outbound_letter_id_seq"
        ),
    )
