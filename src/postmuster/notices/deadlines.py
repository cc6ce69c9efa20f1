"""When a deadline ends for one person, and how it is written to them.

What for: a deadline is a wall time in each person's own zone, or one instant for everyone; either way a person reads
it in their own zone and language, with the zone's name, the offset and the same moment in UTC, so that nobody has to
know what "EST" means in July.

Promises: pure; a zone nobody knows counts as the organisation's. A wall time that comes twice (clocks set back) or
never (clocks set forward) means the later of its two readings, in the person's favour. Zones come from the tzdata
package and not from the machine, so that a deadline is the same on every machine.
Sources: RFC 6557 (the zone database), PEP 495 (times that come twice).
"""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from postmuster.notices.terms import PERSON_ZONE, Deadline
from postmuster.notices.wording import say, words_in

_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]{1,40}(?:/[A-Za-z0-9_+-]{1,40}){0,2}")
_UTC = "UTC"


def zone_named(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name, or None; never raises."""
    return _loaded(name) if _ZONE_NAME.fullmatch(name) else None


@lru_cache(maxsize=1024)
def _loaded(name: str) -> ZoneInfo | None:
    try:
        with resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    except (OSError, ValueError):
        return None


def zone_for(name: str, organisation_zone: str) -> ZoneInfo:
    """Return a person's zone, else the organisation's, else UTC."""
    zone = zone_named(name) or zone_named(organisation_zone) or zone_named(_UTC)
    if zone is None:
        raise LookupError("The tzdata package lacks UTC; install it again.")
    return zone


def deadline_end(deadline: Deadline, person_zone: str, *, organisation_zone: str) -> datetime.datetime:
    """Return the instant, in UTC, at which the deadline ends for a person."""
    if deadline.at.tzinfo is not None:
        return deadline.at.astimezone(datetime.UTC)
    name = person_zone if deadline.zone == PERSON_ZONE else deadline.zone
    zone = zone_for(name, organisation_zone)
    return max(deadline.at.replace(tzinfo=zone, fold=fold).astimezone(datetime.UTC) for fold in (0, 1))


def end_with_grace(deadline: Deadline, person_zone: str, *, organisation_zone: str) -> datetime.datetime:
    """Return the instant, in UTC, until which an answer is in time: the deadline and the grace for slow mail."""
    end = deadline_end(deadline, person_zone, organisation_zone=organisation_zone)
    return end + datetime.timedelta(minutes=deadline.grace_minutes)


def earliest_end(deadline: Deadline) -> datetime.datetime:
    """Return the instant, in UTC, at which the deadline ends for the first people on earth."""
    if deadline.at.tzinfo is None and deadline.zone == PERSON_ZONE:
        return deadline.at.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=14))).astimezone(datetime.UTC)
    return deadline_end(deadline, _UTC, organisation_zone=_UTC)


def deadline_text(deadline: Deadline, language: str, person_zone: str, *, organisation_zone: str) -> str:
    """Write the deadline for one person, e.g. "Monday, 15 March 2027, 17:00 (America/New_York, UTC-04:00; 21:00 UTC)".

    `language` is one of `terms.LANGUAGES`.
    """
    end = deadline_end(deadline, person_zone, organisation_zone=organisation_zone)
    return moment_text(end, language, zone_for(person_zone, organisation_zone))


def moment_text(moment: datetime.datetime, language: str, zone: ZoneInfo) -> str:
    """Write an instant in a language and a zone, with the zone's name, its offset and the time in UTC."""
    local = moment.astimezone(zone)
    words = words_in(language)["time"]
    return say(
        language,
        "time",
        "moment",
        weekday=words["weekdays"].split(",")[local.weekday()],
        day=str(local.day),
        month=words["months"].split(",")[local.month - 1],
        year=str(local.year),
        clock=f"{local:%H:%M}",
        zone=_zone_text(local, moment.astimezone(datetime.UTC)),
    )


def _zone_text(local: datetime.datetime, utc: datetime.datetime) -> str:
    name = str(local.tzinfo)
    if name in {_UTC, "Etc/UTC"}:
        return _UTC
    offset = local.isoformat()[-6:]
    same_day = f"{utc:%H:%M}" if utc.date() == local.date() else f"{utc:%Y-%m-%d %H:%M}"
    return f"{name}, UTC{offset}; {same_day} UTC"
