"""`postmuster ledger`: the record of acts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from postmuster.base.errors import Refused
from postmuster.cli.options import AsJson
from postmuster.cli.session import open_session, say, say_json
from postmuster.ledger import queries
from postmuster.ledger.chain import LinkValue

app = typer.Typer(no_args_is_help=True, help="The record of acts: verify, export.")


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Compute every hash again; says the first entry that was changed, taken out or put in."""
    open_session()
    fault = queries.verify()
    written, numbered = queries.counts()
    if as_json:
        say_json({"holds": fault is None, "fault": fault, "entries": written, "numbered": numbered})
    elif fault is None:
        say(f"The ledger holds: {numbered} entries in one chain, {written - numbered} not numbered yet.")
    if fault is not None:
        raise Refused(f"{fault} Nothing was changed; compare with a backup and tell the auditor.")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="A file to be written, one entry a line.")], as_json: AsJson = False
) -> None:
    """Write every numbered entry with its hashes, oldest first."""
    open_session()
    count = 0
    try:
        with out.open("x", encoding="utf-8") as file:
            for link in queries.links():
                file.write(json.dumps(_line(link), ensure_ascii=False, sort_keys=True) + "\n")
                count += 1
    except OSError as error:
        raise Refused(f"The file {out} could not be written ({error.strerror}); name one that is not there.") from None
    if as_json:
        say_json({"file": str(out), "entries": count})
    else:
        say(f"Wrote {count} entries to {out}.")


def _line(link: LinkValue) -> dict[str, object]:
    entry = json.loads(link.entry.canonical())
    return {"seq": link.seq, "entry": entry, "leaf": link.leaf.hex(), "chained": link.chained.hex()}
