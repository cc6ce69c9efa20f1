"""Make `.venv` from the lock files and put the command `postmuster` in it.

    python3 tools/bootstrap.py {run,demo,dev}

For whom: `make`, which calls this before every target. It runs on any Python from 3.11 on, with nothing installed, so it
uses the standard library only.

Promises:
- every package comes from `requirements/<level>.txt` with its hash checked, as a wheel, but for
  the few in SOURCE_ONLY, which the locked setuptools builds: nothing unhashed is fetched for a build;
- the project itself is installed without dependencies and without network;
- nothing is done when the lock file, the project's metadata, the Python and the folder are those of the last run;
- two runs at once do the work once;
- each level contains the one before it: run < demo < dev.

Limits: POSIX only (Linux, macOS), as PostgreSQL's sockets are. Packages that left a lock file stay in `.venv` until it is
removed by hand.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OLDEST_PYTHON = (3, 11)
LEVELS = ("run", "demo", "dev")
SOURCE_ONLY = ("dkimpy",)  # published as source only; built by the locked setuptools, without network
PROGRESS_EVERY_S = 2.0
LAST_LINES_SHOWN = 15

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
COMMAND = VENV / "bin" / "postmuster"
BUILD_LOCK = ROOT / "requirements" / "build.txt"


class Unable(Exception):
    """One sentence: what is missing and what to do."""


def lock_file(level: str) -> Path:
    return ROOT / "requirements" / f"{level}.txt"


def stamp_file(level: str) -> Path:
    return VENV / f".installed-{level}"


def fingerprint(level: str) -> str:
    """What an installation depends on; the folder is part of it, because scripts in `.venv` carry absolute paths."""
    digest = hashlib.sha256(f"{ROOT}\n".encode())
    for path in (lock_file(level), BUILD_LOCK, Path(__file__)):
        digest.update(path.read_bytes())
    digest.update((ROOT / "pyproject.toml").read_text().partition("\n[tool.")[0].encode())  # name, version, commands
    return digest.hexdigest()


def is_installed(level: str) -> bool:
    """True if this level, or one that contains it, was installed from the files as they are now."""
    if not PYTHON.exists() or not COMMAND.exists():
        return False
    for each in LEVELS[LEVELS.index(level) :]:
        stamp = stamp_file(each)
        if stamp.exists() and stamp.read_text() == fingerprint(each):
            return True
    return False


def require_python() -> None:
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        raise Unable(f"Python {found} is too old; install Python 3.11 or later and run: make setup PYTHON=python3.11")
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise Unable(
            f"{sys.executable} cannot make a virtual environment; on Debian or Ubuntu run: "
            "apt-get install python3-venv — then run make again"
        )


def venv_is_sound() -> bool:
    """A virtual environment that was moved, half made, or whose Python was removed is not."""
    try:
        answer = subprocess.run(
            [PYTHON, "-c", "import sys, pip; print(sys.prefix)"], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return answer.returncode == 0 and Path(answer.stdout.strip()) == VENV and moved_from() in (None, str(ROOT))


def moved_from() -> str | None:
    """The folder `.venv` was made for, or None when it is not known."""
    marker = VENV / ".made-for"
    return marker.read_text() if marker.exists() else None


def make_venv() -> None:
    if venv_is_sound():
        return
    if VENV.exists() or VENV.is_symlink():
        shutil.rmtree(VENV) if VENV.is_dir() and not VENV.is_symlink() else VENV.unlink()
    run_shown("Making .venv", [sys.executable, "-m", "venv", str(VENV)])
    (VENV / ".made-for").write_text(str(ROOT))


def install(level: str) -> None:
    lock = lock_file(level)
    total = sum(1 for line in lock.read_text().splitlines() if "==" in line and not line.startswith((" ", "#")))
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    locked = ["--no-deps", "--require-hashes", "--progress-bar", "off"]
    run_shown("Installing the build tool", [*pip, *locked, "--only-binary", ":all:", "-r", str(BUILD_LOCK)])
    chosen = ["--only-binary", ":all:", "--no-binary", ",".join(SOURCE_ONLY), "--no-build-isolation", "--use-pep517"]
    what = f"Installing {total} packages from requirements/{lock.name}"
    run_shown(what, [*pip, *locked, *chosen, "-r", str(lock)], total=total)
    own = ["--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT)]
    run_shown("Installing postmuster itself", [*pip, *own])
    if not COMMAND.exists():
        raise Unable("pip left no .venv/bin/postmuster; remove .venv and run make again")


def run_shown(what: str, command: list[str], *, total: int = 0) -> None:
    """Run `command`, saying every two seconds how far it is; on failure show its last lines and stop."""
    began = shown = time.monotonic()
    seen = 0
    lines: list[str] = []
    print(f"{what} …", flush=True)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            seen += line.startswith(("Collecting ", "Requirement already satisfied"))
            if time.monotonic() - shown >= PROGRESS_EVERY_S:
                shown = time.monotonic()
                far = f"{min(seen, total)} of {total} packages" if total and seen < total else line.strip()[:60]
                print(f"  {shown - began:4.0f} s  {far}", flush=True)
    if process.returncode != 0:
        print("\n".join(lines[-LAST_LINES_SHOWN:]), file=sys.stderr)
        raise Unable(f"{what} failed, its last lines are above; nothing else was changed; mend that and run make again")


@contextmanager
def alone() -> Iterator[None]:
    """Hold the folder's bootstrap lock; a second run waits and then finds the work done."""
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another make is setting up; waiting for it …", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in LEVELS:
        print(f"usage: bootstrap.py {{{','.join(LEVELS)}}}", file=sys.stderr)
        return 2
    level = arguments[0]
    if is_installed(level):
        return 0
    try:
        with alone():
            if not is_installed(level):
                require_python()
                make_venv()
                install(level)
                stamp_file(level).write_text(fingerprint(level))
    except Unable as trouble:
        print(trouble, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
