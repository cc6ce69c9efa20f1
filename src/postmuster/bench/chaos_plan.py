"""What happens in one run of `bench chaos` or `chaos-read`: drawn from its seed alone, so that it can be played again.

A run has one trouble, or two. Each strikes when so many messages have gone through (sending: the relay has taken them;
none: while the round is expanded, or before the first; reading: the intake has answered for them), a few milliseconds later, so
that it may fall between any two octets; and is mended after a while. The policy for copies in doubt alternates from one
seed to the next.

Limits: the moment is drawn, the machine decides what it hits: the same seed does not end with the same counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from postmuster.notices.terms import DoubtPolicy

SEEDS_APART: Final = 100_000  # the runs of one `--seed` are numbered within this
TWO_SHARE: Final = 0.25  # of the runs have two troubles
EARLY_SHARE: Final = 0.1  # of the troubles strike before the first message
MOST_EARLY_S: Final = 0.4
MOST_LATE_S: Final = 0.02
MOST_OCTETS: Final = 60_000  # a connection is cut after so many at most: in a command, a header, or the eighth message
MOST_BUSY_EVERY: Final = 12


class Trouble(StrEnum):
    """What goes wrong."""

    KILL_WORKER = "worker killed"
    KILL_RELAY = "relay killed"
    KILL_DATABASE = "database killed"
    RESTART_DATABASE = "database restarted at once"
    CUT = "connections cut"
    BUSY = "storm of 421"
    FREEZE = "worker frozen"
    KILL_INTAKE = "intake killed"


OF_SENDING: Final = tuple(one for one in Trouble if one is not Trouble.KILL_INTAKE)
OF_READING: Final = (
    Trouble.KILL_INTAKE, Trouble.KILL_WORKER, Trouble.KILL_DATABASE, Trouble.RESTART_DATABASE, Trouble.FREEZE,
)  # fmt: skip

_LASTS_S: Final = {
    Trouble.KILL_WORKER: (0.0, 0.0),  # the crew starts it again
    Trouble.KILL_RELAY: (0.05, 0.6),
    Trouble.KILL_DATABASE: (0.0, 0.5),
    Trouble.RESTART_DATABASE: (0.0, 0.0),
    Trouble.CUT: (0.1, 0.6),
    Trouble.BUSY: (0.1, 0.6),
    Trouble.FREEZE: (1.1, 1.5),  # beyond the lease: the rescuer looks once a second
    Trouble.KILL_INTAKE: (0.0, 0.0),  # as a worker
}


@dataclass(frozen=True, slots=True)
class Blow:
    """One trouble: when, to which worker, how bad, for how long."""

    trouble: Trouble
    after_messages: int
    delay_s: float
    worker: int
    amount: int  # octets of a cut, transactions between two 421
    lasts_s: float

    def senders_hit(self, workers: int) -> int:
        """Of how many processes a window may be lost."""
        return 1 if self.trouble in {Trouble.KILL_WORKER, Trouble.FREEZE} else workers


@dataclass(frozen=True, slots=True)
class Plan:
    """One run."""

    seed: int
    policy: DoubtPolicy
    blows: tuple[Blow, ...]

    @property
    def title(self) -> str:
        """The troubles in words."""
        return " + ".join(str(blow.trouble) for blow in self.blows)


def seeds(seed: int, runs: int) -> list[int]:
    """The seeds of the runs of one `--seed`."""
    return [seed * SEEDS_APART + number for number in range(runs)]


def draw(seed: int, messages: int, lease_s: float, workers: int, troubles: Sequence[Trouble] = OF_SENDING) -> Plan:
    """Draw one run; `messages` is about how many go through it."""
    dice = Random(seed)  # noqa: S311 - a rehearsal, not a secret
    policy = (DoubtPolicy.LEAVE, DoubtPolicy.RESEND)[seed % 2]
    kinds = dice.sample(list(troubles), 2 if dice.random() < TWO_SHARE else 1)
    return Plan(seed, policy, tuple(_blow(kind, dice, messages, lease_s, workers) for kind in kinds))


def _blow(trouble: Trouble, dice: Random, messages: int, lease_s: float, workers: int) -> Blow:
    is_early = dice.random() < EARLY_SHARE
    least, most = _LASTS_S[trouble]
    lasts_s = dice.uniform(least, most) + (lease_s if trouble is Trouble.FREEZE else 0.0)
    return Blow(
        trouble,
        after_messages=0 if is_early else dice.randint(1, max(1, messages - 1)),
        delay_s=dice.uniform(0.0, MOST_EARLY_S if is_early else MOST_LATE_S),
        worker=dice.randint(1, workers),
        amount=dice.randint(1, MOST_OCTETS if trouble is Trouble.CUT else MOST_BUSY_EVERY),
        lasts_s=lasts_s,
    )
