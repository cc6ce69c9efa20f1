"""The promises on the way back: 250 means committed, each mail has its effect once (P5), silence is no record (P6)."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.db import connection

from postmuster.base import sql
from postmuster.base.clock import day_number
from postmuster.base.errors import Transient
from postmuster.control import actions as control
from postmuster.control.states import Cause, Lane
from postmuster.inbound import actions as inbound
from postmuster.jobs import reply
from postmuster.mail.lmtp import DeliveryReply, Received
from postmuster.mail.token import DeliveryRef, Token, write_reply_address
from postmuster.outbound.letters import claim_letters
from postmuster.reports import queries as reports
from postmuster.runtime import roles
from postmuster.vault import actions as vault

from .muster import GUARDED_DOMAIN, Muster
from .relay import LittleRelay

if TYPE_CHECKING:
    from postmuster.runtime.postgres import Server

WAIT_S = 20.0
OFFER_SUBJECT = "Re: A voluntary offer to leave service by 30 September"


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


# ---- whose it is, and who wrote it


def _altered(address: str, at: int) -> str:
    local_part, _, domain = address.partition("@")
    place = len("reply+") + at
    other = "a" if local_part[place] != "a" else "b"
    return f"{local_part[:place]}{other}{local_part[place + 1 :]}@{domain}"


def test_a_token_altered_in_one_character_names_nobody(muster: Muster) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    address, _ = muster.addresses(of, ann)
    muster.hear(*(muster.write(ann, "YES", _altered(address, at), subject="Yes") for at in range(0, 39, 4)))
    assert muster.answers(of, ann) == []
    assert {row[1:3] for row in muster.replies()} == {("nothing", "wrong_token")}
    assert muster.letters() == []
    assert muster.cases() == {"unmatched": 10}


def test_an_expired_token_names_nobody(muster: Muster) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    keys = muster.desk.signing
    ended = Token(keys.key_id, muster.ref(of, ann), day_number(muster.desk.now) - 1)
    address = write_reply_address(ended, keys.key, domain=muster.desk.names.reply_domain)
    muster.hear(muster.write(ann, "YES", address, subject="Yes"))
    assert muster.replies() == [("reply", "nothing", "wrong_token", "C")]
    today = Token(keys.key_id, muster.ref(of, ann), day_number(muster.desk.now))
    address = write_reply_address(today, keys.key, domain=muster.desk.names.reply_domain)
    muster.hear(muster.write(ann, "YES", address, subject="Yes"))
    assert muster.answers(of, ann) == [("acknowledge", "", "counted")]


def test_a_token_of_a_delivery_that_does_not_exist_names_nobody(muster: Muster) -> None:
    muster.reach()
    [ann] = muster.people(1)
    keys = muster.desk.signing
    for ref in (DeliveryRef(1, 1, 9_999), DeliveryRef(7, 1, 1), DeliveryRef(1, 1, 0)):
        token = Token(keys.key_id, ref, day_number(muster.desk.now) + 9)
        address = write_reply_address(token, keys.key, domain=muster.desk.names.reply_domain)
        muster.hear(muster.write(ann, "YES", address, subject="Yes"))
    assert {row[1:3] for row in muster.replies()} == {("nothing", "unmatched")}


def test_an_answer_to_the_address_of_another_notice_counts_for_that_one_alone(muster: Muster) -> None:
    first, second = muster.reach(), muster.reach("offer")
    [ann] = muster.people(1)
    muster.hear(muster.reply(first, ann, "Resign", subject=OFFER_SUBJECT))
    assert muster.answers(second, ann) == []
    assert all(kind != "election" for kind, _, _ in muster.answers(first, ann))


def test_one_mail_to_two_of_our_addresses_is_one_answer(muster: Muster) -> None:
    of = muster.reach()
    ann, bea = muster.people(2)
    reply_to, reverse_path = muster.addresses(of, ann)
    muster.hear(muster.write(ann, "YES", muster.addresses(of, bea)[0], reply_to, reverse_path))
    assert muster.answers(of, ann) == [("acknowledge", "", "counted")]
    assert muster.answers(of, bea) == []
    assert len(muster.replies()) == 1
    assert [letter[2] for letter in muster.letters()] == [muster.person_no(ann)]


def test_the_same_mail_delivered_apart_to_two_of_our_addresses_is_one_answer(muster: Muster) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    for address in muster.addresses(of, ann):
        muster.hear(muster.write(ann, "YES", address, message_id="<same@mail.example>"))
    assert muster.answers(of, ann) == [("acknowledge", "", "counted")]
    assert len(muster.letters()) == 1


def test_a_forged_sender_is_another_author_and_changes_nothing(muster: Muster) -> None:
    of = muster.reach()
    [finn] = muster.people(1, domain=GUARDED_DOMAIN)
    before = muster.balance(of)
    muster.hear(muster.reply(of, finn, signed=False))
    assert muster.replies() == [("reply", "token", "other_author", "D")]
    assert muster.answers(of, finn) == []
    assert muster.letters() == []
    assert muster.cases() == {"other_author": 1}
    assert muster.balance(of) == before
    muster.hear(muster.reply(of, finn, signed=True))
    assert muster.replies()[1] == ("reply", "token", "", "A")
    assert muster.answers(of, finn) == [("acknowledge", "", "counted")]


def test_a_forged_copy_does_not_use_up_the_identity_of_the_mail_it_imitates(muster: Muster) -> None:
    of = muster.reach()
    [finn] = muster.people(1, domain=GUARDED_DOMAIN)
    muster.hear(muster.reply(of, finn, "No.", message_id="<same@mail.example>", signed=False))
    muster.hear(muster.reply(of, finn, "YES", message_id="<same@mail.example>", signed=True))
    assert muster.answers(of, finn) == [("acknowledge", "", "counted")]


def test_a_forwarded_mail_that_a_colleague_answers_is_another_author(muster: Muster) -> None:
    of = muster.reach()
    ann, bea = muster.people(2)
    before = muster.balance(of)
    reply_to, reverse_path = muster.addresses(of, ann)
    muster.hear(
        muster.write(bea, "YES", reply_to),
        muster.write(bea, "YES", reverse_path),
        muster.write(
            bea, "I am away until 9 March.", reply_to, fields=("Auto-Submitted: auto-replied",), subject="Auto: away"
        ),
    )
    assert [row[2] for row in muster.replies()] == ["other_author"] * 3
    assert muster.answers(of, ann) == muster.answers(of, bea) == []
    assert muster.letters() == []
    assert muster.balance(of) == before
    assert muster.cases() == {"other_author": 2}


@pytest.mark.parametrize(
    "fields", [("From: second@mail.example",), ("Sender: other@mail.example", "From: <third@x.example>")]
)
def test_a_mail_with_several_authors_is_nobodys(muster: Muster, fields: tuple[str, ...]) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    muster.hear(muster.reply(of, ann, fields=fields))
    assert muster.answers(of, ann) == []
    assert muster.letters() == []


# ---- letters


def _sent(muster: Muster, relay: LittleRelay) -> list[tuple[str, str, Message]]:
    muster.send_letters(desk=muster.through(relay))
    return [(one.reverse_path, one.recipient, message_from_bytes(one.octets)) for one in relay.taken]


def test_a_receipt_goes_to_the_enrolled_address_with_a_null_reverse_path_and_to_nobody_else(
    muster: Muster, relay: LittleRelay
) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    shouted = ann.address.upper()
    muster.hear(
        muster.reply(
            of,
            ann,
            sender=shouted,
            fields=(
                "Reply-To: eve@evil.example",
                "Cc: eve@evil.example, boss@evil.example",
                "Disposition-Notification-To: e@x.example",
            ),
            reverse_path="eve@evil.example",
            message_id="<named@mail.example>",
        )
    )
    [(reverse_path, recipient, letter)] = _sent(muster, relay)
    assert (reverse_path, recipient) == ("", ann.address)
    assert ann.address in letter["To"]
    assert "evil" not in letter.as_string()
    assert letter["Auto-Submitted"] == "auto-replied"
    assert letter["In-Reply-To"] == "<named@mail.example>"
    assert muster.letters() == [("receipt", "relayed", muster.person_no(ann))]


def test_a_person_gets_one_receipt_a_notice_and_window(muster: Muster) -> None:
    first, second = muster.reach(), muster.reach("report")
    [ann] = muster.people(1)
    muster.take_in(muster.reply(first, ann), muster.reply(first, ann, "Yes, again."))
    muster.digest()
    muster.hear(muster.reply(first, ann, "yes!"))
    assert len(muster.letters()) == 1
    muster.hear(muster.reply(second, ann, "- read\n- wrote\n- met\n- called\n- planned", subject="Re: last week"))
    assert len(muster.letters()) == 2
    muster.clock.advance(timedelta(seconds=muster.desk.settings.work.letter_window_s + 1))
    muster.hear(muster.reply(first, ann, "YES."))
    assert len(muster.letters()) == 3


@pytest.mark.parametrize(
    ("text", "subject", "fields"),
    [
        (
            "I am out of the office until 9 March.",
            "Automatic reply: Test of our mail",
            ("Auto-Submitted: auto-replied",),
        ),
        ("Ich bin bis 9. März nicht im Büro.", "Abwesenheitsnotiz: Test", ("X-Autoreply: yes", "Precedence: bulk")),
        ("YES", "Re: Test of our mail", ("Auto-Submitted: auto-generated", "List-Id: <x.example>")),
    ],
)
def test_automatic_mail_gets_no_receipt_and_is_no_answer_but_proves_reach(
    muster: Muster, text: str, subject: str, fields: tuple[str, ...]
) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    reverse_path = muster.addresses(of, ann)[1]
    muster.hear(muster.write(ann, text, reverse_path, subject=subject, fields=fields, reverse_path=None))
    assert [row[0] for row in muster.replies()] == ["automatic"]
    assert muster.letters() == []
    assert muster.answers(of, ann) == []
    assert muster.state(of, muster.ref(of, ann).seq) == "delivered"
    muster.balance(of)


def test_unmatched_mail_gets_no_answer_at_all(muster: Muster) -> None:
    muster.reach()
    [ann] = muster.people(1)
    muster.hear(
        Received(
            "eve@evil.example", ("reply@reply.agency.example",), b"From: eve@evil.example\r\nSubject: hi\r\n\r\nYES\r\n"
        ),
        Received(None, ("postmaster@reply.agency.example",), b"\x00\xff"),
        muster.write(ann, "YES", "reply@reply.agency.example", subject="something else"),
    )
    assert muster.letters() == []
    assert {row[1] for row in muster.replies()} == {"nothing"}


def test_a_letter_that_cannot_be_opened_holds_up_no_other(muster: Muster, server: Server, relay: LittleRelay) -> None:
    of = muster.reach()
    ann, bea, dan = muster.people(3)
    muster.hear(*(muster.reply(of, who) for who in (ann, bea, dan)))
    with psycopg.connect(**server.parameters(roles.DATABASE)) as admin:
        admin.execute(
            "UPDATE vault_item SET sealed = sealed || '\\x00' "
            "WHERE id = (SELECT item_no FROM outbound_letter ORDER BY id LIMIT 1)"
        )
    assert muster.send_letters(desk=muster.through(relay)) == 2
    assert [state for _, state, _ in muster.letters()] == ["failed", "relayed", "relayed"]
    assert sorted(relay.copies()) == sorted([bea.address, dan.address])


def test_a_letter_is_tried_again_and_is_the_same_mail(muster: Muster, relay: LittleRelay) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    muster.hear(muster.reply(of, ann))
    relay.rule = lambda moment: "451 4.3.0 Not now" if moment.stage == "BODY" and moment.times == 1 else None
    desk = muster.through(relay)
    assert muster.send_letters(desk=desk) == 0
    assert muster.send_letters(desk=desk) == 0
    muster.clock.advance(timedelta(seconds=desk.settings.relay.first_retry_s))
    assert muster.send_letters(desk=desk) == 1
    assert relay.copies() == {ann.address: 1}
    assert muster.letters() == [("receipt", "relayed", muster.person_no(ann))]


def test_a_letter_whose_sender_died_is_in_doubt_and_not_sent_twice(muster: Muster, relay: LittleRelay) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    muster.hear(muster.reply(of, ann))
    assert len(claim_letters(muster.desk.keyring, limit=9, lease_s=0, now=muster.desk.now)) == 1
    muster.upkeep()
    assert [state for _, state, _ in muster.letters()] == ["in_doubt"]
    assert muster.send_letters(desk=muster.through(relay)) == 0
    assert relay.taken == []


# ---- what it says


def test_a_late_answer_is_labelled_and_kept(muster: Muster) -> None:
    of = muster.reach()
    ann, bea = muster.people(2)
    muster.hear(muster.reply(of, bea))
    muster.clock.advance(timedelta(days=9))
    muster.hear(muster.reply(of, ann))
    assert sql.rows("SELECT late FROM replies_reply ORDER BY id") == [(False,), (True,)]
    assert muster.answers(of, ann) == [("acknowledge", "", "counted")]


def test_a_late_election_goes_before_a_person(muster: Muster) -> None:
    of = muster.reach("offer")
    [ann] = muster.people(1)
    muster.clock.advance(timedelta(days=30))
    muster.hear(muster.reply(of, ann, "Resign", subject=OFFER_SUBJECT))
    assert muster.answers(of, ann) == [("election", "Resign", "with_person")]
    assert muster.cases() == {"late": 1}


def test_an_answer_accepted_in_time_is_in_time_however_late_it_is_digested(muster: Muster) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    muster.take_in(muster.reply(of, ann))
    muster.clock.advance(timedelta(days=9))
    muster.digest()
    assert sql.rows("SELECT late FROM replies_reply") == [(False,)]


def test_an_election_needs_confirmation_and_counts_nowhere(muster: Muster) -> None:
    of = muster.reach("offer")
    [ann] = muster.people(1)
    muster.hear(muster.reply(of, ann, "Resign", subject=OFFER_SUBJECT))
    assert muster.answers(of, ann) == [("election", "Resign", "needs_confirmation")]
    figures = reports.notice_figures(of.notice_no, now=muster.desk.now).to_json()
    answers = figures["answers"]
    assert isinstance(answers, dict)
    assert not any(count for name, count in answers.items() if "Resign" in name and "confirm" not in name)
    assert sql.value("SELECT count(*) FROM replies_answer WHERE state = 'counted'") == 0


def test_an_election_can_be_withdrawn(muster: Muster) -> None:
    of = muster.reach("offer")
    [ann] = muster.people(1)
    muster.hear(muster.reply(of, ann, "Resign", subject=OFFER_SUBJECT))
    muster.hear(muster.reply(of, ann, "I withdraw my resignation.", subject=OFFER_SUBJECT))
    assert muster.answers(of, ann) == [("election", "Resign", "withdrawn"), ("withdraw", "", "counted")]


@pytest.mark.parametrize("statement", ["pg_advisory_xact_lock", "INSERT INTO replies_reply"])
def test_the_latest_by_our_acceptance_stands_also_when_two_loops_digest_out_of_order(
    muster: Muster, statement: str
) -> None:
    """The older mail's loop is held before or while it holds the person; the newer one's overtakes it, or waits for it."""
    of = muster.reach("offer")
    [ann] = muster.people(1)
    muster.take_in(muster.reply(of, ann, "Resign", subject=OFFER_SUBJECT))
    muster.take_in(muster.reply(of, ann, "I withdraw my resignation.", subject=OFFER_SUBJECT))
    desk = muster.desk_with(work_digest_batch_rows=1)
    held, go = threading.Event(), threading.Event()

    def hold(execute: Callable[..., Any], text: str, params: Any, many: bool, context: Any) -> Any:
        if statement in text and not held.is_set():
            held.set()
            assert go.wait(WAIT_S)
        return execute(text, params, many, context)

    def older() -> None:
        with connection.execute_wrapper(hold):
            reply.digest(desk=desk)
        connection.close()

    def newer() -> None:
        reply.digest(desk=desk)
        connection.close()

    first, second = threading.Thread(target=older), threading.Thread(target=newer)
    first.start()
    assert held.wait(WAIT_S)
    second.start()
    if statement.startswith("INSERT"):
        muster.until_someone_waits()
    else:
        second.join(WAIT_S)
        assert muster.answers(of, ann) == [("withdraw", "", "counted")]
    go.set()
    first.join(WAIT_S)
    second.join(WAIT_S)
    assert [state for kind, _, state in muster.answers(of, ann) if kind == "withdraw"] == ["counted"]
    [election] = [state for kind, _, state in muster.answers(of, ann) if kind == "election"]
    assert election in ("superseded", "withdrawn")
    assert len(muster.letters()) == 1
    assert muster.mail_states() == {"digested": 2}


def test_our_own_words_quoted_never_count(muster: Muster, relay: LittleRelay) -> None:
    """Our mail says how to choose: with the choice itself in it. Sent back whole it is no choice."""
    of = muster.begin("offer")
    muster.send(of, desk=muster.through(relay))
    people = muster.people(3)
    copies = {one.recipient: message_from_bytes(one.octets) for one in relay.taken}
    ours = [_text_of(copies[who.address]) for who in people]
    assert all("Resign" in text for text in ours)
    quoted = "\n".join(f"> {line}" for line in ours[0].splitlines())
    muster.hear(
        muster.reply(of, people[0], f"Thank you.\n\nOn Monday Staff Affairs wrote:\n{quoted}", subject=OFFER_SUBJECT),
        muster.reply(of, people[1], ours[1], subject=OFFER_SUBJECT),
        muster.reply(of, people[2], f"-----Original Message-----\n\n{ours[2]}", subject=OFFER_SUBJECT),
    )
    kinds = [kind for who in people for kind, _, _ in muster.answers(of, who)]
    assert "election" not in kinds
    assert sql.value("SELECT count(*) FROM replies_answer WHERE choice <> ''") == 0


def _text_of(message: Message) -> str:
    part = next(one for one in message.walk() if one.get_content_type() == "text/plain")
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    return octets.decode()


@pytest.mark.parametrize("mark", ["TOP SECRET//NOFORN", "SECRET//SI"])
def test_marked_text_is_not_read_for_an_answer(muster: Muster, mark: str) -> None:
    of = muster.reach("offer")
    [ann] = muster.people(1)
    muster.hear(muster.reply(of, ann, f"{mark}\n\nResign\n\n{mark}", subject=OFFER_SUBJECT))
    assert muster.answers(of, ann) == []
    assert muster.replies()[0][2] == "marked"
    assert muster.cases() == {"marked": 1}
    assert muster.letters() == []
    assert muster.state(of, muster.ref(of, ann).seq) == "delivered"


# ---- P6: silence is recorded nowhere


def test_no_row_ledger_entry_or_view_tells_of_those_who_said_nothing(muster: Muster) -> None:
    of = muster.reach()
    talkative = muster.people(2)
    muster.hear(*(muster.reply(of, who) for who in talkative))
    muster.clock.advance(timedelta(days=30))
    muster.send(of)
    muster.upkeep()
    silent = {muster.person_no(one) for one in muster.world.people} - {muster.person_no(one) for one in talkative}
    spoken_of = {
        int(row[0])
        for table in ("replies_reply", "replies_answer", "outbound_letter")
        for row in sql.rows(f"SELECT DISTINCT person_no FROM {table} WHERE person_no IS NOT NULL")
    }
    assert spoken_of == {muster.person_no(one) for one in talkative}
    assert not spoken_of & silent
    words = " ".join(str(row) for row in sql.rows("SELECT kind, subject, facts FROM ledger_entry"))
    assert not re.search(r"silen|no.?answer|unanswered|not.?answer|overdue|non.?respon", words, re.I)
    _no_column_could_hold_silence()
    deliveries = reports.notice_figures(of.notice_no, now=muster.desk.now).to_json()
    assert not re.search(r"silen|no.?answer|unanswered|not.?answered|overdue|non.?respon", str(deliveries), re.I)


def _no_column_could_hold_silence() -> None:
    names = sql.rows(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    assert len(names) > 50
    assert not [name for (name,) in names if re.search(r"silen|unanswered|nonresp|overdue", name)]


def test_deliveries_in_the_states_of_those_who_may_be_silent_cannot_be_listed(muster: Muster) -> None:
    """What one can list is what is known against a copy; the silent are among relayed and delivered."""
    of = muster.reach()
    done = muster.command("notice", "deliveries", f"n{of.notice_no}", "--state", "failed,delivered")
    assert (done.returncode, done.stdout) == (1, "")
    assert "withheld" in done.stderr


def test_the_sealed_mail_belongs_to_the_person_after_it_was_digested(muster: Muster) -> None:
    of = muster.reach()
    [ann] = muster.people(1)
    muster.hear(muster.reply(of, ann))
    owner = sql.rows("SELECT notice_no, person_no, epoch_no FROM vault_item ORDER BY id LIMIT 1")
    assert owner == [(of.notice_no, muster.person_no(ann), None)]
    [item] = vault.open_items([1], muster.desk.keyring).values()
    assert b"YES" in item
    assert inbound.claim(limit=5, lease_s=5) == []
