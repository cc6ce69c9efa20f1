"""The promises on the way back: 250 means committed, and each mail has its effect once (P5)."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.db import connection

from postmuster.base import sql
from postmuster.base.errors import Transient
from postmuster.control import actions as control
from postmuster.control.states import Cause, Lane
from postmuster.jobs import reply
from postmuster.mail.lmtp import DeliveryReply, Received
from postmuster.organisation.signing import Signing
from postmuster.runtime import roles

from .muster import GUARDED_DOMAIN, SEED, Muster

if TYPE_CHECKING:
    from postmuster.runtime.postgres import Server


WAIT_S = 20.0


# ---- P5: 250 means committed


def test_a_yes_is_counted_and_receipted_and_proves_reach(muster: Muster) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    assert muster.accept(muster.reply(of, ann)) is DeliveryReply.ACCEPTED
    assert muster.mail_states() == {"waiting": 1}
    assert muster.digest() == 1
    assert muster.answers(of, ann) == [("acknowledge", "", "counted")]
    assert muster.letters() == [("receipt", "waiting", muster.person_no(ann))]
    assert muster.state(of, muster.ref(of, ann).seq) == "delivered"
    assert muster.mail_states() == {"digested": 1}
    muster.balance(of)
    muster.ledger_is_sound()


def test_a_connection_lost_in_the_middle_is_451_and_the_next_mail_gets_a_fresh_one(muster: Muster) -> None:
    of = muster.reach()
    ann, bea = muster.people(2)
    first, second = muster.reply(of, ann), muster.reply(of, bea)
    blocker = muster.database.connect("owner")
    with muster.database.as_role("intake"):
        pid = sql.value("SELECT pg_backend_pid()")
        with blocker.transaction():
            blocker.execute("LOCK TABLE inbound_mail IN ACCESS EXCLUSIVE MODE")
            thread = threading.Thread(target=_end_when_it_waits, args=(muster, pid))
            thread.start()
            assert reply.accept([first], desk=muster.desk) is DeliveryReply.TROUBLE
            thread.join(WAIT_S)
        assert reply.accept([second], desk=muster.desk) is DeliveryReply.ACCEPTED
        assert reply.accept([first], desk=muster.desk) is DeliveryReply.ACCEPTED
    assert muster.mail_states() == {"waiting": 2}
    assert sql.value("SELECT count(*) FROM vault_item") == 2


def _end_when_it_waits(muster: Muster, pid: int) -> None:
    muster.until_someone_waits(pid)
    muster.database.connect("intake").execute("SELECT pg_terminate_backend(%s)", (pid,))


def test_a_connection_that_broke_between_two_mails_costs_one_of_them_a_451(muster: Muster) -> None:
    """As after a restart of the server: the door does not stay shut."""
    of = muster.reach()
    [ann] = muster.people(1)
    mail = muster.reply(of, ann)
    with muster.database.as_role("intake"):
        pid = sql.value("SELECT pg_backend_pid()")
        muster.database.connect("intake").execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        said = [reply.accept([mail], desk=muster.desk) for _ in range(2)]
    assert said == [DeliveryReply.TROUBLE, DeliveryReply.ACCEPTED]


def test_without_a_database_every_mail_is_451(muster: Muster) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    mail = muster.reply(of, ann)
    with muster.database.as_role("intake"):
        given = connection.settings_dict["HOST"]
        connection.settings_dict["HOST"] = str(muster.folder / "nowhere")
        try:
            assert reply.accept([mail], desk=muster.desk) is DeliveryReply.TROUBLE
        finally:
            connection.settings_dict["HOST"] = given
        assert reply.accept([mail], desk=muster.desk) is DeliveryReply.ACCEPTED


@contextmanager
def _tiny_disk(server: Server) -> Iterator[None]:
    """Sealed items on a disk of one mebibyte of their own; made free again when the block is left."""
    place = server.place.data.parent / "tiny"
    if os.geteuid() != 0:
        pytest.skip("a small disk can be mounted by root only")
    place.mkdir()
    owner = server.place.data.stat()
    options = f"size=1m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        place.rmdir()
        pytest.skip("no disk can be mounted here")
    try:
        with psycopg.connect(**server.parameters(roles.DATABASE), autocommit=True) as admin:
            admin.execute(f"CREATE TABLESPACE tiny LOCATION '{place}'")
            admin.execute("ALTER TABLE vault_item SET TABLESPACE tiny")
            try:
                yield
            finally:
                admin.execute("ALTER TABLE vault_item SET TABLESPACE pg_default")
                admin.execute("DROP TABLESPACE tiny")
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
        place.rmdir()


def test_a_full_disk_is_452_and_nothing_of_the_mail_is_kept(muster: Muster, server: Server) -> None:
    of = muster.reach()
    ann, bea = muster.people(2)
    large = muster.reply(of, ann, "YES\n\n" + os.urandom(500_000).hex())
    small = muster.reply(of, bea)
    connection.close()
    with _tiny_disk(server):
        with muster.database.as_role("intake"):
            said = [reply.accept([large], desk=muster.desk) for _ in range(3)]
        assert DeliveryReply.FULL in said
        assert set(said) <= {DeliveryReply.ACCEPTED, DeliveryReply.FULL}
        kept = said.count(DeliveryReply.ACCEPTED)
        assert muster.mail_states().total() == kept
        assert sql.value("SELECT count(*) FROM vault_item") == kept
    with muster.database.as_role("intake"):
        assert reply.accept([large, small], desk=muster.desk) is DeliveryReply.ACCEPTED
    muster.digest()
    assert muster.answers(of, bea) == [("acknowledge", "", "counted")]


def test_a_stopped_intake_answers_451_and_the_mail_comes_again(muster: Muster) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    mail = muster.reply(of, ann)
    control.set_stop(
        notice_no=0,
        component_path="",
        lane=Lane.INTAKE,
        cause=Cause.STOP,
        reason="a test",
        actor="shell",
        now=muster.desk.now,
    )
    assert muster.accept(mail) is DeliveryReply.TROUBLE
    control.lift(notice_no=0, component_path="", cause=Cause.STOP, reason="a test", actor="shell", now=muster.desk.now)
    assert muster.accept(mail) is DeliveryReply.ACCEPTED


# ---- P5: once in effect


def test_a_mail_that_comes_twice_counts_once(muster: Muster) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    mail = muster.reply(of, ann)
    muster.take_in(mail, mail)
    muster.digest()
    muster.hear(mail)
    assert muster.answers(of, ann) == [("acknowledge", "", "counted")]
    assert [row[2] for row in muster.replies()] == ["", "repeated", "repeated"]
    assert len(muster.letters()) == 1
    muster.balance(of)


def test_a_signed_mail_sent_again_under_another_name_counts_once(muster: Muster) -> None:
    """A signature that leaves the Message-ID out holds under any; it was made once all the same."""
    of = muster.reach()
    [finn] = muster.people(1, domain=GUARDED_DOMAIN)
    mail = muster.reply(of, finn)
    unnamed = re.sub(rb"(?im)^message-id:[^\r]*\r\n", b"", mail.data)
    signed = Signing(SEED).sign(unnamed, GUARDED_DOMAIN)
    for name in (b"first", b"second"):
        muster.hear(Received(mail.reverse_path, mail.recipients, b"Message-ID: <%s@mail.example>\r\n" % name + signed))
    assert [row[2] for row in muster.replies()] == ["", "repeated"]
    assert muster.answers(of, finn) == [("acknowledge", "", "counted")]


class _Killed(BaseException):
    """The worker is gone; nothing after this runs."""


def _at(number: int, strike: Callable[[], None]) -> Callable[..., Any]:
    """A wrapper of statements that strikes at the given one, counted from 1."""
    seen = 0

    def wrap(execute: Callable[..., Any], statement: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == number:
            strike()
        return execute(statement, params, many, context)

    return wrap


def _die() -> None:
    raise _Killed


def test_a_worker_that_dies_at_any_statement_leaves_the_mail_waiting_and_it_is_digested_once(muster: Muster) -> None:
    of = muster.reach()
    ann, bea, dan = muster.people(3)
    muster.take_in(
        muster.reply(of, ann), muster.report(of, bea, "failed", "5.1.1"), muster.reply(of, dan, "What is this?")
    )
    desk = muster.desk_with(work_lease_s=0)  # the dead worker's lease is over at once
    deaths = 0
    while True:
        try:
            with connection.execute_wrapper(_at(deaths + 1, _die)):
                reply.digest(desk=desk)
        except _Killed:
            deaths += 1
            if muster.mail_states() != {"waiting": 3}:
                break  # it had committed before it died
            assert muster.replies() == []
            assert muster.letters() == []
            muster.balance(of)
            continue
        break
    reply.digest(desk=desk)
    assert deaths > 12
    assert muster.mail_states() == {"digested": 3}
    assert muster.answers(of, ann) == [("acknowledge", "", "counted")]
    assert len(muster.replies()) == 3
    assert len(muster.letters()) == 2
    assert muster.cases() == {"question": 1}
    assert muster.state(of, muster.ref(of, bea).seq) == "failed"
    assert sql.value("SELECT count(*) FROM ledger_entry WHERE kind = 'mail digested'") == 1
    muster.balance(of)


def test_a_worker_that_lost_its_lease_records_nothing_a_second_time(muster: Muster) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    muster.take_in(muster.reply(of, ann))
    others: list[int] = []

    def take_over() -> None:
        others.append(reply.digest(desk=muster.desk))
        connection.close()

    def another_takes_over() -> None:
        thread = threading.Thread(target=take_over)
        thread.start()
        thread.join(WAIT_S)

    desk = muster.desk_with(work_lease_s=0)
    with connection.execute_wrapper(_at(3, another_takes_over)):
        reply.digest(desk=desk)
    assert others == [1]
    assert muster.answers(of, ann) == [("acknowledge", "", "counted")]
    assert len(muster.replies()) == len(muster.letters()) == 1
    muster.balance(of)


def test_a_mail_that_cannot_be_digested_is_held_after_three_tries_and_holds_up_nobody(
    muster: Muster, server: Server
) -> None:
    of = muster.reach()
    ann, bea, dan = muster.people(3)
    muster.take_in(muster.reply(of, ann), muster.reply(of, bea), muster.reply(of, dan))
    with psycopg.connect(**server.parameters(roles.DATABASE)) as admin:
        admin.execute("UPDATE vault_item SET sealed = sealed || '\\x00' WHERE id = 2")
    muster.digest()
    assert muster.mail_states() == {"digested": 2, "held": 1}
    assert sql.value("SELECT attempts FROM inbound_mail WHERE state = 'held'") == 3
    assert muster.cases() == {"unreadable": 1}
    assert muster.replies()[1] == ("unreadable", "nothing", "held", "")
    assert [muster.answers(of, who) for who in (ann, dan)] == [[("acknowledge", "", "counted")]] * 2
    assert sql.value("SELECT count(*) FROM vault_item WHERE id = 2") == 1
    muster.ledger_is_sound()


def test_a_mail_that_makes_the_database_give_up_every_time_is_held_and_holds_up_nobody(
    muster: Muster, server: Server
) -> None:
    """A statement that runs into its time-out is worth another try, but not for ever."""
    of = muster.reach()
    ann, bea = muster.people(2)
    muster.take_in(muster.reply(of, ann), muster.reply(of, bea))
    with psycopg.connect(**server.parameters(roles.DATABASE)) as admin:
        admin.execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.mail_no = 1 AND NEW.reason <> 'held' THEN RAISE EXCEPTION USING ERRCODE = '57014'; END IF; "
            "RETURN NEW; END $$"
        )
        admin.execute("CREATE TRIGGER dawdle BEFORE INSERT ON replies_reply FOR EACH ROW EXECUTE FUNCTION dawdle()")
    try:
        for _ in range(10):
            _digest_whatever_happens(muster)
    finally:
        with psycopg.connect(**server.parameters(roles.DATABASE)) as admin:
            admin.execute("DROP TRIGGER dawdle ON replies_reply")
            admin.execute("DROP FUNCTION dawdle()")
    assert muster.mail_states() == {"digested": 1, "held": 1}
    assert muster.answers(of, bea) == [("acknowledge", "", "counted")]
    assert muster.cases() == {"unreadable": 1}


def _digest_whatever_happens(muster: Muster) -> None:
    """As the queue does: a trouble ends the job, and the next look defers it again."""
    with suppress(Transient):
        muster.digest()
