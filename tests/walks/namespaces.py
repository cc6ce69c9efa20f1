"""Machines in one machine: network namespaces on a bridge, whose cables can be pulled (Linux, root).

A hub holds the bridge, and whatever is opened in it (the database, the relay) has the bridge's address. Each machine has a
cable to it, and no other way anywhere. Nothing of this is seen by the network of the machine the tests run on.

Work is done in a namespace by a thread that has joined it: sockets it makes and processes it starts belong there, also when
others use them later. The thread stays as long as its namespace: processes are told of the end of the thread that started
them. Sources: network_namespaces(7), setns(2), ip-netns(8), PR_SET_PDEATHSIG in prctl(2).

Promises. `close` removes namespaces, with all that is in them, whatever failed before; what a killed run left behind is
removed by the next one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import socket
from typing import Final, TypeVar

from .relay import LittleRelay, Taken

T = TypeVar("T")

NAMED: Final = Path("/run/netns")
PREFIX: Final = "pmtest"
NETWORK: Final = "198.18.42"  # RFC 2544: for tests of networks; nobody's
HUB_ADDRESS: Final = f"{NETWORK}.1"
ALLOWED: Final = f"{NETWORK}.0/24"
_CLONE_NEWNET: Final = 0x4000_0000
_LIMIT_S: Final = 20.0


def missing() -> str:
    """Why there can be no namespaces here; empty where there can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "making network namespaces needs root"
    if shutil.which("ip") is None:
        return "there is no `ip` (on Debian: apt-get install iproute2)"
    probe = f"{PREFIX}{os.getpid()}x"
    tried = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    if tried.returncode != 0:
        return f"this machine may make no network namespace ({tried.stderr.strip()})"
    _ip("netns", "delete", probe)
    return ""


class Namespace:
    """One network namespace, and a thread in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        _ip("netns", "add", name)
        _ip("-netns", name, "link", "set", "lo", "up")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=_join, initargs=(NAMED / name,))

    def run(self, work: Callable[[], T]) -> T:
        """Do it in there; what it starts has to end before the namespace does."""
        return self._thread.submit(work).result()

    def ip(self, *arguments: str) -> None:
        _ip("-netns", self.name, *arguments)

    def close(self) -> None:
        self._thread.shutdown()
        _ip("netns", "delete", self.name)


class Bridge:
    """The hub and its machines; a context manager."""

    def __init__(self) -> None:
        self.hub = Namespace(f"{PREFIX}{os.getpid()}hub")
        self._machines: dict[str, Namespace] = {}

    def __enter__(self) -> Bridge:
        try:
            self.hub.ip("link", "add", "bridge", "type", "bridge", "forward_delay", "0")
            self.hub.ip("address", "add", f"{HUB_ADDRESS}/24", "dev", "bridge")
            self.hub.ip("link", "set", "bridge", "up")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def machine(self, letter: str) -> Namespace:
        """A further machine, plugged in."""
        made = self._machines[letter] = Namespace(f"{PREFIX}{os.getpid()}{letter}")
        self.hub.ip("link", "add", _cable(letter), "type", "veth", "peer", "name", "eth0", "netns", made.name)
        self.hub.ip("link", "set", _cable(letter), "master", "bridge")
        made.ip("address", "add", f"{self.address(letter)}/24", "dev", "eth0")
        made.ip("link", "set", "eth0", "up")
        self.plug(letter)
        return made

    def address(self, letter: str) -> str:
        return f"{NETWORK}.{10 + list(self._machines).index(letter)}"

    def unplug(self, letter: str) -> None:
        """Pull the cable at the hub's end: the machine sees no carrier, and keeps its address and its connections."""
        self.hub.ip("link", "set", _cable(letter), "down")

    def plug(self, letter: str) -> None:
        self.hub.ip("link", "set", _cable(letter), "up")

    def close(self) -> None:
        for namespace in (*self._machines.values(), self.hub):
            with contextlib.suppress(subprocess.SubprocessError):
                namespace.close()
        self._machines.clear()


class BridgeRelay(LittleRelay):
    """A little relay that knows which machine a message came from."""

    def __init__(self, host: str) -> None:
        self._line = threading.local()
        self.taken_from: list[tuple[str, Taken]] = []
        super().__init__(host=host)

    @property
    def caller(self) -> str:
        """The machine that the dialog at hand is with; to be asked by the rule."""
        return str(self._line.caller)

    def copies_from(self, machine: str) -> Counter[str]:
        return Counter(one.recipient for whose, one in list(self.taken_from) if whose == machine)

    def keep(self, taken: Taken) -> None:
        super().keep(taken)
        self.taken_from.append((self.caller, taken))

    def _converse(self, line: socket) -> None:
        self._line.caller = line.getpeername()[0]
        super()._converse(line)


@contextlib.contextmanager
def bridge() -> Iterator[Bridge]:
    """A bridge without machines yet."""
    _sweep()
    with Bridge() as made:
        yield made


def _sweep() -> None:
    """Remove the namespaces of test runs that were killed; the processes in them left with the run."""
    for file in NAMED.glob(f"{PREFIX}*") if NAMED.is_dir() else ():
        pid = "".join(letter for letter in file.name.removeprefix(PREFIX) if letter.isdigit())
        if pid and not Path("/proc", pid).exists():
            with contextlib.suppress(subprocess.SubprocessError):
                _ip("netns", "delete", file.name)


def _cable(letter: str) -> str:
    return f"to-{letter}"


def _join(namespace: Path) -> None:
    """Move this thread into a namespace."""
    handle = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(handle)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], capture_output=True, timeout=_LIMIT_S, check=True)
