"""Census: the roster as a CSV file, and an independent count of who an audience is.

What for: the roster goes to the house as `people.csv`. How many people a notice is for is then counted here a second
time, from that file alone and with code of our own, so that a wrong audience cannot agree with itself.

Promises: the same people give the same octets. The count reads the file and nothing else.
Limits: on leave is no exclusion, such people are written to. A person is counted under the first reason that holds, in
the order separated, no_mail_access, component, employment_class.
Sources: RFC 4180 (CSV: CRLF line ends, doubled quotes).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from postmuster.organisation.people import Person

COLUMNS = (
    "person_id", "address", "name", "component", "employment_class", "manager_id", "time_zone", "language", "status",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AudienceCount:
    """Who a notice is for: `people` rows read, of them `addressed`, the others by reason, `addressed` again by component."""

    people: int
    addressed: int
    excluded: dict[str, int]
    by_component: dict[str, int]


def write_people_csv(people: Iterable[Person], path: Path) -> None:
    """Write the roster to `path` as UTF-8.

    Source: RFC 4180 §2.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        rows.writerows([getattr(person, column) for column in COLUMNS] for person in people)


def count_audience(
    csv_path: Path, classes_in: Collection[str], components: Sequence[str] | None = None
) -> AudienceCount:
    """Count from the file who a notice to `classes_in` reaches, in `components` and below (everywhere when None)."""
    reasons: Counter[str] = Counter()
    by_component: Counter[str] = Counter()
    people = 0
    with csv_path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            people += 1
            reason = _reason(row, classes_in, components)
            if reason:
                reasons[reason] += 1
            else:
                by_component[row["component"]] += 1
    return AudienceCount(people, sum(by_component.values()), dict(reasons), dict(by_component))


def _reason(row: dict[str, str], classes_in: Collection[str], components: Sequence[str] | None) -> str:
    if row["status"] in {"separated", "no_mail_access"}:
        return row["status"]
    inside = components is None or any(
        row["component"] == name or row["component"].startswith(f"{name}/") for name in components
    )
    if not inside:
        return "component"
    return "" if row["employment_class"] in classes_in else "employment_class"
