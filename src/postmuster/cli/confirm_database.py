"""`postmuster confirm-database`: an operator says that this database is the one, and sending is let go on (P13)."""

from __future__ import annotations

from postmuster.access.queries import acting
from postmuster.access.roles import Role
from postmuster.cli.options import As, AsJson, Reason
from postmuster.cli.session import open_session, say, say_json
from postmuster.runtime import identity


def confirm_database(officer: As, reason: Reason, as_json: AsJson = False) -> None:
    """Say that a database that was restored or moved is the one; sending goes on unless something else holds it."""
    session = open_session()
    actor = acting(officer, Role.OPERATOR)
    done = identity.confirm(session.settings, reason=reason, actor=actor.mark, now=session.now)
    if as_json:
        say_json(
            {"before": done.before, "now": done.now, "differences": list(done.differences), "lifted": list(done.lifted)}
        )
        return
    say(f"It was: {done.before}.\nIt is:  {done.now}.")
    for difference in done.differences:
        say(f"  - {difference}")
    say(f"Confirmed; lifted {len(done.lifted)}. Every other copy of this database is held from now on.")
    say("Machines that share this database need the new identity.json of the key folder.")
