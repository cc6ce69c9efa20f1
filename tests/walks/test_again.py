"""A further round: refused for each reason, to whom it goes, and that nobody who answered is asked again (R17, P2, P6)."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Final

import pytest
from django.db import transaction
from tests.notices.samples import BODY, changed, read

from postmuster.base import sql
from postmuster.base.errors import Refused, Transient
from postmuster.control.states import Cause, Lane
from postmuster.jobs import again, cases, notice
from postmuster.notices import actions as notices
from postmuster.notices import queries as stored
from postmuster.notices import readiness
from postmuster.notices.states import NoticeState
from postmuster.notices.terms import AgainTo
from postmuster.organisation.people import Person
from postmuster.outbound.values import RoundRef
from postmuster.replies.cases import reader
from postmuster.reports import queries as reports
from postmuster.reports.figures import State
from postmuster.roster.actions import load_feed

from .muster import Muster
from .relay import LittleRelay

SEEDS: Final = "Agency of Seeds"
GAP: Final = timedelta(hours=72)
CLASSES: Final = ("employee", "contractor", "detailee", "other", "military")
AWAY: Final = ("Auto-Submitted: auto-replied",)
MARKED: Final = "TOP SECRET//NOFORN\n\nYES\n\nTOP SECRET//NOFORN"
TO: Final = (AgainTo.UNPROVEN, AgainTo.UNANSWERED)


def _later(toml: str) -> str:
    """The example with a deadline after all of its rounds."""
    return toml.replace("2027-03-05T17:00:00", "2027-04-05T17:00:00")


def _settle(muster: Muster, of: RoundRef) -> None:
    assert notice.settle(of.notice_no, of.round_no, desk=muster.desk)


def _first(muster: Muster, relay: LittleRelay, *, more: str = "") -> RoundRef:
    """A notice whose first round the relay took whole."""
    of = muster.begin(change=lambda toml: _later(toml) + more)
    muster.send(of, desk=muster.through(relay))
    _settle(muster, of)
    return of


def _release(muster: Muster, of: RoundRef, to: AgainTo, *, after: timedelta = GAP) -> RoundRef:
    muster.clock.advance(after)
    number = again.again(of.notice_no, to=to, actor=muster.actor("ben"), desk=muster.desk)
    return notice.ref_of(muster.round(of.notice_no, number))


def _expand(muster: Muster, of: RoundRef) -> RoundRef:
    notice.expand(of.notice_no, of.round_no, desk=muster.desk)
    return of


def _further(muster: Muster, of: RoundRef, to: AgainTo) -> RoundRef:
    return _expand(muster, _release(muster, of, to))


def _why(muster: Muster, of: RoundRef, to: AgainTo = AgainTo.UNPROVEN) -> str:
    """The sentence with which a round is refused; nothing may have begun by it."""
    before = sql.value("SELECT count(*) FROM notices_round"), sql.value("SELECT count(*) FROM ledger_entry")
    with pytest.raises(Refused) as refused:
        again.again(of.notice_no, to=to, actor=muster.actor("ben"), desk=muster.desk)
    assert before == (sql.value("SELECT count(*) FROM notices_round"), sql.value("SELECT count(*) FROM ledger_entry"))
    return refused.value.sentence


def _asked(muster: Muster, of: RoundRef) -> set[str]:
    """The people a round writes to, from the book."""
    return {
        str(person_id)
        for (person_id,) in sql.rows(
            "SELECT p.person_id FROM outbound_audience a JOIN roster_person p ON p.id = a.person_no "
            "LEFT JOIN outbound_delivery d ON d.notice_no = a.notice_no AND d.round_no = a.round_no AND d.seq = a.seq "
            "WHERE a.notice_no = %s AND a.round_no = %s AND d.state IS DISTINCT FROM 'withheld'",
            (of.notice_no, of.round_no),
        )
    }


def _in_scope(muster: Muster) -> set[str]:
    """Whom the example addresses, counted from the simulated organisation alone."""
    return {
        one.person_id
        for one in muster.world.people
        if one.employment_class in CLASSES and one.status.partition(":")[0] in ("active", "on_leave")
    }


def _spared(muster: Muster, of: RoundRef) -> Counter[str]:
    """How many a round withholds for reasons of its own."""
    return Counter(
        {
            str(reason): int(count)
            for reason, count in sql.rows(
                "SELECT reason, count(*) FROM outbound_delivery WHERE notice_no = %s AND round_no = %s "
                "AND state = 'withheld' AND reason NOT IN ('separated', 'no_mail_access', 'component', 'employment_class') "
                "GROUP BY reason",
                (of.notice_no, of.round_no),
            )
        }
    )


# ---- refused for each reason


def test_a_notice_that_was_not_released_has_no_further_round(muster: Muster) -> None:
    number = muster.draft(change=_later)
    assert "not released yet" in _why(muster, RoundRef(number, 1, 1))


def test_a_round_that_is_not_settled_is_waited_for(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin(change=_later)
    muster.clock.advance(GAP)
    assert "Round 1 is not settled yet" in _why(muster, of)
    muster.send(of, desk=muster.through(relay))
    assert "Round 1 is not settled yet" in _why(muster, of)
    _settle(muster, of)
    assert _release(muster, of, AgainTo.UNPROVEN, after=timedelta()).round_no == 2
    assert "Round 2 is not settled yet" in _why(muster, of)


def test_the_gap_is_kept_to_the_second(muster: Muster, relay: LittleRelay) -> None:
    of = _first(muster, relay)
    muster.clock.advance(GAP - timedelta(seconds=1))
    assert "from 2027-03-04 09:00 UTC" in _why(muster, of)
    assert _release(muster, of, AgainTo.UNPROVEN, after=timedelta(seconds=1)).round_no == 2


def test_the_gap_is_counted_from_the_newest_round(muster: Muster, relay: LittleRelay) -> None:
    of = _first(muster, relay)
    second = _further(muster, of, AgainTo.UNPROVEN)
    muster.send(second, desk=muster.through(relay))
    _settle(muster, second)
    assert "from 2027-03-07 09:00 UTC" in _why(muster, of)


def test_there_are_no_more_rounds_than_the_notice_says(muster: Muster, relay: LittleRelay) -> None:
    of = _first(muster, relay, more="\n[rounds]\nminimum_gap_hours = 1\nmaximum = 2\n")
    second = _expand(muster, _release(muster, of, AgainTo.UNPROVEN, after=timedelta(hours=1)))
    muster.send(second, desk=muster.through(relay))
    _settle(muster, second)
    muster.clock.advance(GAP)
    assert "had 2 rounds, and may have 2" in _why(muster, of)


def test_a_further_round_stands_on_every_gate_of_a_release(muster: Muster, relay: LittleRelay) -> None:
    of = _first(muster, relay)
    muster.clock.advance(GAP)
    muster.stop(notice_no=of.notice_no)
    assert "A stop stands" in _why(muster, of)
    muster.lift(notice_no=of.notice_no)
    muster.clock.advance(timedelta(days=60))
    assert "deadline 2027-04-05 17:00 has passed" in _why(muster, of)


def test_a_notice_that_asks_nothing_has_nobody_unanswered(muster: Muster) -> None:
    pairs = (
        ('"test"', '"announcement"'), ("voluntary = true\n", ""), ("acknowledge", "none"), ('["the answer"]', "[]"),
        ('purpose = "to see whom mail reaches"\n', ""),
    )  # fmt: skip
    toml, ben = changed(*pairs), muster.actor("ben")
    number = notices.draft(
        read(toml), toml.encode(), {"": BODY}, notice_no=None, actor=muster.actor("ada"), now=muster.desk.now
    )
    for handle in ("ben", "cho"):
        notices.approve(number, actor=muster.actor(handle), now=muster.desk.now)
    with transaction.atomic():
        notices.open_round(number, assessment_no=1, roster_version=1, actor=ben, now=muster.desk.now)

    def reasons(to: AgainTo) -> str:
        return " ".join(readiness.examine(number, now=muster.desk.now, again=to).reasons)

    assert "asks nothing" in reasons(AgainTo.UNANSWERED)
    assert "asks nothing" not in reasons(AgainTo.UNPROVEN)


def test_of_two_officers_at_once_one_begins_a_round(muster: Muster, relay: LittleRelay) -> None:
    of = _first(muster, relay)
    muster.clock.advance(GAP)
    found = readiness.examine(of.notice_no, now=muster.desk.now, again=AgainTo.UNPROVEN)
    assert found.ground is not None
    again.again(of.notice_no, to=AgainTo.UNPROVEN, actor=muster.actor("ben"), desk=muster.desk)
    with pytest.raises(Refused, match="by another officer meanwhile"), transaction.atomic():
        notices.open_round(
            of.notice_no,
            assessment_no=found.ground.assessment_no,
            roster_version=found.ground.roster_version,
            actor=muster.actor("cho"),
            now=muster.desk.now,
            to=AgainTo.UNPROVEN,
            number=found.ground.round_no,
        )
    assert sql.value("SELECT count(*) FROM notices_round") == 2


def test_a_first_release_that_two_officers_ask_for_happens_once(muster: Muster) -> None:
    number = muster.draft(change=_later)
    found = readiness.examine(number, now=muster.desk.now)
    assert found.ground is not None
    muster.release(number)
    with pytest.raises(Refused, match="by another officer meanwhile"), transaction.atomic():
        notices.open_round(
            number,
            assessment_no=found.ground.assessment_no,
            roster_version=found.ground.roster_version,
            actor=muster.actor("cho"),
            now=muster.desk.now,
        )
    assert sql.value("SELECT count(*) FROM notices_round") == 1


# ---- to whom it goes


class _Heard:
    """What came back after the first round, with what each kind of it means for a further one."""

    def __init__(self, muster: Muster, of: RoundRef) -> None:
        who = iter(muster.people(4) + muster.people(6, domain="lights.agency.example"))
        self.yes, self.decline, self.away, self.success = (next(who) for _ in range(4))
        self.question, self.marked, self.not_mine, self.unknown, self.forged, self.delayed = (
            next(who) for _ in range(6)
        )
        muster.hear(
            muster.reply(of, self.yes),
            muster.reply(of, self.decline, "I prefer not to answer."),
            muster.reply(of, self.away, "I am away until 9 March.", fields=AWAY, subject="Automatic reply: away"),
            muster.report(of, self.success, "delivered", "2.0.0"),
            muster.reply(of, self.question, "What is this for? Whom can I ask?"),
            muster.reply(of, self.marked, MARKED),
            muster.reply(of, self.not_mine, "You have the wrong person, I am not the one this is meant for."),
            muster.report(of, self.unknown, "failed", "5.1.1"),
            muster.reply(of, self.forged, sender="eve@elsewhere.example"),
            muster.report(of, self.delayed, "delayed", "4.4.1"),
        )

    @property
    def wrote(self) -> tuple[Person, ...]:
        return (self.yes, self.decline, self.question, self.marked, self.not_mine)

    def spared(self, to: AgainTo) -> set[str]:
        """Whom a further round leaves in peace, in plain words."""
        proven = (self.away, self.success) if to is AgainTo.UNPROVEN else ()
        return {one.person_id for one in (*self.wrote, self.unknown, *proven)}


@pytest.mark.parametrize("to", TO)
def test_a_further_round_goes_to_those_whom_an_independent_count_names(
    muster: Muster, relay: LittleRelay, to: AgainTo
) -> None:
    of = _first(muster, relay)
    heard = _Heard(muster, of)
    muster.stop(notice_no=of.notice_no, path=SEEDS, cause=Cause.PAUSE)
    second = _further(muster, of, to)
    paused = {one.person_id for one in muster.world.people if one.component.startswith(SEEDS)}
    assert heard.yes.person_id in paused
    assert _asked(muster, second) == _in_scope(muster) - heard.spared(to) - paused
    muster.balance(of)
    muster.balance(second)
    assert sum(muster.states(second).values()) == len(muster.world.people)


@pytest.mark.parametrize("to", TO)
def test_everyone_who_is_spared_is_in_the_books_with_the_reason(
    muster: Muster, relay: LittleRelay, to: AgainTo
) -> None:
    of = _first(muster, relay)
    _Heard(muster, of)
    second = _further(muster, of, to)
    expected = Counter(answered=4, with_person=1, unknown_user=1)
    assert _spared(muster, second) == expected + (Counter(proven=2) if to is AgainTo.UNPROVEN else Counter())
    shown = reports.notice_figures(of.notice_no, now=muster.desk.now)
    assert shown.round == 2
    assert shown.withheld["answered"] == 4
    assert shown.audience == len(muster.world.people)


def test_whoever_only_asked_is_asked_again_once_the_question_was_decided(muster: Muster, relay: LittleRelay) -> None:
    of = _first(muster, relay)
    who = muster.people(1)[0]
    muster.hear(muster.reply(of, who, "What is this for? Whom can I ask?"))
    case = int(sql.value("SELECT id FROM replies_case"))
    cases.decide(case, ["answered"], because="", reader=reader(muster.actor("rae")), desk=muster.desk)
    second = _further(muster, of, AgainTo.UNANSWERED)
    assert who.person_id in _asked(muster, second)


def test_an_answer_between_release_and_expand_is_seen_though_nobody_has_read_it_yet(
    muster: Muster, relay: LittleRelay
) -> None:
    of = _first(muster, relay)
    early, late = muster.people(2)
    second = _release(muster, of, AgainTo.UNANSWERED)
    muster.hear(muster.reply(of, early))
    muster.take_in(muster.reply(of, late))
    assert muster.mail_states()["waiting"] == 1
    _expand(muster, second)
    assert not {early.person_id, late.person_id} & _asked(muster, second)
    with LittleRelay() as fresh:
        muster.send(second, desk=muster.through(fresh))
        assert not {early.address, late.address} & set(fresh.copies())
        muster.each_once(second, fresh)
    assert set(muster.balance(second)) == {"relayed", "withheld"}


def test_a_round_waits_while_another_worker_reads_what_came(
    muster: Muster, relay: LittleRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = _first(muster, relay)
    second = _release(muster, of, AgainTo.UNANSWERED)
    muster.take_in(muster.reply(of, muster.people(1)[0]))
    sql.execute("UPDATE inbound_mail SET lease_until = clock_timestamp() + interval '3 seconds'")
    monkeypatch.setattr(again, "MAX_WAIT_S", 0.0)
    with pytest.raises(Transient, match="still being read"):
        _expand(muster, second)
    assert sql.value("SELECT count(*) FROM outbound_audience WHERE round_no = 2") == 0
    sql.execute("UPDATE inbound_mail SET lease_until = NULL")
    assert notice.expand(second.notice_no, second.round_no, desk=muster.desk) == len(muster.world.people)
    assert _spared(muster, second) == {"answered": 1}


def test_a_round_waits_while_replies_to_its_notice_are_not_read(muster: Muster, relay: LittleRelay) -> None:
    of = _first(muster, relay)
    muster.stop(notice_no=of.notice_no, lane=Lane.INTAKE)
    muster.clock.advance(GAP)
    assert "not read now" in _why(muster, of)
    muster.lift(notice_no=of.notice_no)
    second = _release(muster, of, AgainTo.UNPROVEN, after=timedelta())
    muster.stop(notice_no=of.notice_no, lane=Lane.INTAKE)
    with pytest.raises(Transient, match="not read now"):
        _expand(muster, second)
    assert sql.value("SELECT count(*) FROM outbound_audience WHERE round_no = 2") == 0
    muster.lift(notice_no=of.notice_no)
    assert notice.expand(second.notice_no, second.round_no, desk=muster.desk) == len(muster.world.people)


def test_mail_that_was_put_off_for_another_notice_holds_up_no_round(
    muster: Muster, relay: LittleRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = _first(muster, relay)
    second = _release(muster, of, AgainTo.UNANSWERED)
    muster.take_in(muster.reply(of, muster.people(1)[0]))
    sql.execute("UPDATE inbound_mail SET lease_until = clock_timestamp() + interval '10 minutes', attempts = 0")
    monkeypatch.setattr(again, "MAX_WAIT_S", 0.0)
    _expand(muster, second)
    assert _spared(muster, second) == {}


def test_a_round_that_died_in_its_expand_goes_on_with_what_was_answered_meanwhile(
    muster: Muster, relay: LittleRelay
) -> None:
    of = _first(muster, relay)
    early, late = sorted(muster.people(2), key=lambda one: one.number)
    second = _release(muster, of, AgainTo.UNANSWERED)
    muster.hear(muster.reply(of, early))
    again.spare(second, AgainTo.UNANSWERED, desk=muster.desk)
    muster.hear(muster.reply(of, late))
    _expand(muster, second)
    assert _spared(muster, second) == {"answered": 2}


def test_the_third_round_knows_what_came_back_from_both(muster: Muster, relay: LittleRelay) -> None:
    of = _first(muster, relay)
    one, two, three = muster.people(3)
    muster.hear(muster.reply(of, one))
    second = _further(muster, of, AgainTo.UNANSWERED)
    muster.send(second, desk=muster.through(relay))
    muster.hear(muster.reply(second, two), muster.reply(of, three))
    _settle(muster, second)
    assert muster.answers(of, three) == [("acknowledge", "", "counted")]
    third = _further(muster, of, AgainTo.UNANSWERED)
    assert _asked(muster, third) == _in_scope(muster) - {person.person_id for person in (one, two, three)}
    for round_ in (of, second, third):
        muster.balance(round_)
    assert {row[0] for row in sql.rows("SELECT DISTINCT round_no FROM outbound_spared")} == {3}


def test_an_answer_to_the_first_copy_after_the_second_was_sent_counts_and_replaces(
    muster: Muster, relay: LittleRelay
) -> None:
    of = _first(muster, relay)
    who = muster.people(1)[0]
    second = _further(muster, of, AgainTo.UNANSWERED)
    muster.send(second, desk=muster.through(relay))
    muster.hear(muster.reply(second, who, "I prefer not to answer."))
    muster.hear(muster.reply(of, who, "YES"))
    assert [state for _, _, state in muster.answers(of, who)] == ["superseded", "counted"]
    assert reports.notice_figures(of.notice_no, now=muster.desk.now).answers == {"acknowledge": 1}
    assert muster.state(of, muster.ref(of, who).seq) == "delivered"
    assert muster.state(second, muster.ref(second, who).seq) == "delivered"


def test_a_mailbox_that_was_unknown_is_tried_again_when_the_roster_has_another_address(
    muster: Muster, relay: LittleRelay
) -> None:
    of = _first(muster, relay)
    moved, gone = muster.people(2)
    muster.hear(muster.report(of, moved, "failed", "5.1.1"), muster.report(of, gone, "failed", "5.1.1"))
    feed = muster.folder / "people.csv"
    text = feed.read_text(encoding="utf-8").replace(moved.address, f"new-{moved.address}")
    feed.write_text(text, encoding="utf-8")
    load_feed(feed, actor="officer:1 by shell", now=muster.desk.now, rejects=muster.folder / "rejects.csv")
    second = _further(muster, of, AgainTo.UNPROVEN)
    asked = _asked(muster, second)
    assert moved.person_id in asked
    assert gone.person_id not in asked


def test_a_reason_of_its_own_that_withheld_somebody_goes_on(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin(change=_later)
    who = muster.people(1)[0]
    seq = muster.ref(of, who).seq
    muster.send(of, desk=muster.through(relay))
    _settle(muster, of)
    sql.execute(
        "UPDATE outbound_delivery SET state = 'withheld', reason = 'directive' WHERE notice_no = %s AND seq = %s",
        (of.notice_no, seq),
    )
    for to in TO:
        second = _release(muster, of, to, after=GAP)
        _expand(muster, second)
        assert who.person_id not in _asked(muster, second)
        assert _spared(muster, second)["directive"] == 1
        muster.send(second, desk=muster.through(relay))
        _settle(muster, second)


# ---- what is shown


def test_nobody_is_named_by_being_left_out(muster: Muster, relay: LittleRelay) -> None:
    """Whoever is listed as having answered names all others as silent (P6)."""
    of = _first(muster, relay)
    heard = _Heard(muster, of)
    before = {row.person_id for row in reports.delivery_rows(of.notice_no, (State.WITHHELD,))}
    _further(muster, of, AgainTo.UNANSWERED)
    after = {row.person_id for row in reports.delivery_rows(of.notice_no, (State.WITHHELD,))}
    assert after == before
    assert not {one.person_id for one in heard.wrote} & after


def test_rounds_and_the_next_one_are_told(muster: Muster, relay: LittleRelay) -> None:
    number = muster.draft(change=_later)
    assert stored.history(number).as_json() == {"released": 0, "maximum": 3, "next_from": None}
    of = muster.release(number)
    _expand(muster, of)
    muster.send(of, desk=muster.through(relay))
    _settle(muster, of)
    status = json.loads(muster.command("notice", "status", "n1", "--json").stdout)
    assert status["rounds"] == {"released": 1, "maximum": 3, "next_from": "2027-03-04T09:00:00+00:00"}
    assert "from 2027-03-04 09:00 UTC" in muster.command("notice", "check", "n1").stdout
    refused = muster.command("notice", "again", "n1", "--to", "unproven", "--as", "ada")
    assert (refused.returncode, refused.stdout) == (1, "")
    muster.clock.advance(GAP)
    assert muster.command("notice", "check", "n1").returncode == 0
    done = muster.command("notice", "again", "n1", "--to", "unproven", "--as", "ben", "--json")
    assert json.loads(done.stdout) == {"id": "n1", "round": 2, "to": "unproven"}
    assert sql.value("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'expand'") == 1
    assert stored.newest(number).state is NoticeState.RELEASED
    assert json.loads(muster.command("notice", "status", "n1", "--round", "1", "--json").stdout)["round"] == 1
    assert json.loads(muster.command("notice", "status", "n1", "--json").stdout)["round"] == 2
    found = muster.round(number)
    assert (found.number, found.to, found.open_wave, found.wave_opened_at) == (2, AgainTo.UNPROVEN, 0, None)
