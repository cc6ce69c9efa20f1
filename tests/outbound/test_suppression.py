"""Whom nobody writes to any more: who is suppressed, who never is, how it is explained, lifted, and ends by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from postmuster.access.queries import acting
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.control import actions as control
from postmuster.control.states import Cause, Lane
from postmuster.outbound import actions as book
from postmuster.outbound import health, suppression
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.suppression import SETTLE_MINUTES, SuppressionReason, SuppressionState
from postmuster.outbound.values import Evidence, RoundRef, Settlement
from postmuster.replies import health as replies

if TYPE_CHECKING:
    from conftest import Database, Officers

SETTLED = timedelta(minutes=SETTLE_MINUTES)
DOMAIN = "rivers.agency.example"


@dataclass
class House:
    """People in a roster, and rounds whose copies were all handed over."""

    now: datetime
    notices: int = 0

    def people(self, count: int, domain: str = DOMAIN) -> None:
        """Further people; their number is their row."""
        sql.execute(
            "WITH p AS (INSERT INTO roster_person (person_id) SELECT 'E' || n FROM generate_series("
            "  (SELECT count(*) + 1 FROM roster_person), (SELECT count(*) FROM roster_person) + %(count)s) AS n RETURNING id) "
            "INSERT INTO roster_entry (person_no, since, local_part, domain, address_key, name, component_no, employment_class, "
            "  manager_id, time_zone, language, status) "
            "SELECT id, 1, 'person.' || id, %(domain)s, 'person.' || id || '@' || %(domain)s, 'P', 1, 'employee', '', 'UTC', "
            "  'en', 'active' FROM p",
            {"count": count, "domain": domain},
        )

    def new_version(self) -> int:
        return int(
            sql.value(
                'INSERT INTO roster_version (loaded_at, loaded_by, source_digest, people, joined, "left", moved, changed, '
                "rejected, kept) VALUES (%s, '', '', 0, 0, 0, 0, 0, 0, 0) RETURNING id",
                (self.now,),
            )
        )

    def new_address(self, person_no: int, local_part: str) -> None:
        version = self.new_version()
        sql.execute("UPDATE roster_entry SET until = %s WHERE person_no = %s AND until IS NULL", (version, person_no))
        sql.execute(
            "INSERT INTO roster_entry (person_no, since, local_part, domain, address_key, name, component_no, "
            "employment_class, manager_id, time_zone, language, status) VALUES "
            "(%s, %s, %s, %s, %s, 'P', 1, 'employee', '', 'UTC', 'en', 'active')",
            (person_no, version, local_part, DOMAIN, f"{local_part}@{DOMAIN}"),
        )

    def round(self) -> RoundRef:
        """A notice whose copies to everybody the relay took."""
        self.notices += 1
        version = int(sql.value("SELECT max(id) FROM roster_version"))
        notice_no = int(
            sql.value(
                "INSERT INTO notices_notice (kind, state, drafted_by_id, drafted_at) VALUES ('test', 'released', 1, %s) "
                "RETURNING id",
                (self.now,),
            )
        )
        sql.execute(
            "WITH r AS (INSERT INTO notices_revision (notice_id, number, toml, bodies, digest, edited_by_id, edited_at) "
            "  VALUES (%(no)s, 1, '', '{}', '', 1, %(now)s) RETURNING id) "
            "INSERT INTO notices_round (notice_id, number, revision_id, assessment_no, roster_version, state, audience, "
            '  released_by, released_at, "to", open_wave) '
            "SELECT %(no)s, 1, id, 1, %(version)s, 'sending', 0, '', %(now)s, 'everyone', 0 FROM r",
            {"no": notice_no, "now": self.now, "version": version},
        )
        of = RoundRef(notice_no, 1, version)
        sql.execute(
            "INSERT INTO outbound_audience (notice_no, round_no, seq, person_no, component_no) "
            "SELECT %(notice_no)s, %(round_no)s, person_no, person_no, 1 FROM roster_entry "
            "WHERE since <= %(version)s AND (until IS NULL OR until > %(version)s)",
            of.key,
        )
        seqs = [int(row[0]) for row in sql.rows("SELECT seq FROM outbound_audience WHERE notice_no = %s", (notice_no,))]
        self._settle(of, [Settlement(seq, 1, DeliveryState.RELAYED, "", "2.0.0", 250) for seq in seqs])
        return of

    def report(
        self, of: RoundRef, seq: int, reason: str, status: str, state: DeliveryState = DeliveryState.FAILED
    ) -> None:
        """What a status report says of a copy."""
        book.settle_by_evidence([Evidence(of.notice_no, of.round_no, seq, state, reason, status)], self.now)

    def refuse(self, of: RoundRef, seq: int, reason: str, status: str) -> None:
        """What the relay says in the session: a copy of a person who has no row yet."""
        sql.execute("INSERT INTO outbound_audience VALUES (%s, %s, %s, %s, 1)", (of.notice_no, of.round_no, seq, seq))
        self._settle(of, [Settlement(seq, 1, DeliveryState.FAILED, reason, status, 550)])

    def _settle(self, of: RoundRef, rows: list[Settlement]) -> None:
        book.record_outcomes(of, rows, first_retry_s=300, now=self.now)

    def suppress(self) -> list[str]:
        """Look at the failures that are old enough, whenever somebody last did."""
        span = suppression.ready(self.now, every_s=0)
        assert span is not None
        reasons = suppression.suppress_by_failures(span, now=self.now)
        reasons += replies.suppress_by_replies(until=span.until, now=self.now)
        suppression.done(span, reasons, now=self.now)
        return reasons

    def pass_time(self, by: timedelta = SETTLED) -> None:
        self.now += by

    def spared(self, of: RoundRef) -> set[int]:
        suppression.spare_suppressed(of)
        rows = sql.rows("SELECT person_no, reason FROM outbound_spared WHERE notice_no = %s", (of.notice_no,))
        assert {reason for _, reason in rows} <= {suppression.SPARED}
        return {int(person) for person, _ in rows}


@pytest.fixture
def house(database: Database, officers: Officers, now: datetime) -> House:
    made = House(now)
    made.new_version()
    sql.execute("INSERT INTO roster_component (path) VALUES ('Agency')")
    made.people(5)
    return made


@pytest.mark.parametrize(
    ("reason", "status", "suppressed"),
    [
        ("unknown_user", "5.1.1", "unknown_user"),
        ("unknown_user", "", "unknown_user"),
        ("disabled", "5.2.1", "disabled"),
        ("moved", "5.1.6", "reassigned"),
        ("moved", "5.0.0", "moved"),
        ("policy", "5.7.17", "reassigned"),
        ("other", "5.7.18", "reassigned"),
        ("unknown_user", "4.1.1", None),
        ("mailbox_full", "5.2.2", None),
        ("policy", "5.7.1", None),
        ("spam", "5.7.1", None),
        ("host", "5.1.2", None),
        ("expired", "4.4.7", None),
        ("other", "5.0.0", None),
    ],
)
def test_only_a_permanent_failure_that_says_something_of_the_address_suppresses(
    house: House, reason: str, status: str, suppressed: str | None
) -> None:
    of = house.round()
    house.report(of, 2, reason, status)
    house.pass_time()
    assert house.suppress() == ([suppressed] if suppressed else [])


def test_a_refusal_in_the_session_and_a_report_are_one(house: House) -> None:
    of = house.round()
    house.people(1)
    house.refuse(of, 6, "unknown_user", "5.1.1")
    house.report(of, 2, "unknown_user", "5.1.1")
    house.pass_time()
    assert house.suppress() == ["unknown_user", "unknown_user"]
    assert house.spared(RoundRef(9, 1, 1)) == {2, 6}


def test_a_delay_is_never_a_failure(house: House) -> None:
    of = house.round()
    house.report(of, 2, "unknown_user", "4.1.1", DeliveryState.DEFERRED)
    house.pass_time(timedelta(days=30))
    assert house.suppress() == []


def test_a_failure_is_looked_at_when_it_has_settled_and_not_before(house: House) -> None:
    of = house.round()
    house.report(of, 2, "unknown_user", "5.1.1")
    house.pass_time(SETTLED - timedelta(seconds=1))
    assert house.suppress() == []
    house.pass_time(timedelta(seconds=1))
    assert house.suppress() == ["unknown_user"]
    assert house.suppress() == []


def test_a_copy_that_arrived_after_all_suppresses_nobody(house: House) -> None:
    of = house.round()
    house.report(of, 2, "unknown_user", "5.1.1")
    house.report(of, 2, "reply", "", DeliveryState.DELIVERED)
    house.pass_time()
    assert house.suppress() == []


def test_a_second_failure_of_the_same_person_says_nothing_new(house: House) -> None:
    first, second = house.round(), house.round()
    house.report(first, 2, "unknown_user", "5.1.1")
    house.report(second, 2, "unknown_user", "5.1.1")
    house.pass_time()
    assert house.suppress() == ["unknown_user"]


def test_a_suppression_is_explained_and_holds_no_address(house: House) -> None:
    of = house.round()
    house.report(of, 2, "unknown_user", "5.1.1")
    house.pass_time()
    house.suppress()
    [one] = suppression.suppressions(person_no=2)
    assert (one.person_id, one.reason, one.state) == ("E2", SuppressionReason.UNKNOWN_USER, SuppressionState.STANDING)
    assert one.evidence == f"delivery 2 of n{of.notice_no}, round 1, status 5.1.1"
    assert one.at == house.now
    stored = sql.value("SELECT s::text || encode(address_digest, 'escape') FROM outbound_suppression s")
    assert "person.2" not in stored
    assert suppression.standing_by_reason() == {"unknown_user": 1}
    facts = sql.value("SELECT facts::text FROM ledger_entry WHERE kind = 'people suppressed'")
    assert facts == '{"unknown_user": 1}'


def test_another_address_in_the_roster_ends_a_suppression_and_the_old_one_back_begins_it_again(house: House) -> None:
    of = house.round()
    house.report(of, 2, "moved", "5.1.6")
    house.pass_time()
    house.suppress()
    assert suppression.never_again([1, 2]) == {2}
    house.new_address(2, "new.name")
    assert [one.state for one in suppression.suppressions(person_no=2, standing=False)] == [SuppressionState.ENDED]
    assert suppression.suppressions() == []
    assert suppression.never_again([1, 2]) == frozenset()
    assert house.spared(RoundRef(8, 1, 2)) == set()
    house.new_address(2, "person.2")
    assert house.spared(RoundRef(9, 1, 3)) == {2}


def test_a_lift_has_a_reason_adds_a_row_and_the_same_evidence_counts_no_more(house: House, officers: Officers) -> None:
    first, second = house.round(), house.round()
    house.report(first, 2, "unknown_user", "5.1.1")
    house.report(second, 2, "unknown_user", "5.1.1")
    house.pass_time()
    house.suppress()
    with pytest.raises(Refused, match="needs a reason"):
        suppression.lift(2, reason=" ", actor=acting(officers.ben), now=house.now)
    [lifted] = suppression.lift(2, reason="the server is mended", actor=acting(officers.ben), now=house.now)
    assert lifted.person_id == "E2"
    assert house.suppress() == []
    assert house.spared(RoundRef(9, 1, 1)) == set()
    [one] = suppression.suppressions(person_no=2, standing=False)
    assert (one.state, one.lifted_because) == (SuppressionState.LIFTED, "the server is mended")
    assert one.lifted_by == acting(officers.ben).mark
    with pytest.raises(Refused, match="No suppression"):
        suppression.lift(2, reason="again", actor=acting(officers.ben), now=house.now)
    house.pass_time(timedelta(seconds=1))
    third = house.round()
    house.report(third, 2, "unknown_user", "5.1.1")
    house.pass_time()
    assert house.suppress() == ["unknown_user"]


def test_a_reassigned_address_cannot_be_lifted(house: House, officers: Officers) -> None:
    of = house.round()
    house.report(of, 2, "policy", "5.7.17")
    house.pass_time()
    house.suppress()
    with pytest.raises(Refused, match="somebody else"):
        suppression.lift(2, reason="they say so", actor=acting(officers.ben), now=house.now)
    assert house.spared(RoundRef(9, 1, 1)) == {2}


def test_rows_are_only_added(house: House, database: Database) -> None:
    of = house.round()
    house.report(of, 2, "unknown_user", "5.1.1")
    house.pass_time()
    house.suppress()
    owner = database.connect("owner")
    for statement in ("UPDATE outbound_suppression SET reason = ''", "DELETE FROM outbound_suppression"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)


# ---- what people said


def _reply(house: House, of: RoundRef, seq: int, kind: str) -> int:
    return int(
        sql.value(
            "INSERT INTO replies_reply (mail_no, item_no, kind, subkind, notice_no, round_no, seq, person_no, component_no, "
            "matched_by, reason, grade, language, late, accepted_at, digested_at) VALUES "
            "((SELECT count(*) FROM replies_reply), 1, %(kind)s, '', %(n)s, %(r)s, %(seq)s, %(seq)s, 1, 'verp', '', '', '', "
            "false, %(now)s, %(now)s) RETURNING id",
            {"kind": kind, "n": of.notice_no, "r": of.round_no, "seq": seq, "now": house.now},
        )
    )


def _case(house: House, reply_no: int, decision: str) -> None:
    state, decided = ("decided", house.now) if decision else ("open", None)
    sql.execute(
        "INSERT INTO replies_case (reply_id, reason, state, opened_at, decided_at, decided_by, decision) "
        "VALUES (%s, 'not_mine', %s, %s, %s, '', %s)",
        (reply_no, state, house.now, decided, decision),
    )


def test_a_complaint_suppresses_whoever_complained_and_can_be_lifted(house: House, officers: Officers) -> None:
    of = house.round()
    reply_no = _reply(house, of, 3, "complaint")
    _reply(house, of, 3, "complaint")
    assert house.suppress() == []
    house.pass_time()
    assert house.suppress() == ["complaint"]
    [one] = suppression.suppressions()
    assert one.evidence == f"reply r{reply_no} to n{of.notice_no}, round 1"
    suppression.lift(3, reason="a mistake", actor=acting(officers.ben), now=house.now)
    assert house.suppress() == []


@pytest.mark.parametrize(
    ("decision", "suppressed"), [("", []), ("answered", []), ("not-ours", ["not_in_organisation"])]
)
def test_not_mine_suppresses_only_when_an_officer_confirmed_it(
    house: House, decision: str, suppressed: list[str]
) -> None:
    of = house.round()
    _case(house, _reply(house, of, 4, "reply"), decision)
    house.pass_time()
    assert house.suppress() == suppressed


# ---- a mass bounce is an incident


def _hold(house: House, of: RoundRef) -> int:
    return control.set_stop(
        notice_no=of.notice_no,
        component_path="",
        lane=Lane.BULK,
        cause=Cause.HOLD,
        kind="incident",
        reason="mass bounce",
        actor="worker",
        now=house.now,
    )


def _resume(house: House, of: RoundRef) -> None:
    control.lift(
        notice_no=of.notice_no, component_path="", cause=Cause.HOLD, reason="mended", actor="officer:2", now=house.now
    )


def _open(house: House, of: RoundRef) -> list[health.Sick]:
    found = health.sick_domains(of, health.failures_by_domain(of))
    for sick in found:
        incident = health.open_incident(of, sick, stop_no=_hold(house, of), now=house.now)
        suppression.lift_for_incident(of, sick.domain, incident, now=house.now)
    return found


@pytest.fixture
def large(house: House) -> House:
    """Sixty people in the domain, and sixty in another."""
    house.people(55)
    house.people(60, "lakes.agency.example")
    return house


def test_failures_of_a_mass_bounce_suppress_nobody_and_those_of_other_domains_do(large: House) -> None:
    of = large.round()
    large.report(of, 1, "unknown_user", "5.1.1")
    large.pass_time()
    assert large.suppress() == ["unknown_user"]  # before anybody could see what was coming
    for seq in range(2, 32):
        large.report(of, seq, "unknown_user", "5.1.1")
    large.report(of, 100, "unknown_user", "5.1.1")
    [sick] = _open(large, of)
    assert (sick.domain, sick.failed, sick.handed) == (DOMAIN, 31, 60)
    assert "31 permanent failures are 51.7 % of 60 copies" in sick.sentence()
    large.pass_time()
    assert large.suppress() == ["unknown_user"]
    assert large.spared(RoundRef(9, 1, 1)) == {100}
    [before] = suppression.suppressions(person_no=1, standing=False)
    assert before.lifted_because == "incident 1: mass bounce of the domain"


def test_an_incident_closes_with_its_hold_and_what_was_accepted_opens_no_other(large: House) -> None:
    of = large.round()
    for seq in range(1, 31):
        large.report(of, seq, "policy", "5.7.1")
    assert len(_open(large, of)) == 1
    assert _open(large, of) == []  # it stands
    _resume(large, of)
    assert _open(large, of) == []
    [one] = health.incidents(notice_no=of.notice_no)
    assert (one.domain, one.failed, one.handed, one.closed_by) == (DOMAIN, 30, 60, "officer:2")
    for seq in range(31, 50):
        large.report(of, seq, "policy", "5.7.1")
    assert _open(large, of) == []  # nineteen anew
    large.report(of, 50, "policy", "5.7.1")
    assert [sick.failed for sick in _open(large, of)] == [20]


def test_failures_before_an_incident_was_closed_never_suppress_and_later_ones_do(large: House) -> None:
    of = large.round()
    for seq in range(1, 31):
        large.report(of, seq, "unknown_user", "5.1.1")
    _open(large, of)
    large.pass_time()
    _resume(large, of)
    large.pass_time(timedelta(minutes=1))
    large.report(of, 40, "unknown_user", "5.1.1")
    large.pass_time()
    assert large.suppress() == ["unknown_user"]
    assert large.spared(RoundRef(9, 1, 1)) == {40}


@pytest.mark.parametrize(("failed", "found"), [(19, 0), (20, 1)])
def test_a_mass_bounce_needs_a_least_count(large: House, failed: int, found: int) -> None:
    of = large.round()
    for seq in range(1, failed + 1):
        large.report(of, seq, "other", "5.0.0")
    assert len(_open(large, of)) == found


def test_a_share_that_is_usual_is_no_mass_bounce_however_many_they_are(large: House) -> None:
    large.people(70)
    of = large.round()
    sql.execute("UPDATE roster_entry SET domain = 'one.example'")
    for seq in range(1, 39):  # of 190: exactly one in five
        large.report(of, seq, "unknown_user", "5.1.1")
    assert _open(large, of) == []
    large.report(of, 39, "unknown_user", "5.1.1")
    assert [sick.domain for sick in _open(large, of)] == ["one.example"]
