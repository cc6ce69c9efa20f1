"""Reading the roster: versions, people, and whose address something came from."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from postmuster.roster import queries
from postmuster.roster.queries import FORMER_ADDRESS_DAYS
from postmuster.roster.states import EmploymentClass, Status

from .sample import Load, people

LATER = timedelta(days=1)


def number(person_id: str) -> int:
    return queries.person_numbers([person_id])[person_id]


def test_before_the_first_load_there_is_nothing(database: Any, now: datetime) -> None:
    assert queries.current_version() is None
    assert queries.versions(5) == ()
    assert queries.person("E1", 1) is None
    assert queries.people_for(1, [1, 2]) == {}
    assert queries.components() == ()
    assert queries.person_by_address(["ada@agency.example"], now=now) == {}
    assert queries.sample(1, count=20, seed=1) == ()


def test_versions_are_told_newest_first(load: Load, now: datetime) -> None:
    first, second = load(people(3)), load(people(4), now=now + LATER)
    records = queries.versions(5)
    assert [record.version for record in records] == [second.version, first.version]
    assert (records[0].people, records[0].joined, records[0].loaded_at) == (4, 1, now + LATER)
    assert queries.version_record(first.version) == records[1]
    assert queries.version_record(second.version + 1) is None


def test_people_come_with_everything_a_mail_needs(load: Load) -> None:
    everyone = people(3)
    everyone["E2"] |= {"manager_id": "E1", "address": '"two, person"@BRÜCKEN.example', "status": "on_leave:2026-07-01"}
    delta = load(everyone)
    found = queries.people_for(delta.version, [number("E2"), number("E3"), 999_999])
    assert {entry.person_id for entry in found.values()} == {"E2", "E3"}
    two = found[number("E2")]
    assert str(two.addr) == '"two, person"@xn--brcken-4ya.example'
    assert two.address_key == two.addr.match_key
    assert (two.component, two.time_zone, two.language) == ("Agency/Office", "America/New_York", "en")
    assert (two.manager_id, two.status, str(two.leave_until)) == ("E1", Status.ON_LEAVE, "2026-07-01")


def test_counts_add_up_to_everybody(load: Load) -> None:
    everyone = people(20) | people(5, "Agency", first=21)
    everyone["E1"]["employment_class"] = "judge"
    everyone["E2"]["status"] = "separated"
    delta = load(everyone)
    counts = queries.counts_by_component_and_class(delta.version)
    assert sum(count.people for count in counts) == delta.people == 25
    assert [(count.component, count.employment_class, count.status, count.people) for count in counts] == [
        ("Agency", EmploymentClass.EMPLOYEE, Status.ACTIVE, 5),
        ("Agency/Office", EmploymentClass.EMPLOYEE, Status.ACTIVE, 18),
        ("Agency/Office", EmploymentClass.EMPLOYEE, Status.SEPARATED, 1),
        ("Agency/Office", EmploymentClass.JUDGE, Status.ACTIVE, 1),
    ]


def test_components_are_found_with_and_without_what_is_beneath(load: Load) -> None:
    load(people(2, "A") | people(2, "A/B", first=3) | people(2, "AB", first=5))
    paths = {component.component_no: component.path for component in queries.components()}
    with_all, strangers = queries.component_numbers(["A", "Zed"], subtree=True)
    assert {paths[no] for no in with_all} == {"A", "A/B"}
    assert strangers == ("Zed",)
    alone, _ = queries.component_numbers(["A"], subtree=False)
    assert {paths[no] for no in alone} == {"A"}


def test_a_former_address_counts_for_some_days_and_no_longer(load: Load, now: datetime) -> None:
    everyone = people(3)
    load(everyone)
    everyone["E1"]["address"] = "new@agency.example"
    load(everyone, now=now + LATER)
    one = number("E1")
    last_day = now + LATER + timedelta(days=FORMER_ADDRESS_DAYS)
    both = {"new@agency.example", "person.1@agency.example"}
    assert queries.enrolled_address_keys([one], now=last_day - LATER)[one] == both
    assert queries.enrolled_address_keys([one], now=last_day)[one] == {"new@agency.example"}
    key = "person.1@agency.example"
    assert queries.person_by_address([key], now=last_day - LATER) == {key: one}
    assert queries.person_by_address([key], now=last_day) == {}


def test_who_has_left_is_known_by_their_address_for_a_while(load: Load, now: datetime) -> None:
    load(people(3))
    load(people(2), now=now + LATER)
    three = number("E3")
    assert queries.enrolled_address_keys([three], now=now + LATER)[three] == {"person.3@agency.example"}
    assert queries.enrolled_address_keys([three], now=now + timedelta(days=400))[three] == frozenset()


@pytest.mark.parametrize("given_back", [False, True])
def test_an_address_somebody_else_has_had_since_is_not_the_former_holders(
    load: Load, now: datetime, given_back: bool
) -> None:
    everyone = people(3)
    load(everyone)
    everyone["E1"]["address"] = "new@agency.example"
    everyone["E2"]["address"] = "person.1@agency.example"
    load(everyone, now=now + LATER)
    if given_back:
        everyone["E2"]["address"] = "two@agency.example"
        load(everyone, now=now + 2 * LATER)
    one, two = number("E1"), number("E2")
    keys = queries.enrolled_address_keys([one, two], now=now + 3 * LATER)
    assert keys[one] == {"new@agency.example"}
    assert "person.1@agency.example" in keys[two]
    found = queries.person_by_address(["person.1@agency.example", "nobody@agency.example"], now=now + 3 * LATER)
    assert found == {"person.1@agency.example": two}


def test_a_sample_is_the_same_for_the_same_seed_and_keeps_to_what_was_asked(load: Load) -> None:
    everyone = people(60) | people(40, "Agency/Other", first=61)
    for person_id in ("E1", "E2", "E3"):
        everyone[person_id]["employment_class"] = "contractor"
    version = load(everyone).version
    drawn = queries.sample(version, count=20, seed=4)
    assert len({entry.person_no for entry in drawn}) == 20
    assert queries.sample(version, count=20, seed=4) == drawn
    assert queries.sample(version, count=20, seed=5) != drawn
    contractors = queries.sample(version, count=20, seed=4, classes=[EmploymentClass.CONTRACTOR])
    assert sorted(entry.person_id for entry in contractors) == ["E1", "E2", "E3"]
    other, _ = queries.component_numbers(["Agency/Other"], subtree=False)
    assert {entry.component for entry in queries.sample(version, count=9, seed=4, component_nos=other)} == {
        "Agency/Other"
    }
    assert queries.sample(version, count=9, seed=4, component_nos=[]) == ()
    assert queries.sample(version, count=9, seed=4, statuses=[Status.SEPARATED]) == ()


def test_the_intake_role_sees_nothing_of_the_roster(load: Load, database: Any) -> None:
    import psycopg

    load(people(3))
    intake = database.connect("intake")
    for table in ("roster_entry", "roster_person", "roster_component", "roster_version"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            intake.execute(f"SELECT count(*) FROM {table}")
