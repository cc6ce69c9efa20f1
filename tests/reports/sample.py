"""A made-up organisation of 24 components whose book balances, for every test of what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from postmuster.reports.figures import (
    AgreementFigures,
    Check,
    ClassFigures,
    ComponentFigures,
    Condition,
    DeliveryRow,
    DisclosureRow,
    FailureFigures,
    InDoubtFigures,
    NoticeFigures,
    OrganisationReport,
    PersonDelivery,
    PersonFigures,
    ReplyBucket,
    State,
    TimeToStop,
)

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
AGENCIES = ("harbours", "archives", "weather", "railways", "forests", "statistics", "customs", "health")
BUREAUS = ("north", "south/coast and islands", "headquarters/office of records and correspondence")
HOSTILE = 'Résumé & <script>alert("1")</script> \u202eesrever'


def spread(audience: int, place: int) -> dict[State, int]:
    """Split a component's people over the states, each component differently."""
    failed, withheld = audience * (place % 5) // 90, audience * (place % 7 == 3) // 6
    deferred, in_doubt = audience * (place % 4) // 120, place % 3
    delivered = (audience - failed - withheld - deferred - in_doubt) * (30 + place) // 80
    relayed = audience - failed - withheld - deferred - in_doubt - delivered
    return {
        State.DELIVERED: delivered,
        State.RELAYED: relayed,
        State.DEFERRED: deferred,
        State.IN_DOUBT: in_doubt,
        State.FAILED: failed,
        State.WITHHELD: withheld,
        State.PENDING: 0,
    }


def added(parts: list[dict[State, int]]) -> dict[State, int]:
    return {state: sum(part[state] for part in parts) for state in State}


def components() -> tuple[ComponentFigures, ...]:
    paths = [f"{agency}/{bureau}" for agency in AGENCIES for bureau in BUREAUS]
    sizes = [37 + (place * place * 61) % 2900 for place in range(len(paths))]
    return tuple(
        ComponentFigures(path, size, spread(size, place))
        for place, (path, size) in enumerate(zip(paths, sizes, strict=True))
    )


def classes(states: Mapping[State, int]) -> tuple[ClassFigures, ...]:
    """Contractors, judges and employees: each state split in three."""
    contractors = {state: states[state] // 6 for state in State}
    judges = {state: states[state] // 50 for state in State}
    employees = {state: states[state] - contractors[state] - judges[state] for state in State}
    return tuple(
        ClassFigures(name, sum(part.values()), part)
        for name, part in (("employee", employees), ("contractor", contractors), ("judge", judges))
    )


def replies_over_time(hours: int = 30) -> tuple[ReplyBucket, ...]:
    first = NOW - timedelta(hours=hours)
    rows = []
    for hour in range(hours):
        for kind, weight in (("reply", 900), ("automatic", 160), ("bounce", 70)):
            count = weight * (hour % 24 + 1) // ((hour + 2) ** 2)
            if count:
                rows.append(ReplyBucket(first + timedelta(hours=hour), kind, count))
    return tuple(rows)


def offer(title: str = "An offer to resign in turn for leave until September") -> NoticeFigures:
    parts = components()
    states = added([dict(part.states) for part in parts])
    buckets = replies_over_time()
    kinds = {kind: sum(row.count for row in buckets if row.kind == kind) for kind in ("reply", "automatic", "bounce")}
    doubt, failed = states[State.IN_DOUBT], states[State.FAILED]
    return NoticeFigures(
        id="n2",
        kind="offer",
        title=title,
        state="settled",
        round=1,
        audience=sum(part.audience for part in parts),
        states=states,
        generated_at=NOW,
        asks="election",
        by_component=parts,
        by_class=classes(states),
        replies=kinds | {"complaint": 3, "unreadable": 2},
        replies_over_time=buckets,
        answers={
            "election:Resign": 1204,
            "election:Stay": 311,
            "decline": 96,
            "question": 41,
            "withdraw": 17,
            "unclear": 9,
        },
        answers_waiting=38,
        needs_confirmation=122,
        cases={"other_author": 14, "unclear": 9, "question": 41, "class_not_eligible": 3},
        in_doubt=(
            InDoubtFigures("connection lost", doubt - 4, NOW - timedelta(hours=29)),
            InDoubtFigures("sender lost", 4, NOW - timedelta(hours=28)),
        ),
        failed=(
            FailureFigures("5.1.1", "unknown_user", failed - 40),
            FailureFigures("5.2.2", "mailbox_full", 28),
            FailureFigures("", "policy", 12),
        ),
        withheld={"employment_class": states[State.WITHHELD] - 20, "no_mail_access": 12},
        letters={"receipt": 1515, "confirmation": 1204, "verdict": 12},
        held_by=(),
        roster_version=7,
        assessment="A3, version 2",
        drafted_by="ada",
        approved_by=("ben", "cho"),
        rate_per_s=3120.4,
        time_to_stop=TimeToStop(0.42, 3.1, 211),
    )


def announcement() -> NoticeFigures:
    states = dict.fromkeys(State, 0) | {State.RELAYED: 37, State.WITHHELD: 3}
    return NoticeFigures(
        id="n3",
        kind="announcement",
        title=HOSTILE,
        state="held",
        round=1,
        audience=40,
        states=states,
        generated_at=NOW,
        asks="none",
        held_by=("order 4",),
    )


def empty() -> NoticeFigures:
    return NoticeFigures(
        id="n4",
        kind="test",
        title="A test of the mail",
        state="released",
        round=1,
        audience=0,
        states={},
        generated_at=NOW,
    )


def organisation_report() -> OrganisationReport:
    first = offer()
    return OrganisationReport(
        notices=(first, announcement(), empty()),
        people_counted=first.audience,
        checks=(
            Check("Everyone in the audience has exactly one state.", True, first.audience, sum(first.states.values())),
            Check(
                "The relay accepted as many mails as the book says were handed over.",
                True,
                first.reached,
                first.reached,
            ),
            Check("Each letter the book has, the relay saw.", True, 2731, 2731),
        ),
        seconds={"expand": 1.84, "send": 9.71, "digest": 12.2},
        agreement=(
            AgreementFigures("Plain yes", 1240, 1238, 2, 0),
            AgreementFigures("Resign, quoting our mail in full", 311, 306, 5, 0),
            AgreementFigures("Out of office", 402, 400, 1, 1),
        ),
        organisation="The Commonwealth of Example",
        unmatched={"reply": 21, "bounce": 6},
        unread=4,
        generated_at=NOW,
    )


def rows(count: int) -> list[DeliveryRow]:
    """Deliveries with something known against them, in turn failed, in doubt and withheld."""
    kinds = (
        (State.FAILED, "5.1.1", "unknown_user"),
        (State.IN_DOUBT, "", "sender lost"),
        (State.WITHHELD, "", "employment_class"),
    )
    paths = [part.path for part in components()]
    return [
        DeliveryRow(
            seq=place + 1,
            person_id=f"p-{place:05}",
            component=paths[place % len(paths)],
            state=kinds[place % 3][0],
            since=NOW,
            status=kinds[place % 3][1],
            reason=kinds[place % 3][2],
        )
        for place in range(count)
    ]


def people() -> tuple[PersonFigures, ...]:
    """Finn, about whom much is known, and somebody about whom nothing is."""
    delivery = PersonDelivery(
        notice_id="n2",
        title=offer().title,
        round=1,
        state=State.DELIVERED,
        since=NOW,
        answer="election:Resign",
        answer_state="needs_confirmation",
        letters=("receipt", "confirmation"),
    )
    pending = PersonDelivery(notice_id="n3", title=HOSTILE, round=1, state=State.PENDING, since=None)
    return (
        PersonFigures(
            person_id="finn-1",
            component="archives/north",
            employment_class="judge",
            status="on_leave",
            deliveries=(delivery, pending),
            disclosures=(DisclosureRow(NOW, "cho", "deciding case c7"),),
        ),
        PersonFigures(
            person_id="finn-2", component="customs/north", employment_class="new", status="active", disclosures=()
        ),
    )


def conditions() -> tuple[Condition, ...]:
    return (
        Condition("fsync is on.", True),
        Condition("There is no relay at 127.0.0.1:25.", False, "start it, or set relay.port."),
    )
