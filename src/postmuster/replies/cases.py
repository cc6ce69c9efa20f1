"""Cases: claimed by one officer at a time, decided with a reason, confirmed by a second where it weighs, and taken back.

What for: what no rule can tell is put before a person. A claim is a lease: it says who works on a case, is the leave to look
at it, and ends by itself. A decision has its effect at once (`case_answers`), except where it changes an election or counts a
mail that seemed to be somebody else's: those wait, proposed, for another officer.

Promises: a component officer finds and moves cases of their own components alone; rows are only added or states moved; every
act has its ledger entry, without a word of what was written or chosen, in its own transaction.
Errors: `Refused`, with nothing changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from postmuster.access.roles import Actor, Role
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import case_id
from postmuster.ledger import actions as ledger
from postmuster.replies import queries
from postmuster.replies.actions import lock_people
from postmuster.replies.case_answers import Effect, carry_out, changes_election, is_answering, read_moves, take_back
from postmuster.replies.case_states import Decision, StepKind, Verdict
from postmuster.replies.models import Case, CaseStep, Look, Reply
from postmuster.replies.queries import CaseRow, Reader
from postmuster.replies.states import CaseReason, CaseState
from postmuster.roster.queries import component_numbers

MAX_BECAUSE_CHARS = 500
_SQL = sql.load("replies")


@dataclass(frozen=True, slots=True)
class Decided:
    """What an act came to: the case's state, the verdict, and what it did to answers (nothing while it is proposed)."""

    case: CaseRow
    verdict: Verdict
    effect: Effect


def reader(actor: Actor) -> Reader:
    """Who may work on which cases: a reviewer on all, a component officer on those of their components, nobody else on any."""
    if Role.REVIEWER in actor.roles:
        return Reader(actor, None)
    if Role.COMPONENT_OFFICER not in actor.roles:
        raise Refused(
            f"Officer {actor.handle} does not hold the role {Role.REVIEWER} or {Role.COMPONENT_OFFICER} for this; nothing was "
            "done; ask one who does."
        )
    numbers, _ = component_numbers(actor.components, subtree=True)
    return Reader(actor, numbers)


def claim(case_no: int, *, reader: Reader, term_s: int, now: datetime) -> CaseRow:
    """Claim a case for a term, or prolong one's own claim. Ledger: `case claimed`."""
    with sql.guarded(), transaction.atomic():
        one = queries.case(case_no, reader=reader)
        _claim(one, reader, term_s, now)
        return queries.case(case_no)


def claim_next(*, reader: Reader, reason: str = "", term_s: int, now: datetime) -> CaseRow | None:
    """Claim the oldest free case, None when there is none. Ledger: `case claimed`."""
    values = {
        "officer_no": reader.actor.officer_no, "until": now + timedelta(seconds=term_s), "now": now, "reason": reason,
        "components": reader.listed,
    }  # fmt: skip
    with sql.guarded(), transaction.atomic():
        found = sql.row(_SQL["claim_next"], values)
        if found is None:
            return None
        _step(int(found[0]), StepKind.CLAIMED, reader, now)
        return queries.case(int(found[0]))


def give_back(case_no: int, *, reader: Reader, now: datetime) -> None:
    """End one's claim before its term. Ledger: `case given back`."""
    with sql.guarded(), transaction.atomic():
        queries.case(case_no, reader=reader)
        if not sql.rows(_SQL["free_case"], {"case_no": case_no, "officer_no": reader.actor.officer_no}):
            raise Refused(f"{case_id(case_no)} is not claimed by {reader.actor.handle}; nothing was changed.")
        _step(case_no, StepKind.GIVEN_BACK, reader, now)


def enter_look(case_no: int, *, because: str, reader: Reader, term_s: int, now: datetime) -> CaseRow:
    """Account for a look at what somebody wrote, before it is opened; a free case is claimed for the one who looks.

    Refuses what carries a marking, what another officer has claimed, and a decided case without a reason to look again.
    Ledger: `case looked at`.
    """
    with _locked(case_no, reader) as (one, reply):
        if is_held(one):
            raise Refused(
                f"{case_id(case_no)} is held for somebody cleared, because it carries a marking or could not be read; nothing "
                "was shown; decide it without its text."
            )
        if one.state == CaseState.DECIDED and not because.strip():
            raise Refused(f"{case_id(case_no)} is decided; nothing was shown; say with --why what another look is for.")
        if one.state != CaseState.DECIDED and not _is_own(one, reader, now):
            _claim(one, reader, term_s, now)
        Look.objects.create(
            case_id=case_no, reply=reply, person_no=reply.person_no, officer_no=reader.actor.officer_no,
            because=_because(because) or f"to decide: {one.reason}", at=now,
        )  # fmt: skip
        _enter("case looked at", case_no, reader, now)
        return queries.case(case_no)


def is_held(one: CaseRow) -> bool:
    """Whether the text of a case is shown to nobody: it carries a marking, or no try could read it."""
    if one.reason == CaseReason.UNREADABLE:
        return True
    return bool(sql.value(_SQL["is_held"], {"reply_no": one.reply_no}))


def hold(case_no: int, *, reader: Reader, now: datetime) -> None:
    """A look found a marking: from now on the reply is shown to nobody, and is a case `marked`. Ledger: `case held`."""
    with _locked(case_no, reader) as (one, reply):
        if not is_held(one):
            Case.objects.create(
                reply=reply,
                component_no=reply.component_no,
                reason=CaseReason.MARKED,
                state=CaseState.OPEN,
                opened_at=now,
            )
        _enter("case held", case_no, reader, now)


def decide(
    case_no: int, verdict: Verdict, *, because: str, reader: Reader, term_s: int, now: datetime
) -> Decided:  # fmt: skip
    """Decide a case, or propose its decision to a second officer. Ledger: `case decided` or `case proposed`."""
    with _locked(case_no, reader) as (one, reply):
        if one.state != CaseState.OPEN:
            raise _not_open(one)
        if not _is_own(one, reader, now):
            _claim(one, reader, term_s, now)
        if is_answering(verdict) and is_held(one):
            raise Refused(
                f"Nobody has seen the text of {case_id(case_no)}, which is held; nothing was decided; say none."
            )
        _hold_person(reply)
        if not (verdict.decision is Decision.OURS and is_answering(verdict)) and not changes_election(reply, verdict):
            return _carry_out(one, reply, verdict, because, reader, now)
        Case.objects.filter(pk=case_no).update(
            state=CaseState.PROPOSED, proposed_by=reader.actor.officer_no, claimed_by=None, claimed_until=None
        )
        _step(case_no, StepKind.PROPOSED, reader, now, verdict=verdict, because=because)
        return Decided(queries.case(case_no), verdict, Effect())


def confirm(case_no: int, *, because: str = "", reader: Reader, term_s: int, now: datetime) -> Decided:
    """Carry out what another officer proposed. Ledger: `case decided`."""
    with _locked(case_no, reader) as (one, reply):
        verdict = _proposed(one, reader)
        if not _is_own(one, reader, now):
            _claim(one, reader, term_s, now)
        _hold_person(reply)
        return _carry_out(one, reply, verdict, because, reader, now)


def refuse(case_no: int, *, because: str, reader: Reader, now: datetime) -> CaseRow:
    """Do not confirm: the case is open again, and free. Whoever proposed may take it back too. Ledger: `case refused`."""
    with _locked(case_no, reader) as (one, _):
        if one.state != CaseState.PROPOSED:
            raise _not_proposed(one)
        Case.objects.filter(pk=case_no).update(
            state=CaseState.OPEN, proposed_by=None, claimed_by=None, claimed_until=None
        )
        _step(case_no, StepKind.REFUSED, reader, now, because=because)
        return queries.case(case_no)


def undo(case_no: int, *, because: str, reader: Reader, now: datetime) -> Decided:
    """Take a decision back: the case is open again, and what stood before stands. Ledger: `case undone`.

    Another officer may do so at any time, whoever decided only within the term of their claim.
    """
    with _locked(case_no, reader) as (one, reply):
        if one.state != CaseState.DECIDED:
            raise Refused(f"{case_id(case_no)} is not decided; there is nothing to undo; see `postmuster case show`.")
        step = queries.last_step(case_no, StepKind.DECIDED)
        if step is None:
            raise Refused(f"{case_id(case_no)} was decided before steps were kept; it cannot be undone here.")
        if reader.actor.officer_no in (step.officer_no, one.proposed_by) and not _is_own(one, reader, now):
            raise Refused(
                f"The term of {reader.actor.handle} for {case_id(case_no)} is over; nothing was undone; ask another officer."
            )
        _hold_person(reply)
        effect = take_back(reply, case_no, step.step_no, read_moves(step.moves))
        Case.objects.filter(pk=case_no).update(
            state=CaseState.OPEN, proposed_by=None, claimed_by=None, claimed_until=None, decided_at=None, decided_by="",
            decision="",
        )  # fmt: skip
        _step(case_no, StepKind.UNDONE, reader, now, verdict=step.verdict, because=because, effect=effect)
        return Decided(queries.case(case_no), step.verdict, effect)


# ---- within a transaction that holds the case


@contextmanager
def _locked(case_no: int, reader: Reader) -> Iterator[tuple[CaseRow, Reply]]:
    with sql.guarded(), transaction.atomic():
        sql.rows(_SQL["lock_case"], {"case_no": case_no})
        one = queries.case(case_no, reader=reader)
        yield one, Reply.objects.get(pk=one.reply_no)


def _hold_person(reply: Reply) -> None:
    """As a digest loop does, so that neither overtakes the other."""
    if reply.notice_no is not None and reply.person_no is not None:
        lock_people([(reply.notice_no, reply.person_no)])


def _claim(one: CaseRow, reader: Reader, term_s: int, now: datetime) -> None:
    if one.state == CaseState.DECIDED:
        raise _not_open(one)
    values = {
        "case_no": one.case_no, "officer_no": reader.actor.officer_no, "until": now + timedelta(seconds=term_s), "now": now
    }  # fmt: skip
    if not sql.rows(_SQL["claim_case"], values):
        if one.proposed_by == reader.actor.officer_no:
            raise Refused(
                f"{reader.actor.handle} proposed this decision, so another officer has to confirm it; nothing was changed."
            )
        raise Refused(
            f"{case_id(one.case_no)} is claimed by another officer; nothing was done; it is free when their term ends; see "
            "`postmuster case next`."
        )
    _step(one.case_no, StepKind.CLAIMED, reader, now)


def _is_own(one: CaseRow, reader: Reader, now: datetime) -> bool:
    is_theirs = one.claimed_by == reader.actor.officer_no
    return is_theirs and one.claimed_until is not None and one.claimed_until > now


def _proposed(one: CaseRow, reader: Reader) -> Verdict:
    step = queries.last_step(one.case_no, StepKind.PROPOSED)
    if one.state != CaseState.PROPOSED or step is None:
        raise _not_proposed(one)
    if reader.actor.officer_no in (one.proposed_by, step.officer_no):
        raise Refused(
            f"{reader.actor.handle} proposed this decision, so another officer has to confirm it; nothing was changed."
        )
    return step.verdict


def _carry_out(
    one: CaseRow, reply: Reply, verdict: Verdict, because: str, reader: Reader, now: datetime
) -> Decided:  # fmt: skip
    step_no = int(sql.value(_SQL["draw_step"]))
    effect = Effect() if one.reason == CaseReason.MARKED else carry_out(reply, verdict, step_no)
    Case.objects.filter(pk=one.case_no).update(
        state=CaseState.DECIDED, decided_at=now, decided_by=reader.actor.mark, decision=str(verdict.decision)
    )
    _step(
        one.case_no, StepKind.DECIDED, reader, now, verdict=verdict, because=because, effect=effect, step_no=step_no
    )  # fmt: skip
    return Decided(queries.case(one.case_no), verdict, effect)


def _step(
    case_no: int,
    kind: StepKind,
    reader: Reader,
    now: datetime,
    *,
    verdict: Verdict | None = None,
    because: str = "",
    effect: Effect | None = None,
    step_no: int | None = None,
) -> None:
    said = verdict or Verdict(Decision.NONE)
    CaseStep.objects.create(
        pk=step_no,
        case_id=case_no,
        kind=kind,
        at=now,
        officer_no=reader.actor.officer_no,
        decision=str(said.decision) if verdict else "",
        answer=said.answer,
        choice=said.choice,
        items=said.items,
        because=_because(because),
        moves=[list(move) for move in effect.moves] if effect else [],
    )
    decision = str(said.decision) if verdict else ""
    _enter(f"case {kind.replace('_', ' ')}", case_no, reader, now, decision=decision)


def _enter(kind: str, case_no: int, reader: Reader, now: datetime, *, decision: str = "") -> None:
    """Ledger: which case, by whom, and the word of the decision; the choice and the officer's reason stay in the room."""
    facts = {"case": case_no} | ({"decision": decision} if decision else {})
    ledger.append(kind=kind, actor=reader.actor.mark, subject=case_id(case_no), facts=facts, now=now)


def _because(text: str) -> str:
    return " ".join(text.split())[:MAX_BECAUSE_CHARS]


def _not_open(one: CaseRow) -> Refused:
    return Refused(
        f"{case_id(one.case_no)} is not open but {one.state}; nothing was changed; see `postmuster case show`, `postmuster case "
        "confirm` and `postmuster case undo`."
    )


def _not_proposed(one: CaseRow) -> Refused:
    return Refused(f"Nothing is proposed for {case_id(one.case_no)}; nothing was changed; see `postmuster case show`.")
