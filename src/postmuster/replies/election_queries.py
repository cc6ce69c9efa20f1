"""Reading elections: where they stand, one by one for those who decide, and counted for everybody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.mail.token import DeliveryRef
from postmuster.replies.election_states import ElectionState
from postmuster.replies.election_values import Election, ElectionFigures, NewElection
from postmuster.replies.models import Election as Row
from postmuster.replies.models import ElectionStep

_SQL = sql.load("replies")
Pair = tuple[int, int]  # notice, person


def election_id(election_no: int) -> str:
    """An election as people see it: `e12`."""
    return f"e{election_no}"


def election(election_no: int) -> Election:
    """One election; `Refused` when there is none."""
    with sql.guarded():
        row = Row.objects.filter(pk=election_no).first()
    if row is None:
        raise Refused(
            f"There is no election {election_id(election_no)}; nothing was done; see `postmuster election list`."
        )
    return read_row(row)


def newest(pairs: Collection[Pair], since: datetime) -> dict[Pair, tuple[Election, int]]:
    """The newest election of each (notice, person), and how many began since then. Index: replies_election_person."""
    if not pairs:
        return {}
    values = _columns(pairs) | {"since": since}
    lately = {int(no): int(count) for no, count in sql.rows(_SQL["newest"], values)}
    with sql.guarded():
        found = [read_row(row) for row in Row.objects.filter(pk__in=list(lately))] if lately else []
    return {one.pair: (one, lately[one.election_no]) for one in found}


def overtaken(pairs: Collection[Pair]) -> list[tuple[Election, bool]]:
    """Elections whose answer stands no more; whether its author took it back."""
    if not pairs:
        return []
    found = {int(no): state == ElectionState.WITHDRAWN for no, state in sql.rows(_SQL["overtaken"], _columns(pairs))}
    with sql.guarded():
        rows = Row.objects.filter(pk__in=list(found)).order_by("id") if found else []
        return [(read_row(row), found[row.pk]) for row in rows]


def unopened(pairs: Collection[Pair]) -> list[tuple[NewElection, int]]:
    """Choices that stand without an election, as they would begin, and the reply that each stands in."""
    if not pairs:
        return []
    return [
        (
            NewElection(
                answer_no, DeliveryRef(notice_no, round_no, seq), person_no, component_no, choice, grade,
                ElectionState.WAITS_FOR_PAGE, "", accepted_at, None,
            ),
            reply_no,
        )
        for answer_no, reply_no, notice_no, round_no, seq, person_no, component_no, choice, grade, accepted_at in sql.rows(
            _SQL["unopened"], _columns(pairs)
        )
    ]  # fmt: skip


def due(now: datetime, limit: int) -> list[int]:
    """Elections whose time is over: to lapse, or to be escalated."""
    return [int(row[0]) for row in sql.rows(_SQL["due"], {"now": now, "limit": limit})]


def listed(
    *, notice_no: int, states: Collection[ElectionState], components: Collection[int] | None, limit: int
) -> list[Election]:
    """Elections that an officer acts on, oldest first; `components` None is all of them. Index: replies_election_state."""
    with sql.guarded():
        found = Row.objects.filter(notice_no=notice_no, state__in=[str(state) for state in states]).order_by("id")
        if components is not None:
            found = found.filter(component_no__in=list(components))
        return [read_row(row) for row in found[:limit]]


def steps(election_no: int) -> list[tuple[str, datetime, str, int | None]]:
    """What happened to an election: the state it came to, when, by whom, and the letter that told its person."""
    with sql.guarded():
        found = ElectionStep.objects.filter(election_id=election_no).order_by("id")
        return [(step.after, step.at, step.by, step.letter_no) for step in found]


def figures(notice_no: int | None = None) -> ElectionFigures:
    """How many elections stand where, of one notice or of all, and how many wait below grade A by the reason."""
    by_state: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for state, reason, count in sql.rows(_SQL["figures"], {"notice_no": notice_no}):
        by_state[str(state)] += int(count)
        if state == ElectionState.WAITS_FOR_PAGE:
            below[str(reason)] += int(count)
    return ElectionFigures(dict(by_state), dict(below))


def by_choice(notice_no: int) -> list[tuple[str, str, int]]:
    """Elections of a notice by choice and state."""
    return [(str(c), str(s), int(n)) for c, s, n in sql.rows(_SQL["by_choice"], {"notice_no": notice_no})]


def person_ids(person_nos: Collection[int]) -> dict[int, str]:
    """The roster's own numbers of people. For officers who decide on them, and for exports."""
    return {int(no): str(name) for no, name in sql.rows(_SQL["person_ids"], {"persons": list(person_nos)})}


def _columns(pairs: Collection[Pair]) -> dict[str, object]:
    ordered: Sequence[Pair] = sorted(set(pairs))
    return {"notices": [pair[0] for pair in ordered], "persons": [pair[1] for pair in ordered]}


def read_row(row: Row) -> Election:
    """A row as a value."""
    return Election(
        election_no=row.pk,
        answer_no=row.answer_id,
        ref=DeliveryRef(row.notice_no, row.round_no, row.seq),
        person_no=row.person_no,
        component_no=row.component_no,
        choice=row.choice,
        grade=row.grade,
        state=ElectionState(row.state),
        reason=row.reason,
        tries=row.tries,
        read_at=row.read_at,
        since=row.since,
        code_until=row.code_until,
        confirmed_at=row.confirmed_at,
        review_until=row.review_until,
        recorded_at=row.recorded_at,
        withdraw_until=row.withdraw_until,
        reason_item=row.reason_item,
    )
