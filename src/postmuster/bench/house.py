"""An installation of its own for a measurement: fresh database, keys, officers, a roster file, a counting sink as relay.

What for: every figure comes from the real thing (embedded PostgreSQL with its safety on, worker and intake processes,
SMTP and LMTP dialogs), set up by the acts of the rooms themselves, and gone afterwards.

Errors: `Refused` where `DATABASE_URL` is set: what is there must not be measured with, and not be filled.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Final

from django.db import connections

from postmuster.access import actions as access
from postmuster.access.queries import acting
from postmuster.access.roles import Role
from postmuster.assessments.actions import publish
from postmuster.assessments.document import read_assessment
from postmuster.assessments.table import Refusals
from postmuster.base import sql
from postmuster.base.clock import SteppedClock
from postmuster.base.errors import Defect, Refused, Transient
from postmuster.bench import children
from postmuster.bench.children import Child
from postmuster.bench.yardsticks import SECONDS
from postmuster.jobs.desk import Desk, open_desk
from postmuster.mail import dkim
from postmuster.notices import actions as notices
from postmuster.notices.content import read_notice
from postmuster.notices.files import collect_bodies
from postmuster.notices.terms import NoticeContent
from postmuster.organisation.census import write_people_csv
from postmuster.organisation.people import Person, create_people
from postmuster.organisation.signing import Signing
from postmuster.rehearsal.stage import BEGINS, OFFICERS
from postmuster.runtime import database, setup
from postmuster.runtime.place import Tell
from postmuster.runtime.postgres import Server
from postmuster.runtime.processes import Crew
from postmuster.settings import Settings, database_url, keys, load, reference

SEED: Final = 1
JOURNAL: Final = "sink.journal"
WORKERS: Final = 2
NOTICE: Final = "test"  # the example notice that is sent: 7 KB signed, in eight languages
ASSESSMENT: Final = "reach-test"
PATIENCE_S: Final = 120.0  # without any progress for so long, something hangs
LOOKS_A_SPAN: Final = 100  # a wait is measured to one part in so many
FIRST_LOOK_S: Final = 0.005
LAST_LOOK_S: Final = 0.25
SIGNS: Final = {"openssl": dkim.SigningAlgorithm.RSA_SHA256, "ed25519": dkim.SigningAlgorithm.ED25519_SHA256}
RELAY_SIGNS: Final = "relay.signs"  # the setting that leaves signing to the relay
NO_QUIET_HOURS: Final = {"hours.quiet_from": "", "hours.quiet_until": "", "hours.quiet_days": []}
DURABILITY: Final = ("fsync", "full_page_writes", "synchronous_commit")


@dataclass(frozen=True, slots=True)
class House:
    """Everything a measurement plays with."""

    folder: Path
    settings: Settings
    clock: SteppedClock
    desk: Desk
    sink: Child
    people: list[Person]
    people_csv: Path
    signing: Signing
    yardstick_s: float

    @property
    def journal(self) -> Path:
        """What the sink took, message by message."""
        return self.folder / JOURNAL

    def crew(self, tell: Tell) -> Crew:
        """Our processes, not yet started; what they say goes to a file."""
        return Crew(self.settings, clock=str(self.folder / "clock"), log=self.folder / "crew.log", tell=tell)

    def durability(self) -> dict[str, str]:
        """The three settings without which a rate would mean nothing, as the server says them."""
        return {name: str(sql.value("SELECT current_setting(%s)", (name,))) for name in DURABILITY}

    def postgres_cpu_s(self) -> float:
        """CPU seconds of the database server so far, its backends included."""
        file = database.server_of(self.settings).place.data / "postmaster.pid"
        return children.family_cpu_s(int(file.read_text(encoding="ascii").split()[0]))


@contextmanager
def open_house(
    out: Path,
    *,
    people: int,
    sign: str,
    tell: Tell,
    yardstick_s: float = SECONDS,
    given: Mapping[str, Any] | None = None,
    sink_options: Sequence[str] = (),
) -> Iterator[House]:
    """Make a fresh installation in `out/house`; leaving stops and removes it, with all its data.

    `given` are settings by their dotted names, beside those of every measurement; `sink_options` make the sink a worse relay.
    """
    if database_url():
        raise Refused("A measurement fills a database of its own; nothing was done; unset DATABASE_URL.")
    folder = (out / "house").absolute()
    _remove(folder)
    folder.mkdir(parents=True)
    try:
        with children.sink("--journal", str(folder / JOURNAL), *sink_options) as sink:
            clock = SteppedClock(folder / "clock")
            clock.set(BEGINS)
            signing = Signing(SEED)
            settings = _settings(folder, int(sink.said), sign, signing, given or {})
            setup.set_up(settings.file, setup.Wish(officer="ove", officer_name="Ove Larkin"), now=BEGINS, tell=_silent)
            database.django_setup("application", settings)
            _enrol_and_publish()
            tell(f"Writing a roster of {people:,} people …")
            staff = create_people(people, SEED)
            roster = folder / "people.csv"
            write_people_csv(staff, roster)
            yield House(
                folder, settings, clock, open_desk(settings, clock), sink, staff, roster, signing, yardstick_s
            )  # fmt: skip
    finally:
        connections.close_all()
        _remove(folder)


def approved_notice(more: str = "") -> int:
    """Draft the example notice, with `more` at the end of its file, and have two officers approve it; returns its number."""
    source = resources.files("postmuster.rehearsal") / "notices" / NOTICE
    with resources.as_file(source) as path:
        toml, bodies = (path / "notice.toml").read_bytes() + more.encode(), collect_bodies(path)
    content = read_notice(toml, bodies)
    if not isinstance(content, NoticeContent):
        raise Defect(f"The example notice {NOTICE} cannot be read; nothing was measured; please report it.")
    number = notices.draft(content, toml, bodies, notice_no=None, actor=acting("ada"), now=BEGINS)
    for approver in ("ben", "cho"):
        notices.approve(number, actor=acting(approver), now=BEGINS)
    return number


def wait_until(done: Callable[[], bool], progress: Callable[[], Any], crew: Crew) -> float:
    """Look until it is done, ever less often, so that looking costs little; returns when that was seen, monotonic.

    Raises `Transient` when nothing has changed for too long.
    """
    began = since = time.monotonic()
    last: Any = None
    while True:
        if done():
            return time.monotonic()
        now_s = time.monotonic()
        seen = progress() if now_s - since > 1 else last
        if seen != last:
            last, since = seen, now_s
        elif now_s - since > PATIENCE_S:
            raise Transient(f"Nothing moved for {PATIENCE_S:.0f} s while it was measured; nothing was kept; try again.")
        crew.tend()
        time.sleep(min(LAST_LOOK_S, max(FIRST_LOOK_S, (now_s - began) / LOOKS_A_SPAN)))


def rests(house: House, days: int = 1) -> None:
    """Let simulated time pass, so that answers come after what they answer."""
    house.clock.set(house.clock.now() + timedelta(days=days))


def _settings(folder: Path, relay_port: int, sign: str, signing: Signing, wanted: Mapping[str, Any]) -> Settings:
    (folder / "zone.json").write_text(json.dumps(signing.dns_zone()), encoding="utf-8")
    file = folder / "postmuster.toml"
    given = {
        "organisation.name": "The Commonwealth of Example",
        "organisation.domain": "agency.example",
        "organisation.time_zone": "America/New_York",
        "relay.host": "127.0.0.1",
        "relay.port": relay_port,
        "relay.ehlo_name": "postmuster.agency.example",
        "intake.port": 0,
        "authentication.zone_file": "zone.json",
        "work.workers": WORKERS,
        **NO_QUIET_HOURS,
        **wanted,
    }
    given["relay.sign_in_batches"] = sign == "ifma"
    if sign == "none":
        given[RELAY_SIGNS] = True
    file.write_text(reference.file_text(given), encoding="utf-8")
    settings = load(file)
    pem = dkim.make_key(SIGNS.get(sign, dkim.SigningAlgorithm.RSA_SHA256))
    keys.write_new(keys.dkim_key_file(settings.key_dir, settings.relay.dkim_selector), pem)
    return settings


def _enrol_and_publish() -> None:
    for handle, name, roles in OFFICERS[1:]:
        address = f"{handle}@agency.example"
        access.add_officer(
            handle=handle, name=name, address=address, roles=roles, component_path="", by="ove", now=BEGINS
        )
    source = resources.files("postmuster.rehearsal") / "assessments" / f"{ASSESSMENT}.toml"
    document = read_assessment(source.read_bytes(), file=f"{ASSESSMENT}.toml")
    if isinstance(document, Refusals):
        raise Defect(f"The example assessment {ASSESSMENT} cannot be read; nothing was measured; please report it.")
    publish(document, actor=acting("pia", Role.PRIVACY_OFFICER), now=BEGINS)


def _remove(folder: Path) -> None:
    # Its data may lie elsewhere, the folder be gone; a removal that was interrupted leaves part of them.
    Server(folder / Settings(folder).data, tell=_silent).remove()
    shutil.rmtree(folder, ignore_errors=True)


def _silent(_sentence: str) -> None:
    """Setting up is not what is watched."""
