"""`bench read`: mails a second through the door (intake), and through the whole reading of them (digest).

The two are measured one after the other, so that each has the machine to itself: first the intake process alone takes
every mail, sealed and committed before its 250; then the workers digest what waits. Receipts go out meanwhile, because
that is how it is.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.bench import children, yardsticks
from postmuster.bench.house import SEED, House, open_house, rests, wait_until
from postmuster.bench.load import load_only
from postmuster.bench.mix import Mix
from postmuster.bench.send import copies, send_only
from postmuster.inbound import queries as inbound
from postmuster.organisation.sending import Route, deliver
from postmuster.organisation.world import Outgoing
from postmuster.outbound import queries as book
from postmuster.outbound.values import RoundRef
from postmuster.runtime.place import Tell
from postmuster.runtime.processes import Crew

CONNECTIONS: Final = 20  # as many as Postfix opens to one LMTP destination by default
SPOOLED: Final = 2_000  # mails the yardstick goes round in
_BEGUN: Final = "SELECT EXISTS (SELECT FROM inbound_mail WHERE attempts > 0)"
_KINDS: Final = "SELECT kind, count(*) FROM replies_reply GROUP BY kind"
_ANSWERED: Final = "SELECT count(*) FROM replies_answer"


def bench_read(people: int, *, out: Path, tell: Tell, yardstick_s: float = yardsticks.SECONDS) -> dict[str, Any]:
    """Measure `people` replies in a fresh installation of so many people who got a mail."""
    with open_house(out, people=people, sign="ed25519", tell=tell, yardstick_s=yardstick_s) as house:
        load_only(house)
        return measure_read(house, send_only(house, tell), people, tell)


def measure_read(house: House, of: RoundRef, replies: int, tell: Tell) -> dict[str, Any]:
    """Let `replies` mails about a round in and read them, with the yardstick before and after."""
    tell(f"Writing {replies:,} replies …")
    got = copies(house, of, replies)
    if not got:
        raise Refused("Nobody got a mail that could be answered; nothing was measured; take more people.")
    mix = Mix(SEED, house.people, house.signing, notice_no=of.notice_no, at=house.clock.now())
    mails = list(mix.mails(got, replies))
    spool = house.folder / "replies"
    yardsticks.write_spool(spool, (mail.octets for mail in islice(mails, SPOOLED)))
    rests(house)
    tell("Measuring the yardstick of reading …")
    before = yardsticks.email_default_per_s(spool, house.yardstick_s)
    found = _take_in(house, mails, tell) | _digest(house, len(mails), tell)
    after = yardsticks.email_default_per_s(spool, house.yardstick_s)
    return _figures(house, mails, found, (before + after) / 2)


def _take_in(house: House, mails: Sequence[Outgoing], tell: Tell) -> dict[str, Any]:
    tell("Taking them in …")
    with house.crew(tell) as crew:
        crew.start(workers=0)
        before = _cpu(house, crew)
        tally = deliver(mails, Route("127.0.0.1", crew.intake_port or 0, connections=CONNECTIONS))
        return {
            "intake_s": tally.seconds,
            "intake_per_s": tally.accepted / tally.seconds,
            "refused": len(tally.refused) + len(tally.given_up),
            "intake_cpu_s": _since(before, _cpu(house, crew)),
            "intake_rss_mb": {name: children.peak_rss_mb(pid) for name, pid in crew.pids.items()},
        }


def _digest(house: House, count: int, tell: Tell) -> dict[str, Any]:
    tell("Reading them …")
    with house.crew(tell) as crew:
        crew.start(intake=False)
        begun = wait_until(lambda: bool(sql.value(_BEGUN)), lambda: None, crew)
        before = _cpu(house, crew)
        ended = wait_until(lambda: inbound.waiting() == 0, inbound.waiting, crew)
        after = _cpu(house, crew)
        letters = wait_until(lambda: not book.letters_waiting(), book.letters_waiting, crew)
        return {
            "digest_s": ended - begun,
            "digest_per_s": count / (ended - begun),
            "letters_after_s": letters - ended,
            "digest_cpu_s": _since(before, after),
            "digest_rss_mb": {name: children.peak_rss_mb(pid) for name, pid in crew.pids.items()},
        }


def _cpu(house: House, crew: Crew) -> dict[str, float]:
    return {name: children.cpu_s(pid) for name, pid in crew.pids.items()} | {"postgres": house.postgres_cpu_s()}


def _since(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: round(spent - before.get(name, 0.0), 2) for name, spent in after.items()}


def _figures(house: House, mails: Sequence[Outgoing], found: dict[str, Any], email_per_s: float) -> dict[str, Any]:
    kinds = {str(kind): int(count) for kind, count in sql.rows(_KINDS)}
    rss = {**found["intake_rss_mb"], **found["digest_rss_mb"]}
    return {
        "people": len(house.people),
        "replies": len(mails),
        "mix": dict(Counter(mail.truth for mail in mails)),
        "median_octets": round(statistics.median(len(mail.octets) for mail in mails)),
        "intake_per_s": round(found["intake_per_s"], 1),
        "digest_per_s": round(found["digest_per_s"], 1),
        "yardstick": {"email_default_per_s": round(email_per_s, 1)},
        "ratio": round(found["digest_per_s"] / email_per_s, 4),
        "intake_ratio": round(found["intake_per_s"] / email_per_s, 4),
        "refused": found["refused"],
        "lost": len(mails) - found["refused"] - sum(kinds.values()),
        "kinds": kinds,
        "answers": int(sql.value(_ANSWERED)),
        "seconds": {"intake": round(found["intake_s"], 3), "digest": round(found["digest_s"], 3)},
        "letters_after_s": round(found["letters_after_s"], 3),
        "peak_rss_mb": max(rss.values()),
        "rss_mb": rss,
        "cpu_s": {"intake": found["intake_cpu_s"], "digest": found["digest_cpu_s"]},
        "database": house.durability(),
    }
