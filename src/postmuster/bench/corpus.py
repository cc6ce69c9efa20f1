"""Agreement with other people's mail: what the reader says of each file, beside what the file's own project says.

What for: `make corpus`. The corpora are no part of the project; they are found through POSTMUSTER_CORPORA, else
beside the checkout (`../shared/corpora`). Their own program compares (`score.py`, standard library only), so that no
one marks their own work.

Promises: says that it is skipped where the corpora are not, and exits 0 then; exits 1 when a file gave no object. One
half of the cases (`dev`) is here; the other is kept aside, and nothing may be tuned to single files.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HALF: Final = "dev"
TIMEOUT_S: Final = 600  # the whole half takes about three seconds
COMMAND: Final = (sys.executable, "-m", "postmuster.cli.main", "reply", "read", "--json")
_ALL: Final = "TOTAL"
_READ: Final = "has a reading"


@dataclass(frozen=True, slots=True)
class Figure:
    """How many of the cases of one source agree in one point."""

    kind: str
    source: str
    name: str
    right: int
    cases: int


def find_corpora(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder of the corpora, or None where they are not."""
    stated = environment.get("POSTMUSTER_CORPORA")
    folder = Path(stated) if stated else Path(__file__).resolve().parents[3].parent / "shared" / "corpora"
    return folder if (folder / "score.py").is_file() and (folder / HALF).is_dir() else None


def measure(folder: Path) -> tuple[Figure, ...]:
    """Run the reader over all files and return the figures of the corpora's own program.

    Raises subprocess.SubprocessError or ValueError when that program does not end well.
    """
    command = [sys.executable, str(folder / "score.py"), str(folder / HALF), "--json", "--run", shlex.join(COMMAND)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)  # noqa: S603 - our own words
    figures = []
    for key, (right, cases) in json.loads(done.stdout).items():
        kind, source, name = key.split("/", 2)
        figures.append(Figure(kind, source, name, right, cases))
    return tuple(figures)


def run(say: Callable[[str], None] = print) -> int:
    """Print the agreement per source and return the exit code."""
    folder = find_corpora()
    if folder is None:
        say("Skipped: the corpora are not here; set POSTMUSTER_CORPORA to their folder to measure the agreement.")
        return 0
    try:
        figures = measure(folder)
    except (subprocess.SubprocessError, ValueError, OSError) as error:
        say(f"The corpora's own program did not end well ({type(error).__name__}); nothing was measured.")
        return 1
    for figure in sorted(figures, key=lambda each: (each.kind, each.source == _ALL, each.source, each.name)):
        share = 100 * figure.right / figure.cases
        say(f"{figure.kind:12} {figure.source:28} {figure.name:24} {figure.right:5} / {figure.cases:<5} {share:6.1f} %")
    missing = sum(each.cases - each.right for each in figures if each.source == _ALL and each.name == _READ)
    if missing:
        say(f"{missing} files gave no object; each must.")
    return 1 if missing else 0
