"""The figures of a notice and of an organisation: the only input of the page, the plots and the terminal.

For: a status, a report, a README figure, all from the same values, whoever read them from where. No Django, no database,
no clock: `queries` fills these, and a saved file fills them just as well.

Promises: a book that does not balance cannot be made. `audience == sum(states)` holds for a notice, for each of its
components and classes, and each breakdown adds up to the notice state by state; otherwise the constructor raises
`Defect` (P2). Silence is a difference of two counts and is never kept as an answer, nor as a person (P6).

Words: a person is *reached* unless proven unreached (relayed, delivered, deferred, in doubt). `delivered` needs evidence.

Limits: figures carry counts, component paths and notice ids; never an address, a person or the text of a reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from postmuster.base.errors import Defect

Json = dict[str, Any]


class State(StrEnum):
    """The state of one delivery, in the order in which reports show them: what reached people first."""

    DELIVERED = "delivered"
    RELAYED = "relayed"
    DEFERRED = "deferred"
    IN_DOUBT = "in_doubt"
    FAILED = "failed"
    WITHHELD = "withheld"
    PENDING = "pending"


REACHED: Final = frozenset({State.DELIVERED, State.RELAYED, State.DEFERRED, State.IN_DOUBT})

LISTED: Final = frozenset({State.FAILED, State.IN_DOUBT, State.WITHHELD, State.DEFERRED})
"""The states whose people may be listed: what is known of each says nothing about an answer (P6)."""

ELECTION_PREFIX: Final = "election:"
"""`answers` counts an election under `election:CHOICE`; every other answer under its type."""


def _total(states: Mapping[State, int]) -> int:
    return sum(states.values())


def reached_of(states: Mapping[State, int]) -> int:
    """Count everyone not proven unreached. Source: design, Reached."""
    return sum(count for state, count in states.items() if state in REACHED)


def by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Order counts for showing: the most frequent first; what has no count is left out."""
    return sorted(((key, count) for key, count in counts.items() if count), key=lambda item: (-item[1], item[0]))


def _require_balance(owner: str, audience: int, states: Mapping[State, int]) -> None:
    if any(count < 0 for count in states.values()):
        raise Defect(f"{owner} has a negative count; no report was made. Run `postmuster check`.")
    if audience != _total(states):
        raise Defect(
            f"The book of {owner} does not balance: audience {audience}, sum of states {_total(states)}. "
            "No report was made. Run `postmuster check`."
        )


@dataclass(frozen=True, slots=True)
class ComponentFigures:
    """One component's own people (not those of components below it)."""

    path: str
    audience: int
    states: Mapping[State, int]

    def __post_init__(self) -> None:
        _require_balance("a component", self.audience, self.states)


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One employment class."""

    employment_class: str
    audience: int
    states: Mapping[State, int]

    def __post_init__(self) -> None:
        _require_balance("an employment class", self.audience, self.states)


@dataclass(frozen=True, slots=True)
class ReplyBucket:
    """Replies of one kind accepted from `start` (aware) until the next bucket."""

    start: datetime
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class InDoubtFigures:
    """Deliveries handed over without an answer read, by why, and since when the oldest is in doubt."""

    reason: str
    count: int
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class FailureFigures:
    """Failed deliveries by enhanced status (RFC 3463; empty when the report gave none) and reason."""

    status: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class TimeToStop:
    """After the commit of a stop: the last message the relay accepted, and the last that left the relay."""

    accepted_s: float
    left_relay_s: float | None
    left_relay_messages: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFigures:
    """One round of one notice.

    `answers` counts what stands, one per person, by type or `election:CHOICE`. `answers_waiting` are people whose answer
    waits for a person's decision; `needs_confirmation` are elections their author has not confirmed. Neither is in `answers`.
    `withheld` says why, as `failed` and `in_doubt` do: each explains at most as many as `states` counts.
    `by_component` and `by_class` are partitions of the audience, or empty.

    Raises: `Defect` when the book does not balance.
    """

    id: str
    kind: str
    title: str
    state: str
    round: int
    audience: int
    states: Mapping[State, int]
    generated_at: datetime
    asks: str = ""
    by_component: tuple[ComponentFigures, ...] = ()
    by_class: tuple[ClassFigures, ...] = ()
    replies: Mapping[str, int] = field(default_factory=dict)
    replies_over_time: tuple[ReplyBucket, ...] = ()
    answers: Mapping[str, int] = field(default_factory=dict)
    answers_waiting: int = 0
    needs_confirmation: int = 0
    cases: Mapping[str, int] = field(default_factory=dict)
    in_doubt: tuple[InDoubtFigures, ...] = ()
    failed: tuple[FailureFigures, ...] = ()
    withheld: Mapping[str, int] = field(default_factory=dict)
    letters: Mapping[str, int] = field(default_factory=dict)
    held_by: tuple[str, ...] = ()
    roster_version: int | None = None
    assessment: str = ""
    drafted_by: str = ""
    approved_by: tuple[str, ...] = ()
    rate_per_s: float | None = None
    time_to_stop: TimeToStop | None = None

    def __post_init__(self) -> None:
        _require_balance(f"notice {self.id}", self.audience, self.states)
        self._require_partition("components", self.by_component)
        self._require_partition("employment classes", self.by_class)
        self._require_part(State.IN_DOUBT, sum(row.count for row in self.in_doubt))
        self._require_part(State.FAILED, sum(row.count for row in self.failed))
        self._require_part(State.WITHHELD, sum(self.withheld.values()))
        if self.answered + self.answers_waiting + self.needs_confirmation > self.audience:
            raise Defect(f"Notice {self.id} has more answers than people; no report was made. Run `postmuster check`.")

    def _require_partition(self, name: str, parts: Iterable[ComponentFigures | ClassFigures]) -> None:
        rows = tuple(parts)
        if rows and any(sum(row.states.get(state, 0) for row in rows) != self.count(state) for state in State):
            raise Defect(
                f"The {name} of notice {self.id} do not add up to its states; no report was made. Run `postmuster check`."
            )

    def _require_part(self, state: State, explained: int) -> None:
        """What is explained by reason is never more than what is counted; less is allowed and shown as such."""
        if explained > self.count(state):
            raise Defect(
                f"Notice {self.id} explains {explained} deliveries as {state} and counts {self.count(state)}; "
                "no report was made. Run `postmuster check`."
            )

    def count(self, state: State) -> int:
        return self.states.get(state, 0)

    @property
    def reached(self) -> int:
        """Everyone not proven unreached: the upper bound. `count(State.DELIVERED)` is the bound with evidence."""
        return reached_of(self.states)

    @property
    def answered(self) -> int:
        return sum(self.answers.values())

    @property
    def without_answer(self) -> int:
        """A count, which says nothing about anyone (P6)."""
        return self.audience - self.answered - self.answers_waiting - self.needs_confirmation

    def to_json(self) -> Json:
        """The object of `notice status --json`, stable. Source: design §8."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "round": self.round,
            "audience": self.audience,
            "states": {state.value: self.count(state) for state in State},
            "by_component": [
                {"path": row.path, "audience": row.audience, "states": {s.value: row.states.get(s, 0) for s in State}}
                for row in self.by_component
            ],
            "replies": dict(self.replies),
            "answers": dict(self.answers),
            "in_doubt": self.count(State.IN_DOUBT),
            "held_by": list(self.held_by),
            "rate_per_s": self.rate_per_s,
            "time_to_stop": None
            if self.time_to_stop is None
            else {
                "accepted_s": self.time_to_stop.accepted_s,
                "left_relay_s": self.time_to_stop.left_relay_s,
                "left_relay_messages": self.time_to_stop.left_relay_messages,
            },
        }


@dataclass(frozen=True, slots=True)
class Check:
    """A sentence that two independently made numbers prove or break."""

    sentence: str
    holds: bool
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that has to be so before a step can be taken, and what to do where it is not."""

    sentence: str
    holds: bool
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class AgreementFigures:
    """Reading against the truth, for one class of reply. Only a simulated organisation knows the truth."""

    reply_class: str
    truth: int
    right: int
    to_a_person: int
    wrong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationReport:
    """Everything one report shows.

    `seconds` says how long each part took; `unmatched` is mail that belongs to no notice, by kind; `unread` is mail taken
    in whose meaning is not recorded yet.
    """

    notices: tuple[NoticeFigures, ...]
    people_counted: int
    checks: tuple[Check, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    agreement: tuple[AgreementFigures, ...] = ()
    organisation: str = ""
    generated_at: datetime | None = None
    unmatched: Mapping[str, int] = field(default_factory=dict)
    unread: int = 0

    @property
    def balances(self) -> bool:
        """Whether at least one check was made and every one holds."""
        return bool(self.checks) and all(check.holds for check in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One row of `notice deliveries`: a person is named by roster id alone."""

    seq: int
    person_id: str
    component: str
    state: State
    since: datetime | None
    status: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonDelivery:
    """What one person got of one notice, and what they answered, as the person may see it."""

    notice_id: str
    title: str
    round: int
    state: State
    since: datetime | None
    answer: str = ""
    answer_state: str = ""
    letters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DisclosureRow:
    """One look at what the person wrote (P8): who, what for, when."""

    at: datetime
    officer: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFigures:
    """The record of one person, for `person show`: all that was sent, answered and looked at.

    `disclosures` is None where nothing keeps account of them: then nothing is said, rather than that there were none.
    """

    person_id: str
    component: str
    employment_class: str
    status: str
    deliveries: tuple[PersonDelivery, ...] = ()
    disclosures: tuple[DisclosureRow, ...] | None = None
