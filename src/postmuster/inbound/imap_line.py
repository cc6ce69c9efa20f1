"""The line to a mailbox's server: Python's IMAP client with every answer bounded, and TLS that verifies.

For `inbound.imap`. Python's own client waits as long as a server likes and keeps whatever it is sent; here every command has
an end: so many octets, so many lines, so many seconds. Whoever answers more is hung up on.

Promises. A literal is refused by its announced length, before an octet of it is read. Chain and name of a server's
certificate are verified, for implicit TLS and STARTTLS alike; what a server said before STARTTLS was done is no answer to
what is asked after it. Work is linear in the octets received.

Limits: the constants below. They hold a command, not the dialog: who asks the next one is ours.

Sources: RFC 3501 (§4.3 literals, §6.2.1 STARTTLS), RFC 8314, RFC 9051.
"""

from __future__ import annotations

import imaplib
import ssl
import time
from typing import Final

READ_OCTETS: Final = 65_536
MAX_LINE_OCTETS: Final = 16 * 1024 * 1024  # the numbers of 1,500,000 mails, as one answer to a search
MAX_ANSWER_OCTETS: Final = 20 * 1024 * 1024  # of one command that asks for no mail
MAX_LINES: Final = 20_000  # of one command's answer; it asks for at most some hundred mails
MAX_COMMAND_S: Final = 600  # until one command is answered whole, however steadily its answer drips


class Endless(imaplib.IMAP4.abort):
    """The server's answer went past a limit; the line is of no use any more."""


class NoTls(imaplib.IMAP4.abort):
    """The server does not begin TLS, or said something first that TLS should have covered."""


TLS_TROUBLE: Final = (ssl.SSLError, NoTls)


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Chain and name are verified; `ca_file` empty: the system's authorities. Raises `OSError` for a file that is none."""
    return ssl.create_default_context(cafile=ca_file or None)


class ImapLine(imaplib.IMAP4):
    """One connection. Raises `OSError`, `imaplib.IMAP4.error` or `ValueError` for whatever goes wrong with it."""

    def __init__(
        self, host: str, port: int, *, timeout_s: float, tls: ssl.SSLContext | None = None, starttls: bool = False
    ) -> None:
        """Connect, with TLS from the first octet on or, where `starttls`, after the greeting."""
        self._tls = tls
        self._is_implicit = tls is not None and not starttls
        self._timeout_s = timeout_s
        self._buffer = bytearray()
        self._looked_at = 0  # octets of the buffer that hold no line end
        self.may_send_octets = MAX_ANSWER_OCTETS
        self._begin()
        super().__init__(host, port, timeout_s)
        if tls is not None and starttls:
            try:
                self._begin_tls(tls)
            except BaseException:
                self.shutdown()
                raise

    # ---- what Python's client lets a subclass do

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        self.host, self.port = host, port
        self.sock = self._create_socket(timeout)
        if self._tls is not None and self._is_implicit:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=host)

    def send(self, data: bytes) -> None:  # type: ignore[override]  # typeshed knows any buffer; commands are bytes
        self._begin()
        self.sock.settimeout(self._timeout_s)
        self.sock.sendall(data)

    def readline(self) -> bytes:
        self._lines += 1
        if self._lines > MAX_LINES:
            raise Endless("too many lines")
        while (end := self._buffer.find(b"\n", self._looked_at)) < 0:
            self._looked_at = len(self._buffer)
            if self._looked_at > MAX_LINE_OCTETS:
                raise Endless("a line without end")
            self._receive()
        self._looked_at = 0
        return self._cut(end + 1)

    def read(self, size: int) -> bytes:
        if size > self.may_send_octets:
            raise Endless("a literal that nobody asked for")
        while len(self._buffer) < size:
            self._receive()
        self._looked_at = 0
        return self._cut(size)

    def shutdown(self) -> None:
        self.sock.close()

    # ---- ours

    def refresh_capabilities(self) -> None:
        """Ask again what the server can do: it may say more behind TLS and after the login."""
        _, said = self.capability()
        words = said[-1] if said and isinstance(said[-1], bytes) else b""
        self.capabilities = tuple(words.decode("ascii", "replace").upper().split())

    def forget(self) -> None:
        """Drop what the server said unasked: it would be kept as long as the line."""
        self.untagged_responses.clear()

    def _begin_tls(self, context: ssl.SSLContext) -> None:
        if "STARTTLS" not in self.capabilities:
            raise NoTls("not offered")
        said, _ = self._simple_command("STARTTLS")
        if said != "OK" or self._buffer:
            raise NoTls("refused, or words before it")
        self.sock.settimeout(self._timeout_s)
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
        self.forget()
        self.refresh_capabilities()

    def _begin(self) -> None:
        """A command begins: its answer has everything before it."""
        self._received = self._lines = 0
        self._until = time.monotonic() + MAX_COMMAND_S

    def _receive(self) -> None:
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise Endless("too slow")
        self.sock.settimeout(min(self._timeout_s, left_s))
        try:
            octets = self.sock.recv(READ_OCTETS)
        except TimeoutError:
            if left_s < self._timeout_s:
                raise Endless("too slow") from None
            raise
        if not octets:
            raise ConnectionAbortedError("the server hung up")
        self._received += len(octets)
        if self._received > self.may_send_octets:
            raise Endless("too much")
        self._buffer += octets

    def _cut(self, size: int) -> bytes:
        with memoryview(self._buffer) as view:
            octets = bytes(view[:size])
        del self._buffer[:size]
        return octets
