"""What every test may ask for: a real database, settings with keys, a fixed time, officers with names.

One embedded server serves the whole run; it has its own folder and is gone afterwards. The schema is made once. Before each
test that asks for `database` everything a test before it wrote is taken away: emptying the tables as superuser takes
about 5 ms, a fresh copy of a template database about 190 ms (two cores, 35 tables). The tests speak to it as the
application does, under forced row-level security.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django
import psycopg
import pytest

from postmuster.base.clock import SteppedClock
from postmuster.mail import dkim
from postmuster.runtime import database as rooms_database
from postmuster.runtime import roles
from postmuster.runtime.postgres import Server, stop_server
from postmuster.settings import CLOCK_VARIABLE, DATABASE_VARIABLE, SETTINGS_VARIABLE, Settings, adopt, load
from postmuster.settings import keys as key_files
from postmuster.vault import keyring as epochs

# Monday, 1 June 2026, 14:00 UTC: working hours in most of the world, no change of the clocks near.
NOW = datetime(2026, 6, 1, 14, 0, tzinfo=UTC)
FOLDER_PREFIX = "postmuster-tests-"
LARGE_TABLE_OCTETS = 8 * 1024 * 1024  # from here on TRUNCATE is faster than DELETE
_TABLES = (
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
    "AND relnamespace = 'public'::regnamespace AND relname <> 'django_migrations' ORDER BY relname"
)

for _variable in (DATABASE_VARIABLE, CLOCK_VARIABLE):
    os.environ.pop(_variable, None)  # the tests have a server and a time of their own
# Models can be imported only after this; no settings of the folder the tests are run from may come in.
adopt(file=Path(os.devnull, "no-settings.toml"), role="application")
django.setup()


@dataclass(frozen=True, slots=True)
class Officers:
    """The officers by name; each name has one meaning in all tests."""

    ada: str = "ada"  # drafts
    ben: str = "ben"  # approves
    cho: str = "cho"  # approves
    pia: str = "pia"  # privacy officer
    ove: str = "ove"  # operator
    rae: str = "rae"  # reviewer


class Database:
    """The database of one test."""

    def __init__(self, settings: Settings, logins: roles.Logins) -> None:
        self._settings = settings
        self._logins = logins
        self._opened: list[psycopg.Connection[Any]] = []

    def connect(self, role: str) -> psycopg.Connection[Any]:
        """A connection beside Django's, as owner, application or intake; closed when the test ends. It autocommits."""
        connection: psycopg.Connection[Any] = psycopg.connect(**self._logins[role], autocommit=True)
        self._opened.append(connection)
        return connection

    @contextlib.contextmanager
    def as_role(self, role: str) -> Iterator[None]:
        """Let Django's own connection log in as another role for a while."""
        rooms_database.django_setup(role, self._settings)
        try:
            yield
        finally:
            rooms_database.django_setup("application", self._settings)

    def close(self) -> None:
        for connection in self._opened:
            connection.close()


class Schema:
    """The migrated database of the whole run, and how it is made clean again."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.logins: roles.Logins = {}
        self._admin: psycopg.Connection[Any] | None = None
        self._reset = ""

    def prepare(self, folder: Path) -> None:
        file = folder / "postmuster.toml"
        file.touch()
        settings = load(file)
        self.logins = roles.prepare_logins({}, self._server.parameters(), may_reset=True)
        roles.write_logins(settings.logins_file, self.logins)
        rooms_database.django_setup("application", settings)
        rooms_database.migrate(tell=lambda _: None)
        django.db.connections.close_all()
        self._admin = psycopg.connect(**self._server.parameters(roles.DATABASE), autocommit=True)
        self._remember()

    def clean(self) -> None:
        """Take away what tests wrote; connections that one left open are ended first."""
        assert self._admin is not None
        self._admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        self._admin.execute(self._reset)

    def close(self) -> None:
        if self._admin is not None:
            self._admin.close()

    def _remember(self) -> None:
        """Keep the rows that migrations wrote, and write down the one statement that leads back to them."""
        assert self._admin is not None
        self._admin.execute("CREATE SCHEMA seed")
        tables = [name for (name,) in self._admin.execute(_TABLES).fetchall()]
        steps = ["SET session_replication_role = replica"]  # the guards of append-only tables stand aside
        for table in tables:
            steps.append(
                f"DO $$ BEGIN IF pg_relation_size('{table}') > {LARGE_TABLE_OCTETS} THEN TRUNCATE {table} CASCADE; "
                f"ELSE DELETE FROM {table}; END IF; END $$"
            )
        self._reset = "; ".join([*steps, *self._seeds(tables), "SET session_replication_role = origin"])

    def _seeds(self, tables: list[str]) -> list[str]:
        assert self._admin is not None
        steps = []
        for table in tables:
            if self._admin.execute(f"SELECT FROM {table} LIMIT 1").fetchone() is not None:
                self._admin.execute(f"CREATE TABLE seed.{table} AS TABLE public.{table}")
                steps.append(f"INSERT INTO public.{table} OVERRIDING SYSTEM VALUE TABLE seed.{table}")
        steps.append(
            "SELECT setval(format('public.%I', sequencename), start_value, false) FROM pg_sequences "
            "WHERE schemaname = 'public' AND last_value IS NOT NULL"
        )
        sequences = self._admin.execute(
            "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"
        )
        steps += [f"SELECT setval('public.{name}', {value})" for name, value in sequences.fetchall()]
        return steps


def _sweep() -> None:
    """Remove what test runs that were killed left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        pid = folder.name.removeprefix(FOLDER_PREFIX).partition("-")[0]
        if folder.stat().st_uid == os.geteuid() and pid.isdigit() and not Path("/proc", pid).exists():
            for data in folder.glob("**/data"):
                stop_server(data, tell=lambda _: None)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _folder() -> Iterator[Path]:
    if Path("/proc/self").exists():
        _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))
    folder.chmod(0o711)  # root's server runs as a user who has to reach its data
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(_folder: Path) -> Iterator[Server]:
    """The embedded server of this run."""
    made = Server(_folder / "var", base=_folder, tell=lambda _: None)
    made.start()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def _schema(server: Server, _folder: Path) -> Iterator[Schema]:
    schema = Schema(server)
    schema.prepare(_folder)
    yield schema
    schema.close()


@pytest.fixture(scope="session")
def _dkim_key() -> bytes:
    return dkim.make_key(dkim.SigningAlgorithm.RSA_SHA256)


@pytest.fixture
def settings(tmp_path: Path, _dkim_key: bytes, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings in a folder of the test's own, with a master epoch, a token key and a DKIM key."""
    file = tmp_path / "postmuster.toml"
    file.touch()
    monkeypatch.setenv(SETTINGS_VARIABLE, str(file))
    made = load(file)
    epochs.make_epoch(made.key_dir, 1)
    key_files.make_token_key(made.key_dir, 1)
    key_files.write_new(key_files.dkim_key_file(made.key_dir, made.relay.dkim_selector), _dkim_key)
    return made


@pytest.fixture
def keyring(settings: Settings) -> epochs.Keyring:
    """The master epochs of `settings`."""
    return epochs.read_keyring(settings.key_dir)


@pytest.fixture
def token_keys(settings: Settings) -> key_files.TokenKeys:
    """The token keys of `settings`."""
    return key_files.read_token_keys(settings.key_dir)


@pytest.fixture
def database(_schema: Schema, settings: Settings) -> Iterator[Database]:
    """An empty database of the current schema; Django's default connection is the application role's."""
    _schema.clean()
    roles.write_logins(settings.logins_file, _schema.logins)
    rooms_database.django_setup("application", settings)
    made = Database(settings, _schema.logins)
    yield made
    made.close()
    django.db.connections.close_all()


@pytest.fixture
def now() -> datetime:
    """A fixed moment: Monday, 1 June 2026, 14:00 UTC."""
    return NOW


@pytest.fixture
def clock(tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch) -> SteppedClock:
    """A clock that stands at `now` until the test moves it; processes that the test starts live by it too."""
    file = tmp_path / "clock"
    made = SteppedClock(file)
    made.set(now)
    monkeypatch.setenv(CLOCK_VARIABLE, str(file))
    return made


@pytest.fixture
def officers(database: Database, now: datetime) -> Officers:
    """Ada drafts, Ben and Cho approve, Pia is privacy officer, Ove operator, Rae reviewer."""
    from postmuster.access.actions import add_officer
    from postmuster.access.roles import Role

    names = Officers()
    first, *others = (
        (names.ove, Role.OPERATOR),
        (names.ada, Role.DRAFTER),
        (names.ben, Role.APPROVER),
        (names.cho, Role.APPROVER),
        (names.pia, Role.PRIVACY_OFFICER),
        (names.rae, Role.REVIEWER),
    )
    for by, (handle, role) in (("", first), *((names.ove, other) for other in others)):
        add_officer(
            handle=handle,
            name=handle.title(),
            address=f"{handle}@agency.example",
            roles=[role],
            component_path="",
            by=by,
            now=now,
        )
    return names


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real mail beside the checkout; a test that asks for it skips, saying so, where there is none."""
    named = os.environ.get("POSTMUSTER_CORPORA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "corpora"
    if not folder.is_dir():
        pytest.skip(f"no corpora of mail at {folder}; set POSTMUSTER_CORPORA")
    return folder
