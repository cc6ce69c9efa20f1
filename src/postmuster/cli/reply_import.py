"""`postmuster reply import` and `reply fetch`: mail from files and mailboxes, taken in as if it had come through the door.

`import` reads a mailbox in files once and changes nothing in it; `fetch` does at once what the crew does every now and then
(`jobs.mailbox`). Whatever is taken twice counts once. The process logs in as the intake role, which may add mail and nothing
else.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from postmuster.base.errors import Refused, Transient
from postmuster.cli.session import note, open_session, say, say_json
from postmuster.inbound.door import GROUP_MAILS
from postmuster.inbound.mailboxes import FiledMail, read_mailbox
from postmuster.inbound.troubles import MailboxTrouble
from postmuster.jobs.taking import open_fetch_desk, take

_GROUP_OCTETS = 16 * 1024 * 1024


def import_mail(path: Path, *, as_json: bool) -> None:
    """Take in every mail of an mbox file, a Maildir or a folder of .eml files; what is too large is named and left out."""
    session = open_session("intake")
    desk = open_fetch_desk(session.settings, session.clock)
    read = taken = left_out = 0
    for group in _groups(read_mailbox(path, most=desk.most_octets)):
        mails = [one.octets for one in group if one.octets is not None]
        left_out += len(group) - len(mails)
        try:
            taken += take(mails, desk)
        except Transient as error:
            why = (
                "The intake takes no mail now"
                if isinstance(error, MailboxTrouble)
                else "The database did not keep the next mails"
            )
            raise Transient(f"{why}; {taken} are kept; run the same command again.") from None
        read += len(mails)
    if left_out:
        note(f"{left_out} mails are larger than the intake takes and were left where they are.")
    if as_json:
        say_json({"taken": taken, "known": read - taken, "left_out": left_out})
        return
    known = f"; {read - taken} were taken before" if read > taken else ""
    say(f"Took in {taken} mails{known}; workers read them now.")


def fetch_mail(*, as_json: bool) -> None:
    """Look at every mailbox that is configured, once."""
    session = open_session("intake")
    journey = importlib.import_module("postmuster.jobs.mailbox")
    looks = journey.fetch(open_fetch_desk(session.settings, session.clock))
    if as_json:
        say_json([one.to_json() for one in looks])
    else:
        for one in looks:
            say(one.sentence())
    if any(one.trouble for one in looks):
        raise Transient("A mailbox could not be taken to its end; what was taken is kept; mend that and run it again.")


def _groups(mails: Iterator[FiledMail]) -> Iterator[list[FiledMail]]:
    """So many at a time, and not much more memory than so many octets. What was read before trouble is given before it."""
    group: list[FiledMail] = []
    held, trouble = 0, None
    while True:
        try:
            one = next(mails, None)
        except Refused as error:
            one, trouble = None, error
        if group and (one is None or len(group) >= GROUP_MAILS or held >= _GROUP_OCTETS):
            yield group
            group, held = [], 0
        if trouble is not None:
            raise trouble
        if one is None:
            return
        group.append(one)
        held += len(one.octets or b"")
