"""`postmuster assessment`: what notices stand on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from postmuster.access.queries import acting
from postmuster.access.roles import Role
from postmuster.assessments.actions import publish as publish_version
from postmuster.assessments.document import read_assessment
from postmuster.assessments.queries import all_published
from postmuster.assessments.table import MAX_FILE_OCTETS, Refusals
from postmuster.base.errors import Refused
from postmuster.cli.options import As, AsJson
from postmuster.cli.session import note, open_session, read_file, say, say_json

app = typer.Typer(no_args_is_help=True, help="Privacy assessments: publish, list.")


@app.command()
def publish(
    file: Annotated[Path, typer.Argument(help="The assessment, TOML.")], officer: As, as_json: AsJson = False
) -> None:
    """Publish one version of a privacy assessment; from then on it never changes."""
    session = open_session()
    actor = acting(officer, Role.PRIVACY_OFFICER)
    document = read_assessment(read_file(file, "assessment", MAX_FILE_OCTETS), file=file.name)
    if isinstance(document, Refusals):
        for reason in document:
            note(reason)
        raise Refused(f"The assessment was not published for {len(document)} reasons, above; mend the file.")
    number = publish_version(document, actor=actor, now=session.now)
    if as_json:
        say_json({"assessment": number, "slug": document.slug, "version": document.version})
    else:
        say(f"Published {document.slug} version {document.version}.")


@app.command("list")
def list_published(as_json: AsJson = False) -> None:
    """Show every published version."""
    open_session()
    found = all_published()
    if as_json:
        say_json(
            [
                {
                    "slug": one.document.slug,
                    "version": one.document.version,
                    "digest": one.digest.hex(),
                    "at": one.published_at,
                }
                for one in found
            ]
        )
        return
    for one in found:
        say(f"{one.document.slug} version {one.document.version}, {one.published_at:%Y-%m-%d}: {one.document.title}")
    if not found:
        say("No assessment is published. Next: postmuster assessment publish FILE.toml --as OFFICER")
