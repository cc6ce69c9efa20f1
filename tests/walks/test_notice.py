"""The promises on the way out: what may leave (P1), and that the books balance at every commit (P2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from django.db import connection, transaction

from postmuster.base import sql
from postmuster.base.errors import Refused, Transient
from postmuster.jobs import notice
from postmuster.jobs.notice import ref_of, scope_of
from postmuster.notices import actions as notices
from postmuster.notices import readiness
from postmuster.outbound import actions as outbound
from postmuster.outbound import queries as book
from postmuster.outbound.copies import Copywriter
from postmuster.outbound.relay import Relay
from postmuster.outbound.values import Cut, settlement
from postmuster.runtime import roles

from .conftest import load_people, publish_assessments
from .muster import Change, Muster, example, unchanged
from .relay import LittleRelay, moody

if TYPE_CHECKING:
    from postmuster.runtime.postgres import Server


def _why(muster: Muster, notice_no: int) -> str:
    """The sentence with which a release is refused; nothing may have begun by it."""
    with pytest.raises(Refused) as refused:
        muster.release(notice_no)
    assert sql.value("SELECT count(*) FROM notices_round") == 0
    assert sql.value("SELECT count(*) FROM procrastinate_jobs") == 0
    return refused.value.sentence


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
    muster.stop()
    assert "stop" in _why(muster, number)
    muster.lift()
    muster.stop(notice_no=number)
    assert "stop" in _why(muster, number)
    muster.lift(notice_no=number)
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
        return outbound.expand_page(of, scope, Cut(4), now=muster.desk.now, limit=17)

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
    relay.rule = moody
    of = muster.begin()
    desk = muster.through(relay)
    writer = Copywriter(muster.round(of.notice_no), desk.names, desk.signing)
    with Relay(desk.relay, 2) as line:
        for _ in range(5):
            batch = outbound.claim_batch(of, 60)
            assert batch is not None
            people = book.batch_recipients(of, batch).people
            before = muster.balance(of)
            assert outbound.hand_window(of, batch, people[-1].seq, lease_s=60, now=muster.desk.now)
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


def test_folding_the_counters_changes_no_figure(muster: Muster) -> None:
    of = muster.reach()
    before = muster.balance(of)
    sql.execute(
        "INSERT INTO outbound_counter (notice_no, round_no, component_no, state, delta) "
        "SELECT 1, 1, component_no, state, v FROM outbound_counter, (VALUES (1), (-1)) AS t(v), generate_series(1, 60)"
    )
    assert outbound.fold_counters() == 1
    assert muster.balance(of) == before


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
