"""Reading the roster. Every question names the version it is about; the answers are frozen values.

An entry is part of version V when `since` <= V and `until` is not yet reached. Whose address something came from is asked
of today instead: `enrolled_address_keys` and `person_by_address` know current addresses and, for
`FORMER_ADDRESS_DAYS`, those a version has replaced, because people answer from the mail program they have open. A former
address that somebody else has had since belongs to nobody but them.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from postmuster.base import sql
from postmuster.mail.address import AddrSpec
from postmuster.roster.states import EmploymentClass, Status

FORMER_ADDRESS_DAYS: Final = 90  # ours: counted from the load that replaced the address
_NEWEST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One load and what it changed."""

    version: int
    loaded_at: datetime.datetime
    loaded_by: str
    people: int
    joined: int
    left: int
    moved: int
    changed: int
    kept: int
    rejected: int


@dataclass(frozen=True, slots=True)
class PersonEntry:
    """A person as one version has them. `manager_id` is empty where there is none; it may name nobody in the roster."""

    person_no: int
    person_id: str
    addr: AddrSpec
    address_key: str
    name: str
    component_no: int
    component: str
    employment_class: EmploymentClass
    manager_id: str
    time_zone: str
    language: str
    status: Status
    leave_until: datetime.date | None


@dataclass(frozen=True, slots=True)
class Component:
    component_no: int
    path: str


@dataclass(frozen=True, slots=True)
class Count:
    """People of one component, class and status in a version."""

    component_no: int
    component: str
    employment_class: EmploymentClass
    status: Status
    people: int


def current_version() -> int | None:
    """The number of the newest version; None before the first load. Index: primary key."""
    found = sql.value("SELECT max(id) FROM roster_version")
    return None if found is None else int(found)


def versions(limit: int, *, newest: int = _NEWEST) -> tuple[VersionRecord, ...]:
    """The last `limit` versions up to `newest`, newest first. Index: primary key."""
    found = sql.rows(sql.load("roster")["versions"], {"limit": limit, "newest": newest})
    return tuple(VersionRecord(*row) for row in found)


def version_record(version: int) -> VersionRecord | None:
    """One version. Index: primary key."""
    found = versions(1, newest=version)
    return found[0] if found and found[0].version == version else None


def people_for(version: int, person_nos: Collection[int]) -> dict[int, PersonEntry]:
    """The people of these numbers in a version, by number; who is not in it is left out.

    Index: roster_entry_person_since (person_no, since).
    """
    parameters = {"version": version, "person_nos": list(person_nos)}
    return {row[0]: _entry(row) for row in sql.rows(sql.load("roster")["people"], parameters)}


def person(person_id: str, version: int) -> PersonEntry | None:
    """One person of a version. Index: roster_person_id, then roster_entry_person_since."""
    numbers = person_numbers([person_id])
    return people_for(version, numbers.values()).get(numbers[person_id]) if numbers else None


def person_numbers(person_ids: Iterable[str]) -> dict[str, int]:
    """The numbers of person_ids, such as managers', in any version; unknown ones are left out. Index: roster_person_id."""
    return dict(sql.rows(sql.load("roster")["person_numbers"], {"person_ids": list(person_ids)}))


def components() -> tuple[Component, ...]:
    """Every component that was ever in the roster, in the order of paths."""
    return tuple(Component(*row) for row in sql.rows(sql.load("roster")["components"]))


def component_numbers(paths: Collection[str], *, subtree: bool) -> tuple[frozenset[int], tuple[str, ...]]:
    """The numbers of the components named by `paths`, with all beneath them where `subtree`; and the paths that fit none."""
    known = components()
    numbers: set[int] = set()
    strangers = []
    for path in paths:
        inside = {
            component.component_no
            for component in known
            if component.path == path or (subtree and component.path.startswith(f"{path}/"))
        }
        numbers |= inside
        if not inside:
            strangers.append(path)
    return frozenset(numbers), tuple(strangers)


def counts_by_component_and_class(version: int) -> tuple[Count, ...]:
    """People by component, class and status; they add up to the version's people. Reads the whole table once."""
    found = sql.rows(sql.load("roster")["counts"], {"version": version})
    return tuple(Count(row[0], row[1], EmploymentClass(row[2]), Status(row[3]), row[4]) for row in found)


def enrolled_address_keys(person_nos: Collection[int], *, now: datetime.datetime) -> Mapping[int, frozenset[str]]:
    """The keys (`AddrSpec.match_key`) of the addresses that are each person's today.

    Index: roster_entry_person_since; roster_entry_address_now and roster_entry_address_former for later holders.
    """
    keys: defaultdict[int, set[str]] = defaultdict(set)
    parameters = {"person_nos": list(person_nos), "not_before": _not_before(now)}
    for person_no, key in sql.rows(sql.load("roster")["enrolled"], parameters):
        keys[person_no].add(key)
    return {person_no: frozenset(keys[person_no]) for person_no in person_nos}


def person_by_address(keys: Collection[str], *, now: datetime.datetime) -> dict[str, int]:
    """Whose address each key is today: the current holder's, else the last former one's; unknown keys are left out.

    Index: roster_entry_address_now, roster_entry_address_former.
    """
    named = sql.load("roster")
    found: dict[str, int] = dict(sql.rows(named["holders"], {"keys": list(keys)}))
    missing = [key for key in keys if key not in found]
    if missing:
        found |= dict(sql.rows(named["former_holders"], {"keys": missing, "not_before": _not_before(now)}))
    return found


def sample(
    version: int,
    *,
    count: int,
    seed: int,
    classes: Collection[EmploymentClass] = tuple(EmploymentClass),
    statuses: Collection[Status] = tuple(Status),
    component_nos: Collection[int] | None = None,
) -> tuple[PersonEntry, ...]:
    """`count` people drawn from a version, the same ones for the same `seed`. Reads the whole table once."""
    parameters = {
        "version": version,
        "classes": [str(name) for name in classes],
        "statuses": [str(name) for name in statuses],
        "component_nos": None if component_nos is None else list(component_nos),
        "seed": seed,
        "limit": count,
    }
    drawn = [row[0] for row in sql.rows(sql.load("roster")["sample"], parameters)]
    entries = people_for(version, drawn)
    return tuple(entries[person_no] for person_no in drawn)


def _entry(row: sql.Row) -> PersonEntry:
    return PersonEntry(
        person_no=row[0],
        person_id=row[1],
        addr=AddrSpec(row[2], row[3]),
        address_key=row[4],
        name=row[5],
        component_no=row[6],
        component=row[7],
        employment_class=EmploymentClass(row[8]),
        manager_id=row[9],
        time_zone=row[10],
        language=row[11],
        status=Status(row[12]),
        leave_until=row[13],
    )


def _not_before(now: datetime.datetime) -> datetime.datetime:
    return now - datetime.timedelta(days=FORMER_ADDRESS_DAYS)
