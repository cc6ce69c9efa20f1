"""Saying who we are to a relay: AUTH PLAIN and AUTH LOGIN, as the lines a client says.

Promises: name and password stand in no `repr` and in no error. They are said only by `smtp_opening`, and only where the
line is protected.

Limits: PLAIN and LOGIN; a mechanism that needs no protected line (SCRAM) or another one's ticket is not spoken.

Sources: RFC 4954 (AUTH), RFC 4616 (PLAIN); LOGIN is described by an expired draft and spoken by every relay.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from postmuster.base.errors import Defect

PLAIN, LOGIN = "PLAIN", "LOGIN"
MAX_SECRET_OCTETS = 255  # RFC 4616 §2: what every server has to take


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to the relay. Raises `Defect` for what cannot be said."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        for text in (self.user, self.password):
            said = text.encode("utf-8", "replace")
            if not 0 < len(said) <= MAX_SECRET_OCTETS or b"\0" in said:
                raise Defect(
                    "The relay's user or password is empty, longer than 255 octets or holds a NUL; nothing was sent; "
                    "correct relay.user or the file relay-password."
                )


def choose_mechanism(offered: tuple[str, ...]) -> str | None:
    """PLAIN where it is offered, else LOGIN, else None."""
    return next((one for one in (PLAIN, LOGIN) if one in offered), None)


def first_line(mechanism: str, credentials: Credentials) -> bytes:
    """The command that begins AUTH; PLAIN says everything at once (RFC 4954 §4, initial response)."""
    if mechanism == PLAIN:
        return b"AUTH PLAIN " + _coded(f"\0{credentials.user}\0{credentials.password}") + b"\r\n"
    return b"AUTH LOGIN\r\n"


def challenge_answers(mechanism: str, credentials: Credentials) -> list[bytes]:
    """What is said to each 334 in turn. A server of PLAIN that asks again has understood nothing: no answer is left."""
    if mechanism == PLAIN:
        return []
    return [_coded(credentials.user) + b"\r\n", _coded(credentials.password) + b"\r\n"]


def _coded(text: str) -> bytes:
    return base64.b64encode(text.encode("utf-8", "replace"))
