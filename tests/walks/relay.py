"""A little relay on loopback that does what a test tells it to: take, refuse, put off, hold, or cut the line.

It stands for the submission service. What it took is kept, so that a test can count who has a copy and how often.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

CUT: Final = "cut"  # close the connection instead of answering
CUT_IN_DATA: Final = "cut in data"  # say 354, read a little, then close
WAIT_S: Final = 20.0
_PATH = re.compile(rb"<([^>]*)>")


@dataclass(frozen=True, slots=True)
class Taken:
    """One message the relay said 250 to (or took whole, where it was told to cut the line instead)."""

    reverse_path: str
    recipient: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Moment:
    """What the relay is about to answer: the command, to whom the message goes, and the how manieth time it is asked."""

    stage: str  # GREETING, EHLO, MAIL, RCPT, DATA, BODY
    recipient: str
    times: int


Rule = Callable[[Moment], str | None]
"""What to say; None: what a willing relay says. It may block to hold the dialog."""


class LittleRelay:
    """Listens on a port of its own from the start; a context manager."""

    def __init__(self, rule: Rule = lambda _: None, *, host: str = "127.0.0.1") -> None:
        self.rule = rule
        self.taken: list[Taken] = []
        self.connections = 0
        self._times: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((host, 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._listen, name="little relay", daemon=True)
        self._thread.start()

    def copies(self) -> Counter[str]:
        """How many messages each recipient has."""
        with self._lock:
            return Counter(one.recipient for one in self.taken)

    def letters(self) -> list[Taken]:
        """Letters by their numbers: over several connections they come in any order."""
        with self._lock:
            numbered = [(re.search(rb"^message-id:\s*<l(\d+)\.", one.octets, re.I | re.M), one) for one in self.taken]
        return [one for found, one in sorted(numbered, key=lambda pair: int(pair[0][1]) if pair[0] else 0)]

    def close(self) -> None:
        """Listen no more and cut every line."""
        _cut(self._listener)  # wakes the thread that waits for a caller
        self._thread.join(WAIT_S)
        self._listener.close()
        with self._lock:
            for line in self._open:
                _cut(line)

    def __enter__(self) -> LittleRelay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.append(line)
                self.connections += 1
            threading.Thread(target=self._converse, args=(line,), daemon=True).start()

    def _converse(self, line: socket.socket) -> None:
        try:
            with line, line.makefile("rb") as reader:
                _Conversation(self, line, reader).run()
        except (OSError, ValueError):
            pass

    def decide(self, stage: str, recipient: str) -> str | None:
        with self._lock:
            self._times[stage, recipient] += 1
            times = self._times[stage, recipient]
        return self.rule(Moment(stage, recipient, times))

    def keep(self, taken: Taken) -> None:
        with self._lock:
            self.taken.append(taken)


class _Conversation:
    """One dialog."""

    def __init__(self, relay: LittleRelay, line: socket.socket, reader: BinaryIO) -> None:
        self._relay = relay
        self._line = line
        self._reader = reader
        self._reverse_path = ""
        self._recipient = ""

    def run(self) -> None:
        if not self._say("GREETING", "220 relay.example ESMTP"):
            return
        while command := self._reader.readline():
            verb = command[:4].upper().strip()
            going = True
            if verb == b"EHLO":
                going = self._say(
                    "EHLO", "250-relay.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN"
                )
            elif verb == b"MAIL":
                self._reverse_path, self._recipient = self._path(command), ""
                going = self._say("MAIL", "250 2.1.0 Ok")
            elif verb == b"RCPT":
                path = self._path(command)
                going = self._say("RCPT", "250 2.1.5 Ok", path)
            elif verb == b"DATA":
                going = self._data()
            elif verb == b"QUIT":
                self._write("221 2.0.0 Bye")
                return
            else:
                self._write("250 2.0.0 Ok")
            if not going:
                return

    def _data(self) -> bool:
        if not self._recipient:
            self._write("503 5.5.1 No recipients")
            return True
        said = self._relay.decide("DATA", self._recipient)
        if said == CUT:
            return False
        self._write("354 Go on" if said in (None, CUT_IN_DATA) else said or "")
        if said == CUT_IN_DATA:
            self._reader.read(10)
            return False
        if said is not None:
            return True
        lines: list[bytes] = []
        while not lines or lines[-1] != b".\r\n":
            line = self._reader.readline()
            if not line:
                return False
            lines.append(line)
        octets = b"".join(lines[:-1])
        taken = Taken(self._reverse_path, self._recipient, octets.replace(b"\r\n..", b"\r\n."))
        said = self._relay.decide("BODY", self._recipient)
        if said in (None, CUT) or said.startswith("2"):
            self._relay.keep(taken)
        if said == CUT:
            return False
        self._write(said or "250 2.0.0 Taken")
        return True

    def _say(self, stage: str, willing: str, recipient: str = "") -> bool:
        said = self._relay.decide(stage, recipient)
        if said == CUT:
            return False
        self._write(said or willing)
        if stage == "RCPT" and (said is None or said.startswith("2")):
            self._recipient = recipient
        return not (said or "").startswith("421")

    def _write(self, text: str) -> None:
        self._line.sendall(text.encode() + b"\r\n")

    @staticmethod
    def _path(command: bytes) -> str:
        found = _PATH.search(command)
        return found[1].decode() if found else ""


def _cut(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def moody(moment: Moment) -> str | None:
    """A third is put off the first time, some are refused for good."""
    mood = sum(moment.recipient.encode()) % 9
    if moment.stage == "RCPT" and mood in (0, 1, 2):
        return "450 4.7.1 Later" if moment.times == 1 else None
    return "550 5.1.1 No such user" if moment.stage == "RCPT" and mood == 3 else None
