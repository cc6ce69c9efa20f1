"""One line to the relay: a socket that does not block, with TLS or without, whose unwritten octets are known exactly.

What for: `outbound.relay` decides when to read and write; an asyncio transport would do both by itself, could not be told
to write nothing more, and would not say which octets have left.

Promises: nothing here waits. `unwritten_octets` counts what was given to `write` and may not have reached the kernel; behind
TLS a record that was begun counts as written. `drop` lets go at once: what the kernel still holds is thrown away (RST).
Limits: message data are not copied in clear; behind TLS they are copied once, by the cipher.

Sources: socket(7), tcp(7) on SO_LINGER; RFC 8446; Python's ssl.MemoryBIO.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

STREAM: Final = int(socket.SOCK_STREAM)
READ_OCTETS: Final = 65_536
BUFFERS_A_CALL: Final = 512  # IOV_MAX is 1,024 on Linux
CIPHER_OCTETS: Final = 65_536  # encrypted ahead, at most
_AT_ONCE: Final = struct.pack("ii", 1, 0)


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Chain and name are verified; `ca_file` empty: the system's authorities. Raises `OSError` for a file that is none."""
    return ssl.create_default_context(cafile=ca_file or None)


def new_socket(family: int) -> socket.socket:
    """A TCP socket for an event loop; what is written leaves at once."""
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


class Wire:
    """One connected socket. Every method raises `OSError` (`ssl.SSLError` is one) when the line is broken."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._waiting: deque[bytes | memoryview] = deque()
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._cipher = b""
        self.unwritten_octets = 0

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def wants_to_write(self) -> bool:
        return bool(self._waiting or self._cipher)

    # ---- TLS

    def begin_tls(self, context: ssl.SSLContext, host: str) -> None:
        """From here on octets are those of a handshake; go on with `shake_hands` until it says that it is done."""
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def shake_hands(self) -> bool:
        """Carry the handshake as far as it goes; True when chain and name are verified and it is done."""
        if self._tls is None:
            return True
        self._fill()
        is_done = True
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            is_done = False
        finally:
            self._cipher += self._outgoing.read()
        self._send_cipher()
        return is_done

    def _fill(self) -> None:
        """Read what has come, as it is on the wire."""
        try:
            octets = self._socket.recv(READ_OCTETS)
        except BlockingIOError:
            return
        if not octets:
            raise ConnectionResetError("closed in a handshake")
        self._incoming.write(octets)

    # ---- reading

    def read(self) -> bytes | None:
        """What has come, in clear; None when nothing has; no octets when the other side has closed."""
        try:
            octets = self._socket.recv(READ_OCTETS)
        except BlockingIOError:
            return None if self._tls is None else self._read_clear(self._tls)
        if self._tls is None or not octets:
            return octets
        self._incoming.write(octets)
        return self._read_clear(self._tls)

    def _read_clear(self, tls: ssl.SSLObject) -> bytes | None:
        pieces: list[bytes] = []
        is_over = True
        try:
            while piece := tls.read(READ_OCTETS):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            is_over = False
        except ssl.SSLZeroReturnError:
            pass
        if pieces:
            return b"".join(pieces)
        return b"" if is_over else None

    # ---- writing

    def write(self, buffers: Iterable[bytes]) -> None:
        """Take octets to be written; as many as the kernel has room for leave now."""
        for one in buffers:
            self.unwritten_octets += len(one)
            self._waiting.append(one)
        self.flush()

    def flush(self) -> None:
        """Write on where the kernel had no more room."""
        if self._tls is not None:
            self._flush_cipher(self._tls)
            return
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BUFFERS_A_CALL))]
            try:
                sent = self._socket.sendmsg(batch)
            except BlockingIOError:
                sent = 0
            self.unwritten_octets -= sent
            if self.unwritten_octets and not self._keep_unsent(batch, sent):
                return

    def _keep_unsent(self, batch: list[bytes | memoryview], sent: int) -> bool:
        """Put back what did not leave; True when all of it left."""
        for place, one in enumerate(batch):
            if sent < len(one):
                rest = [memoryview(one)[sent:] if sent else one, *batch[place + 1 :]]
                self._waiting.extendleft(reversed(rest))
                return False
            sent -= len(one)
        return True

    def _flush_cipher(self, tls: ssl.SSLObject) -> None:
        while self._waiting or self._cipher:
            size = len(self._cipher)
            clear: list[bytes | memoryview] = []
            while self._waiting and size < CIPHER_OCTETS:
                one = self._waiting.popleft()
                if len(one) > CIPHER_OCTETS:
                    self._waiting.appendleft(memoryview(one)[CIPHER_OCTETS:])
                    one = memoryview(one)[:CIPHER_OCTETS]
                clear.append(one)
                size += len(one)
            if clear:
                self.unwritten_octets -= tls.write(b"".join(clear))
                self._cipher += self._outgoing.read()
            if not self._send_cipher():
                return

    def _send_cipher(self) -> bool:
        try:
            sent = self._socket.send(self._cipher) if self._cipher else 0
        except BlockingIOError:
            sent = 0
        self._cipher = self._cipher[sent:]
        return not self._cipher

    # ---- ending

    def forget_unwritten(self) -> None:
        """Never write what has not left; reading goes on."""
        self._waiting.clear()
        self._cipher = b""

    def drop(self) -> None:
        """Close at once, unsent octets in the kernel included."""
        with suppress(OSError):  # it was reset already
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._socket.close()

    def close(self) -> None:
        """Close; what the kernel holds is delivered."""
        self._socket.close()
