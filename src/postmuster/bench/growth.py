"""`bench all`: every rate and every process's memory at several sizes, so that growth can be seen.

For each size one fresh installation: load → expand → send → intake → digest. Leaves `bench.json`, `bench.svg`, `bench.png`
and `bench.html` in the folder given.

Limits: replies are at most `MOST_REPLIES` a size; their cost hangs on the size of the books they are written into, which
is full. Three sizes up to 200,000 people take about six minutes on two cores.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from postmuster.base.errors import Refused
from postmuster.bench import children
from postmuster.bench.house import open_house
from postmuster.bench.load import measure_load
from postmuster.bench.page import write_page
from postmuster.bench.plot import draw, to_png
from postmuster.bench.read import measure_read
from postmuster.bench.send import measure_send
from postmuster.bench.yardsticks import SECONDS
from postmuster.runtime.place import Tell

SIZES: Final = (2_000, 20_000, 200_000)
MOST_PEOPLE: Final = 5_000_000
MOST_REPLIES: Final = 20_000
BUSY_LOAD: Final = 0.5  # of the last minute; above it other work ran, and the figures say so
LEAST_PEOPLE: Final = 100  # an organisation below it has no one left to answer

Measured = Callable[[dict[str, Any]], None]


def read_sizes(text: str) -> tuple[int, ...]:
    """Read `2000,20000`. Raises `Refused` for what is no size."""
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise Refused(f"“{text[:40]}” is no list of sizes; nothing was measured; write 2000,20000.") from None
    for size in sizes:
        refuse_size(size)
    return sizes


def refuse_size(people: int) -> None:
    """Raise `Refused` for a number of people that nothing can be measured with."""
    if not LEAST_PEOPLE <= people <= MOST_PEOPLE:
        raise Refused(
            f"{people} people cannot be measured with; nothing was done; take {LEAST_PEOPLE} to {MOST_PEOPLE:,}."
        )


def bench_all(
    sizes: Sequence[int], *, out: Path, now: datetime, tell: Tell, heard: Measured, yardstick_s: float = SECONDS
) -> dict[str, Any]:
    """Measure every size; `heard` hears of each as soon as it is done. Returns what `bench.json` holds."""
    found: dict[str, Any] = {"at": now.astimezone(UTC).isoformat(timespec="seconds"), "machine": machine(), "sizes": []}
    out.mkdir(parents=True, exist_ok=True)
    for size in sizes:
        measured = _measure(size, out, tell, yardstick_s)
        found["sizes"].append(measured)
        heard(measured)
    (out / "bench.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    svg = draw(found)
    (out / "bench.svg").write_text(svg, encoding="utf-8")
    (out / "bench.png").write_bytes(to_png(svg))
    (out / "bench.html").write_text(write_page(found, svg), encoding="utf-8")
    return found


def machine() -> dict[str, Any]:
    """What it was measured on, and how busy that was just before."""
    return {
        "cores": children.cores(),
        "processor": _processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def _measure(people: int, out: Path, tell: Tell, yardstick_s: float) -> dict[str, Any]:
    with open_house(out, people=people, sign="openssl", tell=tell, yardstick_s=yardstick_s) as house:
        load = measure_load(house, tell)
        send, of = measure_send(house, "openssl", tell)
        read = measure_read(house, of, min(people, MOST_REPLIES), tell)
    return {"people": people, "load": load, "send": send, "read": read}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
