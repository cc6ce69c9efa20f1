"""A report with the manager in copy: one word is kept of it, counted by component, and no address of anybody (R34)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from postmuster.base import sql
from postmuster.organisation.people import Person
from postmuster.outbound.values import RoundRef
from postmuster.replies.copied_counts import FEWEST, manager_in_copy_counts

from .muster import Muster

REPORT = "- Wrote the plan.\n- Met the team.\n- Fixed the pump.\n- Read the rules.\n- Sent the bill.\n"


def _managed(muster: Muster, count: int) -> list[Person]:
    """People at work whose manager is in the roster."""
    by_id = {one.person_id: one for one in muster.world.people}
    domains = {one.address.rpartition("@")[2] for one in muster.world.people}
    found = [
        one
        for domain in sorted(domains)
        for one in muster.world.people
        if one.address.endswith(f"@{domain}")
        and one.manager_id in by_id
        and one.address.isascii()
        and '"' not in one.address
        and by_id[one.manager_id].address.isascii()
        and (one.employment_class, one.status) == ("employee", "active")
    ]
    assert len(found) >= count
    return found[:count]


def _manager(muster: Muster, person: Person) -> Person:
    return next(one for one in muster.world.people if one.person_id == person.manager_id)


def _hear(muster: Muster, of: RoundRef, person: Person, text: str = REPORT, cc: Sequence[str] = ()) -> str:
    """The person's reply, with these in copy; the word that is kept of it."""
    subject = f"Re: {muster.round(of.notice_no).revision.content.subject.best(person.language, 'en')}"
    fields = [f"Cc: {', '.join(cc)}"] if cc else []
    mail = muster.reply(of, person, text, subject=subject, fields=fields, signed=True)
    muster.hear(mail)
    return str(sql.value("SELECT manager_in_copy FROM replies_reply ORDER BY id DESC LIMIT 1"))


def test_a_report_says_whether_the_manager_was_in_copy_and_keeps_no_address(muster: Muster) -> None:
    of = muster.begin("report")
    ann, bea, cy = _managed(muster, 3)
    assert _hear(muster, of, ann, cc=["bob@mail.example", f"Mia <{_manager(muster, ann).address.upper()}>"]) == "yes"
    assert _hear(muster, of, bea) == "no"
    assert _hear(muster, of, cy, cc=["bob@mail.example"]) == "someone_else"
    assert [kind for person in (ann, bea, cy) for kind, _, _ in muster.answers(of, person)] == ["report"] * 3
    columns = sql.rows(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_name LIKE 'replies%%' "
        "AND data_type IN ('text', 'character varying', 'jsonb')"
    )
    assert ("replies_reply", "manager_in_copy") in columns
    for table, column in columns:
        held = sql.value(f"SELECT count(*) FROM {table} WHERE {column}::text LIKE '%%@%%'")
        assert (table, column, held) == (table, column, 0)


def test_whom_somebody_copied_when_no_report_was_asked_is_not_looked_at(muster: Muster) -> None:
    of = muster.begin("test")
    [ann] = _managed(muster, 1)
    assert _hear(muster, of, ann, "YES", cc=[_manager(muster, ann).address]) == ""
    assert manager_in_copy_counts(of.notice_no) == []


def test_what_somebody_else_wrote_says_nothing_about_the_manager(muster: Muster) -> None:
    of = muster.begin("report")
    ann, bea = _managed(muster, 2)
    mail = muster.reply(
        of, ann, REPORT, sender=bea.address, fields=[f"Cc: {_manager(muster, ann).address}"], signed=True
    )
    muster.hear(mail)
    assert sql.rows("SELECT reason, manager_in_copy FROM replies_reply") == [("other_author", "")]


def test_a_person_without_a_manager_in_the_roster_gets_no_word(muster: Muster) -> None:
    of = muster.begin("report")
    heads = [one for one in muster.world.people if not one.manager_id and one.status == "active"]
    assert heads
    assert _hear(muster, of, heads[0], cc=["bob@mail.example"]) == ""


def test_reports_are_counted_by_component_and_small_components_together(muster: Muster) -> None:
    of = muster.begin("report")
    expected: Counter[str] = Counter()
    for number, person in enumerate(_managed(muster, 8)):
        cc = [_manager(muster, person).address] if number % 2 else []
        word = _hear(muster, of, person, cc=cc)
        if ("report", "", "counted") in muster.answers(of, person):
            expected[word] += 1
    found = manager_in_copy_counts(of.notice_no)
    assert sum((one.counts for one in found), Counter()) == expected
    assert expected["yes"] > 0
    assert expected["no"] > 0
    assert all(one.path is None or one.counts.total() >= FEWEST for one in found)
    status = json.loads(muster.command("notice", "status", f"n{of.notice_no}", "--json").stdout)
    assert status["manager_in_copy"] == [one.to_json() for one in found]
    assert set(status["manager_in_copy"][0]) == {"path", "yes", "no", "someone_else"}
