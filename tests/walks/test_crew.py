"""Real processes, killed with SIGKILL while they send and take in: the books balance, nobody is lost, nobody has two copies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from postmuster.base import sql
from postmuster.jobs.notice import release
from postmuster.jobs.queue import defer_expand
from postmuster.organisation.sending import Route, deliver
from postmuster.outbound.values import RoundRef
from postmuster.rehearsal.ports import free_ports
from postmuster.runtime.processes import Crew

from .muster import Muster
from .relay import LittleRelay, Moment

pytestmark = pytest.mark.slow

WAIT_S = 60.0


def _until(holds: Callable[[], bool], crew: Crew) -> None:
    until_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < until_s
        crew.tend()
        time.sleep(0.05)


def _crew(muster: Muster) -> Crew:
    folder = muster.folder
    return Crew(muster.desk.settings, clock=str(folder / "clock"), log=folder / "crew.log", tell=lambda _: None)


def _finish(muster: Muster, of: RoundRef, crew: Crew) -> None:
    """Until nobody is pending and no retry is left; simulated time goes on where only that helps."""

    def is_settled() -> bool:
        if muster.round(of.notice_no).state == "settled":
            return True
        if muster.states(of).get("deferred") and "pending" not in muster.states(of):
            muster.clock.advance(timedelta(minutes=6))
        return False

    _until(is_settled, crew)


def test_workers_killed_while_they_send_lose_nobody_and_double_nothing(muster: Muster, relay: LittleRelay) -> None:
    muster.configure(relay_port=relay.port, work_lease_s=1)
    reached = [threading.Event() for _ in range(3)]

    def announce(moment: Moment) -> str | None:
        if moment.stage == "BODY":
            for number, event in enumerate(reached):
                if len(relay.taken) >= 8 + 15 * number:
                    event.set()
        return None

    relay.rule = announce
    with _crew(muster) as crew:
        crew.start(2, intake=False)
        number = muster.draft()
        release(number, actor=muster.actor("ben"), desk=muster.desk, then=defer_expand)
        of = RoundRef(number, 1, muster.round(number).roster_version)
        for strike, event in enumerate(reached):
            _until(event.is_set, crew)
            crew.kill_and_restart(f"worker-{strike % 2 + 1}")
        _finish(muster, of, crew)
    states = muster.balance(of)
    copies = relay.copies()
    assert set(states) <= {"relayed", "in_doubt", "withheld"}
    assert set(copies.values()) == {1}
    doubtful = {seq for seq in muster.addressed(of) if muster.state(of, seq) == "in_doubt"}
    missing = {seq for seq, address in muster.addressed(of).items() if address not in copies}
    assert missing <= doubtful  # who has no copy is in doubt; nobody is said to be reached who is not
    assert len(copies) <= states["relayed"] + len(doubtful)
    assert len(doubtful) <= 3 * 7  # at most what one window of each that died held
    muster.ledger_is_sound()
    assert "Traceback" not in (muster.folder / "crew.log").read_text()


def test_an_intake_and_a_worker_killed_while_answers_come_in_lose_none_and_count_none_twice(muster: Muster) -> None:
    of = muster.reach()
    [port] = free_ports(1)
    muster.configure(intake_port=port, work_lease_s=1)
    mails = list(muster.world.answer(of.notice_no, ("acknowledge",)))
    assert len(mails) > 30
    with _crew(muster) as crew:
        crew.start(1)
        struck: list[str] = []

        def strike() -> None:
            for name, share in (("intake", 0.2), ("worker-1", 0.4), ("intake", 0.7)):
                until_s = time.monotonic() + WAIT_S
                while len(answered) < share * len(mails) and time.monotonic() < until_s:
                    time.sleep(0.005)
                crew.kill_and_restart(name)
                struck.append(name)

        answered: list[str] = []
        striker = threading.Thread(target=strike)
        striker.start()
        route = Route("127.0.0.1", port, connections=3)
        tally = deliver(iter(mails), route, on_reply=lambda mail, recipient, reply: answered.append(reply))
        striker.join(WAIT_S)
        _until(lambda: muster.mail_states()["waiting"] == 0, crew)
        _until(lambda: all(state == "relayed" for _, state, _ in muster.letters()) or _move(muster), crew)
    assert struck == ["intake", "worker-1", "intake"]
    assert tally.given_up == []
    assert tally.reconnects > 0
    kept = int(sql.value("SELECT count(*) FROM inbound_mail"))
    refused = {refusal.mail_no for refusal in tally.refused}
    assert kept >= len(mails) - len(refused)  # one committed and not answered for comes again
    assert muster.mail_states() == {"digested": kept}
    assert int(sql.value("SELECT count(*) FROM replies_reply")) == kept
    standing = sql.rows(
        "SELECT person_no, count(*) FROM replies_answer WHERE state IN ('counted', 'needs_confirmation') "
        "GROUP BY person_no HAVING count(*) > 1"
    )
    assert standing == []
    again = sql.rows("SELECT person_no, count(*) FROM outbound_letter GROUP BY person_no HAVING count(*) > 1")
    assert again == []
    muster.balance(of)
    muster.ledger_is_sound()
    assert "Traceback" not in (muster.folder / "crew.log").read_text()


def _move(muster: Muster) -> bool:
    muster.clock.advance(timedelta(minutes=6))
    return False
