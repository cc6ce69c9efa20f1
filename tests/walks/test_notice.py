"""The promises on the way out: what may leave (P1), balanced books (P2), what a crash costs (P3), a stop that holds (P4)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from django.db import connection, transaction

from postmuster.base import sql
from postmuster.base.errors import Refused, Transient
from postmuster.control import actions as control
from postmuster.control.states import Cause, Lane
from postmuster.jobs import notice
from postmuster.jobs.notice import ref_of, scope_of
from postmuster.mail.submission import OutcomeKind
from postmuster.notices import actions as notices
from postmuster.notices import readiness
from postmuster.outbound import actions as outbound
from postmuster.outbound import queries as book
from postmuster.outbound.copies import Copywriter
from postmuster.outbound.relay import Relay, Submission
from postmuster.outbound.values import ClaimedBatch, Recipient, RoundRef, settlement
from postmuster.runtime import roles

from .conftest import load_people, publish_assessments
from .muster import Change, Muster, example, unchanged
from .relay import CUT, CUT_IN_DATA, LittleRelay, Moment

if TYPE_CHECKING:
    from postmuster.runtime.postgres import Server

WAIT_S = 20.0
SEEDS = "Agency of Seeds"


def _why(muster: Muster, notice_no: int) -> str:
    """The sentence with which a release is refused; nothing may have begun by it."""
    with pytest.raises(Refused) as refused:
        muster.release(notice_no)
    assert sql.value("SELECT count(*) FROM notices_round") == 0
    assert sql.value("SELECT count(*) FROM procrastinate_jobs") == 0
    return refused.value.sentence


def _stop(
    muster: Muster, *, notice_no: int = 0, path: str = "", lane: Lane = Lane.BULK, cause: Cause = Cause.STOP
) -> None:
    control.set_stop(
        notice_no=notice_no,
        component_path=path,
        lane=lane,
        cause=cause,
        reason="a test",
        actor="shell",
        now=muster.desk.now,
    )


def _lift(muster: Muster, *, notice_no: int = 0, path: str = "", cause: Cause = Cause.STOP) -> None:
    control.lift(
        notice_no=notice_no, component_path=path, cause=cause, reason="a test", actor="shell", now=muster.desk.now
    )


# ---- P1: nothing leaves without


def test_a_notice_with_everything_it_needs_is_released(muster: Muster) -> None:
    of = muster.release(muster.draft())
    assert (of.notice_no, of.round_no) == (1, 1)


def test_a_notice_nobody_or_only_one_officer_approved_is_refused(muster: Muster) -> None:
    assert "2 of 2 approvals are missing" in _why(muster, muster.draft(approvers=()))
    assert "1 of 2 approvals are missing" in _why(muster, muster.draft(approvers=("cho",)))


def test_one_officer_cannot_approve_twice(muster: Muster) -> None:
    number = muster.draft(approvers=("ben",))
    with pytest.raises(Refused, match="approved this revision already"):
        notices.approve(number, actor=muster.actor("ben"), now=muster.desk.now)
    assert "1 of 2" in _why(muster, number)


def test_whoever_drafted_or_edited_a_notice_cannot_approve_it(muster: Muster) -> None:
    number = muster.draft(approvers=())
    with pytest.raises(Refused, match="drafted or edited"):
        notices.approve(number, actor=muster.actor("ada"), now=muster.desk.now)
    content, toml, bodies = example("test", lambda text: text + "\n# edited\n")
    notices.draft(content, toml, bodies, notice_no=number, actor=muster.actor("ben"), now=muster.desk.now)
    with pytest.raises(Refused, match="drafted or edited"):
        notices.approve(number, actor=muster.actor("ben"), now=muster.desk.now)
    notices.approve(number, actor=muster.actor("cho"), now=muster.desk.now)
    assert "1 of 2" in _why(muster, number)


def test_approvals_of_an_older_revision_do_not_count(muster: Muster) -> None:
    number = muster.draft()
    content, toml, bodies = example("test", lambda text: text.replace("did this reach you?", "has this reached you?"))
    notices.draft(content, toml, bodies, notice_no=number, actor=muster.actor("ada"), now=muster.desk.now)
    assert "2 of 2" in _why(muster, number)


def test_approvals_that_editors_got_past_the_gate_do_not_count(muster: Muster, server: Server) -> None:
    """The gate of `approve` is asked again at release."""
    number = muster.draft(approvers=("ben",))
    with psycopg.connect(**server.parameters(roles.DATABASE)) as admin:
        admin.execute(
            "INSERT INTO notices_approval (revision_id, officer_id, approved_at) "
            "SELECT r.id, r.edited_by_id, now() FROM notices_revision r"
        )
        admin.execute("UPDATE notices_notice SET state = 'approved'")
    assert "1 of 2" in _why(muster, number)


@pytest.mark.parametrize(
    ("slugs", "change", "why"),
    [
        (("offer-election",), unchanged, "No assessment “reach-test” is published"),
        ((), lambda text: text.replace("version = 1", "version = 9"), "No assessment “reach-test” is published"),
        ((), lambda text: text.replace('en = "name and work address"', 'en = "home address"'), "home address"),
        (
            (),
            lambda text: text.replace("Agency of Rivers", "Agency of Rovers"),
            "“Agency of Rovers” is not in the roster",
        ),
    ],
)
def test_a_notice_that_lacks_what_it_stands_on_is_refused(
    stage: Muster, slugs: tuple[str, ...], change: Change, why: str
) -> None:
    load_people(stage)
    publish_assessments(stage, *slugs)
    assert why in _why(stage, stage.draft(change=change))


def test_a_notice_without_a_roster_is_refused(stage: Muster) -> None:
    publish_assessments(stage)
    assert "No roster is loaded" in _why(stage, stage.draft())


def test_a_notice_whose_deadline_has_passed_is_refused(muster: Muster) -> None:
    number = muster.draft()
    muster.clock.advance(timedelta(days=30))
    assert "has passed" in _why(muster, number)


def test_a_notice_is_refused_while_a_stop_stands_and_goes_when_it_is_lifted(muster: Muster) -> None:
    number = muster.draft()
    _stop(muster)
    assert "stop" in _why(muster, number)
    _lift(muster)
    _stop(muster, notice_no=number)
    assert "stop" in _why(muster, number)
    _lift(muster, notice_no=number)
    muster.release(number)


def test_a_notice_that_was_released_cannot_be_released_again(muster: Muster) -> None:
    of = muster.begin()
    with pytest.raises(Refused, match="released already"):
        muster.release(of.notice_no)


_TAMPER = {
    "toml": "toml = convert_to(replace(convert_from(toml, 'UTF8'), 'did this reach', 'do resign'), 'UTF8')",
    "body": "bodies = jsonb_set(bodies::jsonb, '{de}', '\"Kündigen Sie.\"')",
    "digest": "digest = decode(repeat('00', 32), 'hex')",
}


def _tamper(server: Server, what: str) -> None:
    """Change the stored revision as somebody could who is master of the server."""
    with psycopg.connect(**server.parameters(roles.DATABASE)) as admin:
        admin.execute("SET session_replication_role = replica")
        admin.execute(f"UPDATE notices_revision SET {_TAMPER[what]}")


@pytest.mark.parametrize("what", sorted(_TAMPER))
def test_a_revision_that_is_no_longer_the_one_approved_is_refused(muster: Muster, server: Server, what: str) -> None:
    number = muster.draft()
    assert readiness.reasons(number, now=muster.desk.now) == []
    _tamper(server, what)
    assert "not the one that was approved" in _why(muster, number)


def test_a_revision_changed_after_release_is_not_sent(muster: Muster, server: Server) -> None:
    of = muster.begin()
    _tamper(server, "body")
    with pytest.raises(Refused, match="not the one that was approved"):
        muster.send(of)
    assert set(muster.balance(of)) == {"pending", "withheld"}


# ---- P2: the books balance at every commit


@contextmanager
def _cut_off() -> Iterator[None]:
    """A transaction that ends before its commit, as in a crash."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_the_books_balance_after_each_page_and_a_page_cut_off_is_not_there(muster: Muster) -> None:
    number = muster.draft()
    of = muster.release(number)
    scope = scope_of(muster.round(number).revision.content.audience)

    def page() -> int:
        return outbound.expand_page(of, scope, batch_rows=4, now=muster.desk.now, limit=17)

    written = 0
    while True:
        with _cut_off():
            page()
        assert sum(muster.balance(of).values()) == written
        more = page()
        written += more
        assert sum(muster.balance(of).values()) == written
        if not more:
            break
    assert written == len(muster.world.people)
    muster.world.write_people_csv(muster.folder / "again.csv")
    audience = muster.round(number).revision.content.audience
    counted = muster.world.count_audience(muster.folder / "again.csv", audience.classes, audience.components)
    assert muster.balance(of) == {"pending": counted.addressed, "withheld": counted.people - counted.addressed}
    assert sql.value("SELECT count(DISTINCT person_no) FROM outbound_audience") == written


def test_an_expansion_whose_connection_dies_goes_on_where_it_was(muster: Muster) -> None:
    of = muster.release(muster.draft())
    pid = sql.value("SELECT pg_backend_pid()")
    with pytest.raises(Transient):
        notice.expand(of.notice_no, of.round_no, desk=muster.desk, tell=lambda _: _end_backend(pid))
    connection.close()
    assert notice.expand(of.notice_no, of.round_no, desk=muster.desk) == len(muster.world.people)
    assert sum(muster.balance(of).values()) == len(muster.world.people)


def _end_backend(pid: int) -> None:
    sql.execute("SELECT pg_terminate_backend(%s)", (pid,))


def test_the_books_balance_after_each_window_and_a_window_cut_off_leaves_no_trace(
    muster: Muster, relay: LittleRelay
) -> None:
    relay.rule = _moody
    of = muster.begin()
    desk = muster.through(relay)
    writer = Copywriter(muster.round(of.notice_no), desk.names, desk.signing)
    with Relay(desk.relay, 2) as line:
        for _ in range(5):
            batch = outbound.claim_batch(of, 60)
            assert batch is not None
            people = book.batch_recipients(of, batch)
            before = muster.balance(of)
            assert outbound.hand_window(batch, people[-1].seq, 60)
            answers = line.submit(writer.write_all(people))
            settled = [one for who in people if (one := settlement(who, answers[who.seq]))]
            with _cut_off():
                outbound.record_outcomes(of, settled, first_retry_s=300, now=desk.now)
                outbound.finish_batch(batch)
            assert muster.balance(of) == before
            assert outbound.record_outcomes(of, settled, first_retry_s=300, now=desk.now) == len(settled)
            assert muster.balance(of)["pending"] == before["pending"] - len(settled)
            assert outbound.record_outcomes(of, settled, first_retry_s=300, now=desk.now) <= len(settled)
            muster.balance(of)
            outbound.finish_batch(batch)


def _moody(moment: Moment) -> str | None:
    """A third is put off the first time, some are refused for good."""
    mood = sum(moment.recipient.encode()) % 9
    if moment.stage == "RCPT" and mood in (0, 1, 2):
        return "450 4.7.1 Later" if moment.times == 1 else None
    return "550 5.1.1 No such user" if moment.stage == "RCPT" and mood == 3 else None


def test_folding_the_counters_changes_no_figure(muster: Muster) -> None:
    of = muster.reach()
    before = muster.balance(of)
    sql.execute(
        "INSERT INTO outbound_counter (notice_no, round_no, component_no, state, delta) "
        "SELECT 1, 1, component_no, state, v FROM outbound_counter, (VALUES (1), (-1)) AS t(v), generate_series(1, 60)"
    )
    assert outbound.fold_counters() == 1
    assert muster.balance(of) == before


# ---- P3: a crash loses nobody


class _Dying:
    """A sender that is followed step by step and then goes on no more. Its lease is over at once."""

    def __init__(self, muster: Muster, of: RoundRef, relay: LittleRelay, *, lease_s: int = 0) -> None:
        self.of = of
        self.desk = muster.through(relay)
        self._lease_s = lease_s
        found = outbound.claim_batch(of, lease_s)
        assert found is not None
        self.batch: ClaimedBatch = found
        self.people: list[Recipient] = book.batch_recipients(of, self.batch)
        self._writer = Copywriter(muster.round(of.notice_no), self.desk.names, self.desk.signing)

    def hand(self, count: int) -> list[Submission]:
        """Say that the first `count` may now be handed over."""
        assert outbound.hand_window(self.batch, self.people[count - 1].seq, self._lease_s)
        return self._writer.write_all(self.people[:count])

    def submit(self, count: int) -> Callable[[], int]:
        """Hand them over; returns what would write down the answers."""
        with Relay(self.desk.relay, 1) as line:
            answers = line.submit(self.hand(count))
        settled = [one for who in self.people[:count] if (one := settlement(who, answers[who.seq]))]
        assert len(settled) == count
        return lambda: outbound.record_outcomes(self.of, settled, first_retry_s=300, now=self.desk.now)


def _each_once(muster: Muster, of: RoundRef, relay: LittleRelay, *, but: Counter[str] | None = None) -> None:
    """Everybody written to has exactly one copy, `but` these less."""
    expected = Counter(muster.addressed(of).values())
    expected.subtract(but or Counter())
    assert relay.copies() == +expected


def test_a_sender_killed_before_it_handed_anything_over_costs_nothing(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    _Dying(muster, of, relay)
    assert outbound.rescue(muster.desk.now) == 0
    muster.send(of, desk=muster.through(relay))
    assert set(muster.balance(of)) == {"relayed", "withheld"}
    _each_once(muster, of, relay)


def test_a_sender_killed_after_it_was_allowed_a_window_leaves_that_window_in_doubt(
    muster: Muster, relay: LittleRelay
) -> None:
    of = muster.begin()
    dead = _Dying(muster, of, relay)
    dead.hand(3)
    assert outbound.rescue(muster.desk.now) == 3
    assert muster.balance(of)["in_doubt"] == 3
    muster.send(of, desk=muster.through(relay))
    assert [muster.state(of, one.seq) for one in dead.people] == ["in_doubt"] * 3 + ["relayed"] * (len(dead.people) - 3)
    _each_once(muster, of, relay, but=Counter(str(one.address) for one in dead.people[:3]))
    assert muster.balance(of)["in_doubt"] == 3


def test_a_sender_killed_after_the_relay_took_the_window_sends_nothing_twice(
    muster: Muster, relay: LittleRelay
) -> None:
    of = muster.begin()
    _Dying(muster, of, relay).submit(3)
    assert outbound.rescue(muster.desk.now) == 3
    muster.send(of, desk=muster.through(relay))
    assert muster.balance(of)["in_doubt"] == 3
    _each_once(muster, of, relay)


def test_a_batch_handed_over_whole_is_done_after_its_rescue(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    dead = _Dying(muster, of, relay)
    dead.submit(len(dead.people))
    outbound.rescue(muster.desk.now)
    muster.send(of, desk=muster.through(relay))
    assert muster.balance(of)["in_doubt"] == len(dead.people)
    muster.upkeep()
    assert muster.round(of.notice_no).state == "settled"
    _each_once(muster, of, relay)


def test_a_line_cut_in_the_middle_of_the_data_leaves_that_copy_in_doubt(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    seq, unlucky = next(iter(muster.addressed(of).items()))
    relay.rule = lambda moment: CUT_IN_DATA if (moment.stage, moment.recipient) == ("DATA", unlucky) else None
    muster.send(of, desk=muster.through(relay))
    assert muster.state(of, seq) == "in_doubt"
    assert muster.balance(of)["in_doubt"] == 1
    _each_once(muster, of, relay, but=Counter([unlucky]))


def test_a_line_cut_after_the_data_leaves_that_copy_in_doubt_although_it_arrived(
    muster: Muster, relay: LittleRelay
) -> None:
    of = muster.begin()
    seq, unlucky = next(iter(muster.addressed(of).items()))
    relay.rule = lambda moment: CUT if (moment.stage, moment.recipient) == ("BODY", unlucky) else None
    muster.send(of, desk=muster.through(relay))
    assert muster.state(of, seq) == "in_doubt"
    _each_once(muster, of, relay)


def test_a_slow_sender_writes_its_answers_down_late_and_nothing_doubles(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    slow = _Dying(muster, of, relay)
    write_down = slow.submit(2)
    outbound.rescue(muster.desk.now)
    assert muster.balance(of)["in_doubt"] == 2
    assert write_down() == 2
    assert "in_doubt" not in muster.balance(of)
    assert not outbound.hand_window(slow.batch, slow.people[-1].seq, 60)
    others = []
    while (other := outbound.claim_batch(of, 60)) is not None:
        others.append(other)
    assert slow.batch.batch_no in [other.batch_no for other in others]
    assert not outbound.hand_window(slow.batch, slow.people[-1].seq, 60)  # nor while another has it
    outbound.finish_batch(slow.batch)
    for other in others:
        outbound.release_batch(other)
    outbound.release_batch(slow.batch)
    muster.send(of, desk=muster.through(relay))
    assert set(muster.balance(of)) == {"relayed", "withheld"}
    _each_once(muster, of, relay)


def test_a_slow_sender_and_the_rescuer_can_write_at_the_same_moment(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    write_down = _Dying(muster, of, relay).submit(3)
    written: list[int] = []

    def write() -> None:
        written.append(write_down())
        connection.close()

    thread = threading.Thread(target=write)
    with transaction.atomic():
        outbound.rescue(muster.desk.now)
        thread.start()
        muster.until_someone_waits()
    thread.join(WAIT_S)
    assert written == [3]
    assert muster.balance(of)["relayed"] == 3


def test_a_report_that_comes_before_the_relays_answer_is_written_down_is_kept(
    muster: Muster, relay: LittleRelay
) -> None:
    """Bounces and automatic answers come within milliseconds; the window's answers are still in the sender's memory."""
    of = muster.begin()
    sender = _Dying(muster, of, relay)
    write_down = sender.submit(3)
    bounced, answered = (muster.person(one.person_no) for one in sender.people[:2])
    muster.hear(
        muster.report(of, bounced, "failed", "5.1.1"),
        muster.reply(of, answered, signed=answered.agency.sign != "none"),
    )
    muster.balance(of)
    write_down()
    assert [muster.state(of, one.seq) for one in sender.people[:3]] == ["failed", "delivered", "relayed"]
    muster.balance(of)


def test_a_killed_sender_of_retries_leaves_them_in_doubt_and_a_slow_one_settles_them(
    muster: Muster, relay: LittleRelay
) -> None:
    of = muster.begin()
    relay.rule = _moody
    desk = muster.through(relay)
    muster.send(of, desk=desk)
    put_off = muster.balance(of)["deferred"]
    muster.clock.advance(timedelta(minutes=6))
    claimed = outbound.claim_retries(of, limit=200, lease_s=0, now=muster.desk.now)
    assert len(claimed) == put_off > 1
    assert outbound.rescue(muster.desk.now) == put_off
    assert muster.balance(of)["in_doubt"] == put_off
    writer = Copywriter(muster.round(of.notice_no), desk.names, desk.signing)
    with Relay(desk.relay, 1) as line:
        answers = line.submit(writer.write_all(claimed[:1]))
    assert answers[claimed[0].seq].kind is OutcomeKind.ACCEPTED
    late = settlement(claimed[0], answers[claimed[0].seq])
    assert late is not None
    outbound.record_outcomes(of, [late], first_retry_s=300, now=muster.desk.now, retried=True)
    assert muster.balance(of).get("in_doubt", 0) == put_off - 1


# ---- P4: a stop holds


def test_after_a_stop_at_most_one_window_leaves(
    muster: Muster, relay: LittleRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With windows of one message: the one in flight while the stop commits is the last."""
    monkeypatch.setattr(notice, "WINDOW_S", 0)
    of = muster.begin()
    before: list[int] = []

    begins = sql.value("SELECT first_seq FROM outbound_batch ORDER BY last_seq - first_seq DESC LIMIT 1")
    first_of_many = next(address for seq, address in muster.addressed(of).items() if seq >= begins)

    def stop_there(moment: Moment) -> str | None:
        if (moment.stage, moment.recipient) == ("BODY", first_of_many) and not before:
            before.append(len(relay.taken))
            _stop(muster, notice_no=of.notice_no)
            connection.close()
        return None

    relay.rule = stop_there
    desk = muster.through(relay, relay_connections=1)
    muster.send(of, desk=desk)
    assert before
    assert len(relay.taken) - before[0] <= 1
    states = muster.balance(of)
    assert states["relayed"] == len(relay.taken)
    assert states["pending"] > 3
    assert muster.send(of, desk=desk) == 0
    _lift(muster, notice_no=of.notice_no)
    muster.send(of, desk=desk)
    assert set(muster.balance(of)) == {"relayed", "withheld"}
    _each_once(muster, of, relay)


def test_a_stop_holds_retries_too(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    relay.rule = _moody
    desk = muster.through(relay)
    muster.send(of, desk=desk)
    muster.clock.advance(timedelta(minutes=6))
    taken = len(relay.taken)
    _stop(muster, notice_no=of.notice_no)
    assert outbound.claim_retries(of, limit=200, lease_s=60, now=muster.desk.now) == []
    muster.send(of, desk=desk)
    assert len(relay.taken) == taken
    _lift(muster, notice_no=of.notice_no)
    muster.send(of, desk=desk)
    assert "deferred" not in muster.balance(of)


def test_a_pause_of_a_component_holds_its_subtree_and_nobody_else(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    desk = muster.through(relay)
    _stop(muster, notice_no=of.notice_no, path=SEEDS, cause=Cause.PAUSE)
    muster.send(of, desk=desk)
    held = {
        address
        for address in muster.addressed(of).values()
        if address.endswith("@seeds.agency.example") and relay.copies()[address] == 0
    }
    assert muster.balance(of)["pending"] == len(held) > 5
    assert not any(address.endswith("@seeds.agency.example") for address in relay.copies())
    muster.upkeep()
    assert muster.round(of.notice_no).state == "sending"
    _lift(muster, notice_no=of.notice_no, path=SEEDS, cause=Cause.PAUSE)
    muster.send(of, desk=desk)
    assert set(muster.balance(of)) == {"relayed", "withheld"}
    _each_once(muster, of, relay)


def test_a_pause_while_mail_goes_out_lets_the_others_go_on(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    paused: list[int] = []

    def pause_at_the_tenth(moment: Moment) -> str | None:
        if moment.stage == "BODY" and len(relay.taken) == 10 and not paused:
            paused.append(1)
            _stop(muster, notice_no=of.notice_no, path=SEEDS, cause=Cause.PAUSE)
            connection.close()
        return None

    relay.rule = pause_at_the_tenth
    muster.send(of, desk=muster.through(relay))
    waiting = [address for address in muster.addressed(of).values() if relay.copies()[address] == 0]
    assert waiting
    assert all(address.endswith("@seeds.agency.example") for address in waiting)


def test_a_stop_of_another_notice_or_lane_stops_nothing_here(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    _stop(muster, notice_no=of.notice_no + 1)
    _stop(muster, lane=Lane.LETTERS)
    _stop(muster, lane=Lane.INTAKE)
    muster.send(of, desk=muster.through(relay))
    _each_once(muster, of, relay)


# ---- retries, refusals, a relay in trouble


def test_what_the_relay_puts_off_is_tried_again_when_its_time_has_come(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    relay.rule = _moody
    desk = muster.through(relay)
    muster.send(of, desk=desk)
    states = muster.balance(of)
    assert states["deferred"] > 5
    assert states["failed"] > 2
    muster.send(of, desk=desk)
    assert muster.balance(of) == states
    muster.clock.advance(timedelta(seconds=desk.settings.relay.first_retry_s))
    muster.send(of, desk=desk)
    assert muster.balance(of) == {
        "relayed": states["relayed"] + states["deferred"],
        "failed": states["failed"],
        "withheld": states["withheld"],
    }
    reasons = sql.rows("SELECT DISTINCT reason, status, reply_code FROM outbound_delivery WHERE state = 'failed'")
    assert reasons == [("unknown_user", "5.1.1", 550)]
    muster.upkeep()
    assert muster.round(of.notice_no).state == "settled"


def test_what_is_put_off_for_too_long_has_failed(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    desk = muster.through(relay)
    seq, never = next(iter(muster.addressed(of).items()))
    relay.rule = lambda moment: "451 4.3.2 Not now" if (moment.stage, moment.recipient) == ("RCPT", never) else None
    muster.send(of, desk=desk)
    tries = 0
    while muster.state(of, seq) == "deferred":
        muster.clock.advance(timedelta(hours=5))
        muster.send(of, desk=desk)
        tries += 1
    assert tries == 20  # 4 days of 5 hours
    assert sql.rows("SELECT state, reason, status FROM outbound_delivery WHERE seq = %s", (seq,)) == [
        ("failed", "expired", "4.3.2")
    ]
    muster.balance(of)
    muster.upkeep()
    assert muster.round(of.notice_no).state == "settled"


def test_without_a_relay_everybody_stays_pending(muster: Muster) -> None:
    of = muster.begin()
    with LittleRelay() as gone:
        port = gone.port
    desk = muster.desk_with(relay_port=port)
    assert muster.send(of, desk=desk) == 0
    assert set(muster.balance(of)) == {"pending", "withheld"}
    muster.send(of)
    assert "pending" not in muster.balance(of)


@pytest.mark.parametrize("at", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("says", [CUT, "421 4.3.2 Going down"])
def test_a_dialog_that_ends_before_the_data_is_taken_up_again(
    muster: Muster, relay: LittleRelay, at: str, says: str
) -> None:
    of = muster.begin()
    struck: list[str] = []

    def strike(moment: Moment) -> str | None:
        if moment.stage == at and len(struck) < 3:
            struck.append(moment.recipient)
            return says
        return None

    relay.rule = strike
    desk = muster.through(relay)
    for _ in range(4):
        muster.send(of, desk=desk)
    assert len(struck) == 3
    assert set(muster.balance(of)) == {"relayed", "withheld"}
    _each_once(muster, of, relay)


def test_a_421_after_the_data_means_that_the_message_was_not_taken(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    relay.rule = lambda moment: "421 4.3.2 Full" if moment.stage == "BODY" and moment.times == 1 else None
    desk = muster.through(relay)
    for _ in range(200):
        muster.send(of, desk=desk)
        if "pending" not in muster.balance(of):
            break
    assert set(muster.balance(of)) == {"relayed", "withheld"}
    _each_once(muster, of, relay)


def test_one_address_the_relay_cannot_bear_does_not_hold_up_the_others(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    seq, poison = next(iter(muster.addressed(of).items()))
    relay.rule = lambda moment: "421 4.7.0 Go away" if (moment.stage, moment.recipient) == ("RCPT", poison) else None
    desk = muster.through(relay)
    for _ in range(10):
        muster.send(of, desk=desk)
    assert muster.balance(of)["pending"] == 1
    assert muster.state(of, seq) == "pending"
    _each_once(muster, of, relay, but=Counter([poison]))


# ---- what comes to light later


def test_a_bounce_after_the_relay_took_a_copy_makes_it_failed(muster: Muster) -> None:
    of = muster.reach()
    relayed = muster.balance(of)["relayed"]
    one, two, three = muster.people(3)
    muster.hear(
        muster.report(of, one, "failed", "5.2.2"),
        muster.report(of, two, "delayed", "4.4.1"),
        muster.report(of, three, "delivered", "2.1.5"),
    )
    states = muster.balance(of)
    assert (states["failed"], states["delivered"]) == (2, 1)  # one was refused in the dialog
    assert states["relayed"] == relayed - 3
    assert [muster.state(of, muster.ref(of, who).seq) for who in (one, two, three)] == [
        "failed",
        "deferred",
        "delivered",
    ]
    muster.hear(muster.report(of, two, "failed", "4.4.7"), muster.report(of, three, "failed", "5.0.0"))
    assert [muster.state(of, muster.ref(of, who).seq) for who in (two, three)] == ["failed", "delivered"]
    muster.balance(of)
    muster.hear(muster.reply(of, one))
    assert muster.state(of, muster.ref(of, one).seq) == "delivered"
    muster.balance(of)


def test_reports_about_people_who_were_not_written_to_change_nothing(muster: Muster) -> None:
    of = muster.reach()
    before = muster.balance(of)
    withheld = next(one for one in muster.world.people if one.status in ("separated", "no_mail_access"))
    muster.hear(muster.report(of, withheld, "failed", "5.1.1"), muster.report(of, withheld, "delivered", "2.0.0"))
    assert muster.balance(of) == before


def test_the_whole_way_out_is_in_a_ledger_that_holds(muster: Muster) -> None:
    of = muster.reach()
    muster.clock.advance(timedelta(minutes=6))
    muster.send(of)
    muster.upkeep()
    muster.ledger_is_sound()
    kinds = [row[0] for row in sql.rows("SELECT kind FROM ledger_entry WHERE subject = 'n1' ORDER BY id")]
    assert kinds[:5] == [
        "notice drafted",
        "notice approved",
        "notice approved",
        "notice released",
        "audience written down",
    ]
    assert kinds[-1] == "round settled"
    assert "batch sent" in kinds


def test_a_round_is_expanded_and_settled_once_whoever_else_tries(muster: Muster) -> None:
    of = muster.begin()
    assert notice.expand(of.notice_no, of.round_no, desk=muster.desk) == 0
    assert not notice.settle(of.notice_no, of.round_no, desk=muster.desk)
    muster.send(of)
    muster.clock.advance(timedelta(minutes=6))
    muster.send(of)
    assert notice.settle(of.notice_no, of.round_no, desk=muster.desk)
    assert not notice.settle(of.notice_no, of.round_no, desk=muster.desk)
    assert ref_of(muster.round(of.notice_no)) == of
