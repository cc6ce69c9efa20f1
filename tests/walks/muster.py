"""A small organisation in one process: people loaded, assessments published, a desk opened, everything else by hand.

Each step of a journey is a call, so that a test can stop between any two of them, as a crash would.
"""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from postmuster.access.queries import acting
from postmuster.access.roles import Actor
from postmuster.base import sql
from postmuster.base.clock import SteppedClock
from postmuster.control import actions as control
from postmuster.control.states import Cause, Lane
from postmuster.jobs import letter, notice, reply, upkeep
from postmuster.jobs.desk import Desk, open_desk
from postmuster.ledger import actions as ledger
from postmuster.ledger import queries as ledger_queries
from postmuster.mail.address import AddrSpec
from postmuster.mail.lmtp import DeliveryReply, Received
from postmuster.mail.token import DeliveryRef
from postmuster.notices import actions as notices
from postmuster.notices import queries as stored
from postmuster.notices.content import read_notice
from postmuster.notices.files import collect_bodies
from postmuster.notices.queries import StoredRound
from postmuster.notices.terms import NoticeContent
from postmuster.organisation.mailboxes import MailboxKind
from postmuster.organisation.people import Person
from postmuster.organisation.signing import Signing
from postmuster.organisation.world import World
from postmuster.outbound import queries as book
from postmuster.outbound.copies import addresses_of
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.values import RoundRef
from postmuster.settings import DATABASE_VARIABLE, load, process_environment, reference

from .relay import LittleRelay

if TYPE_CHECKING:
    from conftest import Database

WAIT_S: Final = 20.0
PEOPLE: Final = 60
SEED: Final = 7
NO_QUIET_HOURS: Final[dict[str, object]] = {"hours.quiet_from": "", "hours.quiet_until": "", "hours.quiet_days": []}
PLAIN_DOMAIN: Final = "seeds.agency.example"  # publishes nothing and signs nothing: grade C
GUARDED_DOMAIN: Final = "rivers.agency.example"  # signs, and asks to reject what is not signed

Change = Callable[[str], str]


def unchanged(toml: str) -> str:
    return toml


@dataclass
class Muster:
    """One installation with its organisation."""

    database: Database
    clock: SteppedClock
    desk: Desk
    world: World
    folder: Path
    given: dict[str, object]  # what stands in the settings file
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # ---- a notice

    def actor(self, handle: str) -> Actor:
        return acting(handle)

    def draft(
        self, name: str = "test", *, change: Change = unchanged, approvers: Sequence[str] = ("ben", "cho")
    ) -> int:
        """Draft an example notice, its TOML changed, and have it approved."""
        content, toml, bodies = example(name, change)
        number = notices.draft(content, toml, bodies, notice_no=None, actor=self.actor("ada"), now=self.desk.now)
        for handle in approvers:
            notices.approve(number, actor=self.actor(handle), now=self.desk.now)
        return number

    def release(self, notice_no: int) -> RoundRef:
        number = notice.release(notice_no, actor=self.actor("ben"), desk=self.desk)
        return notice.ref_of(self.round(notice_no, number))

    def begin(self, name: str = "test", *, change: Change = unchanged) -> RoundRef:
        """A notice released and its audience written down; nothing is sent yet."""
        of = self.release(self.draft(name, change=change))
        notice.expand(of.notice_no, of.round_no, desk=self.desk)
        return of

    def send(self, of: RoundRef, *, desk: Desk | None = None) -> int:
        return notice.send(of.notice_no, of.round_no, desk=desk or self.desk)

    def reach(self, name: str = "test", *, change: Change = unchanged) -> RoundRef:
        """A notice sent to everybody over the organisation's own servers."""
        of = self.begin(name, change=change)
        self.send(of)
        return of

    def round(self, notice_no: int, number: int | None = None) -> StoredRound:
        found = stored.round_of(notice_no, number)
        assert found is not None
        return found

    def upkeep(self) -> upkeep.Due:
        return upkeep.look_around(desk=self.desk)

    def desk_with(self, **changes: object) -> Desk:
        """The desk with other settings: `relay_port=…`, `work_lease_s=…`."""
        settings = self.desk.settings
        for key, value in changes.items():
            section, _, name = key.partition("_")
            part = dataclasses.replace(getattr(settings, section), **{name: value})
            settings = dataclasses.replace(settings, **{section: part})
        return dataclasses.replace(self.desk, settings=settings)

    def through(self, relay: LittleRelay, **changes: object) -> Desk:
        """The desk with another relay."""
        return self.desk_with(relay_port=relay.port, **changes)

    def configure(self, **changes: object) -> None:
        """Write the settings file anew, for processes of their own: `relay_port=…`, `work_lease_s=…`."""
        self.given |= {key.replace("_", ".", 1): value for key, value in changes.items()}
        self.desk.settings.file.write_text(reference.file_text(self.given), encoding="utf-8")
        self.desk = open_desk(load(self.desk.settings.file), self.clock)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `postmuster …` in a process of its own."""
        environment = process_environment(self.desk.settings, role="application", clock=str(self.folder / "clock"))
        return subprocess.run(
            [sys.executable, "-m", "postmuster.cli.main", *arguments],
            env=environment | {DATABASE_VARIABLE: "postgresql://not-ours-to-start.example/"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def stop(self, *, notice_no: int = 0, path: str = "", lane: Lane = Lane.BULK, cause: Cause = Cause.STOP) -> None:
        control.set_stop(
            notice_no=notice_no,
            component_path=path,
            lane=lane,
            cause=cause,
            reason="a test",
            actor="shell",
            now=self.desk.now,
        )

    def lift(self, *, notice_no: int = 0, path: str = "", cause: Cause = Cause.STOP) -> None:
        control.lift(
            notice_no=notice_no, component_path=path, cause=cause, reason="a test", actor="shell", now=self.desk.now
        )

    # ---- the books

    def states(self, of: RoundRef) -> dict[str, int]:
        return {str(state): count for state, count in book.states(of).items() if count}

    def state(self, of: RoundRef, seq: int) -> str:
        found = sql.value(
            "SELECT state FROM outbound_delivery WHERE notice_no = %s AND round_no = %s AND seq = %s",
            (of.notice_no, of.round_no, seq),
        )
        return str(found or DeliveryState.PENDING)

    def balance(self, of: RoundRef) -> dict[str, int]:
        """The states, after seeing that the books balance, by counters and by rows (P2)."""
        states = self.states(of)
        assert sum(states.values()) == book.audience(of)
        assert book.imbalances() == []
        assert all(count > 0 for count in states.values())
        rows = {
            str(state): int(count)
            for state, count in sql.rows(
                "SELECT state, count(*) FROM outbound_delivery WHERE notice_no = %s AND round_no = %s GROUP BY state",
                (of.notice_no, of.round_no),
            )
        }
        assert rows == {state: count for state, count in states.items() if state != DeliveryState.PENDING}
        return states

    def addressed(self, of: RoundRef) -> dict[int, str]:
        """Who is written to, by sequence: the address as it stands in an envelope."""
        return {
            int(seq): str(AddrSpec(local_part, domain))
            for seq, local_part, domain in sql.rows(
                "SELECT a.seq, e.local_part, e.domain FROM outbound_audience a "
                "JOIN roster_entry e ON e.person_no = a.person_no AND e.until IS NULL "
                "LEFT JOIN outbound_delivery d ON d.notice_no = a.notice_no AND d.round_no = a.round_no AND d.seq = a.seq "
                "WHERE a.notice_no = %s AND a.round_no = %s AND d.state IS DISTINCT FROM 'withheld' ORDER BY a.seq",
                (of.notice_no, of.round_no),
            )
        }

    def each_once(self, of: RoundRef, relay: LittleRelay, *, but: Counter[str] | None = None) -> None:
        """Everybody written to has exactly one copy, `but` these less."""
        expected = Counter(self.addressed(of).values())
        expected.subtract(but or Counter())
        assert relay.copies() == +expected

    def until_someone_waits(self, pid: int | None = None) -> None:
        """Wait until the server says that a statement waits for another's transaction."""
        watch = self.database.connect("owner")
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND (%s::int IS NULL OR pid = %s)"
        until_s = time.monotonic() + WAIT_S
        while watch.execute(waits, (pid, pid)).fetchone() == (0,):
            assert time.monotonic() < until_s

    def ledger_is_sound(self) -> None:
        while ledger.number():
            pass
        assert ledger_queries.verify() is None

    # ---- people and their mail

    def people(self, count: int, *, domain: str = PLAIN_DOMAIN) -> list[Person]:
        """Employees at work, whose mailboxes take mail."""
        found = [
            one
            for one in self.world.people
            if one.address.endswith(f"@{domain}")
            and one.address.isascii()
            and '"' not in one.address
            and (one.employment_class, one.status) == ("employee", "active")
            and self.world.mailbox_kind(one) is MailboxKind.ACCEPTS
        ]
        assert len(found) >= count
        return found[:count]

    def ref(self, of: RoundRef, person: Person) -> DeliveryRef:
        seq = sql.value(
            "SELECT a.seq FROM outbound_audience a JOIN roster_person p ON p.id = a.person_no "
            "WHERE a.notice_no = %s AND a.round_no = %s AND p.person_id = %s",
            (of.notice_no, of.round_no, person.person_id),
        )
        return DeliveryRef(of.notice_no, of.round_no, int(seq))

    def person(self, person_no: int) -> Person:
        person_id = sql.value("SELECT person_id FROM roster_person WHERE id = %s", (person_no,))
        return next(one for one in self.world.people if one.person_id == person_id)

    def person_no(self, person: Person) -> int:
        return int(sql.value("SELECT id FROM roster_person WHERE person_id = %s", (person.person_id,)))

    def addresses(self, of: RoundRef, person: Person) -> tuple[str, str]:
        """The reply address of a person's copy, and its reverse path."""
        round_ = self.round(of.notice_no, of.round_no)
        reply_to, reverse_path = addresses_of(
            self.ref(of, person), round_.released_at, self.desk.names, self.desk.signing
        )
        return str(reply_to), reverse_path

    def write(
        self,
        person: Person,
        text: str,
        *recipients: str,
        sender: str | None = None,
        subject: str = "Re: Test of our mail: did this reach you?",
        message_id: str | None = None,
        fields: Sequence[str] = (),
        reverse_path: str | None = "",
        signed: bool = False,
    ) -> Received:
        """A mail as a person's program would write it."""
        address = sender or person.address
        identifier = message_id or f"<own-{next(self._numbers)}@mail.example>"
        head = [
            f"From: {address}",
            f"To: {', '.join(recipients)}",
            f"Subject: {subject}",
            f"Message-ID: {identifier}",
            "Date: Mon, 01 Mar 2027 10:00:00 +0000",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            *fields,
        ]
        octets = ("\r\n".join(head) + "\r\n\r\n" + text.replace("\n", "\r\n") + "\r\n").encode()
        if signed:
            octets = Signing(SEED).sign(octets, address.rpartition("@")[2])
        return Received(address if reverse_path == "" else reverse_path, tuple(recipients), octets)

    def reply(self, of: RoundRef, person: Person, text: str = "YES", **how: Any) -> Received:
        """A person's reply to their copy."""
        return self.write(person, text, self.addresses(of, person)[0], **how)

    def report(self, of: RoundRef, person: Person, action: str, status: str, *, words: str = "") -> Received:
        """A delivery status report about a person's copy, to its reverse path. Source: RFC 3464."""
        body = (
            "From: <MAILER-DAEMON@mx.example>\r\nSubject: Delivery report\r\nMIME-Version: 1.0\r\n"
            f"Message-ID: <report-{next(self._numbers)}@mx.example>\r\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
            f"--b\r\nContent-Type: text/plain\r\n\r\n{words or 'A report.'}\r\n"
            "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
            f"Final-Recipient: rfc822; {person.address}\r\nAction: {action}\r\nStatus: {status}\r\n\r\n--b--\r\n"
        )
        return Received(None, (self.addresses(of, person)[1],), body.encode())

    # ---- intake

    def accept(self, *mails: Received) -> DeliveryReply:
        """Take mails in as the door does: under the role that may do nothing else."""
        with self.database.as_role("intake"):
            return reply.accept(mails, desk=self.desk)

    def take_in(self, *mails: Received) -> None:
        assert self.accept(*mails) is DeliveryReply.ACCEPTED

    def digest(self) -> int:
        return reply.digest(desk=self.desk)

    def hear(self, *mails: Received) -> None:
        """Take mails in and digest all that waits."""
        self.take_in(*mails)
        self.digest()

    def send_letters(self, *, desk: Desk | None = None) -> int:
        return letter.send_letters(desk=desk or self.desk)

    def answers(self, of: RoundRef, person: Person) -> list[tuple[str, str, str]]:
        """A person's answers in the order in which we accepted them: type, choice, state."""
        return [
            (str(kind), str(choice), str(state))
            for kind, choice, state in sql.rows(
                "SELECT a.type, a.choice, a.state FROM replies_answer a JOIN replies_reply r ON r.id = a.reply_id "
                "WHERE a.notice_no = %s AND a.person_no = %s ORDER BY r.mail_no",
                (of.notice_no, self.person_no(person)),
            )
        ]

    def replies(self) -> list[tuple[str, str, str, str]]:
        """Everything digested: kind, matched by, reason, grade."""
        return [
            (str(kind), str(by), str(reason), str(grade))
            for kind, by, reason, grade in sql.rows(
                "SELECT kind, matched_by, reason, grade FROM replies_reply ORDER BY mail_no"
            )
        ]

    def cases(self) -> Counter[str]:
        return Counter(str(row[0]) for row in sql.rows("SELECT reason FROM replies_case WHERE state = 'open'"))

    def letters(self) -> list[tuple[str, str, int | None]]:
        """Letters in order: kind, state, person."""
        return [
            (str(kind), str(state), person)
            for kind, state, person in sql.rows("SELECT kind, state, person_no FROM outbound_letter ORDER BY id")
        ]

    def mail_states(self) -> Counter[str]:
        return Counter(str(row[0]) for row in sql.rows("SELECT state FROM inbound_mail"))


def example(name: str, change: Change = unchanged) -> tuple[NoticeContent, bytes, dict[str, bytes]]:
    """An example notice of the rehearsal, its TOML changed."""
    folder = resources.files("postmuster.rehearsal") / "notices" / name
    with resources.as_file(folder) as path:
        toml, bodies = change((path / "notice.toml").read_text(encoding="utf-8")).encode(), collect_bodies(path)
    content = read_notice(toml, bodies)
    assert isinstance(content, NoticeContent), content
    return content, toml, bodies
