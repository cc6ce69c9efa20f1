"""Loopback ports that nobody has now, chosen where nobody gets one by chance before we listen on it."""

from __future__ import annotations

import secrets
import socket
from typing import Final

from postmuster.base.errors import Transient

# Below the ports that Linux gives to whoever connects (net.ipv4.ip_local_port_range begins at 32768).
FIRST, LAST = 20_000, 32_000
TRIES: Final = 100
HOST: Final = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """So many different free ports."""
    found: list[int] = []
    for _ in range(TRIES):
        port = FIRST + secrets.randbelow(LAST - FIRST)
        if port not in found and _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise Transient("No free port was found on this machine; nothing was begun; end what holds them and try again.")


def _is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True
