"""Mail that lies in a mailbox: committed before it is marked, counted once, nothing lost whatever dies in between (P5)."""

from __future__ import annotations

import importlib.util
import json
import mailbox as boxes
import os
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from postmuster.base import sql
from postmuster.base.errors import Refused, Transient
from postmuster.control.states import Lane
from postmuster.inbound import mailboxes
from postmuster.jobs import taking
from postmuster.jobs.desk import open_door_desk
from postmuster.jobs.mailbox_lag import lags
from postmuster.jobs.taking import FetchDesk
from postmuster.mail.lmtp import DeliveryReply
from postmuster.outbound.values import RoundRef
from postmuster.runtime import checks
from postmuster.runtime.processes import Crew

from .muster import Muster

pytest.importorskip("imap_tools", reason="imap-tools is not installed")

from postmuster.jobs import mailbox as journey


def _server_module() -> ModuleType:
    """The server stands beside the tests of the inbound room."""
    file = Path(__file__).parents[1] / "inbound" / "imap_server.py"
    spec = importlib.util.spec_from_file_location("imap_server_of_the_walks", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_imap = _server_module()


@pytest.fixture
def host() -> Iterator[Any]:
    with _imap.ImapServer() as made:
        yield made


@pytest.fixture
def fetching(muster: Muster, host: Any) -> Muster:
    """The organisation with a mailbox configured."""
    muster.configure(
        imap_host="127.0.0.1", imap_port=host.port, imap_tls="none", imap_user=_imap.USER, imap_timeout_s=5
    )
    _write_password(muster)
    return muster


def _write_password(muster: Muster) -> None:
    file = muster.desk.settings.key_dir / "imap-password"
    file.write_text(_imap.PASSWORD + "\n", encoding="utf-8")
    file.chmod(0o600)


def _desk(muster: Muster) -> FetchDesk:
    settings = muster.desk.settings
    return FetchDesk(settings, open_door_desk(settings, muster.clock))


def _fetch(muster: Muster, desk: FetchDesk | None = None) -> journey.Fetched:
    """One look, under the role that may add mail and nothing else."""
    with muster.database.as_role("intake"):
        [found] = journey.fetch(desk or _desk(muster))
    return found


def _mails(muster: Muster, of: RoundRef, count: int) -> list[bytes]:
    return [muster.reply(of, person).data for person in muster.people(count)]


def _counted(muster: Muster) -> int:
    return int(sql.value("SELECT count(*) FROM replies_answer WHERE state = 'counted'"))


def _stored() -> int:
    return int(sql.value("SELECT count(*) FROM inbound_mail"))


# ---- IMAP


def test_what_is_in_a_mailbox_is_taken_marked_and_counted_once(fetching: Muster, host: Any) -> None:
    of = fetching.reach()
    for octets in _mails(fetching, of, 3):
        host.inbox.add(octets)
    found = _fetch(fetching)
    assert (found.read, found.taken, found.waiting, found.trouble) == (3, 3, 0, None)
    assert all(mail.flags == {"\\Seen"} for mail in host.inbox.mails)
    assert fetching.mail_states() == {"waiting": 3}
    assert fetching.digest() == 3
    assert _counted(fetching) == 3
    again = _fetch(fetching)
    assert (again.read, again.taken) == (0, 0)
    assert not host.said("EXPUNGE")


def test_only_what_came_since_is_asked_for(fetching: Muster, host: Any) -> None:
    of = fetching.reach()
    first, second = _mails(fetching, of, 2)
    host.inbox.add(first)
    _fetch(fetching)
    host.inbox.add(second)
    before = len(host.said("UID FETCH"))
    assert _fetch(fetching).read == 1
    assert all(b"FETCH 2 " in one for one in host.said("UID FETCH")[before:])


def test_a_server_that_numbers_its_mails_anew_is_read_anew_and_nothing_counts_twice(
    fetching: Muster, host: Any
) -> None:
    of = fetching.reach()
    first, second, third = _mails(fetching, of, 3)
    host.inbox.add(first)
    host.inbox.add(second)
    _fetch(fetching)
    host.inbox.renumber()
    host.inbox.add(third)
    found = _fetch(fetching)
    assert (found.read, found.taken) == (3, 1)
    assert _stored() == 3
    fetching.digest()
    assert _counted(fetching) == 3


def test_a_mail_that_came_by_the_door_too_counts_once(fetching: Muster, host: Any) -> None:
    of = fetching.reach()
    [ann] = fetching.people(1)
    mail = fetching.reply(of, ann)
    fetching.take_in(mail)
    host.inbox.add(b"Delivered-To: box@mail.example\r\n" + mail.data)
    assert _fetch(fetching).taken == 1
    fetching.digest()
    assert fetching.answers(of, ann) == [("acknowledge", "", "counted")]
    assert len(fetching.letters()) == 1


def test_a_stop_of_the_intake_takes_nothing_away(fetching: Muster, host: Any) -> None:
    of = fetching.reach()
    host.inbox.add(_mails(fetching, of, 1)[0], arrived_at=fetching.desk.now - timedelta(hours=2))
    fetching.stop(lane=Lane.INTAKE)
    found = _fetch(fetching)
    assert (found.taken, found.waiting, found.lag_s, str(found.trouble)) == (0, 1, 7200, "intake")
    assert host.inbox.mails[0].flags == set()
    assert not any(b"BODY" in one for one in host.heard)
    assert _stored() == 0


def test_an_intake_that_says_451_in_the_middle_marks_nothing_that_it_did_not_keep(
    fetching: Muster, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = fetching.reach()
    monkeypatch.setattr(journey, "GROUP_MAILS", 2)
    for octets in _mails(fetching, of, 5):
        host.inbox.add(octets)
    accept, said = taking.accept, iter([None, DeliveryReply.FULL])
    monkeypatch.setattr(taking, "accept", lambda mails, desk: next(said) or accept(mails, desk=desk))
    found = _fetch(fetching)
    assert (found.taken, found.waiting, str(found.trouble)) == (2, 3, "intake")
    assert [bool(mail.flags) for mail in host.inbox.mails] == [True, True, False, False, False]
    monkeypatch.setattr(taking, "accept", accept)
    assert (_fetch(fetching).taken, _stored()) == (3, 5)


@pytest.mark.parametrize("when_taken", ["seen", "move"])
def test_a_crash_between_commit_and_mark_takes_nothing_twice_and_leaves_nothing_unmarked(
    fetching: Muster, host: Any, monkeypatch: pytest.MonkeyPatch, when_taken: str
) -> None:
    of = fetching.reach()
    fetching.configure(imap_when_taken=when_taken, imap_taken_folder="Taken")
    host.folders["Taken"] = _imap.Folder()
    for octets in _mails(fetching, of, 3):
        host.inbox.add(octets)
    host.rule = lambda command: _imap.HANG_UP if command.startswith((b"UID STORE", b"UID MOVE")) else None
    assert _fetch(fetching).trouble is not None
    assert (_stored(), len(host.inbox.mails), len(host.folders["Taken"].mails)) == (3, 3, 0)
    assert not any(mail.flags for mail in host.inbox.mails)
    host.rule = lambda command: None
    found = _fetch(fetching)
    assert (found.read, found.trouble, _stored()) == (0, None, 3)
    if when_taken == "seen":
        assert all(mail.flags == {"\\Seen"} for mail in host.inbox.mails)
    else:
        assert (len(host.inbox.mails), len(host.folders["Taken"].mails)) == (0, 3)


def test_a_database_that_fails_at_the_commit_keeps_neither_mail_nor_mark(
    fetching: Muster, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = fetching.reach()
    host.inbox.add(_mails(fetching, of, 1)[0])
    save = taking.inbound.save_progress

    def broken(progress: Any) -> None:
        raise Transient("The database could not do this now.")

    monkeypatch.setattr(taking.inbound, "save_progress", broken)
    with pytest.raises(Transient):
        _fetch(fetching)
    assert (_stored(), sql.value("SELECT count(*) FROM vault_item WHERE true")) == (0, 0)
    assert host.inbox.mails[0].flags == set()
    monkeypatch.setattr(taking.inbound, "save_progress", save)
    assert _fetch(fetching).taken == 1


def test_one_mail_that_is_too_large_or_cannot_be_given_holds_up_none(fetching: Muster, host: Any) -> None:
    of = fetching.reach()
    fetching.configure(intake_max_message_octets=20_000)
    first, second, third, fourth = _mails(fetching, of, 4)
    host.inbox.add(first)
    host.inbox.add(b"x" * 30_000)  # says so
    host.inbox.add(b"x" * 30_000, stated_octets=100)  # does not
    host.inbox.add(second)
    host.inbox.add(third)
    host.inbox.add(fourth)

    def cannot(command: bytes) -> bytes | None:
        asked = command.split(b" ")[2].split(b",") if command.startswith(b"UID FETCH") and b"BODY" in command else []
        return b"TAG NO it cannot be converted\r\n" if b"4" in asked else None

    host.rule = cannot
    found = _fetch(fetching)
    assert (found.read, found.taken, found.left_out, found.waiting, found.trouble) == (3, 3, 3, 0, None)
    assert [bool(mail.flags) for mail in host.inbox.mails] == [True, False, False, False, True, True]
    assert "3 stay there" in found.sentence()


def test_a_worker_asked_to_leave_finishes_the_mails_at_hand_only(
    fetching: Muster, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = fetching.reach()
    monkeypatch.setattr(journey, "GROUP_MAILS", 2)
    for octets in _mails(fetching, of, 5):
        host.inbox.add(octets)
    desk = _desk(fetching)
    accept = taking.accept

    def leave(mails: Any, desk_: Any) -> DeliveryReply:
        desk.leaving.set()
        return accept(mails, desk=desk_)

    monkeypatch.setattr(taking, "accept", lambda mails, desk: leave(mails, desk))
    found = _fetch(fetching, desk)
    assert (found.taken, found.waiting) == (2, 3)
    assert [bool(mail.flags) for mail in host.inbox.mails] == [True, True, False, False, False]


def test_the_password_is_said_to_this_machine_or_behind_tls_only(fetching: Muster) -> None:
    fetching.configure(imap_host="mail.example")
    with pytest.raises(Refused, match="Without TLS"):
        _fetch(fetching)


def test_a_password_that_others_may_read_is_refused(fetching: Muster) -> None:
    (fetching.desk.settings.key_dir / "imap-password").chmod(0o644)
    with pytest.raises(Refused, match="chmod 600"):
        _fetch(fetching)


def test_one_process_looks_at_a_time(fetching: Muster) -> None:
    fetching.database.connect("intake").execute("SELECT pg_advisory_lock(%s)", (journey._FETCH_LOCK,))
    with pytest.raises(Refused, match="Another process"):
        _fetch(fetching)


def test_without_a_mailbox_there_is_nothing_to_do(muster: Muster) -> None:
    with pytest.raises(Refused, match=r"imap\.host"):
        _fetch(muster)


# ---- Maildir


def test_a_maildir_is_emptied_into_cur_and_counts_once(muster: Muster) -> None:
    of = muster.reach()
    muster.configure(mailbox_maildir="box", intake_max_message_octets=20_000)
    box = boxes.Maildir(muster.folder / "box", create=True)
    for octets in [*_mails(muster, of, 3), b"x" * 30_000]:
        box.add(octets)
    found = _fetch(muster)
    assert (found.taken, found.left_out, found.waiting, found.trouble) == (3, 1, 0, None)
    assert sorted((one.get_subdir(), one.get_flags()) for one in box) == [("cur", "S")] * 3 + [("new", "")]
    assert _fetch(muster).left_out == 1
    muster.digest()
    assert _counted(muster) == 3


def test_a_maildir_left_between_commit_and_mark_is_marked_and_nothing_is_taken_twice(
    muster: Muster, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = muster.reach()
    muster.configure(mailbox_maildir="box")
    box = boxes.Maildir(muster.folder / "box", create=True)
    for octets in _mails(muster, of, 3):
        box.add(octets)
    mark = mailboxes.mark_taken

    def full(one: mailboxes.WaitingFile) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mailboxes, "mark_taken", full)
    assert str(_fetch(muster).trouble) == "files"
    assert (_stored(), len(os.listdir(muster.folder / "box" / "new"))) == (3, 3)
    monkeypatch.setattr(mailboxes, "mark_taken", mark)
    found = _fetch(muster)
    assert (found.read, found.taken, found.trouble, _stored()) == (3, 0, None, 3)
    assert os.listdir(muster.folder / "box" / "new") == []


# ---- how far behind


def _lag(muster: Muster) -> Any:
    [found] = lags(muster.desk.settings, muster.desk.now)
    return found


def test_what_is_behind_is_told_and_what_is_not_looked_at_is_behind(fetching: Muster, host: Any) -> None:
    assert "never looked at" in _lag(fetching).alarm
    _fetch(fetching)
    assert _lag(fetching).alarm == ""
    fetching.clock.advance(timedelta(minutes=10))
    assert "for 10 minutes" in _lag(fetching).alarm
    host.inbox.add(b"Subject: x\r\n\r\nx\r\n", arrived_at=fetching.desk.now - timedelta(minutes=5))
    fetching.stop(lane=Lane.INTAKE)
    _fetch(fetching)
    shown = _lag(fetching)
    assert "1 mails wait there, the oldest for 5 minutes" in shown.alarm
    assert (shown.to_json()["waiting"], shown.to_json()["lag_s"], shown.to_json()["trouble"]) == (1, 300, "intake")
    fetching.lift()
    host.close()
    began = fetching.desk.now
    _fetch(fetching)
    fetching.clock.advance(timedelta(minutes=2))
    assert str(_fetch(fetching).trouble) == "unreachable"
    assert f"{began:%H:%M} UTC" in _lag(fetching).alarm
    assert _imap.USER not in json.dumps(_lag(fetching).to_json())


def test_check_warns_of_a_mailbox_that_is_behind_and_names_a_password_that_is_missing(fetching: Muster) -> None:
    check = dict(checks.CHECKS)["mailboxes"]
    settings = fetching.desk.settings
    assert check(settings)[0] is checks.Outcome.WARN
    (settings.key_dir / "imap-password").unlink()
    [found] = checks.run_checks(settings, [("mailboxes", check)])
    assert (found.outcome, "imap-password" in found.sentence) == (checks.Outcome.FAIL, True)


# ---- by command, and by the crew


def test_the_commands_take_in_and_say_how_much(fetching: Muster, host: Any) -> None:
    of = fetching.reach()
    first, second = _mails(fetching, of, 2)
    host.inbox.add(first)
    done = fetching.command("reply", "fetch", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    [look] = json.loads(done.stdout)
    assert (look["kind"], look["taken"], look["trouble"]) == ("imap", 1, None)
    (fetching.folder / "box").write_bytes(b"From x\n" + first + b"\nFrom x\n" + second + b"\n")
    for expected in ({"taken": 1, "known": 1, "left_out": 0}, {"taken": 0, "known": 2, "left_out": 0}):
        done = fetching.command("reply", "import", str(fetching.folder / "box"), "--json")
        assert (done.returncode, json.loads(done.stdout)) == (0, expected)
    status = json.loads(fetching.command("notice", "status", f"n{of.notice_no}", "--json").stdout)
    assert [one["taken"] for one in status["mailboxes"]] == [1]
    host.close()
    done = fetching.command("reply", "fetch")
    assert done.returncode == 1
    assert "does not answer" in done.stdout
    assert "run it again" in done.stderr


@pytest.mark.slow
def test_the_crew_fetches_by_itself(fetching: Muster, host: Any) -> None:
    fetching.configure(mailbox_every_s=1)
    of = fetching.reach()
    first, second = _mails(fetching, of, 2)
    host.inbox.add(first)
    log = fetching.folder / "crew.log"
    with Crew(fetching.desk.settings, clock=str(fetching.folder / "clock"), log=log, tell=lambda _: None) as crew:
        crew.start(1)
        _until(lambda: _counted(fetching) == 1, crew)
        crew.kill_and_restart("mailbox")
        host.inbox.add(second)
        _until(lambda: _counted(fetching) == 2, crew)
        assert "mailboxes fetched from" in crew.status()
    assert "Traceback" not in log.read_text()
    assert _stored() == 2


def _until(holds: Any, crew: Crew) -> None:
    until_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until_s
        crew.tend()
        time.sleep(0.05)
