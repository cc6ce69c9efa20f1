"""Figures from the database: they balance at every moment, and nobody is listed for not having answered.

A small organisation is really loaded, an offer really approved and written down; then outcomes and replies are recorded
by the rooms' own actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from tests.notices.samples import REHEARSAL, rehearsal_notice
from tests.roster.sample import people, write

from postmuster.base.errors import Defect, Refused
from postmuster.notices.files import read_notice_file
from postmuster.reports.figures import FailureFigures, InDoubtFigures, NoticeFigures, State, TimeToStop
from postmuster.reports.page import write_page

RIVERS, BRIDGES = "Agency of Rivers/Directorate", "Agency of Bridges/Bureau of Spans"


def offer_files() -> tuple[Any, bytes, dict[str, bytes]]:
    """The rehearsal's offer as a drafter hands it in."""
    return rehearsal_notice("offer"), *read_notice_file(REHEARSAL / "notices" / "offer" / "notice.toml")


@dataclass(slots=True)
class Walk:
    """An offer to 12 of 15 people: 8 in Rivers with a judge, 7 in Bridges with one without mail and an elected person."""

    notice_no: int
    now: datetime
    mails: int = 0

    def expand(self) -> None:
        from postmuster.notices import actions as notices
        from postmuster.outbound import actions as outbound
        from postmuster.outbound.values import Cut, Scope

        scope = Scope(("Agency of Rivers", "Agency of Bridges"), True, ("employee", "contractor"))
        while outbound.expand_page(self.of, scope, Cut(4), now=self.now, limit=6):
            pass
        notices.begin_sending(self.notice_no, 1, audience=15, now=self.now)

    @property
    def of(self) -> Any:
        from postmuster.outbound.values import RoundRef

        return RoundRef(self.notice_no, 1, 1)

    def addressed(self) -> list[tuple[int, int, int]]:
        """(seq, component, person) of everyone written to, in order of sequence."""
        from postmuster.outbound.queries import recipients_of

        found = recipients_of([(self.notice_no, 1, seq) for seq in range(1, 16)])
        listed = {row.seq for row in self.listed(State.WITHHELD)}
        return [(one.seq, one.component_no, one.person_no) for one in found.values() if one.seq not in listed]

    def person_id(self, place: int) -> str:
        """The person at `place` among those addressed."""
        from postmuster.roster.queries import people_for

        person_no = self.addressed()[place][2]
        return people_for(1, [person_no])[person_no].person_id

    def listed(self, *states: State) -> list[Any]:
        from postmuster.reports.queries import delivery_rows

        return list(delivery_rows(self.notice_no, states))

    def record(self, outcomes: list[tuple[str, str, str]]) -> None:
        """Write down (state, reason, status) for the first people addressed that have none yet."""
        from postmuster.outbound import actions as outbound
        from postmuster.outbound.states import DeliveryState
        from postmuster.outbound.values import Settlement

        settlements = [
            Settlement(seq, component_no, DeliveryState(state), reason, status, None)
            for (seq, component_no, _), (state, reason, status) in zip(self.addressed(), outcomes, strict=False)
        ]
        outbound.record_outcomes(self.of, settlements, first_retry_s=60, now=self.now)

    def reply(
        self, place: int, kind: str, choice: str = "", *, state: str = "counted", late_min: int = 0, case: str = ""
    ) -> None:
        """A reply of the person at `place` among those addressed, accepted so many minutes after the release."""
        from postmuster.outbound.values import DeliveryOf
        from postmuster.replies import actions as replies
        from postmuster.replies.states import AnswerState, CaseReason, MatchedBy
        from postmuster.replies.values import Finding, FoundAnswer

        self.mails += 1
        seq, component_no, person_no = self.addressed()[place]
        answer = FoundAnswer(kind, choice, 0, 0.9, (), AnswerState(state))
        at = self.now + timedelta(minutes=late_min)
        of = DeliveryOf(self.notice_no, 1, seq, person_no, component_no)
        cases = (CaseReason(case),) if case else ()
        finding = Finding(
            self.mails, 1, at, "reply", "", of, MatchedBy.TOKEN, "", "A", "en", False, answer, cases
        )  # fmt: skip
        replies.record([finding], now=at)

    def figures(self, **options: Any) -> NoticeFigures:
        from postmuster.reports.queries import notice_figures

        return notice_figures(self.notice_no, now=self.now, **options)


@pytest.fixture
def walk(database: Any, officers: Any, tmp_path: Path, now: datetime) -> Walk:
    from postmuster.access.queries import acting
    from postmuster.assessments import actions as assessments
    from postmuster.assessments.document import read_assessment
    from postmuster.notices import actions as notices
    from postmuster.roster.actions import load_feed

    everyone = people(8, RIVERS) | people(7, BRIDGES, first=9)
    everyone["E2"]["employment_class"] = "judge"
    everyone["E3"]["employment_class"] = "contractor"
    everyone["E9"]["status"] = "no_mail_access"
    everyone["E10"]["employment_class"] = "elected"
    file = write(tmp_path / "people.csv", everyone.values())
    load_feed(file, actor="officer:1 by shell", now=now, rejects=tmp_path / "people.rejects.csv")
    document: Any = read_assessment((REHEARSAL / "assessments" / "offer-election.toml").read_bytes())
    assessment_no = assessments.publish(document, actor=acting(officers.pia), now=now)
    content, toml, bodies = offer_files()
    notice_no = notices.draft(content, toml, bodies, notice_no=None, actor=acting(officers.ada), now=now)
    notices.approve(notice_no, actor=acting(officers.ben), now=now)
    notices.approve(notice_no, actor=acting(officers.cho), now=now)
    with transaction.atomic():
        notices.open_round(
            notice_no, assessment_no=assessment_no, roster_version=1, actor=acting(officers.ben), now=now
        )
    return Walk(notice_no, now)


OUTCOMES = [
    ("relayed", "", ""),
    ("relayed", "", ""),
    ("failed", "unknown_user", "5.1.1"),
    ("in_doubt", "connection lost", ""),
    ("deferred", "relay put it off", "4.2.0"),
]


def test_a_notice_says_what_it_is_and_who_stands_for_it(walk: Walk) -> None:
    figures = walk.figures()
    assert (figures.id, figures.kind, figures.asks) == (f"n{walk.notice_no}", "offer", "election")
    assert figures.title == "A voluntary offer to leave service by 30 September"
    assert (figures.drafted_by, figures.approved_by) == ("ada", ("ben", "cho"))
    assert (figures.state, figures.round, figures.roster_version) == ("expanding", 1, 1)
    assert figures.assessment == "offer-election, version 1"


def test_the_states_are_the_audience_at_every_step(walk: Walk) -> None:
    assert walk.figures().audience == 0
    walk.expand()
    figures = walk.figures()
    assert figures.audience == 15
    assert figures.count(State.PENDING) == 12
    assert figures.withheld == {"employment_class": 2, "no_mail_access": 1}
    walk.record(OUTCOMES)
    figures = walk.figures()
    assert {state: figures.count(state) for state in State} == {
        State.DELIVERED: 0,
        State.RELAYED: 2,
        State.DEFERRED: 1,
        State.IN_DOUBT: 1,
        State.FAILED: 1,
        State.WITHHELD: 3,
        State.PENDING: 7,
    }
    assert figures.in_doubt == (InDoubtFigures("connection lost", 1, walk.now),)
    assert figures.failed == (FailureFigures("5.1.1", "unknown_user", 1),)


def test_components_and_classes_are_partitions_of_the_audience(walk: Walk) -> None:
    walk.expand()
    walk.record(OUTCOMES)
    figures = walk.figures()
    assert {part.path: part.audience for part in figures.by_component} == {RIVERS: 8, BRIDGES: 7}
    classes = {part.employment_class: part for part in figures.by_class}
    assert {name: part.audience for name, part in classes.items()} == {
        "contractor": 1,
        "elected": 1,
        "employee": 12,
        "judge": 1,
    }
    assert classes["judge"].states == {State.WITHHELD: 1}


def test_a_live_view_counts_the_same_without_the_breakdowns(walk: Walk) -> None:
    walk.expand()
    walk.record(OUTCOMES)
    short, whole = walk.figures(breakdowns=False, rate_per_s=12.5), walk.figures()
    assert {s: short.count(s) for s in State} == {s: whole.count(s) for s in State}
    assert (short.audience, short.by_component, short.rate_per_s) == (whole.audience, (), 12.5)


def test_counters_that_lie_make_no_figures(walk: Walk, database: Any) -> None:
    walk.expand()
    with database.connect("application") as connection:
        connection.execute(
            "INSERT INTO outbound_counter (notice_no, round_no, component_no, state, delta) "
            "SELECT notice_no, round_no, component_no, 'relayed', 1 FROM outbound_audience WHERE notice_no = %s LIMIT 1",
            (walk.notice_no,),
        )
    with pytest.raises(Defect):
        walk.figures()


def test_answers_are_counted_once_a_person_and_waiting_ones_apart(walk: Walk) -> None:
    walk.expand()
    walk.record(OUTCOMES)
    walk.reply(0, "election", "Resign", state="needs_confirmation")
    walk.reply(1, "decline")
    walk.reply(1, "acknowledge", late_min=5)
    walk.reply(5, "unclear", state="with_person", case="unclear")
    walk.reply(5, "unclear", state="with_person", case="unclear", late_min=9)
    walk.reply(1, "question", state="with_person", case="question", late_min=70)
    figures = walk.figures()
    assert figures.answers == {"acknowledge": 1}
    assert (figures.needs_confirmation, figures.answers_waiting) == (1, 1)
    assert figures.without_answer == 12
    assert figures.cases == {"unclear": 2, "question": 1}
    assert figures.replies == {"reply": 6}


def test_replies_over_time_are_all_replies_in_few_buckets(walk: Walk) -> None:
    walk.expand()
    for minutes in (0, 1, 59, 60 * 24 * 9):
        walk.reply(0, "decline", late_min=minutes)
    buckets = walk.figures().replies_over_time
    assert sum(bucket.count for bucket in buckets) == 4
    assert [bucket.count for bucket in buckets] == [3, 1]
    width = buckets[1].start - buckets[0].start
    assert buckets[0].start <= walk.now
    assert timedelta(days=8) < width <= timedelta(days=9)


def test_a_stop_is_named_as_what_holds_the_notice(walk: Walk) -> None:
    from postmuster.control.actions import set_stop
    from postmuster.control.states import Cause, Lane

    set_stop(
        notice_no=walk.notice_no,
        component_path=RIVERS,
        lane=Lane.BULK,
        cause=Cause.PAUSE,
        reason="looking",
        actor="officer:3 by shell",
        now=walk.now,
    )
    (held,) = walk.figures().held_by
    assert RIVERS in held
    assert "pause" in held


def test_a_notice_that_was_not_released_has_an_empty_audience(walk: Walk, officers: Any) -> None:
    from postmuster.access.queries import acting
    from postmuster.notices import actions as notices
    from postmuster.reports.queries import notice_figures

    content, toml, bodies = offer_files()
    drafted = notices.draft(content, toml, bodies, notice_no=None, actor=acting(officers.ada), now=walk.now)
    figures = notice_figures(drafted, now=walk.now)
    assert (figures.state, figures.audience, figures.round) == ("draft", 0, 0)
    with pytest.raises(Refused, match="no round 2"):
        walk.figures(round_no=2)
    with pytest.raises(Refused, match="no notice n99999"):
        notice_figures(99999, now=walk.now)


@pytest.mark.parametrize("state", [State.PENDING, State.RELAYED, State.DELIVERED])
def test_people_with_nothing_against_their_delivery_are_listed_nowhere(walk: Walk, state: State) -> None:
    walk.expand()
    with pytest.raises(Refused, match="listed nowhere"):
        walk.listed(state)
    with pytest.raises(Refused, match="listed nowhere"):
        walk.listed(State.FAILED, state)


def test_deliveries_are_listed_by_roster_id_in_order(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    from postmuster.reports import queries

    monkeypatch.setattr(queries, "PAGE_ROWS", 2)
    walk.expand()
    walk.record(OUTCOMES)
    rows = walk.listed(State.WITHHELD, State.FAILED, State.IN_DOUBT)
    assert [row.seq for row in rows] == sorted(row.seq for row in rows)
    assert {(row.person_id, row.state, row.reason) for row in rows if row.state is State.WITHHELD} == {
        ("E2", State.WITHHELD, "employment_class"),
        ("E9", State.WITHHELD, "no_mail_access"),
        ("E10", State.WITHHELD, "employment_class"),
    }
    (failed,) = [row for row in rows if row.state is State.FAILED]
    assert (failed.status, failed.reason, failed.component, failed.since) == (
        "5.1.1",
        "unknown_user",
        BRIDGES,
        walk.now,
    )
    assert len(rows) == 5


def test_a_person_sees_what_was_sent_and_where_their_answer_stands(walk: Walk) -> None:
    from postmuster.reports.queries import person_figures

    walk.expand()
    walk.record(OUTCOMES)
    walk.reply(0, "election", "Resign", state="needs_confirmation")
    finn = person_figures(walk.person_id(0))
    assert (finn.component, finn.employment_class, finn.status) == (BRIDGES, "employee", "active")
    (delivery,) = finn.deliveries
    assert (delivery.notice_id, delivery.round, delivery.state) == (f"n{walk.notice_no}", 1, State.RELAYED)
    assert (delivery.answer, delivery.answer_state) == ("election:Resign", "needs_confirmation")
    assert delivery.title.startswith("A voluntary offer")
    (waiting,) = person_figures(walk.person_id(11)).deliveries
    assert (waiting.state, waiting.since, waiting.answer) == (State.PENDING, None, "")
    assert finn.disclosures is None
    with pytest.raises(Refused, match="No version of the roster"):
        person_figures("nobody")


def test_a_person_who_left_is_still_found(walk: Walk, tmp_path: Path) -> None:
    from postmuster.reports.queries import person_figures
    from postmuster.roster.actions import load_feed

    walk.expand()
    file = write(tmp_path / "later.csv", people(7, BRIDGES, first=9).values())
    rejects = tmp_path / "later.rejects.csv"
    load_feed(file, actor="officer:1 by shell", now=walk.now, rejects=rejects, allow_shrink=("/", RIVERS))
    assert person_figures("E1").component == RIVERS
    assert len(person_figures("E1").deliveries) == 1
    assert {part.path: part.audience for part in walk.figures().by_component} == {RIVERS: 8, BRIDGES: 7}


def test_the_organisations_report_balances_and_makes_a_page(walk: Walk) -> None:
    from postmuster.reports.queries import organisation_report

    walk.expand()
    walk.record(OUTCOMES)
    report = organisation_report(now=walk.now, organisation="The Agencies")
    assert report.balances
    assert [(check.left, check.right) for check in report.checks] == [(15, 15), (15, 15), (8, 8)]
    assert (report.people_counted, report.unread, report.unmatched) == (15, 0, {})
    assert "A voluntary offer to leave service" in write_page(report)
    assert organisation_report(now=walk.now, people_counted=14).people_counted == 14


def test_without_any_notice_there_is_an_empty_report(database: Any, now: datetime) -> None:
    from postmuster.reports.queries import organisation_report

    report = organisation_report(now=now)
    assert (report.notices, report.people_counted, report.balances) == ((), 0, False)


def stop(notice_no: int, now: datetime) -> datetime:
    """Stop a notice for everyone; returns when that was committed."""
    from postmuster.control import actions, queries
    from postmuster.control.states import Cause, Lane

    actions.set_stop(
        notice_no=notice_no, component_path="", lane=Lane.BULK, cause=Cause.STOP, reason="x", actor="shell", now=now
    )
    newest = queries.newest_stop(notice_no)
    assert newest is not None
    return newest.committed_at


def lift(notice_no: int, now: datetime) -> None:
    from postmuster.control import actions
    from postmuster.control.states import Cause

    actions.lift(notice_no=notice_no, component_path="", cause=Cause.STOP, reason="x", actor="shell", now=now)


def halted(walk: Walk, generation: int, taken_at: datetime) -> None:
    from postmuster.outbound import actions as outbound

    outbound.record_halt(walk.of, generation, taken_at=taken_at.timestamp())


def test_a_stop_says_when_the_relay_took_its_last_message_and_what_left_it(walk: Walk) -> None:
    from postmuster.control import actions, queries
    from postmuster.control.actions import LeftRelay

    walk.expand()
    assert walk.figures().time_to_stop is None
    before = queries.generation()
    committed = stop(walk.notice_no, walk.now)
    assert walk.figures().time_to_stop == TimeToStop(0.0, None, None)  # nobody was sending
    for late_ms in (-300, 120, 250):
        halted(walk, before, committed + timedelta(milliseconds=late_ms))
    assert walk.figures().time_to_stop == TimeToStop(0.25, None, None)
    newest = queries.newest_stop(walk.notice_no)
    assert newest is not None
    actions.note_relay(
        notice_no=walk.notice_no,
        messages=9,
        released=False,
        how="postfix",
        actor="shell",
        now=walk.now,
        left=LeftRelay(newest.stop_no, 4, 0.8),
    )
    assert walk.figures().time_to_stop == TimeToStop(0.25, 0.8, 4)


def test_what_is_sent_after_a_stop_was_lifted_is_not_its_slowness(walk: Walk) -> None:
    from postmuster.control import queries

    walk.expand()
    before = queries.generation()
    committed = stop(walk.notice_no, walk.now)
    halted(walk, before, committed + timedelta(milliseconds=40))
    lift(walk.notice_no, walk.now)
    halted(walk, queries.generation(), committed + timedelta(minutes=10))
    assert walk.figures().time_to_stop == TimeToStop(0.04, None, None)
