"""The way in: the client delivers every mail, in order, through trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from postmuster.organisation.sending import Route, Tally, deliver_all
from postmuster.organisation.truth import Expected, Kind, Outcome
from postmuster.organisation.world import Outgoing

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
EXPECTED = Expected(Kind.REPLY, Outcome.COUNTED)


def mail(
    mail_no: int, person: str = "E1", octets: bytes = b"Subject: x\r\n\r\n.leading dot\r\n", **changes: object
) -> Outgoing:
    values: dict[str, object] = {
        "mail_no": mail_no,
        "at": NOW,
        "reverse_path": "ada@seeds.agency.example",
        "recipients": ("reply+a@survey.example",),
        "octets": octets,
        "truth": "yes",
        "expected": EXPECTED,
        "person_id": person,
        "notice_no": 1,
        "style": "mutt",
        "message_id": f"<{mail_no}@x.example>",
    }
    return Outgoing(**(values | changes))  # type: ignore[arg-type]


class Intake:
    """A tiny LMTP (or SMTP) server: takes what comes, and makes the trouble a test asks for."""

    def __init__(self, *, lmtp: bool = True, pipelining: bool = True) -> None:
        self.taken: list[tuple[str, str, bytes]] = []
        self.lines: list[str] = []
        self.connections = 0
        self.put_off: dict[str, int] = {}
        self.refuse: dict[str, str] = {}
        self.refuse_sender: dict[str, str] = {}
        self.hang_up_after_data = 0
        self.say_421 = 0
        self._lmtp = lmtp
        self._pipelining = pipelining

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(b"220 intake.survey.example ready\r\n")
        sender, refused, recipients = "", "", list[str]()
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            self.lines.append(line)
            verb, said = line[:4].upper(), line.partition("<")[2].partition(">")[0]
            if verb in {"LHLO", "EHLO"}:
                offered = ["SIZE 1000000", "8BITMIME", "SMTPUTF8"] + (["PIPELINING"] if self._pipelining else [])
                answer = "250-intake\r\n" + "".join(f"250-{word}\r\n" for word in offered[1:]) + f"250 {offered[0]}"
            elif verb == "MAIL":
                sender, refused, recipients = said, self.refuse_sender.get(said, ""), []
                answer = refused or "250 2.1.0 Ok"
            elif verb == "RCPT":
                answer = self._recipient(said) if not refused else "503 5.5.1 No sender"
                recipients += [said] if answer.startswith("2") else []
            elif verb == "DATA":
                if not recipients:
                    answer = "503 5.5.1 No recipients"
                else:
                    writer.write(b"354 Go\r\n")
                    octets = (await reader.readuntil(b"\r\n.\r\n"))[:-3]
                    if self.hang_up_after_data:
                        self.hang_up_after_data -= 1
                        break
                    if self.say_421:
                        self.say_421 -= 1
                        writer.write(b"421 4.3.2 Shutting down\r\n")
                        break
                    plain = octets.replace(b"\r\n..", b"\r\n.")
                    self.taken += [(sender, to, plain) for to in recipients]
                    answer = "\r\n".join(["250 2.0.0 Kept"] * (len(recipients) if self._lmtp else 1))
            else:
                answer = "221 2.0.0 Bye" if verb == "QUIT" else "250 2.0.0 Ok"
            writer.write(f"{answer}\r\n".encode())
            await writer.drain()
            if verb == "QUIT":
                break
        writer.close()

    def _recipient(self, to: str) -> str:
        if self.put_off.get(to, 0) > 0:
            self.put_off[to] -= 1
            return "451 4.3.0 Try again later"
        return self.refuse.get(to, "250 2.1.5 Ok")


def run(intake: Intake, mails: list[Outgoing], **route: object) -> Tally:
    async def scenario() -> Tally:
        server = await asyncio.start_server(intake.converse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        values: dict[str, object] = {"connections": 2, "pause_s": 0.001, "patience_s": 5, "timeout_s": 5}
        tally = await deliver_all(mails, Route("127.0.0.1", port, **(values | route)))  # type: ignore[arg-type]
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)
        return tally

    return asyncio.run(scenario())


def test_every_mail_arrives_once_and_unchanged() -> None:
    intake = Intake()
    mails = [mail(number, f"E{number % 7}", b"X: %d\r\n\r\n..two\r\n.\r\nend\r\n" % number) for number in range(200)]
    tally = run(intake, mails)
    assert sorted(octets for _, _, octets in intake.taken) == sorted(one.octets for one in mails)
    assert (tally.mails, tally.recipients, tally.accepted) == (200, 200, 200)
    assert tally.replies == {"250 2.0.0": 200}
    assert not tally.refused
    assert not tally.given_up
    assert intake.connections == 2


def test_mails_of_one_person_arrive_in_their_order_even_when_put_off() -> None:
    intake = Intake()
    intake.put_off = {"reply+3@survey.example": 3, "reply+8@survey.example": 1}
    mails = [mail(number, f"E{number % 2}", recipients=(f"reply+{number}@survey.example",)) for number in range(40)]
    tally = run(intake, mails)
    assert tally.accepted == 40
    assert tally.deferrals == {"451 4.3.0": 4}
    for person in (0, 1):
        numbers = [
            int(to[6:].partition("@")[0]) for _, to, _ in intake.taken if int(to[6:].partition("@")[0]) % 2 == person
        ]
        assert numbers == sorted(numbers)


def test_one_mail_to_two_addresses_gets_an_answer_for_each() -> None:
    intake = Intake()
    intake.refuse = {"b@survey.example": "550 5.1.1 Unknown"}
    tally = run(intake, [mail(1, recipients=("a@survey.example", "b@survey.example", "c@survey.example"))])
    assert tally.replies == {"250 2.0.0": 2, "550 5.1.1": 1}
    assert [(one.mail_no, one.recipient) for one in tally.refused] == [(1, "b@survey.example")]


def test_only_the_recipients_put_off_are_tried_again() -> None:
    intake = Intake()
    intake.put_off = {"b@survey.example": 1}
    tally = run(intake, [mail(1, recipients=("a@survey.example", "b@survey.example"))])
    assert [to for _, to, _ in intake.taken] == ["a@survey.example", "b@survey.example"]
    assert tally.replies == {"250 2.0.0": 2}


def test_a_mail_refused_at_its_sender_is_refused_for_all() -> None:
    intake = Intake()
    intake.refuse_sender = {"big@x.example": "552 5.3.4 Too big"}
    mails = [mail(1, "E1", reverse_path="big@x.example"), mail(2, "E1"), mail(3, "E2")]
    tally = run(intake, mails, connections=1)
    assert tally.replies == {"552 5.3.4": 1, "250 2.0.0": 2}
    assert tally.refused[0].reply.startswith("552 5.3.4")


@pytest.mark.parametrize("trouble", ["hang_up_after_data", "say_421"])
def test_what_was_not_answered_is_sent_again_on_a_new_connection(trouble: str) -> None:
    intake = Intake()
    setattr(intake, trouble, 3)
    mails = [mail(number, f"E{number}", b"X: %d\r\n\r\nx\r\n" % number) for number in range(60)]
    tally = run(intake, mails)
    assert {octets for _, _, octets in intake.taken} == {one.octets for one in mails}
    assert tally.accepted == 60
    assert tally.reconnects == 3
    assert not tally.given_up


def test_tries_end_and_what_is_left_is_named() -> None:
    intake = Intake()
    intake.put_off = {"reply+a@survey.example": 99}
    tally = run(intake, [mail(1), mail(2, recipients=("other@survey.example",))], tries=3)
    assert [(one.mail_no, one.reply) for one in tally.given_up] == [(1, "451 4.3.0 Try again later")]
    assert tally.accepted == 1


def test_smtp_without_pipelining_and_the_null_path_are_spoken_too() -> None:
    intake = Intake(lmtp=False, pipelining=False)
    tally = run(
        intake,
        [mail(1, reverse_path=None, recipients=("a@survey.example", "b@survey.example")), mail(2)],
        protocol="smtp",
    )
    assert tally.accepted == 3
    assert [sender for sender, _, _ in intake.taken] == ["", "", "ada@seeds.agency.example"]
    assert intake.lines[0].startswith("EHLO")


def test_sizes_and_letters_beyond_ascii_are_declared() -> None:
    intake = Intake()
    run(intake, [mail(1, reverse_path="józef@seeds.agency.example")])
    assert f"MAIL FROM:<józef@seeds.agency.example> SIZE={len(mail(1).octets)} BODY=8BITMIME SMTPUTF8" in intake.lines
    intake = Intake()
    run(intake, [mail(1)], declare_size=False)
    assert "MAIL FROM:<ada@seeds.agency.example> BODY=8BITMIME" in intake.lines


def test_every_final_answer_is_told() -> None:
    heard: list[tuple[int, str, str]] = []
    intake = Intake()

    async def scenario() -> None:
        server = await asyncio.start_server(intake.converse, "127.0.0.1", 0)
        route = Route("127.0.0.1", server.sockets[0].getsockname()[1], connections=1)
        await deliver_all([mail(1), mail(2)], route, lambda one, to, reply: heard.append((one.mail_no, to, reply)))
        server.close()
        await server.wait_closed()

    asyncio.run(scenario())
    assert [number for number, _, _ in heard] == [1, 2]
    assert {reply for _, _, reply in heard} == {"250 2.0.0 Kept"}


def test_an_intake_that_stays_away_is_reported_and_one_that_comes_back_is_used() -> None:
    async def port_of_nobody() -> int:
        server = await asyncio.start_server(Intake().converse, "127.0.0.1", 0)
        port = int(server.sockets[0].getsockname()[1])
        server.close()
        await server.wait_closed()
        return port

    async def away(port: int) -> None:
        with pytest.raises(ConnectionError, match="could not be reached"):
            await deliver_all([mail(1)], Route("127.0.0.1", port, connections=1, pause_s=0.001, patience_s=0.05))

    async def back(port: int) -> Tally:
        intake = Intake()
        sending = asyncio.create_task(deliver_all([mail(1)], Route("127.0.0.1", port, connections=1, pause_s=0.001)))
        await asyncio.sleep(0)
        server = await asyncio.start_server(intake.converse, "127.0.0.1", port)
        tally = await sending
        server.close()
        await server.wait_closed()
        return tally

    async def scenario(walk: Callable[[int], Awaitable[object]]) -> object:
        return await walk(await port_of_nobody())

    asyncio.run(scenario(away))
    tally = asyncio.run(scenario(back))
    assert isinstance(tally, Tally)
    assert tally.accepted == 1
