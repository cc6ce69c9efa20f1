"""`bench load`: rows a second of a roster feed, beside a plain COPY of the same lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from postmuster.bench.children import Child
from postmuster.bench.house import House, open_house
from postmuster.runtime.place import Tell
from postmuster.settings import process_environment


def bench_load(people: int, *, out: Path, tell: Tell) -> dict[str, Any]:
    """Measure in a fresh installation."""
    with open_house(out, people=people, sign="openssl", tell=tell) as house:
        return measure_load(house, tell)


def measure_load(house: House, tell: Tell) -> dict[str, Any]:
    """Load the roster of a house, with the yardstick before and after."""
    tell("Loading the roster …")
    before = _run(house, "copy")
    loaded = _run(house, "load")
    after = _run(house, "copy")
    per_s = loaded["people"] / loaded["seconds"]
    copied_per_s = (before["people"] + after["people"]) / (before["seconds"] + after["seconds"])
    return {
        "people": len(house.people),
        "load_per_s": round(per_s, 1),
        "yardstick": {"copy_per_s": round(copied_per_s, 1)},
        "ratio": {"copy": round(per_s / copied_per_s, 4)},
        "seconds": round(loaded["seconds"], 3),
        "rejected": len(house.people) - loaded["people"],
        "peak_rss_mb": loaded["rss_mb"],
        "rss_mb": {"load": loaded["rss_mb"]},
        "cpu_s": {"load": loaded["cpu_s"]},
        "database": house.durability(),
    }


def load_only(house: House) -> None:
    """Load the roster of a house, unmeasured."""
    _run(house, "load")


def _run(house: House, what: str) -> dict[str, Any]:
    environment = process_environment(house.settings, role="application", clock=str(house.folder / "clock"))
    with Child("loading", str(house.people_csv), what, environment=environment) as child:
        return child.ask("go")
