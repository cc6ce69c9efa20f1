"""Receiving systems: they answer as each mailbox is, and what was accepted is counted and kept."""

from __future__ import annotations

import csv
import smtplib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from postmuster.organisation.correspondence import field_address
from postmuster.organisation.mailboxes import MailboxKind
from postmuster.organisation.people import Person
from postmuster.organisation.world import World

from .notices import notice_mail

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


class Hands:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def clock() -> Hands:
    return Hands()


@pytest.fixture(scope="module")
def world(clock: Hands) -> Iterator[World]:
    world = World(3000, 5, clock)
    yield world
    world.close()


@pytest.fixture(scope="module")
def relay(world: World) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(*world.start()) as relay:
        relay.ehlo()
        yield relay


def somebody(world: World, kind: MailboxKind, *, active: bool = True) -> Person:
    return next(
        person
        for person in world.people
        if world.mailbox_kind(person) is kind and person.address.isascii() and active == (person.status == "active")
    )


def send(relay: smtplib.SMTP, notice_no: int, person: Person, address: str = "") -> tuple[int, str]:
    relay.rset()
    relay.mail(f"b-n{notice_no}-abc@survey.example")
    code, text = relay.rcpt(address or field_address(person))
    if code != 250:
        return code, text.decode()
    code, text = relay.data(notice_mail(notice_no, person, NOW))
    return code, text.decode()


@pytest.mark.parametrize(
    ("kind", "code", "enhanced"),
    [(MailboxKind.UNKNOWN, 550, "5.1.1"), (MailboxKind.FULL, 552, "5.2.2"), (MailboxKind.POLICY, 550, "5.7.1")],
)
def test_mailboxes_that_never_take_mail_say_so_for_good(
    world: World, relay: smtplib.SMTP, kind: MailboxKind, code: int, enhanced: str
) -> None:
    before = world.post.counts().get("n31", {}).get("refused", 0)
    answered, text = send(relay, 31, somebody(world, kind))
    assert (answered, text.split()[0]) == (code, enhanced)
    assert world.post.counts()["n31"]["refused"] == before + 1


@pytest.mark.parametrize("kind", [MailboxKind.GREYLISTED, MailboxKind.BUSY, MailboxKind.FULL_FOR_NOW])
def test_mailboxes_that_say_not_yet_take_it_later(
    world: World, relay: smtplib.SMTP, clock: Hands, kind: MailboxKind
) -> None:
    person = somebody(world, kind)
    assert str(send(relay, 32, person)[0])[0] == "4"
    clock.now += timedelta(minutes=6)
    assert send(relay, 32, person)[0] == 250


@pytest.mark.parametrize("kind", [MailboxKind.ACCEPTS, MailboxKind.BOUNCES_LATER])
def test_what_is_accepted_is_counted_once_and_kept_for_its_reader(
    world: World, relay: smtplib.SMTP, kind: MailboxKind
) -> None:
    person = somebody(world, kind)
    notice_no = 33 + list(MailboxKind).index(kind)
    assert send(relay, notice_no, person)[0] == 250
    assert send(relay, notice_no, person)[0] == 250
    counts = world.post.counts()[f"n{notice_no}"]
    assert (counts["accepted"], counts["distinct"], counts["doubled"]) == (2, 1, 1)
    held = world.post.take(notice_no)
    assert list(held) == [person.number]
    kept = held[person.number].octets()
    assert kept.partition(b"\r\n\r\n")[2] == notice_mail(notice_no, person, NOW).partition(b"\r\n\r\n")[2]
    assert b"Reply-To: <reply+" in kept
    assert world.post.take(notice_no) == {}


def test_people_who_left_and_strangers_are_unknown(world: World, relay: smtplib.SMTP) -> None:
    gone = next(one for one in world.people if one.status == "separated" and one.address.isascii())
    assert send(relay, 40, gone)[0] == 550
    assert send(relay, 40, world.people[0], "nobody@seeds.agency.example")[0] == 550


def test_a_wish_for_success_reports_is_heard(world: World, relay: smtplib.SMTP) -> None:
    person = somebody(world, MailboxKind.ACCEPTS)
    relay.rset()
    assert relay.mail("b-n41-abc@survey.example", ["RET=HDRS", "ENVID=x"])[0] == 250
    assert relay.rcpt(field_address(person), ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;x@y.example"])[0] == 250
    assert relay.data(notice_mail(41, person, NOW))[0] == 250
    assert world.post.take(41)[person.number].wants_success


def test_the_roster_file_and_its_census_agree_with_the_people(world: World, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    world.write_people_csv(path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["person_id"] for row in rows] == [person.person_id for person in world.people]
    count = world.count_audience(path, ["employee", "judge"])
    assert count.people == len(world.people) == count.addressed + sum(count.excluded.values())
    written_to = [
        person
        for person in world.people
        if person.status.partition(":")[0] not in {"separated", "no_mail_access"}
        and person.employment_class in {"employee", "judge"}
    ]
    assert count.addressed == len(written_to) == sum(count.by_component.values())
    one = world.count_audience(path, ["employee"], ["Agency of Rivers"])
    assert all(name.startswith("Agency of Rivers/") for name in one.by_component)
