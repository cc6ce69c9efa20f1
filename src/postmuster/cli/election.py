"""`postmuster election`: where elections stand, and what officers decide. None counts before its author confirmed it (P7).

Who has not confirmed, or not answered at all, is in no list: those are counts.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from postmuster.access.queries import acting
from postmuster.access.roles import Actor, Role
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id, read_id
from postmuster.cli.options import As, AsJson, NoticeId
from postmuster.cli.session import Session, open_session, say, say_json
from postmuster.jobs import election as journey
from postmuster.jobs.desk import open_desk
from postmuster.jobs.election_export import export as make_export
from postmuster.ledger import actions as ledger
from postmuster.replies import election_queries as queries
from postmuster.replies.election_queries import election_id
from postmuster.replies.election_states import LISTED, ElectionState
from postmuster.replies.election_values import Election, ElectionFigures
from postmuster.roster.queries import component_numbers, components

app = typer.Typer(no_args_is_help=True, help="Elections: list, show, decide, export.")
ElectionId = Annotated[str, typer.Argument(metavar="ID", help="An election, such as e7.")]
MOST_LISTED = 10_000


class Decision(StrEnum):
    """What an officer decides on an election."""

    ACCEPT = "accept"
    DECLINE = "decline"


@app.command("list")
def list_elections(
    notice: NoticeId,
    officer: Annotated[
        str, typer.Option("--as", metavar="OFFICER", help="Who decides: show them one by one, within their component.")
    ] = "",
    state: Annotated[ElectionState | None, typer.Option(help="One by one only those in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_LISTED, help="How many at most, one by one.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Count the elections of a notice by choice and state, and how many wait below grade A and why."""
    session = open_session()
    notice_no = read_id(notice, "n")
    by_choice, figures = queries.by_choice(notice_no), queries.figures(notice_no)
    shown = _listed(notice_no, officer, state, limit, session) if officer or state else []
    if as_json:
        counts = [{"choice": choice, "state": where, "count": count} for choice, where, count in by_choice]
        told = {"id": notice_id(notice_no), "elections": counts, "below_a": dict(figures.below_a)}
        say_json(told | ({"listed": shown} if officer else {}))
        return
    for choice, where, count in by_choice:
        say(f"{count:>8}  {choice:<20} {where}")
    if not by_choice:
        say(f"Nobody has answered {notice_id(notice_no)} with a choice.")
    for line in _below_a(figures):
        say(line)
    for one in shown:
        say(f"{one['election']:<10} {one['state']:<20} {one['choice']:<20} {one['component']}")


@app.command()
def show(election: ElectionId, officer: As, as_json: AsJson = False) -> None:
    """Show one election to those who decide on it. Looking is in the record."""
    session = open_session()
    one = queries.election(read_id(election, "e"))
    path = journey.component_path(one.component_no)
    actor = acting(officer, Role.REVIEWER, Role.COMPONENT_OFFICER, component_path=path)
    if one.state not in LISTED:
        raise Refused(
            f"{election_id(one.election_no)} is {str(one.state).replace('_', ' ')}: nobody has to decide on it, and it is shown "
            "to no officer; see `postmuster election list` for counts."
        )
    facts = {"election": one.election_no}
    subject = election_id(one.election_no)
    ledger.append(kind="election looked at", actor=actor.mark, subject=subject, facts=facts, now=session.now)
    told = _json(one, path) | {
        "person_id": queries.person_ids([one.person_no]).get(one.person_no, ""),
        "steps": [
            {"state": s, "at": at, "by": by, "letter": _letter(no)} for s, at, by, no in queries.steps(one.election_no)
        ],
    }
    if as_json:
        say_json(told)
        return
    for name, value in told.items():
        if name != "steps":
            say(f"{name:<15} {'' if value is None else value}")
    for state, at, by, letter_no in queries.steps(one.election_no):
        say(f"{at:%Y-%m-%d %H:%M} UTC  {state:<20} {by:<24} {_letter(letter_no) or 'no letter'}")


@app.command()
def decide(
    election: ElectionId,
    decision: Annotated[Decision, typer.Argument(help="accept or decline")],
    officer: As,
    reason: Annotated[str, typer.Option("--reason", help="Why; of a decline, the person is told.")] = "",
    as_json: AsJson = False,
) -> None:
    """Accept an election, or decline it with the reason: a reviewer, or an officer of the person's own component."""
    session = open_session()
    number = read_id(election, "e")
    desk = open_desk(session.settings, session.clock)
    is_accepted = decision is Decision.ACCEPT
    moved = journey.decide(number, is_accepted=is_accepted, reason=reason, officer=officer, desk=desk)
    if as_json:
        say_json({"election": election_id(number), "state": str(moved.state), "withdraw_until": moved.withdraw_until})
    else:
        say(f"{election_id(number)} is {str(moved.state).replace('_', ' ')} now; a letter tells the person.")


@app.command()
def export(
    notice: NoticeId,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where: a new .csv or .jsonl file.")],
    officer: As,
    as_json: AsJson = False,
) -> None:
    """Ask for a file of what is recorded and can no longer be taken back; a second officer's asking writes it."""
    session = open_session()
    notice_no = read_id(notice, "n")
    done = make_export(notice_no, file=to, officer=officer, desk=open_desk(session.settings, session.clock))
    if as_json:
        told = {"export": f"x{done.export_no}", "elections": done.elections, "manifest": done.manifest}
        say_json(told | {"file": str(done.file) if done.file else None})
    elif done.file:
        say(f"Wrote {done.file}: {done.elections} elections; each person is told.")
    else:
        say(f"Asked: {done.elections} elections. Nothing is written yet; a second officer asks for the same:")
        say(f"postmuster election export {notice_id(notice_no)} --to {to} --as OTHER")


def _listed(
    notice_no: int, officer: str, state: ElectionState | None, limit: int, session: Session
) -> list[dict[str, object]]:
    """What an officer has to see one by one; never those of whom nothing is known but that they have not confirmed."""
    if not officer:
        raise Refused(
            "Elections are shown one by one to those who decide on them; nothing was shown; say who with --as."
        )
    if state is not None and state not in LISTED:
        raise Refused(f"Elections that are {str(state).replace('_', ' ')} are counted, not listed; nothing was shown.")
    actor = acting(officer)
    mine = _components_of(actor)
    states = LISTED if state is None else frozenset({state})
    found = queries.listed(notice_no=notice_no, states=states, components=mine, limit=limit)
    facts = {"elections": len(found)}
    subject = notice_id(notice_no)
    ledger.append(kind="elections listed", actor=actor.mark, subject=subject, facts=facts, now=session.now)
    paths = {one.component_no: one.path for one in components()}
    return [_json(one, paths.get(one.component_no, "")) for one in found]


def _components_of(actor: Actor) -> frozenset[int] | None:
    """The components an officer decides for; None for all."""
    if Role.REVIEWER in actor.roles:
        return None
    if Role.COMPONENT_OFFICER not in actor.roles:
        raise Refused(
            f"Officer {actor.handle} does not hold the role {Role.REVIEWER} or {Role.COMPONENT_OFFICER} for this; nothing was "
            "shown; ask one who does."
        )
    return component_numbers(sorted(actor.components), subtree=True)[0]


def _below_a(figures: ElectionFigures) -> list[str]:
    return [
        f"{count:>8}  waits for the signed-in page: {reason.replace('_', ' ')}"
        for reason, count in sorted(figures.below_a.items())
    ]


def _letter(letter_no: int | None) -> str | None:
    return None if letter_no is None else f"l{letter_no}"


def _json(one: Election, path: str) -> dict[str, object]:
    return {
        "election": election_id(one.election_no),
        "notice": notice_id(one.ref.notice_no),
        "component": path,
        "choice": one.choice,
        "state": str(one.state),
        "reason": one.reason,
        "grade": one.grade,
        "read_at": one.read_at,
        "confirmed_at": one.confirmed_at,
        "review_until": one.review_until,
        "recorded_at": one.recorded_at,
        "withdraw_until": one.withdraw_until,
    }
