"""An evil server plays with the client: any answers, at any time, split anywhere, too many of them, and an early end.

Beside it stands a model that takes what the client said as RFC 5321 and 3030 tell a server to. Whatever was answered, the
model must never see anything but the submitted messages, each whole, under its own envelope.
"""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from postmuster.mail.smtp import Ended, Envelope, Event, Outcome, OutcomeKind, Settled, SmtpClient

OFFERS = (
    b"250-r.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
    b"250-r.example\r\n250 PIPELINING\r\n",
    b"250 r.example\r\n",
)
BODIES = (
    b"Subject: x\r\n\r\nMark-%d.\r\n",
    b"Subject: x\r\n\r\n.\r\n..\r\nMark-%d.\r\n.",
    b".Mark-%d.\r\n",
    b"Mark-%d.",
)
SUCCESS = {b"MAIL": b"250 2.1.0 Ok\r\n", b"RCPT": b"250 2.1.5 Ok\r\n", b"DATA": b"354 Go\r\n", b"RSET": b"250 Ok\r\n"}
TAKEN = b"250 2.0.0 Taken\r\n"
REFUSALS = (
    b"450 4.2.1 later\r\n",
    b"550-5.7.1 no\r\n550 5.7.1 and no\r\n",
    b"502 5.5.1 unknown\r\n",
    b"503 5.5.1 bad\r\n",
)
EXTRAS = (
    b"250 2.0.0 Ok\r\n",
    b"354 Go\r\n",
    b"550 5.0.0 no\r\n",
    b"garbage\r\n",
    b"250-half\r\n",
    b"421 4.3.2 bye\r\n",
    b"\n",
)


class Model:
    """A server by the book; which of the lawful answers it gives is decided outside."""

    def __init__(self) -> None:
        self.inbox = b""
        self.mail: bytes | None = None
        self.rcpt: list[bytes] = []
        self.reads_data = False
        self.taken: list[tuple[bytes, tuple[bytes, ...], bytes]] = []

    def step(self, *, refuses: bytes | None) -> bytes | None:
        """Take one command or one message; returns the answer, or None when there is nothing whole to take."""
        if self.reads_data:
            data, mark, rest = (b"\r\n" + self.inbox).partition(b"\r\n.\r\n")
            if not mark:
                return None
            self.inbox, self.reads_data = rest, False
            lines = (data + b"\r\n").removeprefix(b"\r\n").split(b"\r\n")
            answer = self._message(b"\r\n".join(line[line.startswith(b".") :] for line in lines), refuses)
            self.mail, self.rcpt = None, []
            return answer
        command, mark, rest = self.inbox.partition(b"\r\n")
        if not mark:
            return None
        verb = command[:4]
        if verb == b"BDAT":
            count = int(command.split()[1])
            if len(rest) < count:
                return None
            self.inbox = rest[count:]
            return self._message(rest[:count], refuses)
        self.inbox = rest
        return self._command(verb, command.partition(b"<")[2].partition(b">")[0], refuses)

    def _message(self, data: bytes, refuses: bytes | None) -> bytes:
        """RFC 3030 §2: after BDAT that failed the transaction stands until RSET, with all its recipients."""
        if self.mail is None or not self.rcpt:
            return b"503 5.5.1 nothing to send\r\n"
        if refuses:
            return refuses
        self.taken.append((self.mail, tuple(self.rcpt), data))
        self.mail, self.rcpt = None, []
        return TAKEN

    def _command(self, verb: bytes, path: bytes, refuses: bytes | None) -> bytes:
        if verb == b"RSET":  # RFC 5321 §4.1.1.5: never refused by a server that knows it; done whatever is said
            self.mail, self.rcpt = None, []
            return refuses or SUCCESS[verb]
        if verb == b"QUIT":
            return b"221 Bye\r\n"
        if verb not in SUCCESS:
            return b"500 5.5.2 what\r\n"
        if (self.mail is None) != (verb == b"MAIL"):
            return b"503 5.5.1 out of order\r\n"
        if verb == b"DATA" and not self.rcpt and refuses is None:
            self.reads_data = True  # RFC 2920 §3.1: it may still ask for data
            return SUCCESS[verb]
        if refuses:
            return refuses
        if verb == b"MAIL":
            self.mail = path
        elif verb == b"RCPT":
            self.rcpt.append(path)
        else:
            self.reads_data = True
        return SUCCESS[verb]


class EvilServer(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.client = SmtpClient("agency.example")
        self.model = Model()
        self.wire = b""  # said by the client, not yet read by the server
        self.answers = b""  # said by the server, not yet read by the client
        self.submitted: dict[int, tuple[bytes, tuple[bytes, ...], bytes]] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.has_lied = False  # an answer that belongs to nothing was said
        self.was_421 = False
        self.is_over = False
        self.is_silent = False

    def _note(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Settled):
                assert event.key not in self.outcomes
                self.outcomes[event.key] = event.outcome
                if event.outcome.kind is OutcomeKind.ACCEPTED:
                    assert event.outcome.reply_code is not None
                    assert event.outcome.reply_code // 100 == 2
            elif isinstance(event, Ended):
                assert not self.is_over
                self.is_over = True

    @initialize(offer=st.sampled_from(OFFERS))
    def open(self, offer: bytes) -> None:
        self._note(self.client.receive(b"220 r.example\r\n"))
        assert self.client.take_output() == b"EHLO agency.example\r\n"
        self._note(self.client.receive(offer))

    @rule(body=st.sampled_from(BODIES), count=st.integers(1, 4))
    def submit(self, body: bytes, count: int) -> None:
        for _ in range(count):
            key = len(self.submitted)
            data = body % key
            self.submitted[key] = (b"b%d@x.example" % key, (b"p%d@x.example" % key,), data)
            self._note(self.client.submit(key, Envelope(f"b{key}@x.example", f"p{key}@x.example"), data))

    @rule()
    def write(self) -> None:
        output = self.client.take_output()
        assert not (output and (self.is_over or self.is_silent))
        self.wire += output

    @rule(part=st.floats(0, 1))
    def leave(self, part: float) -> None:
        """Some of what was written leaves; the shell counts the rest."""
        self.write()
        if self.is_silent or self.is_over:
            return  # what has not left by now never will
        count = int(len(self.wire) * part) if part < 0.7 else len(self.wire)
        self.model.inbox += self.wire[:count]
        self.wire = self.wire[count:]
        self.client.unwritten_octets = len(self.wire)

    @rule(count=st.integers(1, 12), refusals=st.lists(st.none() | st.sampled_from(REFUSALS), max_size=3))
    def serve(self, count: int, refusals: list[bytes | None]) -> None:
        """The server works, and refuses as it likes."""
        choices = iter(refusals)
        for _ in range(count):
            answer = self.model.step(refuses=next(choices, None))
            if answer is None:
                return
            self.answers += answer

    @rule(count=st.integers(1, 400))
    def hear(self, count: int) -> None:
        octets, self.answers = self.answers[:count], self.answers[count:]
        self._note(self.client.receive(octets))

    @rule(refusals=st.lists(st.none() | st.sampled_from(REFUSALS), max_size=16), rounds=st.integers(1, 4))
    def exchange(self, refusals: list[bytes | None], rounds: int) -> None:
        """All that was said is read over there, and all answers here."""
        for first in range(rounds):
            self.leave(1.0)
            self.serve(60, refusals[first * 4 :])
            self.hear(len(self.answers) or 1)

    @rule(extra=st.sampled_from(EXTRAS))
    @precondition(lambda self: len(self.submitted) > 2)
    def lie(self, extra: bytes) -> None:
        """Something is said that answers nothing."""
        if extra.startswith(b"421"):
            self.was_421 = True
        self.has_lied = True
        self.answers += extra

    @rule()
    @precondition(lambda self: len(self.submitted) > 5)
    def quit(self) -> None:
        self._note(self.client.quit())

    @rule()
    @precondition(lambda self: len(self.submitted) > 5)
    def abandon(self) -> None:
        self.is_silent = True
        self._note(self.client.abandon())

    @rule()
    @precondition(lambda self: len(self.submitted) > 5)
    def lose(self) -> None:
        self._note(self.client.lost())

    @invariant()
    def the_model_sees_only_what_was_submitted(self) -> None:
        own = set(self.submitted.values())
        for mail, rcpt, data in self.model.taken:
            assert (mail, rcpt, data) in own or (mail, rcpt, data.removesuffix(b"\r\n")) in own

    def teardown(self) -> None:
        self._note(self.client.lost())
        assert set(self.outcomes) == set(self.submitted)
        assert self.is_over
        assert self.client.take_output() == b""
        taken = [mail for mail, _, _ in self.model.taken]
        if self.has_lied:
            return
        for key, outcome in self.outcomes.items():
            count = taken.count(b"b%d@x.example" % key)
            assert count <= 1
            if outcome.kind is OutcomeKind.ACCEPTED:
                assert count == 1
            elif outcome.kind is not OutcomeKind.IN_DOUBT:
                assert count == 0, outcome


TestEvilServer = EvilServer.TestCase
TestEvilServer.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
