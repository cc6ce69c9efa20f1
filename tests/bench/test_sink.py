"""The counting sink: every message once, what came twice known, however the octets are cut on the way; and its bad manners."""

from __future__ import annotations

import asyncio
import os
import smtplib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.bench import children, journal
from postmuster.bench.sink import Manners, Taken, is_refused
from postmuster.bench.sink_session import BUFFER_OCTETS, Session, find_message_id

MAIL, RCPT = b"MAIL FROM:<a@agency.example>\r\n", b"RCPT TO:<b@agency.example>\r\n"
BEFORE = MAIL + RCPT + b"DATA\r\n"
TAKEN = b"250 2.0.0 counted\r\n"


class Wire(asyncio.Transport):
    """Keeps what a session writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.is_closed = True

    def write_eof(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True


def message(name: str, body: str = "Hello.") -> bytes:
    return whole(name, body) + b".\r\n"


def whole(name: str, body: str = "Hello.") -> bytes:
    return f"Subject: x\r\nMessage-ID: <{name}@agency.example>\r\n\r\n{body}\r\n".encode()


def chunk(octets: bytes, *, last: bool = True) -> bytes:
    return b"BDAT %d%b\r\n%b" % (len(octets), b" LAST" if last else b"", octets)


def feed(session: Session, piece: bytes) -> None:
    """Hand octets over as a transport does, in as many reads as they need."""
    while piece:
        room = session.get_buffer(-1)
        now = min(len(room), len(piece))
        room[:now] = piece[:now]
        room.release()
        session.buffer_updated(now)
        piece = piece[now:]


def play(pieces: list[bytes], manners: Manners | None = None) -> tuple[dict[str, float], Wire]:
    """Play a dialog without a socket, inside a loop, because leaving sets a timer."""

    async def run() -> tuple[dict[str, float], Wire]:
        taken, wire = Taken(manners), Wire()
        session = Session(taken)
        session.connection_made(wire)
        for piece in pieces:
            feed(session, piece)
        return taken.answer(b"report"), wire

    return asyncio.run(run())


def codes(wire: Wire) -> list[int]:
    """The codes of all replies behind the greeting."""
    lines = wire.written.split(b"\r\n")[1:-1]
    return [int(line[:3]) for line in lines if line[3:4] == b" "]


def test_each_message_is_counted_once_and_one_that_comes_twice_is_doubled() -> None:
    said, wire = play([BEFORE + message("one") + BEFORE + message("two") + BEFORE + message("one"), b"QUIT\r\n"])
    assert (said["messages"], said["distinct"], said["doubled"], said["unnamed"]) == (3, 2, 1, 0)
    assert wire.written.count(b"250 2.0.0 counted") == 3
    assert wire.is_closed


@given(st.lists(st.integers(min_value=1, max_value=400), max_size=12))
def test_however_the_octets_are_cut_the_count_is_the_same(cuts: list[int]) -> None:
    whole = BEFORE + message("one", "a\r\n..b\r\nMessage-ID: <no@x>") + BEFORE + message("two", "..") + b"NOOP\r\n"
    places = sorted({0, len(whole), *(cut % len(whole) for cut in cuts)})
    said, wire = play([whole[start:end] for start, end in pairwise(places)])
    assert (said["messages"], said["distinct"], said["doubled"]) == (2, 2, 0)
    assert wire.written.endswith(b"250 2.0.0 still here\r\n")


def test_an_empty_message_and_one_without_a_message_id_are_counted_apart() -> None:
    said, _ = play([BEFORE + b".\r\n" + BEFORE + b"Subject: x\r\n\r\nHello.\r\n.\r\n" + BEFORE + message("a", "")])
    assert (said["messages"], said["distinct"], said["doubled"], said["unnamed"]) == (3, 1, 0, 2)


def test_a_message_that_is_only_a_head_is_known_by_its_message_id() -> None:
    said, _ = play([BEFORE + b"Message-ID: <a@b>\r\n.\r\n"])
    assert (said["messages"], said["distinct"]) == (1, 1)


def test_data_without_a_recipient_is_refused() -> None:
    said, wire = play([b"MAIL FROM:<>\r\nDATA\r\n"])
    assert b"503" in wire.written
    assert said["messages"] == 0


def test_a_line_without_end_is_hung_up_on() -> None:
    _, wire = play([b"x" * 10_000])
    assert wire.is_closed


@pytest.mark.parametrize(
    "head",
    [b"Message-ID: <a@b>\r\n\r\n", b"To: x\r\nMESSAGE-id:\r\n <a@b>\r\n\r\n", b"To: x\r\nMessage-ID: <a@b>\r\n\r\n"],
)
def test_a_message_id_is_found_in_any_case_and_folded(head: bytes) -> None:
    octets = head + b"Message-ID: <other@b>\r\n"
    assert find_message_id(octets, 0, len(octets)) == b"a@b"


@pytest.mark.parametrize(
    "octets",
    [b"", b"To: x\r\n\r\n\r\nMessage-ID: <a@b>\r\n", b"To: x\r\nMessage-ID: <a b>\r\n\r\n", b"\r\nMessage-ID: <a@b>"],
)
def test_what_stands_in_a_body_or_is_torn_is_no_message_id(octets: bytes) -> None:
    assert find_message_id(octets, 0, len(octets)) == b""


def test_the_process_speaks_smtp_with_a_client_of_another_make_and_begins_anew_after_a_reset() -> None:
    with children.sink() as sink:
        with smtplib.SMTP("127.0.0.1", int(sink.said)) as client:
            client.ehlo()
            assert {"pipelining", "8bitmime", "smtputf8", "size", "dsn", "enhancedstatuscodes", "chunking"} <= set(
                client.esmtp_features
            )
            client.sendmail("a@agency.example", "b@agency.example", b"Message-ID: <a@b>\r\n\r\nHello.\r\n")
        assert sink.ask("reset")["messages"] == 1
        with socket.create_connection(("127.0.0.1", int(sink.said))) as wire:
            wire.sendall(b"EHLO x\r\n" + BEFORE + message("one") + b"QUIT\r\n")
            while wire.recv(4096):
                pass
        said = sink.ask("report")
        assert (said["messages"], said["distinct"], said["doubled"]) == (1, 1, 0)
        assert 0 < said["first_s"] <= said["last_s"]


# ---- BDAT


def test_whole_transactions_in_one_write_are_each_answered_in_order() -> None:
    octets = b"".join(MAIL + RCPT + chunk(whole(f"m{number}")) for number in range(5))
    said, wire = play([b"EHLO x\r\n" + octets + b"QUIT\r\n"])
    assert codes(wire) == [250] + [250, 250, 250] * 5 + [221]
    assert wire.written.count(TAKEN) == 5
    assert (said["messages"], said["distinct"], said["octets"]) == (5, 5, 5 * len(whole("m0")))


@given(st.lists(st.integers(min_value=1, max_value=900), max_size=15))
def test_however_chunks_are_cut_the_replies_are_the_same(cuts: list[int]) -> None:
    octets = (
        MAIL + RCPT + chunk(whole("one")) + b"RSET\r\n" + MAIL + RCPT + chunk(whole("two")[:20], last=False)
        + chunk(whole("two")[20:]) + b"rset\r\n" + MAIL + RCPT + chunk(b"", last=False) + chunk(whole("one"))
        + MAIL + chunk(b"MAIL FROM:<no@agency.example>\r\n") + MAIL + b"RSET\r\n" + MAIL + RCPT + chunk(whole("three"))
    )  # fmt: skip
    places = sorted({0, len(octets), *(cut % len(octets) for cut in cuts)})
    said, wire = play([octets[start:end] for start, end in pairwise(places)])
    assert (said["messages"], said["distinct"], said["doubled"]) == (4, 3, 1)
    assert codes(wire) == [
        250, 250, 250, 250, 250, 250, 250, 250, 250, 250, 250, 250, 250, 250, 503, 503, 250, 250, 250, 250
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        (RCPT, [503]),
        (MAIL + MAIL, [250, 503]),
        (chunk(b"x\r\n"), [503]),
        (MAIL + chunk(b"x\r\n") + MAIL, [250, 503, 503]),
        (MAIL + chunk(b"x\r\n") + b"RSET\r\n" + MAIL, [250, 503, 250, 250]),
        (MAIL + RCPT + chunk(b"x", last=False) + b"DATA\r\n", [250, 250, 250, 503]),
        (MAIL + RCPT + chunk(b"x", last=False) + RCPT, [250, 250, 250, 503]),
        (MAIL + RCPT + RCPT, [250, 250, 452]),
        (b"MAIL FROM:a@agency.example\r\n", [501]),
        (MAIL + b"RCPT TO:<>\r\n", [250, 501]),
        (b"MAIL FROM:<a@agency.example> COLOUR=red\r\n", [555]),
        (b"MAIL FROM:<a@agency.example> SIZE=99999999999\r\n", [552]),
        (MAIL + RCPT + b"BDAT 99999999 LAST\r\n" + b"x" * 99, [250, 250]),
        (b'MAIL FROM:<"a>b"@agency.example>\r\nRCPT TO:<b@agency.example> NOTIFY=NEVER\r\n', [250, 250]),
        (b"BDAT many LAST\r\n" + MAIL, [421]),
        (b"HELP\r\n", [500]),
    ],
)  # fmt: skip
def test_order_and_form_are_held_to(said: bytes, answers: list[int]) -> None:
    counted, wire = play([said])
    assert codes(wire) == answers
    assert counted["messages"] == 0


def test_a_message_larger_than_a_read_is_taken_whole_and_known_by_name() -> None:
    octets = whole("large", "x" * (2 * BUFFER_OCTETS))
    said, wire = play([MAIL + RCPT + chunk(octets) + BEFORE + octets + b".\r\n"])
    assert (said["messages"], said["doubled"], said["octets"]) == (2, 1, 2 * len(octets))
    assert wire.written.count(TAKEN) == 2


# ---- bad manners


def test_the_same_share_of_recipients_is_always_refused() -> None:
    people = [f"person.{number}@agency.example".encode() for number in range(2_000)]
    refused = [address for address in people if is_refused(address, 0.1)]
    assert 140 <= len(refused) <= 260
    assert all(is_refused(address.upper(), 0.1) for address in refused)
    assert not any(is_refused(address, 0) for address in people)
    assert all(is_refused(address, 1) for address in people)


def test_a_refused_recipient_gets_no_message_and_others_do() -> None:
    octets = b"".join(
        MAIL + b"RCPT TO:<p%d@agency.example>\r\n" % number + chunk(whole(f"m{number}")) + b"RSET\r\n"
        for number in range(40)
    )
    said, wire = play([octets], Manners(refuse_share=0.5))
    refused = sum(is_refused(b"p%d@agency.example" % number, 0.5) for number in range(40))
    assert 0 < refused < 40
    assert (said["refused"], said["messages"]) == (refused, 40 - refused)
    assert codes(wire).count(550) == codes(wire).count(503) == refused


def test_every_third_transaction_is_answered_421_and_nothing_behind_it_is_taken() -> None:
    octets = b"".join(MAIL + RCPT + chunk(whole(f"m{number}")) for number in range(5))
    said, wire = play([octets, octets], Manners(busy_every=3))
    assert codes(wire) == [250, 250, 250, 250, 250, 250, 421]
    assert (said["messages"], said["busy"]) == (2, 1)
    assert wire.is_closed


@contextmanager
def client(sink: children.Child) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(sink.said)), timeout=20) as wire:
        yield wire


def read_until(wire: socket.socket, times: int, what: bytes = TAKEN) -> bytes:
    """Read until something was said so often, or until the other side has left."""
    heard = b""
    while heard.count(what) < times and (octets := wire.recv(65_536)):
        heard += octets
    return heard


def test_a_connection_is_cut_after_exactly_so_many_octets() -> None:
    one = MAIL + RCPT + chunk(whole("m0"))
    cut = 2 * len(one) + 10
    with children.sink("--cut", str(cut)) as sink, client(sink) as wire:
        wire.sendall(one)
        read_until(wire, 1)
        wire.sendall(one)
        read_until(wire, 1)
        wire.sendall(one[:10])
        assert read_until(wire, 1) == b""
        assert sink.ask("report")["messages"] == 2


def test_a_rate_is_kept_over_all_connections_by_answering_late() -> None:
    octets = b"".join(MAIL + RCPT + chunk(whole(f"m{number}")) for number in range(10))
    with children.sink("--rate", "50") as sink, client(sink) as first, client(sink) as second:
        began = time.monotonic()
        first.sendall(octets)
        second.sendall(octets)
        heard = read_until(first, 10) + read_until(second, 10)
        assert heard.count(TAKEN) == 20
        assert time.monotonic() - began >= 0.3  # 20 messages at 50 a second, but for the slack
        assert sink.ask("report")["messages"] == 20


def test_a_tarpit_answers_each_message_late_and_journals_it_only_then(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    with children.sink("--tarpit", "0.15", "--journal", str(file)) as sink, client(sink) as wire:
        began = time.monotonic()
        wire.sendall(MAIL + RCPT + chunk(whole("m0")) + BEFORE)
        read_until(wire, 1)
        assert time.monotonic() - began >= 0.15
        entry = next(journal.entries(file))
        assert entry.monotonic_s - began >= 0.15


def test_who_left_before_the_answer_was_due_is_not_counted_as_taken() -> None:
    with children.sink("--tarpit", "0.15") as sink:
        with client(sink) as leaves:
            leaves.sendall(MAIL + RCPT + chunk(whole("m0")) + MAIL)
            assert read_until(leaves, 1, b"250 2.1.5")
        with client(sink) as stays:
            stays.sendall(MAIL + RCPT + chunk(whole("m1")))
            read_until(stays, 1)
        assert sink.ask("report")["messages"] == 1


# ---- the journal


def test_what_was_taken_outlives_a_kill_and_what_comes_again_is_doubled(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    octets = b"".join(MAIL + b"RCPT TO:<p%d@agency.example>\r\n" % n + chunk(whole(f"m{n}")) for n in range(50))
    before = time.time()
    with children.sink("--journal", str(file)) as sink:
        port = sink.said
        with client(sink) as wire:
            wire.sendall(octets)
            read_until(wire, 50)
            os.kill(sink.pid, 9)
            assert wire.recv(10) == b""
    written = list(journal.entries(file))
    assert [entry.message_id for entry in written] == [f"m{n}@agency.example" for n in range(50)]
    assert [entry.recipient for entry in written] == [f"p{n}@agency.example" for n in range(50)]
    assert all(before - 1 <= entry.wall_s <= time.time() + 1 for entry in written)
    with file.open("ab") as opened:
        opened.write(b"torn@agency.example\tp")
    with children.sink("--journal", str(file), "--port", port) as sink:
        assert sink.said == port
        with client(sink) as wire:
            wire.sendall(MAIL + RCPT + chunk(whole("m7")) + BEFORE + message("new"))
            read_until(wire, 2)
        said = sink.ask("report")
    assert (said["messages"], said["distinct"], said["doubled"]) == (52, 51, 1)
    found = journal.summary(file)
    assert (found.messages, found.distinct, found.doubled, found.unnamed) == (52, 51, 1, 0)


@pytest.mark.parametrize("options", [("--rate", "0"), ("--refuse-share", "2"), ("--tarpit", "x")])
def test_options_that_mean_nothing_are_said(options: tuple[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(children.Transient):
        children.Child("sink", *options)
    assert "invalid" in capfd.readouterr().err
