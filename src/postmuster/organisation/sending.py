"""Sending: carries the organisation's mail to the intake, by LMTP, or by SMTP to a mail server in front of it.

What for: the way in has to be walked by a client of another make than the server, at the speed of a busy hour, and with
a server that may be killed in the middle.

Promises: mails of one person arrive in their order. A recipient without a final answer (4xx, a lost connection, no
reply) is tried again on a fresh transaction, so that a killed intake loses nothing; what an intake had already
committed may then reach it twice. Nothing is given up silently: what is left after all tries stands in the tally.
Limits: one transaction in flight on a connection, the commands of the next travel with the data of this one. No TLS.
Errors: ConnectionError when the intake cannot be reached for `patience_s`.
Sources: RFC 2033 (LMTP: an answer per recipient after the data), RFC 2920 (PIPELINING), RFC 5321 §4.5.2 (transparency),
RFC 1870 (SIZE), RFC 6531 (SMTPUTF8).
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from postmuster.organisation.world import Outgoing

QUEUED = 16  # mails waiting for each connection, so that a huge one is not joined by many
PAUSE_MOST_S = 5.0
LINE_OCTETS = 4096  # of a reply; RFC 5321 §4.5.3.1.5 has 512
CLIENT_NAME = "mail.agency.example"
LOST = "connection lost"


@dataclass(frozen=True, slots=True)
class Route:
    """Where to, and how patiently. `tries` are per recipient; `declare_size` tells the size before the data (RFC 1870)."""

    host: str
    port: int
    protocol: Literal["lmtp", "smtp"] = "lmtp"
    connections: int = 8
    tries: int = 12
    pause_s: float = 0.05
    patience_s: float = 60.0
    timeout_s: float = 60.0
    declare_size: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """A recipient that was refused for good (5xx), or given up after all tries."""

    mail_no: int
    message_id: str
    recipient: str
    reply: str


@dataclass(slots=True)
class Tally:
    """What became of the mails: recipients by final reply (`250 2.0.0`), and what was refused or given up."""

    mails: int = 0
    recipients: int = 0
    replies: Counter[str] = field(default_factory=Counter)
    deferrals: Counter[str] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)
    given_up: list[Refusal] = field(default_factory=list)
    reconnects: int = 0
    seconds: float = 0.0

    @property
    def accepted(self) -> int:
        """Recipients for whom the mail was taken."""
        return sum(count for reply, count in self.replies.items() if reply.startswith("2"))


@dataclass(slots=True)
class _Transaction:
    """A mail with the recipients that still need a final answer."""

    mail: Outgoing
    recipients: tuple[str, ...]
    tries: int = 0


OnReply = Callable[[Outgoing, str, str], None]


def deliver(mails: Iterable[Outgoing], route: Route, on_reply: OnReply | None = None) -> Tally:
    """Deliver the mails in order of time; `on_reply` hears of every final answer: mail, recipient, reply.

    Raises ConnectionError when the intake stays away.
    """
    return asyncio.run(deliver_all(mails, route, on_reply))


async def deliver_all(mails: Iterable[Outgoing], route: Route, on_reply: OnReply | None = None) -> Tally:
    """Deliver the mails from within an event loop; see `deliver`."""
    started = time.monotonic()
    tally = Tally()
    carriers = [_Carrier(route, tally, on_reply) for _ in range(route.connections)]
    tasks = [asyncio.create_task(carrier.run()) for carrier in carriers]
    tasks.append(asyncio.create_task(_hand_out(mails, carriers, tally)))
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    tally.seconds = time.monotonic() - started
    return tally


async def _hand_out(mails: Iterable[Outgoing], carriers: list[_Carrier], tally: Tally) -> None:
    for mail in mails:
        tally.mails += 1
        tally.recipients += len(mail.recipients)
        # One person, one connection: their mails arrive in order.
        await carriers[zlib.crc32(mail.person_id.encode()) % len(carriers)].queue.put(mail)
    for carrier in carriers:
        await carrier.queue.put(None)


class _Carrier:
    """One connection, opened again when it breaks."""

    def __init__(self, route: Route, tally: Tally, on_reply: OnReply | None) -> None:
        self.queue: asyncio.Queue[Outgoing | None] = asyncio.Queue(QUEUED)
        self._route = route
        self._tally = tally
        self._on_reply = on_reply
        self._again: deque[_Transaction] = deque()
        self._ended = False
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._extensions: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Carry mails until the end of the queue, then say goodbye."""
        try:
            current = await self._next()
            while current is not None:
                current = await self._carry(current) or await self._next()
            await self._quit()
        finally:
            self._drop()

    async def _next(self) -> _Transaction | None:
        if self._again:
            return self._again.popleft()
        mail = None if self._ended else await self.queue.get()
        self._ended = self._ended or mail is None
        return _Transaction(mail, mail.recipients) if mail else None

    def _next_at_hand(self, person_id: str) -> _Transaction | None:
        """Take the next mail if it is there already and by somebody else, whom a second try of this one cannot overtake."""
        if self._again or self._ended or self.queue.empty():
            return None
        mail = self.queue.get_nowait()
        if mail is None:
            self._ended = True
            return None
        following = _Transaction(mail, mail.recipients)
        if mail.person_id == person_id:
            self._again.append(following)
            return None
        return following

    async def _carry(self, current: _Transaction) -> _Transaction | None:
        """Carry one mail; returns the next one when its commands are already on the way."""
        following: _Transaction | None = None
        if self._writer is None:
            await self._open()
        try:
            following = await asyncio.wait_for(self._dialogue(current), self._route.timeout_s)
            while following is not None:
                current, following = following, None
                following = await asyncio.wait_for(self._dialogue(current, begun=True), self._route.timeout_s)
        except (OSError, EOFError, TimeoutError, ValueError):
            self._drop()
            self._tally.reconnects += 1
            await self._settle_lost(current)
        return None

    async def _dialogue(self, current: _Transaction, *, begun: bool = False) -> _Transaction | None:
        sender, *said, go = await self._begin(current, begun=begun)
        asked = list(zip(current.recipients, said, strict=True))
        if not go.startswith("354"):
            answers = [(recipient, reply if sender[0] == "2" else sender) for recipient, reply in asked]
            # Nobody was accepted; a server that took recipients and then refuses DATA has refused them all.
            await self._settle(current, [(recipient, reply if reply[0] != "2" else go) for recipient, reply in answers])
            await self._reset()
            return None
        taken = [recipient for recipient, reply in asked if reply[0] == "2"]
        following = self._next_at_hand(current.mail.person_id) if "PIPELINING" in self._extensions else None
        try:
            await self._write(_transparent(current.mail.octets) + (self._commands(following) if following else b""))
            answers = [pair for pair in asked if pair[1][0] != "2"]
            if self._route.protocol == "lmtp":
                answers += [(recipient, await self._reply()) for recipient in taken]
            else:
                end = await self._reply()
                answers += [(recipient, end) for recipient in taken]
        except BaseException:
            if following:
                self._again.append(following)
            raise
        await self._settle(current, answers)
        return following

    async def _begin(self, current: _Transaction, *, begun: bool) -> list[str]:
        """Say MAIL, RCPT and DATA, in one write where the server takes that; returns a reply for each."""
        commands = self._commands(current)
        count = len(current.recipients) + 2
        if "PIPELINING" in self._extensions:
            if not begun:
                await self._write(commands)
            return [await self._reply() for _ in range(count)]
        replies = []
        for command in commands.splitlines(keepends=True):
            await self._write(command)
            replies.append(await self._reply())
        return replies

    def _commands(self, transaction: _Transaction) -> bytes:
        mail, words = transaction.mail, ""
        path = mail.reverse_path or ""
        if "SIZE" in self._extensions and self._route.declare_size:
            words += f" SIZE={len(mail.octets)}"
        if "8BITMIME" in self._extensions:
            words += " BODY=8BITMIME"
        if "SMTPUTF8" in self._extensions and not path.isascii():
            words += " SMTPUTF8"
        lines = [f"MAIL FROM:<{path}>{words}", *(f"RCPT TO:<{to}>" for to in transaction.recipients), "DATA", ""]
        return "\r\n".join(lines).encode()

    async def _settle(self, transaction: _Transaction, answers: list[tuple[str, str]]) -> None:
        """Note the final answers; recipients that were put off are tried again after a pause, before anything else."""
        later: list[tuple[str, str]] = []
        for recipient, reply in answers:
            if reply[0] == "2" or (reply[0] == "5" and not reply.startswith("503")):
                self._note(transaction.mail, recipient, reply)
            else:
                self._tally.deferrals[_code(reply)] += 1
                later.append((recipient, reply))
        if later:
            await self._try_again(transaction, later)

    async def _settle_lost(self, transaction: _Transaction) -> None:
        await self._try_again(transaction, [(recipient, LOST) for recipient in transaction.recipients])

    async def _try_again(self, transaction: _Transaction, later: list[tuple[str, str]]) -> None:
        tries = transaction.tries + 1
        mail = transaction.mail
        if tries >= self._route.tries:
            for recipient, reply in later:
                self._tally.given_up.append(Refusal(mail.mail_no, mail.message_id, recipient, reply))
            return
        self._again.appendleft(_Transaction(mail, tuple(recipient for recipient, _ in later), tries))
        await asyncio.sleep(min(self._route.pause_s * 2**tries, PAUSE_MOST_S))

    def _note(self, mail: Outgoing, recipient: str, reply: str) -> None:
        self._tally.replies[_code(reply)] += 1
        if reply[0] == "5":
            self._tally.refused.append(Refusal(mail.mail_no, mail.message_id, recipient, reply))
        if self._on_reply is not None:
            self._on_reply(mail, recipient, reply)

    async def _open(self) -> None:
        """Connect and greet, again and again until patience ends."""
        until = time.monotonic() + self._route.patience_s
        pause_s = self._route.pause_s
        while True:
            try:
                await asyncio.wait_for(self._greet(), self._route.timeout_s)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                self._drop()
                if time.monotonic() >= until:
                    raise ConnectionError(
                        "The intake could not be reached; the mails not yet taken stay here."
                    ) from error
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MOST_S)

    async def _greet(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(
            self._route.host, self._route.port, limit=LINE_OCTETS
        )
        greeting = await self._reply()
        verb = "LHLO" if self._route.protocol == "lmtp" else "EHLO"
        await self._write(f"{verb} {CLIENT_NAME}\r\n".encode())
        lines = (await self._reply()).split("\n")
        if greeting[0] != "2" or lines[0][0] != "2":
            raise ValueError("The intake is not ready.")
        self._extensions = frozenset(line[4:].split(" ")[0].upper() for line in lines[1:])

    async def _reset(self) -> None:
        await self._write(b"RSET\r\n")
        await self._reply()

    async def _quit(self) -> None:
        if self._writer is not None:
            with suppress(OSError, EOFError, TimeoutError, ValueError):
                await self._write(b"QUIT\r\n")
                await asyncio.wait_for(self._reply(), 1)

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _write(self, octets: bytes) -> None:
        if self._writer is None:
            raise ConnectionResetError
        self._writer.write(octets)
        await self._writer.drain()

    async def _reply(self) -> str:
        """Read one reply, its lines joined by LF. 421 ends the connection, as it does at the other side."""
        lines: list[str] = []
        while True:
            if self._reader is None:
                raise ConnectionResetError
            line = await self._reader.readline()
            if not line.endswith(b"\n") or len(line) < 4 or not line[:3].isdigit():
                raise EOFError
            lines.append(line.decode("ascii", "replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                break
        if lines[0].startswith("421"):
            raise ConnectionResetError
        return "\n".join(lines)


def _code(reply: str) -> str:
    """Keep code and enhanced code of a reply."""
    words = reply.split("\n")[-1].split(" ")
    enhanced = len(words) > 1 and words[1].replace(".", "").isdigit() and words[1].count(".") == 2
    return f"{words[0]} {words[1]}" if enhanced else words[0]


def _transparent(octets: bytes) -> bytes:
    """Double leading dots and end the data. Source: RFC 5321 §4.5.2."""
    stuffed = octets.replace(b"\r\n.", b"\r\n..")
    start = b"." if stuffed.startswith(b".") else b""
    end = b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n"
    return start + stuffed + end
