"""A small organisation as rows and as a file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from postmuster.roster.delta import Delta
from postmuster.roster.feed import COLUMNS

People = dict[str, dict[str, str]]
Load = Callable[..., Delta]


def people(count: int, component: str = "Agency/Office", *, first: int = 1) -> People:
    """`count` people of one component, by person_id."""
    return {
        f"E{number}": {
            "person_id": f"E{number}",
            "address": f"person.{number}@agency.example",
            "name": f"Person {number}",
            "component": component,
            "employment_class": "employee",
            "manager_id": "",
            "time_zone": "America/New_York",
            "language": "en",
            "status": "active",
        }
        for number in range(first, first + count)
    }


def write(file: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as opened:
        written = csv.DictWriter(opened, COLUMNS)
        written.writeheader()
        written.writerows(rows)
    return file
