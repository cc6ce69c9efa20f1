"""Letters: to the enrolled person alone, one a window, never to a machine, none lost and none twice."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from typing import TYPE_CHECKING

import psycopg
import pytest

from postmuster.base.errors import Refused
from postmuster.jobs import proof as proofs
from postmuster.jobs.ramp import suppress_new
from postmuster.mail.lmtp import Received
from postmuster.outbound.letters import claim_letters
from postmuster.outbound.suppression import SETTLE_MINUTES
from postmuster.roster.actions import load_feed
from postmuster.runtime import roles

from .muster import Muster
from .relay import LittleRelay

if TYPE_CHECKING:
    from postmuster.runtime.postgres import Server


# ---- letters


def _sent(muster: Muster, relay: LittleRelay) -> list[tuple[str, str, Message]]:
    muster.send_letters(desk=muster.through(relay))
    return [(one.reverse_path, one.recipient, message_from_bytes(one.octets)) for one in relay.letters()]


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


def test_whose_address_is_somebody_else_s_by_now_gets_no_receipt(muster: Muster) -> None:
    of = muster.reach()
    ann, bea = muster.people(2)
    muster.hear(muster.report(of, bea, "failed", "5.7.17"))
    muster.clock.advance(timedelta(minutes=SETTLE_MINUTES + 1))
    assert suppress_new(desk=muster.desk, every_s=0) == 1
    muster.hear(muster.reply(of, ann), muster.reply(of, bea))
    assert muster.answers(of, bea) == [("acknowledge", "", "counted")]
    assert muster.letters() == [("receipt", "waiting", muster.person_no(ann))]


@pytest.mark.parametrize("has_new_address", [False, True])
def test_a_letter_that_waits_for_a_reassigned_address_does_not_go(
    muster: Muster, relay: LittleRelay, has_new_address: bool
) -> None:
    first, second = muster.reach(), muster.reach("report")
    ann, bea = muster.people(2)
    muster.hear(muster.reply(first, ann), muster.reply(first, bea), muster.report(second, bea, "failed", "5.7.17"))
    muster.clock.advance(timedelta(minutes=SETTLE_MINUTES + 1))
    assert suppress_new(desk=muster.desk, every_s=0) == 1
    if has_new_address:  # the letter was written to the old one
        feed = muster.folder / "people.csv"
        feed.write_text(feed.read_text(encoding="utf-8").replace(bea.address, f"new-{bea.address}"), encoding="utf-8")
        load_feed(feed, actor="officer:1 by shell", now=muster.desk.now, rejects=muster.folder / "rejects.csv")
    assert muster.send_letters(desk=muster.through(relay)) == 1
    assert relay.copies() == {ann.address: 1}
    assert {(state, no) for _, state, no in muster.letters()} == {
        ("relayed", muster.person_no(ann)),
        ("failed", muster.person_no(bea)),
    }


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


# ---- a notice before it is released


def test_a_proof_is_one_signed_letter_to_the_officer_marked_as_a_proof(muster: Muster, relay: LittleRelay) -> None:
    notice_no = muster.draft("test")
    letter_no = proofs.send_proof(
        notice_no,
        to_name="Ben Stroud",
        to_address="ben@agency.example",
        to_officer=muster.actor("ben").officer_no,
        actor=muster.actor("ada"),
        desk=muster.desk,
    )
    [(reverse_path, recipient, mail)] = _sent(muster, relay)
    assert (reverse_path, recipient) == ("", "ben@agency.example")
    assert str(mail["Subject"]).startswith("[PROOF] ")
    assert "DKIM-Signature" in mail
    assert [kind for kind, *_ in muster.letters()] == ["proof"]
    assert letter_no == 1
    # Its token names nobody's delivery: what an officer answers counts nowhere.
    muster.hear(
        Received("ben@agency.example", (str(mail["Reply-To"]).strip("<>"),), b"From: ben@agency.example\r\n\r\nYES\r\n")
    )
    assert [row[1] for row in muster.replies()] == ["nothing"]


def test_a_preview_is_the_mail_a_person_would_get_without_signature_and_sends_nothing(
    muster: Muster, relay: LittleRelay
) -> None:
    notice_no = muster.draft("test")
    [ann] = muster.people(1)
    mail = message_from_bytes(proofs.preview(notice_no, person_id=ann.person_id, language="", desk=muster.desk))
    assert "DKIM-Signature" not in mail
    assert ann.address in str(mail["To"])
    assert {part.get_content_type() for part in mail.walk()} >= {"text/plain", "text/html"}
    assert _sent(muster, relay) == []
    with pytest.raises(Refused, match="no such person"):
        proofs.preview(notice_no, person_id="nobody", language="", desk=muster.desk)
