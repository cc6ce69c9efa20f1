"""Shrinkage: which components lose more people from one version to the next than a feed may take without being asked.

What for: half an export looks like a whole one. Before a feed counts, each component is compared with itself: its own
people, and its people together with all beneath it, up to the whole roster ("/"). Separated people count as gone.

Promises: pure; time in proportion to the number of components. A loss is reported once, at the deepest place that shows
it: what is reported, or allowed, is left out of the sums above it. Allowing a component allows all beneath it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

MAX_SHRINK_PERCENT: Final = 5  # a larger loss needs to be allowed by name
SHRINK_PEOPLE: Final = 5  # ours: a loss of this many people or fewer is everyday life, whatever its share
WHOLE: Final = "/"


@dataclass(frozen=True, slots=True)
class Shrink:
    """A component that shrinks too much. `subtree`: the numbers are with all beneath it."""

    path: str
    before: int
    after: int
    subtree: bool


def shrinking(before: Mapping[str, int], after: Mapping[str, int], allowed: Collection[str]) -> tuple[Shrink, ...]:
    """Compare people per component path and return what is not in `allowed`, in the order of paths."""
    totals: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    found: list[Shrink] = []
    for path in _deepest_first(before.keys() | after.keys()):
        own_before, own_after = before.get(path, 0), after.get(path, 0)
        if is_allowed(path, allowed):
            continue
        if _too_much(own_before, own_after):
            found.append(Shrink(path, own_before, own_after, subtree=False))
            own_before = own_after = 0
        total = totals[path]
        total[0] += own_before
        total[1] += own_after
        if _too_much(*total):
            found.append(Shrink(path, total[0], total[1], subtree=True))
        elif path != WHOLE:
            above = totals[_parent(path)]
            above[0] += total[0]
            above[1] += total[1]
    return tuple(sorted(found, key=lambda shrink: shrink.path))


def is_allowed(path: str, allowed: Collection[str]) -> bool:
    """Say whether `path` or one above it is in `allowed`."""
    return WHOLE in allowed or any(above in allowed for above in _upwards(path))


def with_ancestors(paths: Collection[str]) -> set[str]:
    """All paths that can be named: those given and those above them, the whole roster included."""
    return {above for path in paths for above in _upwards(path)} | {WHOLE}


def _deepest_first(paths: Collection[str]) -> list[str]:
    everything = with_ancestors(paths) - {WHOLE}
    return [*sorted(everything, key=lambda path: (-path.count("/"), path)), WHOLE]


def _upwards(path: str) -> Iterator[str]:
    while path and path != WHOLE:
        yield path
        path = path.rpartition("/")[0]


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or WHOLE


def _too_much(before: int, after: int) -> bool:
    lost = before - after
    return lost > SHRINK_PEOPLE and lost * 100 > before * MAX_SHRINK_PERCENT
