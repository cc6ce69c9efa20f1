"""What an SMTP dialog tells its shell.

Values only. `Ready`, `StartTls` and `Ended` are about the connection, `Settled` is about one message. None of them holds
a text the server said: it may name a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from postmuster.mail.submission import Extensions, Outcome


class EndReason(StrEnum):
    """Why a dialog is over."""

    QUIT = "quit"
    REFUSED = "refused"  # greeting, EHLO or AUTH refused, or no way to authenticate is offered
    UNPROTECTED = "unprotected"  # the server does not begin TLS, or a password would have to be said in clear
    SERVICE_CLOSING = "service_closing"  # 421
    PROTOCOL = "protocol"  # an answer unasked for, unreadable, or against what was answered before
    RECALLED = "recalled"  # a message was taken back that the server waits for
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class StartTls:
    """The server waits for a TLS handshake: make it, then call `SmtpClient.tls_began`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The dialog can take messages."""

    extensions: Extensions


@dataclass(frozen=True, slots=True)
class Settled:
    """The message submitted under `key` has its outcome."""

    key: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Ended:
    """The dialog is over: close the connection, never use it again."""

    reason: EndReason
    reply_code: int | None = None
    enhanced_status: str | None = None


Event = StartTls | Ready | Settled | Ended
