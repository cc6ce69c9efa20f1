"""How far a mailbox was taken: what is known of it from one look to the next, and how far behind we are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from postmuster.inbound.troubles import Trouble


class MailboxKind(StrEnum):
    """What kind of mailbox mail is fetched from."""

    IMAP = "imap"
    MAILDIR = "maildir"


@dataclass(frozen=True, slots=True)
class Progress:
    """One mailbox. `place` is a digest, because a user's name may be a person's.

    `waiting` and `oldest_at` are the lag: how many mails the last look left in the mailbox, and since when the oldest has been
    there. `left_out` counts those that stay there for ever: too large, or not given by the server. `to_mark` are the numbers
    that are committed and perhaps not marked yet.
    """

    place: str
    kind: MailboxKind
    uid_validity: int | None = None
    last_uid: int = 0
    to_mark: tuple[int, ...] = ()
    taken: int = 0
    left_out: int = 0
    waiting: int = 0
    oldest_at: datetime | None = None
    looked_at: datetime | None = None
    trouble: Trouble | None = None
    trouble_since: datetime | None = None

    def lag_s(self, now: datetime) -> int:
        """The age of the oldest mail that is not taken; 0 where none is known of."""
        return 0 if self.oldest_at is None or not self.waiting else max(0, int((now - self.oldest_at).total_seconds()))


def place_of(kind: MailboxKind, *parts: str) -> str:
    """What a mailbox is remembered by: the same settings, the same mailbox."""
    return hashlib.sha256("\0".join((kind, *parts)).encode("utf-8", "surrogateescape")).hexdigest()[:32]
