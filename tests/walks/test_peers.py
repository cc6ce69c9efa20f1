"""What the users of other mailing software suffer has its cure here, and a test that breaks when the cure does.

Rows are those of our list of complaints; each names where it was reported (project and number of the report or change).

| row | the pain, and where it was reported | tests |
| --- | --- | --- |
| 1 | the checkpoint moves at the fetch, and a crash skips everyone fetched (listmonk 3022, 3222) | below; `test_sending.py::test_a_sender_killed_before_it_handed_anything_over_costs_nothing`, `test_sending.py::test_a_sender_killed_after_it_was_allowed_a_window_leaves_that_window_in_doubt`, `test_crew.py::test_workers_killed_while_they_send_lose_nobody_and_double_nothing` |
| 2 | resuming starts again from the top (listmonk 2313, 2070) | below; `test_sending.py::test_after_a_stop_at_most_one_window_leaves` |
| 3 | "finished" before all were sent (listmonk 2278, 1931) | below; `test_sending.py::test_a_batch_handed_over_whole_is_done_after_its_rescue`, `test_notice.py::test_a_round_is_expanded_and_settled_once_whoever_else_tries` |
| 4 | who received it is not known, a row a person being too much (listmonk 934, 1198, 2185, 1705) | below |
| 5 | no second instance on one database (listmonk 2052) | below; `test_namespaces.py::test_a_machine_unplugged_in_mid_window_loses_nobody_and_changes_nothing_it_no_longer_holds` |
| 6 | a restored snapshot sends an old campaign again (listmonk 1801) | `test_hours.py::test_row_6_a_restored_snapshot_sends_no_old_round`, `../runtime/test_identity.py::test_a_dump_restored_into_a_new_database_is_held`, `../runtime/test_identity.py::test_rows_restored_into_the_same_database_are_held`, `../runtime/test_identity.py::test_a_copied_folder_and_an_older_backup_put_back_are_held` |
| 7 | a sleeping sender does not see a pause for up to an hour (listmonk 1762, 1917) | below; `../control/test_watch.py::test_a_change_is_seen_within_two_tenths_and_told_once`, `test_sending.py::test_a_pause_while_mail_goes_out_lets_the_others_go_on` |
| 8 | no hours and weekdays in a time zone (listmonk 3117, 2681) | `test_hours.py::test_row_8_who_sleeps_is_written_to_in_their_own_morning`, `test_hours.py::test_row_8_nothing_is_due_while_all_who_are_left_sleep`, `test_hours.py::test_row_8_an_urgent_notice_with_a_reason_goes_at_once`, `../notices/test_hours.py::test_quiet_zones_are_those_in_which_it_is_quiet` |
| 16 | the same mail twice when two schedulers overlap (mautic 9880, 2215, 11763) | below; `test_again.py::test_of_two_officers_at_once_one_begins_a_round`, `test_again.py::test_a_first_release_that_two_officers_ask_for_happens_once` |
| 17 | one thread, or shards handed out by hand (mautic 3358, 6777, 11549) | below |
| 18 | a copy of the body for each recipient (mautic 8261, 7763, 857) | below |
| 19 | pages count live over tables of statistics (mautic 9634, 2449, 1671) | below; `test_notice.py::test_folding_the_counters_changes_no_figure` |
| 20 | the same batch for ever, or a queue that silently never starts (mautic 3560, 10400) | `test_sending.py::test_one_address_the_relay_cannot_bear_does_not_hold_up_the_others`, `test_ramp.py::test_a_round_with_something_due_and_no_change_is_an_alarm_with_its_reason`, `test_watchdog.py::test_what_is_due_and_stands_still_is_an_alarm_that_names_what_to_do` |
| 36 | bulk delays everyone else's mail (cds-snc/notification-api 1262) | below |
| 37 | statuses vanish after days, and there is no bulk status (bcgov/entity 19081, cds-snc/notification-api 1582) | below; `../reports/test_terminal.py::test_the_csv_says_of_each_row_what_the_json_says` |
| 38 | a restart floods old recipients (bcgov/entity 2253) | `test_hours.py::test_row_38_a_restart_after_a_week_floods_nobody`, `test_hours.py::test_a_moment_of_its_own_comes_before_that_of_the_settings` |
| 39 | one gateway cannot be slowed down for (postal 310, 697, 495) | below; `../outbound/test_in_relay.py::test_a_stated_rate_is_kept_by_all_together`, `test_sending.py::test_a_pause_of_a_component_holds_its_subtree_and_nobody_else`, `test_ramp.py::test_a_mass_bounce_in_one_domain_holds_the_round_names_it_and_suppresses_nobody` |
"""  # noqa: E501 - a table has no lines to break

from __future__ import annotations

import csv
import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Final

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from tests.roster import sample

from postmuster.access.queries import acting
from postmuster.access.roles import Role
from postmuster.assessments.actions import publish
from postmuster.assessments.document import AssessmentDocument, read_assessment
from postmuster.base import sql
from postmuster.control.states import Cause
from postmuster.jobs import notice
from postmuster.jobs.notice import ref_of
from postmuster.notices.terms import DoubtPolicy, InDoubt
from postmuster.outbound import actions as outbound
from postmuster.outbound import queries as book
from postmuster.outbound.pace import MAX_WINDOW, Pace
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.values import RoundRef, Settlement, Taken
from postmuster.reports import queries as reports
from postmuster.roster.actions import load_feed
from postmuster.runtime import roles
from postmuster.runtime.postgres import Server

from .conftest import publish_assessments
from .muster import WAIT_S, Muster
from .relay import LittleRelay, Moment

HERE: Final = Path(__file__).parent
ROWS: Final = {*range(1, 9), *range(16, 21), *range(36, 40)}
MANY: Final = 4_000  # people, so that the fixed part of a table is a small one
OCTETS_A_PERSON: Final = 220
AT_ONCE: Final = InDoubt(DoubtPolicy.RESEND, 0)


def test_each_row_has_tests_and_each_test_that_is_named_is_there() -> None:
    table = {int(row[1]): row[2] for row in re.finditer(r"^\| (\d+) \|.*\| ([^|]+) \|$", __doc__ or "", re.MULTILINE)}
    assert set(table) == ROWS
    own = (HERE / "test_peers.py").read_text(encoding="utf-8")
    for row, named in table.items():
        for file, name in re.findall(r"`([\w./]+)::(\w+)`", named):
            assert f"\ndef {name}(" in (HERE / file).read_text(encoding="utf-8"), f"row {row}: {file} has no {name}"
        assert "below" not in named or f"Row {row}: " in own


# ---- 1, 2, 3: everybody, once, and finished when they are


def test_a_crash_after_the_fetch_skips_nobody(muster: Muster, relay: LittleRelay) -> None:
    """Row 1: listmonk 3022."""
    of = muster.begin()
    fetched = outbound.claim_batch(of, 0)  # and never heard of again
    assert fetched is not None
    people = [one.seq for one in book.batch_recipients(of, fetched).people]
    muster.upkeep()
    muster.send(of, desk=muster.through(relay))
    muster.upkeep()
    assert {muster.state(of, seq) for seq in people} == {"relayed"}
    assert muster.round(of.notice_no).state == "settled"
    muster.each_once(of, relay)


def test_resuming_starts_from_nobody_again(muster: Muster, relay: LittleRelay) -> None:
    """Row 2: listmonk 2313, 2070."""
    of = muster.begin()
    desk = muster.through(relay)
    for size in (5, 11, 23, 40):
        relay.rule = _when(relay, size, lambda: muster.stop(notice_no=of.notice_no))
        muster.send(of, desk=desk)
        taken = relay.copies()
        assert muster.send(of, desk=desk) == 0
        assert relay.copies() == taken
        muster.lift(notice_no=of.notice_no)
    relay.rule = lambda _: None
    muster.send(of, desk=desk)
    muster.each_once(of, relay)


def test_finished_means_everybody_has_a_state(muster: Muster, relay: LittleRelay) -> None:
    """Row 3: listmonk 2278, 1931."""
    of = muster.begin()
    desk = muster.through(relay)
    muster.stop(notice_no=of.notice_no, path="Agency of Seeds", cause=Cause.PAUSE)
    muster.send(of, desk=desk)
    muster.upkeep()
    assert muster.round(of.notice_no).state == "sending"  # the queue is empty, the paused are not written to
    muster.lift(notice_no=of.notice_no, path="Agency of Seeds", cause=Cause.PAUSE)
    relay.rule = lambda moment: "450 4.7.1 Later" if moment.stage == "RCPT" and moment.times == 1 else None
    muster.send(of, desk=desk)
    muster.upkeep()
    assert "pending" not in muster.balance(of)
    assert muster.round(of.notice_no).state == "sending"  # some are still to be tried again
    muster.clock.advance(timedelta(minutes=6))
    muster.send(of, desk=desk)
    muster.upkeep()
    assert muster.round(of.notice_no).state == "settled"
    assert set(muster.balance(of)) == {"relayed", "withheld"}


# ---- 4, 18, 19: the book


@pytest.fixture
def large(stage: Muster, server: Server) -> RoundRef:
    """A round of thousands that the relay has taken, as the sender writes it down; its tables were never used before."""
    with psycopg.connect(**server.parameters(roles.DATABASE)) as admin:
        admin.execute("TRUNCATE outbound_delivery, outbound_batch")
    people = sample.people(MANY, "Agency of Rivers")
    file = sample.write(stage.folder / "people.csv", people.values())
    load_feed(file, actor=acting("ove").mark, now=stage.clock.now(), rejects=stage.folder / "rejects.csv")
    publish_assessments(stage)
    stage.desk = stage.desk_with(work_batch_rows=500)
    of = stage.release(stage.draft(change=_to_rivers))
    notice.expand(of.notice_no, of.round_no, desk=stage.desk)
    of = ref_of(stage.round(of.notice_no))
    while (batch := outbound.claim_batch(of, 60)) is not None:
        seqs = tuple(range(batch.first_seq, batch.last_seq + 1))
        taken = Taken(batch.component_no, "2.0.0", 250, seqs)
        assert outbound.advance(of, batch, taken, through_seq=batch.last_seq, lease_s=60, now=stage.desk.now)
        outbound.finish_batch(batch)
    stage.upkeep()
    return of


def test_who_received_it_is_one_row_a_person(large: RoundRef, stage: Muster) -> None:
    """Row 4: listmonk 934, 1198, 2185, 1705. The rows are small enough to be kept."""
    assert stage.balance(large) == {"relayed": MANY}
    assert sql.value("SELECT count(DISTINCT seq) FROM outbound_delivery") == MANY
    octets = int(
        sql.value(
            "SELECT sum(pg_total_relation_size(part)) FROM (SELECT 'outbound_delivery'::regclass UNION ALL "
            "SELECT 'outbound_batch' UNION ALL SELECT inhrelid FROM pg_inherits "
            "WHERE inhparent IN ('outbound_delivery'::regclass, 'outbound_batch'::regclass)) AS parts(part)"
        )
    )
    assert octets / MANY <= OCTETS_A_PERSON


def test_no_table_holds_a_body_for_each_recipient(large: RoundRef) -> None:
    """Row 18: mautic 8261, 7763, 857. The words stand in the revision, once; a delivery has a number for them."""
    words = "we are testing whether mail from this office reaches everyone"
    tables = [str(row[0]) for row in sql.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    holding = {
        table: int(sql.value(f"SELECT count(*) FROM {table} AS t WHERE t::text LIKE %s", (f"%{words}%",)))
        for table in tables
        if table.split("_")[0] in ("notices", "outbound", "procrastinate")
        and sql.value("SELECT has_table_privilege(%s, 'SELECT')", (table,))
    }
    assert {table for table, rows in holding.items() if rows} == {"notices_revision"}
    assert holding["notices_revision"] == 1


def test_states_are_counted_ahead_and_no_delivery_is_read_for_them(large: RoundRef) -> None:
    """Row 19: mautic 9634, 2449, 1671."""
    with CaptureQueriesContext(connection) as asked:
        assert book.states(large)[DeliveryState.RELAYED] == MANY
    assert _tables_read(asked) == {"outbound_counter", "outbound_audience"}


def test_a_live_status_reads_no_delivery(large: RoundRef, stage: Muster) -> None:
    """Row 19: mautic 9634, 2449, 1671. A status on a terminal looks again twice a second."""
    with CaptureQueriesContext(connection) as asked:
        reports.notice_figures(large.notice_no, now=stage.desk.now, breakdowns=False)
    assert "outbound_delivery" not in _tables_read(asked)


# ---- 5, 16, 17: several at once


def test_two_senders_share_one_database_and_a_round_without_shards(muster: Muster, relay: LittleRelay) -> None:
    """Row 5: listmonk 2052. Row 17: mautic 3358, 6777, 11549. Nobody says who does which part."""
    of = muster.begin()
    both = threading.Barrier(2)
    met: list[int] = []

    def meet(moment: Moment) -> str | None:
        if moment.stage == "BODY" and moment.times == 1 and not met:
            both.wait(WAIT_S)  # each has a copy of its own in hand
            met.append(1)
        return None

    relay.rule = meet
    sent = _at_once(*(lambda: muster.send(of, desk=muster.through(relay, relay_connections=1)) for _ in range(2)))
    assert min(sent) > 0
    assert set(muster.balance(of)) == {"relayed", "withheld"}
    muster.each_once(of, relay)


def test_no_round_has_to_be_handed_out_in_parts_by_hand(muster: Muster, relay: LittleRelay) -> None:
    """Row 17: mautic 3358, 6777, 11549. A sender more or less, and one that ends early, change nothing."""
    of = muster.begin()
    leaves = muster.through(relay)
    relay.rule = _when(relay, 10, leaves.leaving.set)
    muster.send(of, desk=leaves)
    assert muster.balance(of)["pending"] > 0
    others = replace(muster.through(relay), leaving=threading.Event())
    assert sum(_at_once(*(lambda: muster.send(of, desk=others) for _ in range(3)))) > 0
    muster.each_once(of, relay)


def test_two_schedulers_that_overlap_send_nobody_two_mails(muster: Muster, relay: LittleRelay) -> None:
    """Row 16: mautic 9880, 2215, 11763. Keys of the database see to it, and no discipline of a timer."""
    of = muster.release(muster.draft())
    desk = muster.through(relay)

    def everything() -> int:
        notice.expand(of.notice_no, of.round_no, desk=desk)
        muster.upkeep()
        return muster.send(of, desk=desk)

    _at_once(everything, everything)
    muster.send(of, desk=desk)
    muster.each_once(of, relay)
    assert sql.rows("SELECT FROM outbound_audience GROUP BY person_no HAVING count(*) > 1") == []
    muster.upkeep()
    assert muster.round(of.notice_no).state == "settled"


def test_a_copy_whose_answer_is_written_down_just_now_is_not_put_up_for_sending_again(muster: Muster) -> None:
    """Row 16: mautic 9880. The sender's answer and the look at what is in doubt overlap."""
    of, seq, component_no = _in_doubt(muster)
    assert outbound.resend_in_doubt(of, AT_ONCE, muster.desk.now) == 1
    [copy] = outbound.claim_retries(of, limit=10, lease_s=60, now=muster.desk.now)
    put_up: list[int] = []

    def put_up_again() -> None:
        put_up.append(outbound.resend_in_doubt(of, AT_ONCE, muster.desk.now))
        connection.close()

    look = threading.Thread(target=put_up_again)
    with transaction.atomic():
        taken = Settlement(copy.seq, component_no, DeliveryState.RELAYED, "", "2.0.0", 250)
        outbound.record_outcomes(of, [taken], first_retry_s=300, now=muster.desk.now, retried=True)
        look.start()
        look.join(WAIT_S)  # it waits for nobody
    assert put_up == [0]
    assert muster.state(of, seq) == "relayed"
    assert sql.rows("SELECT seq FROM outbound_retry") == []


def test_a_copy_whose_answer_comes_before_it_is_sent_again_is_not_sent_again(muster: Muster) -> None:
    """Row 16: mautic 9880. A slow sender says late that the relay took it."""
    of, seq, component_no = _in_doubt(muster)
    assert outbound.resend_in_doubt(of, AT_ONCE, muster.desk.now) == 1
    taken = Settlement(seq, component_no, DeliveryState.RELAYED, "", "2.0.0", 250)
    outbound.record_outcomes(of, [taken], first_retry_s=300, now=muster.desk.now)
    assert outbound.claim_retries(of, limit=10, lease_s=60, now=muster.desk.now) == []
    assert sql.rows("SELECT seq FROM outbound_retry") == []  # nor does it hold up the end


# ---- 7, 36, 39: who is heard, and when


def test_a_pause_is_seen_within_a_window_however_slow_the_relay_is(muster: Muster, relay: LittleRelay) -> None:
    """Row 7: listmonk 1762, 1917. What is unanswered when the pause comes is all that leaves."""
    of = muster.begin()
    held, paused = threading.Event(), threading.Event()

    def hold(moment: Moment) -> str | None:
        if moment.stage == "BODY" and not paused.is_set():
            held.set()
            paused.wait(WAIT_S)
        return None

    relay.rule = hold
    desk = muster.through(relay, relay_connections=1)
    sender = threading.Thread(target=_at_once, args=(lambda: muster.send(of, desk=desk),))
    sender.start()
    assert held.wait(WAIT_S)
    muster.stop(notice_no=of.notice_no)
    paused.set()
    sender.join(WAIT_S)
    assert not sender.is_alive()
    assert len(relay.taken) <= 1  # with one connection the first window is one message
    assert muster.balance(of)["pending"] > 10


def test_a_rescission_overtakes_a_round_that_is_being_sent(muster: Muster, relay: LittleRelay) -> None:
    """Row 36: cds-snc/notification-api 1262."""
    of = muster.begin()
    _publish_for_rescissions(muster)
    approved = muster.draft(change=_rescission)
    urgent: list[RoundRef] = []

    def rescind() -> None:
        urgent.append(muster.release(approved))
        notice.expand(approved, 1, desk=muster.desk)

    relay.rule = _when(relay, 10, rescind)
    desk = muster.through(relay)
    muster.send(of, desk=desk)
    before = len(relay.taken)
    assert muster.balance(of)["pending"] > 10  # it made room
    [first] = muster.upkeep().send
    assert first == (urgent[0].notice_no, urgent[0].round_no)
    muster.send(urgent[0], desk=desk)
    assert "pending" not in muster.balance(urgent[0])
    between = len(relay.taken)
    assert between - before == len(muster.addressed(urgent[0]))
    assert muster.upkeep().send == ((of.notice_no, of.round_no),)
    muster.send(of, desk=desk)
    assert "pending" not in muster.balance(of)


def test_a_receipt_does_not_wait_for_a_round_that_is_being_sent(muster: Muster, relay: LittleRelay) -> None:
    """Row 36: cds-snc/notification-api 1262. Letters have a queue and connections of their own."""
    earlier = muster.reach()
    [ann] = muster.people(1)
    muster.hear(muster.reply(earlier, ann))
    of = muster.begin()
    held, receipted = threading.Event(), threading.Event()

    def hold(moment: Moment) -> str | None:
        if moment.stage == "BODY" and not held.is_set():
            held.set()
            receipted.wait(WAIT_S)
        return None

    relay.rule = hold
    bulk = threading.Thread(target=_at_once, args=(lambda: muster.send(of, desk=muster.through(relay)),))
    bulk.start()
    assert held.wait(WAIT_S)
    assert muster.send_letters(desk=muster.through(relay)) == 1
    assert [state for _, state, _ in muster.letters()] == ["relayed"]
    assert muster.states(of)["pending"] > 0
    receipted.set()
    bulk.join(WAIT_S)
    assert "pending" not in muster.balance(of)


def test_a_slow_gateway_is_given_what_it_takes_in_a_fifth_of_a_second() -> None:
    """Row 39: postal 310, 697, 495. At 50 a second it is ten; one that holds each answer back for seconds has one."""
    pace = Pace(4)
    for rate_per_s, window in ((50, 10), (5, 1), (0.2, 1), (50, 10), (1_000_000, MAX_WINDOW)):
        for _ in range(9):
            unanswered = pace.window
            pace.landed(unanswered, unanswered / rate_per_s)
        assert pace.window == window
        assert pace.room(0) <= window
        assert pace.room(window) == 0


# ---- 37: what is kept


def test_statuses_stay_and_come_out_all_at_once(muster: Muster, relay: LittleRelay) -> None:
    """Row 37: bcgov/entity 19081, cds-snc/notification-api 1582."""
    relay.rule = lambda moment: (
        "550 5.1.1 Nobody" if moment.stage == "RCPT" and sum(moment.recipient.encode()) % 9 == 3 else None
    )
    of = muster.begin()
    muster.send(of, desk=muster.through(relay))
    before = muster.balance(of)
    assert before["failed"] > 2
    for _ in range(3):
        muster.clock.advance(timedelta(days=120))
        muster.upkeep()
    assert muster.balance(of) == before
    shown = f"n{of.notice_no}"
    states = ("--state", "failed,withheld")
    listed = json.loads(muster.command("notice", "deliveries", shown, *states, "--json").stdout)
    assert len(listed) == before["failed"] + before["withheld"]
    lines = list(csv.DictReader(muster.command("notice", "deliveries", shown, *states, "--csv").stdout.splitlines()))
    assert [line["state"] for line in lines] == [row["state"] for row in listed]


# ---- what the tests above share


def _when(relay: LittleRelay, taken: int, work: Callable[[], object]) -> Callable[[Moment], str | None]:
    """A rule that does something once, before the answer to the message after so many."""
    done: list[int] = []

    def rule(moment: Moment) -> str | None:
        if moment.stage == "BODY" and len(relay.taken) >= taken and not done:
            done.append(1)
            work()
            connection.close()
        return None

    return rule


def _at_once(*works: Callable[[], int]) -> list[int]:
    """Do all of them, each in a thread of its own."""
    results: list[int] = []

    def do(work: Callable[[], int]) -> None:
        try:
            results.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=(work,)) for work in works]
    for step in (threading.Thread.start, lambda thread: thread.join(WAIT_S)):
        for thread in threads:
            step(thread)
    assert len(results) == len(works)
    return results


def _in_doubt(muster: Muster) -> tuple[RoundRef, int, int]:
    """A round with one copy in doubt: its sequence and component."""
    of = muster.begin()
    batch = outbound.claim_batch(of, 0)
    assert batch is not None
    assert outbound.hand_window(of, batch, batch.first_seq, lease_s=0, now=muster.desk.now)
    assert outbound.rescue(muster.desk.now) == 1
    return of, batch.first_seq, batch.component_no


def _tables_read(asked: CaptureQueriesContext) -> set[str]:
    """Which tables the plans of these statements read, partitions under the name of their table."""
    partitions: dict[str, str] = dict(
        sql.rows("SELECT inhrelid::regclass::text, inhparent::regclass::text FROM pg_inherits")
    )
    found: set[str] = set()

    def walk(plan: dict[str, object]) -> None:
        if "Relation Name" in plan:
            name = str(plan["Relation Name"])
            found.add(partitions.get(name, name))
        for inner in plan.get("Plans", []):  # type: ignore[attr-defined]
            walk(inner)

    for query in asked.captured_queries:
        statement = re.sub(r"^--.*$", "", query["sql"], flags=re.MULTILINE).strip()
        if statement.upper().startswith(("SELECT", "WITH")):
            [(plan,)] = sql.rows(f"EXPLAIN (FORMAT JSON) {statement}")
            walk((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    return found


def _to_rivers(toml: str) -> str:
    return re.sub(r"components = \[.*?\]", 'components = ["Agency of Rivers"]', toml, flags=re.DOTALL)


def _publish_for_rescissions(muster: Muster) -> None:
    file = resources.files("postmuster.rehearsal") / "assessments" / "reach-test.toml"
    toml = file.read_text(encoding="utf-8").replace('"reach-test"', '"rescission"', 1)
    toml = toml.replace('["test"]', '["rescission"]', 1).replace('["acknowledge"]', '["none"]', 1)
    document = read_assessment(toml.encode(), file="rescission.toml")
    assert isinstance(document, AssessmentDocument), document
    publish(document, actor=acting("pia", Role.PRIVACY_OFFICER), now=muster.clock.now())


def _rescission(toml: str) -> str:
    """The example as a rescission: it asks nothing and has no deadline."""
    for old, new in (
        ('kind = "test"', 'kind = "rescission"'),
        ('type = "acknowledge"', 'type = "none"'),
        ("voluntary = true\n", ""),
        ('"reach-test"', '"rescission"'),
        ('start = "deadline"', 'start = "release"'),
    ):
        toml = toml.replace(old, new, 1)
    return re.sub(r"\[deadline\]\n(?:\w+ = .*\n)*", "", toml)
