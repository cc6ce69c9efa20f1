"""Reading the book of deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from postmuster.base import sql
from postmuster.mail.address import AddrSpec
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.values import ClaimedBatch, DeliveryOf, Opening, Recipient, RoundRef

_SQL = sql.load("outbound")


def last_expanded(of: RoundRef) -> tuple[int, int, str, int]:
    """The highest sequence written down, with its component, zone and person; nothing before the first page."""
    found = sql.row(_SQL["last_expanded"], of.key)
    return (int(found[0]), int(found[1]), str(found[2]), int(found[3])) if found else (0, 0, "", 0)


class BatchPeople(NamedTuple):
    """Who in a batch has no outcome yet, in order of sequence, and whose row holds no address that could be written."""

    people: list[Recipient]
    unaddressed: list[int]


def batch_recipients(of: RoundRef, batch: ClaimedBatch) -> BatchPeople:
    """Load the people of a batch."""
    values = of.key | {"first_seq": batch.first_seq, "last_seq": batch.last_seq}
    component_no, path = batch.component_no, batch.component
    found = BatchPeople([], [])
    for seq, person, local_part, domain, name, zone, language in sql.prepared(_SQL["load_batch"], values):
        try:
            address = AddrSpec(local_part, domain)
        except ValueError:
            found.unaddressed.append(seq)
            continue
        found.people.append(Recipient(seq, person, component_no, address, name, path, zone, language))
    return found


def states(of: RoundRef) -> dict[DeliveryState, int]:
    """How many deliveries are in each state; pending is the audience less all others, so that the sum is the audience."""
    counted = {DeliveryState(state): int(count) for state, count in sql.rows(_SQL["states"], of.key)}
    audience = int(sql.value(_SQL["audience"], of.key))
    return {state: counted.get(state, 0) for state in DeliveryState} | {
        DeliveryState.PENDING: audience - sum(counted.values())
    }


def audience(of: RoundRef) -> int:
    """How many people the round's audience has, the withheld included."""
    return int(sql.value(_SQL["audience"], of.key))


def to_do(of: RoundRef) -> tuple[int, int]:
    """Batches and retries that are not finished."""
    batches, retries = sql.rows(_SQL["to_do"], of.key)[0]
    return int(batches), int(retries)


def has_due(of: RoundRef, opening: Opening, now: datetime) -> bool:
    """Whether a sender would find something to do."""
    return bool(sql.value(_SQL["has_due"], of.key | opening.columns() | {"now": now}))


def batch_zones(of: RoundRef) -> list[str]:
    """The time zones that open batches are in."""
    return [str(row[0]) for row in sql.rows(_SQL["batch_zones"], of.key)]


def zones(of: RoundRef) -> list[str]:
    """The time zones that open batches are in, and copies that are to be tried again."""
    return [str(row[0]) for row in sql.rows(_SQL["zones"], of.key)]


def letters_due(now: datetime) -> bool:
    return bool(sql.value(_SQL["letters_due"], {"now": now}))


def receipted(persons: Iterable[int], since: datetime) -> set[tuple[int, int]]:
    """Which (person, notice) had a receipt since then."""
    return {(int(r[0]), int(r[1])) for r in sql.rows(_SQL["receipted"], {"persons": list(persons), "since": since})}


def recipients_of(refs: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int, int], DeliveryOf]:
    """Whom deliveries (notice, round, seq) were for; what is not in an audience is left out."""
    values = {"notices": [r[0] for r in refs], "rounds": [r[1] for r in refs], "seqs": [r[2] for r in refs]}
    found = [DeliveryOf(*map(int, row)) for row in sql.rows(_SQL["recipients_of"], values)] if refs else []
    return {(one.notice_no, one.round_no, one.seq): one for one in found}


def deliveries_to(persons: Sequence[int], notices: Sequence[int]) -> dict[tuple[int, int], DeliveryOf]:
    """The latest delivery by (notice, person)."""
    values = {"persons": list(persons), "notices": list(notices)}
    found = [DeliveryOf(*map(int, row)) for row in sql.rows(_SQL["deliveries_to"], values)] if persons else []
    return {(one.notice_no, one.person_no): one for one in found}


def imbalances() -> list[str]:
    """What is wrong with the books, one sentence each; empty when they balance (P2)."""
    return [
        f"Notice n{notice_no}, round {round_no}: {what}." for notice_no, round_no, what in sql.rows(_SQL["imbalances"])
    ]


def letters_waiting() -> int:
    """How many letters are not sent yet, due or not. Index: outbound_letter_waiting."""
    return int(sql.value(_SQL["letters_waiting"]))
