"""One act of a rehearsal: a notice drafted, approved, released and sent, its answers let in, all of it read.

Simulated time moves only here. Nothing waits in real time but for work that is really being done.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import resources
from typing import Final

from postmuster.base.errors import Transient
from postmuster.inbound import queries as inbound
from postmuster.jobs.notice import ref_of, release
from postmuster.jobs.queue import defer_expand
from postmuster.notices import actions as notices
from postmuster.notices import hours
from postmuster.notices import queries as stored
from postmuster.notices.content import read_notice
from postmuster.notices.files import collect_bodies
from postmuster.notices.queries import StoredRound
from postmuster.notices.states import RoundState
from postmuster.notices.terms import NoticeContent
from postmuster.organisation.sending import Tally
from postmuster.organisation.world import Outgoing
from postmuster.outbound import queries as book
from postmuster.outbound.states import DeliveryState
from postmuster.rehearsal.stage import Stage
from postmuster.runtime.processes import Crew

LOOK_S: Final = 0.1  # how often we look whether the work is done
PATIENCE_S: Final = 300.0  # without any progress for so long, something hangs
RETRY_STEP: Final = timedelta(minutes=6)  # a little more than a greylist asks for
MOST_STEPS: Final = 500  # of simulated time while one notice is sent
STEP_HOURS: Final = 6  # of simulated time
DAY: Final = timedelta(days=1)

Watch = Callable[[str, int, int], None]
"""Hears how far something is: what, done, of how many (0: unknown)."""
Carry = Callable[[Iterable[Outgoing]], Tally]
"""Brings mail of the organisation to the intake; called in a thread of its own."""


@dataclass(slots=True)
class Act:
    """One notice, as it was played. `sent` holds every mail of the organisation about it, without its octets."""

    notice_no: int
    ask: tuple[object, ...]
    content: NoticeContent
    deadline: datetime
    sent: list[Sent] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """One mail of the organisation: what is needed to find it again and to judge how it was read."""

    message_id: str
    digest: bytes
    mail: Outgoing


def prepare(stage: Stage, name: str) -> Act:
    """Draft an example notice and have two officers approve it."""
    folder = resources.files("postmuster.rehearsal") / "notices" / name
    with resources.as_file(folder) as path:
        toml, bodies = (path / "notice.toml").read_bytes(), collect_bodies(path)
    content = read_notice(toml, bodies)
    if not isinstance(content, NoticeContent):
        raise Transient(f"The example notice {name} cannot be read; nothing was sent; please report it.")
    notice_no = notices.draft(content, toml, bodies, notice_no=None, actor=stage.officer("ada"), now=stage.now)
    for approver in ("ben", "cho"):
        notices.approve(notice_no, actor=stage.officer(approver), now=stage.now)
    ask: tuple[object, ...] = (str(content.ask.type),)
    if content.ask.choices:
        ask += (list(content.ask.choices),)
    elif content.ask.items:
        ask += (content.ask.items,)
    deadline = content.deadline.at if content.deadline else stage.now + 7 * DAY
    return Act(notice_no, ask, content, deadline.replace(tzinfo=deadline.tzinfo or stage.now.tzinfo))


def send(act: Act, stage: Stage, crew: Crew, watch: Watch) -> None:
    """Release the notice and wait until nobody is pending and nothing waits to be tried again."""
    began = time.monotonic()
    number = release(act.notice_no, actor=stage.officer("ben"), desk=stage.desk, then=defer_expand)
    moved = 0
    for _ in patiently(lambda: _progress(act.notice_no, number)):
        crew.tend()
        round_ = stored.round_of(act.notice_no, number)
        if round_ is None or round_.state is RoundState.EXPANDING:
            continue
        act.seconds.setdefault("expand", time.monotonic() - began)
        batches, retries = book.to_do(ref_of(round_))
        states = book.states(ref_of(round_))
        watch(f"sending n{act.notice_no}", round_.audience - states[DeliveryState.PENDING], round_.audience)
        if round_.state is RoundState.SETTLED:
            break
        if moved < MOST_STEPS and _move_on(round_, stage, batches=batches, retries=retries):
            moved += 1
    act.seconds["send"] = time.monotonic() - began - act.seconds["expand"]


def _move_on(round_: StoredRound, stage: Stage, *, batches: int, retries: int) -> bool:
    """Let simulated time pass where nothing can be sent now: people sleep, or copies that were put off wait."""
    settings, schedule = stage.settings, round_.revision.content.schedule
    zones, now, home = book.batch_zones(ref_of(round_)), stage.now, settings.organisation.time_zone
    asleep = len(hours.quiet_zones(zones, settings.hours, schedule, now, home)) == len(zones) > 0
    if retries and (asleep or not batches):
        stage.clock.advance(RETRY_STEP)
    elif asleep:
        stage.clock.set(hours.first_opening(zones, settings.hours, schedule, now, home))
    else:
        return False
    return True


def answer(act: Act, stage: Stage, crew: Crew, carry: Carry, watch: Watch, *, until: datetime | None = None) -> None:
    """Let people answer in simulated time, a quarter of a day at a time, and wait until everything is read.

    People who are late are late by days, so that no step holds answers from both sides of a deadline.
    """
    began = time.monotonic()
    going = stage.world.answer(act.notice_no, act.ask, deadline=act.deadline, until=until)
    total = stage.world.waiting
    for begins, mails in itertools.groupby(going, key=lambda mail: _step_of(mail.at)):
        if begins > stage.now:
            stage.clock.set(begins)
        act.tallies.append(_deliver(_kept(act, mails), carry, crew))
        watch(f"taking in answers to n{act.notice_no}", len(act.sent), len(act.sent) + total(act.notice_no))
    act.seconds["intake"] = act.seconds.get("intake", 0.0) + time.monotonic() - began
    began = time.monotonic()
    for _ in patiently(lambda: (inbound.waiting(), book.letters_waiting())):
        crew.tend()
        waiting = inbound.waiting()
        watch(f"reading answers to n{act.notice_no}", len(act.sent) - waiting, len(act.sent))
        if not waiting and not book.letters_waiting():
            break
        if not waiting and not book.letters_due(stage.now):
            stage.clock.advance(RETRY_STEP)
    act.seconds["digest"] = act.seconds.get("digest", 0.0) + time.monotonic() - began


def _step_of(moment: datetime) -> datetime:
    """When the step of simulated time began that a moment lies in."""
    return moment.replace(hour=moment.hour - moment.hour % STEP_HOURS, minute=0, second=0, microsecond=0)


def _deliver(mails: Iterator[Outgoing], carry: Carry, crew: Crew) -> Tally:
    """Carry mails to the door from a thread of their own, while the crew is tended: the door may be killed meanwhile."""
    with ThreadPoolExecutor(1, "organisation-sending") as thread:
        carrying = thread.submit(carry, mails)
        while not wait([carrying], LOOK_S).done:
            crew.tend()
        try:
            return carrying.result()
        except ConnectionError:
            raise Transient("The intake stayed away; what it had taken is kept; see the log in the folder.") from None


def _kept(act: Act, mails: Iterable[Outgoing]) -> Iterator[Outgoing]:
    """Pass mails on, remembering of each what is needed later."""
    for mail in mails:
        act.sent.append(sent_of(mail))
        yield mail


def sent_of(mail: Outgoing) -> Sent:
    """What is kept of a mail: everything but its octets."""
    return Sent(mail.message_id.strip("<>"), octets_digest(mail.octets), dataclasses.replace(mail, octets=b""))


def octets_digest(octets: bytes) -> bytes:
    """The identity of a mail whose Message-ID cannot be read; line ends and the end of the data do not matter."""
    return hashlib.sha256(octets.replace(b"\r\n", b"\n").rstrip(b"\n")).digest()


def _progress(notice_no: int, number: int) -> object:
    round_ = stored.round_of(notice_no, number)
    return (round_.state, book.to_do(ref_of(round_)), sorted(book.states(ref_of(round_)).items())) if round_ else None


def patiently(progress: Callable[[], object]) -> Iterator[None]:
    """Look again and again; raises `Transient` when nothing has changed for too long."""
    last, since = progress(), time.monotonic()
    while True:
        yield
        time.sleep(LOOK_S)
        now = progress()
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > PATIENCE_S:
            raise Transient(
                f"Nothing moved for {PATIENCE_S:.0f} s; what was committed is kept; see the log in the folder."
            )
