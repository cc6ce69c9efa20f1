"""`check`: a finding for everything, and each promise that does not hold is a failed one."""

from __future__ import annotations

import dataclasses
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from django.db import connections

from postmuster.base.errors import Defect
from postmuster.ledger import actions as ledger
from postmuster.mail.dkim import SigningAlgorithm
from postmuster.runtime import checks, probe
from postmuster.runtime.checks import Finding, Outcome
from postmuster.runtime.dns_records import make_key
from postmuster.settings import Settings
from postmuster.settings.keys import RELAY_SECRET_FILE
from postmuster.vault.actions import seal_unowned
from postmuster.vault.keyring import Keyring

if TYPE_CHECKING:
    from conftest import Database


@contextmanager
def _server(*answers: bytes) -> Iterator[int]:
    """A server that says one thing on connecting and one for each line it gets."""

    class Talk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for answer in answers:
                self.wfile.write(answer)
                if not self.rfile.readline(1000):
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _find(settings: Settings, name: str) -> Finding:
    found = checks.run_checks(settings, [(one, check) for one, check in checks.CHECKS if one == name])
    assert [finding.name for finding in found] == [name]
    return found[0]


def test_every_check_has_a_finding_with_a_sentence(database: Database, settings: Settings) -> None:
    with _server(b"220 relay.example ESMTP\r\n", b"250-relay.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n") as port:
        ready = dataclasses.replace(
            settings,
            relay=dataclasses.replace(settings.relay, port=port),
            intake=dataclasses.replace(settings.intake, port=1),  # tcpmux: nobody listens there
        )
        found = checks.run_checks(ready, [(name, check) for name, check in checks.CHECKS if name != "server"])
    assert [one.name for one in found] == [name for name, _ in checks.CHECKS if name != "server"]
    assert all(one.sentence.endswith((".", ")")) and "\n" not in one.sentence for one in found)
    outcomes = {one.name: one.outcome for one in found}
    assert outcomes.pop("relay depth") is Outcome.WARN
    assert outcomes.pop("intake") is Outcome.WARN
    assert set(outcomes.values()) == {Outcome.OK}, found


def test_the_database_s_durability_is_shown(database: Database, settings: Settings) -> None:
    found = _find(settings, "database")
    assert "fsync on, full_page_writes on, synchronous_commit on" in found.sentence


def test_commits_that_may_be_lost_are_a_failure(database: Database, settings: Settings) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    assert _find(settings, "database").outcome is Outcome.FAIL


def test_a_table_without_forced_row_security_is_named(database: Database, settings: Settings) -> None:
    owner = database.connect("owner")
    owner.execute("ALTER TABLE roster_person NO FORCE ROW LEVEL SECURITY")
    try:
        found = _find(settings, "row-level security")
    finally:
        owner.execute("ALTER TABLE roster_person FORCE ROW LEVEL SECURITY")
    assert found.outcome is Outcome.FAIL
    assert "roster_person" in found.sentence


def test_an_epoch_in_use_that_is_not_in_the_folder_is_named(
    database: Database, settings: Settings, keyring: Keyring, now: datetime
) -> None:
    seal_unowned([b"Yes."], Keyring({**keyring.epochs, 7: bytes(32)}), now)
    found = _find(settings, "keys")
    assert found.outcome is Outcome.FAIL
    assert "epoch 7" in found.sentence


def test_keys_that_others_may_read_are_a_failure(database: Database, settings: Settings) -> None:
    assert _find(settings, "keys").outcome is Outcome.OK
    (settings.key_dir / "token-001.key").chmod(0o644)
    found = _find(settings, "keys")
    assert found.outcome is Outcome.FAIL
    assert "token-001.key" in found.sentence


def test_missing_keys_are_a_finding_and_not_an_error(database: Database, settings: Settings) -> None:
    (settings.key_dir / "token-001.key").unlink()
    assert _find(settings, "keys") == Finding(
        "keys",
        Outcome.FAIL,
        f"There is no token key in {settings.key_dir}; nothing was sent; run `postmuster init` or restore it.",
    )


def test_a_second_dkim_key_that_is_not_there_is_missed_before_a_worker_does(
    database: Database, settings: Settings
) -> None:
    second = dataclasses.replace(settings.relay, dkim_second_selector="pm2")
    found = _find(dataclasses.replace(settings, relay=second), "keys")
    assert found.outcome is Outcome.FAIL
    assert "dkim-pm2.pem" in found.sentence
    make_key(settings, "pm2", SigningAlgorithm.ED25519_SHA256)
    found = _find(dataclasses.replace(settings, relay=second), "keys")
    assert found.outcome is Outcome.OK
    assert "DKIM: pm1, pm2" in found.sentence


def _relay(settings: Settings, **changes: object) -> Finding:
    changed = dataclasses.replace(settings.relay, **changes)  # type: ignore[arg-type] - keys of the section
    return _find(dataclasses.replace(settings, relay=changed), "relay")


def test_a_clear_line_to_another_machine_is_warned_of_and_no_password_is_said_on_it(settings: Settings) -> None:
    with _server(b"220 relay.example ESMTP\r\n", b"250-relay.example\r\n250 PIPELINING\r\n") as port:
        assert _relay(settings, port=port).outcome is Outcome.OK
        found = _relay(settings, host="0.0.0.0", port=port)  # noqa: S104 - this machine by a name that is no loopback address
    assert found.outcome is Outcome.WARN
    assert "readable and changeable" in found.sentence
    password = settings.key_dir / RELAY_SECRET_FILE
    password.write_text("secret\n", encoding="utf-8")
    password.chmod(0o600)
    found = _relay(settings, host="relay.example", user="postmuster")
    assert found.outcome is Outcome.FAIL
    assert "the password is never said there" in found.sentence


def test_a_relay_that_does_not_begin_tls_is_a_failure(settings: Settings) -> None:
    with _server(b"220 relay.example ESMTP\r\n", b"250-relay.example\r\n250 PIPELINING\r\n") as port:
        without = _relay(settings, port=port, tls="starttls")
        in_clear = _relay(settings, port=port, tls="implicit")
    assert (without.outcome, in_clear.outcome) == (Outcome.FAIL, Outcome.FAIL)
    assert "offers no STARTTLS" in without.sentence
    assert "no TLS that can be verified" in in_clear.sentence


def test_a_relay_that_cannot_be_seen_into_is_told_and_a_stated_rate_bounds_it(settings: Settings) -> None:
    found = _find(settings, "relay depth")
    assert found.outcome is Outcome.WARN
    assert "A stop cannot see into this relay" in found.sentence
    rated = dataclasses.replace(settings, relay=dataclasses.replace(settings.relay, rate_per_s=50))
    assert "50 messages a second" in _find(rated, "relay depth").sentence


def test_a_ledger_that_was_changed_is_a_failure(database: Database, settings: Settings, now: datetime) -> None:
    ledger.append(kind="stop set", actor="shell", subject="n0", facts={"stop": 1}, now=now)
    ledger.number()
    assert _find(settings, "ledger").outcome is Outcome.OK
    owner = database.connect("owner")
    owner.execute("ALTER TABLE ledger_link DISABLE TRIGGER USER; ALTER TABLE ledger_link NO FORCE ROW LEVEL SECURITY")
    try:
        owner.execute("UPDATE ledger_link SET leaf = '\\x00'::bytea")
        found = _find(settings, "ledger")
    finally:
        owner.execute("ALTER TABLE ledger_link ENABLE TRIGGER USER; ALTER TABLE ledger_link FORCE ROW LEVEL SECURITY")
    assert found.outcome is Outcome.FAIL
    assert "was changed" in found.sentence


def test_a_check_that_cannot_be_made_is_a_failed_one(settings: Settings) -> None:
    def breaks(_: Settings) -> checks.Verdict:
        raise Defect("The database refused a statement (42P01); it was rolled back whole; please report it.")

    def cannot(_: Settings) -> checks.Verdict:
        raise PermissionError(13, "Permission denied")

    found = checks.run_checks(settings, [("one", breaks), ("two", cannot)])
    assert [one.outcome for one in found] == [Outcome.FAIL, Outcome.FAIL]
    assert "42P01" in found[0].sentence
    assert "Permission denied" in found[1].sentence


@pytest.mark.parametrize(
    ("answers", "trouble"),
    [
        ((b"220 ready\r\n", b"250 fine\r\n"), ""),
        ((b"554 go away\r\n",), "554 go away"),
        ((b"220 ready\r\n", b"502 no\r\n"), "502 no"),
        ((b"HTTP/1.1 400 Bad Request\r\n",), "does not speak SMTP"),
        ((b"220-" + b"x" * 100_000,), "does not speak SMTP"),
        ((b"220-again\r\n" * 1000,), "does not speak SMTP"),
        ((b"220 \x1b[2J\x07\xff\r\n", b"550 \x1b]0;x\x07\r\n"), "550 ?]0;x?"),
        ((b"",), "no answer within"),
    ],
)
def test_whatever_answers_gets_one_sentence(answers: tuple[bytes, ...], trouble: str) -> None:
    with _server(*answers) as port:
        answer = probe.ask("127.0.0.1", port, verb="EHLO", name="localhost", limit_s=0.3)
    assert trouble in answer.trouble
    assert bool(answer.trouble) == bool(trouble)
    assert answer.trouble.isprintable()


def test_nobody_there_is_told_as_such() -> None:
    with _server(b"") as port:
        pass
    assert "connect" in probe.ask("127.0.0.1", port, verb="LHLO", name="localhost").trouble
