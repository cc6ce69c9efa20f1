"""Delta: what a load changed, for the officer who ran it and for the ledger; and how far a load has come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class ComponentDelta:
    """One component: people in the version before and in this one (separated ones included), and how that came."""

    component: str
    before: int
    people: int
    joined: int = 0
    left: int = 0
    moved_in: int = 0
    moved_out: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """One load. `people` = people before + joined - left; `moved` changed component, `changed` anything else.

    `kept` people's line was rejected: they stand in this version as they did in the one before. `rejects_file` is None
    when nothing was rejected.
    """

    version: int
    people: int
    joined: int
    left: int
    moved: int
    changed: int
    kept: int
    rejected: int
    rejects_file: str | None
    by_component: tuple[ComponentDelta, ...]


class Stage(StrEnum):
    """What a load is doing."""

    READING = "reading"
    COMPARING = "comparing"
    WRITING = "writing"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: octets read of `total_octets` (0 where the file cannot say) and lines read."""

    stage: Stage
    octets: int
    total_octets: int
    lines: int
