"""Whose reply is this? Clues in a mail that name a delivery, strongest first. Pure: octets and keys in, names out.

A token names the delivery, never the author: whoever was forwarded a mail answers with the same token. Who wrote is a
question of its own (`authorship`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from postmuster.mail.address import AddrSpec, parse_mailboxes
from postmuster.mail.message import Message
from postmuster.mail.token import DeliveryRef, Purpose, Token, find_token, read_message_id, read_token
from postmuster.replies.states import MatchedBy

MAX_RECIPIENTS_READ = 100  # as many as the door takes
MAX_REFERENCES_READ = 50  # the newest of a long thread


@dataclass(frozen=True, slots=True)
class Keys:
    """The token keys in force, by id, and our own names."""

    tokens: Mapping[int, bytes]
    domain: str  # of our Message-IDs
    reply_name: str
    separator: str


@dataclass(frozen=True, slots=True)
class Clue:
    """One delivery named in a mail, and how."""

    ref: DeliveryRef
    by: MatchedBy


def clues(
    recipients: Sequence[str], message: Message, named_ids: Sequence[str], keys: Keys, today: int
) -> tuple[tuple[Clue, ...], int]:
    """Every delivery a mail names, strongest first, and how many tokens in it were wrong.

    `named_ids` are Message-IDs that a report says it is about, without brackets.
    """
    found: list[Clue] = []
    wrong = 0
    for address in recipients[:MAX_RECIPIENTS_READ]:
        located = find_token(address.rpartition("@")[0], name=keys.reply_name, separator=keys.separator)
        if located is None:
            continue
        purpose, text = located
        token = read_token(purpose, text, keys.tokens, today)
        if isinstance(token, Token):
            found.append(Clue(token.ref, MatchedBy.TOKEN if purpose is Purpose.REPLY else MatchedBy.VERP))
        else:
            wrong += 1
    for identifier in (*named_ids, *message.in_reply_to, *reversed(message.references[-MAX_REFERENCES_READ:])):
        ref = read_message_id(f"<{identifier}>", keys.tokens.values(), domain=keys.domain)
        if isinstance(ref, DeliveryRef):
            found.append(Clue(ref, MatchedBy.REFERENCES))
    return tuple(dict.fromkeys(found)), wrong


def author(message: Message) -> AddrSpec | None:
    """The one author of a mail; None when there are none or several, or several From fields."""
    if len(message.all("from")) != 1:
        return None
    mailboxes = parse_mailboxes(message.header_from)
    return mailboxes[0].addr if len(mailboxes) == 1 else None


def authorship(written_by: AddrSpec | None, enrolled: Collection[str], grade: str) -> bool:
    """Whether the person of the delivery wrote this: an enrolled address, and no failed authentication."""
    return written_by is not None and written_by.match_key in enrolled and grade != "D"
