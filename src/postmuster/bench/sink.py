"""An SMTP server that takes everything, keeps nothing but a journal, and counts: the relay of a measurement.

What for: rates of sending are measured against a receiver that is not the limit, and nothing may get lost or come twice on
the way. `python -m postmuster.bench.sink`: says `ready PORT`, then answers lines on standard input with one line of JSON
each: `report` (counts since the last `reset`), `reset` (reports, then counts anew; the journal stays). The end of its input
ends it. Its options make it a worse relay, for those who look at what the sender does then:

- `--port N`: this port and no other, so that a sink that was killed can be started again in its place.
- `--journal FILE`: a line a message, written before its 250 (`journal` says what outlives what). What it holds already is
  counted, so that a message that comes again after a restart is known as doubled.
- `--rate N`: at most N messages a second over all connections, by answering late.
- `--tarpit S`: sleeps S seconds before each answer to the end of a message.
- `--cut OCTETS`: closes each connection after so many octets received.
- `--busy N`: answers every Nth transaction with 421 and closes.
- `--refuse-share P`: 550 5.1.1 for this share of recipients, always the same ones (`is_refused`).

A line `manners` with any of these (but not port and journal) changes how it behaves from the next octet on; what is not named
is plain again. It is answered like `report`.

Promises: a message is journalled and counted before its 250 is written. What came twice is known by Message-ID, kept as a
hash of 64 bits: a million messages take about 90 MB, and at three million the chance that two different ones are taken
for one is below 1 in a million.
Limits: listens on the loopback only. A message of 7 KB by BDAT in large writes costs about 4.4 µs of its CPU time, one by
DATA 28 µs over 16 connections and 78 µs over one (docs/performance.md): `cpu_s` stands in each report, so that a reader can
see that it was not the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final

import uvloop

from postmuster.bench import journal
from postmuster.bench.journal import Journal
from postmuster.bench.sink_session import Session
from postmuster.runtime.processes import leave_with_parent

PACE_SLACK_S: Final = 0.01  # how far behind its rate a sink may fall and catch up: the loop's timers are 1 ms coarse
_HASH_RANGE: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Manners:
    """How the sink behaves; the values of its options, 0 for none."""

    rate: float = 0.0
    tarpit_s: float = 0.0
    cut_octets: int = 0
    busy_every: int = 0
    refuse_share: float = 0.0

    @classmethod
    def asked(cls, given: argparse.Namespace) -> Manners:
        return cls(given.rate, given.tarpit, given.cut, given.busy, given.refuse_share)

    @property
    def are_plain(self) -> bool:
        """Nothing but taking: whole transactions may be taken many at a time. A cut does not matter to that."""
        return not (self.rate or self.tarpit_s or self.busy_every or self.refuse_share)


@dataclass(slots=True)
class Count:
    """What was taken since the last reset. Times are of the machine's monotonic clock, which all processes share."""

    messages: int = 0
    octets: int = 0
    unnamed: int = 0
    refused: int = 0
    busy: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    cpu_before_s: float = field(default_factory=time.process_time)
    seen: set[int] = field(default_factory=set)

    def take(self, names: Sequence[bytes], octets: int, now_s: float) -> None:
        """Count messages; those without a Message-ID are counted apart, because nothing tells whether they came twice."""
        self.last_s = now_s
        if not self.messages:
            self.first_s = self.last_s
        self.messages += len(names)
        self.octets += octets
        self.unnamed += names.count(b"")
        self.seen.update(map(hash, filter(None, names)))

    def report(self) -> dict[str, float]:
        named = self.messages - self.unnamed
        return {
            "messages": self.messages,
            "distinct": len(self.seen),
            "doubled": named - len(self.seen),
            "unnamed": self.unnamed,
            "refused": self.refused,
            "busy": self.busy,
            "octets": self.octets,
            "first_s": self.first_s,
            "last_s": self.last_s,
            "depth": 0,  # nothing queues here
            "cpu_s": round(time.process_time() - self.cpu_before_s, 3),
        }


def is_refused(recipient: bytes, share: float) -> bool:
    """Say whether a recipient is among the share that is refused; the same address always is, in any case of letters."""
    number = int.from_bytes(blake2b(recipient.lower(), digest_size=8).digest())
    return number < share * _HASH_RANGE


class Taken:
    """The count, the journal and the manners that all connections share; a reset begins a new count."""

    def __init__(self, manners: Manners | None = None, written: Journal | None = None) -> None:
        self._journal = written
        self._free_s = 0.0
        self._transactions = 0
        self.count = Count()
        self.behave(manners or Manners())

    def behave(self, manners: Manners) -> None:
        """Take these manners from now on, on open connections, too."""
        self._manners = manners
        self.is_plain = manners.are_plain
        self.cut_octets = manners.cut_octets

    def read_again(self, file: Path) -> None:
        """Count what a journal holds already; octets are not in it."""
        found = journal.summary(file)
        self.count.seen.update(map(hash, filter(None, journal.message_ids(file))))
        self.count.messages, self.count.unnamed = found.messages, found.unnamed
        self.count.first_s = found.first.monotonic_s if found.first else 0.0
        self.count.last_s = found.last.monotonic_s if found.last else 0.0

    def take(self, names: list[bytes], lines: list[bytes], octets: int, now_s: float) -> None:
        """Journal and count messages. Raises OSError, and counts nothing, when they cannot be written down."""
        if self._journal is not None:
            self._journal.write(lines)
        self.count.take(names, octets, now_s)

    def refuses(self, recipient: bytes) -> bool:
        """Say whether this recipient is refused, and count it."""
        refused = self._manners.refuse_share > 0 and is_refused(recipient, self._manners.refuse_share)
        self.count.refused += refused
        return refused

    def is_busy(self) -> bool:
        """Say whether the transaction that begins now is one of those answered 421."""
        self._transactions += 1
        busy = self._manners.busy_every > 0 and self._transactions % self._manners.busy_every == 0
        self.count.busy += busy
        return busy

    def wait_s(self) -> float:
        """How long the answer to a message that is whole now has to wait."""
        wait_s = self._manners.tarpit_s
        if self._manners.rate:
            now = time.monotonic()
            self._free_s = max(self._free_s, now - PACE_SLACK_S)
            wait_s = max(wait_s, self._free_s - now)
            self._free_s += 1 / self._manners.rate
        return wait_s

    def answer(self, word: bytes) -> dict[str, float]:
        """Report; after `reset` counting begins anew, after `manners` it behaves otherwise."""
        first, *options = word.decode("ascii", "replace").split() or [""]
        if first == "manners":
            self.behave(Manners.asked(read_options(options)))
        said = self.count.report()
        if word == b"reset":
            self.count = Count()
        return said


async def serve(port: int, taken: Taken) -> None:
    """Listen, say where, and answer questions about the count until the input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(taken), "127.0.0.1", port, backlog=256, reuse_address=True)
    print(f"ready {server.sockets[0].getsockname()[1]}", flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(taken.answer(line.strip())), flush=True)
    server.close()


def read_options(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line; ends the process with a sentence on standard error for what cannot be read."""
    reader = argparse.ArgumentParser(prog="postmuster.bench.sink", description="An SMTP server that counts.")
    reader.add_argument("--port", type=int, default=0)
    reader.add_argument("--journal", type=Path)
    reader.add_argument("--rate", type=_positive, default=0.0)
    reader.add_argument("--tarpit", type=_positive, default=0.0)
    reader.add_argument("--cut", type=int, default=0)
    reader.add_argument("--busy", type=int, default=0)
    reader.add_argument("--refuse-share", type=_share, default=0.0)
    return reader.parse_args(words)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError
    return number


def main(words: Sequence[str]) -> None:
    """Run until the standard input ends."""
    leave_with_parent()
    asked = read_options(words)
    written = Journal(asked.journal) if asked.journal else None
    taken = Taken(Manners.asked(asked), written)
    if asked.journal:
        taken.read_again(asked.journal)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(asked.port, taken))


if __name__ == "__main__":
    main(sys.argv[1:])
