"""`postmuster notice`: from a draft to its release. What is looked at afterwards is in `notice_views`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from postmuster.access.queries import acting, address_of
from postmuster.access.roles import Role
from postmuster.assessments.table import Refusals
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id, read_id
from postmuster.cli import notice_again, notice_control, notice_estimate, notice_views
from postmuster.cli.options import As, AsJson, NoticeId
from postmuster.cli.session import Session, note, open_session, say, say_json
from postmuster.jobs import proof as proofs
from postmuster.jobs.desk import Desk, open_desk
from postmuster.jobs.notice import release as release_notice
from postmuster.jobs.queue import defer_expand
from postmuster.notices import actions, queries, readiness
from postmuster.notices.content import read_notice
from postmuster.notices.files import read_notice_file
from postmuster.notices.terms import NoticeContent

app = typer.Typer(no_args_is_help=True, help="Notices: draft, check, preview, approve, release, status, pause, stop.")


def desk_of(session: Session) -> Desk:
    return open_desk(session.settings, session.clock)


@app.command()
def draft(
    file: Annotated[Path, typer.Argument(help="notice.toml; its bodies (body.md, body.es.md) lie beside it.")],
    officer: As,
    revise: Annotated[str, typer.Option("--revise", metavar="ID", help="A notice this is the next revision of.")] = "",
    as_json: AsJson = False,
) -> None:
    """Keep a notice as a draft. Nothing is sent; approvals of an earlier revision end."""
    session = open_session()
    actor = acting(officer, Role.DRAFTER)
    toml, bodies = read_notice_file(file)
    content = _read(toml, bodies, file.name)
    notice_no = actions.draft(
        content, toml, bodies, notice_no=read_id(revise, "n") if revise else None, actor=actor, now=session.now
    )
    stored = queries.newest(notice_no)
    if as_json:
        say_json({"id": notice_id(notice_no), "revision": stored.number, "digest": stored.digest.hex()})
    else:
        say(f"Kept as {notice_id(notice_no)}, revision {stored.number}, {stored.digest.hex()[:12]}.")
        say(f"Next: postmuster notice check {notice_id(notice_no)}")


def _read(toml: bytes, bodies: dict[str, bytes], name: str) -> NoticeContent:
    content = read_notice(toml, bodies, file=name)
    if isinstance(content, Refusals):
        for reason in content:
            note(reason)
        raise Refused(f"The notice was not kept for {len(content)} reasons, above; mend the file.")
    return content


@app.command()
def check(notice: NoticeId, as_json: AsJson = False) -> None:
    """Say every reason why a notice cannot go out yet; count whom it would reach; show twenty of them."""
    session = open_session()
    notice_no = read_id(notice, "n")
    estimate = notice_estimate.look(notice_no, session)
    reasons = [*readiness.reasons(notice_no, now=session.now), *(estimate.reasons() if estimate else ())]
    reach = readiness.reach(notice_no)
    rounds = queries.history(notice_no)
    if as_json:
        found = {"ready": not reasons, "reasons": reasons, "rounds": rounds.as_json(), **reach.as_json()}
        say_json({"id": notice_id(notice_no), **found, "estimate": estimate.as_json() if estimate else None})
    else:
        notice_views.show_reach(notice_id(notice_no), reasons, reach)
        say(f"\n{notice_again.rounds_line(rounds, session.now)}")
        if estimate:
            notice_estimate.show(estimate)
    if reasons:
        raise typer.Exit(1)


@app.command()
def approve(notice: NoticeId, officer: As, as_json: AsJson = False) -> None:
    """Approve the newest revision; two officers who neither drafted nor edited it are needed."""
    session = open_session()
    notice_no = read_id(notice, "n")
    missing = actions.approve(notice_no, actor=acting(officer, Role.APPROVER), now=session.now)
    if as_json:
        say_json({"id": notice_id(notice_no), "missing": missing})
    elif missing:
        say(f"Approved by {officer}; {missing} approval is missing.")
    else:
        say(f"Approved by {officer}; the revision is frozen. Next: postmuster notice release {notice_id(notice_no)}")


@app.command()
def release(notice: NoticeId, officer: As, as_json: AsJson = False) -> None:
    """Let an approved notice go out. Workers write down its people and send at once."""
    session = open_session()
    notice_no = read_id(notice, "n")
    actor = acting(officer, Role.APPROVER)
    notice_estimate.refuse_if_too_small(notice_no, session)
    number = release_notice(notice_no, actor=actor, desk=desk_of(session), then=defer_expand)
    if as_json:
        say_json({"id": notice_id(notice_no), "round": number})
    else:
        say(f"Released {notice_id(notice_no)}, round {number}. Next: postmuster notice status {notice_id(notice_no)}")


@app.command()
def preview(
    notice: NoticeId,
    out: Annotated[Path, typer.Option("--out", metavar="F.eml", help="Where the mail is written.")],
    person: Annotated[str, typer.Option(help="A person_id of the roster; else a made-up one.")] = "",
    language: Annotated[str, typer.Option(help="A language of the notice; else the person's.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write the mail as a person would get it, unsigned and with a token that is worth nothing."""
    session = open_session()
    notice_no = read_id(notice, "n")
    octets = proofs.preview(notice_no, person_id=person, language=language, desk=desk_of(session))
    try:
        out.write_bytes(octets)
    except OSError as error:
        raise Refused(f"The file {out} could not be written ({error.strerror}); name another with --out.") from None
    if as_json:
        say_json({"id": notice_id(notice_no), "file": str(out), "octets": len(octets)})
    else:
        say(f"Wrote {out}, {len(octets)} octets; open it in a mail program.")


@app.command()
def proof(
    notice: NoticeId,
    to: Annotated[str, typer.Option("--to", metavar="OFFICER", help="An officer with an enrolled address.")],
    officer: As,
    as_json: AsJson = False,
) -> None:
    """Send one real, signed copy to an officer, marked as a proof and counted as a letter."""
    session = open_session()
    notice_no = read_id(notice, "n")
    actor = acting(officer, Role.DRAFTER, Role.APPROVER)
    name, address = address_of(to)
    letter_no = proofs.send_proof(
        notice_no,
        to_name=name,
        to_address=address,
        to_officer=acting(to).officer_no,
        actor=actor,
        desk=desk_of(session),
    )
    if as_json:
        say_json({"id": notice_id(notice_no), "letter": f"l{letter_no}"})
    else:
        say(f"The proof is letter l{letter_no}; a worker sends it now.")


notice_again.add_to(app)
notice_control.add_to(app)
notice_estimate.add_to(app)
notice_views.add_to(app)
