"""`postmuster case`: what only a person can decide.

Listing and `show` without an officer tell what is known of a case and never a word of what was written. `show --as` opens
the text, redacted, and each such look is in the ledger and in the person's record.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from postmuster.access.queries import acting, officers
from postmuster.base.errors import Refused
from postmuster.base.ids import case_id, notice_id, read_id
from postmuster.cli.options import As, AsJson
from postmuster.cli.session import Session, open_session, say, say_json
from postmuster.jobs import cases as journey
from postmuster.jobs.cases import Shown
from postmuster.jobs.desk import Desk, open_desk
from postmuster.replies import cases, queries
from postmuster.replies.case_states import Decision
from postmuster.replies.cases import Decided
from postmuster.replies.queries import CaseRow, Reader
from postmuster.replies.states import CaseReason, CaseState
from postmuster.reports.words import shown
from postmuster.roster.queries import component_numbers, person_numbers

app = typer.Typer(
    no_args_is_help=True,
    help="What only a person can decide: list, next, claim, show, decide, confirm, refuse, undo, history, looks.",
)
CaseId = Annotated[str, typer.Argument(metavar="ID", help="A case, such as c7.")]
OnlyComponent = Annotated[str, typer.Option("--component", metavar="PATH", help="Only of this component and below.")]
OnlyReason = Annotated[CaseReason | None, typer.Option(help="Only for this reason.")]
AsOrNobody = Annotated[str, typer.Option("--as", metavar="OFFICER", help="Who looks; must hold the role for it.")]
Because = Annotated[str, typer.Option("--reason", help="Why; it is kept with the case, not in the ledger.")]


@app.command("list")
def list_cases(
    notice: Annotated[str, typer.Option(help="Only of this notice.")] = "",
    reason: OnlyReason = None,
    component: OnlyComponent = "",
    state: Annotated[CaseState, typer.Option(help="Open, proposed or decided.")] = CaseState.OPEN,
    officer: AsOrNobody = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show cases, oldest first; with --as only those this officer may work on."""
    session = open_session()
    notice_no = read_id(notice, "n") if notice else None
    components = _within(component, _reader(officer).components if officer else None)
    found = queries.cases(state=state, reason=reason or "", notice_no=notice_no, components=components, limit=limit)
    if as_json:
        say_json([_json(one, session.now) for one in found])
        return
    for one in found:
        say(_line(one, session.now))
    if not found:
        say(f"No case is {state}." if state != CaseState.OPEN else "No case is open. Nothing waits for a person.")


@app.command("next")
def next_case(officer: As, reason: OnlyReason = None, component: OnlyComponent = "", as_json: AsJson = False) -> None:
    """Claim the oldest case that is free."""
    session = open_session()
    reader = _reader(officer)
    reader = Reader(reader.actor, _within(component, reader.components))
    one = cases.claim_next(
        reader=reader, reason=reason or "", term_s=session.settings.work.case_claim_s, now=session.now
    )
    if as_json:
        say_json({"case": None} if one is None else _json(one, session.now))
    elif one is None:
        say("No case is free. Nothing was claimed.")
    else:
        _say_claimed(one, officer)


@app.command()
def claim(case: CaseId, officer: As, as_json: AsJson = False) -> None:
    """Claim a case for a term; after it the case is free again."""
    session = open_session()
    one = cases.claim(
        read_id(case, "c"), reader=_reader(officer), term_s=session.settings.work.case_claim_s, now=session.now
    )
    if as_json:
        say_json(_json(one, session.now))
    else:
        _say_claimed(one, officer)


@app.command("give-back")
def give_back(case: CaseId, officer: As, as_json: AsJson = False) -> None:
    """End one's claim before its term."""
    session = open_session()
    case_no = read_id(case, "c")
    cases.give_back(case_no, reader=_reader(officer), now=session.now)
    if as_json:
        say_json({"case": case_id(case_no), "claimed_by": None})
    else:
        say(f"{case_id(case_no)} is free again.")


@app.command()
def show(
    case: CaseId,
    officer: AsOrNobody = "",
    why: Annotated[str, typer.Option(help="What the look is for; kept with the person's record.")] = "",
    whole: Annotated[bool, typer.Option("--whole", help="Quotes and signature too, redacted as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a case; with --as its text, redacted: it is claimed for the officer, and the look is accounted for."""
    session = open_session()
    case_no = read_id(case, "c")
    if not officer:
        one = queries.case(case_no)
        _say_fields(_json(one, session.now) | {"decisions": list(journey.decisions_for(one))}, as_json)
        return
    found = journey.look(case_no, because=why, reader=_reader(officer), whole=whole, desk=_desk(session))
    _say_fields(_json(found.case, session.now) | _shown_json(found), as_json)
    if not as_json and not found.is_held:
        say("")
        for line in found.text.splitlines():
            say(f"    {shown(line)}")


@app.command()
def decide(
    case: CaseId,
    decision: Annotated[
        list[str], typer.Argument(metavar="DECISION…", help="A word for its reason, such as: election Resign.")
    ],
    officer: As,
    reason: Because = "",
    as_json: AsJson = False,
) -> None:
    """Decide a case. What changes an election, or counts another author's mail, a second officer has to confirm."""
    session = open_session()
    done = journey.decide(read_id(case, "c"), decision, because=reason, reader=_reader(officer), desk=_desk(session))
    _say_decided(done, as_json)


@app.command()
def confirm(case: CaseId, officer: As, reason: Because = "", as_json: AsJson = False) -> None:
    """Carry out what another officer proposed."""
    session = open_session()
    done = journey.confirm(read_id(case, "c"), because=reason, reader=_reader(officer), desk=_desk(session))
    _say_decided(done, as_json)


@app.command()
def refuse(case: CaseId, officer: As, reason: Because = "", as_json: AsJson = False) -> None:
    """Do not confirm what was proposed: the case is open again."""
    session = open_session()
    one = cases.refuse(read_id(case, "c"), because=reason, reader=_reader(officer), now=session.now)
    if as_json:
        say_json(_json(one, session.now))
    else:
        say(f"{case_id(one.case_no)} is open again.")


@app.command()
def undo(case: CaseId, officer: As, reason: Because = "", as_json: AsJson = False) -> None:
    """Take a decision back: the case is open again, and what stood before stands."""
    session = open_session()
    done = journey.undo(read_id(case, "c"), because=reason, reader=_reader(officer), desk=_desk(session))
    if as_json:
        say_json(
            _json(done.case, session.now) | {"undone": done.verdict.words, "answers_moved": len(done.effect.moves)}
        )
        return
    say(f"{case_id(done.case.case_no)} is open again; undone: {shown(done.verdict.words)}.")
    if done.verdict.decision is Decision.NOT_OURS:
        say("If the person was suppressed meanwhile, that stands: see `postmuster suppression list`.")


@app.command()
def history(case: CaseId, as_json: AsJson = False) -> None:
    """Show all that was done with a case, each look among it."""
    open_session()
    case_no = queries.case(read_id(case, "c")).case_no
    names = {one.officer_no: one.handle for one in officers()}
    rows = [
        {
            "at": one.at,
            "kind": one.kind,
            "officer": names.get(one.officer_no, f"officer {one.officer_no}"),
            "said": one.said,
            "reason": one.because,
        }
        for one in queries.case_history(case_no)
    ]
    if as_json:
        say_json({"case": case_id(case_no), "history": rows})
        return
    for row in rows:
        about = "  ".join(shown(str(row[key])) for key in ("said", "reason") if row[key])
        say(
            f"{row['at']:%Y-%m-%d %H:%M} UTC  {str(row['kind']).replace('_', ' '):<10} {row['officer']!s:<16} {about}".rstrip()
        )
    if not rows:
        say("Nobody has touched this case.")


@app.command()
def looks(
    person_id: Annotated[str, typer.Argument(help="A person_id of the roster.")],
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show who looked at what a person wrote, when and what for, newest first."""
    open_session()
    numbers = person_numbers([person_id])
    if not numbers:
        raise Refused("There is no such person in the roster; nothing was shown; see `postmuster roster status`.")
    names = {one.officer_no: one.handle for one in officers()}
    rows = [
        {
            "at": one.at,
            "officer": names.get(one.officer_no, f"officer {one.officer_no}"),
            "case": case_id(one.case_no),
            "reply": f"r{one.reply_no}",
            "reason": one.because,
        }
        for one in queries.looks_at(numbers[person_id], limit=limit)
    ]
    if as_json:
        say_json({"person": person_id, "looks": rows})
        return
    for row in rows:
        say(f"{row['at']:%Y-%m-%d %H:%M} UTC  {row['officer']!s:<16} {row['case']!s:<8} {shown(str(row['reason']))}")
    if not rows:
        say("Nobody has looked at anything this person wrote.")


def _reader(officer: str) -> Reader:
    return cases.reader(acting(officer))


def _within(path: str, components: frozenset[int] | None) -> frozenset[int] | None:
    """The components of a subtree, as far as an officer may work on them."""
    if not path:
        return components
    numbers, strangers = component_numbers([path], subtree=True)
    if strangers:
        raise Refused("There is no such component in the roster; nothing was done; see `postmuster roster status`.")
    return numbers if components is None else numbers & components


def _desk(session: Session) -> Desk:
    return open_desk(session.settings, session.clock)


def _line(one: CaseRow, now: datetime) -> str:
    about = notice_id(one.notice_no) if one.notice_no else "no notice"
    claimed = f"  claimed until {one.claimed_until:%H:%M} UTC" if one.is_claimed(now) else ""
    late = "  late" if one.late else ""
    return f"{case_id(one.case_no):<8} {one.reason:<14} {about:<10} since {one.opened_at:%Y-%m-%d %H:%M} UTC{late}{claimed}"


def _say_claimed(one: CaseRow, officer: str) -> None:
    say(f"{case_id(one.case_no)} ({one.reason}) is {officer}'s until {one.claimed_until:%Y-%m-%d %H:%M} UTC.")
    say(f"Next: postmuster case show {case_id(one.case_no)} --as {officer}")


def _say_decided(done: Decided, as_json: bool) -> None:
    one = done.case
    if as_json:
        say_json(
            {
                "case": case_id(one.case_no),
                "state": one.state,
                "decision": str(done.verdict.decision),
                "answer": done.verdict.answer or None,
                "choice": done.verdict.choice or None,
                "answer_state": done.effect.state and str(done.effect.state),
                "needs_second": one.state == CaseState.PROPOSED,
            }
        )
    elif one.state == CaseState.PROPOSED:
        say(f"{case_id(one.case_no)} is proposed: {shown(done.verdict.words)}. Nothing has changed yet.")
        say(f"Next, by another officer: postmuster case confirm {case_id(one.case_no)} --as OFFICER")
    else:
        state = f" The answer is now {str(done.effect.state).replace('_', ' ')}." if done.effect.state else ""
        say(f"{case_id(one.case_no)} is decided: {shown(done.verdict.words)}.{state}")


def _say_fields(fields: dict[str, object], as_json: bool) -> None:
    if as_json:
        say_json(fields)
        return
    for name, value in fields.items():
        if name == "text":
            continue
        plain = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
        say(f"{name:<14} {shown(plain)}".rstrip())


def _shown_json(found: Shown) -> dict[str, object]:
    return {
        "held": found.is_held,
        "written_by": found.written_by or None,
        "subject": found.subject,
        "read_as": found.read_as or None,
        "reasons": list(found.reasons),
        "redacted": [f"{kind} {count}" for kind, count in sorted(found.redacted.items())],
        "left_out": [f"{kind} {count}" for kind, count in sorted(found.elided.items())],
        "attachments": found.attachments,
        "decisions": list(found.decisions),
        "text": found.text,
    }


def _json(one: CaseRow, now: datetime) -> dict[str, object]:
    return {
        "case": case_id(one.case_no),
        "reason": one.reason,
        "state": one.state,
        "opened_at": one.opened_at,
        "notice": notice_id(one.notice_no) if one.notice_no else None,
        "reply": f"r{one.reply_no}",
        "kind": one.kind,
        "matched_by": one.matched_by,
        "grade": one.grade,
        "late": one.late,
        "component": one.component_no,
        "claimed_by": one.claimed_by if one.is_claimed(now) else None,
        "claimed_until": one.claimed_until if one.is_claimed(now) else None,
        "decision": one.decision,
    }
