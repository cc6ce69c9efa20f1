"""The stage of a rehearsal: an installation of its own in a folder, with the organisation beside it.

Everything is set up by the acts of the rooms themselves.
"""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Final

from django.db import connections

from postmuster.access import actions as access
from postmuster.access.queries import acting
from postmuster.access.roles import Actor, Role
from postmuster.assessments.actions import publish
from postmuster.assessments.document import read_assessment
from postmuster.assessments.table import Refusals
from postmuster.base.clock import SteppedClock
from postmuster.base.errors import Defect
from postmuster.jobs.desk import Desk, open_desk
from postmuster.organisation.world import World
from postmuster.roster.actions import load_feed
from postmuster.runtime import database, setup
from postmuster.runtime.place import Tell
from postmuster.runtime.postgres import Server
from postmuster.settings import Settings, load, reference

BEGINS: Final = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)  # the Monday on which the examples begin
SIZE_LIMIT_OCTETS: Final = 2_000_000  # what the rehearsal's intake takes; the organisation has one mail above it
DATA: Final = "var"  # the installation's data, in its folder
OFFICERS: Final = (
    ("ove", "Ove Larkin", (Role.OPERATOR,)),
    ("ada", "Ada Merrow", (Role.DRAFTER,)),
    ("ben", "Ben Stroud", (Role.APPROVER,)),
    ("cho", "Cho Linden", (Role.APPROVER,)),
    ("pia", "Pia Holm", (Role.PRIVACY_OFFICER,)),
    ("rae", "Rae Dunmore", (Role.REVIEWER,)),
)
ASSESSMENTS: Final = ("reach-test", "offer-election", "report-week")


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything a rehearsal plays on."""

    out: Path
    settings: Settings
    clock: SteppedClock
    desk: Desk
    world: World
    people_csv: Path
    receiving_port: int  # of the organisation's own servers

    def officer(self, handle: str) -> Actor:
        return acting(handle)

    @property
    def now(self) -> datetime:
        return self.clock.now()


@contextmanager
def set_stage(
    out: Path, *, people: int, seed: int, tell: Tell, relay_port: int = 0, intake_port: int = 0
) -> Iterator[Stage]:
    """Make a fresh installation in `out/house` with its organisation; what an earlier rehearsal left there is removed first.

    `relay_port` 0: the organisation's own servers are the relay. Leaving stops the organisation and the database.
    """
    house = out / "house"
    out.mkdir(parents=True, exist_ok=True)
    _remove_earlier(house)
    house.mkdir()
    clock = SteppedClock(house / "clock")
    clock.set(BEGINS)
    tell(f"Founding an organisation of {people} people …")
    world = World(people, seed, clock.now, size_limit=SIZE_LIMIT_OCTETS)
    _, port = world.start()
    try:
        settings = _write_settings(house, world, relay_port or port, intake_port or _free_port())
        setup.set_up(settings.file, setup.Wish(officer="ove", officer_name="Ove Larkin"), now=clock.now(), tell=tell)
        database.django_setup("application", settings)
        stage = Stage(out, settings, clock, open_desk(settings, clock), world, out / "people.csv", port)
        _enrol(stage)
        _publish(stage)
        yield stage
    finally:
        world.close()
        connections.close_all()
        server = Server(house / DATA)
        if server.is_made():
            server.stop()


def load_roster(stage: Stage) -> int:
    """Write people.csv as the organisation's personnel system would, and load it; returns how many people it holds."""
    stage.world.write_people_csv(stage.people_csv)
    actor = acting("ove", Role.OPERATOR)
    rejects = stage.out / "people.rejects.csv"
    return load_feed(stage.people_csv, actor=actor.mark, now=stage.now, rejects=rejects).people


def _remove_earlier(house: Path) -> None:
    """Remove an earlier rehearsal; its database may lie elsewhere, and be there although the folder was removed by hand."""
    earlier = Server(house / DATA)
    if earlier.is_made():
        earlier.remove()
    shutil.rmtree(house, ignore_errors=True)


def _write_settings(house: Path, world: World, relay_port: int, intake_port: int) -> Settings:
    zone = house / "zone.json"
    zone.write_text(json.dumps(world.zone()), encoding="utf-8")
    file = house / "postmuster.toml"
    given = {
        "data": DATA,
        "organisation.name": "The Commonwealth of Example",
        "organisation.domain": "agency.example",
        "organisation.time_zone": "America/New_York",
        "relay.host": "127.0.0.1",
        "relay.port": relay_port,
        "relay.ehlo_name": "postmuster.agency.example",
        "intake.port": intake_port,
        "intake.max_message_octets": SIZE_LIMIT_OCTETS,
        "authentication.zone_file": zone.name,
        "work.lease_s": 5,
    }
    file.write_text(reference.file_text(given), encoding="utf-8")
    return load(file)


def _free_port() -> int:
    """A port nobody has now; the intake keeps it when it is started again after it was killed."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _enrol(stage: Stage) -> None:
    for handle, name, roles in OFFICERS[1:]:
        address = f"{handle}@agency.example"
        access.add_officer(
            handle=handle, name=name, address=address, roles=roles, component_path="", by="ove", now=stage.now
        )


def _publish(stage: Stage) -> None:
    folder = resources.files("postmuster.rehearsal") / "assessments"
    for slug in ASSESSMENTS:
        document = read_assessment((folder / f"{slug}.toml").read_bytes(), file=f"{slug}.toml")
        if isinstance(document, Refusals):
            raise Defect(f"The example assessment {slug} cannot be read; nothing was begun; please report it.")
        publish(document, actor=acting("pia", Role.PRIVACY_OFFICER), now=stage.now)
