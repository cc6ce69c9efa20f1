"""The values a notice consists of.

Only shapes, no rules: `content` reads and checks them, `wording` and `body` put them into words. All are frozen, so a
revision can be kept, compared and hashed as it is. Texts for people are `Texts`: one per language.
"""

import datetime
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from postmuster.assessments.kinds import AskType, MachineSorting, NoticeKind
from postmuster.assessments.table import Texts

PERSON_ZONE: Final = "person"
NO_TEXTS: Final = Texts()

# The languages in which generated wording exists; a body in another one would lack its statement and privacy notice.
LANGUAGES: Final = ("en", "es", "fr", "de", "pt", "it", "pl", "zh")

# What an audience can be narrowed by, besides component and employment class.
ATTRIBUTES: Final = ("language", "status", "time_zone")


class RetentionStart(StrEnum):
    """From which day a retention term is counted."""

    RELEASE = "release"
    DEADLINE = "deadline"
    RECEIVED = "received"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person is asked to send back."""

    type: AskType
    choices: tuple[str, ...] = ()
    items: int = 0
    decided_by: Texts = NO_TEXTS  # election: who decides, e.g. "your component's personnel office"
    decision_days: int = 0  # election: within how many days after confirmation


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when an answer counts.

    `at` without offset and `zone` "person": that wall time in each person's own zone. `at` without offset and an IANA
    zone, or `at` with an offset: one instant for everyone, still shown in each person's zone.
    """

    at: datetime.datetime
    zone: str
    grace_minutes: int


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is written to; every employment class not named is excluded."""

    components: tuple[str, ...]
    subtree: bool
    classes: tuple[str, ...]
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """Why this office may say this. `may_instruct`: it employs the whole audience, so it may require an answer."""

    text: Texts
    citation: str
    may_instruct: bool


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom a person can reach with a question, and within how many days a person answers."""

    name: str
    office: str
    address: str
    phone: str
    answer_days: int = 5


@dataclass(frozen=True, slots=True)
class Requirement:
    """An answer is required, under `citation`; `consequence` is empty when not answering has none."""

    consequence: Texts
    citation: str


@dataclass(frozen=True, slots=True)
class RetentionTerm:
    """Which schedule destroys the answers, how many days after what, on whose authority."""

    schedule: str
    days: int
    start: RetentionStart
    authority: str


@dataclass(frozen=True, slots=True)
class AssessmentRef:
    """The privacy assessment a notice stands on; no version means the one published at release."""

    slug: str
    version: int | None


@dataclass(frozen=True, slots=True)
class Sender:
    """The From field: a real unit's name, and the local part under the configured domain."""

    name: str
    local_part: str


class AgainTo(StrEnum):
    """Whom a round is for: everyone, those whom no earlier round is proven to have reached, or those who did not answer."""

    EVERYONE = "everyone"
    UNPROVEN = "unproven"
    UNANSWERED = "unanswered"


class DoubtPolicy(StrEnum):
    """What is done with a copy of which nobody knows whether the relay took it."""

    LEAVE = "leave"
    RESEND = "resend"  # with the same Message-ID


class QuietHours(StrEnum):
    """Whose hours of rest are kept."""

    ORGANISATION = "organisation"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often people may be written to: the least time between two releases, and how many rounds in all."""

    minimum_gap_hours: int = 72
    maximum: int = 3


@dataclass(frozen=True, slots=True)
class InDoubt:
    """`wait_minutes`: how long evidence is waited for before a copy in doubt is sent again."""

    policy: DoubtPolicy = DoubtPolicy.LEAVE
    wait_minutes: int = 120


@dataclass(frozen=True, slots=True)
class Ramp:
    """Waves instead of everybody at once. Shares are percent of each component; each wave is watched before the next."""

    canary_percent: float
    waves: tuple[float, ...] = ()
    observe_minutes: int = 60

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of every wave, the canary first; the rest of the people is the last wave."""
        named = (self.canary_percent, *self.waves)
        rest = round(100 - math.fsum(named), 6)
        return (*named, rest) if rest > 0 else named


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares, in percent of what went out, above which a notice is held by itself."""

    failed_percent: float = 2.0
    deferred_percent: float = 10.0
    complaints_percent: float = 0.1
    not_mine_percent: float = 0.5


@dataclass(frozen=True, slots=True)
class Schedule:
    """When copies may go out. `override_reason` says why hours of rest are not kept. `start_by` in UTC; None: the settings'."""

    quiet_hours: QuietHours = QuietHours.ORGANISATION
    override_reason: str = ""
    start_by: datetime.datetime | None = None

    def last_start(self, released_at: datetime.datetime, within_hours: int) -> datetime.datetime:
        """Return the moment after which no copy is sent for the first time; `within_hours` of release where none is named."""
        return self.start_by or released_at + datetime.timedelta(hours=within_hours)


@dataclass(frozen=True, slots=True)
class ElectionTerms:
    """How a choice comes into force, and for whom the offer is open.

    `classes` and `statuses` are those eligible, by the newest roster; no class named: those of the audience. Whoever belongs
    to `except_components`, or to what lies below them, is not eligible.
    """

    confirm_days: int = 7  # how long a code holds
    withdraw_days: int = 7  # how long a recorded choice can be taken back
    classes: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ("active", "no_mail_access", "on_leave")
    except_components: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoticeContent:
    """Everything a revision of a notice says and asks."""

    kind: NoticeKind
    language: str  # of `body.md` and of texts written once
    subject: Texts
    ask: Ask
    deadline: Deadline | None
    audience: Audience
    authority: Authority
    contact: Contact
    voluntary: bool | None  # None: nothing is asked
    requirement: Requirement | None
    retention: RetentionTerm
    assessment: AssessmentRef
    sender: Sender
    success_reports: bool
    data: tuple[Texts, ...]
    purpose: Texts
    sharing: tuple[Texts, ...]
    machine_sorting: MachineSorting
    bodies: tuple[tuple[str, str], ...]  # language, Markdown; sorted by language
    rounds: Rounds = Rounds()
    in_doubt: InDoubt = InDoubt()
    ramp: Ramp | None = None  # None: everybody at once
    limits: Limits = Limits()
    schedule: Schedule = Schedule()
    election: ElectionTerms = ElectionTerms()  # means nothing where no election is asked for

    @property
    def asks(self) -> bool:
        """Say whether the notice wants anything back."""
        return self.ask.type is not AskType.NONE

    @property
    def collects(self) -> bool:
        """Say whether data about people comes in because of this notice."""
        return self.asks or bool(self.data)

    def body_in(self, language: str) -> str:
        """Return the Markdown in `language`, else in the default language."""
        bodies = dict(self.bodies)
        return bodies.get(language) or bodies.get(self.language, "")

    def language_for(self, wanted: str | None) -> str:
        """Return the language to write to a person who prefers `wanted` (BCP 47, any region)."""
        primary = (wanted or "").replace("_", "-").partition("-")[0].lower()
        return primary if primary in dict(self.bodies) else self.language
