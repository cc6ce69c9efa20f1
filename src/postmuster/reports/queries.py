"""Fills the figures from the database.

For: `notice status`, `person show`, `notice deliveries` and the report. Promises: the figures of a round are read in one
snapshot, so that they add up while mail goes out (P2); pending is the audience less every other state; nobody who merely
did not answer is listed (P6), and a list names people by roster id alone. Figures that do not add up are a `Defect`, made
where they are built. Limits: `breakdowns` read the deliveries of the round several times; a live view asks without.
Letters and cases are counted for the notice, whatever the round.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from postmuster.assessments import queries as assessments
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id
from postmuster.control import queries as control
from postmuster.notices import queries as notices
from postmuster.notices.queries import StoredRevision, StoredRound
from postmuster.notices.states import RoundState
from postmuster.notices.terms import AgainTo
from postmuster.outbound.sparing import SPARED_REASONS
from postmuster.reports.figures import (
    ELECTION_PREFIX,
    LISTED,
    AgreementFigures,
    Check,
    ClassFigures,
    ComponentFigures,
    DeliveryRow,
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
from postmuster.reports.stalls import QuietZones, Why, nobody_rests, waits_for

PAGE_ROWS: Final = 5000
"""Deliveries read at a time."""
MAX_BUCKETS: Final = 60
"""Bars that a plot of replies over time shows legibly."""
_WIDTHS: Final = tuple(timedelta(minutes=m) for m in (1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440, 4320, 10080, 43200))
_SQL = sql.load("reports")

States = dict[State, int]
Key = dict[str, Any]


@contextmanager
def _snapshot() -> Iterator[None]:
    """Read everything inside as of one moment; inside a transaction of the caller's, as that one sees it."""
    if connection.in_atomic_block:
        yield
        return
    with sql.guarded(), transaction.atomic():
        sql.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def notice_figures(
    notice_no: int,
    *,
    now: datetime,
    round_no: int | None = None,
    breakdowns: bool = True,
    rate_per_s: float | None = None,
    quiet_zones: QuietZones = nobody_rests,
) -> NoticeFigures:
    """The figures of a round, the newest when none is named; of a notice not yet released, an empty audience.

    Without `breakdowns` there are no components, classes, times and reasons. `rate_per_s` is what the caller measured;
    `quiet_zones` names the zones in which a round rests now, for `held_by`.
    Raises: `Refused` when there is no such notice or round; `Defect` when the book does not balance.
    """
    with _snapshot():
        found = notices.round_of(notice_no, round_no)
        if found is not None:
            return _round_figures(found, now=now, breakdowns=breakdowns, rate_per_s=rate_per_s, quiet_zones=quiet_zones)
        if round_no is not None:
            raise Refused(
                f"Notice {notice_id(notice_no)} has no round {round_no}; nothing was shown; leave --round out."
            )
        return _draft_figures(notices.newest(notice_no), now=now)


def _round_figures(
    of: StoredRound, *, now: datetime, breakdowns: bool, rate_per_s: float | None, quiet_zones: QuietZones
) -> NoticeFigures:
    key: Key = {"notice_no": of.notice_no, "round_no": of.number, "version": of.roster_version}
    components = _components(key) if breakdowns else ()
    states = _added([part.states for part in components]) if components else _totals(key)
    in_doubt, failed, withheld = _reasons(key) if breakdowns else ((), (), {})
    buckets = _buckets(key)
    answers, waiting, unconfirmed = _answers(key)
    assessment = assessments.by_number(of.assessment_no).document
    return NoticeFigures(
        **_told(of.revision),
        state=str(of.state),
        round=of.number,
        audience=sum(states.values()),
        states=states,
        generated_at=now,
        by_component=components,
        by_class=_classes(key) if breakdowns else (),
        replies=_by_kind(buckets),
        replies_over_time=buckets if breakdowns else (),
        answers=answers,
        answers_waiting=waiting,
        needs_confirmation=unconfirmed,
        cases=_counts("cases", key),
        in_doubt=in_doubt,
        failed=failed,
        withheld=withheld,
        letters=_counts("letters", key),
        held_by=_held_by(of, quiet_zones, now),
        roster_version=of.roster_version,
        assessment=f"{assessment.slug}, version {assessment.version}",
        rate_per_s=rate_per_s,
        time_to_stop=_time_to_stop(of),
    )


def _held_by(of: StoredRound, quiet_zones: QuietZones, now: datetime) -> tuple[str, ...]:
    """The stops that stand, and what else a round that is being sent waits for."""
    stops = tuple(stop.sentence() for stop in control.standing(of.notice_no))
    if of.state is not RoundState.SENDING:
        return stops
    stall = waits_for(of, now=now, quiet_zones=quiet_zones)
    return stops if stall is None or stall.why is Why.HOLD else (*stops, stall.sentence)


def _time_to_stop(of: StoredRound) -> TimeToStop | None:
    """How long the newest stop for everyone took, lifted or not; None where it found nothing on its way.

    By the server's clock for the commit, the sender's for the last copy the relay took. What left the relay is known where
    the relay could be told to hold what it has.
    """
    stop = control.newest_stop(of.notice_no)
    if stop is None:
        return None
    acts: Key = {}
    for kind, facts in sql.rows(_SQL["stop_acts"], {"stop_no": stop.stop_no}):
        acts.setdefault(kind, facts if isinstance(facts, dict) else json.loads(facts))
    generation = acts.get("stop set", {}).get("generation")
    key = {"notice_no": of.notice_no, "round_no": of.number, "generation": generation or 0}
    taken_at = sql.value(_SQL["last_taken"], key)
    if generation is None or (taken_at is None and stop.is_lifted):
        return None
    accepted_s = (taken_at - stop.committed_at).total_seconds() if taken_at else 0.0
    held = acts.get("relay held", {})
    return TimeToStop(max(0.0, round(accepted_s, 3)), held.get("left_s"), held.get("left"))


def _draft_figures(revision: StoredRevision, *, now: datetime) -> NoticeFigures:
    return NoticeFigures(**_told(revision), state=str(revision.state), round=0, audience=0, states={}, generated_at=now)


def _told(revision: StoredRevision) -> Key:
    """What the revision itself says of the notice."""
    content = revision.content
    numbers = [revision.drafted_by, *revision.approved_by]
    handles = {int(number): str(handle) for number, handle in sql.rows(_SQL["officers"], {"officers": numbers})}
    return {
        "id": notice_id(revision.notice_no),
        "kind": str(content.kind),
        "title": _content_title(revision),
        "asks": str(content.ask.type),
        "drafted_by": handles.get(revision.drafted_by, ""),
        "approved_by": tuple(handles.get(number, "") for number in revision.approved_by),
    }


def _content_title(revision: StoredRevision) -> str:
    """The subject as its author wrote it first; placeholders stay, for they are different for each person."""
    return revision.content.subject.best(revision.content.language, revision.content.language)


def _components(key: Key) -> tuple[ComponentFigures, ...]:
    """Each component's audience, pending being what no counter counts."""
    audiences: dict[str, int] = {}
    states: defaultdict[str, States] = defaultdict(dict)
    for path, people, state, count in sql.rows(_SQL["components"], key):
        audiences[path] = int(people)
        if state is not None:
            states[path][State(state)] = int(count)
    return tuple(
        ComponentFigures(path, audience, _with_pending(audience, states[path])) for path, audience in audiences.items()
    )


def _totals(key: Key) -> States:
    found = {state: int(count) for state, count in sql.rows(_SQL["totals"], key)}
    audience = found.pop(None, 0)
    return _with_pending(audience, {State(state): count for state, count in found.items()})


def _with_pending(audience: int, states: Mapping[State, int]) -> States:
    known = {state: states.get(state, 0) for state in State if state is not State.PENDING}
    return known | {State.PENDING: audience - sum(known.values())}


def _added(parts: Sequence[Mapping[State, int]]) -> States:
    return {state: sum(part.get(state, 0) for part in parts) for state in State}


def _classes(key: Key) -> tuple[ClassFigures, ...]:
    states: defaultdict[str, States] = defaultdict(dict)
    for name, state, count in sql.rows(_SQL["classes"], key):
        states[name][State(state)] = int(count)
    return tuple(ClassFigures(name, sum(of.values()), of) for name, of in sorted(states.items()))


def _reasons(key: Key) -> tuple[tuple[InDoubtFigures, ...], tuple[FailureFigures, ...], dict[str, int]]:
    in_doubt: dict[str, InDoubtFigures] = {}
    failed: list[FailureFigures] = []
    withheld: defaultdict[str, int] = defaultdict(int)
    for state, reason, status, count, since in sql.rows(_SQL["reasons"], key):
        if state == State.IN_DOUBT:
            earlier = in_doubt.get(reason, InDoubtFigures(reason, 0, since))
            oldest = min(since, earlier.since or since)
            in_doubt[reason] = InDoubtFigures(reason, earlier.count + int(count), oldest)
        elif state == State.FAILED:
            failed.append(FailureFigures(status, reason, int(count)))
        else:
            withheld[reason] += int(count)
    return tuple(in_doubt.values()), tuple(failed), dict(withheld)


def _buckets(key: Key) -> tuple[ReplyBucket, ...]:
    first, last = sql.rows(_SQL["replies_span"], key)[0]
    if first is None:
        return ()
    width = next((width for width in _WIDTHS if (last - first) / width < MAX_BUCKETS), _WIDTHS[-1])
    rows = sql.rows(_SQL["replies"], key | {"width": width})
    return tuple(ReplyBucket(start, kind, int(count)) for start, kind, count in rows)


def _by_kind(buckets: Sequence[ReplyBucket]) -> dict[str, int]:
    kinds: defaultdict[str, int] = defaultdict(int)
    for bucket in buckets:
        kinds[bucket.kind] += bucket.count
    return dict(kinds)


def _answers(key: Key) -> tuple[dict[str, int], int, int]:
    """What stands, the people whose answer waits for a decision, and the elections nobody confirmed yet."""
    standing: dict[str, int] = {}
    waiting = unconfirmed = 0
    for state, kind, choice, count in sql.rows(_SQL["answers"], key):
        if state == "counted":
            standing[f"{ELECTION_PREFIX}{choice}" if kind == "election" else kind] = int(count)
        elif state == "with_person":
            waiting = int(count)
        else:
            unconfirmed = int(count)
    return standing, waiting, unconfirmed


def _counts(statement: str, key: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in sql.rows(_SQL[statement], key)}


def organisation_report(
    *,
    now: datetime,
    organisation: str = "",
    people_counted: int | None = None,
    checks: Sequence[Check] = (),
    agreement: Sequence[AgreementFigures] = (),
    seconds: Mapping[str, float] | None = None,
    quiet_zones: QuietZones = nobody_rests,
) -> OrganisationReport:
    """Everything released, with the books compared: `checks` that the caller made come before ours.

    `people_counted` is a count made elsewhere; without one, the roster's own of the newest round is shown.
    """
    with _snapshot():
        rounds = notices.released()
        figures = tuple(
            _round_figures(of, now=now, breakdowns=True, rate_per_s=None, quiet_zones=quiet_zones) for of in rounds
        )
        ours = [check for of, shown in zip(rounds, figures, strict=True) for check in _book_checks(of, shown)]
        counted = people_counted
        if counted is None and rounds:
            counted = int(sql.value(_SQL["roster_people"], {"version": max(of.roster_version for of in rounds)}))
        return OrganisationReport(
            notices=figures,
            people_counted=counted or 0,
            checks=(*checks, *ours),
            seconds=dict(seconds or {}),
            agreement=tuple(agreement),
            organisation=organisation,
            generated_at=now,
            unmatched=_counts("unmatched", {}),
            unread=int(sql.value(_SQL["unread"])),
        )


def _book_checks(of: StoredRound, figures: NoticeFigures) -> tuple[Check, ...]:
    """The audience against the roster and against itself; the counters against the rows."""
    key = {"notice_no": of.notice_no, "round_no": of.number, "version": of.roster_version}
    roster = int(sql.value(_SQL["roster_people"], key))
    once = int(sql.value(_SQL["people_once"], key))
    rows = int(sql.value(_SQL["rows_with_outcome"], key))
    settled = figures.audience - figures.count(State.PENDING)
    return (
        Check(f"{figures.id}: the audience is all of roster version {of.roster_version}.",
              roster == figures.audience, figures.audience, roster),
        Check(f"{figures.id}: nobody is in the audience twice.", once == figures.audience, figures.audience, once),
        Check(f"{figures.id}: the counters say what the deliveries say.", rows == settled, settled, rows),
    )  # fmt: skip


def person_figures(person_id: str) -> PersonFigures:
    """One person's record: what was sent, what became of it, what is known of the answers; no word they wrote.

    Raises: `Refused` when no roster version has this person_id.
    """
    with _snapshot():
        found = sql.row(_SQL["person"], {"person_id": person_id})
        if found is None:
            raise Refused("No version of the roster has this person_id; nothing was shown; look it up in people.csv.")
        person_no, named, component, employment_class, status = found
        return PersonFigures(
            person_id=named,
            component=component,
            employment_class=employment_class,
            status=status,
            deliveries=_deliveries_of(person_no),
        )


def _deliveries_of(person_no: int) -> tuple[PersonDelivery, ...]:
    key = {"person_no": person_no}
    answers = {
        notice_no: (kind, choice, state) for notice_no, kind, choice, state in sql.rows(_SQL["person_answers"], key)
    }
    letters: defaultdict[int, list[str]] = defaultdict(list)
    for notice_no, kind in sql.rows(_SQL["person_letters"], key):
        letters[notice_no].append(kind)
    made = []
    for notice_no, round_no, state, since in sql.rows(_SQL["person_deliveries"], key):
        sent = notices.round_of(notice_no, round_no)
        kind, choice, answer_state = answers.get(notice_no, ("", "", ""))
        made.append(
            PersonDelivery(
                notice_id=notice_id(notice_no),
                title=_content_title(sent.revision) if sent else "",
                round=round_no,
                state=State(state),
                since=since,
                answer=f"{ELECTION_PREFIX}{choice}" if kind == "election" else kind,
                answer_state=answer_state,
                letters=tuple(letters[notice_no]),
            )
        )
    return tuple(made)


def delivery_rows(notice_no: int, states: Collection[State], *, round_no: int | None = None) -> Iterator[DeliveryRow]:
    """Deliveries in these states in order of sequence, read by pages as they are asked for.

    Raises: `Refused` at once for a state that may not be listed, and when the notice has no such round.
    """
    forbidden = sorted(set(states) - LISTED)
    if forbidden:
        raise Refused(
            f"People whose delivery is {forbidden[0]} are listed nowhere: nothing is known against it, and who did not answer "
            f"is never listed; nothing was shown; choose from {', '.join(sorted(LISTED))}."
        )
    found = notices.round_of(notice_no, round_no)
    if found is None:
        raise Refused(
            f"Notice {notice_id(notice_no)} was not released; nothing was shown; see `postmuster notice list`."
        )
    unlisted = [] if found.to is AgainTo.EVERYONE else list(SPARED_REASONS)
    states_listed = [str(state) for state in states]
    return _pages({"notice_no": notice_no, "round_no": found.number, "states": states_listed, "unlisted": unlisted})


def _pages(key: Key) -> Iterator[DeliveryRow]:
    after_seq = 0
    while rows := sql.rows(_SQL["deliveries"], key | {"after_seq": after_seq, "limit": PAGE_ROWS}):
        for seq, person_id, component, state, since, status, reason in rows:
            yield DeliveryRow(
                seq=seq,
                person_id=person_id,
                component=component,
                state=State(state),
                since=since,
                status=status,
                reason=reason,
            )
        after_seq = rows[-1][0]
