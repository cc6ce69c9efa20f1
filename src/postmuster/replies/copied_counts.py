"""How many reports had the manager in copy, by component; for `notice status`. Counts only.

In a component of a few people a count would name somebody: components with fewer than `FEWEST` such reports are added up, under
no path.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from postmuster.base import sql
from postmuster.replies.copied import InCopy

FEWEST: Final = 5  # ours: the smallest number that official statistics commonly let out
_SQL: Final = sql.load("replies")


@dataclass(frozen=True, slots=True)
class CopiedCount:
    """One component, or all small ones together (`path` None)."""

    path: str | None
    counts: Counter[str]

    def to_json(self) -> dict[str, Any]:
        return {"path": self.path} | {str(word): self.counts[word] for word in InCopy}


def manager_in_copy_counts(notice_no: int) -> list[CopiedCount]:
    """Of the reports that stand; empty where none was asked."""
    by_path: dict[str | None, Counter[str]] = {}
    for path, word, count in sql.rows(_SQL["in_copy"], {"notice_no": notice_no}):
        by_path.setdefault(path, Counter())[word] = int(count)
    small = [path for path, counts in by_path.items() if counts.total() < FEWEST]
    together: Counter[str] = sum((by_path.pop(path) for path in small), Counter())
    found = [CopiedCount(path, counts) for path, counts in by_path.items()]
    return [*found, CopiedCount(None, together)] if together else found
