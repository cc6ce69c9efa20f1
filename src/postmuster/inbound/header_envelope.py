"""The envelope of a mail that came without one, as far as its header tells. Pure.

Who took it in wrote down for whom it was (Delivered-To, X-Original-To) or who sent it (Return-Path); else To and Cc say it.
Only our own addresses are taken. A header can say what it likes: a token in an address names a delivery only where it verifies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from postmuster.mail.address import AddrSpec, parse_addr_spec, parse_mailboxes
from postmuster.mail.lmtp import MAX_RECIPIENTS, Received
from postmuster.mail.message import Limits, Message, parse

RECIPIENT_FIELDS: Final = ("delivered-to", "x-original-to", "to", "cc")
_HEADER_ONLY: Final = Limits(parts=1, depth=0, text_chars=1)


def with_envelope(octets: bytes, *, domains: Collection[str], otherwise: str) -> Received:
    """The mail with its sender and those recipients that are in `domains`; `otherwise` where it names none. Never raises."""
    message = parse(octets, _HEADER_ONLY)
    recipients = tuple(dict.fromkeys(_ours(message, domains)))[:MAX_RECIPIENTS]
    sender = parse_mailboxes(message.field("return-path") or "")
    return Received(str(sender[0].addr) if sender else None, recipients or (otherwise,), octets)


def _ours(message: Message, domains: Collection[str]) -> Iterator[str]:
    for name in RECIPIENT_FIELDS:
        for value in message.all(name):
            bare = parse_addr_spec(value)
            found = [bare] if isinstance(bare, AddrSpec) else [box.addr for box in parse_mailboxes(value)]
            yield from (str(addr) for addr in found if addr.domain in domains)
