"""The organisation as a whole: who answers what, when, and what the record says about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.utils import parseaddr
from functools import lru_cache
from hashlib import sha256

import dkim
import pytest

from postmuster.organisation import attacks
from postmuster.organisation.dice import Dice
from postmuster.organisation.mailboxes import MailboxKind
from postmuster.organisation.people import AGENCIES
from postmuster.organisation.programs import programs
from postmuster.organisation.truth import Answer, Kind, Outcome, Truth
from postmuster.organisation.wording import marked_texts, wording
from postmuster.organisation.world import Outgoing, World

from .notices import reach_everyone, reply_address

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
DEADLINE = NOW + timedelta(days=5)
ASKS: dict[int, tuple[object, ...]] = {1: ("acknowledge",), 2: ("election", ["Resign"]), 3: ("report", 5)}
PEOPLE, SEED, LIMIT = 1200, 9, 300_000


@lru_cache(maxsize=1)
def three_notices() -> tuple[World, dict[int, list[Outgoing]]]:
    """Three notices to 1,200 people, answered to the end."""
    world = World(PEOPLE, SEED, lambda: NOW, size_limit=LIMIT)
    mails = {}
    for notice_no, ask in ASKS.items():
        reach_everyone(world, notice_no, NOW, wants_success=notice_no == 3)
        mails[notice_no] = list(world.answer(notice_no, ask, deadline=DEADLINE))
    return world, mails


def everything() -> list[Outgoing]:
    return [mail for mails in three_notices()[1].values() for mail in mails]


def of_class(truth: Truth) -> list[Outgoing]:
    return [mail for mail in everything() if mail.truth == truth]


def body(mail: Outgoing) -> str:
    message = message_from_bytes(mail.octets, policy=policy.default)
    part = message.get_body(("plain", "html"))
    assert part is not None
    return str(part.get_content())


def digest(mails: list[Outgoing]) -> str:
    whole = sha256()
    for mail in mails:
        whole.update(
            repr((mail.at, mail.reverse_path, mail.recipients, mail.truth, mail.expected)).encode() + mail.octets
        )
    return whole.hexdigest()


def test_the_same_seed_writes_the_same_octets_and_another_one_others() -> None:
    digests = []
    for seed in (3, 3, 4):
        world = World(150, seed, lambda: NOW)
        reach_everyone(world, 1, NOW)
        digests.append(digest(list(world.answer(1, ASKS[3]))))
    assert digests[0] == digests[1] != digests[2]


def test_answers_come_in_order_of_time_and_some_too_late() -> None:
    for notice_no, mails in three_notices()[1].items():
        times = [mail.at for mail in mails]
        assert times == sorted(times)
        assert times[0] >= NOW
        replies = [mail for mail in mails if mail.expected.kind is Kind.REPLY]
        late = [mail for mail in replies if mail.expected.late]
        assert all((mail.at > DEADLINE) == mail.expected.late for mail in replies), notice_no
        assert 0.005 < len(late) / len(replies) < 0.06
        assert all(mail.at > DEADLINE + timedelta(days=2) for mail in late)
        assert len({mail.at.date() for mail in mails}) >= 5


def test_about_half_of_the_people_answer() -> None:
    world, mails = three_notices()
    able = sum(world.mailbox_kind(person) is MailboxKind.ACCEPTS for person in world.people)
    for notice_no, some in mails.items():
        answered = {mail.person_id for mail in some if mail.expected.outcome is Outcome.COUNTED}
        assert 0.40 < len(answered) / able < 0.62, notice_no


def test_at_least_a_tenth_of_the_replies_is_for_a_person() -> None:
    for notice_no, mails in three_notices()[1].items():
        by_people = [mail for mail in mails if mail.expected.kind is not Kind.BOUNCE]
        for_people = sum(mail.expected.outcome is Outcome.TO_A_PERSON for mail in by_people)
        assert for_people / len(by_people) >= 0.10, notice_no


def test_every_class_of_truth_occurs() -> None:
    asked = {truth for truth in Truth if truth not in {Truth.DELAY_DSN}}
    seen = Counter(mail.truth for mail in everything())
    assert asked <= {Truth(name) for name in seen}
    assert sum(count for counts in three_notices()[0].record().values() for count in counts.values()) == len(
        everything()
    )
    outcomes = three_notices()[0].outcomes()
    assert sum(count for counts in outcomes.values() for count in counts.values()) == len(everything())


@pytest.mark.parametrize("people", [110, 200])
def test_even_a_small_organisation_has_every_attack(people: int) -> None:
    world = World(people, 2, lambda: NOW, size_limit=100_000)
    truths: Counter[str] = Counter()
    for notice_no, ask in ASKS.items():
        reach_everyone(world, notice_no, NOW)
        truths.update(mail.truth for mail in world.answer(notice_no, ask))
    wanted = {"forged", "replay", "broken", "marked", "instructions", "altered_token", "two_addresses", "huge"}
    assert wanted | {"wrong_notice_token"} <= set(truths)


def test_every_mail_has_a_message_id_of_its_own_but_for_replays() -> None:
    seen: dict[str, Outgoing] = {}
    for mail in everything():
        assert mail.message_id.startswith("<")
        assert mail.message_id.encode() in mail.octets
        if mail.truth == Truth.REPLAY:
            first = seen[mail.message_id]
            assert (first.octets, first.recipients, first.reverse_path) == (
                mail.octets,
                mail.recipients,
                mail.reverse_path,
            )
            assert mail.expected.outcome is Outcome.REPEATED
        else:
            assert mail.message_id not in seen
            seen[mail.message_id] = mail
    assert [mail.mail_no for mail in everything()] == list(range(1, len(everything()) + 1))


def test_replies_go_to_the_address_the_mail_named_and_reports_to_its_reverse_path() -> None:
    world = three_notices()[0]
    numbers = {person.person_id: person.number for person in world.people}
    for mail in everything():
        own = reply_address(mail.notice_no, numbers[mail.person_id])
        verp = f"b-n{mail.notice_no}-{own[6:]}"
        if mail.expected.kind in {Kind.BOUNCE, Kind.AUTOMATIC}:
            assert mail.recipients == (verp,)
            assert mail.reverse_path is None or mail.expected.kind is Kind.AUTOMATIC
        elif mail.truth == Truth.TWO_ADDRESSES:
            assert mail.recipients == (own, verp)
        elif mail.truth == Truth.ALTERED_TOKEN:
            assert mail.recipients != (own,)
            assert sum(one != other for one, other in zip(mail.recipients[0], own, strict=True)) == 1
        elif mail.truth == Truth.WRONG_NOTICE_TOKEN:
            assert mail.recipients == (reply_address(mail.notice_no - 1, numbers[mail.person_id]),)
        else:
            assert mail.recipients == (own,)


def zone_answer(world: World) -> Callable[..., bytes | None]:
    zone = world.zone()

    def answer(name: bytes, timeout: int = 5) -> bytes | None:
        del timeout
        value = zone.get(name.decode().rstrip("."))
        return value.encode() if value else None

    return answer


def test_what_signing_domains_send_verifies_and_what_is_forged_does_not() -> None:
    world = three_notices()[0]
    answer = zone_answer(world)
    signing = {agency.domain for agency in AGENCIES if agency.sign != "none"}
    verified: Counter[str] = Counter()
    for mail in everything():
        if verified[mail.truth] >= 12:
            continue
        if mail.truth in {Truth.FORGED, Truth.BROKEN, Truth.HUGE, Truth.ALTERED_TOKEN}:
            if mail.truth == Truth.FORGED:
                assert not dkim.verify(mail.octets, dnsfunc=answer)
            continue
        domain = parseaddr(str(message_from_bytes(mail.octets)["from"]))[1].rpartition("@")[2]
        if domain in signing:
            assert dkim.verify(mail.octets, dnsfunc=answer), mail.truth
            verified[mail.truth] += 1
    assert len(verified) >= 12


def test_forged_mail_shows_an_author_who_did_not_send_it() -> None:
    zone = three_notices()[0].zone()
    people = {person.person_id: person for person in three_notices()[0].people}
    for mail in of_class(Truth.FORGED):
        shown = str(message_from_bytes(mail.octets)["from"]).rpartition("<")[2].rstrip(">")
        assert shown.endswith("agency.example")
        assert str(mail.reverse_path).endswith("@elsewhere.example")
        domain = shown.rpartition("@")[2]
        victim = people[mail.person_id].address.rpartition("@")[0] == shown.rpartition("@")[0]
        assert f"_dmarc.{domain}" in zone or not victim
        assert mail.expected.outcome is Outcome.TO_A_PERSON


def test_answers_from_elsewhere_come_from_addresses_nobody_enrolled() -> None:
    people = {person.person_id: person for person in three_notices()[0].people}
    for mail in [*of_class(Truth.OTHER_AUTHOR), *of_class(Truth.FORWARDED_ANSWER)]:
        author = message_from_bytes(mail.octets, policy=policy.default)["from"].addresses[0].addr_spec
        assert author.rpartition("@")[0] != people[mail.person_id].address.rpartition("@")[0]
        assert mail.expected.outcome is Outcome.TO_A_PERSON


def test_the_answer_is_the_latest_and_a_withdrawal_follows_an_election() -> None:
    resigned = {mail.person_id: mail.at for mail in three_notices()[1][2] if mail.truth == Truth.RESIGN}
    for mail in of_class(Truth.WITHDRAW):
        assert mail.at > resigned[mail.person_id]
        assert mail.expected.answer is Answer.WITHDRAW
    for notice_no, mails in three_notices()[1].items():
        order = [mail.person_id for mail in mails if mail.expected.outcome is Outcome.COUNTED]
        for mail in of_class(Truth.ANSWERED_TWICE):
            assert mail.notice_no != notice_no or order.count(mail.person_id) == 2


def test_absence_notes_carry_the_marks_of_automatic_mail_and_most_a_date() -> None:
    people = {person.person_id: person for person in three_notices()[0].people}
    marks = ("auto-submitted", "precedence", "x-auto-response-suppress", "x-post-messageclass")
    notes = of_class(Truth.OUT_OF_OFFICE)
    for mail in notes:
        message = message_from_bytes(mail.octets, policy=policy.default)
        assert any(message[mark] for mark in marks)
        until, on_leave = mail.expected.until, people[mail.person_id].status
        assert until is None or not on_leave.startswith("on_leave:2026-11-1") or on_leave.endswith(until.isoformat())
    assert sum(mail.expected.until is not None for mail in notes) > 0.7 * len(notes)
    assert len({mail.style for mail in notes}) >= 6


def test_statements_stand_in_the_decoded_text() -> None:
    people = {person.person_id: person for person in three_notices()[0].people}
    for mail in of_class(Truth.RESIGN):
        assert "resign" in body(mail).lower()
    for truth in (Truth.QUESTION, Truth.NOT_MINE, Truth.UNCLEAR, Truth.YES_VARIANT):
        forms = wording
        for mail in of_class(truth)[:60]:
            said = " ".join(body(mail).replace(">", " ").split())
            known = [" ".join(form.split()) for form in forms(people[mail.person_id].language).say[truth]]
            escaped = [form.replace("&", "&amp;") for form in known]
            assert any(form in said or form.replace(" ", "") in said.replace(" ", "") for form in [*known, *escaped]), (
                said
            )


def test_reports_put_the_manager_in_copy_and_some_managers_reply_to_all() -> None:
    reports = [mail for mail in of_class(Truth.REPORT) if mail.notice_no == 3]
    copied = sum("cc" in message_from_bytes(mail.octets) for mail in reports)
    assert 0.4 < copied / len(reports) < 0.8
    to_all = [mail for mail in everything() if str(message_from_bytes(mail.octets)["cc"]).count("@") >= 3]
    assert to_all


def test_success_reports_are_sent_where_they_were_asked_for() -> None:
    reports = of_class(Truth.SUCCESS_DSN)
    assert {mail.notice_no for mail in reports} == {3}
    assert {mail.style for mail in reports} == {"postfix", "exchange"}
    assert all(mail.expected.action == "delivered" for mail in reports)


def test_mailboxes_that_bounce_later_do_nothing_else() -> None:
    world, mails = three_notices()
    bouncing = {one.person_id for one in world.people if world.mailbox_kind(one) is MailboxKind.BOUNCES_LATER}
    for some in mails.values():
        theirs = Counter(mail.truth for mail in some if mail.person_id in bouncing)
        assert theirs[Truth.BOUNCE_DSN] == len(bouncing)
        assert set(theirs) <= {Truth.BOUNCE_DSN, Truth.DELAY_DSN}


def test_broken_and_huge_mails_are_as_broken_and_as_huge_as_they_say() -> None:
    assert len({mail.style for mail in of_class(Truth.BROKEN)}) >= 5
    assert all(mail.style in attacks.BROKEN for mail in of_class(Truth.BROKEN))
    huge = of_class(Truth.HUGE)
    assert len(huge) == 3
    assert all(len(mail.octets) > LIMIT and mail.expected.outcome is Outcome.REFUSED for mail in huge)


def test_marked_mails_show_their_marking() -> None:
    lines = {line for text in marked_texts() for line in (text.first, text.last, text.subject, text.text) if line}
    for mail in of_class(Truth.MARKED):
        message = message_from_bytes(mail.octets, policy=policy.default)
        seen = f"{message['subject']}\n{body(mail)}"
        assert any(line.split("\n")[0] in seen for line in lines)
        assert mail.expected.outcome is Outcome.TO_A_PERSON


def test_most_mail_programs_and_all_languages_are_at_work() -> None:
    world = three_notices()[0]
    assert {mail.style for mail in everything()} >= {program.name for program in programs()}
    people = {person.person_id: person for person in world.people}
    assert {people[mail.person_id].language for mail in everything()} >= {
        "en",
        "es",
        "fr",
        "de",
        "pt",
        "pl",
        "it",
        "ja",
        "zh",
    }


def test_a_huge_mail_of_sixty_megabytes_comes_once_a_run() -> None:
    world = World(120, 2, lambda: NOW, huge=True)
    sizes = []
    for notice_no in (1, 2):
        reach_everyone(world, notice_no, NOW)
        sizes += [len(mail.octets) for mail in world.answer(notice_no, ASKS[1]) if mail.truth == Truth.HUGE]
    assert len(sizes) == 1
    assert sizes[0] > 60_000_000


def test_time_is_walked_in_steps_and_late_arrivals_are_taken_in() -> None:
    now = NOW
    world = World(300, 7, lambda: now)
    reach_everyone(world, 1, NOW)
    whole = World(300, 7, lambda: NOW)
    reach_everyone(whole, 1, NOW)
    at_once = [mail.octets for mail in whole.answer(1, ASKS[1], deadline=DEADLINE)]
    stepped: list[bytes] = []
    for day in range(15):
        until = NOW + timedelta(days=day)
        mails = list(world.answer(1, ASKS[1], deadline=DEADLINE, until=until))
        assert all(mail.at <= until for mail in mails)
        stepped += [mail.octets for mail in mails]
    assert stepped == at_once
    assert world.waiting(1) == 0
    now = NOW + timedelta(days=1)
    reach_everyone(world, 1, now, round_no=2)
    again = list(world.answer(1, ASKS[1]))
    assert again
    assert min(mail.at for mail in again) >= now
    assert not {mail.message_id for mail in again} & {mail.message_id for mail in whole.answer(1, ASKS[1])}


def test_who_is_reached_after_the_deadline_answers_late() -> None:
    now = NOW
    world = World(200, 7, lambda: now)
    assert not list(world.answer(1, ASKS[1], deadline=DEADLINE))
    now = DEADLINE + timedelta(days=1)
    reach_everyone(world, 1, now)
    replies = [mail for mail in world.answer(1, ASKS[1]) if mail.expected.kind is Kind.REPLY]
    assert replies
    assert all(mail.at >= now and mail.expected.late for mail in replies)


def test_what_waits_says_until_when_it_will_last() -> None:
    world = World(120, 7, lambda: NOW)
    assert world.last_moment(1) is None
    reach_everyone(world, 1, NOW)
    next(world.answer(1, ASKS[1], deadline=DEADLINE))
    last = world.last_moment(1)
    assert last is not None
    assert last == list(world.answer(1, ASKS[1]))[-1].at


def test_a_token_changed_in_one_character_is_another_token() -> None:
    address = reply_address(1, 5)
    for throw in range(200):
        altered = attacks.alter_token(address, Dice(throw))
        assert altered.startswith("reply+")
        assert altered.endswith("@survey.example")
        assert sum(one != other for one, other in zip(address, altered, strict=True)) == 1


@pytest.mark.parametrize("form", attacks.BROKEN)
def test_a_broken_mail_names_itself_in_its_first_lines(form: str) -> None:
    plain = attacks.Plain(
        "Ada", "ada@seeds.agency.example", "reply+x@survey.example", "Re: x", NOW, "<1@x.example>", "YES"
    )
    octets = attacks.write_broken(form, plain)
    assert b"\r\nMessage-ID: <1@x.example>\r\n" in octets[:600]
    assert b"YES" in octets
    assert len(octets) < attacks.LARGE_FORMS.get(form, 2_000)
    with pytest.raises(ValueError, match="no way called"):
        attacks.write_broken("bent", plain)
