"""Reports as a file: `figures.json` keeps what a report was made of.

For: making the page, the plots and the documentation's figures again without the database. Promises: `read_record` of
`write_record` gives an equal report, and reads through the constructors, so that a false book is refused here too.
Limits: one version of the format; an unknown version is `Refused`.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from postmuster.base.errors import Refused
from postmuster.reports.figures import (
    AgreementFigures,
    Check,
    ClassFigures,
    ComponentFigures,
    FailureFigures,
    InDoubtFigures,
    Json,
    NoticeFigures,
    OrganisationReport,
    ReplyBucket,
    State,
    TimeToStop,
)

RECORD_VERSION: Final = 1
RECORD_NAME: Final = "figures.json"


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "items"):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def record_text(report: OrganisationReport) -> str:
    """Write the report as JSON, stable for equal reports."""
    body = {"version": RECORD_VERSION, "report": _plain(report)}
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def _when(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _states(data: Json) -> dict[State, int]:
    return {State(name): count for name, count in data.items()}


def _notice(data: Json) -> NoticeFigures:
    stop = data["time_to_stop"]
    return NoticeFigures(
        **{
            **data,
            "states": _states(data["states"]),
            "generated_at": datetime.fromisoformat(data["generated_at"]),
            "by_component": tuple(
                ComponentFigures(row["path"], row["audience"], _states(row["states"])) for row in data["by_component"]
            ),
            "by_class": tuple(
                ClassFigures(row["employment_class"], row["audience"], _states(row["states"]))
                for row in data["by_class"]
            ),
            "replies_over_time": tuple(
                ReplyBucket(datetime.fromisoformat(row["start"]), row["kind"], row["count"])
                for row in data["replies_over_time"]
            ),
            "in_doubt": tuple(
                InDoubtFigures(row["reason"], row["count"], _when(row["since"])) for row in data["in_doubt"]
            ),
            "failed": tuple(FailureFigures(**row) for row in data["failed"]),
            "held_by": tuple(data["held_by"]),
            "approved_by": tuple(data["approved_by"]),
            "time_to_stop": None if stop is None else TimeToStop(**stop),
        }
    )


def read_record(path: Path) -> OrganisationReport:
    """Read what `record_text` wrote.

    Raises: `Refused` for a file that is no record of this version; `Defect` for a book that does not balance.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if body["version"] != RECORD_VERSION:
            raise Refused(
                f"This record has version {body['version']}, read here is {RECORD_VERSION}; make the report again."
            )
        data = body["report"]
        return OrganisationReport(
            notices=tuple(_notice(row) for row in data["notices"]),
            people_counted=data["people_counted"],
            checks=tuple(Check(**row) for row in data["checks"]),
            seconds=data["seconds"],
            agreement=tuple(AgreementFigures(**row) for row in data["agreement"]),
            organisation=data["organisation"],
            generated_at=_when(data["generated_at"]),
            unmatched=data["unmatched"],
            unread=data["unread"],
        )
    except (ValueError, KeyError, TypeError) as trouble:
        raise Refused("The file is not a record of figures; nothing was read. Make the report again.") from trouble
