"""Loading a feed: numbered versions, what changed, and nothing half loaded, against the real database."""

from __future__ import annotations

import csv
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from postmuster.base import sql
from postmuster.base.errors import Refused, Transient
from postmuster.roster import actions, queries
from postmuster.roster.delta import ComponentDelta, Progress, Stage
from postmuster.roster.feed import COLUMNS
from postmuster.roster.models import Entry, Version
from postmuster.roster.rejects_file import HEADER

from .sample import Load, people, write


def rejected(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "people.rejects.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ledger_entries() -> list[Any]:
    return sql.rows("SELECT kind, actor, subject, facts FROM ledger_entry ORDER BY id")


def test_the_first_load_makes_a_version_of_everybody(load: Load, tmp_path: Path) -> None:
    delta = load(people(30) | people(10, "Agency", first=31))
    assert (delta.people, delta.joined, delta.left, delta.moved, delta.changed, delta.rejected) == (40, 40, 0, 0, 0, 0)
    assert delta.by_component == (
        ComponentDelta("Agency", 0, 10, joined=10),
        ComponentDelta("Agency/Office", 0, 30, joined=30),
    )
    assert delta.rejects_file is None
    assert not (tmp_path / "people.rejects.csv").exists()
    assert queries.current_version() == delta.version


def test_the_next_load_is_a_delta_and_leaves_unchanged_entries_alone(load: Load) -> None:
    everyone = people(100) | people(100, "Agency/Other", first=101)
    first = load(everyone)
    before: dict[int, str] = dict(sql.rows("SELECT person_no, xmin::text FROM roster_entry"))
    del everyone["E1"], everyone["E2"]
    everyone["E3"]["component"] = "Agency/Other"
    everyone["E4"]["name"] = "Person Four"
    everyone["E5"]["status"] = "on_leave:2026-07-01"
    everyone |= people(3, "Agency/New", first=201)
    second = load(everyone)
    assert (second.people, second.joined, second.left, second.moved, second.changed) == (201, 3, 2, 1, 2)
    assert second.by_component == (
        ComponentDelta("Agency/New", 0, 3, joined=3),
        ComponentDelta("Agency/Office", 100, 97, left=2, moved_out=1, changed=2),
        ComponentDelta("Agency/Other", 100, 101, moved_in=1),
    )
    untouched = sql.rows(
        "SELECT person_no, xmin::text FROM roster_entry WHERE since = %s AND until IS NULL", [first.version]
    )
    assert len(untouched) == 195
    assert all(before[person_no] == writer for person_no, writer in untouched)


def test_an_older_version_still_says_what_it_said(load: Load) -> None:
    everyone = people(20)
    first = load(everyone)
    everyone["E1"] |= {"name": "New Name", "address": "new@agency.example"}
    del everyone["E2"]
    second = load(everyone)
    older, newer = (queries.person("E1", delta.version) for delta in (first, second))
    assert older is not None
    assert newer is not None
    assert (older.name, str(older.addr)) == ("Person 1", "person.1@agency.example")
    assert (newer.name, str(newer.addr)) == ("New Name", "new@agency.example")
    assert queries.person("E2", first.version) is not None
    assert queries.person("E2", second.version) is None
    assert sum(count.people for count in queries.counts_by_component_and_class(first.version)) == 20
    assert sum(count.people for count in queries.counts_by_component_and_class(second.version)) == 19


def test_addresses_may_change_hands_in_one_load(load: Load) -> None:
    everyone = people(10)
    load(everyone)
    one, two = everyone["E1"], everyone["E2"]
    one["address"], two["address"] = two["address"], one["address"]
    delta = load(everyone)
    assert (delta.changed, delta.joined, delta.left) == (2, 0, 0)


def test_who_comes_back_keeps_their_number(load: Load) -> None:
    everyone = people(10)
    load(everyone)
    number = queries.person_numbers(["E1"])
    without = {person_id: row for person_id, row in everyone.items() if person_id != "E1"}
    assert load(without).left == 1
    assert load(everyone).joined == 1
    assert queries.person_numbers(["E1"]) == number


def test_loading_the_same_file_twice_changes_nothing_but_the_number(load: Load) -> None:
    everyone = people(10)
    first, second = load(everyone), load(everyone)
    assert second.version > first.version
    assert (second.people, second.joined, second.left, second.moved, second.changed) == (10, 0, 0, 0, 0)
    assert Entry.objects.count() == 10


def test_duplicates_are_rejected_with_the_line_of_the_first(load: Load, tmp_path: Path) -> None:
    rows = list(people(5).values())
    rows.append(rows[0] | {"address": "other@agency.example"})
    rows.append(rows[1] | {"person_id": "E77", "address": "PERSON.2@Agency.Example"})
    delta = load(rows, allow_rejects=True)
    assert (delta.people, delta.rejected) == (5, 2)
    assert [(row["line"], row["column"], row["reason"]) for row in rejected(tmp_path)] == [
        ("7", "person_id", "duplicate-person"),
        ("8", "address", "duplicate-address"),
    ]
    assert "line 2 already" in rejected(tmp_path)[0]["sentence"]
    assert "line 3 already" in rejected(tmp_path)[1]["sentence"]


def test_a_line_rejected_for_its_person_id_takes_no_address(load: Load) -> None:
    rows = list(people(3).values())
    rows.insert(1, rows[0] | {"address": "person.3@agency.example"})
    delta = load(rows, allow_rejects=True)
    assert (delta.people, delta.rejected) == (3, 1)


def test_few_rejects_are_reported_and_the_good_lines_loaded(load: Load, tmp_path: Path) -> None:
    everyone = people(200)
    everyone["E7"]["time_zone"] = "Nowhere"
    everyone["E8"]["address"] = "ada@-example-"
    delta = load(everyone)
    assert (delta.people, delta.rejected) == (198, 2)
    assert delta.rejects_file == str(tmp_path / "people.rejects.csv")
    assert [(row["line"], row["column"], row["reason"]) for row in rejected(tmp_path)] == [
        ("8", "time_zone", "time-zone"),
        ("9", "address", "domain"),
    ]
    written = (tmp_path / "people.rejects.csv").read_text()
    assert "Nowhere" not in written
    assert "E7" not in written
    assert "ada@" not in written


def test_more_than_one_percent_of_rejects_is_refused_unless_allowed(load: Load, tmp_path: Path) -> None:
    everyone = people(100)
    for person_id in ("E7", "E8"):
        everyone[person_id]["language"] = "klingon"
    with pytest.raises(Refused, match=r"2 of 100 lines were rejected.*--allow-rejects"):
        load(everyone)
    assert Version.objects.count() == 0
    assert len(rejected(tmp_path)) == 2
    assert load(everyone, allow_rejects=True).people == 98


def test_who_cannot_be_read_stays_as_they_were(load: Load) -> None:
    everyone = people(200)
    load(everyone)
    everyone["E7"] |= {"name": "Another Name", "time_zone": "Nowhere"}
    delta = load(everyone)
    assert (delta.people, delta.left, delta.kept, delta.rejected) == (200, 0, 1, 1)
    kept = queries.person("E7", delta.version)
    assert kept is not None
    assert kept.name == "Person 7"
    everyone["E7"]["time_zone"] = "UTC"
    assert load(everyone).changed == 1


def test_who_cannot_be_read_goes_when_somebody_else_has_their_address(load: Load) -> None:
    everyone = people(200)
    load(everyone)
    everyone["E7"]["time_zone"] = "Nowhere"
    everyone["E8"]["address"] = "person.7@agency.example"
    delta = load(everyone)
    assert (delta.people, delta.left, delta.kept, delta.changed) == (199, 1, 0, 1)


def test_a_component_that_shrinks_is_named_and_nothing_is_loaded(load: Load) -> None:
    everyone = people(100) | people(100, "Agency/Other", first=101)
    load(everyone)
    entries = sql.rows("SELECT * FROM roster_entry ORDER BY id")
    fewer = {person_id: row for person_id, row in everyone.items() if int(person_id[1:]) > 10}
    with pytest.raises(Refused, match="“Agency/Office” from 100 to 90") as caught:
        load(fewer)
    assert "Agency/Other" not in caught.value.sentence
    assert sql.rows("SELECT * FROM roster_entry ORDER BY id") == entries
    assert Version.objects.count() == 1
    assert load(fewer, allow_shrink=["Agency/Office"]).left == 10


def test_turning_people_into_separated_ones_is_shrinking_too(load: Load) -> None:
    everyone = people(100)
    load(everyone)
    for number in range(1, 11):
        everyone[f"E{number}"]["status"] = "separated"
    with pytest.raises(Refused, match="from 100 to 90"):
        load(everyone)
    assert load(everyone, allow_shrink=["Agency"]).changed == 10


def test_moving_people_away_is_shrinking_too(load: Load) -> None:
    everyone = people(100)
    load(everyone)
    for row in everyone.values():
        row["component"] = "Agency/Renamed"
    with pytest.raises(Refused, match="“Agency/Office” from 100 to 0"):
        load(everyone)
    assert load(everyone, allow_shrink=["Agency/Office"]).moved == 100


def test_allowing_an_unknown_component_to_shrink_is_refused(load: Load) -> None:
    with pytest.raises(Refused, match="No component is called “Agency/Ofice”"):
        load(people(3), allow_shrink=["Agency/Ofice"])


def test_a_load_is_in_the_ledger_with_digest_and_counts_and_nobody(load: Load, tmp_path: Path) -> None:
    everyone = people(200)
    everyone["E7"]["name"] = "Marked Ñandú"
    everyone["E9"]["time_zone"] = "Marked/Zone"
    delta = load(everyone)
    ((kind, actor, subject, facts),) = ledger_entries()
    assert (kind, actor, subject) == ("roster loaded", "officer:1 by shell", f"roster:{delta.version}")
    assert json.loads(facts) == {
        "version": delta.version,
        "file_sha256": hashlib.sha256((tmp_path / "people.csv").read_bytes()).hexdigest(),
        "people": 199,
        "joined": 199,
        "left": 0,
        "moved": 0,
        "changed": 0,
        "kept": 0,
        "rejected": 1,
        "shrink_allowed": 0,
        "rejects_allowed": False,
    }


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        ("Zoë".encode("latin-1"), "Line 3 is not UTF-8"),
        (b'"' + b"x\n" * 100_000, "Line 3, or a quote opened in it, does not end"),
    ],
)
def test_a_file_that_cannot_be_believed_leaves_the_roster_as_it_was(
    load: Load, tmp_path: Path, now: datetime, octets: bytes, words: str
) -> None:
    load(people(3))
    file = write(tmp_path / "bad.csv", people(1).values())
    file.write_bytes(file.read_bytes() + octets)
    with pytest.raises(Refused, match=words):
        actions.load_feed(file, actor="shell", now=now, rejects=tmp_path / "rejects.csv")
    assert Version.objects.count() == 1
    assert len(ledger_entries()) == 1


def test_a_feed_without_people_is_refused(load: Load) -> None:
    with pytest.raises(Refused, match="no line that names a person"):
        load([])


def test_a_file_that_is_not_there_is_refused(database: Any, tmp_path: Path, now: datetime) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(Refused, match="cannot be read"):
            actions.load_feed(path, actor="shell", now=now, rejects=tmp_path / "r.csv")


def test_a_rejects_file_never_takes_the_place_of_another(load: Load, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("keep me")
    with pytest.raises(Refused, match="is no rejects file"):
        load(people(3), rejects=other)
    with pytest.raises(Refused, match="is no rejects file"):
        load(people(3), rejects=tmp_path / "people.csv")
    assert other.read_text() == "keep me"
    assert Version.objects.count() == 0


def test_an_old_rejects_file_goes_when_nothing_is_rejected(load: Load, tmp_path: Path) -> None:
    old = tmp_path / "people.rejects.csv"
    old.write_text(",".join(HEADER) + "\n2,,cells,old\n")
    load(people(3))
    assert sorted(path.name for path in tmp_path.glob("*rejects*")) == []


def test_two_loads_at_once_are_refused(load: Load, database: Any) -> None:
    other = database.connect("application")
    with other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(%s)", (actions._LOAD_LOCK,))
        with pytest.raises(Refused, match="Another roster is being loaded"):
            load(people(3))
    assert load(people(3)).people == 3


def test_a_database_that_goes_away_in_the_middle_says_so_and_nothing_is_loaded(
    load: Load, database: Any, tmp_path: Path
) -> None:
    load(people(3))
    owner = database.connect("owner")

    def cut(progress: Progress) -> None:
        if progress.stage is Stage.WRITING:
            connection.connection.close()

    with pytest.raises(Transient, match="what was committed is kept") as caught:
        load(people(30), progress=cut)
    assert "person." not in caught.value.sentence
    connection.close()
    assert owner.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    assert queries.current_version() is not None
    assert Version.objects.count() == 1


def test_a_load_can_be_part_of_a_larger_transaction_twice(load: Load) -> None:
    with transaction.atomic():
        load(people(3))
        load(people(4))
    assert Version.objects.count() == 2


def test_progress_tells_every_stage_in_order(load: Load, tmp_path: Path) -> None:
    told: list[Progress] = []
    load(people(30), progress=told.append)
    stages = [progress.stage for progress in told]
    assert stages == [Stage.COMPARING, Stage.WRITING]
    size = (tmp_path / "people.csv").stat().st_size
    assert (told[-1].octets, told[-1].total_octets, told[-1].lines) == (size, size, 30)


def test_no_cell_of_a_feed_reaches_an_error_of_the_database(load: Load, database: Any, now: datetime) -> None:
    """A constraint that a row breaks is reported without the row."""
    load(people(3))
    with pytest.raises(Exception, match="23505") as caught, sql.guarded():
        Entry.objects.create(
            person_no=999, since=1, until=None, local_part="person.1", domain="agency.example", component_no=1,
            address_key="person.1@agency.example", name="Marked Name", employment_class="employee", manager_id="",
            time_zone="UTC", language="en", status="active", leave_until=None,
        )  # fmt: skip
    assert "person.1" not in str(caught.value)
    assert "Marked" not in str(caught.value)


def test_the_columns_of_a_row_are_those_of_the_temporary_table(database: Any) -> None:
    from postmuster.roster.feed import Row

    with transaction.atomic():
        sql.execute(sql.load("roster")["make_tables"])
        found = sql.rows("SELECT attname FROM pg_attribute WHERE attrelid = 'roster_feed'::regclass AND attnum > 0")
        assert tuple(name for (name,) in found) == Row._fields
        transaction.set_rollback(True)
    assert {"person_id", "name", "component"} <= set(COLUMNS) & set(Row._fields)
