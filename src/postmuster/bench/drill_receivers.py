"""What a stop is tried against: three sinks of different manners, and a real Postfix whose destination is slow.

What for: `drill` opens a house with one of them as its relay. Each says what it accepted and what left it, message by
message, with the machine's wall clock: for a sink both are its journal; for Postfix the first is its log (a long queue id
holds the moment at which its file was made) and the second the journal of the destination behind it.

Limits: the moment in a queue id is that of the first recipient, a few milliseconds before the 250; the drill therefore also
asks our own senders when they read the last one. Postfix needs root and Debian's package; without, it is left out, with the
reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from postmuster.base.errors import Refused
from postmuster.bench import journal
from postmuster.bench.house import House, open_house
from postmuster.bench.load import load_only
from postmuster.mail.token import DeliveryRef, read_message_id
from postmuster.rehearsal.ports import free_ports
from postmuster.rehearsal.postfix import Postfix, end_left_over, why_not
from postmuster.runtime import relay_config
from postmuster.runtime.place import SYSTEM_BASE, Tell, short_hash

_DIGITS: Final = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"  # base 52 without vowels
_LONG_ID: Final = re.compile(r"([0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{6,})([0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{4})z")
_NAMED: Final = re.compile(r"/cleanup\[\d+\]: ([0-9A-Za-z]+): message-id=<([^<>\s]+)>")
_QUEUED: Final = re.compile(r"/qmgr\[\d+\]: ([0-9A-Za-z]+): from=<.*\(queue active\)")


@dataclass(frozen=True, slots=True)
class Receiver:
    """A relay by its manners. `people`: so many that a send takes a few seconds, and a stop comes in the middle."""

    name: str
    people: int
    options: tuple[str, ...]
    is_postfix: bool = False
    jitter_s: float = 0.1  # so long the drill may wait on after the share was handed over that was drawn


RECEIVERS: Final = (
    Receiver("fast sink", 5000, (), jitter_s=0.05),
    Receiver("sink at 50/s", 240, ("--rate", "50")),
    Receiver("sink that tarpits", 24, ("--tarpit", "1.2"), jitter_s=1.2),
    Receiver("Postfix, slow destination", 600, ("--rate", "80"), is_postfix=True),
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message that was taken: whose, and when by the wall clock."""

    seq: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A receiver that stands, with the house it is the relay of."""

    house: House
    receiver: Receiver
    postfix: Postfix | None = None

    def accepted(self, notice_no: int) -> list[Message]:
        """What the relay took of a notice, in order of time."""
        if self.postfix is None:
            return self.left(notice_no)
        with self.postfix.log.open(encoding="utf-8", errors="replace") as lines:
            return self._of(notice_no, in_log(lines))

    def left(self, notice_no: int) -> list[Message]:
        """What came out at the other end of the relay."""
        return self._of(notice_no, ((one.message_id, one.wall_s) for one in journal.entries(self.house.journal)))

    def is_empty(self) -> bool:
        """Whether the relay holds nothing more."""
        queue = self.postfix.queue() if self.postfix else None
        return queue is None or not (queue.moving or queue.put_off or queue.held)

    def _of(self, notice_no: int, found: Iterable[tuple[str, float]]) -> list[Message]:
        keys = tuple(self.house.desk.tokens.values())
        domain = self.house.settings.organisation.domain
        ours = ((name, at_s) for name, at_s in found if name.startswith(f"n{notice_no}."))
        refs = ((read_message_id(f"<{name}>", keys, domain=domain), at_s) for name, at_s in ours)
        taken = [Message(ref.seq, at_s) for ref, at_s in refs if isinstance(ref, DeliveryRef)]
        return sorted(taken, key=lambda one: one.at_s)


def why_left_out(receiver: Receiver) -> str | None:
    """Why this receiver cannot be had here; None when it can."""
    return why_not(user_id=os.geteuid()) if receiver.is_postfix else None


@contextmanager
def standing(receiver: Receiver, out: Path, *, tell: Tell) -> Iterator[Standing]:
    """Open a house with the receiver as its relay and a roster loaded; leaving ends and removes all of it."""
    options = receiver.options
    if not receiver.is_postfix:
        with open_house(out, people=receiver.people, sign="openssl", tell=tell, sink_options=options) as house:
            load_only(house)
            yield Standing(house, receiver)
        return
    reason = why_left_out(receiver)
    if reason is not None:
        raise Refused(reason)
    # Not in `out`: the daemons run as another user, who may have no way into it.
    folder = SYSTEM_BASE / f"drill-{short_hash(Path(os.path.realpath(out)))}"
    end_left_over(folder)
    ports = free_ports(3)
    given = _postfix_settings(folder, ports)
    with open_house(
        out, people=receiver.people, sign="openssl", tell=tell, sink_options=options, given=given
    ) as house:  # fmt: skip
        load_only(house)
        made = Postfix(
            folder,
            relay_config.postfix(house.settings),
            to_port=int(house.sink.said),
            from_port=ports[1],
            overrides={"enable_long_queue_ids": "yes"},
        )
        try:
            made.start(ports[:2])
            yield Standing(house, receiver, made)
        finally:
            made.stop(keep_log=out / "drill-postfix.log")


def _postfix_settings(folder: Path, ports: list[int]) -> Mapping[str, Any]:
    """`max_in_relay` is left as it comes."""
    return {
        "relay.port": ports[0],
        "relay.adapter": "postfix",
        "relay.postfix_config_dir": str(folder / "conf"),
        "intake.port": ports[2],
    }


def in_log(lines: Iterable[str]) -> Iterator[tuple[str, float]]:
    """What Postfix accepted, as (Message-ID, when), by its log: named by cleanup and afterwards seen by the queue manager."""
    names: dict[str, str] = {}
    queued: set[str] = set()
    for line in lines:
        if named := _NAMED.search(line):
            names[named[1]] = named[2]
        elif seen := _QUEUED.search(line):
            queued.add(seen[1])
    for queue_id, name in names.items():
        at_s = made_at(queue_id)
        if queue_id in queued and at_s is not None:
            yield name, at_s


def made_at(queue_id: str) -> float | None:
    """When a queue file was made, by its long queue id: seconds and microseconds in base 52. Source: postconf(5)."""
    found = _LONG_ID.match(queue_id)
    return _number(found[1]) + _number(found[2]) / 1e6 if found else None


def _number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * len(_DIGITS) + _DIGITS.index(digit)
    return number
