"""Nobody's address, name or words get out of where they belong: a marked person takes every walk and is then searched for."""

from __future__ import annotations

import dataclasses
import re
import smtplib
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from postmuster.base import sql
from postmuster.jobs.notice import release
from postmuster.jobs.queue import defer_expand
from postmuster.mail.lmtp import Received
from postmuster.outbound.values import RoundRef
from postmuster.runtime import roles
from postmuster.runtime.processes import Crew
from postmuster.vault import actions as vault

from .conftest import publish_assessments
from .muster import Muster
from .relay import LittleRelay, Moment

if TYPE_CHECKING:
    from postmuster.runtime.postgres import Server

pytestmark = pytest.mark.slow

MARK: Final = "zq-mark"  # in the address, the name and every marked word
ADDRESS = "zq-marker-7f3a{}@seeds.agency.example"
NAME, WORDS = "Zq-Markname Finn", "zq-markwords about my own affairs"
FOUND = re.compile(MARK, re.IGNORECASE)
WAIT_S = 60.0
PEOPLE_TABLES: Final = {"roster_entry"}  # where names and addresses belong

# Real errors of the server whose texts quote the marked values: what a bug of ours would cause.
_FAULTS = {
    "violation": "INSERT INTO roster_component (path) VALUES ('zq-marker-7f3a/x'), ('zq-marker-7f3a/x')",
    "cast": "PERFORM 'zq-marker-7f3a@seeds.agency.example'::int",
    "timeout": "PERFORM pg_cancel_backend(pg_backend_pid()), pg_sleep(5), 'zq-markwords'",  # 57014, as a time-out
    "raised": "RAISE EXCEPTION 'zq-markwords %', NEW USING DETAIL = 'zq-marker-7f3a', HINT = 'zq-markname'",
}


def _until(holds: Callable[[], bool], crew: Crew) -> None:
    """Look until something is so; the processes say nothing when they are done."""
    until_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < until_s
        crew.tend()
        time.sleep(0.05)


@pytest.fixture
def admin(server: Server, muster_of_marked: Muster) -> Iterator[psycopg.Connection[Any]]:
    """The master of the server; takes away the faults it laid."""
    with psycopg.connect(**server.parameters(roles.DATABASE), autocommit=True) as made:
        yield made
        made.execute("DROP FUNCTION IF EXISTS stumble() CASCADE")


@pytest.fixture
def muster_of_marked(stage: Muster, relay: LittleRelay) -> Muster:
    """People of whom six are marked, loaded by the command from a feed that has marked lines nobody can read."""
    stage.configure(relay_port=relay.port, work_lease_s=1, work_batch_rows=500)
    stage.world.people[:] = stage.world.people[:30]
    feed = stage.folder / "people.csv"
    stage.world.write_people_csv(feed)
    lines = [
        f"M{number},{ADDRESS.format(number)},{NAME},Agency of Seeds/Directorate,employee,,America/Chicago,en,active"
        for number in range(6)
    ]
    bad = [
        f"M7,zq-marker-7f3a@@nowhere,{NAME},Agency of Seeds,employee,,UTC,en,active",
        f"M8,zq-marker-7f3a8@seeds.agency.example,{NAME},Agency of Seeds,zq-markclass,,UTC,en,active",
        f"M9,{ADDRESS.format(0)},{NAME},Agency of Seeds,employee,,Zq-Mark/Zone,en,active",
        f'M10,"{ADDRESS.format(10)}\x00",{NAME},Agency of Seeds,employee,M0,UTC,en,zq-markstatus',
    ]
    feed.write_text(feed.read_text(encoding="utf-8") + "\n".join([*lines, *bad]) + "\n", encoding="utf-8")
    _SAID[:] = [stage.command("roster", "load", str(feed), "--as", "ove", "--allow-rejects")]
    assert _SAID[0].returncode == 0, _SAID[0].stderr
    publish_assessments(stage)
    return stage


_SAID: list[Any] = []  # what commands wrote


def _repeats(moment: Moment) -> str | None:
    """A relay that repeats the address in all it says."""
    address = moment.recipient
    if moment.stage != "RCPT" or MARK not in address:
        return None
    if address == ADDRESS.format(1):
        return f"550 5.1.1 <{address}>: Recipient address rejected: no {NAME} here"
    if address == ADDRESS.format(2) and moment.times == 1:
        return f"450-4.2.0 <{address}> is greylisted\r\n450 4.2.0 {WORDS}"
    return f"250 2.1.5 <{address}> Ok"


def _lay(admin: psycopg.Connection[Any], table: str, fault: str, when: str) -> None:
    """Let inserts of some rows meet a fault."""
    admin.execute("DROP FUNCTION IF EXISTS stumble() CASCADE")
    admin.execute(
        "CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
        f"$$ BEGIN IF {when} THEN {_FAULTS[fault]}; END IF; RETURN NEW; END $$"
    )
    admin.execute(f"CREATE TRIGGER stumble BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION stumble()")


def _deliver(crew: Crew, mail: Received) -> str:
    """Hand one mail to the door over LMTP; returns the code of its answer."""
    with smtplib.LMTP("127.0.0.1", crew.intake_port or 0, timeout=WAIT_S) as line:
        try:
            refused = line.sendmail(mail.reverse_path or "", list(mail.recipients), mail.data)
        except smtplib.SMTPResponseException as error:
            return str(error.smtp_code)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        return str(next(iter(refused.values()))[0]) if refused else "250"


def _mails(muster: Muster, of: RoundRef) -> list[Received]:
    """A marked person's mails of every kind."""
    people = {number: _marked(muster, number) for number in range(6)}
    forwarded = muster.write(people[3], f"Yes. {WORDS}", muster.addresses(of, people[4])[0])
    away = ("Auto-Submitted: auto-replied", f"X-Name: {NAME}")
    broken = b"Content-Type: multipart/mixed; boundary=zq-mark\r\n\r\n--zq-mark\r\nContent-Transfer-Encoding: zq-mark\r\n\r\n\xff"
    return [
        muster.reply(of, people[0], f"YES\n\n{WORDS}", subject=f"Re: {WORDS}"),
        muster.report(of, people[2], "failed", "5.1.1", words=f"<{ADDRESS.format(2)}>: {WORDS}"),
        muster.reply(of, people[3], f"I am away. {WORDS}", fields=away, subject=f"Automatic reply: {WORDS}"),
        muster.reply(of, people[4], f"TOP SECRET//NOFORN\n\n{WORDS}\n\nTOP SECRET//NOFORN"),
        muster.reply(of, people[5], f"What is this? {WORDS}", message_id="<zq-markid@zq-mark.example>"),
        forwarded,
        Received(
            ADDRESS.format(0), muster.addresses(of, people[0])[:1], f"From: {ADDRESS.format(0)}\r\n".encode() + broken
        ),
        Received(
            "zq-mark@eve.example", ("reply+zq-mark@reply.agency.example",), b"Subject: zq-mark\r\n\r\nzq-mark\r\n"
        ),
    ]


def _marked(muster: Muster, number: int) -> Any:
    """A marked person, in the shape in which the organisation's own are."""
    like = next(one for one in muster.world.people if one.address.endswith("@seeds.agency.example"))
    return dataclasses.replace(like, person_id=f"M{number}", address=ADDRESS.format(number), name=NAME)


def test_a_marked_person_is_found_nowhere_after_every_walk(
    muster_of_marked: Muster, relay: LittleRelay, server: Server, admin: psycopg.Connection[Any]
) -> None:
    muster, log = muster_of_marked, muster_of_marked.folder / "crew.log"
    relay.rule = _repeats
    crew = Crew(muster.desk.settings, clock=str(muster.folder / "clock"), log=log, tell=lambda _: None)
    with crew:
        crew.start(1)
        of = _send_with_faults(muster, crew, admin)
        mails = _mails(muster, of)
        for fault in _FAULTS:
            _lay(admin, "inbound_mail", fault, "true")
            assert _deliver(crew, mails[0]) == "451"
        _lay(admin, "replies_reply", "raised", "NEW.reason <> 'held' AND NEW.mail_no % 100 = 2")
        for mail in mails:
            assert _deliver(crew, mail) == "250"
        _seal_nonsense(muster)
        _until(lambda: muster.mail_states()["waiting"] == 0, crew)
        for fault in ("violation", "cast", "timeout"):
            _lay(admin, "replies_reply", fault, "NEW.reason <> 'held' AND NEW.kind = 'reply'")
            assert (
                _deliver(crew, muster.write(_marked(muster, 0), f"YES {WORDS} {fault}", mails[0].recipients[0]))
                == "250"
            )
            _until(lambda: muster.mail_states()["waiting"] == 0, crew)
        assert muster.mail_states()["held"] >= 5
        admin.execute("DROP FUNCTION IF EXISTS stumble() CASCADE")
        muster.clock.advance(timedelta(minutes=6))
        _until(lambda: {state for _, state, _ in muster.letters()} == {"relayed"}, crew)
        _crash_a_sender(muster, crew, admin)
    muster.ledger_is_sound()
    said = [*_SAID, *(_command(muster, line) for line in _COMMANDS)]
    assert {"P0001", "22P02", "57014"} <= set(re.findall(r"The database .*?\((\w{5})\)", log.read_text()))
    assert "send: 1 copies of n2 could not be composed" in log.read_text()
    _search_words(server.place.log, log)
    for done in said:
        assert not FOUND.search(done.stdout + done.stderr), done.args
    _search_tables(admin)


def _send_with_faults(muster: Muster, crew: Crew, admin: psycopg.Connection[Any]) -> RoundRef:
    """Send the test notice; the first outcomes cannot be written down."""
    number = muster.draft()
    _lay(admin, "outbound_audience", "raised", "true")
    release(number, actor=muster.actor("ben"), desk=muster.desk, then=defer_expand)
    of = RoundRef(number, 1, muster.round(number).roster_version)
    log = muster.folder / "crew.log"
    _until(lambda: "expand:" in log.read_text(), crew)
    _lay(admin, "outbound_delivery", "cast", "NEW.state IN ('relayed', 'failed') AND NEW.seq % 3 = 0")
    _until(lambda: "send:" in log.read_text(), crew)
    admin.execute("DROP FUNCTION stumble() CASCADE")
    _until(lambda: "pending" not in muster.states(of) and muster.round(number).state != "expanding", crew)
    muster.clock.advance(timedelta(minutes=6))
    _until(lambda: not muster.states(of).get("deferred"), crew)
    muster.balance(of)
    return of


def _seal_nonsense(muster: Muster) -> None:
    """A sealed mail whose envelope cannot be read, and one whose seal is broken."""
    items = vault.seal_unowned(
        [b'{"from": "zq-marker-7f3a\nzq-markwords', b"zq-markwords"], muster.desk.keyring, muster.desk.now
    )
    intake = muster.database.connect("intake")
    for item in (*items, 999_999):
        intake.execute(
            "INSERT INTO inbound_mail (item_no, accepted_at, octets, state, attempts, fence) "
            "VALUES (%s, now(), 1, 'waiting', 0, 0)",
            (item,),
        )


def _crash_a_sender(muster: Muster, crew: Crew, admin: psycopg.Connection[Any]) -> None:
    """Rows that cannot be put into a mail: our own mistake, met in the middle of a batch."""
    admin.execute(
        "UPDATE roster_entry SET domain = 'zq-mark' || chr(10) || 'x' WHERE address_key LIKE 'zq-marker-7f3a5%'"
    )
    log = muster.folder / "crew.log"
    number = muster.draft("report")
    release(number, actor=muster.actor("ben"), desk=muster.desk, then=defer_expand)
    seen = log.read_text().count("send:")
    _until(
        lambda: log.read_text().count("send:") > seen or muster.round(number).state == "settled",
        crew,
    )


_COMMANDS = (
    "notice status n1 --no-watch",
    "notice deliveries n1 --state failed,in_doubt,withheld,deferred",
    "person show M1",
    "case list",
    "notice check n2",
    "roster status",
)


def _command(muster: Muster, line: str) -> Any:
    return muster.command(*line.split())


def _search_words(*files: Path) -> None:
    for file in files:
        found = [line for line in file.read_text(errors="replace").splitlines() if FOUND.search(line)]
        assert found == [], file


def _search_tables(admin: psycopg.Connection[Any]) -> None:
    """Job arguments, ledger entries and every other row: the mark stands in the roster and nowhere else in clear."""
    names = admin.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    ).fetchall()
    assert {"procrastinate_jobs", "ledger_entry", "outbound_letter"} <= {name for (name,) in names}
    holding = {
        name
        for (name,) in names
        if admin.execute(f"SELECT FROM {name} t WHERE t::text ILIKE '%{MARK}%' LIMIT 1").fetchone() is not None
    }
    assert holding == PEOPLE_TABLES
    assert sql.value("SELECT count(*) FROM procrastinate_jobs") > 0
