r"""The client's side of SMTP, by dialogs: each file in tests/dialogs/smtp says who says what; its name is the fault.

Lines of a dialog:
    # why it is there
    submit: KEY MESSAGE FORWARD-PATH [from=PATH] [envid=TEXT]     a message of MESSAGES is submitted
    S: line         the server says it, CRLF added; lines that follow one another come in one piece
    S-raw: octets   the server says exactly this
    S-fill: text N  the server says the text, filled with x to N octets, and no line end
    C: line         the client has said it by now, and nothing else (C-raw: exactly these octets)
    protect: [starttls] [protected] [user=TEXT password=TEXT]     how the line is protected, and who we are
    tls:            the shell has made the handshake that was asked for
    unwritten: N    the last N octets of what was said have not left
    quit:  lost:  abandon:      the shell says QUIT, that the connection is lost, that nothing more may be said
    recall: KEY     the shell takes this message back
    outcome: KEY KIND CODE STATUS STAGE      what the message was settled as; "-" is nothing
    ended: REASON CODE STATUS                how the dialog ended
Escapes are read in S-raw, C-raw and submit: \r \n.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.base.errors import Defect
from postmuster.mail.reply_code import MAX_REPLY_LINE_OCTETS, MAX_REPLY_LINES, Reply, ReplyFault, ReplyReader
from postmuster.mail.smtp import (
    Ended,
    EndReason,
    Envelope,
    Event,
    Notify,
    Outcome,
    OutcomeKind,
    Protection,
    Ready,
    Settled,
    SmtpClient,
    Stage,
    StartTls,
)
from postmuster.mail.smtp_auth import Credentials
from postmuster.mail.submission import has_only_whole_line_ends, stuff_dots

FOLDER = Path(__file__).parent.parent / "dialogs" / "smtp"
LEAST_DIALOGS = 100
MESSAGES = {
    "short": b"Subject: x\r\n\r\nHello.\r\n",
    "unended": b"Subject: x\r\n\r\nHello.",
    "long": b"Subject: x\r\n\r\n" + b"x" * 2_006 + b"\r\n",
    "dots": b".Subject: x\r\n\r\n.\r\n..\r\na.\r\n",
    "bare-lf": b"Subject: x\r\n\r\nHello.\n.\nMAIL FROM:<eve@attacker.example>\r\n",
    "bare-cr": b"Subject: x\r\n\r\nHello.\r.\rMAIL FROM:<eve@attacker.example>\r\n",
    "utf8-header": "Subject: ž\r\n\r\nHello.\r\n".encode(),
    "eight-bit": "Subject: x\r\n\r\nž\r\n".encode(),
}

Cutter = Callable[[bytes], list[bytes]]


@dataclass(frozen=True, slots=True)
class Dialog:
    steps: list[tuple[str, list[str]]]
    settled: list[Settled]
    ended: Ended


def _optional(word: str) -> str | None:
    return None if word == "-" else word


def _code(word: str) -> int | None:
    return None if word == "-" else int(word)


def _unescaped(text: str) -> str:
    return text.replace("\\r", "\r").replace("\\n", "\n")


def read_dialog(name: str) -> Dialog:
    lines = [
        (verb, rest.removeprefix(" "))
        for verb, _, rest in (
            line.partition(":") for line in (FOLDER / name).read_text("utf-8").splitlines() if not line.startswith("#")
        )
    ]
    settled = []
    for _, rest in (line for line in lines if line[0] == "outcome"):
        key, kind, code, status, stage = rest.split()
        settled.append(Settled(int(key), Outcome(OutcomeKind(kind), _code(code), _optional(status), Stage(stage))))
    ((_, last),) = (line for line in lines if line[0] == "ended")
    reason, code, status = last.split()
    steps = [line for line in lines if line[0] not in ("outcome", "ended")]
    grouped = [(verb, [rest for _, rest in group]) for verb, group in groupby(steps, key=lambda line: line[0])]
    return Dialog(grouped, settled, Ended(EndReason(reason), _code(code), _optional(status)))


NAMES = sorted(path.name for path in FOLDER.glob("*.txt"))


def submit(client: SmtpClient, text: str) -> list[Event]:
    key, message, path, *options = _unescaped_words(text)
    named = dict(option.split("=", 1) for option in options)
    reverse_path = named.get("from", "b@agency.example")
    envelope = Envelope(None if reverse_path == "<>" else reverse_path, path, envelope_id=named.get("envid"))
    return client.submit(int(key), envelope, MESSAGES[message])


def _unescaped_words(text: str) -> list[str]:
    return [_unescaped(word) for word in text.split(" ")]


def server_octets(verb: str, lines: list[str]) -> bytes:
    if verb == "S":
        return "".join(f"{line}\r\n" for line in lines).encode()
    if verb == "S-raw":
        return _unescaped("".join(lines)).encode()
    text, _, length = lines[0].rpartition(" ")
    return text.encode().ljust(int(length), b"x")


def _protection(dialog: Dialog) -> Protection:
    words = [word for verb, lines in dialog.steps if verb == "protect" for word in " ".join(lines).split()]
    named = dict(word.split("=", 1) for word in words if "=" in word)
    credentials = Credentials(named["user"], named["password"]) if named else None
    return Protection("starttls" in words, "protected" in words, credentials)


def _shell(client: SmtpClient, verb: str, lines: list[str]) -> list[Event]:
    """What the shell does by itself."""
    if verb == "submit":
        return [event for line in lines for event in submit(client, line)]
    if verb == "unwritten":
        client.unwritten_octets = int(lines[0])
    elif verb == "recall":
        assert client.recall() == int(lines[0])
        assert client.recall() is None
    elif verb != "protect":
        return {"quit": client.quit, "lost": client.lost, "abandon": client.abandon, "tls": client.tls_began}[verb]()
    return []


def play(dialog: Dialog, cut: Cutter) -> list[Event]:
    """Play a dialog and return the events; the client's side is compared on the way."""
    client = SmtpClient("agency.example", _protection(dialog))
    events: list[Event] = []
    for verb, lines in dialog.steps:
        if verb == "C":
            assert client.take_output() == "".join(f"{line}\r\n" for line in lines).encode()
        elif verb == "C-raw":
            assert client.take_output() == _unescaped("".join(lines)).encode()
        elif verb in ("S", "S-raw", "S-fill"):
            events += [event for piece in cut(server_octets(verb, lines)) for event in client.receive(piece)]
        else:
            if verb == "tls":
                assert events[-1] == StartTls()
            events += _shell(client, verb, lines)
    assert client.has_ended
    assert client.take_output() == b""
    assert client.awaited_stage is None
    assert client.unsettled == 0
    assert client.lost() == []
    assert client.receive(b"250 too late\r\n") == []
    return events


def assert_is_as_written(dialog: Dialog, events: list[Event]) -> None:
    by_key = sorted((event for event in events if isinstance(event, Settled)), key=lambda event: event.key)
    assert by_key == dialog.settled
    assert [event for event in events if isinstance(event, Ended)] == [dialog.ended]
    assert sum(isinstance(event, Ready) for event in events) <= 1


def whole(octets: bytes) -> list[bytes]:
    return [octets]


def single_octets(octets: bytes) -> list[bytes]:
    return [octets[place : place + 1] for place in range(len(octets))]


def test_there_are_dialogs() -> None:
    assert len(NAMES) >= LEAST_DIALOGS


@pytest.mark.parametrize("cut", [whole, single_octets])
@pytest.mark.parametrize("name", NAMES)
def test_a_dialog_goes_as_written(name: str, cut: Cutter) -> None:
    dialog = read_dialog(name)
    assert_is_as_written(dialog, play(dialog, cut))


@given(data=st.data())
def test_octets_split_anywhere_settle_each_message_exactly_once(data: st.DataObject) -> None:
    dialog = read_dialog(data.draw(st.sampled_from(NAMES)))

    def cut(octets: bytes) -> list[bytes]:
        places = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=6)))
        return [octets[start:end] for start, end in zip([0, *places], [*places, len(octets)], strict=True)]

    assert_is_as_written(dialog, play(dialog, cut))


REPLIES = (
    b"220 hello\r\n",
    b"250 2.0.0 OK\r\n",
    b"250-relay.example\r\n250 PIPELINING\r\n",
    b"250-relay.example\r\n250-SIZE 100\r\n250 8BITMIME\r\n",
    b"354 go\r\n",
    b"421 4.3.2 closing\r\n",
    b"450 4.2.1 later\r\n",
    b"550 5.1.1 unknown\r\n",
    b"garbage\r\n",
)
# What a server of this kind answers at each stage, so that most walks come far; one in ten is any reply at all.
USUAL = {Stage.GREETING: REPLIES[0], Stage.DATA: REPLIES[4]}


@dataclass(slots=True)
class _Walk:
    """One random walk and what must hold all along it: a message whose octets left is accepted, refused or in doubt."""

    client: SmtpClient = field(default_factory=lambda: SmtpClient("agency.example"))
    submitted: set[int] = field(default_factory=set)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    left: list[bytes] = field(default_factory=list)
    endings: int = 0

    def note(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Settled):
                assert event.key not in self.outcomes
                self.outcomes[event.key] = event.outcome
            elif isinstance(event, Ended):
                self.endings += 1

    def submit(self) -> None:
        key = len(self.submitted)
        self.submitted.add(key)
        body = b"Subject: x\r\n\r\nMark-%d.\r\n" % key
        self.note(self.client.submit(key, Envelope("b@agency.example", "finn@bureau.example"), body))

    def take(self) -> None:
        self.left.append(self.client.take_output())


def _steps(walk: _Walk, data: st.DataObject) -> Iterator[None]:
    for step in data.draw(st.lists(st.sampled_from("sttaaaaq"), max_size=60)):
        if step == "s":
            walk.submit()
        elif step == "t":
            walk.take()
        elif step == "a":
            usual = USUAL.get(walk.client.awaited_stage or Stage.RCPT, REPLIES[1])
            is_odd = data.draw(st.integers(0, 9)) == 9
            walk.note(walk.client.receive(data.draw(st.sampled_from(REPLIES)) if is_odd else usual))
        elif data.draw(st.integers(0, 9)) == 9:
            walk.note(walk.client.quit())
        yield


@given(data=st.data())
def test_whatever_a_server_says_each_message_is_settled_exactly_once(data: st.DataObject) -> None:
    walk = _Walk()
    for _ in range(data.draw(st.integers(0, 3))):
        walk.submit()
    for _ in _steps(walk, data):
        pass
    walk.note(walk.client.lost())
    assert set(walk.outcomes) == walk.submitted
    assert walk.endings == 1
    wire = b"".join(walk.left)
    for key, outcome in walk.outcomes.items():
        octets_left = b"Mark-%d." % key in wire
        if outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.IN_DOUBT):
            assert octets_left
        if outcome.kind is OutcomeKind.NOT_EXECUTED and outcome.reply_code is None:
            assert not octets_left


def test_a_message_is_in_doubt_only_from_the_moment_its_octets_left() -> None:
    for leaves, kind in ((False, OutcomeKind.NOT_EXECUTED), (True, OutcomeKind.IN_DOUBT)):
        walk = _Walk()
        walk.submit()
        walk.note(walk.client.receive(b"220 x\r\n"))
        walk.take()
        walk.note(walk.client.receive(b"250-x\r\n250 PIPELINING\r\n"))
        walk.take()
        walk.note(walk.client.receive(b"250 OK\r\n250 OK\r\n354 go\r\n"))
        if leaves:
            walk.take()
        walk.note(walk.client.lost())
        assert walk.outcomes[0].kind is kind


def test_the_awaited_stage_names_what_the_server_owes() -> None:
    client = SmtpClient("agency.example")
    stages = [client.awaited_stage]
    for reply in (b"220 x\r\n", b"250 x\r\n"):
        client.receive(reply)
        stages.append(client.awaited_stage)
        client.take_output()
    client.submit(1, Envelope(None, "finn@bureau.example"), MESSAGES["short"])
    stages.append(client.awaited_stage)
    assert stages == [Stage.GREETING, Stage.EHLO, None, Stage.MAIL]


@pytest.mark.parametrize("name", ["", "a b", "a\r\nb", "ä.example"])
def test_a_client_name_that_cannot_be_said_is_a_defect(name: str) -> None:
    with pytest.raises(Defect):
        SmtpClient(name)


def test_reports_may_be_asked_for_never_or_always() -> None:
    for notify, written in (((), b"NOTIFY=NEVER "), ((Notify.SUCCESS, Notify.FAILURE), b"NOTIFY=SUCCESS,FAILURE ")):
        client = SmtpClient("agency.example")
        client.receive(b"220 x\r\n")
        client.take_output()
        client.receive(b"250-x\r\n250 DSN\r\n")
        client.submit(
            1, Envelope(None, "finn@bureau.example", notify=notify, original_recipient="o+r@x.example"), b"x\r\n"
        )
        client.take_output()
        client.receive(b"250 OK\r\n")
        assert client.take_output() == b"RCPT TO:<finn@bureau.example> %bORCPT=rfc822;o+2Br@x.example\r\n" % written


lines_of_dots = st.lists(st.sampled_from([b".", b"\r\n", b"a", b"\r", b"\n"]), max_size=30).map(b"".join)


@given(lines_of_dots.filter(has_only_whole_line_ends))
def test_stuffed_data_end_once_and_read_back(data: bytes) -> None:
    stuffed = stuff_dots(data)
    assert (b"\r\n" + stuffed).find(b"\r\n.\r\n") == len(stuffed) - 3
    *lines, end, rest = stuffed.split(b"\r\n")
    assert (end, rest) == (b".", b"")
    carried = b"".join(line[line.startswith(b".") :] + b"\r\n" for line in lines)
    assert carried == (data if data.endswith(b"\r\n") or not data else data + b"\r\n")


def test_replies_at_the_limits_are_read_and_beyond_them_refused() -> None:
    def read(octets: bytes) -> Reply | ReplyFault | None:
        found = ReplyReader().read(octets)
        return found[-1] if found else None

    longest = b"250 ".ljust(MAX_REPLY_LINE_OCTETS - 2, b"x") + b"\r\n"
    assert isinstance(read(longest), Reply)
    assert read(b"x" + longest) is ReplyFault.TOO_LONG
    assert isinstance(read(b"250-x\r\n" * (MAX_REPLY_LINES - 1) + b"250 x\r\n"), Reply)
    assert read(b"250-x\r\n" * MAX_REPLY_LINES) is ReplyFault.TOO_LONG
    assert read(b"250-x\r\n" * (MAX_REPLY_LINES - 1)) is None


@given(st.binary(max_size=80), st.integers(0, 80))
def test_any_octets_give_the_same_replies_however_split(octets: bytes, place: int) -> None:
    def read(*pieces: bytes) -> list[Reply | ReplyFault]:
        reader, found = ReplyReader(), list[Reply | ReplyFault]()
        for piece in pieces:
            found += reader.read(piece)
            if found and isinstance(found[-1], ReplyFault):
                break
        return found

    assert read(octets) == read(octets[:place], octets[place:]) == read(*single_octets(octets))


def test_no_repr_of_a_reply_or_an_event_repeats_its_text() -> None:
    client = SmtpClient("agency.example")
    client.submit(1, Envelope(None, "finn@bureau.example"), MESSAGES["short"])
    client.receive(b"220 x\r\n")
    client.take_output()
    client.receive(b"250 x\r\n")
    client.take_output()
    events = client.receive(b"550 5.1.1 <finn@bureau.example> unknown\r\n")
    assert "finn" not in repr(events)
    assert "finn" not in repr(ReplyReader().read(b"550 5.1.1 <finn@bureau.example> unknown\r\n"))
