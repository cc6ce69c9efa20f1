"""An SMTP server that takes everything, keeps nothing and counts: the relay of a measurement.

What for: rates of sending are measured against a receiver that is not the limit, and nothing may get lost or come twice
on the way. `python -m postmuster.bench.sink`: says `ready PORT`, then answers lines on standard input with one line of
JSON each: `report` (counts since the last `reset`), `reset`. The end of its input ends it.

Promises: a message is counted before its 250 is written. What came twice is known by Message-ID, kept as 8 octets of a
hash: a million messages take about 90 MB, and the chance that two different ones are taken for one is below 1 in
30 million at a million messages.
Limits: listens on the loopback only. No TLS, no AUTH, no BDAT; answers commands in order and checks of their order only
that DATA has a recipient. One process takes 50,000 to 75,000 messages of 7 KB a second of its own CPU time (1 to 4
connections, 2.6 GHz): `cpu_s` stands in each report, so that a reader can see that it was not the limit.

Sources: RFC 5321 §4.1.1, RFC 2920 (PIPELINING), RFC 1870 (SIZE), RFC 3461 (DSN), RFC 2034 (ENHANCEDSTATUSCODES).
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, cast

import uvloop

from postmuster.runtime.processes import leave_with_parent

SIZE_OCTETS: Final = 52_428_800  # announced; nothing is refused for it
MAX_LINE_OCTETS: Final = 4_096  # of a command; RFC 5321 §4.5.3.1.4 asks for 512 and more with extensions
_END: Final = b"\r\n.\r\n"
_EHLO: Final = (
    b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n"
    b"250 SIZE %d\r\n" % SIZE_OCTETS
)
_REPLIES: Final = {
    b"EHLO": _EHLO,
    b"HELO": b"250 sink.example\r\n",
    b"RSET": b"250 2.0.0 reset\r\n",
    b"NOOP": b"250 2.0.0 still here\r\n",
}
_USUAL_FIELD: Final = b"\r\nMessage-ID: <"
_FIELD: Final = re.compile(rb"^message-id:\s*<([^<>\s]+)>", re.I | re.M)


@dataclass(slots=True)
class Count:
    """What was taken since the last reset. Times are of the machine's monotonic clock, which all processes share."""

    messages: int = 0
    octets: int = 0
    unnamed: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    cpu_before_s: float = field(default_factory=time.process_time)
    seen: set[int] = field(default_factory=set)

    def take(self, message: bytes) -> None:
        """Count one message; one without a Message-ID is counted apart, because nothing tells whether it came twice."""
        self.last_s = time.monotonic()
        self.messages += 1
        self.octets += len(message)
        if self.messages == 1:
            self.first_s = self.last_s
        name = message_id(message)
        if name:
            self.seen.add(int.from_bytes(blake2b(name, digest_size=8).digest()))
        else:
            self.unnamed += 1

    def report(self) -> dict[str, float]:
        named = self.messages - self.unnamed
        return {
            "messages": self.messages,
            "distinct": len(self.seen),
            "doubled": named - len(self.seen),
            "unnamed": self.unnamed,
            "octets": self.octets,
            "first_s": self.first_s,
            "last_s": self.last_s,
            "cpu_s": round(time.process_time() - self.cpu_before_s, 3),
        }


def message_id(message: bytes) -> bytes:
    """Find the Message-ID of a message, without brackets; empty where there is none."""
    head = message.partition(b"\r\n\r\n")[0]
    start = head.find(_USUAL_FIELD)
    if start >= 0:
        end = head.find(b">", start)
        return head[start + len(_USUAL_FIELD) : end] if end > 0 else b""
    found = _FIELD.search(head)
    return found[1] if found else b""


class Taken:
    """The count that all connections share; a reset begins a new one."""

    def __init__(self) -> None:
        self.count = Count()

    def answer(self, word: bytes) -> dict[str, float]:
        """Report; after `reset` counting begins anew."""
        said = self.count.report()
        if word == b"reset":
            self.count = Count()
        return said


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._transport: asyncio.Transport | None = None
        self._held = b""
        self._in_data = False
        self._searched = 0
        self._recipients = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by class, only by shape
        self._transport.write(b"220 sink.example ESMTP counts\r\n")

    def data_received(self, data: bytes) -> None:
        self._held += data
        out: list[bytes] = []
        while self._transport is not None:
            answer = self._message() if self._in_data else self._command()
            if answer is None:
                break
            out.append(answer)
            if answer[:3] in {b"221", b"421"}:
                self._transport.write(b"".join(out))
                self._transport.close()
                return
        if out and self._transport is not None:
            self._transport.write(b"".join(out))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def _message(self) -> bytes | None:
        """Take one message if it is there whole."""
        if self._held.startswith(_END[2:]):
            end, past = 0, 3
        else:
            end = self._held.find(_END, self._searched)
            past = end + len(_END)
        if end < 0:
            self._searched = max(0, len(self._held) - len(_END))
            return None
        self._taken.count.take(self._held[:end])
        self._held = self._held[past:]
        self._in_data, self._searched, self._recipients = False, 0, 0
        return b"250 2.0.0 counted\r\n"

    def _command(self) -> bytes | None:
        line, found, rest = self._held.partition(b"\r\n")
        if not found:
            return None if len(line) <= MAX_LINE_OCTETS else b"421 5.5.2 that is no command\r\n"
        self._held = rest
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipients += 1
            return b"250 2.1.5 who else\r\n"
        if verb == b"MAIL":
            self._recipients = 0
            return b"250 2.1.0 go on\r\n"
        if verb == b"DATA":
            self._in_data = self._recipients > 0
            return b"354 and end with a dot\r\n" if self._in_data else b"503 5.5.1 to whom\r\n"
        return b"221 2.0.0 goodbye\r\n" if verb == b"QUIT" else _REPLIES.get(verb, b"500 5.5.1 not known here\r\n")


async def serve() -> None:
    """Listen, say where, and answer questions about the count until the input ends."""
    loop = asyncio.get_running_loop()
    taken = Taken()
    server = await loop.create_server(lambda: Session(taken), "127.0.0.1", 0, backlog=256)
    print(f"ready {server.sockets[0].getsockname()[1]}", flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(taken.answer(line.strip())), flush=True)
    server.close()


def main() -> None:
    """Run until the standard input ends."""
    leave_with_parent()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
