"""The three database roles, their limits and their logins.

The owner runs migrations; the application and the intake see what the policies let them see; none of them is a superuser
or may pass row-level security. Their passwords are random, stand in the logins file (mode 0600) and are never told.

Limits. Statements and waits of each role end after the times below; the role carries them, so that a connection made by
hand has them too.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql as compose

from postmuster.base.errors import Refused, Transient
from postmuster.base.tables import APPLICATION_ROLE, INTAKE_ROLE
from postmuster.runtime.postgres import SUPERUSER

OWNER_ROLE = "postmuster_owner"
ROLES = {"owner": OWNER_ROLE, "application": APPLICATION_ROLE, "intake": INTAKE_ROLE}
DATABASE = "postmuster"
OLDEST_SERVER = 150_000  # as server_version_num: MERGE, and security_invoker of views
PASSWORD_OCTETS = 24

# What a role's connections put up with. The application loads three million people in one COPY and expands them by pages,
# so that only what hangs is cut; intake owes an answer to an MTA that gives up after minutes (RFC 5321 §4.5.3.2: 10 min
# after the final dot) and had better say 451 soon; the owner builds indexes, which takes as long as it takes.
ROLE_LIMITS: Mapping[str, Mapping[str, str]] = {
    "owner": {"statement_timeout": "0", "lock_timeout": "30s", "idle_in_transaction_session_timeout": "10min"},
    "application": {
        "statement_timeout": "15min",
        "lock_timeout": "30s",
        "idle_in_transaction_session_timeout": "10min",
    },
    "intake": {"statement_timeout": "20s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s"},
}
_ATTRIBUTES = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
_CARRIED = ("host", "hostaddr", "port", "sslmode", "sslrootcert", "channel_binding")  # of DATABASE_URL

Logins = dict[str, dict[str, str]]


def prepare_logins(known: Logins, admin: Mapping[str, Any], *, may_reset: bool, database: str = DATABASE) -> Logins:
    """Make the roles and the database over the connection parameters `admin`; returns the logins of the three roles.

    `known` are the logins as they stand in the file; a password that does not open is set anew only if `may_reset`.
    """
    with connected(admin) as connection:
        _require_rights(connection)
        logins = {
            role: _login(connection, admin, role, known.get(role, {}), database, may_reset=may_reset) for role in ROLES
        }
        _make_database(connection, database)
    with connected({**admin, "dbname": database}) as connection:
        _own_schema(connection)
    return logins


def read_logins(file: Path) -> Logins:
    """The logins file, or nothing where there is none. Raises `Refused` if others may read it or it is damaged."""
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise Refused(f"Others may read {file}; nothing was done; run `chmod 600` on it.")
        found: Logins = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise Refused(
            f"The logins file {file} could not be read; nothing was done; restore it from a backup."
        ) from None
    return found


def write_logins(file: Path, logins: Logins) -> None:
    """Write the file whole, for our eyes only; nothing is written when it says so already."""
    if read_logins(file) == logins:
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = file.with_name(f"{file.name}.{os.getpid()}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        json.dump(logins, opened, indent=1)
        opened.flush()
        os.fsync(opened.fileno())
    aside.replace(file)


@contextmanager
def connected(parameters: Mapping[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    """A connection that commits each statement; trouble becomes one sentence without the server's detail."""
    try:
        connection = psycopg.connect(**{**parameters, "autocommit": True, "connect_timeout": 10})
    except psycopg.OperationalError:
        raise Transient(
            "The database server cannot be reached or refused the login; nothing was done; "
            "look at DATABASE_URL, or at the server's log, and try again."
        ) from None
    try:
        with connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege:
        raise Refused(
            "The login in DATABASE_URL may not create roles and databases; nothing more was done; "
            "use one with CREATEROLE and CREATEDB."
        ) from None
    except psycopg.Error as error:
        raise Transient(
            f"The database server could not be prepared ({error.sqlstate or type(error).__name__}); what was made is kept; "
            "run it again."
        ) from None


def _require_rights(connection: psycopg.Connection[Any]) -> None:
    if connection.info.server_version < OLDEST_SERVER:
        raise Refused(
            f"The database server is PostgreSQL {connection.info.server_version // 10_000}; nothing was done; "
            f"postmuster needs {OLDEST_SERVER // 10_000} or later."
        )
    row = connection.execute(
        "SELECT rolsuper OR (rolcreaterole AND rolcreatedb) FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    if not row or not row[0]:
        raise psycopg.errors.InsufficientPrivilege


def _login(
    connection: psycopg.Connection[Any],
    admin: Mapping[str, Any],
    role: str,
    known: Mapping[str, str],
    database: str,
    *,
    may_reset: bool,
) -> dict[str, str]:
    """Make the role, or see that its login works; returns the login."""
    name = ROLES[role]
    reach = {key: str(admin[key]) for key in _CARRIED if admin.get(key)}
    login = {**reach, "dbname": database, "user": name, "password": known.get("password") or _password()}
    exists = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is not None
    if not exists:
        _role_statement(connection, f"CREATE ROLE {{}} {_ATTRIBUTES}", name)
    if not exists or not _opens(login, str(admin.get("dbname", "postgres"))):
        if exists and not may_reset:
            raise Refused(
                f"The role {name} is on that server already and its password is not in the logins file; "
                "nothing was changed; put the logins file back, or drop the three postmuster roles there."
            )
        statement = compose.SQL("ALTER ROLE {} PASSWORD {}").format(
            compose.Identifier(name), compose.Literal(login["password"])
        )
        connection.execute(statement)
    for setting, worth in ROLE_LIMITS[role].items():
        statement = compose.SQL("ALTER ROLE {} SET {} = {}").format(
            compose.Identifier(name), compose.Identifier(setting), compose.Literal(worth)
        )
        connection.execute(statement)
    return login


def _role_statement(connection: psycopg.Connection[Any], text: str, name: str) -> None:
    connection.execute(compose.SQL(text).format(compose.Identifier(name)))


def _password() -> str:
    return secrets.token_urlsafe(PASSWORD_OCTETS)


def _opens(login: Mapping[str, str], dbname: str) -> bool:
    try:
        parameters: dict[str, Any] = {**login, "dbname": dbname, "connect_timeout": 10}
        psycopg.connect(**parameters).close()
    except psycopg.OperationalError:
        return False
    return True


def _make_database(connection: psycopg.Connection[Any], database: str) -> None:
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", (database,)).fetchone() is not None:
        return
    user = connection.execute("SELECT current_user").fetchone()
    if user and user[0] != SUPERUSER:  # who is no superuser has to be a member of the owner to give it something
        connection.execute(
            compose.SQL("GRANT {} TO {}").format(compose.Identifier(OWNER_ROLE), compose.Identifier(user[0]))
        )
    connection.execute(
        compose.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'").format(
            compose.Identifier(database), compose.Identifier(OWNER_ROLE)
        )
    )


def _own_schema(connection: psycopg.Connection[Any]) -> None:
    """Tables are the owner's to make; the other two may look into the schema; nobody else gets in."""
    names = {key: compose.Identifier(name) for key, name in ROLES.items()}
    database = compose.Identifier(str(connection.info.dbname))
    for text in (
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {application}",
        "GRANT CONNECT ON DATABASE {database} TO {intake}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE, CREATE ON SCHEMA public TO {owner}",
        "GRANT USAGE ON SCHEMA public TO {application}, {intake}",
    ):
        connection.execute(compose.SQL(text).format(database=database, **names))
