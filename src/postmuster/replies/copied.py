"""Was the person's manager in copy? One word a reply; whose addresses were in To and Cc is looked at and not kept. Pure.

Asked of reports alone. There copying one's manager is a custom, and whoever asks for reports has to know how many answers went
down a second road that nobody here controls. A yes to a test says nothing about it, and that somebody told, or did not tell,
their manager of an election is nobody's business. No notice can demand it, and nothing follows from it.

The manager is the roster's, under any address that is theirs today. Set aside as nobody: our own addresses, and the person's own.
Who was in blind copy cannot be known.

Source: RFC 5322 §3.6.3 (To, Cc).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from postmuster.mail.address import parse_mailboxes
from postmuster.mail.message import Message

FIELDS: Final = ("to", "cc")


class InCopy(StrEnum):
    """Who was in copy: the manager, nobody, or only others."""

    YES = "yes"
    NO = "no"
    SOMEONE_ELSE = "someone_else"


def manager_in_copy(
    message: Message, *, manager: Collection[str], set_aside: Collection[str], our_domains: Collection[str]
) -> InCopy:
    """Who was in copy. `manager` and `set_aside` are keys of addresses (`AddrSpec.match_key`). Never raises."""
    found = InCopy.NO
    for name in FIELDS:
        for value in message.all(name):
            for box in parse_mailboxes(value):
                key = box.addr.match_key
                if key in manager:
                    return InCopy.YES
                if box.addr.domain not in our_domains and key not in set_aside:
                    found = InCopy.SOMEONE_ELSE
    return found
