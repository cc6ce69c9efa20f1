"""Windows of messages: many in one write, none under another's envelope, none lost from sight, stopped at once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from postmuster.mail.submission import Envelope, OutcomeKind
from postmuster.outbound.relay import Relay, RelayAddress, Submission, Timeouts

WAIT_S = 20.0
PATIENT = Timeouts(connect_s=5, reply_s=5, body_s=5, quit_s=0.2)
ACCEPTED, IN_DOUBT, NOT_EXECUTED = OutcomeKind.ACCEPTED, OutcomeKind.IN_DOUBT, OutcomeKind.NOT_EXECUTED
OFFER = b"250-r.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
TAKEN = b"250 2.0.0 Taken\r\n"


class Closed(Exception):
    """The server closes this connection."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message as the server took it: under which envelope, with which data."""

    reverse_path: bytes
    forward_path: bytes
    data: bytes


Say = Callable[["Talk", bytes, bytes, bytes], None]


@dataclass
class Server:
    """A server that keeps to RFC 5321 and 3030; `say` gets (connection, verb, argument, reply) and writes what it likes."""

    say: Say
    offer: bytes = OFFER
    limit: int = 1 << 62  # octets read on each connection before it is closed
    taken: list[Taken] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    port: int = 0


class Talk:
    """One connection and its transaction."""

    def __init__(self, server: Server, line: socket.socket) -> None:
        self.server = server
        self.number = len(server.talks)
        self.socket = line
        self.read = 0
        self.bdats = 0
        self.is_reset = threading.Event()
        self._buffer = b""
        self._mail: bytes | None = None
        self._rcpt: bytes | None = None
        server.talks.append(self)

    def write(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def _more(self) -> None:
        octets = self.socket.recv(min(65_536, self.server.limit - self.read))
        self.read += len(octets)
        if not octets:
            raise Closed
        self._buffer += octets

    def _octets(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        octets, self._buffer = self._buffer[:count], self._buffer[count:]
        return octets

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._more()
        octets, _, self._buffer = self._buffer.partition(mark)
        return octets

    def run(self) -> None:
        with self.socket:
            try:
                self.server.say(self, b"", b"", b"220 r.example ESMTP\r\n")
                while True:
                    command = self._until(b"\r\n")
                    self._obey(command[:4].upper(), command)
            except ConnectionError:
                self.is_reset.set()

    def _obey(self, verb: bytes, command: bytes) -> None:
        say = self.server.say
        path = command.partition(b"<")[2].partition(b">")[0]
        if verb == b"EHLO":
            say(self, verb, b"", self.server.offer)
        elif verb == b"MAIL":
            self._answer(verb, path, b"503 nested\r\n" if self._mail is not None else b"250 2.1.0 Ok\r\n")
        elif verb == b"RCPT":
            self._answer(verb, path, b"503 no MAIL\r\n" if self._mail is None else b"250 2.1.5 Ok\r\n")
        elif verb == b"BDAT":
            self.bdats += 1
            data = self._octets(int(command.split()[1]))
            self._end(data, b"503 no RCPT\r\n" if self._rcpt is None else TAKEN)
        elif verb == b"DATA":
            say(self, verb, self._mail or b"", b"503 no RCPT\r\n" if self._rcpt is None else b"354 Go on\r\n")
            if self._rcpt is not None:
                self._end(self._until(b"\r\n.\r\n") + b"\r\n", TAKEN)
        elif verb == b"RSET":
            self._mail = self._rcpt = None
            say(self, verb, b"", b"250 2.0.0 Ok\r\n")
        elif verb == b"QUIT":
            say(self, verb, b"", b"221 2.0.0 Bye\r\n")
            raise Closed
        else:
            raise AssertionError(command)

    def _answer(self, verb: bytes, path: bytes, reply: bytes) -> None:
        refuses = verb == b"RCPT" and path.startswith(b"bad") and reply.startswith(b"2")
        if refuses:
            reply = b"550 5.1.1 Nobody\r\n"
        if reply.startswith(b"2"):
            if verb == b"MAIL":
                self._mail = path
            else:
                assert self._rcpt is None, "a second recipient joined an envelope"
                self._rcpt = path
        self.server.say(self, verb, path, reply)

    def _end(self, data: bytes, reply: bytes) -> None:
        if reply == TAKEN:
            assert self._mail is not None
            assert self._rcpt is not None
            taken = Taken(self._mail, self._rcpt, data)
            self._mail = self._rcpt = None
            self.server.say(self, b"BODY", taken.reverse_path, reply)
            self.server.taken.append(taken)
        else:
            self.server.say(self, b"BODY", b"", reply)


@contextmanager
def serving(say: Say, *, offer: bytes = OFFER, limit: int = 1 << 62) -> Iterator[Server]:
    server = Server(say, offer, limit)
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]

    def converse(talk: Talk) -> None:
        with suppress(OSError, Closed, ValueError):
            talk.run()

    def listen() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(Talk(server, accepted),), daemon=True).start()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(WAIT_S)
        listener.close()
        for talk in server.talks:
            with suppress(OSError):
                talk.socket.shutdown(socket.SHUT_RDWR)


def willing(talk: Talk, verb: bytes, argument: bytes, reply: bytes) -> None:
    talk.write(reply)


def message(key: int, *, to: str = "p", size: int = 100) -> Submission:
    data = b"Subject: hello\r\n\r\nMark-%d.\r\n" % key + (b"y" * 78 + b"\r\n") * (size // 80)
    return Submission(key, Envelope(f"b{key}@x.example", f"{to}{key}@x.example"), data)


def relay(server: Server, connections: int = 1, timeouts: Timeouts = PATIENT) -> Relay:
    return Relay(RelayAddress("127.0.0.1", server.port, "us.example"), connections, timeouts)


def assert_each_is_its_own(server: Server, messages: list[Submission]) -> None:
    """Whatever was taken is one of ours, whole, under its own envelope, and only once."""
    own = {
        Taken((one.envelope.reverse_path or "").encode(), one.envelope.forward_path.encode(), one.data)
        for one in messages
    }
    assert set(server.taken) <= own
    assert len(set(server.taken)) == len(server.taken)


def test_a_window_is_shared_by_the_connections_and_arrives_whole() -> None:
    messages = [message(key, size=7_000) for key in range(400)]
    with serving(willing) as server:
        with relay(server, 4) as line:
            outcomes = line.submit(messages)
        assert {outcome.kind for outcome in outcomes.values()} == {ACCEPTED}
        assert len(server.taken) == 400
        assert_each_is_its_own(server, messages)
        assert sum(talk.bdats for talk in server.talks) == 400
        assert 2 <= sum(talk.bdats > 1 for talk in server.talks) <= 4


def test_refused_recipients_in_a_window_leave_the_others_their_own_envelopes() -> None:
    messages = [message(key, to="bad" if key % 3 == 1 else "p") for key in range(90)]
    with serving(willing) as server:
        with relay(server, 2) as line:
            outcomes = line.submit(messages)
        for key, outcome in outcomes.items():
            assert outcome.kind is (OutcomeKind.REFUSED_PERMANENT if key % 3 == 1 else ACCEPTED)
        assert len(server.taken) == 60
        assert_each_is_its_own(server, messages)


def test_windows_begun_one_after_the_other_keep_their_order() -> None:
    with serving(willing) as server:
        with relay(server) as line:
            futures = [line.begin([message(key) for key in range(first, first + 10)]) for first in range(0, 50, 10)]
            assert [sorted(future.result(WAIT_S)) for future in futures] == [
                list(range(first, first + 10)) for first in range(0, 50, 10)
            ]
        assert [taken.reverse_path for taken in server.taken] == [b"b%d@x.example" % key for key in range(50)]


def test_the_caller_goes_on_while_the_relay_works() -> None:
    let_go = threading.Event()

    def hold_the_first(talk: Talk, verb: bytes, argument: bytes, reply: bytes) -> None:
        if verb == b"BODY":
            let_go.wait(WAIT_S)
        talk.write(reply)

    with serving(hold_the_first) as server, relay(server) as line:
        first, second = line.begin([message(1)]), line.begin([message(2)])
        assert not first.done()
        let_go.set()
        assert first.result(WAIT_S)[1].kind is ACCEPTED
        assert second.result(WAIT_S)[2].kind is ACCEPTED


def test_an_empty_window_is_done() -> None:
    with serving(willing) as server, relay(server) as line:
        assert line.begin([]).result(WAIT_S) == {}


def test_a_message_that_ends_every_connection_by_421_does_not_take_the_rest_with_it() -> None:
    def strike(talk: Talk, verb: bytes, argument: bytes, reply: bytes) -> None:
        if verb == b"MAIL" and argument == b"b7@x.example":
            talk.write(b"421 4.3.2 Closing\r\n")
            raise Closed
        talk.write(reply)

    messages = [message(key) for key in range(30)]
    with serving(strike) as server:
        with relay(server) as line:
            outcomes = line.submit(messages)
        assert [key for key, outcome in outcomes.items() if outcome.kind is not ACCEPTED] == [7]
        assert outcomes[7].kind is NOT_EXECUTED
        assert_each_is_its_own(server, messages)


def test_a_relay_that_offers_bdat_and_does_not_know_it_gets_data() -> None:
    def unknown(talk: Talk, verb: bytes, argument: bytes, reply: bytes) -> None:
        if verb == b"BODY" and talk.bdats and reply == TAKEN and not knows_data:
            knows_data.append(True)
            talk.write(b"502 5.5.1 Unknown\r\n")
            raise Again
        talk.write(reply)

    class Again(ValueError):
        """Nothing is taken, and this connection ends."""

    knows_data: list[bool] = []
    messages = [message(key) for key in range(20)]
    with serving(unknown) as server:
        with relay(server) as line:
            outcomes = line.submit(messages)
        assert outcomes[0].kind is NOT_EXECUTED  # a fresh connection ended with it; the first is given back
        assert {outcomes[key].kind for key in range(1, 20)} == {ACCEPTED}
        assert sum(talk.bdats for talk in server.talks) == 1
        assert_each_is_its_own(server, messages)


def test_a_connection_cut_at_any_octet_claims_no_more_than_was_heard() -> None:
    """Accepted only when it was taken; not executed only when it was not; nothing twice, unless it was in doubt."""
    messages = [message(key) for key in range(3)]
    with serving(willing) as server:
        with relay(server) as line:
            line.submit(messages)
        whole = server.talks[0].read
    for limit in range(1, whole, 7):
        with serving(willing, limit=limit) as server:
            with relay(server) as line:
                outcomes = line.submit(messages)
            assert sorted(outcomes) == [0, 1, 2]
            taken = [taken.reverse_path for taken in server.taken]
            for key, outcome in outcomes.items():
                count = taken.count(b"b%d@x.example" % key)
                assert count == 1 or outcome.kind is not ACCEPTED, limit
                assert count == 0 or outcome.kind is not NOT_EXECUTED, limit
            assert_each_is_its_own(server, messages)


def test_a_message_does_not_wait_behind_a_slow_one_while_a_connection_is_idle() -> None:
    let_go, is_held = threading.Event(), threading.Event()

    def slow(talk: Talk, verb: bytes, argument: bytes, reply: bytes) -> None:
        if verb == b"BODY" and argument == b"b5@x.example":
            is_held.set()
            let_go.wait(WAIT_S)
        talk.write(reply)

    messages = [message(key) for key in range(40)]
    with serving(slow, offer=b"250-r.example\r\n250 PIPELINING\r\n") as server, relay(server, 2) as line:
        future = line.begin(messages)
        assert is_held.wait(WAIT_S)
        until = time.monotonic() + WAIT_S
        while len(server.taken) < 39 and time.monotonic() < until:
            is_held.wait(0.01)
            threading.Event().wait(0.01)
        assert len(server.taken) == 39
        let_go.set()
        assert {outcome.kind for outcome in future.result(WAIT_S).values()} == {ACCEPTED}
        assert_each_is_its_own(server, messages)


# ---- stopping


def test_abandoning_reads_what_is_owed_and_writes_nothing_more() -> None:
    """Of one connection: the first is answered after the stop, the second never, the large one left only in part."""
    has_come, stopped, over = threading.Event(), threading.Event(), threading.Event()

    def hold(talk: Talk, verb: bytes, argument: bytes, reply: bytes) -> None:
        if verb == b"BODY" and argument == b"b1@x.example":
            has_come.set()
            stopped.wait(WAIT_S)
        elif verb == b"BODY" and argument == b"b2@x.example":
            over.wait(WAIT_S)
            raise Closed
        talk.write(reply)

    window = [message(1), message(2), message(3, size=40_000_000), message(4)]
    with serving(hold) as server, relay(server) as line:
        assert line.submit([message(0)])[0].kind is ACCEPTED
        future = line.begin(window)
        later = line.begin([message(5)])
        assert has_come.wait(WAIT_S)
        began = time.monotonic()
        line.abandon(0.4)
        stopped.set()
        outcomes = future.result(WAIT_S) | later.result(WAIT_S)
        assert time.monotonic() - began < 3
        over.set()
        kinds = [outcomes[key].kind for key in range(1, 6)]
        assert kinds == [ACCEPTED, IN_DOUBT, NOT_EXECUTED, NOT_EXECUTED, NOT_EXECUTED]
        assert line.submit([message(6)])[6].kind is NOT_EXECUTED
        assert len(server.talks) == 1


def test_abandoning_an_idle_relay_ends_it_at_once() -> None:
    with serving(willing) as server, relay(server, 2) as line:
        line.submit([message(key) for key in range(4)])
        began = time.monotonic()
        line.abandon(WAIT_S)
        line.abandon(WAIT_S)
        assert line.submit([message(9)])[9].kind is NOT_EXECUTED
        assert time.monotonic() - began < WAIT_S / 4


def test_abandoning_while_no_connection_can_be_made_settles_everything() -> None:
    over = threading.Event()

    def mute(talk: Talk, verb: bytes, argument: bytes, reply: bytes) -> None:
        over.wait(WAIT_S)
        raise Closed

    with serving(mute) as server, relay(server, 2) as line:
        future = line.begin([message(key) for key in range(10)])
        line.abandon(0.1)
        assert {outcome.kind for outcome in future.result(WAIT_S).values()} == {NOT_EXECUTED}
        over.set()


def test_leaving_by_an_exception_settles_what_is_under_way() -> None:
    over = threading.Event()

    def hold(talk: Talk, verb: bytes, argument: bytes, reply: bytes) -> None:
        if verb == b"BODY":
            over.wait(WAIT_S)
            raise Closed
        talk.write(reply)

    class Trouble(Exception):
        pass

    with serving(hold) as server:
        began = time.monotonic()
        with suppress(Trouble), relay(server) as line:
            future = line.begin([message(1)])
            raise Trouble
        assert future.result(0)[1].kind in (IN_DOUBT, NOT_EXECUTED)
        assert time.monotonic() - began < WAIT_S / 4
        over.set()
