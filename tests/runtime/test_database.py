"""Roles, logins, schema: made once, mended when something is missing, refused when it would harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from postmuster.base import sql
from postmuster.base.errors import Refused, Transient
from postmuster.runtime import database as preparing
from postmuster.runtime import roles
from postmuster.settings import DATABASE_VARIABLE, Settings

if TYPE_CHECKING:
    from conftest import Database
    from postmuster.runtime.postgres import Server


@pytest.fixture
def outside(server: Server, database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """The run's own server as one that DATABASE_URL names."""
    url = f"postgresql://postgres@/postgres?host={server.place.socket}&port=5432"
    monkeypatch.setenv(DATABASE_VARIABLE, url)
    return url


def test_preparing_again_changes_nothing(outside: str, settings: Settings) -> None:
    before = settings.logins_file.read_bytes(), settings.logins_file.stat().st_mtime_ns
    told: list[str] = []
    preparing.prepare(settings, tell=told.append)
    assert (settings.logins_file.read_bytes(), settings.logins_file.stat().st_mtime_ns) == before
    assert told == []
    assert sql.value("SELECT current_user") == "postmuster_application"


def test_a_role_whose_password_is_lost_is_not_given_a_new_one_on_a_server_of_others(
    outside: str, settings: Settings
) -> None:
    settings.logins_file.unlink()
    with pytest.raises(Refused, match="not in the logins file"):
        preparing.prepare(settings, tell=lambda _: None)
    assert not settings.logins_file.exists()


def test_on_our_own_server_a_lost_password_is_set_anew(server: Server, database: Database, settings: Settings) -> None:
    before = roles.read_logins(settings.logins_file)
    given = roles.prepare_logins({}, server.parameters(), may_reset=True)
    try:
        assert given["intake"]["password"] != before["intake"]["password"]
        psycopg.connect(**given["intake"]).close()
    finally:
        again = roles.prepare_logins(before, server.parameters(), may_reset=True)
    assert again == before


def test_a_login_that_may_not_make_roles_is_told_so(
    server: Server, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = roles.read_logins(settings.logins_file)["application"]
    url = "postgresql://{user}:{password}@/postmuster?host={host}&port={port}".format(**login)
    monkeypatch.setenv(DATABASE_VARIABLE, url)
    with pytest.raises(Refused, match="CREATEROLE and CREATEDB"):
        preparing.prepare(settings, tell=lambda _: None)


@pytest.mark.parametrize("url", ["postgresql://%zz", "nonsense", "mysql://x"])
def test_an_address_that_is_none_is_refused(settings: Settings, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, url)
    with pytest.raises(Refused, match="DATABASE_URL"):
        preparing.prepare(settings, tell=lambda _: None)


def test_a_server_that_is_not_there_is_told_without_its_words(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, f"postgresql://finn:secret@/postgres?host={tmp_path}")
    with pytest.raises(Transient) as trouble:
        preparing.prepare(settings, tell=lambda _: None)
    assert "secret" not in trouble.value.sentence
    assert "finn" not in trouble.value.sentence


def test_no_role_of_ours_is_mighty_and_each_has_its_limits(database: Database) -> None:
    owner = database.connect("owner")
    found = owner.execute(
        "SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication, rolconfig "
        "FROM pg_roles WHERE rolname LIKE 'postmuster%' ORDER BY rolname"
    ).fetchall()
    assert [(name, mighty) for name, mighty, _ in found] == [
        ("postmuster_application", False),
        ("postmuster_intake", False),
        ("postmuster_owner", False),
    ]
    for role, limits in roles.ROLE_LIMITS.items():
        for name, worth in limits.items():
            assert database.connect(role).execute(f"SHOW {name}").fetchone() == (worth,)


@pytest.mark.parametrize("role", ["application", "intake"])
def test_neither_application_nor_intake_may_make_or_change_a_table(database: Database, role: str) -> None:
    connection = database.connect(role)
    for statement in (
        "CREATE TABLE mine (a int)",
        "ALTER TABLE ledger_entry DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE ledger_entry DISABLE TRIGGER ALL",
        "DROP POLICY application_select ON ledger_entry",
        "SET session_replication_role = replica",
        "SET ROLE postmuster_owner",
        "SET row_security = off; SELECT * FROM roster_entry",
        "TRUNCATE access_officer",
        "COPY roster_entry FROM PROGRAM 'true'",
    ):
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(statement)
        assert refused.value.sqlstate in ("42501", "0A000"), statement


def test_the_logins_file_is_ours_alone_and_one_that_is_not_is_refused(database: Database, settings: Settings) -> None:
    assert settings.logins_file.stat().st_mode & 0o777 == 0o600
    settings.logins_file.chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        roles.read_logins(settings.logins_file)


def test_a_damaged_logins_file_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "database.json"
    file.touch(mode=0o600)
    file.write_text('{"owner": ')
    with pytest.raises(Refused, match="restore it"):
        roles.read_logins(file)
    assert file.read_text() == '{"owner": '


def test_what_a_server_s_address_says_of_tls_is_kept_for_the_roles(
    server: Server, database: Database, settings: Settings
) -> None:
    known = roles.read_logins(settings.logins_file)
    admin = server.parameters() | {"sslmode": "prefer"}
    logins = roles.prepare_logins(known, admin, may_reset=False)
    assert {login["sslmode"] for login in logins.values()} == {"prefer"}
    assert json.loads(json.dumps(logins)) == logins


def test_an_unknown_role_is_refused(settings: Settings) -> None:
    with pytest.raises(Refused, match="owner, application, intake"):
        preparing.django_setup("postgres", settings)
