"""Windows against a real Postfix that forbids unlawful pipelining: the right ones are queued, each under its own envelope."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from postmuster.mail.submission import Envelope, OutcomeKind
from postmuster.outbound.relay import Relay, RelayAddress, Submission
from postmuster.rehearsal.ports import free_ports
from postmuster.rehearsal.postfix import Postfix, why_not
from postmuster.runtime.relay_config import Parameter, postfix
from postmuster.settings import Intake, Settings
from postmuster.settings import Relay as RelaySettings

REASON = why_not(user_id=os.geteuid()) or ""
pytestmark = [pytest.mark.postfix, pytest.mark.skipif(bool(REASON), reason=REASON)]

WINDOW = 200
LIMIT_S = 15.0
BODY = b"One line of the body.\r\n.\r\n..two dots\r\n" * 100
QUEUED = re.compile(r"^sender: (\S+)$.*?^recipient: (\S+)$.*?^X-Mark: (\d+)$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rig:
    postfix: Postfix
    port: int

    def relay(self, connections: int = 1) -> Relay:
        return Relay(RelayAddress("127.0.0.1", self.port, "postmuster.agency.example"), connections)

    def queued(self) -> list[tuple[str, str, int]]:
        """Envelope sender, recipient and mark of every mail that it holds; what it holds is taken out."""
        until = time.monotonic() + LIMIT_S
        while self.postfix.queue().moving and time.monotonic() < until:
            threading.Event().wait(
                0.02
            )  # it announces nothing, and a mail on its way from queue to queue may be listed nowhere
        ids = self.postfix.command("postqueue -p | awk '/^[0-9A-F]/ { print $1 }' | tr -d '*!' | sort -u").split()
        found = []
        for start in range(0, len(ids), 50):
            text = self.postfix.command("postcat -qeh " + " ".join(ids[start : start + 50]))
            found += [(sender, recipient, int(mark)) for sender, recipient, mark in QUEUED.findall(text)]
        self.postfix.command("postsuper -d ALL")
        return sorted(found, key=lambda one: one[2])


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """The configuration that `relay-config` prints, and a rule of the kind that a relay may have: some are refused."""
    folder = Path(tempfile.mkdtemp(prefix="postmuster-window-"))
    folder.chmod(0o755)  # Postfix's daemons are other users
    port, intake, nobody, world = free_ports(4)
    settings = Settings(folder / "postmuster.toml", relay=RelaySettings(port=port), intake=Intake(port=intake))
    config = postfix(settings)
    submission, *others = config.services
    rule = Parameter("smtpd_recipient_restrictions", "$refuse_some", "Some recipients are unknown.")
    options = tuple(rule if one.name == rule.name else one for one in submission.options)
    instance = Postfix(
        folder / "mta",
        replace(config, services=(replace(submission, options=options), *others)),
        to_port=nobody,
        from_port=world,
        overrides={
            "defer_transports": "smtp",
            "refuse_some": "check_recipient_access regexp:{{/^bad/ 550 5.1.1 Nobody here}}",
        },
    )
    instance.start((port, world))
    yield Rig(instance, port)
    instance.stop()
    shutil.rmtree(folder, ignore_errors=True)


def message(key: int, to: str) -> Submission:
    data = f"From: Ada <ada@agency.example>\r\nTo: {to}\r\nX-Mark: {key}\r\nSubject: For you\r\n\r\n".encode() + BODY
    return Submission(key, Envelope(f"b-n1-{key}@bounce.agency.example", to), data)


def own(key: int) -> tuple[str, str, int]:
    return f"b-n1-{key}@bounce.agency.example", f"p{key}@lights.agency.example", key


def test_exactly_the_recipients_that_were_not_refused_are_queued_each_under_its_own_envelope(rig: Rig) -> None:
    service = f"127.0.0.1:{rig.port}/inet/smtpd_forbid_unauth_pipelining"
    assert rig.postfix.command(f"postconf -P {service}").strip().endswith("= yes")
    bad = {key for key in range(WINDOW) if key % 7 == 3 or 100 <= key < 140}
    window = [message(key, f"{'bad' if key in bad else 'p'}{key}@lights.agency.example") for key in range(WINDOW)]
    with rig.relay() as relay:
        outcomes = relay.submit(window)
    for key, outcome in outcomes.items():
        expected = OutcomeKind.REFUSED_PERMANENT if key in bad else OutcomeKind.ACCEPTED
        assert (key, outcome.kind) == (key, expected)
        assert outcome.enhanced_status == ("5.1.1" if key in bad else "2.0.0")
    assert rig.queued() == [own(key) for key in range(WINDOW) if key not in bad]
    log = rig.postfix.log.read_text("utf-8", "replace")
    assert "improper command pipelining" not in log
    assert "too many errors" not in log


def test_a_window_that_is_refused_whole_costs_neither_the_connection_nor_waiting(rig: Rig) -> None:
    """600 errors and 600 RSET in a row: with Postfix's defaults the connection ends at the twentieth."""
    began = time.monotonic()
    with rig.relay() as relay:
        for _ in range(3):
            outcomes = relay.submit([message(key, f"bad{key}@lights.agency.example") for key in range(WINDOW)])
            assert {outcome.enhanced_status for outcome in outcomes.values()} == {"5.1.1"}
        assert relay.submit([message(1, own(1)[1])])[1].kind is OutcomeKind.ACCEPTED
    assert time.monotonic() - began < 10
    assert rig.queued() == [own(1)]
    log = rig.postfix.log.read_text("utf-8", "replace")
    assert "too many errors" not in log


def test_windows_over_four_connections_are_queued_once_each(rig: Rig) -> None:
    with rig.relay(4) as relay:
        futures = [
            relay.begin([message(key, own(key)[1]) for key in range(first, first + 100)])
            for first in range(0, 400, 100)
        ]
        kinds = {outcome.kind for future in futures for outcome in future.result(60).values()}
    assert kinds == {OutcomeKind.ACCEPTED}
    assert rig.queued() == [own(key) for key in range(400)]
