"""One load of a roster, in a process of its own, whose memory is therefore the load's: `… loading FILE load|copy`.

`load` is our own: read, checked, compared, written as a version. `copy` is the yardstick: the database copies the very
same lines into a temporary table (no log is written for one) and does nothing else with them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

from postmuster.base.clock import open_clock
from postmuster.bench.children import peak_rss_mb
from postmuster.runtime.database import django_setup
from postmuster.settings import clock_path, load

django_setup("application")

from django.db import connection, transaction  # noqa: E402 - only after django_setup

from postmuster.access.queries import acting  # noqa: E402
from postmuster.access.roles import Role  # noqa: E402
from postmuster.organisation.census import COLUMNS  # noqa: E402
from postmuster.roster.actions import load_feed  # noqa: E402

BLOCK_OCTETS: Final = 262_144


def load_roster(file: Path) -> dict[str, Any]:
    """Load as an operator would."""
    actor = acting("ove", Role.OPERATOR)
    clock = open_clock(clock_path())
    began, cpu = time.monotonic(), time.process_time()
    delta = load_feed(file, actor=actor.mark, now=clock.now(), rejects=file.with_suffix(".rejects.csv"))
    return _said(delta.people, began, cpu)


def copy_plainly(file: Path) -> dict[str, Any]:
    """Copy the lines into a temporary table of text columns."""
    columns = ", ".join(f"{name} text" for name in COLUMNS)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE plain ({columns}) ON COMMIT DROP")
        began, cpu = time.monotonic(), time.process_time()
        with file.open("rb") as source, cursor.copy("COPY plain FROM STDIN (FORMAT csv, HEADER true)") as copy:
            while block := source.read(BLOCK_OCTETS):
                copy.write(block)
        people = cursor.rowcount
    return _said(people, began, cpu)


def _said(people: int, began: float, cpu: float) -> dict[str, Any]:
    return {
        "people": people,
        "seconds": time.monotonic() - began,
        "cpu_s": round(time.process_time() - cpu, 3),
        "rss_mb": peak_rss_mb(),
    }


def main(file: str, what: str) -> None:
    """Say `ready`, wait for a word, do it, say what it took."""
    load()  # a settings file that is not there is said before anything else
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps((load_roster if what == "load" else copy_plainly)(Path(file))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
