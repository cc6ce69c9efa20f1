"""`bench send`: signed, individual mails a second from a released notice to the last outcome in the book.

Measured from the first message that reaches the sink to the moment when no batch is open: every outcome is committed
then. Expanding comes before and is told apart. The sink is a process of its own on the same machine and journals each
message; the yardsticks are measured before and after, when neither workers nor sink have anything to do. Sizes are those
right after the round has settled, with autovacuum as it comes.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from postmuster.access.queries import acting
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.bench import children, journal, yardsticks
from postmuster.bench.house import SIGNS, House, approved_notice, open_house, wait_until
from postmuster.bench.load import load_only
from postmuster.jobs.notice import ref_of, release
from postmuster.jobs.queue import defer_expand
from postmuster.mail import dkim
from postmuster.notices import queries as stored
from postmuster.notices.body import render
from postmuster.notices.states import RoundState
from postmuster.outbound import queries as book
from postmuster.outbound.copies import Copywriter, SigningKeys
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.values import DeliveryOf, Recipient, RoundRef
from postmuster.roster import queries as roster
from postmuster.roster.queries import PersonEntry
from postmuster.runtime.place import Tell
from postmuster.runtime.processes import Crew
from postmuster.settings import keys

SIGN: Final = (*SIGNS, "none")
IFMA: Final = "ifma"
_IFMA_MODULE: Final = "postmuster.outbound.crypto_mb"
_DELIVERIES: Final = ("outbound_delivery", "outbound_batch")
_BOOK: Final = ("outbound_audience", *_DELIVERIES, "outbound_counter")
_SIZE: Final = """
SELECT coalesce(sum(pg_total_relation_size(part)), 0)
FROM (SELECT %(table)s::regclass AS part UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = %(table)s::regclass) AS parts
"""
_JOB_TABLES: Final = """
SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class WHERE relkind = 'r' AND starts_with(relname, 'procrastinate_')
"""
_WAL: Final = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
_STATE: Final = "SELECT state FROM notices_round WHERE notice_id = %s AND number = %s"
_CHUNK: Final = 500  # people asked for at once
_TAKEN: Final = """
SELECT seq FROM outbound_delivery
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND state = 'relayed' ORDER BY hashint4(seq) LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Copied:
    """What one person got, without its signature."""

    person_id: str
    reverse_path: str
    octets: bytes


def bench_send(
    people: int, sign: str, *, out: Path, tell: Tell, yardstick_s: float = yardsticks.SECONDS
) -> dict[str, Any]:
    """Measure in a fresh installation. Raises `Refused` for a signer that is not installed."""
    refuse_signer(sign)
    with open_house(out, people=people, sign=sign, tell=tell, yardstick_s=yardstick_s) as house:
        load_only(house)
        return measure_send(house, sign, tell)[0]


def refuse_signer(sign: str) -> None:
    """Raise `Refused` for a signer that this installation does not have."""
    if sign == IFMA:
        if not has_ifma():
            raise Refused(
                "The signer ifma (Intel crypto_mb) is not installed; nothing was measured; "
                f"choose one of {', '.join(SIGN)}."
            )
    elif sign not in SIGN:
        raise Refused(f"There is no signer “{sign[:20]}”; nothing was measured; choose one of {', '.join(SIGN)}, ifma.")


def has_ifma() -> bool:
    """Whether the signer of eight at once is there and this processor can run it: an installation may be without it."""
    try:
        found = importlib.import_module(_IFMA_MODULE)
    except ImportError:
        return False
    return bool(found.available())


def measure_send(house: House, sign: str, tell: Tell) -> tuple[dict[str, Any], RoundRef]:
    """Send the example notice to everybody in a house whose roster is loaded, with the yardsticks before and after."""
    notice_no = approved_notice()
    words, key = house.folder / "naive.json", house.folder / "naive.pem"
    words.write_text(_wording(notice_no), encoding="utf-8")
    keys.write_new(key, dkim.make_key(dkim.SigningAlgorithm.RSA_SHA256))
    port = int(house.sink.said)
    tell("Measuring the yardsticks of sending …")
    rsa, naive = (
        [yardsticks.rsa_per_s(house.yardstick_s)],
        [yardsticks.naive_per_s(port, words, key, house.yardstick_s)],
    )
    with house.crew(tell) as crew:
        crew.start(intake=False)
        found, of = _send(house, notice_no, crew, tell)
    rsa.append(yardsticks.rsa_per_s(house.yardstick_s))
    naive.append(yardsticks.naive_per_s(port, words, key, house.yardstick_s))
    return _figures(house, sign, found, of, rsa, naive), of


def send_only(house: House, tell: Tell) -> RoundRef:
    """Send the example notice, unmeasured, so that there is something to answer."""
    with house.crew(tell) as crew:
        crew.start(intake=False)
        return _send(house, approved_notice(), crew, tell)[1]


def copies(house: House, of: RoundRef, limit: int) -> list[Copied]:
    """Write again, unsigned, what `limit` of those got whom the relay took a copy for: a second try is the same mail."""
    round_ = stored.round_of(of.notice_no, of.round_no)
    if round_ is None:
        return []
    signing = house.desk.signing
    writer = Copywriter(round_, house.desk.names, SigningKeys(signing.key_id, signing.key, None))
    seqs = [int(row[0]) for row in sql.rows(_TAKEN, of.key | {"limit": limit})]
    found: list[Copied] = []
    for at in range(0, len(seqs), _CHUNK):
        deliveries = book.recipients_of([(of.notice_no, of.round_no, seq) for seq in seqs[at : at + _CHUNK]])
        people = roster.people_for(of.version, [one.person_no for one in deliveries.values()])
        recipients = [_recipient(one, people[one.person_no]) for one in deliveries.values()]
        for one, written in zip(deliveries.values(), writer.write_all(recipients), strict=True):
            reverse_path = written.envelope.reverse_path or ""
            found.append(Copied(people[one.person_no].person_id, reverse_path, written.data))
    return found


def _recipient(delivery: DeliveryOf, person: PersonEntry) -> Recipient:
    return Recipient(
        delivery.seq, person.person_no, delivery.component_no, person.addr, person.name, person.component,
        person.time_zone, person.language,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Look:
    """What the machine had spent by one moment."""

    cpu_s: dict[str, float]
    wal_octets: int


@dataclass(frozen=True, slots=True)
class _Found:
    expand_s: float
    send_s: float
    wait_s: float
    taken: dict[str, Any]
    rss_mb: dict[str, float]
    released: _Look
    expanded: _Look
    done: _Look


def _look(house: House, crew: Crew) -> _Look:
    spent = {name: children.cpu_s(pid) for name, pid in crew.pids.items()} | {"postgres": house.postgres_cpu_s()}
    return _Look(spent, int(sql.value(_WAL)))


def _send(house: House, notice_no: int, crew: Crew, tell: Tell) -> tuple[_Found, RoundRef]:
    house.sink.ask("reset")
    tell("Expanding and sending …")
    released = _look(house, crew)
    began = time.monotonic()
    number = release(notice_no, actor=acting("ben"), desk=house.desk, then=defer_expand)
    round_ = stored.round_of(notice_no, number)
    if round_ is None:
        raise Refused("The round is not there; nothing was measured; please report it.")
    of = ref_of(round_)
    progress = _progress(of)
    expanded_s = wait_until(lambda: sql.value(_STATE, (notice_no, number)) != RoundState.EXPANDING, progress, crew)
    expanded = _look(house, crew)
    done_s = wait_until(lambda: book.to_do(of) == (0, 0), progress, crew)
    done = _look(house, crew)
    taken = house.sink.ask("report")
    rss = {name: children.peak_rss_mb(pid) for name, pid in crew.pids.items()}
    wait_until(lambda: sql.value(_STATE, (notice_no, number)) == RoundState.SETTLED, progress, crew)
    first_s = taken["first_s"]
    found = _Found(
        expanded_s - began, done_s - first_s, first_s - expanded_s, taken, rss, released, expanded, done
    )  # fmt: skip
    return found, of


def _progress(of: RoundRef) -> Callable[[], object]:
    return lambda: (book.to_do(of), book.last_expanded(of))


def _figures(
    house: House, sign: str, found: _Found, of: RoundRef, rsa: Sequence[float], naive: Sequence[float]
) -> dict[str, Any]:
    states = book.states(of)
    audience = book.audience(of)
    due = audience - states[DeliveryState.WITHHELD] - states[DeliveryState.FAILED]
    taken = found.taken
    per_s, rsa_per_s, naive_per_s = taken["messages"] / found.send_s, sum(rsa) / len(rsa), sum(naive) / len(naive)
    return {
        "people": len(house.people),
        "audience": audience,
        "messages": int(taken["messages"]),
        "sign": sign,
        "messages_per_s": round(per_s, 1),
        "yardstick": {"openssl_rsa2048_per_s": round(rsa_per_s, 1), "naive_per_s": round(naive_per_s, 1)},
        "yardstick_runs": {"openssl_rsa2048_per_s": list(rsa), "naive_per_s": list(naive)},
        "ratio": {"openssl": round(per_s / rsa_per_s, 4), "naive": round(per_s / naive_per_s, 2)},
        "lost": due - int(taken["distinct"]),
        "doubled": int(taken["doubled"]),
        "expand_s": round(found.expand_s, 3),
        "expand_per_s": round(audience / found.expand_s, 1),
        "seconds": round(found.send_s, 3),
        "first_message_after_s": round(found.wait_s, 3),
        "octets_a_message": round(taken["octets"] / max(1, taken["messages"])),
        **_sizes(found, audience),
        "peak_rss_mb": max(found.rss_mb.values()),
        "rss_mb": found.rss_mb,
        "cpu_s": _spent(found.expanded, found.done) | {"sink": round(taken["cpu_s"], 2)},
        "expand_cpu_s": _spent(found.released, found.expanded),
        "rate_over_time": journal.per_second(house.journal, since_s=taken["first_s"], until_s=taken["last_s"]),
        "database": house.durability(),
    }


def _spent(before: _Look, after: _Look) -> dict[str, float]:
    return {name: round(spent - before.cpu_s.get(name, 0.0), 2) for name, spent in after.cpu_s.items()}


def _sizes(found: _Found, audience: int) -> dict[str, Any]:
    """What the books take on the disk; asked right after the round has settled."""
    octets = {table: int(sql.value(_SIZE, {"table": table})) for table in _BOOK}
    messages = max(1, found.taken["messages"])
    return {
        "bytes_per_delivery": round(sum(octets[table] for table in _DELIVERIES) / audience, 1),
        "bytes_per_person": round(sum(octets.values()) / audience, 1),
        "table_octets": octets,
        "job_tables_octets": int(sql.value(_JOB_TABLES)),
        "wal_octets_per_message": round((found.done.wal_octets - found.released.wal_octets) / messages, 1),
        "wal_octets": {
            "expand": found.expanded.wal_octets - found.released.wal_octets,
            "send": found.done.wal_octets - found.expanded.wal_octets,
        },
    }


def _wording(notice_no: int) -> str:
    """The notice's English words as a JSON object, for the loop that a user would write."""
    wording = render(stored.newest(notice_no).content, "en")
    return json.dumps({"text": wording.text, "html": wording.html})
