"""Guards that every table gets in the migration that makes it.

Three roles meet the tables: the owner (migrations), the application (commands and workers) and the intake (the LMTP
door). Row-level security is on and forced everywhere, for the owner too; a role without a policy sees no row.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import migrations

APPLICATION_ROLE = "postmuster_application"
INTAKE_ROLE = "postmuster_intake"
_ROLES = {"application": APPLICATION_ROLE, "intake": INTAKE_ROLE}


def guard(table: str, **rights: str) -> migrations.RunSQL:
    """Force row-level security on `table` and give each named role exactly the rights listed.

    `guard("inbound_mail", application="select, update", intake="insert")`. The first policy is simple: a role that may
    do a thing may do it to every row. Narrower ones replace it by name.
    """
    sql = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"REVOKE ALL ON {table} FROM PUBLIC",
    ]
    for name, listed in rights.items():
        role = _ROLES[name]
        sql.append(f"GRANT {listed} ON {table} TO {role}")
        for right in (part.strip() for part in listed.split(",")):
            sql.append(f"CREATE POLICY {name}_{right} ON {table} FOR {right} TO {role} {_CLAUSE[right]}")
    return migrations.RunSQL(";\n".join(sql), migrations.RunSQL.noop)


_CLAUSE = {
    "select": "USING (true)",
    "insert": "WITH CHECK (true)",
    "update": "USING (true) WITH CHECK (true)",
    "delete": "USING (true)",
}


def sequences(*names: str, role: str = "application") -> migrations.RunSQL:
    """Let a role draw numbers from these sequences."""
    return migrations.RunSQL(f"GRANT USAGE ON SEQUENCE {', '.join(names)} TO {_ROLES[role]}", migrations.RunSQL.noop)


def never_changed(tables: Sequence[str]) -> migrations.RunSQL:
    """Refuse UPDATE, DELETE and TRUNCATE on append-only tables, for every role."""
    sql = [
        """CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'this table is append-only' USING ERRCODE = 'restrict_violation'; END $$"""
    ]
    for table in tables:
        sql.append(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
    return migrations.RunSQL(";\n".join(sql), migrations.RunSQL.noop)
