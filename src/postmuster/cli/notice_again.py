"""`postmuster notice again`: a further round, and what `check` and `status` say about rounds."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from postmuster.access.queries import acting
from postmuster.access.roles import Role
from postmuster.base.ids import notice_id, read_id
from postmuster.cli.options import As, AsJson, NoticeId
from postmuster.cli.session import open_session, say, say_json
from postmuster.jobs.again import again as release_again
from postmuster.jobs.desk import open_desk
from postmuster.jobs.queue import defer_expand
from postmuster.notices.queries import RoundsSoFar
from postmuster.notices.terms import AgainTo


class To(StrEnum):
    """Whom a further round may be for."""

    UNPROVEN = "unproven"
    UNANSWERED = "unanswered"


ToOption = Annotated[
    To,
    typer.Option("--to", help="unproven: whom no round is proven to have reached; unanswered: who has not answered."),
]


def add_to(app: typer.Typer) -> None:
    """Give this command to `notice`."""
    app.command()(again)


def again(notice: NoticeId, to: ToOption, officer: As, as_json: AsJson = False) -> None:
    """Begin a further round of a settled notice. Who is written to is found inside the database and shown to nobody."""
    session = open_session()
    notice_no = read_id(notice, "n")
    actor = acting(officer, Role.APPROVER)
    desk = open_desk(session.settings, session.clock)
    number = release_again(notice_no, to=AgainTo(to), actor=actor, desk=desk, then=defer_expand)
    if as_json:
        say_json({"id": notice_id(notice_no), "round": number, "to": str(to)})
    else:
        say(f"Released {notice_id(notice_no)}, round {number}, to {to}.")
        say(f"Next: postmuster notice status {notice_id(notice_no)}")


def rounds_line(rounds: RoundsSoFar, now: datetime) -> str:
    """One line about rounds: how many there were, and when the next may be."""
    so_far = f"Rounds: {rounds.released} of at most {rounds.maximum}."
    if rounds.released >= rounds.maximum:
        return f"{so_far} There may be no more."
    if rounds.next_from is None:
        return so_far
    if rounds.next_from <= now:
        return f"{so_far} The next may be released once this one is settled."
    return f"{so_far} The next may be released from {rounds.next_from:%Y-%m-%d %H:%M} UTC."
