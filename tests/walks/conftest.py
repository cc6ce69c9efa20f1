"""The small organisation that the walks are walked with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postmuster.access.queries import acting
from postmuster.access.roles import Role
from postmuster.assessments.actions import publish
from postmuster.assessments.document import AssessmentDocument, read_assessment
from postmuster.base.clock import SteppedClock
from postmuster.jobs.desk import open_desk
from postmuster.organisation.world import World
from postmuster.rehearsal.stage import ASSESSMENTS, BEGINS
from postmuster.roster.actions import load_feed
from postmuster.settings import Settings, load, reference

from .muster import NO_QUIET_HOURS, PEOPLE, SEED, Muster
from .relay import LittleRelay

if TYPE_CHECKING:
    from conftest import Database, Officers

SIZE_LIMIT_OCTETS = 2_000_000


@pytest.fixture
def stage(
    database: Database, settings: Settings, officers: Officers, clock: SteppedClock, tmp_path: Path
) -> Iterator[Muster]:
    """An organisation with its servers and an installation with officers, but no roster and no assessment."""
    clock.set(BEGINS)
    world = World(PEOPLE, SEED, clock.now, size_limit=SIZE_LIMIT_OCTETS)
    _, port = world.start()
    (tmp_path / "zone.json").write_text(json.dumps(world.zone()), encoding="utf-8")
    given: dict[str, object] = {
        "relay.port": port,
        "relay.ehlo_name": "postmuster.agency.example",
        "intake.port": 0,
        "intake.max_message_octets": SIZE_LIMIT_OCTETS,
        "authentication.zone_file": "zone.json",
        "organisation.time_zone": "America/New_York",
        "work.lease_s": 5,
        **NO_QUIET_HOURS,  # the organisation has people in six time zones; test_hours has hours of its own
        "work.batch_rows": 7,  # many batches, of several components
    }
    settings.file.write_text(reference.file_text(given), encoding="utf-8")
    yield Muster(database, clock, open_desk(load(settings.file), clock), world, tmp_path, given)
    world.close()


@pytest.fixture
def muster(stage: Muster) -> Muster:
    """The same with everybody in the roster and every example assessment published."""
    load_people(stage)
    publish_assessments(stage)
    return stage


@pytest.fixture
def relay() -> Iterator[LittleRelay]:
    """A relay that does what its rule says; willing until a test gives it one."""
    with LittleRelay() as made:
        yield made


def load_people(stage: Muster) -> None:
    stage.world.write_people_csv(stage.folder / "people.csv")
    actor = acting("ove", Role.OPERATOR)
    load_feed(
        stage.folder / "people.csv", actor=actor.mark, now=stage.clock.now(), rejects=stage.folder / "rejects.csv"
    )


def publish_assessments(stage: Muster, *slugs: str) -> None:
    folder = resources.files("postmuster.rehearsal") / "assessments"
    for slug in slugs or ASSESSMENTS:
        document = read_assessment((folder / f"{slug}.toml").read_bytes(), file=f"{slug}.toml")
        assert isinstance(document, AssessmentDocument)
        publish(document, actor=acting("pia", Role.PRIVACY_OFFICER), now=stage.clock.now())
