"""The books of one run of `bench chaos` held against the relay's journal.

For whom: `chaos` asks twice: when all that can be sent has been sent, and at the end.

What is looked for. *Lost*: addressed, not in the journal, but in a state that claims or implies that the mail left.
*Doubled*: a Message-ID that is in the journal again. *In doubt*: rightly where the copy is not in the journal, needlessly
where it is; the book cannot know which, the journal does. The journal is written by the relay alone, and the audience is
counted from its own rows, so neither takes our word for anything.

Limits: one round, of a few thousand people: everything is read into memory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from postmuster.base import sql
from postmuster.base.ids import notice_id
from postmuster.bench import journal
from postmuster.mail.address import AddrSpec
from postmuster.notices.terms import DoubtPolicy
from postmuster.outbound import queries as book
from postmuster.outbound.pace import MAX_WINDOW
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.values import RoundRef

LEFT: Final = frozenset({DeliveryState.RELAYED, DeliveryState.DELIVERED, DeliveryState.DEFERRED})
_MESSAGE_ID: Final = re.compile(r"n(\d{1,9})\.r(\d{1,3})\.s(\d{1,9})\.")
_ROWS: Final = """
SELECT a.seq, coalesce(d.state, 'pending'), e.local_part, e.domain
FROM outbound_audience a
JOIN roster_entry e ON e.person_no = a.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
LEFT JOIN outbound_delivery d USING (notice_no, round_no, seq)
WHERE a.notice_no = %(notice_no)s AND a.round_no = %(round_no)s
"""
_LISTED: Final = """
SELECT DISTINCT seq FROM outbound_history WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND state = 'in_doubt'
"""


@dataclass(frozen=True, slots=True)
class Books:
    """Both sides at one moment."""

    states: Mapping[int, DeliveryState]  # of everybody in the audience, by sequence
    addresses: Mapping[int, str]
    listed: Set[int]  # was in doubt at some time
    counted: Mapping[DeliveryState, int]  # what the counters say
    imbalances: tuple[str, ...]  # of all rounds
    taken: Counter[str]  # Message-IDs in the journal
    taken_of: Mapping[str, tuple[int, int, int, str]]  # notice, round, sequence, recipient

    def arrived(self, of: RoundRef) -> set[int]:
        """Of which deliveries of the round the relay has a copy."""
        return {
            seq for notice, number, seq, _ in self.taken_of.values() if (notice, number) == (of.notice_no, of.round_no)
        }


@dataclass(frozen=True, slots=True)
class Doubt:
    """Copies in doubt when all that could be sent had been sent."""

    rightly: int  # the relay does not have them
    needlessly: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one run came to; `problems` is empty where every promise was kept."""

    audience: int
    addressed: int
    messages: int
    lost: int
    doubled: int
    listed: int  # in doubt at some time
    in_doubt: int  # in doubt at the end
    missing: int  # addressed, and not in the journal at the end
    problems: tuple[str, ...]


def read_books(of: RoundRef, file: Path) -> Books:
    """Read both sides; the journal first, so that what it has the book may have."""
    taken: Counter[str] = Counter()
    taken_of: dict[str, tuple[int, int, int, str]] = {}
    for entry in journal.entries(file):
        taken[entry.message_id] += 1
        found = _MESSAGE_ID.match(entry.message_id)
        numbers = tuple(map(int, found.groups())) if found else (0, 0, 0)
        taken_of[entry.message_id] = (numbers[0], numbers[1], numbers[2], entry.recipient)
    rows = sql.rows(_ROWS, of.key)
    return Books(
        {int(seq): DeliveryState(state) for seq, state, _, _ in rows},
        {int(seq): str(AddrSpec(local_part, domain)) for seq, _, local_part, domain in rows},
        {int(row[0]) for row in sql.rows(_LISTED, of.key)},
        book.states(of),
        tuple(book.imbalances()),
        taken,
        taken_of,
    )


def doubt(of: RoundRef, books: Books) -> Doubt:
    """Which copies that are in doubt now the relay has."""
    arrived = books.arrived(of)
    doubtful = [seq for seq, state in books.states.items() if state is DeliveryState.IN_DOUBT]
    needlessly = sum(seq in arrived for seq in doubtful)
    return Doubt(len(doubtful) - needlessly, needlessly)


def judge(of: RoundRef, books: Books, *, policy: DoubtPolicy, people: int, senders_hit: int) -> Verdict:
    """Compare. `people`: how many the roster has; `senders_hit`: of how many processes a window may have been lost."""
    arrived = books.arrived(of)
    states = Counter(books.states.values())
    addressed = {seq for seq, state in books.states.items() if state is not DeliveryState.WITHHELD}
    lost = sum(books.states[seq] in LEFT and seq not in arrived for seq in addressed)
    missing = len(addressed - arrived)
    doubled = {name: count - 1 for name, count in books.taken.items() if count > 1}
    again = sum(doubled.values())
    unlisted = sum(books.taken_of[name][2] not in books.listed for name in doubled)
    wrong = {
        f"{lost} lost": lost,
        f"{states[DeliveryState.PENDING]} pending at the end": states[DeliveryState.PENDING],
        f"{states[DeliveryState.FAILED]} failed though nobody was refused": states[DeliveryState.FAILED],
        f"the audience is {len(books.states)} of {people} people": len(books.states) != people,
        f"the counters say {_words(books.counted)}, the rows {_words(states)}": _words(books.counted) != _words(states),
        f"{unlisted} doubled and never listed in doubt": unlisted,
        f"{again} doubled, more than a window a process hit": again > MAX_WINDOW * senders_hit,
        f"{again} doubled though the notice leaves what is in doubt": policy is DoubtPolicy.LEAVE and again,
        f"{missing} missing from the journal after resending": policy is DoubtPolicy.RESEND and missing,
        f"{len(arrived - addressed)} written to though withheld": arrived - addressed,
        f"{_misplaced(of, books)} messages of another round or to another address": _misplaced(of, books),
    }
    problems = [sentence for sentence, is_so in wrong.items() if is_so]
    return Verdict(
        len(books.states),
        len(addressed),
        sum(books.taken.values()),
        lost,
        again,
        len(books.listed),
        states[DeliveryState.IN_DOUBT],
        missing,
        (*problems, *books.imbalances),
    )


def _misplaced(of: RoundRef, books: Books) -> int:
    """Messages that are not of this round, or went to an address that is not the person's."""
    return sum(
        (notice, number) != (of.notice_no, of.round_no) or books.addresses.get(seq) != recipient
        for notice, number, seq, recipient in books.taken_of.values()
    )


def _words(states: Mapping[DeliveryState, int]) -> str:
    return ", ".join(f"{states[state]} {state}" for state in DeliveryState if states.get(state))


def describe(of: RoundRef) -> str:
    """The round in words, for who looks into a run that failed."""
    return f"{notice_id(of.notice_no)} round {of.round_no}"
