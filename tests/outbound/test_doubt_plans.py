"""What looks for copies in doubt goes through the primary key row by row, also before the tables were ever analysed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import transaction
from tests.conftest import Database

from postmuster.base import sql

SQL = sql.load("outbound")
VALUES = {"notice_no": 1, "round_no": 1, "version": 1, "most": 3, "since": datetime(2026, 6, 1, tzinfo=UTC)}


@pytest.mark.parametrize("is_vacuumed", [False, True])
@pytest.mark.parametrize("name", ["resend_in_doubt", "waits_in_doubt"])
def test_each_copy_in_doubt_is_found_by_its_whole_key(name: str, is_vacuumed: bool, database: Database) -> None:
    if is_vacuumed:
        database.connect("owner").execute("VACUUM ANALYZE outbound_delivery, outbound_history")
    with transaction.atomic():
        # An empty table that autovacuum has looked at is read whole, rightly: the question is which condition an index gets.
        sql.execute("SET LOCAL enable_seqscan = off")
        plan = [str(row[0]) for row in sql.rows(f"EXPLAIN {SQL[name]}", VALUES | {"now": VALUES["since"]})]
    at = next(number for number, line in enumerate(plan) if "outbound_delivery" in line)
    condition = next(line for line in plan[at:] if "Cond:" in line)
    assert "seq = " in condition, "\n".join(plan)
