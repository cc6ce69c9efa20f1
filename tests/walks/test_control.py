"""Stopping, pausing and going on, by the commands that people type."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from postmuster.access.actions import add_officer
from postmuster.access.roles import Role
from postmuster.base import sql
from postmuster.control import queries as control
from postmuster.jobs import relay_hold
from postmuster.outbound.values import RoundRef

from .muster import Muster

SEEDS = "Federal Agency for Orchards/Bureau of Seeds"


def _id(of: RoundRef) -> str:
    return f"n{of.notice_no}"


def _stop(muster: Muster, of: RoundRef, *options: str) -> dict[str, object]:
    done = muster.command("notice", "stop", _id(of), "--as", "ben", "--reason", "a mistake", "--json", *options)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def _path(of: RoundRef) -> str:
    """A component that somebody in the audience is in."""
    return str(
        sql.value(
            "SELECT c.path FROM outbound_audience a JOIN roster_component c ON c.id = a.component_no "
            "WHERE a.notice_no = %s AND c.path LIKE '%%/%%' ORDER BY a.seq LIMIT 1",
            (of.notice_no,),
        )
    )


def test_a_stop_without_both_answers_is_a_usage_error_and_stops_nothing(muster: Muster) -> None:
    of = muster.begin()
    for options in ((), ("--tell-reached",), ("--no-accept-replies",)):
        done = muster.command("notice", "stop", _id(of), "--as", "ben", "--reason", "a mistake", *options)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "nothing was stopped" in done.stderr
    assert control.standing(of.notice_no) == []


def test_a_stop_is_named_until_it_is_lifted_and_resume_names_what_still_holds(muster: Muster) -> None:
    of = muster.begin()
    found = _stop(muster, of, "--tell-reached", "--accept-replies")
    assert (found["tell_reached"], found["accept_replies"]) == (True, True)
    muster.stop(cause=control.Cause.HOLD)
    assert muster.send(of) == 0
    status = json.loads(muster.command("notice", "status", _id(of), "--json").stdout)
    assert any("postmuster notice told" in sentence for sentence in status["held_by"])

    done = muster.command("notice", "resume", _id(of), "--as", "ben", "--reason", "mended", "--json")
    told = json.loads(done.stdout)
    assert told["lifted"] == [found["stop"]]
    assert [sentence.split()[0] for sentence in told["held_by"]] == ["hold"]
    done = muster.command("notice", "resume", "all", "--as", "ben", "--reason", "looked at")
    assert "Nothing holds it any more." in done.stdout
    assert muster.send(of) > 0


def test_those_reached_are_told_by_a_notice_that_was_released(muster: Muster) -> None:
    of = muster.begin()
    other = muster.draft()
    _stop(muster, of, "--tell-reached", "--accept-replies")
    done = muster.command("notice", "told", _id(of), "--by", f"n{other}", "--as", "ben")
    assert done.returncode == 1
    assert "was released" in done.stderr
    muster.release(other)
    done = muster.command("notice", "told", _id(of), "--by", f"n{other}", "--as", "ben")
    assert done.returncode == 0, done.stderr
    assert not any(stop.to_tell for stop in control.standing(of.notice_no))


def test_a_component_s_officer_does_not_lift_what_an_approver_set(muster: Muster) -> None:
    of = muster.begin()
    path = _path(of)
    add_officer(
        handle="cam",
        name="",
        address="",
        roles=[Role.COMPONENT_OFFICER],
        component_path=path,
        by="ove",
        now=muster.desk.now,
    )
    scope = ("--component", path, "--reason", "a test")
    assert muster.command("notice", "pause", _id(of), "--as", "ben", *scope).returncode == 0
    done = muster.command("notice", "resume", _id(of), "--as", "cam", *scope)
    assert done.returncode == 1
    assert "an approver set it" in done.stderr
    assert muster.command("notice", "pause", _id(of), "--as", "cam", *scope).returncode == 0
    done = muster.command("notice", "resume", _id(of), "--as", "cam", *scope, "--json")
    assert len(json.loads(done.stdout)["lifted"]) == 1
    assert len(json.loads(done.stdout)["held_by"]) == 1
    assert muster.command("notice", "resume", _id(of), "--as", "ben", *scope).returncode == 0
    assert control.standing(of.notice_no) == []


def test_replies_to_a_stopped_notice_wait_sealed_and_are_read_once_it_is_resumed(muster: Muster) -> None:
    of, other = muster.reach(), muster.reach()
    ann, bea, cal = muster.people(3)
    _stop(muster, of, "--no-tell-reached", "--no-accept-replies")
    report = muster.report(of, cal, "failed", "5.1.1")
    muster.hear(muster.reply(of, ann), muster.reply(other, bea), report)
    assert muster.answers(of, ann) == []
    assert muster.answers(other, bea) == [("acknowledge", "", "counted")]
    assert muster.state(of, muster.ref(of, cal).seq) == "failed"  # evidence, not an answer
    assert sql.row("SELECT state, attempts FROM inbound_mail ORDER BY id LIMIT 1") == ("waiting", 0)
    assert muster.digest() == 0  # it is not looked at all the time

    done = muster.command("notice", "resume", _id(of), "--as", "ben", "--reason", "mended")
    assert done.returncode == 0, done.stderr
    sql.execute("UPDATE inbound_mail SET lease_until = clock_timestamp() WHERE state = 'waiting'")
    assert muster.digest() == 1
    assert muster.answers(of, ann) == [("acknowledge", "", "counted")]


def test_an_operator_s_command_is_told_which_notice_to_hold_and_which_to_let_go(muster: Muster) -> None:
    said = muster.folder / "said"
    script = muster.folder / "hold.py"
    script.write_text(
        f"import sys; open({str(said)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10)); print('finn@x.example')"
    )
    command = f"{sys.executable} {script}"
    muster.configure(
        relay_hold_command=command + " hold {notice} {sender}",
        relay_release_command=command + " let-go {notice} {sender}",
    )
    of = muster.begin()
    found = _stop(muster, of, "--no-tell-reached", "--accept-replies")
    assert found["relay"] == {"how": "command", "messages": None, "trouble": None}
    done = muster.command("notice", "resume", _id(of), "--as", "ben", "--reason", "mended")
    assert "finn" not in done.stdout + done.stderr
    assert said.read_text().splitlines() == [f"hold {_id(of)} b-{_id(of)}-", f"let-go {_id(of)} b-{_id(of)}-"]
    kinds = [row[0] for row in sql.rows("SELECT kind FROM ledger_entry WHERE kind LIKE 'relay %%' ORDER BY id")]
    assert kinds == ["relay held", "relay released"]


def test_a_relay_that_does_not_do_it_does_not_undo_the_stop(muster: Muster) -> None:
    muster.configure(relay_hold_command="false")
    of = muster.begin()
    found = _stop(muster, of, "--no-tell-reached", "--accept-replies")
    assert "exit 1" in str(found["relay"])
    assert len(control.standing(of.notice_no)) == 1


QUEUE = """
import json, pathlib, sys
file = pathlib.Path({file!r})
queue = json.loads(file.read_text())
if "-j" in sys.argv:
    for one in queue: print(json.dumps(one))
else:
    state = "hold" if "-h" in sys.argv else "deferred"
    ids = sys.stdin.read().split()
    for one in queue: one["queue_name"] = state if one["queue_id"] in ids else one["queue_name"]
    file.write_text(json.dumps(queue))
"""


@pytest.fixture
def queue(muster: Muster, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs of Postfix's names that keep their queue in a file. tests/rehearsal asks the real one."""
    file, script = muster.folder / "queue.json", muster.folder / "queue.py"
    script.write_text(QUEUE.format(file=str(file)), encoding="utf-8")
    for name in ("postqueue", "postsuper"):
        program = muster.folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setattr("postmuster.outbound.programs._ENVIRONMENT", {"PATH": f"{muster.folder}/bin:/usr/bin:/bin"})
    muster.configure(relay_adapter="postfix")
    return file


def _fill(muster: Muster, of: RoundRef, file: Path) -> dict[str, int]:
    """The queue as after a send: one mail for everybody addressed; returns how many by component."""
    rows = sql.rows(
        "SELECT a.seq, p.person_id, c.path FROM outbound_audience a JOIN roster_person p ON p.id = a.person_no "
        "JOIN roster_component c ON c.id = a.component_no WHERE a.notice_no = %s ORDER BY a.seq",
        (of.notice_no,),
    )
    people = {one.person_id: one for one in muster.world.people}
    entries = [
        {
            "queue_name": "deferred",
            "queue_id": f"4Xy1000{seq}",
            "sender": muster.addresses(of, people[person_id])[1],
            "recipients": [{"address": "somebody@agency.example"}],
        }
        for seq, person_id, _ in rows
    ]
    file.write_text(json.dumps(entries), encoding="utf-8")
    counted: dict[str, int] = {}
    for _, _, path in rows:
        counted[path] = counted.get(path, 0) + 1
    return counted


def _held(file: Path) -> int:
    return sum(one["queue_name"] == "hold" for one in json.loads(file.read_text(encoding="utf-8")))


def test_a_component_s_pause_reaches_into_the_queue_and_no_further(muster: Muster, queue: Path) -> None:
    of = muster.begin()
    counted = _fill(muster, of, queue)
    path = _path(of)
    inside = sum(count for each, count in counted.items() if each == path or each.startswith(f"{path}/"))
    settings, clock = muster.desk.settings, muster.clock
    muster.stop(notice_no=of.notice_no, path=path, cause=control.Cause.PAUSE)
    told = relay_hold.hold(settings, of.notice_no, path, actor="shell", clock=clock, wait=lambda _: None)
    assert (told.messages, _held(queue)) == (inside, inside)
    assert 0 < inside < sum(counted.values())

    muster.stop(notice_no=of.notice_no)
    told = relay_hold.hold(settings, of.notice_no, "", actor="shell", clock=clock, wait=lambda _: None)
    assert (told.messages, _held(queue)) == (sum(counted.values()) - inside, sum(counted.values()))

    muster.lift(notice_no=of.notice_no)  # the component's pause stands
    told = relay_hold.release(settings, of.notice_no, "", actor="shell", clock=clock)
    assert (told.messages, _held(queue)) == (sum(counted.values()) - inside, inside)
    muster.lift(notice_no=of.notice_no, path=path, cause=control.Cause.PAUSE)
    told = relay_hold.release(settings, of.notice_no, path, actor="shell", clock=clock)
    assert (told.messages, _held(queue)) == (inside, 0)
    facts = [json.loads(row[0]) for row in sql.rows("SELECT facts::text FROM ledger_entry WHERE kind LIKE 'relay %%'")]
    assert all({"messages", "how"} <= set(one) <= {"messages", "how", "stop", "left", "left_s"} for one in facts)


def test_what_arrives_between_the_two_looks_is_held_too(muster: Muster, queue: Path) -> None:
    of = muster.begin()
    _fill(muster, of, queue)
    whole = json.loads(queue.read_text())
    queue.write_text(json.dumps(whole[:5]), encoding="utf-8")

    coming = [whole[5:8]]

    def more_comes(_: float) -> None:
        queue.write_text(json.dumps(json.loads(queue.read_text()) + (coming.pop() if coming else [])), encoding="utf-8")

    muster.stop(notice_no=of.notice_no)
    told = relay_hold.hold(muster.desk.settings, of.notice_no, "", actor="shell", clock=muster.clock, wait=more_comes)
    assert (told.messages, _held(queue)) == (8, 8)


def test_what_left_the_queue_all_the_same_is_counted_and_said_beside_the_stop(muster: Muster, queue: Path) -> None:
    of = muster.begin()
    _fill(muster, of, queue)
    whole = json.loads(queue.read_text())[:6]
    queue.write_text(json.dumps(whole), encoding="utf-8")

    def some_leave(_: float) -> None:  # one is delivered and its file gone, of another only the held file is left
        now = {one["queue_id"]: one for one in json.loads(queue.read_text())}
        now.pop(whole[0]["queue_id"], None)
        now[whole[1]["queue_id"]]["recipients"] = []
        queue.write_text(json.dumps(list(now.values())), encoding="utf-8")

    muster.stop(notice_no=of.notice_no)
    stop_no = control.standing(of.notice_no)[0].stop_no
    told = relay_hold.hold(muster.desk.settings, of.notice_no, "", actor="shell", clock=muster.clock, wait=some_leave)
    assert told.left is not None
    assert (told.messages, told.left.stop_no, told.left.messages) == (4, stop_no, 2)
    assert 0 < told.left.seconds < 60
    assert "4 messages" in told.sentence()
    shown = json.loads(muster.command("notice", "status", _id(of), "--json").stdout)["time_to_stop"]
    assert shown == {"accepted_s": 0.0, "left_relay_s": told.left.seconds, "left_relay_messages": 2}
