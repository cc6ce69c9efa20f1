"""In which zones a round rests now, for whoever shows or watches rounds and does not send them.

For whom: `postmuster notice status`, `report` and `check`, which hand it to `reports.stalls`. Senders use
`jobs.notice.opening_of`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from postmuster.notices import hours
from postmuster.notices.queries import StoredRound
from postmuster.outbound import queries as book
from postmuster.outbound.values import RoundRef
from postmuster.reports.stalls import QuietZones
from postmuster.settings import Settings


def resting(settings: Settings, now: datetime) -> QuietZones:
    """What says of a round in which of its zones it is quiet at `now`, by the settings and the notice's own schedule."""

    def zones(round_: StoredRound) -> Collection[str]:
        of = RoundRef(round_.notice_no, round_.number, round_.roster_version)
        schedule = round_.revision.content.schedule
        return hours.quiet_zones(book.zones(of), settings.hours, schedule, now, settings.organisation.time_zone)

    return zones
