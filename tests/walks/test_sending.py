"""The promises while mail goes out: what a crash costs (P3), a stop that holds (P4), a relay in trouble."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction

from postmuster.base import sql
from postmuster.control.states import Cause, Lane
from postmuster.jobs.ramp import suppress_new
from postmuster.mail.submission import OutcomeKind
from postmuster.outbound import actions as outbound
from postmuster.outbound import pace
from postmuster.outbound import queries as book
from postmuster.outbound.copies import Copywriter
from postmuster.outbound.relay import Relay, Submission
from postmuster.outbound.suppression import SETTLE_MINUTES
from postmuster.outbound.values import ClaimedBatch, Recipient, RoundRef, settlement

from .muster import Muster
from .relay import CUT, CUT_IN_DATA, LittleRelay, Moment, moody

if TYPE_CHECKING:
    pass


WAIT_S = 20.0
SEEDS = "Agency of Seeds"


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
        self.people: list[Recipient] = book.batch_recipients(of, self.batch).people
        self._writer = Copywriter(muster.round(of.notice_no), self.desk.names, self.desk.signing)

    def hand(self, count: int) -> list[Submission]:
        """Say that the first `count` may now be handed over."""
        assert outbound.hand_window(
            self.of, self.batch, self.people[count - 1].seq, lease_s=self._lease_s, now=self.desk.now
        )
        return self._writer.write_all(self.people[:count])

    def submit(self, count: int) -> Callable[[], int]:
        """Hand them over; returns what would write down the answers."""
        with Relay(self.desk.relay, 1) as line:
            answers = line.submit(self.hand(count))
        settled = [one for who in self.people[:count] if (one := settlement(who, answers[who.seq]))]
        assert len(settled) == count
        return lambda: outbound.record_outcomes(self.of, settled, first_retry_s=300, now=self.desk.now)


def test_a_sender_killed_before_it_handed_anything_over_costs_nothing(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    _Dying(muster, of, relay)
    assert outbound.rescue(muster.desk.now) == 0
    muster.send(of, desk=muster.through(relay))
    assert set(muster.balance(of)) == {"relayed", "withheld"}
    muster.each_once(of, relay)


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
    muster.each_once(of, relay, but=Counter(str(one.address) for one in dead.people[:3]))
    assert muster.balance(of)["in_doubt"] == 3


def test_a_sender_killed_after_the_relay_took_the_window_sends_nothing_twice(
    muster: Muster, relay: LittleRelay
) -> None:
    of = muster.begin()
    _Dying(muster, of, relay).submit(3)
    assert outbound.rescue(muster.desk.now) == 3
    muster.send(of, desk=muster.through(relay))
    assert muster.balance(of)["in_doubt"] == 3
    muster.each_once(of, relay)


def test_a_batch_handed_over_whole_is_done_after_its_rescue(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    dead = _Dying(muster, of, relay)
    dead.submit(len(dead.people))
    outbound.rescue(muster.desk.now)
    muster.send(of, desk=muster.through(relay))
    assert muster.balance(of)["in_doubt"] == len(dead.people)
    muster.upkeep()
    assert muster.round(of.notice_no).state == "settled"
    muster.each_once(of, relay)


def test_a_line_cut_in_the_middle_of_the_data_leaves_that_copy_in_doubt(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    seq, unlucky = next(iter(muster.addressed(of).items()))
    relay.rule = lambda moment: CUT_IN_DATA if (moment.stage, moment.recipient) == ("DATA", unlucky) else None
    muster.send(of, desk=muster.through(relay))
    assert muster.state(of, seq) == "in_doubt"
    assert muster.balance(of)["in_doubt"] == 1
    muster.each_once(of, relay, but=Counter([unlucky]))


def test_a_line_cut_after_the_data_leaves_that_copy_in_doubt_although_it_arrived(
    muster: Muster, relay: LittleRelay
) -> None:
    of = muster.begin()
    seq, unlucky = next(iter(muster.addressed(of).items()))
    relay.rule = lambda moment: CUT if (moment.stage, moment.recipient) == ("BODY", unlucky) else None
    muster.send(of, desk=muster.through(relay))
    assert muster.state(of, seq) == "in_doubt"
    muster.each_once(of, relay)


def test_a_slow_sender_writes_its_answers_down_late_and_nothing_doubles(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    slow = _Dying(muster, of, relay)
    write_down = slow.submit(2)
    outbound.rescue(muster.desk.now)
    assert muster.balance(of)["in_doubt"] == 2
    assert write_down() == 2
    assert "in_doubt" not in muster.balance(of)
    assert not outbound.hand_window(of, slow.batch, slow.people[-1].seq, lease_s=60, now=muster.desk.now)
    others = []
    while (other := outbound.claim_batch(of, 60)) is not None:
        others.append(other)
    assert slow.batch.batch_no in [other.batch_no for other in others]
    # nor while another has it
    assert not outbound.hand_window(of, slow.batch, slow.people[-1].seq, lease_s=60, now=muster.desk.now)
    outbound.finish_batch(slow.batch)
    for other in others:
        outbound.release_batch(other)
    outbound.release_batch(slow.batch)
    muster.send(of, desk=muster.through(relay))
    assert set(muster.balance(of)) == {"relayed", "withheld"}
    muster.each_once(of, relay)


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
    relay.rule = moody
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
    monkeypatch.setattr(pace, "WINDOW_S", 0)
    of = muster.begin()
    before: list[int] = []

    begins = sql.value("SELECT first_seq FROM outbound_batch ORDER BY last_seq - first_seq DESC LIMIT 1")
    first_of_many = next(address for seq, address in muster.addressed(of).items() if seq >= begins)

    def stop_there(moment: Moment) -> str | None:
        if (moment.stage, moment.recipient) == ("BODY", first_of_many) and not before:
            before.append(len(relay.taken))
            muster.stop(notice_no=of.notice_no)
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
    muster.lift(notice_no=of.notice_no)
    muster.send(of, desk=desk)
    assert set(muster.balance(of)) == {"relayed", "withheld"}
    muster.each_once(of, relay)


def test_after_a_stop_at_most_one_window_of_retries_leaves(
    muster: Muster, relay: LittleRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With windows of one message, as above: copies tried again are bounded as those sent first are."""
    monkeypatch.setattr(pace, "WINDOW_S", 0)
    of = muster.begin()
    relay.rule = moody
    desk = muster.through(relay, relay_connections=1)
    muster.send(of, desk=desk)
    put_off = muster.balance(of)["deferred"]
    assert put_off > 3
    muster.clock.advance(timedelta(minutes=6))
    before: list[int] = []

    def stop_there(moment: Moment) -> str | None:
        if moment.stage == "BODY" and not before:
            before.append(len(relay.taken))
            muster.stop(notice_no=of.notice_no)
            connection.close()
        return moody(moment)

    relay.rule = stop_there
    muster.send(of, desk=desk)
    assert len(relay.taken) - before[0] <= 1
    assert muster.balance(of)["deferred"] >= put_off - 1


def test_a_stop_holds_retries_too(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    relay.rule = moody
    desk = muster.through(relay)
    muster.send(of, desk=desk)
    muster.clock.advance(timedelta(minutes=6))
    taken = len(relay.taken)
    muster.stop(notice_no=of.notice_no)
    assert outbound.claim_retries(of, limit=200, lease_s=60, now=muster.desk.now) == []
    muster.send(of, desk=desk)
    assert len(relay.taken) == taken
    muster.lift(notice_no=of.notice_no)
    muster.send(of, desk=desk)
    assert "deferred" not in muster.balance(of)


def test_a_pause_of_a_component_holds_its_subtree_and_nobody_else(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    desk = muster.through(relay)
    muster.stop(notice_no=of.notice_no, path=SEEDS, cause=Cause.PAUSE)
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
    muster.lift(notice_no=of.notice_no, path=SEEDS, cause=Cause.PAUSE)
    muster.send(of, desk=desk)
    assert set(muster.balance(of)) == {"relayed", "withheld"}
    muster.each_once(of, relay)


def test_a_pause_while_mail_goes_out_lets_the_others_go_on(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    paused: list[int] = []

    def pause_at_the_tenth(moment: Moment) -> str | None:
        if moment.stage == "BODY" and len(relay.taken) == 10 and not paused:
            paused.append(1)
            muster.stop(notice_no=of.notice_no, path=SEEDS, cause=Cause.PAUSE)
            connection.close()
        return None

    relay.rule = pause_at_the_tenth
    muster.send(of, desk=muster.through(relay))
    waiting = [address for address in muster.addressed(of).values() if relay.copies()[address] == 0]
    assert waiting
    assert all(address.endswith("@seeds.agency.example") for address in waiting)


def test_a_stop_of_another_notice_or_lane_stops_nothing_here(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    muster.stop(notice_no=of.notice_no + 1)
    muster.stop(lane=Lane.LETTERS)
    muster.stop(lane=Lane.INTAKE)
    muster.send(of, desk=muster.through(relay))
    muster.each_once(of, relay)


# ---- retries, refusals, a relay in trouble


def test_what_the_relay_puts_off_is_tried_again_when_its_time_has_come(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    relay.rule = moody
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


def test_whose_address_is_somebody_else_s_by_now_gets_nothing_more_of_a_round_that_is_under_way(
    muster: Muster, relay: LittleRelay
) -> None:
    earlier, of = muster.reach(), muster.begin()
    desk = muster.through(relay)
    ann, bea = muster.people(2)
    claimed = iter(lambda: outbound.claim_batch(of, 60), None)
    taken = {one.person_no: batch for batch in claimed for one in book.batch_recipients(of, batch).people}
    for batch in set(taken.values()) - {taken[muster.person_no(bea)]}:
        outbound.release_batch(batch)
    relay.rule = lambda moment: "451 4.3.2 Later" if (moment.stage, moment.recipient) == ("RCPT", ann.address) else None
    muster.send(of, desk=desk)  # all but her batch
    outbound.release_batch(taken[muster.person_no(bea)])
    muster.hear(*(muster.report(earlier, who, "failed", "5.7.17") for who in (ann, bea)))
    muster.clock.advance(timedelta(minutes=SETTLE_MINUTES + 1))
    assert suppress_new(desk=muster.desk, every_s=0) == 2
    before = relay.copies()
    relay.rule = lambda _: None
    muster.send(of, desk=muster.through(relay))
    assert not {ann.address, bea.address} & set(relay.copies() - before)
    assert muster.state(of, muster.ref(of, bea).seq) == "withheld"
    assert muster.state(of, muster.ref(of, ann).seq) == "failed"
    muster.balance(of)


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
    muster.each_once(of, relay)


def test_a_421_after_the_data_means_that_the_message_was_not_taken(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    relay.rule = lambda moment: "421 4.3.2 Full" if moment.stage == "BODY" and moment.times == 1 else None
    desk = muster.through(relay)
    for _ in range(200):
        muster.send(of, desk=desk)
        if "pending" not in muster.balance(of):
            break
    assert set(muster.balance(of)) == {"relayed", "withheld"}
    muster.each_once(of, relay)


def test_one_address_the_relay_cannot_bear_does_not_hold_up_the_others(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    seq, poison = next(iter(muster.addressed(of).items()))
    relay.rule = lambda moment: "421 4.7.0 Go away" if (moment.stage, moment.recipient) == ("RCPT", poison) else None
    desk = muster.through(relay)
    for _ in range(10):
        muster.send(of, desk=desk)
    assert muster.balance(of)["pending"] == 1
    assert muster.state(of, seq) == "pending"
    muster.each_once(of, relay, but=Counter([poison]))
