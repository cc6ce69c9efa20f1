"""The counting sink: every message once, what came twice known, however the octets are cut on the way."""

from __future__ import annotations

import asyncio
import smtplib
import socket
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.bench import children
from postmuster.bench.sink import Session, Taken, message_id

BEFORE = b"MAIL FROM:<a@agency.example>\r\nRCPT TO:<b@agency.example>\r\nDATA\r\n"


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


def message(name: str, body: str = "Hello.") -> bytes:
    return f"Subject: x\r\nMessage-ID: <{name}@agency.example>\r\n\r\n{body}\r\n.\r\n".encode()


def play(pieces: list[bytes]) -> tuple[dict[str, float], Wire]:
    taken, wire = Taken(), Wire()
    session = Session(taken)
    session.connection_made(wire)
    for piece in pieces:
        session.data_received(piece)
    return taken.answer(b"report"), wire


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
    assert message_id(head + b"Message-ID: <other@b>\r\n") == b"a@b"


def test_the_process_speaks_smtp_with_a_client_of_another_make_and_begins_anew_after_a_reset() -> None:
    with children.sink() as sink:
        with smtplib.SMTP("127.0.0.1", int(sink.said)) as client:
            client.ehlo()
            assert {"pipelining", "8bitmime", "smtputf8", "size", "dsn", "enhancedstatuscodes"} <= set(
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
