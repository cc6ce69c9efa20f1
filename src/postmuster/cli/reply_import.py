"""`postmuster reply import`: mail from a mailbox file or folder, taken in as if it had come through the door.

Whatever is imported twice counts once, because the same mail is recognised when it is digested. The process logs in as the
intake role, which may add mail and nothing else.
"""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from postmuster.base.errors import Refused, Transient
from postmuster.cli.session import note, open_session, say, say_json
from postmuster.inbound.door import GROUP_MAILS
from postmuster.jobs.desk import Desk, open_desk
from postmuster.jobs.reply import accept
from postmuster.mail.address import AddrSpec, parse_addr_spec, parse_mailboxes
from postmuster.mail.lmtp import DeliveryReply, Received
from postmuster.mail.message import Limits, Message, parse

RECIPIENT_FIELDS: Final = ("delivered-to", "x-original-to", "to", "cc")
MAX_RECIPIENTS: Final = 100
_HEADER_ONLY: Final = Limits(parts=1, depth=0, text_chars=1)


def import_mail(path: Path, *, as_json: bool) -> None:
    """Take in every mail of an mbox file, a Maildir or a folder of .eml files; what is too large is named and left out."""
    session = open_session("intake")
    desk = open_desk(session.settings, session.clock)
    taken = left_out = 0
    mails = _mails(path)
    while group := list(islice(mails, GROUP_MAILS)):
        fitting = [one for one in group if len(one) <= desk.settings.intake.max_message_octets]
        left_out += len(group) - len(fitting)
        if fitting and accept([_received(one, desk) for one in fitting], desk=desk) is not DeliveryReply.ACCEPTED:
            raise Transient(
                f"The intake could not store the next {len(fitting)} mails; {taken} are kept; run the same command again."
            )
        taken += len(fitting)
    if left_out:
        note(f"{left_out} mails are larger than the intake takes and were left where they are.")
    if as_json:
        say_json({"taken": taken, "left_out": left_out})
    else:
        say(f"Took in {taken} mails; workers read them now.")


def _mails(path: Path) -> Iterator[bytes]:
    try:
        if path.is_dir() and (path / "new").is_dir():
            folder = mailbox.Maildir(path, create=False)
            yield from (folder.get_bytes(key) for key in folder.iterkeys())
        elif path.is_dir():
            yield from (file.read_bytes() for file in sorted(path.glob("**/*.eml")))
        elif path.suffix == ".eml":
            yield path.read_bytes()
        else:
            box = mailbox.mbox(path, create=False)
            yield from (box.get_bytes(key) for key in box.iterkeys())
    except (OSError, mailbox.Error) as error:
        why = getattr(error, "strerror", None) or "it is no mailbox"
        raise Refused(
            f"{path} could not be read to its end ({why}); what was read is kept; mend it, run again."
        ) from None


def _received(octets: bytes, desk: Desk) -> Received:
    """The envelope, as far as the header tells it."""
    message = parse(octets, _HEADER_ONLY)
    recipients = tuple(dict.fromkeys(_ours(message, desk)))[:MAX_RECIPIENTS]
    sender = parse_mailboxes(message.field("return-path") or "")
    reverse_path = str(sender[0].addr) if sender else None
    return Received(
        reverse_path, recipients or (f"{desk.settings.intake.reply_local_part}@{desk.settings.intake.domain}",), octets
    )


def _ours(message: Message, desk: Desk) -> Iterator[str]:
    domains = {desk.settings.intake.domain, desk.settings.relay.bounce_domain}
    for name in RECIPIENT_FIELDS:
        for value in message.all(name):
            bare = parse_addr_spec(value)
            found = [bare] if isinstance(bare, AddrSpec) else [box.addr for box in parse_mailboxes(value)]
            yield from (str(addr) for addr in found if addr.domain in domains)
