"""How far behind the mailboxes we are: for `check`, `notice status` and whoever watches. Reads, and asks no server.

A mailbox that nobody looks at any more, which is how fetching fails in silence, is behind as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from postmuster.inbound.progress import MailboxKind, Progress, place_of
from postmuster.inbound.queries import progress_of
from postmuster.inbound.troubles import SENTENCES
from postmuster.settings import Settings

MISSED_LOOKS: Final = 3  # so many looks may fail to come, or a minute may pass, before it is told
_SLACK: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Lag:
    """One mailbox; `progress` is None when it was never looked at. `alarm` is a sentence, empty when all is well."""

    kind: MailboxKind
    progress: Progress | None
    alarm: str
    now: datetime

    def to_json(self) -> dict[str, Any]:
        """Counts and moments; of trouble its word."""
        of = self.progress
        return {
            "kind": str(self.kind),
            "waiting": of.waiting if of else None,
            "lag_s": of.lag_s(self.now) if of else None,
            "taken": of.taken if of else 0,
            "left_out": of.left_out if of else 0,
            "looked_at": of.looked_at.isoformat() if of and of.looked_at else None,
            "trouble": str(of.trouble) if of and of.trouble else None,
            "alarm": self.alarm or None,
        }

    def sentence(self) -> str:
        """One line for people."""
        if self.alarm or self.progress is None:
            return self.alarm
        stay = f"; {self.progress.left_out} stay there, too large or not given" if self.progress.left_out else ""
        return (
            f"From the {self.kind} mailbox {self.progress.taken} mails were taken, {self.progress.waiting} wait{stay}."
        )


def places(settings: Settings) -> dict[MailboxKind, str]:
    """The mailboxes that are configured, each by what it is remembered by."""
    found = {}
    if settings.imap.host:
        imap = settings.imap
        found[MailboxKind.IMAP] = place_of(MailboxKind.IMAP, imap.host, str(imap.port), imap.user, imap.folder)
    if settings.mailbox.maildir:
        folder = settings.home / settings.mailbox.maildir
        found[MailboxKind.MAILDIR] = place_of(MailboxKind.MAILDIR, str(folder))
    return found


def lags(settings: Settings, now: datetime) -> list[Lag]:
    """Every mailbox that is configured, with what is wrong with it."""
    configured = places(settings)
    known = progress_of(list(configured.values())) if configured else {}
    return [
        Lag(kind, known.get(place), _alarm(kind, known.get(place), settings, now), now)
        for kind, place in configured.items()
    ]


def _alarm(kind: MailboxKind, of: Progress | None, settings: Settings, now: datetime) -> str:
    if of is None or (of.looked_at is None and of.trouble is None):
        return f"The {kind} mailbox was never looked at; start `postmuster up`, or run `postmuster reply fetch`."
    if of.trouble is not None:
        since = f" (since {of.trouble_since:%Y-%m-%d %H:%M} UTC)" if of.trouble_since else ""
        return f"{SENTENCES[of.trouble]}{since}; {_waits(of, now)}."
    overdue = timedelta(seconds=settings.mailbox.every_s * MISSED_LOOKS) + _SLACK
    if of.looked_at is not None and now - of.looked_at > overdue:
        minutes = int((now - of.looked_at).total_seconds() // 60)
        return (
            f"Nobody has looked at the {kind} mailbox for {minutes} minutes; start `postmuster up`; {_waits(of, now)}."
        )
    if of.lag_s(now) > settings.mailbox.late_after_s:
        return f"The {kind} mailbox is behind: {_waits(of, now)}; see whether more comes than can be fetched."
    return ""


def _waits(of: Progress, now: datetime) -> str:
    return (
        f"{of.waiting} mails wait there, the oldest for {of.lag_s(now) // 60} minutes"
        if of.waiting
        else "none is known to wait"
    )
