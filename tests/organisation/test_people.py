"""People, their agencies and their dice: the ground everything else here stands on."""

from __future__ import annotations

from collections import Counter

from postmuster.organisation.dice import Dice
from postmuster.organisation.people import AGENCIES, create_people, mailbox_key

PEOPLE = create_people(4000, 1)


def test_the_dice_fall_the_same_way_for_ever() -> None:
    dice = Dice("never", "changes")
    assert [dice.below(1000) for _ in range(6)] == [24, 327, 736, 168, 404, 687]
    assert Dice(1, "23").bits() != Dice(12, "3").bits()
    assert sorted(Dice(1).sample(range(50), 50)) == list(range(50))
    shares = Counter(Dice(2, number).weighted([("a", 3), ("b", 1)]) for number in range(4000))
    assert 0.70 < shares["a"] / 4000 < 0.80


def test_the_same_seed_founds_the_same_organisation() -> None:
    assert create_people(300, 1) == PEOPLE[:300] == create_people(300, 1)
    assert create_people(300, 2) != PEOPLE[:300]


def test_every_address_is_of_one_person_and_of_an_example_domain() -> None:
    keys = {mailbox_key(person.address) for person in PEOPLE}
    assert len(keys) == len(PEOPLE)
    assert all(key.endswith(".agency.example") for key in keys)
    assert any('"' in person.address for person in PEOPLE)
    assert any(not person.address.rpartition("@")[0].isascii() for person in PEOPLE)
    assert any(not person.address.rpartition("@")[2].isascii() for person in PEOPLE)


def test_every_component_has_people_and_one_head() -> None:
    components = {f"{agency.name}/{office}" for agency in AGENCIES for office in agency.offices}
    assert {person.component for person in PEOPLE} == components
    heads = Counter(person.component for person in PEOPLE if not person.manager_id)
    assert heads == dict.fromkeys(components, 1)
    by_id = {person.person_id: person for person in PEOPLE}
    assert all(by_id[person.manager_id].component == person.component for person in PEOPLE if person.manager_id)


def test_classes_statuses_and_languages_all_occur() -> None:
    assert len({person.employment_class for person in PEOPLE}) == 7
    assert {person.status.partition(":")[0] for person in PEOPLE} == {
        "active",
        "on_leave",
        "no_mail_access",
        "separated",
    }
    assert len({person.language for person in PEOPLE}) >= 8


def test_mailboxes_are_found_however_an_address_is_written() -> None:
    assert mailbox_key('"Ada Able"@Rivers.Agency.Example') == mailbox_key("ada able@rivers.agency.example")
    assert mailbox_key("ada@brücken.agency.example") == mailbox_key("ADA@XN--BRCKEN-4YA.agency.example")
