"""What the tests of the roster share: loading a small organisation into the real database."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from postmuster.roster.delta import Delta

from .sample import Load, People, write


@pytest.fixture
def load(database: Any, tmp_path: Path, now: datetime) -> Load:
    """Load people, or a list of rows, as the next version; keyword arguments are those of `load_feed`."""
    from postmuster.roster.actions import load_feed

    def run(rows: People | list[dict[str, str]], **options: Any) -> Delta:
        file = write(tmp_path / "people.csv", rows.values() if isinstance(rows, dict) else rows)
        chosen: dict[str, Any] = {
            "actor": "officer:1 by shell",
            "now": now,
            "rejects": tmp_path / "people.rejects.csv",
        } | options
        return load_feed(file, **chosen)

    return run
