"""Whom a further round does not write to: the part of it that replies know. Writes to `outbound_spared`; returns no person."""

from __future__ import annotations

from postmuster.base import sql
from postmuster.outbound.values import RoundRef

_SQL = sql.load("replies")


def newest_mail() -> int:
    """The newest mail taken in, 0 before the first."""
    return int(sql.value(_SQL["newest_mail"]))


def is_unread(mail_no: int, lease_s: int) -> bool:
    """Whether this mail, or one before it, still has to be read; `lease_s` is how long a reader's claim holds."""
    return bool(sql.value(_SQL["is_unread"], {"mail_no": mail_no, "lease_s": lease_s}))


def spare_answered(of: RoundRef) -> int:
    """Spare those who answered, and those whose reply a person has to decide on; returns how many are new."""
    return sql.execute(_SQL["spare_answered"], of.key)


def spare_replied(of: RoundRef) -> int:
    """Spare those who wrote anything themselves; returns how many are new."""
    return sql.execute(_SQL["spare_replied"], of.key)
