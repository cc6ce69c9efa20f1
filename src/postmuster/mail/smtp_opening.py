"""How a dialog begins: greeting, EHLO, TLS, EHLO again, AUTH. A state machine without a socket.

What for: `smtp.SmtpClient` hands every answer to `Opening.take` until it returns `Ready` or `Ended`.

Promises:
- What was offered before TLS is forgotten, and asked for again behind it (RFC 3207 §4.2).
- Where TLS is wanted nothing but EHLO and STARTTLS is said before it; a server without it ends the dialog.
- The password is said only behind TLS, or where the caller says that the line needs none (loopback).

Sources: RFC 5321 §3.1 and §3.2, RFC 3207 (STARTTLS), RFC 4954 (AUTH).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from postmuster.mail.reply_code import Reply
from postmuster.mail.smtp_auth import Credentials, challenge_answers, choose_mechanism, first_line
from postmuster.mail.smtp_events import Ended, EndReason, Ready, StartTls
from postmuster.mail.submission import Extensions, Stage, read_extensions

NOT_IMPLEMENTED = 500  # from here on: an old server that knows only HELO


@dataclass(frozen=True, slots=True)
class Protection:
    """How the line is protected, and who we are on it."""

    wants_tls: bool = False  # by STARTTLS; TLS from the first octet on is `is_protected`
    is_protected: bool = False  # TLS already, or a line that never leaves the machine
    credentials: Credentials | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Say:
    """Say this, and expect an answer of this stage."""

    octets: bytes = field(repr=False)
    stage: Stage


Step = Say | StartTls | Ready | Ended


class Opening:
    """The first words of one connection. `take` gets the answers in order."""

    def __init__(self, client_name: bytes, protection: Protection) -> None:
        self._name = client_name
        self._protection = protection
        self._has_tls = False
        self._answers: list[bytes] = []
        self._extensions = Extensions()
        self._steps = {
            Stage.GREETING: self._on_greeting,
            Stage.EHLO: self._on_ehlo,
            Stage.HELO: self._on_helo,
            Stage.STARTTLS: self._on_starttls,
            Stage.AUTH: self._on_auth,
        }

    def take(self, stage: Stage, reply: Reply) -> Step:
        """Take the answer of this stage; returns what follows."""
        return self._steps[stage](reply)

    def tls_began(self) -> Say:
        """The handshake is done: begin anew, knowing nothing."""
        self._has_tls = True
        self._extensions = Extensions()
        return self._ehlo()

    def _ehlo(self) -> Say:
        return Say(b"EHLO " + self._name + b"\r\n", Stage.EHLO)

    def _on_greeting(self, reply: Reply) -> Step:
        return self._ehlo() if reply.code == 220 else _refused(reply)

    def _on_ehlo(self, reply: Reply) -> Step:
        if reply.code == 250:
            self._extensions = read_extensions(reply.lines)
            return self._protect(reply)
        if reply.code >= NOT_IMPLEMENTED and not self._has_tls:  # RFC 5321 §3.2
            return Say(b"HELO " + self._name + b"\r\n", Stage.HELO)
        return _refused(reply)

    def _on_helo(self, reply: Reply) -> Step:
        return self._protect(reply) if reply.code == 250 else _refused(reply)

    def _protect(self, reply: Reply) -> Step:
        if not self._protection.wants_tls or self._has_tls:
            return self._authenticate(reply)
        if self._extensions.starttls:
            return Say(b"STARTTLS\r\n", Stage.STARTTLS)
        return Ended(EndReason.UNPROTECTED)

    def _on_starttls(self, reply: Reply) -> Step:
        if reply.code == 220:
            return StartTls()
        return Ended(EndReason.UNPROTECTED, reply.code, reply.enhanced_status)

    def _authenticate(self, reply: Reply) -> Step:
        credentials = self._protection.credentials
        if credentials is None:
            return Ready(self._extensions)
        if not (self._has_tls or self._protection.is_protected):
            return Ended(EndReason.UNPROTECTED)
        mechanism = choose_mechanism(self._extensions.auth)
        if mechanism is None:
            return Ended(EndReason.REFUSED)
        self._answers = challenge_answers(mechanism, credentials)
        return Say(first_line(mechanism, credentials), Stage.AUTH)

    def _on_auth(self, reply: Reply) -> Step:
        if reply.code == 235:
            return Ready(self._extensions)
        if reply.code == 334 and self._answers:
            return Say(self._answers.pop(0), Stage.AUTH)
        if reply.code < 400:  # a challenge too many: "*" would only give us a 501 to read (RFC 4954 §4)
            return Ended(EndReason.PROTOCOL, reply.code, reply.enhanced_status)
        return _refused(reply)


def _refused(reply: Reply) -> Ended:
    return Ended(EndReason.REFUSED, reply.code, reply.enhanced_status)
