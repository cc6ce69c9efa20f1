"""Who may answer for whom, what an answer comes to, and that silence is none (P6)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from postmuster.base import sql
from postmuster.base.clock import day_number
from postmuster.inbound import actions as inbound
from postmuster.jobs import reply
from postmuster.mail.token import DeliveryRef, Token, write_reply_address
from postmuster.reports import queries as reports
from postmuster.vault import actions as vault

from .muster import GUARDED_DOMAIN, Muster
from .relay import LittleRelay

if TYPE_CHECKING:
    pass


WAIT_S = 20.0
OFFER_SUBJECT = "Re: A voluntary offer to leave service by 30 September"


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
    told_of_the_choice = 1 if statement.startswith("INSERT") else 0
    assert len(muster.letters()) == 1 + told_of_the_choice
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
    assert [kind for kind, _, _ in muster.letters()] == ["screened"]
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
