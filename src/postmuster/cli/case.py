"""`postmuster case`: what only a person can decide."""

from __future__ import annotations

from typing import Annotated

import typer

from postmuster.access.queries import acting
from postmuster.access.roles import Role
from postmuster.base.ids import case_id, notice_id, read_id
from postmuster.cli.options import As, AsJson
from postmuster.cli.session import open_session, say, say_json
from postmuster.replies import actions, queries
from postmuster.replies.queries import CaseRow
from postmuster.replies.states import CaseReason, CaseState

app = typer.Typer(no_args_is_help=True, help="What only a person can decide: list, show, decide.")
CaseId = Annotated[str, typer.Argument(metavar="ID", help="A case, such as c7.")]


@app.command("list")
def list_cases(
    notice: Annotated[str, typer.Option(help="Only of this notice.")] = "",
    reason: Annotated[CaseReason | None, typer.Option(help="Only for this reason.")] = None,
    state: Annotated[CaseState, typer.Option(help="Open or decided.")] = CaseState.OPEN,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show cases in the order they were opened."""
    open_session()
    notice_no = read_id(notice, "n") if notice else None
    found = queries.cases(state=state, reason=reason or "", notice_no=notice_no, limit=limit)
    if as_json:
        say_json([_json(one) for one in found])
        return
    for one in found:
        about = notice_id(one.notice_no) if one.notice_no else "no notice"
        say(f"{case_id(one.case_no):<8} {one.reason:<14} {about:<10} since {one.opened_at:%Y-%m-%d %H:%M} UTC")
    if not found:
        say("No case is open. Nothing waits for a person.")


@app.command()
def show(case: CaseId, as_json: AsJson = False) -> None:
    """Show what is known of one case. The text itself needs a grant."""
    open_session()
    one = queries.case(read_id(case, "c"))
    if as_json:
        say_json(_json(one))
        return
    for name, value in _json(one).items():
        say(f"{name:<12} {'' if value is None else value}")


@app.command()
def decide(
    case: CaseId,
    decision: Annotated[str, typer.Argument(help="One word, such as answered, not-ours, seen.")],
    officer: As,
    as_json: AsJson = False,
) -> None:
    """Close a case."""
    session = open_session()
    case_no = read_id(case, "c")
    actor = acting(officer, Role.REVIEWER)
    actions.decide_case(case_no, decision=decision[:24], actor=actor, now=session.now)
    if as_json:
        say_json({"case": case_id(case_no), "decision": decision[:24]})
    else:
        say(f"{case_id(case_no)} is decided: {decision[:24]}.")


def _json(one: CaseRow) -> dict[str, object]:
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
        "decision": one.decision,
    }
