"""The estimate before a release: how long, how much disk, how many mails back in the worst hour (R20).

What for: `notice estimate` and `notice check` show it; the release is refused where the disk or the intake would be more than
`FULL_SHARE` full, or where the quiet hours open for nobody before the last moment to start.

Promises: every figure says whether it was measured here or is a default; a figure that nobody knows is said to be unknown and
refuses nothing. Limits: for a further round the whole audience is counted, which is more than it writes to.
Sources: docs/figures/bench.md (24 Nov 2026, 2 cores) for the defaults; R20's alarms for `FULL_SHARE`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from postmuster.jobs.desk import Desk
from postmuster.notices import forecast, hours
from postmuster.notices import queries as notices
from postmuster.notices.forecast import Course, Way
from postmuster.notices.terms import NoticeContent
from postmuster.reports import capacity
from postmuster.roster import queries as roster

SENT_PER_S_A_CORE: Final = 1_450  # measured: 2,915 on two cores, signed with RSA-2048
TAKEN_IN_PER_S: Final = 1_500  # measured: 1,508 on two cores, beside nothing else
OCTETS_A_DELIVERY: Final = 350  # measured: 344 for 2,000 people, 262 for 200,000
OCTETS_A_MAIL: Final = (
    16_384  # assumption: median 6 KB sealed, a few quote everything or bring attachments, and their rows
)
LOG_OCTETS: Final = 2 * 1024**3  # the write-ahead log between two checkpoints (max_wal_size) needs room of its own
FULL_SHARE: Final = 0.85  # R20: the last alarm; above it a release is refused
MIB: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and where it comes from."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a release now would come to. `free_octets` None: nobody here knows the disk."""

    copies: int
    course: Course
    sent_per_s: Figure
    octets_a_delivery: Figure
    octets_a_mail: Figure
    mails_back: int
    peak_an_hour: int
    intake_an_hour: Figure
    free_octets: int | None
    hours_reasons: tuple[str, ...]

    @property
    def disk_octets(self) -> int:
        return int(self.copies * self.octets_a_delivery.value + self.mails_back * self.octets_a_mail.value) + LOG_OCTETS

    def reasons(self) -> list[str]:
        """Why the notice cannot go out on this installation, one sentence each with its figures."""
        found = list(self.hours_reasons)
        if self.free_octets is not None and self.disk_octets > FULL_SHARE * self.free_octets:
            found.append(
                f"It needs about {_mib(self.disk_octets)} of disk for {self.copies:,} copies and {self.mails_back:,} mails "
                f"back, which is more than {FULL_SHARE:.0%} of the {_mib(self.free_octets)} that are free; make room."
            )
        if self.peak_an_hour > FULL_SHARE * self.intake_an_hour.value:
            found.append(
                f"About {self.peak_an_hour:,} mails would come back in the worst hour, which is more than {FULL_SHARE:.0%} of "
                f"the {self.intake_an_hour.value:,.0f} that the intake can take; send in waves, or ask for no success reports."
            )
        return found

    def lines(self) -> list[str]:
        """The estimate for people."""
        course = self.course
        took = course.ends - course.begins
        lines = [
            f"{self.copies:,} copies at {self.sent_per_s.value:,.0f} a second ({self.sent_per_s.source}).",
            f"Nobody is written to before {_shown(course.begins)}; the last copy leaves about {_shown(course.ends)}, "
            f"{_span(took.total_seconds())} later.",
        ]
        if course.too_late:
            lines.append(
                f"{course.too_late:,} people would not be written to: sending has to have started by "
                f"{_shown(course.last_start)}."
            )
        free = "unknown: the database server is not ours" if self.free_octets is None else _mib(self.free_octets)
        return [
            *lines,
            f"Disk: about {_mib(self.disk_octets)} ({self.octets_a_delivery.value:,.0f} octets a copy, "
            f"{self.octets_a_delivery.source}; {self.octets_a_mail.value:,.0f} a mail back, {self.octets_a_mail.source}; "
            f"{_mib(LOG_OCTETS)} for the log). Free: {free}.",
            f"Back: about {self.mails_back:,} mails, {self.peak_an_hour:,} of them in the worst hour (assumption); the intake "
            f"can take {self.intake_an_hour.value:,.0f} an hour ({self.intake_an_hour.source}).",
        ]

    def as_json(self) -> dict[str, object]:
        """The object `estimate` of `notice estimate --json` and `notice check --json`, stable."""
        return {
            "copies": self.copies,
            "sent_per_s": round(self.sent_per_s.value, 1),
            "sent_per_s_source": self.sent_per_s.source,
            "begins_at": self.course.begins.isoformat(),
            "ends_at": self.course.ends.isoformat(),
            "start_by": self.course.last_start.isoformat(),
            "too_late": self.course.too_late,
            "disk_octets": self.disk_octets,
            "free_octets": self.free_octets,
            "octets_a_copy": round(self.octets_a_delivery.value),
            "octets_a_copy_source": self.octets_a_delivery.source,
            "octets_a_mail": round(self.octets_a_mail.value),
            "octets_a_mail_source": self.octets_a_mail.source,
            "mails_back": self.mails_back,
            "peak_an_hour": self.peak_an_hour,
            "intake_an_hour": round(self.intake_an_hour.value),
            "intake_source": self.intake_an_hour.source,
            "reasons": self.reasons(),
        }


def estimate(notice_no: int, *, desk: Desk, free_octets: int | None = None) -> Estimate | None:
    """Say what a release now would come to; None while there is no roster.

    `free_octets`: of the disk that the database is on, where that is this machine's.
    """
    version = roster.current_version()
    if version is None:
        return None
    content = notices.newest(notice_no).content
    people = capacity.addressed_by_zone(content.audience, version)
    found = capacity.measured(desk.now)
    sent_per_s = _sent_per_s(found.sent_per_s, desk)
    course = forecast.course(_way(content, people, sent_per_s.value, desk), desk.now)
    copies, ask, wanted = sum(people.values()), content.ask.type, content.success_reports
    return Estimate(
        copies=copies,
        course=course,
        sent_per_s=sent_per_s,
        octets_a_delivery=_measured_or(found.octets_a_delivery, OCTETS_A_DELIVERY),
        octets_a_mail=_measured_or(found.octets_a_mail, OCTETS_A_MAIL),
        mails_back=forecast.mails_back(copies, ask, success_reports=wanted),
        peak_an_hour=forecast.peak_an_hour(course.by_hour, ask, success_reports=wanted),
        intake_an_hour=_intake_an_hour(found.taken_in_a_minute),
        free_octets=free_octets,
        hours_reasons=tuple(_hours_reasons(content, people, desk)),
    )


def estimate_reasons(notice_no: int, *, desk: Desk, free_octets: int | None = None) -> list[str]:
    """Why this installation cannot bear the notice now, or could reach nobody in time; empty when it can."""
    found = estimate(notice_no, desk=desk, free_octets=free_octets)
    return found.reasons() if found else []


def _way(content: NoticeContent, people: Mapping[str, int], per_s: float, desk: Desk) -> Way:
    settings = desk.settings
    return Way(
        people=people,
        per_s=per_s,
        hours=settings.hours,
        schedule=content.schedule,
        ramp=content.ramp,
        within_hours=settings.work.start_within_hours,
        organisation_zone=settings.organisation.time_zone,
    )


def _hours_reasons(content: NoticeContent, people: Mapping[str, int], desk: Desk) -> list[str]:
    settings = desk.settings
    return hours.start_reasons(
        people,
        settings.hours,
        content.schedule,
        now=desk.now,
        within_hours=settings.work.start_within_hours,
        organisation_zone=settings.organisation.time_zone,
    )


def _sent_per_s(measured: float | None, desk: Desk) -> Figure:
    cores = min(desk.settings.work.workers, os.cpu_count() or 1)
    own = (
        Figure(measured, "measured here") if measured else Figure(SENT_PER_S_A_CORE * cores, f"default, {cores} cores")
    )
    stated = desk.settings.relay.rate_per_s
    return Figure(stated, "relay.rate_per_s") if 0 < stated < own.value else own


def _measured_or(measured: int | None, default: int) -> Figure:
    return Figure(default, "default") if measured is None else Figure(measured, "measured here")


def _intake_an_hour(most_a_minute: int) -> Figure:
    if most_a_minute > TAKEN_IN_PER_S * 60:
        return Figure(most_a_minute * 60.0, "measured here")
    return Figure(TAKEN_IN_PER_S * 3600.0, "default")


def _mib(octets: int) -> str:
    return f"{octets / MIB:,.0f} MiB"


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    return f"{minutes} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
