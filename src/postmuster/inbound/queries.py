"""Reading what waits."""

from __future__ import annotations

import json
from collections.abc import Sequence

from postmuster.base import sql
from postmuster.inbound.progress import MailboxKind, Progress
from postmuster.inbound.troubles import Trouble

_SQL = sql.load("inbound")


def has_waiting() -> bool:
    """Whether a digest loop would find something. Index: inbound_mail_waiting."""
    return bool(sql.value(_SQL["has_waiting"]))


def waiting() -> int:
    """How many mails wait. Index: inbound_mail_waiting."""
    return int(sql.value(_SQL["waiting"]))


def progress_of(places: Sequence[str]) -> dict[str, Progress]:
    """How far each of these mailboxes was taken; those never looked at are left out. Index: the unique one on place."""
    return {row[0]: _progress(row) for row in sql.rows(_SQL["mailboxes"], {"places": list(places)})}


def _progress(row: sql.Row) -> Progress:
    place, kind, uid_validity, last_uid, to_mark, taken, left_out, waiting, oldest_at, looked_at, trouble, since = row
    numbers = json.loads(to_mark) if isinstance(to_mark, str) else to_mark
    return Progress(
        place, MailboxKind(kind), uid_validity, last_uid, tuple(numbers), taken, left_out, waiting, oldest_at, looked_at,
        Trouble(trouble) if trouble else None, since,
    )  # fmt: skip
