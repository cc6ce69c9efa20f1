"""An election counts only if its own author confirmed it, in time, and an officer accepted it; every step is told (P7)."""

from __future__ import annotations

import csv
import json
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from postmuster.access.actions import add_officer
from postmuster.access.roles import Role
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.jobs import election as journey
from postmuster.jobs import reply
from postmuster.jobs.confirming import MOST_BEGUN
from postmuster.jobs.election_export import export
from postmuster.mail.placeholders import fill
from postmuster.organisation.mailboxes import MailboxKind
from postmuster.organisation.people import Person
from postmuster.organisation.signing import Signing
from postmuster.outbound.letters import LetterText
from postmuster.outbound.values import RoundRef
from postmuster.replies import election_queries as queries
from postmuster.replies.election_values import Election
from postmuster.vault import actions as vault

from .muster import SEED, Change, Muster, unchanged
from .relay import LittleRelay

if TYPE_CHECKING:
    from postmuster.mail.lmtp import Received

SUBJECT = "Re: A voluntary offer to leave service by 30 September"
DAY = timedelta(days=1)
OTHER_CODE = "PPPP-QQQQ-RRRR"
AUTHSERV = "mx.agency.example"


def mail(muster: Muster, of: RoundRef, person: Person, text: str, **how: Any) -> Received:
    """What a person sends back; of grade A unless said otherwise."""
    return muster.reply(of, person, text, **{"subject": SUBJECT, "signed": True, **how})


def say(muster: Muster, of: RoundRef, person: Person, text: str, **how: Any) -> None:
    muster.hear(mail(muster, of, person, text, **how))


def told(muster: Muster, person: Person) -> list[LetterText]:
    """The letters to one person, oldest first."""
    items = [
        int(row[0])
        for row in sql.rows(
            "SELECT item_no FROM outbound_letter WHERE person_no = %s ORDER BY id", (muster.person_no(person),)
        )
    ]
    opened = vault.open_items(items, muster.desk.keyring)
    return [LetterText.read(opened[item]) for item in items]


def last(muster: Muster, person: Person) -> str:
    letter = told(muster, person)[-1]
    return fill(letter.text, letter.values)


def code_of(muster: Muster, person: Person) -> str:
    return [letter.values["code"] for letter in told(muster, person) if letter.values.get("code")][-1]


def states(muster: Muster, person: Person) -> list[str]:
    return [
        str(row[0])
        for row in sql.rows(
            "SELECT state FROM replies_election WHERE person_no = %s ORDER BY id", (muster.person_no(person),)
        )
    ]


def newest(muster: Muster, person: Person) -> Election:
    return queries.election(
        int(sql.value("SELECT max(id) FROM replies_election WHERE person_no = %s", (muster.person_no(person),)))
    )


def decide(muster: Muster, person: Person, *, accept: bool = True, reason: str = "", officer: str = "rae") -> Election:
    number = newest(muster, person).election_no
    return journey.decide(number, is_accepted=accept, reason=reason, officer=officer, desk=muster.desk)


def confirmed(muster: Muster, of: RoundRef, *people: Person) -> None:
    for person in people:
        say(muster, of, person, "Resign")
        say(muster, of, person, code_of(muster, person))
        assert states(muster, person)[-1] == "under_review"


def recorded(muster: Muster, of: RoundRef, *people: Person) -> None:
    confirmed(muster, of, *people)
    for person in people:
        decide(muster, person)


def officer_of(muster: Muster, handle: str, path: str, *, address: str = "") -> str:
    roles, now = [Role.COMPONENT_OFFICER], muster.desk.now
    add_officer(handle=handle, name=handle, address=address, roles=roles, component_path=path, by="ove", now=now)
    return handle


def signers(muster: Muster, count: int) -> list[Person]:
    """Employees whose domains sign what they send."""
    found = [
        one
        for one in muster.world.people
        if Signing(SEED).signs(one.address.rpartition("@")[2])
        and one.address.isascii()
        and '"' not in one.address
        and (one.employment_class, one.status) == ("employee", "active")
        and muster.world.mailbox_kind(one) is MailboxKind.ACCEPTS
    ]
    assert len(found) >= count
    return found[:count]


def in_english(muster: Muster, change: Change = unchanged) -> RoundRef:
    """An offer that reached everybody, all of whom read English."""
    sql.execute("UPDATE roster_entry SET language = 'en'")
    return muster.reach("offer", change=change)


@pytest.fixture
def offer(muster: Muster) -> RoundRef:
    return in_english(muster)


@pytest.fixture
def ann(muster: Muster, offer: RoundRef) -> Person:
    return signers(muster, 1)[0]


# ---- confirmed by a code, and by nothing else


def test_a_choice_is_answered_with_what_was_understood_and_a_code(
    muster: Muster, offer: RoundRef, ann: Person, relay: LittleRelay
) -> None:
    say(muster, offer, ann, "Resign", message_id="<mine@mail.example>")
    assert states(muster, ann) == ["needs_confirmation"]
    muster.send_letters(desk=muster.through(relay))
    [sent] = relay.taken
    letter = message_from_bytes(sent.octets)
    octets = next(part for part in letter.walk() if part.get_content_type() == "text/plain").get_payload(decode=True)
    assert isinstance(octets, bytes)
    text, code = octets.decode(), code_of(muster, ann)
    assert (sent.reverse_path, sent.recipient, letter["In-Reply-To"]) == ("", ann.address, "<mine@mail.example>")
    assert re.fullmatch(r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){2}", code)
    assert code in text
    assert code not in letter["Subject"]
    assert "“Resign”" in text
    assert "the personnel office of your component" in text
    assert "I withdraw" in text
    assert "If you do not confirm, nothing is recorded, and that has no consequence." in text
    assert muster.letters() == [("confirmation", "relayed", muster.person_no(ann))]


def test_the_right_code_puts_the_choice_before_the_component_and_into_no_effect(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    confirmed(muster, offer, ann)
    assert muster.answers(offer, ann) == [("election", "Resign", "needs_confirmation")]
    assert "It is under review and not in force yet." in last(muster, ann)
    assert muster.cases() == {}
    muster.ledger_is_sound()


def test_a_code_may_stand_beside_politeness_yes_and_the_choice(muster: Muster, offer: RoundRef) -> None:
    ways = (
        "{code}",
        "{plain}",
        "Hello,\n\n{code}\n\nThank you",
        "Yes.\n{code}",
        "Resign\n{code}",
        "{lower}",
        "  {spaced}",
    )
    for written, one in zip(ways, signers(muster, len(ways)), strict=True):
        say(muster, offer, one, "Resign")
        code = code_of(muster, one)
        forms = {"code": code, "plain": code.replace("-", ""), "lower": code.lower(), "spaced": code.replace("-", " ")}
        say(muster, offer, one, written.format(**forms))
        assert states(muster, one) == ["under_review"], written


def test_a_code_beside_other_words_confirms_nothing(muster: Muster, offer: RoundRef, ann: Person) -> None:
    say(muster, offer, ann, "Resign")
    code = code_of(muster, ann)
    for written in (
        "I do not want this any more: {code}",
        "No. {code}",
        "{code}?",
        "If I keep my pension: {code}",
        "Why do I get {code}",
        "My colleague sent me this.\n{code}",
        "{code}\nPPPP-QQQQ-RRRR",
        "{code}...",
    ):
        say(muster, offer, ann, written.format(code=code))
        assert states(muster, ann) == ["needs_confirmation"], written
    assert newest(muster, ann).tries == 0
    say(muster, offer, ann, code)
    assert states(muster, ann) == ["under_review"]


def test_a_code_that_is_quoted_in_the_subject_or_in_automatic_mail_confirms_nothing(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    say(muster, offer, ann, "Resign")
    code, letter = code_of(muster, ann), last(muster, ann)
    quoted = "\n".join(f"> {line}" for line in letter.splitlines())
    announced = "On Mon, 1 Mar 2027 at 10:00 Staff Affairs <staff-affairs@agency.example> wrote:\n"
    for text in (
        f"{announced}\n{quoted}",
        f"Thanks.\n\n{announced}{quoted}",
        f"> {code}",
        f"-----Original Message-----\nFrom: Staff Affairs\nSent: Monday, 1 March 2027\nTo: Ann\nSubject: x\n\n{letter}",
        letter,
        f"Yes\n\n{letter}",
        "\n".join(line for line in letter.splitlines() if "confirm" in line or code in line),
    ):
        say(muster, offer, ann, text)
        assert states(muster, ann) == ["needs_confirmation"], text
    say(muster, offer, ann, "Thank you", subject=code)
    say(muster, offer, ann, "", subject=f"Re: {code}")
    say(muster, offer, ann, code, fields=("Auto-Submitted: auto-replied",), subject="Automatic reply: away")
    assert states(muster, ann) == ["needs_confirmation"]
    assert newest(muster, ann).tries == 0
    say(muster, offer, ann, f"{code}\n\n{announced}{quoted}")
    assert states(muster, ann) == ["under_review"]


def test_nobody_else_confirms_it(muster: Muster, offer: RoundRef, ann: Person) -> None:
    bea = signers(muster, 2)[1]
    say(muster, offer, ann, "Resign")
    code = code_of(muster, ann)
    muster.hear(muster.write(bea, code, muster.addresses(offer, ann)[0], subject=SUBJECT, signed=True))
    say(muster, offer, bea, code)
    say(muster, offer, ann, code, signed=False)  # forged: her domain rejects what it has not signed
    assert states(muster, ann) == ["needs_confirmation"]
    assert states(muster, bea) == []
    say(muster, offer, bea, "Resign")
    say(muster, offer, bea, code)
    assert states(muster, bea) == ["needs_confirmation"]
    assert newest(muster, bea).tries == 1


def test_wrong_codes_are_answered_and_counted_and_the_fifth_ends_it(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    say(muster, offer, ann, "Resign")
    right = code_of(muster, ann)
    for left in (4, 3, 2, 1):
        say(muster, offer, ann, OTHER_CODE)
        assert f"Tries left: {left}." in last(muster, ann)
    assert states(muster, ann) == ["needs_confirmation"]
    say(muster, offer, ann, OTHER_CODE)
    assert states(muster, ann) == ["lapsed"]
    assert "a wrong code came too often" in last(muster, ann)
    say(muster, offer, ann, right)
    assert states(muster, ann) == ["lapsed"]
    assert muster.answers(offer, ann) == [("election", "Resign", "not_counted")]
    assert muster.cases() == {}


def test_codes_in_one_batch_are_tried_in_the_order_in_which_they_came(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    say(muster, offer, ann, "Resign")
    right = code_of(muster, ann)
    tries = [mail(muster, offer, ann, OTHER_CODE) for _ in range(journey.MAX_TRIES)]
    muster.hear(*tries, mail(muster, offer, ann, right))
    assert states(muster, ann) == ["lapsed"]


def test_a_code_that_comes_again_does_nothing(muster: Muster, offer: RoundRef, ann: Person) -> None:
    confirmed(muster, offer, ann)
    before = (len(told(muster, ann)), newest(muster, ann))
    for _ in range(2):
        say(muster, offer, ann, code_of(muster, ann))
    assert (len(told(muster, ann)), newest(muster, ann)) == before
    assert muster.cases() == {}


def test_a_code_holds_for_one_election_of_one_notice(muster: Muster, offer: RoundRef, ann: Person) -> None:
    other = muster.reach("offer", change=lambda toml: toml.replace("A voluntary offer to", "A second offer to"))
    second = "Re: A second offer to leave service by 30 September"
    say(muster, offer, ann, "Resign")
    first_code = code_of(muster, ann)
    say(muster, other, ann, "Resign", subject=second)
    second_code = code_of(muster, ann)
    assert first_code != second_code
    say(muster, other, ann, first_code, subject=second)
    say(muster, offer, ann, second_code)
    assert states(muster, ann) == ["needs_confirmation", "needs_confirmation"]
    say(muster, offer, ann, first_code)
    assert states(muster, ann) == ["under_review", "needs_confirmation"]


def test_a_later_choice_replaces_the_earlier_one_and_its_code(muster: Muster, offer: RoundRef, ann: Person) -> None:
    say(muster, offer, ann, "Resign")
    earlier = code_of(muster, ann)
    say(muster, offer, ann, "Resign.")
    later = code_of(muster, ann)
    assert earlier != later
    assert states(muster, ann) == ["superseded", "needs_confirmation"]
    say(muster, offer, ann, earlier)
    assert states(muster, ann) == ["superseded", "needs_confirmation"]
    say(muster, offer, ann, later)
    assert states(muster, ann) == ["superseded", "under_review"]
    assert muster.answers(offer, ann) == [
        ("election", "Resign", "superseded"),
        ("election", "Resign", "needs_confirmation"),
    ]


def test_a_late_code_confirms_nothing_and_the_choice_lapses_without_consequence(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    say(muster, offer, ann, "Resign")
    code = code_of(muster, ann)
    muster.clock.advance(7 * DAY + timedelta(seconds=1))
    say(muster, offer, ann, code)
    assert states(muster, ann) == ["lapsed"]
    assert "was not confirmed until" in last(muster, ann)
    assert "that has no consequence" in last(muster, ann)


def test_a_code_accepted_in_time_counts_however_late_it_is_digested(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    say(muster, offer, ann, "Resign")
    muster.clock.advance(7 * DAY - timedelta(minutes=1))
    muster.take_in(mail(muster, offer, ann, code_of(muster, ann)))
    muster.clock.advance(3 * DAY)
    muster.upkeep()
    assert states(muster, ann) == ["needs_confirmation"]
    muster.digest()
    assert states(muster, ann) == ["under_review"]


# ---- below grade A


def grade_b(muster: Muster, person: Person) -> dict[str, Any]:
    """How a mail is written that our own border passed by SPF alone."""
    muster.desk = muster.desk_with(intake_authserv_id=AUTHSERV)
    passed = f"Authentication-Results: {AUTHSERV}; spf=pass smtp.mailfrom={person.address}"
    return {"signed": False, "fields": (passed,)}


def test_below_grade_a_a_choice_waits_for_the_signed_in_page_and_says_so(muster: Muster, offer: RoundRef) -> None:
    finn, gus = muster.people(2)
    say(muster, offer, finn, "Resign", signed=False)
    say(muster, offer, gus, "Resign", **grade_b(muster, gus))
    assert [row[3] for row in muster.replies()] == ["C", "B"]
    for one in (finn, gus):
        assert states(muster, one) == ["waits_for_page"]
        assert "on a page that you sign in to. That page is not open yet." in last(muster, one)
        assert not any(letter.values.get("code") for letter in told(muster, one))
    figures = queries.figures(offer.notice_no)
    assert figures.by_state == {"waits_for_page": 2}
    assert figures.below_a == {"grade_b": 1, "grade_c": 1}
    muster.clock.advance(400 * DAY)
    muster.upkeep()
    assert states(muster, finn) == ["waits_for_page"]
    with pytest.raises(Refused, match="nothing to decide"):
        decide(muster, finn)


def test_the_right_code_in_a_mail_below_grade_a_waits_as_well_and_a_wrong_one_is_no_try(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    say(muster, offer, ann, "Resign")
    say(muster, offer, ann, OTHER_CODE, **grade_b(muster, ann))
    assert (states(muster, ann), newest(muster, ann).tries) == (["needs_confirmation"], 0)
    say(muster, offer, ann, code_of(muster, ann), **grade_b(muster, ann))
    assert muster.replies()[-1][2:] == ("confirmation", "B")
    assert states(muster, ann) == ["waits_for_page"]
    assert (newest(muster, ann).reason, newest(muster, ann).confirmed_at) == ("code_grade_b", None)
    say(muster, offer, ann, OTHER_CODE)
    assert (states(muster, ann), newest(muster, ann).tries) == (["waits_for_page"], 0)
    say(muster, offer, ann, code_of(muster, ann))
    assert states(muster, ann) == ["under_review"]


# ---- eligible?


def _only(classes: str) -> Any:
    return lambda toml: f'{toml}\n[election]\nclasses = ["{classes}"]\n'


def test_who_is_not_eligible_is_told_why_and_the_component_can_admit_them(muster: Muster) -> None:
    of = in_english(muster, _only("military"))
    ann, bea = signers(muster, 2)
    say(muster, of, ann, "Resign")
    say(muster, of, bea, "Resign")
    say(muster, of, bea, "I withdraw")
    assert (states(muster, ann), states(muster, bea)) == (["not_eligible"], ["withdrawn"])
    assert "your kind of employment is not among those it is for" in last(muster, ann)
    with pytest.raises(Refused, match=r"not eligible \(employment_class\)"):
        decide(muster, ann)
    decide(muster, ann, reason="seconded from the guard")
    assert states(muster, ann) == ["needs_confirmation"]
    say(muster, of, ann, code_of(muster, ann))
    with pytest.raises(Refused, match=r"not eligible \(employment_class\)"):
        decide(muster, ann)
    decide(muster, ann, reason="seconded from the guard")
    assert states(muster, ann) == ["recorded"]


# ---- decided


def test_an_accepted_choice_is_recorded_and_can_be_taken_back_until_the_moment_named(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    recorded(muster, offer, ann)
    assert muster.answers(offer, ann) == [("election", "Resign", "counted")]
    assert "You can take it back until Monday, 8 March 2027" in last(muster, ann)
    muster.clock.advance(6 * DAY)
    say(muster, offer, ann, "I withdraw my resignation.")
    assert states(muster, ann) == ["withdrawn"]
    assert muster.answers(offer, ann) == [("election", "Resign", "withdrawn"), ("withdraw", "", "counted")]
    assert "nothing of it is in force" in last(muster, ann)


def test_a_choice_can_be_taken_back_at_every_stage_before(muster: Muster, offer: RoundRef) -> None:
    ann, bea, cat = signers(muster, 3)
    [finn] = muster.people(1)
    confirmed(muster, offer, ann)
    muster.clock.advance(11 * DAY)
    muster.upkeep()
    confirmed(muster, offer, bea)
    say(muster, offer, cat, "Resign")
    say(muster, offer, finn, "Resign")
    before = [states(muster, one)[0] for one in (ann, bea, cat, finn)]
    assert before == ["escalated", "under_review", "needs_confirmation", "waits_for_page"]
    for one in (ann, bea, cat, finn):
        say(muster, offer, one, "I withdraw")
        assert states(muster, one) == ["withdrawn"]
        assert "You have taken back your choice" in last(muster, one)


def test_declining_to_answer_later_ends_the_choice(muster: Muster, offer: RoundRef, ann: Person) -> None:
    recorded(muster, offer, ann)
    say(muster, offer, ann, "I decline to answer")
    assert states(muster, ann) == ["superseded"]


def test_after_the_moment_named_a_withdrawal_changes_nothing_and_goes_before_a_person(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    recorded(muster, offer, ann)
    muster.clock.advance(8 * DAY)
    say(muster, offer, ann, "I withdraw")
    say(muster, offer, ann, "Resign.")
    assert states(muster, ann) == ["recorded"]
    assert muster.answers(offer, ann)[:2] == [("election", "Resign", "counted"), ("withdraw", "", "with_person")]
    assert "stands as it was: it could be taken back or replaced until" in last(muster, ann)
    assert muster.cases()["late"] == 2
    assert sum("stands as it was" in letter.text for letter in told(muster, ann)) == 1


def test_a_decline_reaches_the_person_with_its_reason_which_is_written_down_nowhere_in_clear(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    confirmed(muster, offer, ann)
    with pytest.raises(Refused, match="needs its reason"):
        decide(muster, ann, accept=False)
    assert states(muster, ann) == ["under_review"]
    decide(muster, ann, accept=False, reason="the post of {name} is critical until May")
    assert states(muster, ann) == ["declined"]
    assert "The reason given: the post of {name} is critical until May" in last(muster, ann)
    assert muster.answers(offer, ann) == [("election", "Resign", "not_counted")]
    for table in ("replies_election", "replies_election_step", "ledger_entry", "outbound_letter"):
        assert "critical" not in str(sql.rows(f"SELECT t::text FROM {table} t"))


def test_only_an_officer_of_the_persons_own_component_or_a_reviewer_decides(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    confirmed(muster, offer, ann)
    path = journey.component_path(newest(muster, ann).component_no)
    strange = officer_of(muster, "sam", "Agency of Bridges")
    own = officer_of(muster, "tia", path.partition("/")[0])
    herself = officer_of(muster, "ann", path, address=ann.address.upper())
    for officer in (strange, herself, "ben", "ove", "ada", ""):
        with pytest.raises(Refused):
            decide(muster, ann, officer=officer)
    assert states(muster, ann) == ["under_review"]
    decide(muster, ann, officer=own)
    assert states(muster, ann) == ["recorded"]
    with pytest.raises(Refused, match="nothing to decide"):
        decide(muster, ann, accept=False, reason="again")


def test_an_undecided_choice_is_passed_on_and_never_accepted_whatever_the_clock_does(
    muster: Muster, offer: RoundRef
) -> None:
    ann, bea, cat, dan = signers(muster, 4)
    confirmed(muster, offer, ann, bea)
    say(muster, offer, cat, "Resign")
    muster.clock.advance(9 * DAY)
    muster.upkeep()
    assert (states(muster, ann), states(muster, cat)) == (["under_review"], ["lapsed"])
    muster.clock.advance(DAY + timedelta(minutes=2))
    muster.upkeep()
    assert "neither accepted nor declined" in last(muster, ann)
    for days in (1, 30, 365, 3650, -3000, 40_000):
        muster.clock.advance(days * DAY)
        muster.upkeep()
        assert journey.by_the_clock(desk=muster.desk) == 0
    assert [states(muster, one) for one in (ann, bea, cat, dan)] == [["escalated"], ["escalated"], ["lapsed"], []]
    assert sql.value("SELECT count(*) FROM replies_answer WHERE state = 'counted'") == 0
    assert sum("passed on" in letter.text for letter in told(muster, ann)) >= 1
    assert sql.value("SELECT count(*) FROM replies_election_step WHERE after = 'escalated'") == 2
    decide(muster, ann, accept=False, reason="too late now")
    assert states(muster, ann) == ["declined"]


# ---- exported


def exported(muster: Muster, of: RoundRef, file: Path, *officers: str) -> list[Any]:
    return [export(of.notice_no, file=file, officer=officer, desk=muster.desk) for officer in officers]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_an_export_takes_two_officers_and_only_what_can_no_longer_be_taken_back(
    muster: Muster, offer: RoundRef, tmp_path: Path, suffix: str
) -> None:
    ann, bea, cat = signers(muster, 3)
    recorded(muster, offer, ann, bea)
    file = tmp_path / f"elections{suffix}"
    with pytest.raises(Refused, match="no recorded election"):
        exported(muster, offer, file, "rae")
    muster.clock.advance(5 * DAY)
    recorded(muster, offer, cat)
    muster.clock.advance(3 * DAY)
    [first] = exported(muster, offer, file, "rae")
    assert (first.file, first.elections, file.exists()) == (None, 2, False)
    with pytest.raises(Refused, match="yourself"):
        exported(muster, offer, file, "rae")
    muster.clock.advance(DAY)
    [second] = exported(muster, offer, file, "ben")
    assert (second.file, second.elections, second.manifest) == (file, 2, first.manifest)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text(encoding="utf-8")
    found = (
        list(csv.DictReader(text.splitlines()))
        if suffix == ".csv"
        else [json.loads(line) for line in text.splitlines()]
    )
    assert [(one["person_id"], one["choice"]) for one in found] == [(who.person_id, "Resign") for who in (ann, bea)]
    assert not any(who.address in text or who.name in text for who in (ann, bea))
    assert [states(muster, one) for one in (ann, bea, cat)] == [["exported"], ["exported"], ["recorded"]]
    assert "handed over to be carried out" in last(muster, ann)
    with pytest.raises(Refused, match="exists already"):
        exported(muster, offer, file, "ben")
    muster.ledger_is_sound()


def test_a_withdrawal_after_the_export_is_refused_in_a_sentence(
    muster: Muster, offer: RoundRef, ann: Person, tmp_path: Path
) -> None:
    recorded(muster, offer, ann)
    muster.clock.advance(8 * DAY)
    exported(muster, offer, tmp_path / "a.csv", "rae", "ben")
    say(muster, offer, ann, "I withdraw")
    assert states(muster, ann) == ["exported"]
    assert muster.answers(offer, ann) == [("election", "Resign", "counted"), ("withdraw", "", "with_person")]
    assert "A person reads your mail within" in last(muster, ann)
    assert muster.cases() == {"late": 1}


def test_no_export_overtakes_a_withdrawal_that_came_in_time_or_words_that_an_officer_has_to_read(
    muster: Muster, offer: RoundRef, tmp_path: Path
) -> None:
    ann, bea = signers(muster, 2)
    recorded(muster, offer, ann, bea)
    muster.clock.advance(7 * DAY - timedelta(minutes=1))
    say(muster, offer, bea, "I would rather not any more, I think.")
    muster.take_in(mail(muster, offer, ann, "I withdraw"))
    muster.clock.advance(DAY)
    with pytest.raises(Refused, match="no recorded election"):
        exported(muster, offer, tmp_path / "a.csv", "rae")
    muster.digest()
    assert (states(muster, ann), states(muster, bea)) == (["withdrawn"], ["recorded"])
    with pytest.raises(Refused, match="no recorded election"):
        exported(muster, offer, tmp_path / "a.csv", "rae")


def test_what_the_second_officer_asks_for_has_to_be_the_same(
    muster: Muster, offer: RoundRef, ann: Person, tmp_path: Path
) -> None:
    recorded(muster, offer, ann)
    muster.clock.advance(8 * DAY)
    file = tmp_path / "a.csv"
    exported(muster, offer, file, "rae")
    sql.execute("UPDATE replies_election SET choice = 'Stay'")
    [again] = exported(muster, offer, file, "ben")
    assert (again.file, file.exists()) == (None, False)
    [done] = exported(muster, offer, file, "rae")
    assert done.file == file


def test_an_asking_grows_old(muster: Muster, offer: RoundRef, ann: Person, tmp_path: Path) -> None:
    recorded(muster, offer, ann)
    muster.clock.advance(8 * DAY)
    exported(muster, offer, tmp_path / "a.csv", "rae")
    muster.clock.advance(8 * DAY)
    [again] = exported(muster, offer, tmp_path / "a.csv", "ben")
    assert again.file is None


def test_who_may_not_export_is_refused(muster: Muster, offer: RoundRef, tmp_path: Path) -> None:
    for officer in ("ada", "ove", "pia"):
        with pytest.raises(Refused, match="role"):
            exported(muster, offer, tmp_path / "a.csv", officer)


# ---- one transaction, one letter a state, and no trace of a person


@contextmanager
def _dies_at(statement: str) -> Iterator[None]:
    def die(execute: Any, text: str, params: Any, many: bool, context: Any) -> Any:
        if statement in text:
            raise RuntimeError("killed")
        return execute(text, params, many, context)

    with connection.execute_wrapper(die):
        yield


@pytest.mark.parametrize(
    "place", ['INSERT INTO "replies_election_step"', "INSERT INTO outbound_letter", "UPDATE inbound_mail"]
)
def test_a_crash_between_letter_and_state_leaves_neither(
    muster: Muster, offer: RoundRef, ann: Person, place: str
) -> None:
    say(muster, offer, ann, "Resign")
    muster.take_in(mail(muster, offer, ann, code_of(muster, ann)))
    claimed = reply.inbound.claim(limit=5, lease_s=5)
    with _dies_at(place), pytest.raises(RuntimeError):
        reply._digest_batch(claimed, muster.desk)
    assert states(muster, ann) == ["needs_confirmation"]
    assert len(told(muster, ann)) == 1
    assert sql.value("SELECT count(*) FROM replies_election_step") == 1
    reply._digest_batch(claimed, muster.desk)
    assert states(muster, ann) == ["under_review"]
    assert len(told(muster, ann)) == 2


def test_a_crash_while_an_officer_decides_leaves_nothing_decided(muster: Muster, offer: RoundRef, ann: Person) -> None:
    confirmed(muster, offer, ann)
    with _dies_at('INSERT INTO "replies_election_step"'), pytest.raises(RuntimeError):
        decide(muster, ann)
    assert states(muster, ann) == ["under_review"]
    assert len(told(muster, ann)) == 2
    assert sql.value("SELECT count(*) FROM ledger_entry WHERE kind = 'election decided'") == 0


def test_each_state_is_told_once_in_one_letter(muster: Muster, offer: RoundRef, ann: Person, tmp_path: Path) -> None:
    recorded(muster, offer, ann)
    muster.clock.advance(8 * DAY)
    exported(muster, offer, tmp_path / "a.jsonl", "rae", "ben")
    steps = queries.steps(newest(muster, ann).election_no)
    assert [state for state, *_ in steps] == ["needs_confirmation", "under_review", "recorded", "exported"]
    letters = [letter for *_, letter in steps]
    assert None not in letters
    assert len(set(letters)) == len(letters) == len(told(muster, ann))


def test_nothing_but_sealed_text_knows_the_code_and_the_ledger_knows_no_person(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    confirmed(muster, offer, ann)
    decide(muster, ann, accept=False, reason="no")
    code = code_of(muster, ann)
    tables = [str(row[0]) for row in sql.rows("SELECT tablename FROM pg_tables WHERE tablename LIKE 'replies_%%'")]
    assert len(tables) > 5
    for table in (*tables, "ledger_entry", "outbound_letter"):
        rows = str(sql.rows(f"SELECT t::text FROM {table} t"))
        assert code not in rows
        assert code.replace("-", "") not in rows
        assert ann.address not in rows
    entries = str(sql.rows("SELECT kind, actor, subject, facts FROM ledger_entry WHERE kind LIKE '%%election%%'"))
    for personal in (ann.person_id, ann.name, ann.address, "Resign"):
        assert personal not in entries


def test_the_tables_are_guarded_and_steps_stay_as_they_were_written(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    say(muster, offer, ann, "Resign")
    names = ("replies_election", "replies_election_step", "replies_election_export")
    forced = "SELECT bool_and(relrowsecurity AND relforcerowsecurity) FROM pg_class WHERE relname = ANY(%s)"
    assert sql.value(forced, (list(names),)) is True
    intake, application = muster.database.connect("intake"), muster.database.connect("application")
    for name in names:
        with pytest.raises(Exception, match="permission denied"):
            intake.execute(f"SELECT * FROM {name}")
    with pytest.raises(Exception, match="permission denied"):
        application.execute("DELETE FROM replies_election")
    with pytest.raises(Exception, match=r"permission denied|append-only"):
        application.execute("UPDATE replies_election_step SET after = 'recorded'")


def test_nobody_is_flooded_with_codes(muster: Muster, offer: RoundRef, ann: Person) -> None:
    for number in range(MOST_BEGUN + 3):
        say(muster, offer, ann, "Resign" + "." * (number % 2))
    assert len(states(muster, ann)) == MOST_BEGUN
    assert states(muster, ann)[-1] == "needs_confirmation"
    assert muster.cases() == {"unclear": 3}
    assert len(told(muster, ann)) <= 2 * MOST_BEGUN


# ---- the commands


def test_the_commands_count_for_everybody_and_list_for_those_who_decide(
    muster: Muster, offer: RoundRef, ann: Person
) -> None:
    [finn] = muster.people(1)
    bea = signers(muster, 2)[1]
    confirmed(muster, offer, ann)
    say(muster, offer, bea, "Resign")
    say(muster, offer, finn, "Resign", signed=False)
    notice, number = f"n{offer.notice_no}", f"e{newest(muster, ann).election_no}"
    counted = json.loads(muster.command("election", "list", notice, "--json").stdout)
    assert {one["state"]: one["count"] for one in counted["elections"]} == {
        "needs_confirmation": 1,
        "under_review": 1,
        "waits_for_page": 1,
    }
    assert counted["below_a"] == {"grade_c": 1}
    listed = json.loads(muster.command("election", "list", notice, "--as", "rae", "--json").stdout)["listed"]
    assert [one["election"] for one in listed] == [number]
    unconfirmed = muster.command("election", "list", notice, "--as", "rae", "--state", "needs_confirmation")
    assert (unconfirmed.returncode, unconfirmed.stdout) == (1, "")
    hidden = muster.command("election", "show", f"e{newest(muster, bea).election_no}", "--as", "rae")
    assert (hidden.returncode, hidden.stdout) == (1, "")
    shown = json.loads(muster.command("election", "show", number, "--as", "rae", "--json").stdout)
    assert (shown["person_id"], shown["state"], shown["choice"]) == (ann.person_id, "under_review", "Resign")
    done = muster.command("election", "decide", number, "decline", "--reason", "not now", "--as", "rae", "--json")
    assert json.loads(done.stdout)["state"] == "declined"
    assert sql.value("SELECT count(*) FROM ledger_entry WHERE kind = 'election looked at'") == 1
