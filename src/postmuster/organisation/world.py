"""World: the simulated organisation as a whole.

What for: one object that holds the people, receives their mail on a real SMTP server, lets them answer in simulated
time, and keeps its own record of what they really meant. Demonstrations, tests and benchmarks all talk to this.

Promises: the same people, seed, clock and received mails give the same mails, octet for octet, in order of time. A mail
is written when it is asked for and not kept: what waits is a short note per mail and the packed mail it is about.
Limits: 50,000 people take about 105 MB with a notice outstanding. A replay has the Message-ID of the mail it repeats,
all others their own.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from postmuster.organisation.behaviour import Act, Behaviour, Occasion, give_roles
from postmuster.organisation.census import AudienceCount, count_audience, write_people_csv
from postmuster.organisation.correspondence import Correspondence, Written
from postmuster.organisation.dice import Dice
from postmuster.organisation.mailboxes import Mailboxes, MailboxKind
from postmuster.organisation.people import Person, create_people, mailbox_key
from postmuster.organisation.post import Held, Post
from postmuster.organisation.received import read_received
from postmuster.organisation.servers import Reception, Servers
from postmuster.organisation.signing import Signing
from postmuster.organisation.statements import read_ask
from postmuster.organisation.truth import Expected, Outcome, Truth

HUGE_OCTETS = 60_000_000
USUAL_TIME = timedelta(days=7)  # to the deadline, where none is given
LATE_COMERS_TIME = timedelta(days=2)  # for people who were reached when the deadline was near or past
TOKEN_POOL_SHARE = 0.004  # people whose reply addresses are remembered from notice to notice


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail that leaves the organisation: envelope, octets, and the truth about it.

    `reverse_path` None is the null path. `message_id` is as in the mail, brackets included. `style` is the mail
    program, the make of mail system or the way in which it is broken.
    """

    mail_no: int
    at: datetime
    reverse_path: str | None
    recipients: tuple[str, ...]
    octets: bytes
    truth: str
    expected: Expected
    person_id: str
    notice_no: int
    style: str
    message_id: str


@dataclass(slots=True)
class _Going:
    """A notice under way: acts still to come, the mails they are about with the number of acts that still need each."""

    occasion: Occasion
    roles: dict[int, Truth]
    acts: list[Act] = field(default_factory=list)
    held: dict[tuple[int, int], tuple[Held, int]] = field(default_factory=dict)
    first: dict[tuple[int, int], Act] = field(default_factory=dict)


class World:
    """The organisation called `seed`, with `people` people; `clock` tells its time in UTC.

    `size_limit` is the largest mail the other side says it takes. One huge mail a notice goes over it; with `huge` one
    of 60 MB, once.
    """

    def __init__(
        self,
        people: int,
        seed: int,
        clock: Callable[[], datetime],
        *,
        huge: bool = False,
        size_limit: int | None = None,
    ) -> None:
        self.people: list[Person] = create_people(people, seed)
        self.post = Post()
        self._seed = seed
        self._clock = clock
        self._mailboxes = Mailboxes(seed, clock)
        self._signing = Signing(seed)
        self._huge, self._size_limit = huge, size_limit
        octets = HUGE_OCTETS if huge else size_limit or 0
        self._correspondence = Correspondence(
            seed, self.people, self._signing, huge_octets=octets, largest=size_limit
        )  # fmt: skip
        managers = frozenset(person.manager_id for person in self.people if person.manager_id)
        self._behaviour = Behaviour(seed, managers)
        self._eligible = [person.number for person in self.people if self._plays(person)]
        pool = max(1, int(people * TOKEN_POOL_SHARE))
        self._pool = frozenset(Dice(seed, "token pool").sample(self._eligible, pool))
        self._tokens: dict[int, dict[int, str]] = {}
        self._going: dict[int, _Going] = {}
        self._servers: Servers | None = None
        self._mail_no = 0
        self._truths: dict[int, Counter[str]] = {}
        self._outcomes: dict[int, Counter[str]] = {}

    def write_people_csv(self, path: Path) -> None:
        """Write the roster."""
        write_people_csv(self.people, path)

    def count_audience(
        self, csv_path: Path, classes_in: Collection[str], components: Sequence[str] | None = None
    ) -> AudienceCount:
        """Count from the roster file who a notice is for, independently of who sends it."""
        return count_audience(csv_path, classes_in, components)

    def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Begin to receive mail; port 0 lets the system choose. Returns host and port."""
        by_key = {mailbox_key(person.address): person for person in self.people}
        self._servers = Servers(Reception(by_key, self._mailboxes, self.post))
        return self._servers.start(host, port)

    def close(self) -> None:
        """Receive no more."""
        if self._servers is not None:
            self._servers.close()
            self._servers = None

    def zone(self) -> dict[str, str]:
        """Write what the organisation's name servers answer: owner name to TXT value."""
        return self._signing.dns_zone()

    def mailbox_kind(self, person: Person) -> MailboxKind:
        """Say how the mailbox of a person treats mail."""
        return self._mailboxes.kind(person)

    def answer(
        self, notice_no: int, ask: Sequence[object], *, deadline: datetime | None = None, until: datetime | None = None
    ) -> Iterator[Outgoing]:
        """Let people answer a notice, in order of simulated time.

        `ask` is `("acknowledge",)`, `("election", ["Resign"])` or `("report", 5)`. The first call fixes ask and
        `deadline` (seven days from now where none is given). Mails up to `until` come out; a later call goes on, and
        takes in who was reached meanwhile.
        """
        going = self._take_in(notice_no, ask, deadline)
        while going.acts and (until is None or going.acts[0].at <= until):
            act = heapq.heappop(going.acts)
            held = self._held(going, (act.number, act.round_no))
            yield self._outgoing(going, act, held)

    def waiting(self, notice_no: int) -> int:
        """Count the mails about a notice still to come."""
        return len(self._going[notice_no].acts) if notice_no in self._going else 0

    def last_moment(self, notice_no: int) -> datetime | None:
        """Say when the last mail about a notice will have been sent; None when none is to come."""
        going = self._going.get(notice_no)
        return max(act.at for act in going.acts) if going and going.acts else None

    def record(self) -> dict[str, dict[str, int]]:
        """Count what was sent, by notice and class."""
        return {f"n{number}": dict(sorted(counts.items())) for number, counts in sorted(self._truths.items())}

    def outcomes(self) -> dict[str, dict[str, int]]:
        """Count what should become of what was sent, by notice and outcome."""
        return {f"n{number}": dict(sorted(counts.items())) for number, counts in sorted(self._outcomes.items())}

    def _plays(self, person: Person) -> bool:
        """Whether a person may be given a role: an employee at work whose mailbox takes mail."""
        usual = person.employment_class == "employee" and person.status == "active"
        return usual and self._mailboxes.kind(person) is MailboxKind.ACCEPTS

    def _take_in(self, notice_no: int, ask: Sequence[object], deadline: datetime | None) -> _Going:
        going = self._going.get(notice_no)
        if going is None:
            now = self._clock()
            occasion = Occasion(notice_no, read_ask(ask), now, deadline or now + USUAL_TIME)
            going = self._going[notice_no] = _Going(occasion, self._roles(notice_no))
        for number, held in sorted(self.post.take(notice_no).items()):
            self._consider(going, number, held)
        return going

    def _roles(self, notice_no: int) -> dict[int, Truth]:
        roles = give_roles(self._seed, notice_no, self._eligible, len(self.people))
        for number, role in list(roles.items()):
            if role is Truth.WRONG_NOTICE_TOKEN or (role is Truth.HUGE and not self._sends_huge(notice_no)):
                del roles[number]
        # A reply to an earlier notice's address needs somebody whose addresses are known.
        known = [number for number in sorted(self._pool) if self._tokens.get(number)]
        return roles | dict.fromkeys(known, Truth.WRONG_NOTICE_TOKEN)

    def _sends_huge(self, notice_no: int) -> bool:
        return notice_no == min([*self._going, notice_no]) if self._huge else self._size_limit is not None

    def _consider(self, going: _Going, number: int, held: Held) -> None:
        person = self.people[number - 1]
        occasion = going.occasion
        role = going.roles.get(number)
        now = self._clock()
        if now > occasion.start:
            # Reached later than others: the same decisions, over the time that is left, or late.
            end = max(occasion.deadline, now + LATE_COMERS_TIME)
            occasion = Occasion(occasion.notice_no, occasion.ask, now, end)
        kind = self._mailboxes.kind(person)
        acts = self._behaviour.plan(occasion, person, kind, role, held)
        if number in self._pool:
            self._tokens.setdefault(number, {})[occasion.notice_no] = read_received(held.octets()).reply_address
        if not acts:
            return
        going.held[number, held.round_no] = (held, len(acts))
        for act in acts:
            heapq.heappush(going.acts, act)
            if act.truth is Truth.REPLAY:
                going.first[number, act.round_no] = acts[act.index - 1]

    def _held(self, going: _Going, key: tuple[int, int]) -> Held:
        held, uses = going.held[key]
        if uses > 1:
            going.held[key] = (held, uses - 1)
        else:
            del going.held[key]
        return held

    def _outgoing(self, going: _Going, act: Act, held: Held) -> Outgoing:
        occasion = going.occasion
        notice_no = occasion.notice_no
        earlier = {no: address for no, address in self._tokens.get(act.number, {}).items() if no < notice_no}
        written = self._write(going, act, held, earlier)
        self._mail_no += 1
        self._truths.setdefault(notice_no, Counter())[act.truth.value] += 1
        self._outcomes.setdefault(notice_no, Counter())[written.expected.outcome.value] += 1
        return Outgoing(
            mail_no=self._mail_no,
            at=act.at,
            reverse_path=written.reverse_path,
            recipients=written.recipients,
            octets=written.octets,
            truth=act.truth.value,
            expected=written.expected,
            person_id=self.people[act.number - 1].person_id,
            notice_no=notice_no,
            style=written.style,
            message_id=written.message_id,
        )

    def _write(self, going: _Going, act: Act, held: Held, earlier: dict[int, str]) -> Written:
        if act.truth is not Truth.REPLAY:
            return self._correspondence.write(going.occasion, act, held, earlier)
        again = self._correspondence.write(going.occasion, going.first.pop((act.number, act.round_no)), held, earlier)
        return replace(again, expected=replace(again.expected, outcome=Outcome.REPEATED))
