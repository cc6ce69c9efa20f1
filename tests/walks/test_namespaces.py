"""Two machines share a send, and one loses its cable in the midst of a window: nobody is lost, and what it no longer holds it
cannot change.

The machines are network namespaces; the database (over TCP, with passwords) and the relay are reached over a bridge only.
The database writes down every change of a batch with the machine it came from, so that the fence is not believed but seen;
and a batch that was taken from a machine is at once claimed for a third one, which holds it while the first comes back.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from tests.roster import sample

from postmuster.access.queries import acting
from postmuster.base.clock import SteppedClock
from postmuster.jobs.notice import ref_of, release
from postmuster.jobs.queue import defer_expand
from postmuster.mail.address import AddrSpec
from postmuster.outbound.pace import MAX_WINDOW
from postmuster.outbound.values import RoundRef
from postmuster.roster.actions import load_feed
from postmuster.runtime import database as rooms_database
from postmuster.runtime import roles
from postmuster.runtime.place import PORT
from postmuster.runtime.postgres import Server
from postmuster.runtime.processes import Crew
from postmuster.settings import DATABASE_VARIABLE, load, reference

from . import namespaces
from .conftest import publish_assessments
from .muster import WAIT_S, Muster
from .namespaces import Bridge, BridgeRelay, Namespace
from .relay import Moment

pytestmark = pytest.mark.slow

PATIENCE_S: Final = 60.0  # connections whose octets went nowhere try again after 1, 2, 4, … seconds
PEOPLE: Final = 120
BATCH_ROWS: Final = 30
LEASE_S: Final = 3
LOOK_S: Final = 0.05
SETTLE_S: Final = 0.1  # a commit under way is over by then
ANSWER_S: Final = 0.01  # the relay takes its time, so that a window is less than a batch
UNWRITTEN: Final = 2  # copies taken and not written down when the cable is pulled, at least
_A_WHILE: Final = timedelta(minutes=3)

_AUDIT = """
CREATE SCHEMA audit;
CREATE TABLE audit.batch (no bigint GENERATED ALWAYS AS IDENTITY, machine inet, batch_no bigint,
                          was text, state text, was_fence int, fence int, is_moved bool, is_last bool);
CREATE TABLE audit.delivery (no bigint GENERATED ALWAYS AS IDENTITY, machine inet, seq int, was text, state text);
CREATE FUNCTION audit.keep_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE lets_go bool := current_query() ~ 'UPDATE outbound_batch SET state = .(open|done)';
BEGIN
  INSERT INTO audit.batch (machine, batch_no, was, state, was_fence, fence, is_moved, is_last)
  SELECT inet_client_addr(), n.id, o.state, n.state, o.fence, n.fence, o.handed_seq <> n.handed_seq, lets_go
  FROM after_it n JOIN before_it o USING (id);
  IF NOT FOUND THEN INSERT INTO audit.batch (machine, is_last) VALUES (inet_client_addr(), lets_go); END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION audit.keep_delivery() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  INSERT INTO audit.delivery (machine, seq, was, state)
  SELECT inet_client_addr(), n.seq, o.state, n.state
  FROM after_it n JOIN before_it o USING (notice_no, round_no, seq) ORDER BY n.seq;
  RETURN NULL;
END $$;
CREATE FUNCTION audit.claim_for_a_third() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.state := 'claimed';
  NEW.fence := NEW.fence + 1;
  NEW.lease_until := clock_timestamp() + interval '1 hour';
  RETURN NEW;
END $$;
CREATE TRIGGER third BEFORE UPDATE ON outbound_batch FOR EACH ROW
  WHEN (OLD.state = 'claimed' AND NEW.state = 'open' AND NEW.fence > OLD.fence) EXECUTE FUNCTION audit.claim_for_a_third();
CREATE TRIGGER audit AFTER UPDATE ON outbound_batch REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
  FOR EACH STATEMENT EXECUTE FUNCTION audit.keep_batch();
CREATE TRIGGER audit AFTER UPDATE ON outbound_delivery REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
  FOR EACH STATEMENT EXECUTE FUNCTION audit.keep_delivery();
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One statement's change of one batch; of none, where `batch_no` is None."""

    no: int
    machine: str | None  # None: the test
    batch_no: int | None
    was: str
    state: str
    was_fence: int
    fence: int
    is_moved: bool
    is_last: bool  # to finish it or to give it back

    @property
    def is_claim(self) -> bool:
        return (self.was, self.state, self.fence) == ("open", "claimed", self.was_fence + 1)

    @property
    def is_rescue(self) -> bool:
        return self.was == "claimed" and self.fence > self.was_fence


class _BridgeSchema:
    """The migrated database of this module, as the `database` fixture asks for it."""

    def __init__(self, logins: roles.Logins) -> None:
        self.logins = logins

    def clean(self) -> None:
        """It is new."""


class Audit:
    """What the database saw, asked past all guards; from any thread."""

    def __init__(self, server: Server) -> None:
        self._connection: psycopg.Connection[Any] = psycopg.connect(
            **server.parameters(roles.DATABASE), autocommit=True
        )

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement.encode(), parameters).fetchall()

    @property
    def changes(self) -> list[Change]:
        found = self.rows(
            "SELECT no, host(machine), batch_no, was, state, was_fence, fence, is_moved, is_last FROM audit.batch ORDER BY no"
        )
        return [Change(*row) for row in found]

    def settled_by(self, machine: str) -> list[tuple[int, str, str]]:
        return [tuple(row) for row in self.rows(
            "SELECT seq, was, state FROM audit.delivery WHERE host(machine) = %s ORDER BY no", machine
        )]  # fmt: skip

    def all_done_but_lost(self) -> bool:
        """Nobody but the third machine holds anything, and nothing is open."""
        left = self.rows("SELECT lease_until > now() + interval '1 minute' FROM outbound_batch WHERE state <> 'done'")
        return bool(self.changes) and all(row[0] for row in left)

    @property
    def batches(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT id, state, fence, handed_seq FROM outbound_batch ORDER BY id")

    def unwritten(self, taken: set[int]) -> set[int]:
        """Those of them without an outcome whose batch goes on beyond its mark."""
        found = self.rows(
            "SELECT seq FROM unnest(%s::int[]) AS t(seq) "
            "JOIN outbound_batch b ON seq BETWEEN b.first_seq AND b.handed_seq AND b.handed_seq < b.last_seq "
            "WHERE b.state = 'claimed' AND seq NOT IN (SELECT seq FROM outbound_delivery)",
            list(taken),
        )
        return {int(row[0]) for row in found}

    def give_back(self) -> None:
        """What the third machine holds is open again."""
        self._connection.execute("UPDATE outbound_batch SET state = 'open', lease_until = NULL WHERE state = 'claimed'")

    def seqs(self) -> dict[str, int]:
        """Who is in the audience, by address."""
        found = self.rows(
            "SELECT e.local_part, e.domain, a.seq FROM outbound_audience a "
            "JOIN roster_entry e ON e.person_no = a.person_no AND e.until IS NULL"
        )
        return {str(AddrSpec(local_part, domain)): int(seq) for local_part, domain, seq in found}

    def doubtful(self) -> set[int]:
        return {int(row[0]) for row in self.rows("SELECT seq FROM outbound_delivery WHERE state = 'in_doubt'")}

    def within(self, batches: set[int]) -> set[int]:
        """Everybody in these batches."""
        found = self.rows(
            "SELECT generate_series(first_seq, last_seq) FROM outbound_batch WHERE id = ANY(%s)", list(batches)
        )
        return {int(row[0]) for row in found}

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def bridge() -> Iterator[Bridge]:
    reason = namespaces.missing()
    if reason:
        pytest.skip(reason)
    with namespaces.bridge() as made:
        yield made


@pytest.fixture(scope="module")
def server(bridge: Bridge, _folder: Path) -> Iterator[Server]:
    """A server of its own, in the hub: on a socket as always, and on TCP for those who have a password."""
    base = _folder / "bridge"
    base.mkdir(mode=0o711)
    base.chmod(0o711)
    made = Server(base / "var", base=base, tell=lambda _: None)
    try:
        bridge.hub.run(made.start)
        with psycopg.connect(**made.parameters(), autocommit=True) as admin:
            admin.execute(f"ALTER SYSTEM SET listen_addresses = '{namespaces.HUB_ADDRESS}'".encode())
        made.stop()
        bridge.hub.run(made.start)
        with (made.place.data / "pg_hba.conf").open("a", encoding="ascii") as file:
            file.write(f"host all all {namespaces.ALLOWED} scram-sha-256\n")
        with psycopg.connect(**made.parameters(), autocommit=True) as admin:
            admin.execute("SELECT pg_reload_conf()")
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def _schema(server: Server, _folder: Path) -> _BridgeSchema:
    file = _folder / "bridge" / "postmuster.toml"
    file.touch()
    settings = load(file)
    logins = roles.prepare_logins({}, server.parameters(), may_reset=True)
    roles.write_logins(settings.logins_file, logins)
    rooms_database.django_setup("application", settings)
    rooms_database.migrate(tell=lambda _: None)
    with psycopg.connect(**server.parameters(roles.DATABASE), autocommit=True) as admin:
        admin.execute(_AUDIT)
    return _BridgeSchema(logins)


@pytest.fixture
def muster(stage: Muster) -> Muster:
    """Everybody is in one component, so that batches are whole ones."""
    rows = sample.people(PEOPLE, "Agency of Rivers").values()
    file = sample.write(stage.folder / "people.csv", rows)
    load_feed(file, actor=acting("ove").mark, now=stage.clock.now(), rejects=stage.folder / "rejects.csv")
    publish_assessments(stage)
    return stage


@pytest.fixture
def audit(muster: Muster, server: Server) -> Iterator[Audit]:
    made = Audit(server)
    yield made
    made.close()


@pytest.fixture
def relay(bridge: Bridge) -> Iterator[BridgeRelay]:
    made = bridge.hub.run(lambda: BridgeRelay(namespaces.HUB_ADDRESS))
    with made:
        yield made


class Machine:
    """One machine with a worker, its own copy of settings and keys, and a cable."""

    def __init__(self, letter: str, bridge: Bridge, muster: Muster, relay: BridgeRelay, keys: Path) -> None:
        self.letter = letter
        self.bridge = bridge
        self.inside: Namespace = bridge.machine(letter)
        self.address = bridge.address(letter)
        self.home = muster.folder / f"machine-{letter}"
        self.home.mkdir()
        given = muster.given | {"relay.host": namespaces.HUB_ADDRESS, "relay.port": relay.port, "relay.connections": 1}
        given |= {"work.lease_s": LEASE_S, "work.workers": 2, "work.batch_rows": BATCH_ROWS}
        (self.home / "zone.json").write_bytes((muster.folder / "zone.json").read_bytes())
        (self.home / "postmuster.toml").write_text(reference.file_text(given), encoding="utf-8")
        settings = load(self.home / "postmuster.toml")
        shutil.copytree(keys, settings.key_dir)
        logins = {
            role: login | {"host": namespaces.HUB_ADDRESS, "port": str(PORT)}
            for role, login in roles.read_logins(settings.logins_file).items()
        }
        roles.write_logins(settings.logins_file, logins)
        self.keys = settings.key_dir
        self.log = self.home / "crew.log"
        self.crew = Crew(settings, clock=str(muster.folder / "clock"), log=self.log, tell=lambda _: None)

    def start(self) -> None:
        self.inside.run(lambda: self.crew.start(1, intake=False))

    def stop(self) -> None:
        self.inside.run(self.crew.stop)

    def unplug(self) -> None:
        self.bridge.unplug(self.letter)

    def plug(self) -> None:
        self.bridge.plug(self.letter)


@pytest.fixture
def machines(
    bridge: Bridge, muster: Muster, relay: BridgeRelay, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Machine, Machine]]:
    """Two machines at work. The first one writes down which database this is; the other has a copy of its keys."""
    monkeypatch.setenv(DATABASE_VARIABLE, f"postgresql://{namespaces.HUB_ADDRESS}:{PORT}/{roles.DATABASE}")
    first = Machine("a", bridge, muster, relay, muster.desk.settings.key_dir)
    second = None
    try:
        first.start()
        second = Machine("b", bridge, muster, relay, first.keys)
        second.start()
        yield first, second
    finally:
        relay.rule = lambda _: None
        for machine in filter(None, (first, second)):
            machine.plug()
            machine.stop()


class _Cut:
    """The relay's rule: holds the first machine's window when part of it is taken and nothing of that is written down."""

    def __init__(self, relay: BridgeRelay, audit: Audit, first: Machine) -> None:
        self._relay = relay
        self._audit = audit
        self._first = first
        self.reached = threading.Event()
        self.pulled = threading.Event()

    def __call__(self, moment: Moment) -> str | None:
        if moment.stage != "BODY" or self.pulled.is_set():
            return None
        if self._relay.caller != self._first.address:
            self.pulled.wait(WAIT_S)  # the other one leaves something to do
        elif (
            not self.pulled.wait(ANSWER_S)
            and self._holds_enough()
            and not self.pulled.wait(SETTLE_S)
            and self._holds_enough()
        ):
            self.reached.set()
            self.pulled.wait(WAIT_S)
        return None

    def _holds_enough(self) -> bool:
        return len(self._audit.unwritten(self.taken())) >= UNWRITTEN

    def taken(self) -> set[int]:
        """Whose copies the relay has from the first machine."""
        seqs = self._audit.seqs()
        return {seqs[address] for address in self._relay.copies_from(self._first.address)}


def _until(holds: Callable[[], bool], machines: tuple[Machine, ...]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until_s, "".join(machine.log.read_text() for machine in machines)
        time.sleep(LOOK_S)


def test_a_machine_unplugged_in_mid_window_loses_nobody_and_changes_nothing_it_no_longer_holds(
    muster: Muster, audit: Audit, relay: BridgeRelay, machines: tuple[Machine, Machine], clock: SteppedClock
) -> None:
    first, second = machines
    cut = relay.rule = _Cut(relay, audit, first)
    of = _release(muster)
    _until(cut.reached.is_set, machines)
    first.unplug()
    taken_before = cut.taken()
    cut.pulled.set()

    _until(lambda: audit.all_done_but_lost() and bool(audit.doubtful()), machines)
    lost, doubtful = _lost_by(first, audit), audit.doubtful()
    held = {row[0] for row in audit.batches if row[1] == "claimed"}
    assert held
    assert held <= lost  # the other machine has sent everything else
    assert len(taken_before & doubtful) >= UNWRITTEN  # taken, and nobody but the machine without cable knows
    assert doubtful <= audit.within(lost)
    assert len(doubtful) <= MAX_WINDOW
    states, addressed = muster.balance(of), muster.addressed(of)
    assert states["relayed"] + states["in_doubt"] + states["pending"] == len(addressed)
    assert states["in_doubt"] == len(doubtful)
    batches, mark = audit.batches, audit.changes[-1].no

    first.plug()
    _until(
        lambda: any(one.no > mark and one.is_last and one.machine == first.address for one in audit.changes), machines
    )
    assert not taken_before & audit.doubtful()
    assert audit.batches == batches  # it tried, and nothing was finished, moved or given back
    assert [one for one in audit.changes if one.no > mark and one.batch_no is not None] == []
    learned = audit.settled_by(first.address)
    assert {seq for seq, _, state in learned if state == "relayed"} >= taken_before & doubtful
    assert {was for _, was, _ in learned} == {"in_doubt"}
    assert {state for _, _, state in learned} <= {
        "relayed",
        "deferred",
        "in_doubt",
    }  # by answers, or not executed, or neither
    assert {seq for seq, _, _ in learned} <= doubtful

    audit.give_back()
    second.stop()  # what is left is done by the one that was away
    _finish(muster, of, machines, clock)
    copies = relay.copies()
    assert set(copies) == set(addressed.values())  # nobody is lost
    doubled = {seq for seq, address in addressed.items() if copies[address] > 1}
    assert doubled <= doubtful
    assert max(copies.values()) <= 2
    assert muster.balance(of) == {"relayed": PEOPLE}
    _fence_held(audit.changes)
    muster.ledger_is_sound()
    assert not any("Traceback" in machine.log.read_text() for machine in machines)


def _release(muster: Muster) -> RoundRef:
    def change(toml: str) -> str:
        toml = re.sub(r"components = \[.*?\]", 'components = ["Agency of Rivers"]', toml, flags=re.DOTALL)
        return toml.replace("[sender]", '[in_doubt]\npolicy = "resend"\n\n[sender]', 1)

    number = muster.draft(change=change)
    release(number, actor=muster.actor("ben"), desk=muster.desk, then=defer_expand)
    return ref_of(muster.round(number))


def _lost_by(machine: Machine, audit: Audit) -> set[int]:
    """The batches that were taken from a machine."""
    holders: dict[int, str | None] = {}
    lost = set()
    for one in audit.changes:
        if one.batch_no is None:
            continue
        if one.is_claim:
            holders[one.batch_no] = one.machine
        elif one.is_rescue and holders.get(one.batch_no) == machine.address:
            lost.add(one.batch_no)
    return lost


def _fence_held(changes: list[Change]) -> None:
    """Whoever moved, finished or gave back a batch was the one who had claimed it under that very number."""
    holders: dict[tuple[int, int], str | None] = {}
    for one in changes:
        if one.batch_no is None:
            continue
        if one.is_claim:
            holders[one.batch_no, one.fence] = one.machine
        elif one.is_rescue:
            del holders[one.batch_no, one.was_fence]
            holders[one.batch_no, one.fence] = None  # the third machine, for which the test acts
        else:
            assert one.fence == one.was_fence
            assert holders[one.batch_no, one.fence] == one.machine


def _finish(muster: Muster, of: RoundRef, machines: tuple[Machine, ...], clock: SteppedClock) -> None:
    def is_settled() -> bool:
        if muster.round(of.notice_no).state == "settled":
            return True
        clock.advance(_A_WHILE)
        return False

    _until(is_settled, machines)
