"""P13: a database that was restored, copied or put back comes up held, until an operator says that it is the one."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from django.db import connections

from postmuster.access.actions import add_officer
from postmuster.access.roles import Role
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.control import identity as kept
from postmuster.control import queries as control
from postmuster.control.states import HoldKind, Lane
from postmuster.ledger.actions import append
from postmuster.runtime import checks, database, identity, roles
from postmuster.runtime.checks import Outcome
from postmuster.runtime.postgres import Server
from postmuster.settings import DATABASE_VARIABLE, Settings

if TYPE_CHECKING:
    from conftest import Database


def _act(now: datetime) -> None:
    append(kind="stop lifted", actor="shell", subject="n0", facts={}, now=now)


def _verify(settings: Settings, now: datetime) -> str:
    return " ".join(identity.verify(settings, actor="up", now=now))


def _held() -> set[Lane]:
    return {stop.lane for stop in control.standing(7) if stop.kind == HoldKind.RESTORED}


def _confirm(settings: Settings, now: datetime) -> kept.Confirmed:
    return identity.confirm(settings, reason="we moved it", actor="officer:1 by shell", now=now)


@pytest.fixture
def known(database: Database, settings: Settings, now: datetime) -> Settings:
    """An installation with a history, whose database was enrolled."""
    _act(now)
    assert _verify(settings, now) == ""
    return settings


def test_a_database_is_enrolled_once_and_looking_again_writes_nothing(known: Settings, now: datetime) -> None:
    before = (known.key_dir / kept.FILE_NAME).read_bytes()
    assert _verify(known, now) == ""
    assert (known.key_dir / kept.FILE_NAME).read_bytes() == before
    assert (known.key_dir / kept.FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert sql.value("SELECT count(*) FROM control_identity") == 1
    assert _held() == set()


def test_the_mark_follows_the_ledger(known: Settings, now: datetime) -> None:
    first = kept.read_note(known.key_dir)
    _act(now)
    _verify(known, now)
    second = kept.read_note(known.key_dir)
    assert first is not None
    assert second is not None
    assert (second.entry_no, second.epoch) == (first.entry_no + 1, first.epoch)


def test_another_path_is_held_once_in_both_lanes_and_stays_so(known: Settings, now: datetime) -> None:
    moved = dataclasses.replace(known, data="elsewhere")
    assert "The place was" in _verify(moved, now)
    assert "The place was" in _verify(moved, now)
    assert _held() == {Lane.BULK, Lane.LETTERS}
    assert sql.value("SELECT count(*) FROM control_stop") == 2
    kinds = sql.rows("SELECT kind, facts::jsonb ->> 'kind' FROM ledger_entry WHERE kind = 'stop set'")
    assert kinds == [("stop set", "restored")] * 2
    assert "stands since" in _verify(known, now)  # moved back: still an operator's to say
    found = checks.run_checks(known, [one for one in checks.CHECKS if one[0] == "identity"])[0]
    assert found.outcome is Outcome.FAIL
    assert "postmuster confirm-database" in found.sentence


def test_an_operator_s_word_lifts_it_and_holds_every_other_copy(known: Settings, now: datetime, tmp_path: Path) -> None:
    other = tmp_path / "other keys"
    shutil.copytree(known.key_dir, other)
    moved = dataclasses.replace(known, data="elsewhere")
    _verify(moved, now)
    done = _confirm(moved, now)
    assert identity.whereabouts(moved).place in done.now
    assert identity.whereabouts(known).place in done.before
    assert len(done.lifted) == 2
    assert _verify(moved, now) == ""
    assert _held() == set()
    assert "epoch" in _verify(dataclasses.replace(moved, keys=str(other)), now)
    assert _held() == {Lane.BULK, Lane.LETTERS}


def test_there_is_nothing_to_confirm_where_nothing_differs(known: Settings, now: datetime) -> None:
    with pytest.raises(Refused, match="nothing is to be done"):
        _confirm(known, now)
    with pytest.raises(Refused, match="needs a reason"):
        identity.confirm(known, reason=" ", actor="shell", now=now)


@pytest.mark.parametrize("lost", ["file", "row"])
def test_what_only_one_side_knows_is_held(known: Settings, now: datetime, database: Database, lost: str) -> None:
    if lost == "file":
        (known.key_dir / kept.FILE_NAME).unlink()
    else:
        owner = database.connect("owner")
        owner.execute("ALTER TABLE control_identity DISABLE TRIGGER USER, NO FORCE ROW LEVEL SECURITY")
        owner.execute("DELETE FROM control_identity")
        owner.execute("ALTER TABLE control_identity ENABLE TRIGGER USER, FORCE ROW LEVEL SECURITY")
    assert "although the other one does" in _verify(known, now)
    assert _held() == {Lane.BULK, Lane.LETTERS}
    _confirm(known, now)
    assert _verify(known, now) == ""


@pytest.mark.parametrize(
    "content", ["", "{}", '{"epoch": 1}', "\x00", "[]", '{"epoch":"a","written_by":"1","entry_no":"x"}']
)
def test_a_damaged_note_is_refused_in_a_sentence(known: Settings, now: datetime, content: str) -> None:
    (known.key_dir / kept.FILE_NAME).write_text(content, encoding="utf-8")
    with pytest.raises(Refused, match=r"identity\.json could not be read"):
        _verify(known, now)


def test_another_machine_is_noticed(
    known: Settings, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "machine-id"
    other.write_text("0123456789abcdef0123456789abcdef\n", encoding="ascii")
    monkeypatch.setattr(kept, "MACHINE_ID", other)
    found = _verify(known, now)
    assert "The machine was" in found
    assert "0123456789" not in found


def test_without_an_id_of_the_machine_the_key_folder_has_one(
    database: Database, settings: Settings, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MACHINE_ID", tmp_path / "none")
    _act(now)
    assert (_verify(settings, now), _verify(settings, now)) == ("", "")
    file = settings.key_dir / kept.FILE_NAME
    file.write_text(json.dumps(json.loads(file.read_text()) | {"machine": "0" * 32}), encoding="ascii")
    assert "The machine was" in _verify(settings, now)


# ---- real restores: dump, copied folder, older backup


def _run(server: Server, program: str, *arguments: str, given: bytes = b"") -> bytes:
    place = server.place
    who = {} if place.runner is None else {"user": place.runner.uid, "group": place.runner.gid, "extra_groups": []}
    command = [str(place.programs / "bin" / program), "--host", str(place.socket), "--username", "postgres", *arguments]
    done = subprocess.run(
        command,
        input=given,
        capture_output=True,
        check=False,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C"},
        **who,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr.decode()
    return bytes(done.stdout)


def _dump(server: Server) -> bytes:
    return _run(server, "pg_dump", "--exclude-schema", "seed", roles.DATABASE)


@pytest.fixture
def elsewhere(server: Server, known: Settings) -> Iterator[str]:
    """A second database in the same cluster, restored from a dump of the first."""
    dump = _dump(server)
    with psycopg.connect(**server.parameters(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE restored TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
        admin.execute("GRANT CONNECT, TEMPORARY ON DATABASE restored TO postmuster_application")
    _run(server, "psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", "restored", given=dump)
    yield "restored"
    connections.close_all()
    with psycopg.connect(**server.parameters(), autocommit=True) as admin:
        admin.execute("DROP DATABASE restored WITH (FORCE)")


def test_a_dump_restored_into_a_new_database_is_held(known: Settings, elsewhere: str, now: datetime) -> None:
    logins = roles.read_logins(known.logins_file)
    roles.write_logins(known.logins_file, {role: login | {"dbname": elsewhere} for role, login in logins.items()})
    database.django_setup("application", known)
    assert sql.value("SELECT current_database()") == elsewhere
    found = _verify(known, now)
    assert "The database was" in found
    assert "written by a restore" in found
    assert _held() == {Lane.BULK, Lane.LETTERS}
    database.django_setup("application", known)


def test_rows_restored_into_the_same_database_are_held(known: Settings, server: Server, now: datetime) -> None:
    """Nothing but the transaction that wrote the row tells a table that was emptied and filled from its own dump."""
    rows = _run(server, "pg_dump", "--data-only", "--table", "control_identity", roles.DATABASE)
    with psycopg.connect(**server.parameters(roles.DATABASE), autocommit=True) as admin:
        admin.execute("SET session_replication_role = replica; DELETE FROM control_identity")
    _run(server, "psql", "--quiet", "--dbname", roles.DATABASE, given=rows)
    assert _verify(known, now) == "The database was written by a restore."
    assert _held() == {Lane.BULK, Lane.LETTERS}


@pytest.fixture
def own(
    tmp_path_factory: pytest.TempPathFactory, settings: Settings, server: Server
) -> Iterator[tuple[Settings, Server, Path]]:
    """An installation with an embedded server of its own, in a folder that the server's user can reach."""
    base = server.place.root.parent / f"own-{os.getpid()}-{os.urandom(4).hex()}"
    base.mkdir(mode=0o711)
    made = Server(base / "var", base=base, tell=lambda _: None)
    made.start()
    logins = roles.prepare_logins({}, made.parameters(), may_reset=True)
    roles.write_logins(settings.logins_file, logins)
    database.django_setup("application", settings)
    database.migrate(tell=lambda _: None)
    yield settings, made, base
    connections.close_all()
    made.remove()
    shutil.rmtree(base, ignore_errors=True)


def _look(settings: Settings, server: Server, now: datetime) -> str:
    """As `runtime.identity.verify`, with the server's real place, which lies beside the settings here."""
    where = kept.Whereabouts(str(server.place.data), settings.key_dir)
    return " ".join(kept.verify(where, actor="up", now=now))


def _reach(settings: Settings, server: Server) -> None:
    logins = roles.read_logins(settings.logins_file)
    reach = {"host": str(server.place.socket)}
    roles.write_logins(settings.logins_file, {role: login | reach for role, login in logins.items()})
    database.django_setup("application", settings)


@pytest.mark.slow
def test_a_copied_folder_and_an_older_backup_put_back_are_held(
    own: tuple[Settings, Server, Path], now: datetime
) -> None:
    settings, server, base = own
    _act(now)
    assert _look(settings, server, now) == ""
    connections.close_all()
    server.stop()
    backup = base / "backup"
    shutil.copytree(server.place.data, backup)
    _keep_owners(server.place.data, backup)
    server.start()
    add_officer(
        handle="ove", name="", address="", roles=[Role.OPERATOR], component_path="", by="", now=now
    )  # later than the backup
    assert _look(settings, server, now) == ""
    connections.close_all()
    server.stop()

    moved = Server(base / "moved", base=base, tell=lambda _: None)
    moved.place.root.mkdir(parents=True)
    shutil.copytree(server.place.data, moved.place.data)
    _keep_owners(server.place.data, moved.place.data)
    moved.start()
    try:
        _reach(settings, moved)
        found = _look(settings, moved, now)
        assert "The place was" in found
        assert "ledger entry" not in found
        assert _held() == {Lane.BULK, Lane.LETTERS}
        connections.close_all()
    finally:
        moved.remove()

    shutil.rmtree(server.place.data)
    backup.rename(server.place.data)
    server.start()
    _reach(settings, server)
    found = _look(settings, server, now)
    assert "it is an older state" in found
    assert "The place was" not in found
    assert _held() == {Lane.BULK, Lane.LETTERS}
    _act(now)
    _act(now)
    assert "it is an older state" in _look(
        settings, server, now
    )  # other acts under the same numbers do not stand for it


def _keep_owners(source: Path, target: Path) -> None:
    """shutil copies modes, not owners; root's server runs as another user."""
    if os.geteuid() == 0:
        for path in (source, *source.rglob("*")):
            found = path.lstat()
            os.chown(target / path.relative_to(source), found.st_uid, found.st_gid, follow_symlinks=False)


def test_a_server_of_others_is_known_by_its_address(
    database: Database, settings: Settings, server: Server, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    _act(now)
    monkeypatch.setenv(DATABASE_VARIABLE, f"postgresql://postgres@/postgres?host={server.place.socket}")
    assert _verify(settings, now) == ""
    assert sql.row("SELECT place, machine FROM control_identity") == ("server on a local socket, port 5432", "")
    assert _verify(settings, now) == ""
