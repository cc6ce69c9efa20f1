"""A real Postfix between us and the world, configured with what `postmuster relay-config postfix` prints."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from postmuster.inbound.door import Door
from postmuster.mail.lmtp import DeliveryReply, Received
from postmuster.mail.smtp import OutcomeKind, Ready, Settled, SmtpClient
from postmuster.mail.submission import Envelope
from postmuster.outbound.postfix_queue import PostfixQueue
from postmuster.rehearsal.ports import HOST, free_ports
from postmuster.rehearsal.postfix import Postfix, end_left_over, why_not
from postmuster.rehearsal.processes import members
from postmuster.runtime.relay_config import HEADROOM_OCTETS, hold_command, postfix, release_command
from postmuster.settings import Intake, Relay, Settings

REASON = why_not(user_id=os.geteuid()) or ""
pytestmark = [pytest.mark.postfix, pytest.mark.skipif(bool(REASON), reason=REASON)]

LIMIT_S = 15.0
LARGEST_OCTETS = 1_000_000
OUR_NAME = "mx.agency.example"
TOKEN = "a" * 39
REPLY_TO = f"reply+{TOKEN}@reply.agency.example"
TEXT = b"From: Ada <ada@agency.example>\r\nTo: finn@lights.agency.example\r\nSubject: For you\r\n\r\nGood morning.\r\n"


class Door2424:
    """Our real LMTP door in a thread of its own, whose store is a list; it can be told to put mail off."""

    def __init__(self, port: int) -> None:
        self.taken: list[Received] = []
        self.put_off = 0  # transactions still to be answered 451
        self._news = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._door = Door(self._store, hostname="intake.agency.example", max_size_octets=LARGEST_OCTETS)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._door.listen(HOST, port), self._loop).result(LIMIT_S)

    def _store(self, mails: Sequence[Received]) -> DeliveryReply:
        with self._news:
            if self.put_off:
                self.put_off -= 1
                return DeliveryReply.TROUBLE
            self.taken += mails
            self._news.notify_all()
        return DeliveryReply.ACCEPTED

    def await_mail(self, mark: bytes) -> Received:
        """The one mail that has these octets in it."""

        def found() -> list[Received]:
            return [mail for mail in self.taken if mark in mail.data]

        with self._news:
            assert self._news.wait_for(found, LIMIT_S), "nothing arrived"
            (one,) = found()
        return one

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._door.close(), self._loop).result(LIMIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT_S)
        self._loop.close()


class Rig:
    """An instance with a door behind it. What goes to the world waits."""

    def __init__(self, folder: Path) -> None:
        self.submission, self.world, intake, nobody = free_ports(4)
        settings = Settings(
            folder / "postmuster.toml",
            relay=Relay(port=self.submission),
            intake=Intake(port=intake, authserv_id=OUR_NAME, max_message_octets=LARGEST_OCTETS),
        )
        self.door = Door2424(intake)
        self.postfix = Postfix(
            folder / "mta",
            postfix(settings),
            to_port=nobody,
            from_port=self.world,
            overrides={"defer_transports": "smtp"},
        )
        self.postfix.start((self.submission, self.world))

    def close(self) -> None:
        self.postfix.stop()
        self.door.close()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="postmuster-relay-"))
    made.chmod(0o755)  # Postfix's daemons are other users
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def rig(folder: Path) -> Iterator[Rig]:
    made = Rig(folder)
    yield made
    made.close()


def _await(holds: Callable[[], bool]) -> bool:
    """Look until it holds; Postfix announces nothing."""
    until = time.monotonic() + LIMIT_S
    look = threading.Event()
    while not holds():
        if time.monotonic() > until:
            return False
        look.wait(0.02)
    return True


class Submitter:
    """Our client on a blocking socket, with every write kept. A context manager."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), LIMIT_S)
        self._client = SmtpClient("postmuster.agency.example", may_chunk=False)
        self.writes: list[bytes] = []
        while not any(isinstance(event, Ready) for event in self._client.receive(self._socket.recv(65536))):
            self._flush()

    def submit(self, reverse_path: str, forward_path: str, data: bytes = TEXT) -> OutcomeKind:
        events = self._client.submit(1, Envelope(reverse_path, forward_path), data)
        while True:
            for event in events:
                if isinstance(event, Settled):
                    return event.outcome.kind
            self._flush()
            events = self._client.receive(self._socket.recv(65536))

    def _flush(self) -> None:
        octets = self._client.take_output()
        if octets:
            self.writes.append(octets)
            self._socket.sendall(octets)

    def __enter__(self) -> Submitter:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def _says(port: int, octets: bytes, *, replies: int, greet: bool = True) -> list[bytes]:
    """Write all of it at once; returns so many lines of answer, or fewer when the connection ends."""
    with socket.create_connection((HOST, port), LIMIT_S) as wire, wire.makefile("rb") as lines:
        lines.readline()
        if greet:
            wire.sendall(b"EHLO x.example\r\n")
            while lines.readline()[3:4] == b"-":
                pass
        wire.sendall(octets)
        return [line for line in (lines.readline() for _ in range(replies)) if line]


def _send(rig: Rig, data: bytes, *, sender: str = "finn@lights.agency.example", to: str = REPLY_TO) -> None:
    with smtplib.SMTP(HOST, rig.world, timeout=LIMIT_S) as client:
        client.sendmail(sender, [to], data)


def _mail(mark: str, *fields: bytes, body: bytes = b"YES\r\n") -> bytes:
    head = (b"From: finn@lights.agency.example", b"Subject: Re: For you", f"X-Mark: {mark}".encode(), *fields)
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def test_postfix_knows_every_parameter_that_is_printed(rig: Rig) -> None:
    assert (
        rig.postfix.command("postconf -n 2>&1 >/dev/null; postconf -Mf 2>&1 >/dev/null; postconf -P 2>&1 >/dev/null")
        == ""
    )


def test_what_our_client_writes_ahead_is_taken_where_unlawful_pipelining_is_forbidden(rig: Rig) -> None:
    service = f"{HOST}:{rig.submission}/inet/smtpd_forbid_unauth_pipelining"
    assert rig.postfix.command(f"postconf -P {service}").strip().endswith("= yes")
    with Submitter(rig.submission) as client:
        kinds = [client.submit(f"b-n1-{TOKEN}@bounce.agency.example", "finn@lights.agency.example") for _ in range(3)]
    assert kinds == [OutcomeKind.ACCEPTED] * 3
    ahead = [octets for octets in client.writes if octets.startswith(b"MAIL FROM:")]
    assert [octets.count(b"\r\n") for octets in ahead] == [3, 3, 3]
    assert all(b"\r\nRCPT TO:" in octets and octets.endswith(b"\r\nDATA\r\n") for octets in ahead)


def test_who_does_not_wait_for_ehlo_is_cut_off(rig: Rig) -> None:
    early = b"EHLO x.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
    said = _says(rig.submission, early, replies=30, greet=False)
    assert any(b"pipelining" in line.lower() or b"synchronization" in line.lower() for line in said)
    assert said[-1].startswith((b"5", b"421"))


def test_a_hundred_refusals_cost_neither_time_nor_the_connection(rig: Rig) -> None:
    began = time.monotonic()
    bad = b"MAIL FROM:<a@b.example>\r\n" + b"RCPT TO:<>\r\n" * 100 + b"RSET\r\n"
    said = _says(rig.submission, bad, replies=102)
    assert [line[:3] for line in said] == [b"250", *[b"501"] * 100, b"250"]
    assert (
        time.monotonic() - began < 5
    )  # with the defaults: a second for each after the tenth, the end after the twentieth


def test_a_second_recipient_is_refused(rig: Rig) -> None:
    two = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@f.example>\r\nRSET\r\n"
    said = _says(rig.submission, two, replies=4)
    assert [line[:3] for line in said] == [b"250", b"250", b"452", b"250"]


def test_a_reply_arrives_octet_for_octet(rig: Rig) -> None:
    body = b"x" * 5_000 + b"\r\n\xe4\xf6\xfc \0 end\r\n.\r\n"
    data = _mail("whole", b"Authentication-Results: other.example; dkim=pass", body=body)
    _send(rig, data)
    arrived = rig.door.await_mail(b"X-Mark: whole")
    assert arrived.recipients == (REPLY_TO,)
    assert arrived.reverse_path == "finn@lights.agency.example"
    assert arrived.data.endswith(data)
    assert arrived.data[: -len(data)].startswith(b"Received: ")


@pytest.mark.parametrize("form", ["{};", '"{}";', "{} 1;", "  {};", "{}(a remark);", "{}"])
def test_results_under_our_own_name_are_taken_off(rig: Rig, form: str) -> None:
    claim = b"Authentication-Results: " + form.format(OUR_NAME).encode()
    mark = f"claim {form}"
    _send(rig, _mail(mark, claim + b"\r\n dkim=pass header.d=agency.example", b"X-After: kept"))
    arrived = rig.door.await_mail(f"X-Mark: {mark}\r\n".encode())
    assert b"dkim=pass" not in arrived.data
    assert b"X-After: kept" in arrived.data


def test_a_name_that_only_begins_like_ours_is_kept(rig: Rig) -> None:
    _send(rig, _mail("other name", f"Authentication-Results: {OUR_NAME}.other.example; dkim=pass".encode()))
    assert b"dkim=pass" in rig.door.await_mail(b"X-Mark: other name").data


def test_what_the_intake_puts_off_comes_again_and_is_not_lost(rig: Rig) -> None:
    rig.door.put_off = 2
    _send(rig, _mail("again"))
    assert rig.door.await_mail(b"X-Mark: again").reverse_path == "finn@lights.agency.example"
    assert rig.door.put_off == 0


def test_a_mail_that_is_too_large_is_refused_at_the_door(rig: Rig) -> None:
    with smtplib.SMTP(HOST, rig.world, timeout=LIMIT_S) as client:
        client.ehlo()
        most = int(client.esmtp_features["size"])
        assert LARGEST_OCTETS - HEADROOM_OCTETS <= most < LARGEST_OCTETS
        assert client.mail("finn@lights.agency.example", [f"SIZE={most + 1}"])[0] == 552


def test_the_world_cannot_send_through_it(rig: Rig) -> None:
    said = _says(rig.world, b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n", replies=2)
    assert said[-1].startswith(b"554 5.7.1")


def test_one_notice_can_be_held_and_let_go(rig: Rig) -> None:
    assert _await(lambda: not rig.postfix.queue().moving)
    before = rig.postfix.queue().put_off
    with Submitter(rig.submission) as client:
        for notice in ("n12", "n12", "n120", "n13"):
            path = f"b-{notice}-{TOKEN}@bounce.agency.example"
            assert client.submit(path, "finn@lights.agency.example") is OutcomeKind.ACCEPTED
    assert _await(lambda: rig.postfix.queue().put_off == before + 4)
    rig.postfix.command(hold_command("n12"))
    assert rig.postfix.queue().held == 2
    rig.postfix.command(release_command("n12"))
    assert _await(lambda: rig.postfix.queue().held == 0 and rig.postfix.queue().put_off == before + 4)


def test_the_adapter_counts_ours_alone_and_holds_one_notice(rig: Rig) -> None:
    queue = PostfixQueue("bounce.agency.example", str(rig.postfix.configuration), LIMIT_S)
    assert _await(lambda: not rig.postfix.queue().moving)
    before = queue.depth()
    with Submitter(rig.submission) as client:
        for sender in (
            f"b-n22-{TOKEN}@bounce.agency.example",
            f"b-n220-{TOKEN}@bounce.agency.example",
            "x@y.example",
        ):
            assert client.submit(sender, "finn@lights.agency.example") is OutcomeKind.ACCEPTED
    assert _await(lambda: queue.depth() == before + 2)
    assert queue.hold(lambda one: one.notice_no == 22) == 1
    assert (rig.postfix.queue().held, queue.depth()) == (1, before + 1)
    assert queue.hold(lambda one: one.notice_no == 22) == 0
    assert queue.release(lambda one: one.notice_no == 22) == 1
    assert rig.postfix.queue().held == 0
    assert _await(lambda: queue.depth() == before + 2)


def _lone(folder: Path, name: str) -> tuple[Postfix, list[int]]:
    ports = free_ports(4)
    settings = Settings(folder / "postmuster.toml", relay=Relay(port=ports[0]), intake=Intake(port=ports[1]))
    return Postfix(folder / name, postfix(settings), to_port=ports[2], from_port=ports[3]), [ports[0], ports[3]]


def test_stopping_leaves_no_process_no_port_and_no_folder(folder: Path) -> None:
    made, ports = _lone(folder, "stopped")
    made.start(ports)
    pid = made.pid or 0
    assert len(members(pid)) > 1
    made.stop(keep_log=folder / "kept.log")
    assert members(pid) == []
    assert not made.folder.exists()
    assert (
        "starting the Postfix mail system" in (folder / "kept.log").read_text() or (folder / "kept.log").stat().st_size
    )
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, port), LIMIT_S)


def test_what_a_killed_run_left_is_ended_by_the_next(folder: Path) -> None:
    left, ports = _lone(folder, "left")
    left.start(ports)
    pid = left.pid or 0
    end_left_over(left.folder)
    assert members(pid) == []
    assert not left.folder.exists()
    left.stop()


ALONE = """
import sys, time
from pathlib import Path
from postmuster.rehearsal.postfix import Postfix
from postmuster.runtime.relay_config import postfix
from postmuster.settings import Intake, Relay, Settings
folder, ports = Path(sys.argv[1]), [int(word) for word in sys.argv[2:]]
settings = Settings(folder / "postmuster.toml", relay=Relay(port=ports[0]), intake=Intake(port=ports[1]))
made = Postfix(folder / "orphan", postfix(settings), to_port=ports[2], from_port=ports[3])
made.start((ports[0], ports[3]))
print(made.pid, flush=True)
sys.stdin.read()
"""


def test_it_ends_with_the_run_that_started_it(folder: Path) -> None:
    command = [sys.executable, "-c", ALONE, str(folder), *map(str, free_ports(4))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        assert members(pid)
        run.send_signal(signal.SIGKILL)
    try:
        assert _await(lambda: members(pid) == [])
    finally:
        end_left_over(folder / "orphan")


@pytest.mark.slow
def test_a_whole_muster_through_postfix_balances(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ours = ("POSTMUSTER_", "DJANGO_", "DATABASE_URL")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    demo = ["-m", "postmuster.cli.main", "demo", "--people", "150", "--relay", "postfix", "--out", str(out)]
    try:
        done = subprocess.run(
            [sys.executable, *demo], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        log = (out / "postfix.log").read_text()
    finally:
        # The command removes only what lies below the folder it is called from.
        remove = [sys.executable, "-m", "postmuster.runtime.postgres", "remove", out.name]
        subprocess.run(remove, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "what failed by the relay's report" in done.stdout
    assert "status=bounced" in log
    assert "status=deferred" in log
    assert "postfix/postmuster-in/lmtp" in log
