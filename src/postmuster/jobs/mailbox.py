"""The journey of mail that lies in a mailbox: look → fetch → commit → mark.

For replies that arrive where no LMTP reaches us: a mailbox with a provider (IMAP), or a Maildir that another MTA fills.

Promises. A mail is marked only after it is committed (`taking`). A crash, a stop or trouble takes nothing away: what was not
committed is still in the mailbox, what was committed and perhaps not marked is marked at the next look. Each mail counts once,
by the server's numbers (UID) as long as they hold (UIDVALIDITY) and by its octets when they do not. What is too large, or is
not given by the server, stays where it is, unmarked, and is counted (`left_out`); it holds up nothing.

What was seen last is a mailbox's lag (`Progress.waiting`, `oldest_at`); trouble is written down with its beginning.

Limits: `GROUP_MAILS` mails or `GROUP_OCTETS`, as the server states them, are fetched before they are committed. One process at a
time looks at mailboxes, on however many machines.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from django.db import connection

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.inbound import actions as inbound
from postmuster.inbound import mailboxes
from postmuster.inbound import queries as kept
from postmuster.inbound.door import GROUP_MAILS
from postmuster.inbound.imap import ROWS, ImapAddress, ImapMailbox, Listed, Security, WhenTaken, open_mailbox
from postmuster.inbound.progress import MailboxKind, Progress
from postmuster.inbound.troubles import SENTENCES, MailboxTrouble, Trouble
from postmuster.jobs.mailbox_lag import places
from postmuster.jobs.taking import FetchDesk, is_open, take_from
from postmuster.settings import Settings
from postmuster.settings.keys import read_imap_password

GROUP_OCTETS: Final = 16 * 1024 * 1024
_FETCH_LOCK: Final = 0x504D_4D42  # any fixed number: one process in the database looks at mailboxes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one look at a mailbox did. `read` mails were fetched, of which `taken` were new."""

    kind: MailboxKind
    read: int
    taken: int
    left_out: int
    waiting: int
    lag_s: int
    trouble: Trouble | None

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {
            "kind": str(self.kind),
            "trouble": str(self.trouble) if self.trouble else None,
        }

    def sentence(self) -> str:
        text = f"{self.kind}: {self.read} mails fetched, {self.taken} of them new; {self.waiting} wait there"
        if self.left_out:
            text += f"; {self.left_out} stay there, too large or not given by the server"
        return f"{text}. {SENTENCES[self.trouble]}." if self.trouble else f"{text}."


def fetch(desk: FetchDesk) -> list[Fetched]:
    """Look once at every mailbox that is configured. Raises `Refused` where there is none, or another process looks."""
    found = places(desk.settings)
    if not found:
        raise Refused("No mailbox is configured; nothing was done; set imap.host or mailbox.maildir.")
    with sql.alone(_FETCH_LOCK) as is_alone:
        if not is_alone:
            raise Refused("Another process fetches from the mailboxes; nothing was done; it goes on by itself.")
        return [_look(kind, place, desk) for kind, place in found.items()]


def address_of(settings: Settings) -> ImapAddress:
    """Where the IMAP mailbox is; `Refused` names the password file that is missing, or a setting that would give it away."""
    imap = settings.imap
    if imap.tls == Security.NONE and imap.host not in ("localhost", "127.0.0.1", "::1"):
        raise Refused(
            f"Without TLS the mailbox's password is said to this machine only, and {imap.host} is another; nothing was done; set "
            "imap.tls to implicit."
        )
    if imap.when_taken == WhenTaken.MOVE and not imap.taken_folder:
        raise Refused("There is no folder to move taken mail to; nothing was done; name one in imap.taken_folder.")
    return ImapAddress(
        host=imap.host,
        port=imap.port,
        security=Security(imap.tls),
        ca_file=str(settings.home / imap.ca_file) if imap.ca_file else "",
        user=imap.user,
        password=read_imap_password(settings.key_dir),
        folder=imap.folder,
        when_taken=WhenTaken(imap.when_taken),
        taken_folder=imap.taken_folder,
        timeout_s=imap.timeout_s,
    )


def _look(kind: MailboxKind, place: str, desk: FetchDesk) -> Fetched:
    """Look at one mailbox; trouble is written down, and is no error: the next look may go better."""
    look = _Look(kept.progress_of([place]).get(place) or Progress(place, kind), desk)
    trouble: Trouble | None = None
    try:
        if kind is MailboxKind.IMAP:
            _fetch_imap(look, address_of(desk.settings))
        else:
            _fetch_maildir(look, desk.settings.home / desk.settings.mailbox.maildir)
    except MailboxTrouble as error:
        trouble = error.trouble
        connection.close_if_unusable_or_obsolete()
    look.end(trouble)
    progress = look.progress
    return Fetched(
        kind, look.read, progress.taken - look.taken_before, progress.left_out, progress.waiting,
        progress.lag_s(desk.now), trouble,
    )  # fmt: skip


class _Look:
    """One look under way: what is written down so far, and what is still to be done."""

    def __init__(self, progress: Progress, desk: FetchDesk) -> None:
        self.progress, self.desk = progress, desk
        self.read, self.taken_before = 0, progress.taken
        self._to_do = 0

    def found(self, waiting: int, oldest_at: datetime | None) -> None:
        """So much is new. Raises `MailboxTrouble` where the intake takes none of it."""
        self._to_do = waiting
        self.note(waiting=waiting, oldest_at=self._plausible(oldest_at) if waiting else None, looked_at=self.desk.now)
        if waiting and not is_open():
            raise MailboxTrouble(Trouble.INTAKE)

    def take(self, mails: Sequence[bytes], *, passed: int, arrived_at: datetime | None, **changes: Any) -> None:
        """Commit mails, with `passed` of those found done with; `arrived_at` is when the last of them came."""
        self._to_do -= passed
        oldest_at = self._plausible(arrived_at) if self._to_do > 0 else None
        self.progress = take_from(
            self.progress, mails, self.desk, waiting=max(0, self._to_do), oldest_at=oldest_at, **changes
        )
        self.read += len(mails)

    def note(self, **changes: Any) -> None:
        """Change what is known, to be written down with the next commit or at the end."""
        self.progress = dataclasses.replace(self.progress, **changes)

    def end(self, trouble: Trouble | None) -> None:
        """Write down how it ended; trouble keeps the moment when it began."""
        before = self.progress
        since = (before.trouble_since if before.trouble is trouble else self.desk.now) if trouble else None
        self.note(trouble=trouble, trouble_since=since)
        inbound.save_progress(self.progress)

    def _plausible(self, arrived_at: datetime | None) -> datetime:
        """A server's clock may be ahead of ours, and some say nothing."""
        return min(arrived_at or self.desk.now, self.desk.now)


# ---- IMAP


def _fetch_imap(look: _Look, address: ImapAddress) -> None:
    with open_mailbox(address) as box:
        if box.uid_validity != look.progress.uid_validity:
            look.note(uid_validity=box.uid_validity, last_uid=0, to_mark=(), left_out=0)
        if look.progress.to_mark:
            box.mark(look.progress.to_mark)
            look.note(to_mark=())
        uids = box.uids_after(look.progress.last_uid)
        oldest = box.describe(uids[:1])[0].arrived_at if uids else None
        look.found(len(uids), oldest)
        for start in range(0, len(uids), ROWS):
            for group in _groups(box.describe(uids[start : start + ROWS]), lambda one: _allowed(one, look) or 0):
                if look.desk.leaving.is_set():
                    return
                _take_group(group, box, look, marks=address.when_taken is not WhenTaken.LEAVE)


def _allowed(one: Listed, look: _Look) -> int | None:
    """The stated size of a mail that may be fetched, 0 where none is stated; None for one that is too large."""
    size = one.octets or 0
    return size if size <= look.desk.most_octets else None


def _take_group(group: Sequence[Listed], box: ImapMailbox, look: _Look, *, marks: bool) -> None:
    sizes = {one.uid: size for one in group if (size := _allowed(one, look)) is not None}
    found = _fetch_group(sizes, box, look)
    left_out = len(group) - len(sizes) + sum(octets is None for octets in found.values())
    mails = {uid: octets for uid, octets in found.items() if octets is not None}
    look.take(
        list(mails.values()),
        passed=len(group),
        arrived_at=group[-1].arrived_at,
        last_uid=group[-1].uid,
        to_mark=tuple(mails) if marks else (),
        left_out=look.progress.left_out + left_out,
    )
    box.mark(tuple(mails))
    look.note(to_mark=())


def _fetch_group(sizes: dict[int, int], box: ImapMailbox, look: _Look) -> dict[int, bytes | None]:
    """The mails by number; None for one that is there and too large or not given. One that is gone is left out.

    One mail that a server cannot give must not hold up those it is asked for with: each missing one is asked for alone.
    """
    most = look.desk.most_octets
    given = box.octets(list(sizes), most=most, expected=sum(sizes.values())) if sizes else {}
    found: dict[int, bytes | None] = {}
    for uid, size in sizes.items():
        octets = given.get(uid)
        if octets is None:
            octets = box.octets([uid], most=most, expected=size).get(uid)
        if octets is not None or box.has(uid):
            found[uid] = octets if octets is not None and len(octets) <= most else None
    return found


# ---- Maildir


def _fetch_maildir(look: _Look, folder: Path) -> None:
    most = look.desk.most_octets
    try:
        every = mailboxes.waiting(folder)
        files = [one for one in every if one.octets <= most]
        look.note(left_out=len(every) - len(files))
        look.found(len(files), files[0].arrived_at if files else None)
        for group in _groups(files, lambda one: one.octets):
            if look.desk.leaving.is_set():
                return
            read = [(one, mailboxes.read_waiting(one, most=most)) for one in group]
            mails = {one: octets for one, octets in read if octets is not None}
            look.take(list(mails.values()), passed=len(group), arrived_at=group[-1].arrived_at)
            for one in mails:
                mailboxes.mark_taken(one)
    except OSError:
        raise MailboxTrouble(Trouble.FILES) from None


def _groups(items: Sequence[T], octets: Callable[[T], int]) -> Iterator[list[T]]:
    """Cut into groups that are committed at once: so many mails, so many octets, at least one mail."""
    group: list[T] = []
    held = 0
    for item in items:
        size = octets(item)
        if group and (len(group) >= GROUP_MAILS or held + size > GROUP_OCTETS):
            yield group
            group, held = [], 0
        group.append(item)
        held += size
    if group:
        yield group
