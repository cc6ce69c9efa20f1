"""How a send would go: when the first and the last copy leave, how many come too late, what comes back in the worst hour.

What for: an officer sees it before the release, and the release is refused where the machine is too small for it.

Promises: pure; never raises; ends after `MOST_STEPS` steps at most. Copies leave at one rate, to whoever may be written to at
that moment; a wave is watched before the next; after the last moment to start nobody is written to.
Limits: an estimate. Steps are a quarter of an hour while copies leave; a pause by an officer is not foreseen.
Sources: the shares and the curve below are assumptions, and said to be; the shares are those of the simulated organisation
(organisation/data/behaviour.toml: 725, 619 and 631 of a thousand mails), rounded up.
"""

from __future__ import annotations

import datetime
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from postmuster.assessments.kinds import AskType
from postmuster.notices.hours import Hours, is_quiet, next_opening
from postmuster.notices.terms import Ramp, Schedule

STEP: Final = datetime.timedelta(minutes=15)
MOST_STEPS: Final = 20_000
HOUR: Final = datetime.timedelta(hours=1)
MAILS_BACK: Final[Mapping[AskType, float]] = {  # mails that people and their systems write, a copy
    AskType.ACKNOWLEDGE: 0.75,
    AskType.ELECTION: 0.65,
    AskType.REPORT: 0.65,
    AskType.NONE: 0.10,  # out-of-offices, questions
}
BY_HOUR: Final = (0.20, 0.10, 0.08, 0.06, 0.05, 0.04, 0.03, 0.03)  # assumption: of them, in each hour after the copy
FAILURE_REPORTS: Final = 0.05  # assumption: copies that are reported as failed or late, within the hour
SUCCESS_REPORTS: Final = 1.0  # where a notice asks for them: at most one a copy, within the hour


@dataclass(frozen=True, slots=True)
class Way:
    """What decides how a send goes. `people` by zone; `per_s` copies a second."""

    people: Mapping[str, int]
    per_s: float
    hours: Hours
    schedule: Schedule
    ramp: Ramp | None
    within_hours: int
    organisation_zone: str


@dataclass(frozen=True, slots=True)
class Course:
    """How it goes. `by_hour`: copies that leave in each hour, counted from the first. `too_late`: nobody writes to them."""

    begins: datetime.datetime
    ends: datetime.datetime
    last_start: datetime.datetime
    too_late: int
    by_hour: tuple[int, ...]


@dataclass(slots=True)
class _Walk:
    at: datetime.datetime
    begins: datetime.datetime | None = None
    steps: int = 0


def course(way: Way, now: datetime.datetime) -> Course:
    """Go through a send that is released at `now`."""
    last = way.schedule.last_start(now, way.within_hours)
    shares = way.ramp.shares if way.ramp else (100.0,)
    observe = datetime.timedelta(minutes=way.ramp.observe_minutes if way.ramp else 0)
    walk, sent = _Walk(now.astimezone(datetime.UTC)), defaultdict[int, float](float)
    for number, share in enumerate(shares):
        _send_wave({zone: count * share / 100 for zone, count in way.people.items()}, way, walk, last, sent)
        if number + 1 < len(shares):
            walk.at += observe
    total = sum(way.people.values())
    begins = walk.begins or walk.at
    by_hour = tuple(math.ceil(sent[hour]) for hour in range(max(sent, default=-1) + 1))
    too_late = max(0, total - math.floor(math.fsum(sent.values()) + 0.5))
    return Course(begins, max(begins, walk.at), last, too_late, by_hour)


def mails_back(copies: int, ask: AskType, *, success_reports: bool) -> int:
    """How many mails are expected back in all: answers, and reports of receiving systems."""
    share = MAILS_BACK[ask] + FAILURE_REPORTS + (SUCCESS_REPORTS if success_reports else 0)
    return math.ceil(round(copies * share, 3))


def peak_an_hour(by_hour: Sequence[int], ask: AskType, *, success_reports: bool) -> int:
    """How many of them come in the worst hour."""
    reports = FAILURE_REPORTS + (SUCCESS_REPORTS if success_reports else 0)
    hourly = [
        sum(by_hour[hour - age] * share for age, share in enumerate(BY_HOUR) if 0 <= hour - age < len(by_hour))
        * MAILS_BACK[ask]
        + (by_hour[hour] * reports if hour < len(by_hour) else 0)
        for hour in range(len(by_hour) + len(BY_HOUR))
    ]
    return math.ceil(round(max(hourly), 3))


def _send_wave(
    waiting: dict[str, float], way: Way, walk: _Walk, last: datetime.datetime, sent: defaultdict[int, float]
) -> None:
    while waiting := {zone: count for zone, count in waiting.items() if count > 1e-9}:
        walk.steps += 1
        if walk.at >= last or walk.steps > MOST_STEPS:
            return
        rest = (way.hours, way.schedule, walk.at, way.organisation_zone)
        awake = [zone for zone in waiting if not is_quiet(zone, *rest)]
        if not awake:
            walk.at = min(next_opening(zone, *rest) for zone in waiting)
            continue
        if walk.begins is None:
            walk.begins = walk.at
        there = math.fsum(waiting[zone] for zone in awake)
        span_s = min(STEP.total_seconds(), there / way.per_s, (last - walk.at).total_seconds())
        share = min(1.0, span_s * way.per_s / there)
        sent[int((walk.at - walk.begins) / HOUR)] += there * share
        for zone in awake:
            waiting[zone] *= 1 - share
        walk.at += datetime.timedelta(seconds=max(span_s, 1e-6))
