"""Who sent what must not be mailed is told so, alone, and no word of it is in the letter."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from email.message import Message

import pytest

from postmuster.jobs.screened import MAX_IN_WINDOW
from postmuster.notices.wording import words_in

from .muster import GUARDED_DOMAIN, Muster
from .relay import LittleRelay

IBAN = "DE89 3704 0044 0532 0130 00"
MARKED = "SECRET//NOFORN\n\nYES\n\nSECRET//NOFORN"


def screened(muster: Muster) -> list[int | None]:
    return [person for kind, _, person in muster.letters() if kind == "screened"]


def sent(muster: Muster, relay: LittleRelay) -> list[tuple[str, str, Message, str]]:
    muster.send_letters(desk=muster.through(relay))
    found = []
    for one in relay.letters():
        message = message_from_bytes(one.octets)
        octets = message.get_payload(decode=True)
        assert isinstance(octets, bytes)
        found.append((one.reverse_path, one.recipient, message, octets.decode()))
    return found


def test_a_marked_reply_is_held_and_its_writer_alone_is_told(muster: Muster, relay: LittleRelay) -> None:
    of = muster.begin()
    [ann] = muster.people(1)
    muster.hear(muster.reply(of, ann, MARKED, fields=("Cc: boss@evil.example", "Reply-To: eve@evil.example")))
    assert muster.answers(of, ann) == []
    [(reverse_path, recipient, letter, text)] = sent(muster, relay)
    assert (reverse_path, recipient) == ("", ann.address)
    assert letter["Auto-Submitted"] == "auto-replied"
    assert letter["In-Reply-To"] is None
    words = words_in(ann.language)["screened"]
    assert f"- {words['classified']}" in text
    assert words["held"] in text
    assert words["purge"] in text
    assert f"n{of.notice_no}" in text
    assert "NOFORN" not in letter.as_string()
    assert "evil" not in letter.as_string()


def test_a_number_that_must_not_be_mailed_is_told_beside_the_receipt_and_not_repeated(
    muster: Muster, relay: LittleRelay
) -> None:
    of = muster.begin()
    [ann] = muster.people(1)
    muster.hear(muster.reply(of, ann, f"YES\n\n--\nAnn\nMy account: {IBAN}"))
    assert muster.answers(of, ann) == [("acknowledge", "", "counted")]
    texts = [text for *_, text in sent(muster, relay)]
    words = words_in(ann.language)["screened"]
    assert [f"- {words['iban']}" in text for text in texts] == [False, True]
    assert words["covered"] in texts[1]
    assert not any("3704" in text for text in texts)


def test_nobody_is_told_of_a_telephone_number_or_a_word_in_a_sentence(muster: Muster) -> None:
    of = muster.begin()
    [ann] = muster.people(1)
    muster.hear(muster.reply(of, ann, "YES\n\n--\nAnn, the SECRET of our office\n+1 202 555 0143"))
    assert screened(muster) == []


@pytest.mark.parametrize("text", [MARKED, f"YES\n{IBAN}"])
def test_another_author_and_failed_authentication_cause_no_letter(muster: Muster, text: str) -> None:
    of = muster.begin()
    ann, bea = muster.people(2)
    [finn] = muster.people(1, domain=GUARDED_DOMAIN)
    muster.hear(
        muster.write(bea, text, muster.addresses(of, ann)[0]),
        muster.reply(of, finn, text, signed=False),
        muster.write(bea, text, "reply@replies.agency.example"),
    )
    assert muster.letters() == []


def test_the_same_mail_again_and_a_flood_are_not_answered_one_by_one(muster: Muster) -> None:
    of = muster.begin()
    ann, bea = muster.people(2)
    for _ in range(2):
        muster.hear(muster.reply(of, bea, MARKED, message_id="<same@mail.example>"))
    muster.take_in(*(muster.reply(of, ann, f"{MARKED}\n{number}") for number in range(MAX_IN_WINDOW + 2)))
    muster.digest()
    muster.hear(muster.reply(of, ann, MARKED))
    told = screened(muster)
    assert told.count(muster.person_no(bea)) == 1
    assert told.count(muster.person_no(ann)) == MAX_IN_WINDOW
    muster.clock.advance(timedelta(seconds=muster.desk.settings.work.letter_window_s + 1))
    muster.hear(muster.reply(of, ann, MARKED + "\n."))
    assert screened(muster).count(muster.person_no(ann)) == MAX_IN_WINDOW + 1
