"""Handing recorded elections over: a file for those who carry them out, made by two officers who asked for the same.

The file is written whole, readable by its owner alone, beside its final name; then the transaction commits that lets the
elections be exported and tells each person; then the file gets its name. After a crash between the two it stands, complete,
under its name with `.part` behind.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.db import transaction

from postmuster.access.queries import acting
from postmuster.access.roles import Role
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id
from postmuster.jobs.desk import Desk
from postmuster.jobs.election_letters import Ground, news_of, write_news
from postmuster.ledger import actions as ledger
from postmuster.replies import election_exports as exports
from postmuster.replies import election_queries as queries
from postmuster.replies import elections
from postmuster.replies.election_queries import election_id
from postmuster.replies.election_values import Election
from postmuster.roster import queries as roster

FORMATS: Final = (".csv", ".jsonl")
CHUNK: Final = 500  # elections told at once
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run what begins so


@dataclass(frozen=True, slots=True)
class Exported:
    """What an asking came to. `file` is None as long as the second officer has not asked."""

    export_no: int
    elections: int
    manifest: str
    file: Path | None


def export(notice_no: int, *, file: Path, officer: str, desk: Desk) -> Exported:
    """Ask for an export; the second officer's asking writes the file. Ledger: `export asked`, `elections exported`.

    Raises `Refused` for a file that exists or is of no known format, when nothing is ready, and for the same officer again.
    """
    actor = acting(officer, Role.REVIEWER, Role.APPROVER)
    if file.suffix not in FORMATS:
        raise Refused(f"An export is a {' or '.join(FORMATS)} file; nothing was written; name such a one with --to.")
    aside = file.with_name(f"{file.name}.part")
    for one in (file, aside):
        if one.exists():
            raise Refused(f"The file {one} exists already; nothing was written; name another with --to.")
    with sql.guarded(), transaction.atomic():
        asked = exports.ask(notice_no, officer_no=actor.officer_no, now=desk.now)
        facts = {"export": asked.export_no, "manifest": asked.manifest.hex(), "elections": len(asked.elections)}
        kind = "elections exported" if asked.is_second else "export asked"
        ledger.append(kind=kind, actor=actor.mark, subject=notice_id(notice_no), facts=facts, now=desk.now)
        if asked.is_second:
            _hand_over(asked.elections, by=actor.mark, desk=desk)
            _write(aside, _octets(asked.elections, file.suffix, desk))
    if asked.is_second:
        aside.rename(file)
    return Exported(asked.export_no, len(asked.elections), asked.manifest.hex(), file if asked.is_second else None)


def _hand_over(ready: Sequence[Election], *, by: str, desk: Desk) -> None:
    ground = Ground()
    for place in range(0, len(ready), CHUNK):
        moves = exports.hand_over(ready[place : place + CHUNK], now=desk.now)
        letters = write_news([news_of(move) for move in moves], ground, desk)
        elections.write_steps(list(zip(moves, letters, strict=True)), by=by, now=desk.now)


def _octets(ready: Sequence[Election], suffix: str, desk: Desk) -> bytes:
    records = list(_records(ready))
    if suffix == ".jsonl":
        return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows({key: _inert(value) for key, value in record.items()} for record in records)
    return text.getvalue().encode()


def _records(ready: Sequence[Election]) -> Iterator[dict[str, str]]:
    """What those who carry a choice out have to know: the person's number in the roster, and no name or address."""
    paths = {one.component_no: one.path for one in roster.components()}
    people = queries.person_ids([one.person_no for one in ready])
    for one in ready:
        yield {
            "election": election_id(one.election_no),
            "notice": notice_id(one.ref.notice_no),
            "person_id": people[one.person_no],
            "component": paths.get(one.component_no, ""),
            "choice": one.choice,
            "read_at": one.read_at.isoformat(),
            "confirmed_at": one.confirmed_at.isoformat() if one.confirmed_at else "",
            "recorded_at": one.recorded_at.isoformat() if one.recorded_at else "",
        }


def _inert(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value


def _write(path: Path, octets: bytes) -> None:
    """Write a new file that its owner alone can read, and see it on the disk."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Refused(
            f"The file {path} could not be written ({error.strerror}); nothing was exported; name another with --to."
        ) from None
