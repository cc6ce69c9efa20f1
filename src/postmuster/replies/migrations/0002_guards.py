"""Rights and row-level security of the replies room's tables."""

from django.db import migrations

from postmuster.base.tables import guard, sequences


class Migration(migrations.Migration):
    dependencies = (("replies", "0001_initial"),)

    operations = (
        guard("replies_reply", application="select, insert"),
        guard("replies_seen", application="select, insert"),
        guard("replies_answer", application="select, insert, update"),
        guard("replies_case", application="select, insert, update"),
        sequences("replies_reply_id_seq", "replies_answer_id_seq", "replies_case_id_seq"),
    )
