"""What the relay is given: where it is, how long it may take, one message; and what it owes for a window.

No sockets here, so that whoever checks settings or writes copies need not reach for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

from postmuster.mail.smtp_auth import Credentials
from postmuster.mail.smtp_opening import Protection
from postmuster.mail.submission import Envelope, Outcome, OutcomeKind, Stage


class Tls(StrEnum):
    """How the line to the relay is protected."""

    NONE = "none"  # a line that never leaves the machine
    STARTTLS = "starttls"  # RFC 3207; a relay that does not begin it gets nothing
    IMPLICIT = "implicit"  # from the first octet on: RFC 8314 §3


@dataclass(frozen=True, slots=True)
class Submission:
    """One message on its way to the relay; `key` comes back with its outcome.

    `has_whole_lines`: whoever wrote the data knows that they hold no CR or LF but whole CRLF; else they are looked through.
    """

    key: int
    envelope: Envelope
    data: bytes
    has_whole_lines: bool = False


@dataclass(frozen=True, slots=True)
class RelayAddress:
    host: str
    port: int
    ehlo_name: str
    tls: Tls = Tls.NONE
    ca_file: str = ""  # empty: the system's authorities
    credentials: Credentials | None = field(default=None, repr=False)

    @property
    def protection(self) -> Protection:
        is_protected = self.tls is Tls.IMPLICIT or is_loopback(self.host)
        return Protection(self.tls is Tls.STARTTLS, is_protected, self.credentials)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the relay may take, in seconds."""

    connect_s: float = 10
    reply_s: float = 60  # every stage but the end of the data; also how long it may take nothing of what is written
    body_s: float = 600  # RFC 5321 §4.5.3.2.6: a relay may work before it says 250
    quit_s: float = 2


USUAL: Final = Timeouts()


NOT_EXECUTED: Final = Outcome(OutcomeKind.NOT_EXECUTED, None, None, Stage.PREPARE)


class Batch:
    """What one `begin` handed over."""

    __slots__ = ("future", "left", "messages", "outcomes")

    def __init__(self, messages: Sequence[Submission]) -> None:
        self.future: Future[dict[int, Outcome]] = Future()
        self.future.set_running_or_notify_cancel()
        self.messages = messages
        self.outcomes: dict[int, Outcome] = {}
        self.left = len(messages)
        if not messages:
            self.future.set_result({})

    def settle(self, message: Submission, outcome: Outcome) -> None:
        self.outcomes[message.key] = outcome
        self.left -= 1
        if not self.left and not self.future.done():
            self.future.set_result(self.outcomes)

    def give_up(self) -> None:
        """The loop is over and never saw this window."""
        if not self.future.done():
            self.future.set_result({one.key: self.outcomes.get(one.key, NOT_EXECUTED) for one in self.messages})


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def weakness(host: str, tls: str, user: str) -> str | None:
    """What is wrong with sending to this host that way, in one sentence; None when nothing is."""
    if tls != Tls.NONE or is_loopback(host):
        return None
    if user:
        return f"relay.tls is none, and {host} is another machine: the password is never said there; set relay.tls to starttls."
    return (
        f"relay.tls is none, and {host} is another machine: every copy goes there readable and changeable by whoever is on "
        "the way; set relay.tls to starttls."
    )
