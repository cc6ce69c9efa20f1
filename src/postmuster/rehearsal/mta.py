"""The mail system between us and the organisation: none, or a real Postfix of the rehearsal's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from postmuster.base.errors import Refused
from postmuster.rehearsal.act import Watch
from postmuster.rehearsal.stage import Stage
from postmuster.runtime.place import Tell
from postmuster.runtime.processes import Crew


@dataclass(slots=True)
class Between:
    """Ports: where we send to, where the intake must listen, where the organisation sends to. 0: directly."""

    relay_port: int = 0
    intake_port: int = 0
    way_in: int = 0

    def open(self, stage: Stage, crew: Crew) -> None:
        """Begin to carry mail, now that both sides listen."""

    def drain(self, watch: Watch) -> None:
        """Wait until nothing is on its way."""


@contextmanager
def between(relay: str, out: Path, *, tell: Tell) -> Iterator[Between]:
    """What carries the mail; `Refused` for a mail system we cannot start."""
    if relay:
        raise Refused(f"There is no relay “{relay[:20]}” to rehearse with; nothing was begun; leave RELAY= away.")
    yield Between()
