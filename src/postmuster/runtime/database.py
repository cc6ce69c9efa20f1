"""The database made ready: server, roles, logins, schema.

For whom: `postmuster init`, `up`, the rehearsal and the tests. The server is the embedded one, or the one that
`DATABASE_URL` names, whose login must be allowed to create roles and databases.

Promises. `prepare` can be run again at any time and changes only what is missing; two processes that prepare at once do it
one after the other. After it Django's connections are open to the database as this process's role.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import django
import psycopg
from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from psycopg.conninfo import conninfo_to_dict

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.runtime import roles
from postmuster.runtime.place import Tell
from postmuster.runtime.postgres import Server, say
from postmuster.settings import Settings, adopt, database_url
from postmuster.settings import django as django_settings

# Django makes this table itself, before the first migration can guard it.
_GUARD_BOOKKEEPING = f"""
ALTER TABLE django_migrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE django_migrations FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS owner_all ON django_migrations;
CREATE POLICY owner_all ON django_migrations TO {roles.OWNER_ROLE} USING (true) WITH CHECK (true)
"""
_BOOKKEEPING_IS_GUARDED = "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'django_migrations'::regclass"
_PREPARE_LOCK = 0x504D5052  # any fixed number


def prepare(settings: Settings, *, tell: Tell = say) -> None:
    """Start the server, make what is missing of roles, database and logins, and bring the schema up to date.

    Raises `Refused` where the server is too old, its login may not do this, or a role of ours is there with a password
    that this installation does not know.
    """
    admin = _way_in(settings, tell)
    with _alone(admin):
        known = roles.read_logins(settings.logins_file)
        logins = roles.prepare_logins(known, admin, may_reset=not database_url())
        roles.write_logins(settings.logins_file, logins)
        connect_django(settings)
        migrate(tell)


def start(settings: Settings, *, tell: Tell = say) -> None:
    """Start the embedded server if it does not run; with `DATABASE_URL` there is nothing to start."""
    if not database_url():
        server_of(settings, tell).start()


def wake(settings: Settings, *, tell: Tell = say) -> None:
    """Start the embedded server that `prepare` made here, after a reboot or a kill; where none was made, make none."""
    if not database_url() and server_of(settings, tell).is_made():
        server_of(settings, tell).start()


def stop(settings: Settings, *, tell: Tell = say) -> None:
    """Stop the embedded server if it runs."""
    if not database_url():
        server_of(settings, tell).stop()


def server_of(settings: Settings, tell: Tell = say) -> Server:
    return Server(settings.data_dir, tell=tell)


def django_setup(role: str, settings: Settings | None = None) -> None:
    """Let Django's default connection of this process log in as `role` (owner, application or intake).

    May be called again: the connections then in use are closed and the logins read anew.
    """
    if role not in roles.ROLES:
        raise Refused(f"There is no database role “{role}”; nothing was done; it is one of {', '.join(roles.ROLES)}.")
    adopt(file=settings.file if settings else None, role=role)
    django.setup()
    _use(django_settings.databases())


def ready_models() -> None:
    """Let rooms be imported: a module of this floor that imports them calls it before it does. Connects to nothing."""
    adopt()
    django.setup()


def connect_django(settings: Settings) -> None:
    """Read the logins file again, after it was written or changed; the role stays."""
    adopt(file=settings.file)
    django.setup()
    _use(django_settings.databases())


def migrate(tell: Tell = say) -> None:
    """Bring the schema up to date as the owner; says so when there is something to do."""
    connection = connections["owner"]
    with sql.guarded():
        executor = MigrationExecutor(connection)
        steps = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if steps:
            tell(f"Bringing the database up to date: {len(steps)} steps …")
            call_command("migrate", database="owner", verbosity=0, interactive=False)
        with connection.cursor() as cursor:
            cursor.execute(_BOOKKEEPING_IS_GUARDED)
            if cursor.fetchone() != (True,):
                cursor.execute(_GUARD_BOOKKEEPING)
    connection.close()


def _way_in(settings: Settings, tell: Tell) -> dict[str, Any]:
    url = database_url()
    if url:
        try:
            return dict(conninfo_to_dict(url))
        except psycopg.ProgrammingError:
            raise Refused("DATABASE_URL is not a PostgreSQL address; nothing was done; mend it or unset it.") from None
    server = server_of(settings, tell)
    server.start()
    return dict(server.parameters())


@contextmanager
def _alone(admin: Mapping[str, Any]) -> Iterator[None]:
    """Hold the server's lock on preparing: two processes that prepare at once do it one after the other."""
    with roles.connected(admin) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_PREPARE_LOCK,))
        yield


def _use(databases: Mapping[str, Mapping[str, Any]]) -> None:
    """Give Django's connections these logins; the dictionaries are changed in place, because other threads hold them."""
    connections.close_all()
    for alias, wanted in databases.items():
        connections.settings[alias].update(wanted)
        connections[alias].settings_dict.update(wanted)
