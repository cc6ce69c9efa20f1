"""The ramp as a walk: waves open by themselves, what goes wrong is held, an approver's lift is not undone by old figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

import pytest
from tests.roster import sample

from postmuster.access.queries import acting
from postmuster.base import sql
from postmuster.control import actions as control
from postmuster.control import queries as gate
from postmuster.control.authority import Authority
from postmuster.control.states import Cause, Lane
from postmuster.jobs import notice, ramp
from postmuster.jobs.notice import ref_of, scope_of
from postmuster.notices import actions as notices
from postmuster.notices.ramp import cumulative
from postmuster.outbound import actions as book
from postmuster.outbound import health, suppression
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.values import Cut, Evidence, Opening, RoundRef, Settlement
from postmuster.reports import stalls
from postmuster.reports.stalls import Why
from postmuster.roster.actions import load_feed

from .conftest import publish_assessments
from .muster import Change, Muster

PEOPLE = 400  # half in one receiving domain, half in another
RIVERS, LAKES = "rivers.example", "lakes.example"
RAMP = "\n[ramp]\ncanary_percent = 30\nwaves = [20]\nobserve_minutes = 60\n"

Outcome = Callable[[int], DeliveryState]


def relayed(_seq: int) -> DeliveryState:
    return DeliveryState.RELAYED


def failing(seqs: Collection[int], state: DeliveryState = DeliveryState.FAILED) -> Outcome:
    return lambda seq: state if seq in seqs else DeliveryState.RELAYED


@dataclass
class Walk:
    """One round that is sent by hand, so that a test says what becomes of each copy."""

    muster: Muster
    of: RoundRef

    def send(
        self, outcome: Outcome = relayed, *, reason: str = "unknown_user", status: str = "5.1.1", batches: int = 99
    ) -> int:
        """Send what is open and held by nothing; returns how many copies."""
        sent = 0
        for _ in range(batches):
            batch = book.claim_batch(self.of, 60, Opening(self.wave))
            if batch is None:
                break
            rows = [
                Settlement(
                    seq,
                    batch.component_no,
                    state,
                    *(("", "2.0.0", 250) if state == "relayed" else (reason, status, 550)),
                )
                for seq in range(batch.first_seq, batch.last_seq + 1)
                for state in [outcome(seq)]
            ]
            book.record_outcomes(self.of, rows, first_retry_s=300, now=self.muster.desk.now)
            book.finish_batch(batch)
            sent += len(rows)
        return sent

    def fail(self, seqs: Collection[int], *, reason: str = "unknown_user", status: str = "5.1.1") -> None:
        """Status reports about copies that were relayed."""
        of, state = self.of, DeliveryState.FAILED
        reports = [Evidence(of.notice_no, of.round_no, seq, state, reason, status) for seq in sorted(seqs)]
        assert book.settle_by_evidence(reports, self.muster.desk.now) == len(reports)

    def look(self, *, after: timedelta = timedelta(0)) -> int:
        """Time passes and upkeep looks; returns the open wave."""
        self.muster.clock.advance(after)
        ramp.watch_rounds(desk=self.muster.desk)
        return self.wave

    @property
    def wave(self) -> int:
        return self.muster.round(self.of.notice_no).open_wave

    @property
    def holds(self) -> list[str]:
        return [stop.sentence() for stop in gate.standing(self.of.notice_no) if stop.cause is Cause.HOLD]

    def resume(self) -> None:
        resumed = control.resume(
            notice_no=self.of.notice_no,
            component_path="",
            authority=Authority(everyone=True),
            reason="looked at",
            actor="officer:2",
            now=self.muster.desk.now,
        )
        assert resumed.lifted

    def stalls(self, quiet: Collection[str] = (), relay_trouble: str = "") -> list[stalls.Stall]:
        return stalls.stalled(now=self.muster.desk.now, quiet_zones=lambda _: quiet, relay_trouble=relay_trouble)


def _to_rivers(ramp_toml: str) -> Change:
    """The example notice, to the one component there is, without the limits that suit the simulated organisation."""
    components = 'components = ["Agency of Rivers"]'

    def change(text: str) -> str:
        plain = re.sub(r"\[ramp\.limits\]\n(?:\w+ = .*\n)*", "", text)
        return re.sub(r"components = \[.*?\]", components, plain, flags=re.DOTALL) + ramp_toml

    return change


def _begin(stage: Muster, ramp_toml: str) -> Walk:
    people = sample.people(PEOPLE, "Agency of Rivers")
    for number, row in enumerate(people.values()):
        row["address"] = f"p{number}@{RIVERS if number < PEOPLE // 2 else LAKES}"
    file = sample.write(stage.folder / "people.csv", people.values())
    load_feed(file, actor=acting("ove").mark, now=stage.clock.now(), rejects=stage.folder / "rejects.csv")
    publish_assessments(stage)

    of = stage.release(stage.draft(change=_to_rivers(ramp_toml)))
    content = stage.round(of.notice_no).revision.content
    cut = Cut(50, shares=cumulative(content.ramp))
    while book.expand_page(of, scope_of(content.audience), cut, now=stage.desk.now):
        pass
    notices.begin_sending(of.notice_no, of.round_no, audience=PEOPLE, now=stage.desk.now)
    return Walk(stage, ref_of(stage.round(of.notice_no)))


@pytest.fixture
def walk(stage: Muster) -> Walk:
    """A round in three waves: 120, 80 and 200 people."""
    return _begin(stage, RAMP)


@pytest.fixture
def whole(stage: Muster) -> Walk:
    """A round to everybody at once."""
    return _begin(stage, "")


# ---- waves


def test_waves_open_one_after_the_other_when_each_was_watched(walk: Walk) -> None:
    assert walk.send() == 120
    assert walk.look() == 0
    assert walk.look(after=timedelta(minutes=59)) == 0
    assert walk.send() == 0
    assert walk.look(after=timedelta(minutes=1)) == 1
    assert walk.send(batches=1) > 0
    assert walk.look(after=timedelta(minutes=600)) == 1  # not sent yet, so not watched yet
    walk.send()
    assert walk.look() == 1
    assert walk.look(after=timedelta(minutes=60)) == 2
    assert walk.send() == 200
    walk.look(after=timedelta(minutes=60))
    assert notice.settle(walk.of.notice_no, walk.of.round_no, desk=walk.muster.desk)
    opened = sql.rows("SELECT facts ->> 'wave' FROM ledger_entry WHERE kind = 'wave opened' ORDER BY id")
    assert [row[0] for row in opened] == ["1", "2"]
    walk.muster.balance(walk.of)


def test_a_canary_that_goes_wrong_is_held_and_no_wave_opens_until_an_approver_lifts_it(walk: Walk) -> None:
    walk.send(failing(range(1, 200, 12)))
    walk.look()
    [hold] = walk.holds
    assert "limit hold" in hold
    assert re.search(r"1\d permanent failures are \d+\.\d+ % of 120 copies handed over; the limit is 2 %", hold)
    assert walk.look(after=timedelta(hours=5)) == 0
    walk.resume()
    assert walk.look() == 1
    assert walk.holds == []


def test_a_round_without_waves_is_held_in_the_midst_of_sending(whole: Walk) -> None:
    whole.send(failing(range(1, 41, 5)), batches=3)
    whole.look()
    assert len(whole.holds) == 1
    assert whole.send() == 0
    whole.look()
    assert len(whole.holds) == 1  # held once


def test_copies_put_off_hold_above_their_own_limit_and_are_no_failures(whole: Walk) -> None:
    whole.send(failing(range(1, 40), DeliveryState.DEFERRED), reason="relay put it off", status="4.7.1")
    whole.look()
    assert whole.holds == []  # 39 of 400 are put off: 9.75 %
    of = whole.of
    later = [Evidence(of.notice_no, of.round_no, seq, DeliveryState.DEFERRED, "host", "4.4.1") for seq in (50, 51)]
    book.settle_by_evidence(later, whole.muster.desk.now)
    whole.look()
    [hold] = whole.holds
    assert "41 transient failures are 10.25 % of 400 copies" in hold


def test_a_copy_given_up_after_being_put_off_counts_as_transient(whole: Walk) -> None:
    whole.send()
    whole.fail(range(1, 30), reason="expired", status="4.4.7")
    whole.look()
    assert whole.holds == []
    assert suppression.suppressions() == []


def test_complaints_and_not_mine_hold(whole: Walk) -> None:
    whole.send()
    for seq in (1, 1, 1, 1, 1, 2, 3, 4):  # four people, however often they say it
        _say(whole, seq, "complaint")
    whole.look()
    assert whole.holds == []
    _say(whole, 5, "complaint")
    whole.look()
    assert "5 complaints are 1.25 % of 400 copies" in whole.holds[0]
    whole.resume()
    for seq in range(10, 15):
        _say(whole, seq, "reply", answer="not_mine")
    whole.look()
    assert whole.holds == []  # accepted together with the figures at the first look after the lift
    for seq in range(15, 20):
        _say(whole, seq, "reply", answer="not_mine")
    whole.look()
    assert "5 answers “not mine” since the last hold was lifted are 1.25 %" in whole.holds[0]


def _say(walk: Walk, seq: int, kind: str, answer: str = "") -> None:
    now = walk.muster.desk.now
    reply_no = sql.value(
        "INSERT INTO replies_reply (mail_no, item_no, kind, subkind, notice_no, round_no, seq, person_no, component_no, "
        "matched_by, reason, grade, language, late, accepted_at, digested_at) VALUES "
        "((SELECT count(*) FROM replies_reply), 1, %s, '', %s, %s, %s, %s, 1, 'verp', '', '', '', false, %s, %s) RETURNING id",
        (kind, walk.of.notice_no, walk.of.round_no, seq, seq, now, now),
    )
    if answer:
        sql.execute(
            "INSERT INTO replies_answer (reply_id, notice_no, person_no, component_no, type, choice, items, confidence, reasons, "
            "state, accepted_at) VALUES (%s, %s, %s, 1, %s, '', 0, 1, '[]', 'with_person', %s)",
            (reply_no, walk.of.notice_no, seq, answer, now),
        )


# ---- after a lift


def test_the_same_figures_do_not_hold_again_and_as_much_anew_does(whole: Walk) -> None:
    whole.send()
    whole.fail(range(1, 12))
    whole.look()
    whole.resume()
    whole.look()
    whole.fail(range(12, 20))  # eight more: 2 %
    whole.look()
    assert whole.holds == []
    whole.fail([20])
    whole.look()
    assert "9 permanent failures since the last hold was lifted are 2.25 % of 400 copies" in whole.holds[0]
    whole.resume()
    whole.look()
    assert whole.holds == []


def test_what_an_approver_accepted_and_has_healed_leaves_no_room_for_as_much_anew(whole: Walk) -> None:
    put_off = failing(range(1, 61), DeliveryState.DEFERRED)
    whole.send(put_off, reason="relay put it off", status="4.7.1")
    whole.look()
    whole.resume()
    whole.look()
    taken = [Settlement(seq, 1, DeliveryState.RELAYED, "", "2.0.0", 250) for seq in range(1, 61)]
    book.record_outcomes(whole.of, taken, first_retry_s=300, now=whole.muster.desk.now, retried=True)
    whole.look()
    of = whole.of
    anew = [
        Evidence(of.notice_no, of.round_no, seq, DeliveryState.DEFERRED, "host", "4.4.1") for seq in range(100, 145)
    ]
    book.settle_by_evidence(anew, whole.muster.desk.now)
    whole.look()
    assert "45 transient failures since the last hold was lifted" in whole.holds[0]


def test_nothing_is_decided_while_an_officer_holds_the_round(walk: Walk) -> None:
    walk.send(failing(range(1, 200, 12)))
    walk.muster.stop(notice_no=walk.of.notice_no)
    assert walk.look(after=timedelta(hours=2)) == 0
    assert walk.holds == []
    walk.muster.lift(notice_no=walk.of.notice_no)
    walk.look()
    assert len(walk.holds) == 1


def test_a_paused_component_does_not_hold_up_the_waves_of_the_others(walk: Walk) -> None:
    walk.send(batches=1)
    walk.muster.stop(notice_no=walk.of.notice_no, path="Agency of Rivers", cause=Cause.PAUSE)
    assert walk.look() == 0
    assert walk.look(after=timedelta(hours=1)) == 1
    assert walk.send() == 0


# ---- a mass bounce


def test_a_mass_bounce_in_one_domain_holds_the_round_names_it_and_suppresses_nobody(whole: Walk) -> None:
    of = whole.of
    whole.send()
    by_domain = {
        str(domain): [int(seq) for seq in seqs]
        for domain, seqs in sql.rows(
            "SELECT e.domain, array_agg(a.seq ORDER BY a.seq) FROM outbound_audience a "
            "JOIN roster_entry e USING (person_no) GROUP BY 1"
        )
    }
    whole.fail(by_domain[LAKES][:60])
    whole.fail(by_domain[RIVERS][:3])
    whole.look()
    assert any(
        f"mass bounce in {LAKES}: 60 permanent failures are 30.0 % of 200 copies" in hold for hold in whole.holds
    )
    assert not any(RIVERS in hold for hold in whole.holds)
    assert not re.search(r"p\d+", " ".join(whole.holds))
    whole.muster.clock.advance(timedelta(hours=2))
    assert ramp.suppress_new(desk=whole.muster.desk, every_s=0) == 3
    assert {one.seq for one in suppression.suppressions()} == set(by_domain[RIVERS][:3])
    whole.resume()
    [incident] = health.incidents(notice_no=of.notice_no)
    assert (incident.domain, incident.failed, incident.handed, incident.closed_by) == (LAKES, 60, 200, "officer:2")
    whole.look()
    assert whole.holds == []


def test_a_mass_bounce_that_comes_when_the_round_is_settled_suppresses_nobody_either(whole: Walk) -> None:
    whole.send()
    whole.look()
    assert notice.settle(whole.of.notice_no, whole.of.round_no, desk=whole.muster.desk)
    whole.muster.clock.advance(timedelta(hours=1))
    whole.fail(range(1, 150))
    whole.look()
    assert whole.holds == []  # nothing is being sent, so nobody looks at it yet
    whole.muster.clock.advance(timedelta(hours=2))
    assert ramp.suppress_new(desk=whole.muster.desk, every_s=0) == 0
    assert suppression.suppressions() == []
    assert len(health.incidents()) == len(whole.holds) >= 1


def test_the_suppressed_are_withheld_from_the_next_round_and_lifted_by_command(whole: Walk) -> None:
    whole.send(failing([7]))
    whole.muster.clock.advance(timedelta(hours=2))
    assert ramp.suppress_new(desk=whole.muster.desk, every_s=0) == 1
    [one] = suppression.suppressions()
    assert _withheld(whole.muster) == [(7, "suppressed")]
    shown = whole.muster.command("suppression", "list")
    assert one.person_id in shown.stdout
    assert "unknown_user: 1 in all" in shown.stdout
    assert "@" not in shown.stdout
    refused = whole.muster.command("suppression", "lift", one.person_id, "--as", "rae", "--reason", "no")
    assert refused.returncode == 1
    lifted = whole.muster.command("suppression", "lift", one.person_id, "--as", "ben", "--reason", "mended", "--json")
    assert lifted.returncode == 0, lifted.stderr
    explained = whole.muster.command("suppression", "show", one.person_id)
    assert "delivery 7 of n1, round 1, status 5.1.1" in explained.stdout
    assert ": mended" in explained.stdout
    assert suppression.suppressions() == []
    assert _withheld(whole.muster) == []
    assert "no mass bounce" in whole.muster.command("suppression", "incidents").stdout


def _withheld(muster: Muster) -> list[tuple[int, str]]:
    """Who of a further notice's audience is written down as withheld, and why."""
    of = muster.begin(change=_to_rivers(""))
    muster.balance(of)
    return [
        (int(person_no), str(reason))
        for person_no, reason in sql.rows(
            "SELECT a.person_no, d.reason FROM outbound_delivery d JOIN outbound_audience a USING (notice_no, round_no, seq) "
            "WHERE d.notice_no = %s AND d.state = 'withheld'",
            (of.notice_no,),
        )
    ]


# ---- the watchdog


def test_a_round_that_goes_on_or_is_just_begun_is_not_stalled(walk: Walk) -> None:
    walk.look()
    assert walk.stalls() == []
    walk.look(after=timedelta(hours=1))
    walk.send(batches=1)
    assert walk.stalls() == []  # something changed since anybody looked


def test_a_round_with_something_due_and_no_change_is_an_alarm_with_its_reason(walk: Walk) -> None:
    walk.send(batches=1)
    walk.look()
    walk.look(after=timedelta(minutes=11))
    [stall] = walk.stalls()
    assert (stall.why, stall.is_alarm) == (Why.NOBODY_SENDS, True)
    [stall] = walk.stalls(relay_trouble="127.0.0.1:25 refuses the connection.")
    assert stall.why is Why.RELAY
    assert "the relay takes nothing: 127.0.0.1:25 refuses the connection" in stall.sentence
    sql.execute("UPDATE outbound_watch SET looked_at = looked_at - interval '2 minutes'")
    [stall] = walk.stalls()
    assert stall.why is Why.NO_WORKER


def test_what_waits_as_it_was_decided_is_told_and_is_no_alarm(walk: Walk) -> None:
    walk.look()
    walk.muster.clock.advance(timedelta(minutes=11))
    [stall] = walk.stalls(quiet=["", "America/New_York"])
    assert (stall.why, stall.is_alarm) == (Why.QUIET_HOURS, False)
    walk.muster.stop(notice_no=walk.of.notice_no, cause=Cause.HOLD, lane=Lane.BULK)
    [stall] = walk.stalls()
    assert (stall.why, stall.is_alarm) == (Why.HOLD, False)
    walk.muster.lift(notice_no=walk.of.notice_no, cause=Cause.HOLD)
    walk.send()
    walk.look()
    walk.muster.clock.advance(timedelta(minutes=11))
    [stall] = walk.stalls()
    assert (stall.why, stall.is_alarm) == (Why.WAVE, False)
    assert "wave 1 of 3 is watched until" in stall.sentence
