"""What a round is held for, and what confirms that a person is not one of ours, is found without reading all replies."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("replies", "0002_guards"),)

    operations = (
        migrations.AddIndex(
            "answer",
            models.Index(fields=["notice_no"], condition=models.Q(type="not_mine"), name="replies_answer_not_mine"),
        ),
        migrations.AddIndex(
            "case",
            models.Index(
                fields=["decided_at"],
                condition=models.Q(reason="not_mine", decision="not-ours"),
                name="replies_case_not_ours",
            ),
        ),
        migrations.AddIndex(
            "reply",
            models.Index(fields=["digested_at"], condition=models.Q(kind="complaint"), name="replies_reply_complaint"),
        ),
    )
