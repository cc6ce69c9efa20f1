"""The relay's shell against servers that misbehave: one outcome a message, never more than was heard, no time-out outlived."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from postmuster.mail.submission import Envelope, OutcomeKind, Stage
from postmuster.outbound.relay import Relay, RelayAddress, Submission, Timeouts

WAIT_S = 20.0
SHORT = Timeouts(connect_s=0.3, reply_s=0.15, body_s=0.15, quit_s=0.1)
PATIENT = Timeouts(connect_s=5, reply_s=5, body_s=5, quit_s=0.1)
MESSAGE = b"Subject: hello\r\n\r\nA line.\r\n"
REPLIES = {
    b"EHLO": b"250-r.example\r\n250 PIPELINING\r\n",
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"DATA": b"354 Go on\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}
GREETING, TAKEN = b"220 r.example ESMTP\r\n", b"250 2.0.0 Taken\r\n"
WHOLE = GREETING + REPLIES[b"EHLO"] + REPLIES[b"MAIL"] + REPLIES[b"RCPT"] + REPLIES[b"DATA"] + TAKEN
BEFORE_DATA = len(WHOLE) - len(TAKEN)


class _Closed(Exception):
    """The server closes this connection."""


@dataclass
class Server:
    """A server whose replies go through `say`, which may cut, hold or change them; keeps what it took whole."""

    say: Callable[[Line, bytes, bytes], None]
    taken: list[bytes] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    port: int = 0


class Line:
    """One connection: its number, the octets said so far, and the message in hand."""

    def __init__(self, server: Server, line: socket.socket) -> None:
        self.server = server
        self.number = len(server.lines)
        self.socket = line
        self.said = 0
        self.messages = 0
        server.lines.append(self)

    def write(self, octets: bytes) -> None:
        self.socket.sendall(octets)
        self.said += len(octets)

    def run(self) -> None:
        with self.socket, self.socket.makefile("rb") as reader:
            self.server.say(self, b"", GREETING)
            while command := reader.readline():
                verb = command[:4].upper()
                self.server.say(self, verb, REPLIES[verb])
                if verb == b"DATA":
                    text = []
                    while (line := reader.readline()) != b".\r\n":
                        if not line:
                            return
                        text.append(line)
                    self.messages += 1
                    self.server.taken.append(b"".join(text))
                    self.server.say(self, b"BODY", TAKEN)
                elif verb == b"QUIT":
                    return


@contextmanager
def serving(say: Callable[[Line, bytes, bytes], None]) -> Iterator[Server]:
    """Serve on a port of its own until the block is left."""
    server = Server(say)
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]

    def converse(line: Line) -> None:
        with suppress(OSError, _Closed):
            line.run()

    def listen() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=converse, args=(Line(server, accepted),), daemon=True).start()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(WAIT_S)
        listener.close()
        for line in server.lines:
            with suppress(OSError):
                line.socket.shutdown(socket.SHUT_RDWR)


def willing(line: Line, verb: bytes, reply: bytes) -> None:
    line.write(reply)


def message(key: int, data: bytes = MESSAGE) -> Submission:
    return Submission(key, Envelope(f"b{key}@x.example", f"p{key}@x.example"), data)


def kinds(
    server: Server, count: int = 1, *, connections: int = 1, timeouts: Timeouts = PATIENT, data: bytes = MESSAGE
) -> list[OutcomeKind]:
    """Submit messages and return what became of each, in order of their keys."""
    with Relay(RelayAddress("127.0.0.1", server.port, "us.example"), connections, timeouts) as relay:
        outcomes = relay.submit([message(key, data) for key in range(count)])
    assert sorted(outcomes) == list(range(count))
    return [outcomes[key].kind for key in range(count)]


def test_a_willing_server_takes_every_message_once() -> None:
    with serving(willing) as server:
        assert kinds(server, 50, connections=4) == [OutcomeKind.ACCEPTED] * 50
        assert len(server.taken) == 50
        assert 2 <= len(server.lines) <= 4  # the last may be opened when nothing is left to carry


def test_connections_are_kept_from_window_to_window() -> None:
    with serving(willing) as server, Relay(RelayAddress("127.0.0.1", server.port, "us.example"), 2, PATIENT) as relay:
        for _ in range(5):
            relay.submit([message(key) for key in range(4)])
        assert len(server.lines) == 2
        assert len(server.taken) == 20


def test_a_line_cut_at_any_octet_leaves_an_outcome_that_claims_no_more_than_was_heard() -> None:
    """`accepted` only with its whole reply line; in doubt from the first octet of the data; before that not executed."""
    for limit in range(len(WHOLE) + 1):

        def cut(line: Line, verb: bytes, reply: bytes, limit: int = limit) -> None:
            line.write(reply[: limit - line.said])
            if line.said >= limit:
                raise _Closed

        with serving(cut) as server:
            [kind] = kinds(server)
            if limit < BEFORE_DATA:
                assert kind is OutcomeKind.NOT_EXECUTED, limit
                assert server.taken == []
            elif limit < len(WHOLE):
                assert kind is OutcomeKind.IN_DOUBT, limit
            else:
                assert kind is OutcomeKind.ACCEPTED, limit
                assert len(server.taken) == 1


@pytest.mark.parametrize("verb", [b"", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"BODY"])
def test_after_a_421_nothing_was_executed_and_the_next_window_gets_through(verb: bytes) -> None:
    struck = threading.Event()

    def close_once(line: Line, at: bytes, reply: bytes) -> None:
        if at == verb and not struck.is_set():
            struck.set()
            line.write(b"421 4.3.2 Closing\r\n")
            raise _Closed
        line.write(reply)

    with serving(close_once) as server:
        first = kinds(server)
        assert first == [OutcomeKind.NOT_EXECUTED]
        assert kinds(server) == [OutcomeKind.ACCEPTED]


def test_messages_behind_one_that_ended_the_dialog_still_go_out() -> None:
    def close_at_the_first(line: Line, verb: bytes, reply: bytes) -> None:
        if line.number == 0 and verb == b"RCPT":
            line.write(b"421 4.3.2 Closing\r\n")
            raise _Closed
        line.write(reply)

    with serving(close_at_the_first) as server:
        found = kinds(server, 5)
        assert sorted(found) == sorted([OutcomeKind.NOT_EXECUTED, *[OutcomeKind.ACCEPTED] * 4])


def test_a_server_that_ends_every_dialog_is_left_alone_after_a_few() -> None:
    def close(line: Line, verb: bytes, reply: bytes) -> None:
        if verb == b"MAIL":
            line.write(b"421 4.3.2 Closing\r\n")
            raise _Closed
        line.write(reply)

    with serving(close) as server:
        assert kinds(server, 100, connections=2) == [OutcomeKind.NOT_EXECUTED] * 100
        assert len(server.lines) <= 6


def test_a_server_that_takes_one_message_a_connection_gets_all_of_them() -> None:
    def one_each(line: Line, verb: bytes, reply: bytes) -> None:
        line.write(reply)
        if verb == b"BODY":
            raise _Closed

    with serving(one_each) as server:
        assert kinds(server, 20, connections=3) == [OutcomeKind.ACCEPTED] * 20
        assert len(server.taken) == 20


def test_a_refusal_is_kept_when_the_server_hangs_up_right_after_it() -> None:
    def refuse_and_hang_up(line: Line, verb: bytes, reply: bytes) -> None:
        if verb == b"BODY":
            line.write(b"550 5.7.1 No\r\n")
            raise _Closed
        line.write(reply)

    with serving(refuse_and_hang_up) as server:
        assert kinds(server, 6, connections=2) == [OutcomeKind.REFUSED_PERMANENT] * 6


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        (b"", OutcomeKind.NOT_EXECUTED),
        (b"EHLO", OutcomeKind.NOT_EXECUTED),
        (b"MAIL", OutcomeKind.NOT_EXECUTED),
        (b"DATA", OutcomeKind.NOT_EXECUTED),
        (b"BODY", OutcomeKind.IN_DOUBT),
    ],
)
def test_silence_ends_with_the_time_out(verb: bytes, expected: OutcomeKind) -> None:
    over = threading.Event()

    def fall_silent(line: Line, at: bytes, reply: bytes) -> None:
        if at == verb:
            over.wait(WAIT_S)
            raise _Closed
        line.write(reply)

    with serving(fall_silent) as server:
        began = time.monotonic()
        assert kinds(server, timeouts=SHORT) == [expected]
        assert time.monotonic() - began < WAIT_S / 4
        over.set()


def test_a_reply_that_never_ends_its_line_ends_with_the_time_out() -> None:
    over = threading.Event()

    def dribble(line: Line, verb: bytes, reply: bytes) -> None:
        if verb == b"BODY":
            line.write(b"250 2.0.0 Tak")
            over.wait(WAIT_S)
            raise _Closed
        line.write(reply)

    with serving(dribble) as server:
        assert kinds(server, timeouts=SHORT) == [OutcomeKind.IN_DOUBT]
        over.set()


def test_a_server_that_stops_reading_in_the_middle_of_a_large_message_ends_with_the_time_out() -> None:
    over = threading.Event()

    def stop_reading(line: Line, verb: bytes, reply: bytes) -> None:
        line.write(reply)
        if verb == b"DATA":
            over.wait(WAIT_S)
            raise _Closed

    large = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 78 + b"\r\n") * 400_000
    with serving(stop_reading) as server:
        began = time.monotonic()
        # Not in doubt: the end mark of its data never left, so nobody can have taken it.
        assert kinds(server, timeouts=SHORT, data=large) == [OutcomeKind.NOT_EXECUTED]
        assert time.monotonic() - began < WAIT_S / 2
        over.set()


def test_a_server_that_never_answers_quit_does_not_keep_us() -> None:
    over = threading.Event()

    def no_goodbye(line: Line, verb: bytes, reply: bytes) -> None:
        if verb == b"QUIT":
            over.wait(WAIT_S)
            raise _Closed
        line.write(reply)

    with serving(no_goodbye) as server:
        began = time.monotonic()
        assert kinds(server, 4, connections=4, timeouts=PATIENT) == [OutcomeKind.ACCEPTED] * 4
        assert time.monotonic() - began < PATIENT.connect_s
        over.set()


def test_a_server_that_greets_late_but_in_time_is_used() -> None:
    heard = threading.Event()

    def late(line: Line, verb: bytes, reply: bytes) -> None:
        if verb == b"":
            heard.wait(0.05)  # nobody sets it: the greeting comes as late as this
        line.write(reply)

    with serving(late) as server:
        assert kinds(server) == [OutcomeKind.ACCEPTED]


def test_a_server_that_greets_with_a_refusal_or_speaks_another_protocol_gets_nothing() -> None:
    for greeting in (
        b"554 5.3.2 Not today\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"220" * 5_000,
    ):

        def refuse(line: Line, verb: bytes, reply: bytes, greeting: bytes = greeting) -> None:
            line.write(greeting)
            raise _Closed

        with serving(refuse) as server:
            assert kinds(server, 3, connections=2) == [OutcomeKind.NOT_EXECUTED] * 3


def test_nobody_listening_is_not_executed() -> None:
    with serving(willing) as server:
        port = server.port
    with Relay(RelayAddress("127.0.0.1", port, "us.example"), 2, SHORT) as relay:
        outcomes = relay.submit([message(key) for key in range(3)])
    assert [outcomes[key].kind for key in range(3)] == [OutcomeKind.NOT_EXECUTED] * 3
    assert {outcome.stage for outcome in outcomes.values()} == {Stage.PREPARE}


def test_an_idle_connection_the_server_has_closed_meanwhile_costs_nothing() -> None:
    done = threading.Event()

    def hang_up_when_told(line: Line, verb: bytes, reply: bytes) -> None:
        line.write(reply)
        if verb == b"BODY" and line.number == 0:
            done.set()
            raise _Closed

    with serving(hang_up_when_told) as server:
        with Relay(RelayAddress("127.0.0.1", server.port, "us.example"), 1, PATIENT) as relay:
            assert relay.submit([message(0)])[0].kind is OutcomeKind.ACCEPTED
            assert done.wait(WAIT_S)
            assert relay.submit([message(1)])[1].kind is OutcomeKind.ACCEPTED
        assert len(server.taken) == 2


def test_the_copy_that_arrives_is_the_copy_that_was_written() -> None:
    data = b"Subject: dots\r\n\r\n.\r\n..two\r\n.end\r\nlast\r\n"
    with serving(willing) as server:
        assert kinds(server, data=data) == [OutcomeKind.ACCEPTED]
        assert [text.replace(b"\r\n..", b"\r\n.") for text in server.taken] == [data]
