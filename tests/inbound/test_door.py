"""The LMTP door over real sockets: 250 only after the commit, one commit for many, memory and patience with an end."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from postmuster.inbound import door as doors
from postmuster.inbound.door import Door
from postmuster.mail.lmtp import DeliveryReply, Received

WAIT_S = 20.0
LIMIT_OCTETS = 3_000_000


@dataclass
class Shelf:
    """What the door commits to. `gate` closed: the commit does not end."""

    groups: list[list[Received]] = field(default_factory=list)
    says: DeliveryReply = DeliveryReply.ACCEPTED
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def store(self, mails: Sequence[Received]) -> DeliveryReply:
        self.entered.set()
        assert self.gate.wait(WAIT_S)
        self.groups.append(list(mails))
        return self.says

    @property
    def mails(self) -> list[Received]:
        return [mail for group in self.groups for mail in group]


class Client:
    """One connection to the door."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def line(self) -> str:
        """The last line of the next reply; '' when the door has hung up."""
        while True:
            octets = await asyncio.wait_for(self.reader.readline(), WAIT_S)
            if octets[3:4] != b"-":
                return octets.decode().rstrip("\r\n")

    async def say(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def ask(self, octets: bytes) -> str:
        await self.say(octets)
        return await self.line()

    async def begin(self, *recipients: str, parameters: str = "") -> None:
        """Up to the go-ahead for the data."""
        assert (await self.ask(f"MAIL FROM:<a@x.example>{parameters}\r\n".encode()))[:3] == "250"
        for recipient in recipients or ("reply@y.example",):
            assert (await self.ask(f"RCPT TO:<{recipient}>\r\n".encode()))[:3] == "250"
        assert (await self.ask(b"DATA\r\n"))[:3] == "354"

    async def send(self, data: bytes, *recipients: str) -> list[str]:
        await self.begin(*recipients)
        await self.say(data + b".\r\n")
        return [await self.line() for _ in recipients or (1,)]


class House:
    """A door with its shelf, and the clients that knock."""

    def __init__(self, shelf: Shelf, door: Door, port: int) -> None:
        self.shelf = shelf
        self.door = door
        self.port = port
        self._clients: list[Client] = []

    async def knock(self, *, greet: bool = True) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        if greet:
            assert (await client.line())[:3] == "220"
            assert (await client.ask(b"LHLO mx.example\r\n"))[:3] == "250"
        return client

    async def entered(self) -> None:
        """Wait until a commit has begun."""
        assert await asyncio.to_thread(self.shelf.entered.wait, WAIT_S)

    def leave(self) -> None:
        for client in self._clients:
            client.writer.close()


@asynccontextmanager
async def open_house(
    *, limit: int = LIMIT_OCTETS, monotonic: Callable[[], float] | None = None
) -> AsyncIterator[House]:
    shelf = Shelf()
    more: dict[str, Any] = {"monotonic": monotonic} if monotonic else {}
    door = Door(shelf.store, hostname="in.example", max_size_octets=limit, **more)
    house = House(shelf, door, await door.listen("127.0.0.1", 0))
    try:
        yield house
    finally:
        shelf.gate.set()
        house.leave()
        await door.close()


def run(walk: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(walk())


def test_a_mail_is_stored_as_it_was_sent_and_each_recipient_is_answered() -> None:
    async def walk() -> None:
        async with open_house() as house:
            client = await house.knock()
            replies = await client.send(
                b"Subject: x\r\n\r\n..dot\r\nbare\nline\x00\r\n", "r1@y.example", "r2@y.example"
            )
            assert [reply[:9] for reply in replies] == ["250 2.0.0"] * 2
            [mail] = house.shelf.mails
            assert (mail.reverse_path, mail.recipients) == ("a@x.example", ("r1@y.example", "r2@y.example"))
            assert mail.data == b"Subject: x\r\n\r\n.dot\r\nbare\nline\x00\r\n"

    run(walk)


def test_250_is_said_only_after_the_commit() -> None:
    async def walk() -> None:
        async with open_house() as house:
            client = await house.knock()
            await client.begin()
            house.shelf.gate.clear()
            await client.say(b"x\r\n.\r\nNOOP\r\n")
            await house.entered()
            listening = asyncio.ensure_future(client.line())
            done, _ = await asyncio.wait({listening}, timeout=0.1)
            assert not done
            assert house.shelf.groups == []
            house.shelf.gate.set()
            assert (await listening)[:9] == "250 2.0.0"
            assert len(house.shelf.mails) == 1
            assert (await client.line())[:3] == "250"

    run(walk)


def test_mails_that_come_during_a_commit_share_the_next_one() -> None:
    async def walk() -> None:
        async with open_house() as house:
            clients = [await house.knock() for _ in range(70)]
            house.shelf.gate.clear()
            for client in clients:
                await client.begin()
                await client.say(b"x\r\n.\r\n")
            await house.entered()
            while house.door.queue.qsize() + doors.GROUP_MAILS < len(clients):
                await asyncio.sleep(0)
            house.shelf.gate.set()
            assert [(await client.line())[:9] for client in clients] == ["250 2.0.0"] * 70
            sizes = [len(group) for group in house.shelf.groups]
            assert sum(sizes) == 70
            assert max(sizes) <= doors.GROUP_MAILS
            assert len(sizes) < 35

    run(walk)


@pytest.mark.parametrize(("says", "heard"), [(DeliveryReply.TROUBLE, "451 4.3.0"), (DeliveryReply.FULL, "452 4.3.1")])
def test_trouble_and_want_of_room_are_put_off_never_refused(says: DeliveryReply, heard: str) -> None:
    async def walk() -> None:
        async with open_house() as house:
            client = await house.knock()
            house.shelf.says = says
            assert [reply[:9] for reply in await client.send(b"x\r\n", "r1@y.example", "r2@y.example")] == [heard] * 2
            house.shelf.says = DeliveryReply.ACCEPTED
            assert [reply[:9] for reply in await client.send(b"x\r\n")] == ["250 2.0.0"]

    run(walk)


def test_a_mail_over_the_size_is_552_and_the_next_one_is_taken() -> None:
    async def walk() -> None:
        async with open_house() as house:
            client = await house.knock()
            said = await client.ask(f"MAIL FROM:<a@x.example> SIZE={LIMIT_OCTETS + 1}\r\n".encode())
            assert said[:9] == "552 5.3.4"
            assert [reply[:9] for reply in await client.send(b"x" * LIMIT_OCTETS + b"yyyy\r\n")] == ["552 5.3.4"]
            assert [reply[:9] for reply in await client.send(b"x\r\n")] == ["250 2.0.0"]
            assert [mail.data for mail in house.shelf.mails] == [b"x\r\n"]

    run(walk)


def test_sixty_megabytes_are_drained_in_little_memory_and_refused() -> None:
    async def walk() -> None:
        async with open_house() as house:
            client = await house.knock()
            await client.begin()
            block, most = b"A line of seventy characters, as a scanner's base64 would make them ..\r\n" * 1000, 0
            for _ in range(60_000_000 // len(block)):
                await client.say(block)
                await asyncio.sleep(0)  # the door's turn
                most = max(most, house.door.held_octets)
            await client.say(b".\r\n")
            assert (await client.line())[:9] == "552 5.3.4"
            assert LIMIT_OCTETS / 2 < most < 2 * LIMIT_OCTETS
            assert house.shelf.mails == []
            assert [reply[:9] for reply in await client.send(b"x\r\n")] == ["250 2.0.0"]

    run(walk)


def test_a_line_of_two_megabytes_is_data_and_a_command_of_two_megabytes_is_an_error() -> None:
    async def walk() -> None:
        async with open_house() as house:
            client = await house.knock()
            line = b"x" * 2_000_000 + b"\r\n"
            assert (await client.ask(b"NOOP " + line))[:3] == "500"
            assert [reply[:9] for reply in await client.send(line)] == ["250 2.0.0"]
            assert [mail.data for mail in house.shelf.mails] == [line]

    run(walk)


def test_a_connection_cut_in_the_middle_leaves_nothing_and_one_cut_before_its_reply_loses_nothing() -> None:
    async def walk() -> None:
        async with open_house() as house:
            half, whole, other = [await house.knock() for _ in range(3)]
            await half.begin()
            await half.say(b"half a mail")
            half.writer.transport.abort()
            await whole.begin()
            house.shelf.gate.clear()
            await whole.say(b"a whole mail\r\n.\r\n")
            await house.entered()
            whole.writer.transport.abort()
            house.shelf.gate.set()
            assert [reply[:9] for reply in await other.send(b"x\r\n")] == ["250 2.0.0"]
            assert [mail.data for mail in house.shelf.mails] == [b"a whole mail\r\n", b"x\r\n"]

    run(walk)


def test_whoever_says_nothing_for_five_minutes_is_sent_away_and_whoever_waits_for_us_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doors, "WATCH_S", 0.01)
    time_s = [1000.0]

    async def walk() -> None:
        async with open_house(monotonic=lambda: time_s[0]) as house:
            idle, waiting = await house.knock(), await house.knock()
            await waiting.begin()
            house.shelf.gate.clear()
            await waiting.say(b"x\r\n.\r\n")
            await house.entered()
            time_s[0] += doors.IDLE_TIMEOUT_S + 1
            assert (await idle.line())[:9] == "421 4.4.2"
            assert await idle.line() == ""
            house.shelf.gate.set()
            assert (await waiting.line())[:9] == "250 2.0.0"

    run(walk)


def test_more_connections_than_allowed_are_turned_away_and_may_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MAX_CONNECTIONS", 3)

    async def walk() -> None:
        async with open_house() as house:
            inside = [await house.knock() for _ in range(3)]
            outside = await house.knock(greet=False)
            assert (await outside.line())[:3] == "220"
            assert (await outside.line())[:3] == "421"
            assert await outside.line() == ""
            assert [reply[:9] for reply in await inside[0].send(b"x\r\n")] == ["250 2.0.0"]
            assert (await inside[0].ask(b"QUIT\r\n"))[:3] == "221"
            assert await inside[0].line() == ""
            again = await house.knock()
            assert [reply[:9] for reply in await again.send(b"x\r\n")] == ["250 2.0.0"]

    run(walk)


def test_a_client_that_does_not_read_its_replies_is_not_read_either() -> None:
    """What it sends piles up on its own side, after what the kernel holds for both; the others are served."""

    async def walk() -> None:
        async with open_house() as house:
            deaf = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", house.port), WAIT_S)
            with deaf:
                deaf.setblocking(False)
                sent, stuck = 0, 0
                while stuck < 200 and sent < 60_000_000:
                    try:
                        sent += deaf.send(b"NOOP\r\n" * 20_000)
                        stuck = 0
                    except BlockingIOError:
                        stuck += 1
                    await asyncio.sleep(0)
                assert sent < 60_000_000
                other = await house.knock()
                assert [reply[:9] for reply in await other.send(b"x\r\n")] == ["250 2.0.0"]

    run(walk)


def test_when_memory_is_short_new_mail_is_452_until_there_is_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MAX_HELD_OCTETS", 200_000)
    monkeypatch.setattr(doors, "WATCH_S", 0.01)

    async def walk() -> None:
        async with open_house() as house:
            first, second = await house.knock(), await house.knock()
            house.shelf.gate.clear()
            for _ in range(3):  # one mail above the limit alone would be let go
                await first.say(b"MAIL FROM:<a@x.example>\r\nRCPT TO:<r@y.example>\r\nDATA\r\n")
                await first.say(b"x" * 90_000 + b"\r\n.\r\n")
            while house.door.held_octets <= 200_000:
                await asyncio.sleep(0)
            assert (await second.ask(b"MAIL FROM:<b@x.example>\r\n"))[:9] == "452 4.3.1"
            house.shelf.gate.set()
            said = [await first.line() for _ in range(12)]
            assert [reply[:9] for reply in said if reply.startswith("250 2.0.0")] == ["250 2.0.0"] * 3
            assert [reply[:9] for reply in await second.send(b"x\r\n")] == ["250 2.0.0"]
            assert house.door.held_octets == 0

    run(walk)


def test_mail_half_received_is_let_go_when_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MAX_HELD_OCTETS", 200_000)
    monkeypatch.setattr(doors, "WATCH_S", 0.01)

    async def walk() -> None:
        async with open_house() as house:
            client = await house.knock()
            await client.begin()
            await client.say(b"x\r\n" * 100_000)
            while house.door.held_octets <= 200_000:
                await asyncio.sleep(0)
            while house.door.held_octets > 200_000:
                await asyncio.sleep(0)
            await client.say(b"x\r\n.\r\n")
            assert (await client.line())[:9] == "452 4.3.1"
            assert house.shelf.mails == []

    run(walk)


def test_what_is_held_is_counted_to_the_octet() -> None:
    async def walk() -> None:
        async with open_house() as house:
            clients = [await house.knock() for _ in range(5)]
            for number, client in enumerate(clients):
                await client.begin()
                await client.say(b"y" * 1000 * number)
                if number % 2:
                    client.writer.transport.abort()
            for client in clients[::2]:
                await client.say(b"\r\n.\r\n")
                assert (await client.line())[:3] == "250"
            while house.door.held_octets:
                await asyncio.sleep(0)

    run(walk)


def test_a_door_that_closes_answers_what_it_owes_and_takes_no_more() -> None:
    async def walk() -> None:
        async with open_house() as house:
            client, idle = await house.knock(), await house.knock()
            await client.begin()
            house.shelf.gate.clear()
            await client.say(b"x\r\n.\r\n")
            await house.entered()
            closing = asyncio.ensure_future(house.door.close())
            assert (await idle.line())[:9] == "421 4.3.2"
            house.shelf.gate.set()
            assert (await client.line())[:9] == "250 2.0.0"
            assert (await client.line())[:9] == "421 4.3.2"
            await closing
            with pytest.raises(OSError, match=r"refused|Connect"):
                await house.knock()

    run(walk)


def test_nonsense_ends_in_421_and_hurts_nobody_else() -> None:
    async def walk() -> None:
        async with open_house() as house:
            other = await house.knock()
            for octets in (b"\x00\xff\n" * 100, b"BDAT 99999999999999999999999\r\n", b"GET / HTTP/1.1\r\n" * 50):
                client = await house.knock()
                await client.say(octets)
                said = [await client.line()]
                while said[-1]:
                    said.append(await client.line())
                assert said[-2][:3] == "421"
            assert [reply[:9] for reply in await other.send(b"x\r\n")] == ["250 2.0.0"]

    run(walk)
