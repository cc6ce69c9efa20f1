"""Named SQL and database errors that repeat nobody's data.

`load("outbound")` reads `outbound/sql/*.sql`; a statement begins at a line `-- name: claim_batch` and ends at the next.
`guarded()` turns whatever the driver raises into a `Transient` (try again) or a `Defect`, naming the SQLSTATE only.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import psycopg
from django.db import Error as DjangoError
from django.db import connection

from postmuster.base.errors import Defect, PostmusterError, Transient

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
# 08 connection, 40 serialisation, 53 resources, 57 operator intervention (57014 is a statement timeout), 55P03 lock wait.
_TRY_AGAIN = ("08", "40", "53", "57", "55P03")

_UNIQUE_VIOLATION = "23505"


class Collision(Defect):
    """A row with this key is there already. For callers that expect it; whoever does not has a defect."""


Parameters = Mapping[str, Any] | Sequence[Any]
Row = tuple[Any, ...]


@cache
def load(room: str) -> Mapping[str, str]:
    """All named statements of a room."""
    found: dict[str, str] = {}
    folder = importlib.resources.files("postmuster").joinpath(room, "sql")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        pieces = _NAME.split(file.read_text(encoding="utf-8"))
        for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
            if name in found:
                raise Defect(f"The statement {name} stands twice in {room}/sql; nothing was run.")
            found[name] = text.strip().rstrip(";")
    return found


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Let no database error out with the row it quotes."""
    try:
        yield
    except (DjangoError, psycopg.Error) as error:
        raise _without_detail(error) from None


def _without_detail(error: BaseException) -> PostmusterError:
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    state = getattr(cause, "sqlstate", None) or ""
    kind = type(cause or error).__name__
    if isinstance(cause, psycopg.OperationalError) or state.startswith(_TRY_AGAIN):
        return Transient(
            f"The database could not do this now ({state or kind}); what was committed is kept; try again, and run "
            "`postmuster check` if it stays so."
        )
    kind_of_error = Collision if state == _UNIQUE_VIOLATION else Defect
    return kind_of_error(
        f"The database refused a statement ({state or kind}); it was rolled back whole; please report it."
    )


def rows(statement: str, parameters: Parameters = ()) -> list[Row]:
    """Run one statement on this thread's connection and return all it gives."""
    with guarded(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def row(statement: str, parameters: Parameters = ()) -> Row | None:
    found = rows(statement, parameters)
    return found[0] if found else None


def value(statement: str, parameters: Parameters = ()) -> Any:
    found = row(statement, parameters)
    return found[0] if found else None


def execute(statement: str, parameters: Parameters = ()) -> int:
    """Run one statement for its effect; returns the number of rows it touched."""
    with guarded(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def prepared(statement: str, parameters: Parameters = ()) -> list[Row]:
    """Run one statement as `rows` does, bound and planned on the server once a connection, its values in binary.

    For what is run thousands of times with arrays: writing the literals and planning took two thirds of its time.
    """
    connection.ensure_connection()
    with guarded(), psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, parameters, prepare=True, binary=True)
        return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def alone(lock: int) -> Iterator[bool]:
    """Try to hold a lock of the whole database for the block; says whether it was free. It ends with the connection, too."""
    is_alone = bool(value("SELECT pg_try_advisory_lock(%s)", (lock,)))
    try:
        yield is_alone
    finally:
        if is_alone:
            value("SELECT pg_advisory_unlock(%s)", (lock,))
