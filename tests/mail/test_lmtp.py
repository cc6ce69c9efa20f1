"""The LMTP server says and hears what the dialogs in tests/dialogs/lmtp say, however the octets are split."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postmuster.mail.lmtp import MAX_UNANSWERED, DeliveryReply, LmtpServer, Received

DIALOGS = sorted((Path(__file__).parent.parent / "dialogs" / "lmtp").glob("*.txt"))
SIZE = 1_000
Split = Callable[[bytes], list[bytes]]


def octets(text: str) -> bytes:
    """Read what stands in a dialog as a Python string would write it."""
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")


class Player:
    """Plays a dialog and holds the server to it."""

    def __init__(self, lines: list[str], split: Split) -> None:
        said = {
            word: int(number)
            for word, number in (line[1:].split() for line in lines if line[:1] == "@" and line.count(" ") == 2)
        }
        self.server = LmtpServer(
            hostname="mx.agency.example",
            max_size_octets=said.get("size", SIZE),
            max_recipients=said.get("recipients", 100),
        )
        self.split = split
        self.mails: list[Received] = []
        self.client = b""
        self.expected: list[str] = []
        if any(line.split() == ["@", "greeted"] for line in lines):
            self.server.receive(b"LHLO relay.example\r\n")
            self.server.take_output()

    def play(self, lines: list[str]) -> None:
        for line in lines:
            kind, _, rest = line.partition(" ")
            if kind[:1] in "@#" or not kind:
                continue
            if not kind.startswith(("S", "M", "C")):
                self.listen()
            if kind.startswith("C"):
                if self.expected:
                    self.listen()
                times = int(kind[2:-1]) if kind.startswith("C*") else 1
                self.client += octets(rest) if kind == "C+" else (rest.encode() + b"\r\n") * times
            elif kind == "S:":
                self.expected.append(rest)
            else:
                self.act(kind, rest)
        self.listen()
        assert not self.mails

    def listen(self) -> None:
        """Send what the client said and compare what the server says."""
        for piece in self.split(self.client):
            self.mails += self.server.receive(piece)
        self.client = b""
        output = self.server.take_output().decode("ascii")
        assert output.split("\r\n")[:-1] == self.expected
        assert output == "" or output.endswith("\r\n")
        self.expected = []

    def act(self, kind: str, rest: str) -> None:
        if kind == "M:":
            if self.client:
                self.listen()
            path, people, data = rest.split("|")
            mail = self.mails.pop(0)
            assert (mail.reverse_path or "") == path.strip()
            assert ", ".join(mail.recipients) == octets(people.strip()).decode("latin-1")
            assert mail.data == octets(data.removeprefix(" "))
        elif kind == "A:":
            self.mails += self.server.answer([DeliveryReply[word.upper()] for word in rest.split()])
        elif kind == "F:":
            self.server.is_full = rest.strip() == "on"
        elif kind == "H:":
            self.server.hang_up(rest.encode() + b"\r\n")
        elif kind == "X:":
            self.server.shed()
        elif kind == "E:":
            assert self.server.has_ended
        else:
            raise ValueError(f"no such line in a dialog: {kind}")


def play(path: Path, split: Split) -> None:
    lines = path.read_text("utf-8").split("\n")
    Player(lines, split).play(lines)


def test_there_are_dialogs() -> None:
    assert len(DIALOGS) >= 20


@pytest.mark.parametrize("path", DIALOGS, ids=lambda path: path.stem)
def test_the_server_keeps_to_the_dialog(path: Path) -> None:
    play(path, lambda client: [client] if client else [])


@pytest.mark.parametrize("path", DIALOGS, ids=lambda path: path.stem)
def test_the_server_keeps_to_the_dialog_octet_by_octet(path: Path) -> None:
    play(path, lambda client: [client[at : at + 1] for at in range(len(client))])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_the_split_of_the_octets_changes_nothing(data: st.DataObject) -> None:
    def split(client: bytes) -> list[bytes]:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(client)), max_size=4)))
        return [client[a:b] for a, b in zip([0, *cuts], [*cuts, len(client)], strict=True)]

    play(data.draw(st.sampled_from(DIALOGS)), split)


WORDS = st.sampled_from(
    [
        b"LHLO x\r\n",
        b"MAIL FROM:<f@home.example>\r\n",
        b"RCPT TO:<a@agency.example>\r\n",
        *(b"DATA\r\n", b"x\r\n", b".\r\n", b"BDAT 2\r\n", b"BDAT 0 LAST\r\n", b"RSET\r\n", b"NOOP\r\n", b"QUIT\r\n"),
        *(b"\r", b"\n", b"..", b"\x00", b"BDAT x", b"y" * 3_000),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=40), st.integers(1, 50))
def test_no_octets_raise_and_every_mail_has_a_recipient(words: list[bytes], width: int) -> None:
    server = LmtpServer(hostname="mx.agency.example", max_size_octets=500)
    client = b"".join(words)
    for at in range(0, len(client), width):
        for mail in server.receive(client[at : at + width]):
            assert mail.recipients
            assert len(mail.data) <= 500
    while server.unanswered:
        server.answer([DeliveryReply.ACCEPTED])
    assert all(line[:3].isdigit() for line in server.take_output().split(b"\r\n")[:-1])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_data_comes_out_as_it_went_in(body: bytes) -> None:
    body = body.replace(b"\n", b"\r\n") + b"\r\n"
    server = LmtpServer(hostname="mx.agency.example")
    stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]
    (mail,) = server.receive(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@agency.example>\r\nDATA\r\n" + stuffed + b".\r\n")
    assert mail.data == body
    assert mail.reverse_path is None


def test_reading_stops_while_too_much_is_unanswered() -> None:
    server = LmtpServer(hostname="mx.agency.example")
    one = b"MAIL FROM:<>\r\nRCPT TO:<a@agency.example>\r\nBDAT 1 LAST\r\nx"
    mails = server.receive(b"LHLO x\r\n" + one * (MAX_UNANSWERED + 5))
    assert len(mails) == server.unanswered == MAX_UNANSWERED
    later: list[Received] = []
    for _ in range(MAX_UNANSWERED + 5):
        later += server.answer([DeliveryReply.ACCEPTED])
    assert (len(later), server.unanswered) == (5, 0)
    assert server.take_output().count(b"250 2.0.0 Committed") == MAX_UNANSWERED + 5


def test_a_mail_too_big_is_not_held() -> None:
    server = LmtpServer(hostname="mx.agency.example", max_size_octets=1_000)
    server.receive(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@agency.example>\r\nDATA\r\n")
    for _ in range(1_000):
        server.receive(b"x" * 1_000)
    assert server.held_octets < 3_000


def test_what_a_mail_holds_is_not_in_its_repr() -> None:
    assert "secret" not in repr(Received("secret@x.example", ("secret@x.example",), b"secret"))
