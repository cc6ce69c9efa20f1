"""Reading what waits."""

from __future__ import annotations

from postmuster.base import sql

_SQL = sql.load("inbound")


def has_waiting() -> bool:
    """Whether a digest loop would find something. Index: inbound_mail_waiting."""
    return bool(sql.value(_SQL["has_waiting"]))


def waiting() -> int:
    """How many mails wait. Index: inbound_mail_waiting."""
    return int(sql.value(_SQL["waiting"]))
