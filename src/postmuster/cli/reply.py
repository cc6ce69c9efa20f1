"""`postmuster reply`: read replies without a database.

What for: `reply read FILE…` shows what any mail, text or HTML file is taken for, one object per file. It is pure: no
database, no network, no settings, so it also serves to try the reader on a corpus.

Promises: every file that can be opened gives one object, `unreadable` included, never a traceback. Exit 0 when every
file gave one, 1 when a file could not be opened (a sentence on stderr), 2 for wrong usage.

Limits: 64 MiB of a file are read. No DNS is asked: DKIM is not checked here, and results stated by a border server
are believed only with `--authserv-id`, the login at a server of ours only with `--internal-hop`.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from postmuster.mail.message import Message
from postmuster.reading.ask import Ask, AskFault, parse_ask
from postmuster.reading.reading import FileKind, Reading, as_json, read
from postmuster.reading.sent_mail import Sent, SentFault, sent_from_mail, sent_from_notice

if TYPE_CHECKING:
    from postmuster.mail.authentication import Authentication

MAX_FILE_OCTETS: Final = 64 * 1024 * 1024  # as much of a mail as is read anywhere
MAX_NOTICE_OCTETS: Final = 1024 * 1024  # ours: of a TOML file or one of its bodies
_KINDS: Final = {".txt": FileKind.TEXT, ".html": FileKind.HTML, ".htm": FileKind.HTML}

app = typer.Typer(help="Read and take in replies.", no_args_is_help=True)


@app.callback()
def reply() -> None:
    """Read and take in replies."""


@app.command("read")
def read_files(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help=".txt is a plain body, .html an HTML body, else a whole mail.")
    ],
    sent: Annotated[Path | None, typer.Option(help="The mail they answer, or its notice in TOML.")] = None,
    ask: Annotated[str | None, typer.Option(help="acknowledge, election:CHOICE[,CHOICE], report:N or none.")] = None,
    authserv_id: Annotated[
        list[str] | None, typer.Option(help="Whose Authentication-Results are believed; may be given again.")
    ] = None,
    internal_hop: Annotated[
        list[str] | None, typer.Option(help="A server of ours, as in intake.internal_hops; may be given again.")
    ] = None,
    as_lines: Annotated[bool, typer.Option("--json", help="One JSON object per file and line.")] = False,
) -> None:
    """Say what each file is and what it answers."""
    asked = _ask(ask)
    before = _sent(sent) if sent else None
    checks = _checks(authserv_id or (), internal_hop or ()) if authserv_id or internal_hop else None
    failed = False
    for path in files:
        raw = _octets(path, MAX_FILE_OCTETS)
        if raw is None:
            print(f"The file {str(path)!r} could not be opened; the others were read; check its name.", file=sys.stderr)
            failed = True
            continue
        kind = _KINDS.get(path.suffix.lower(), FileKind.MAIL)
        reading = read(raw, file_kind=kind, ask=asked, sent=before, authenticate=checks)
        if as_lines:
            _write(json.dumps({"file": str(path), **as_json(reading)}, ensure_ascii=True))
        else:
            _write(_for_people(path, reading))
    if failed:
        raise typer.Exit(1)


@app.command("import")
def import_files(
    path: Annotated[Path, typer.Argument(help="An mbox file, a Maildir, or a folder of .eml files.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on one line.")] = False,
) -> None:
    """Take in mail from a mailbox, as if it had come through the door. What comes twice counts once."""
    importlib.import_module("postmuster.cli.session").prepare_django("intake")
    importlib.import_module("postmuster.cli.reply_import").import_mail(path, as_json=as_json)


@app.command("fetch")
def fetch_mail(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on one line.")] = False,
) -> None:
    """Take in what is new in the mailboxes that are configured, now. `postmuster up` does it by itself."""
    importlib.import_module("postmuster.cli.session").prepare_django("intake")
    importlib.import_module("postmuster.cli.reply_import").fetch_mail(as_json=as_json)


def _write(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()


def _octets(path: Path, limit: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except (OSError, ValueError):
        return None


def _ask(word: str | None) -> Ask | None:
    if word is None:
        return None
    asked = parse_ask(word)
    if isinstance(asked, AskFault):
        raise typer.BadParameter(asked.sentence, param_hint="--ask")
    return asked


def _sent(path: Path) -> Sent:
    """Read what we sent; of a notice also the bodies beside it (`body.md`, `body.<language>.md`)."""
    is_notice = path.suffix.lower() == ".toml"
    raw = _octets(path, MAX_NOTICE_OCTETS if is_notice else MAX_FILE_OCTETS)
    if raw is None:
        raise typer.BadParameter("The sent file could not be opened; check its name.", param_hint="--sent")
    if is_notice:
        bodies = [_octets(body, MAX_NOTICE_OCTETS) or b"" for body in sorted(path.parent.glob("body*.md"))[:100]]
        sent = sent_from_notice(raw, [body.decode("utf-8", "replace") for body in bodies])
    else:
        sent = sent_from_mail(raw)
    if isinstance(sent, SentFault):
        raise typer.BadParameter(sent.sentence, param_hint="--sent")
    return sent


def _checks(authserv_ids: Sequence[str], internal_hops: Sequence[str]) -> Callable[[bytes, Message], Authentication]:
    """Return the checks that need no network. Their module is loaded here: most readings do without it."""
    module = importlib.import_module("postmuster.mail.authentication")

    def check(raw: bytes, message: Message) -> Authentication:
        found: Authentication = module.authenticate(
            raw, message, txt=_nothing_published, authserv_id=authserv_ids, internal_hops=internal_hops
        )
        return found

    return check


def _nothing_published(_name: str) -> str | None:
    return None


def _for_people(path: Path, reading: Reading) -> str:
    """A few lines for a reader at the terminal."""
    shown = as_json(reading)
    answer = shown["answer"]
    what = " ".join(
        filter(
            None, [answer["type"], answer["choice"], f"({', '.join(answer['reasons'])})" if answer["reasons"] else ""]
        )
    )
    lines = [f"{path}", f"  kind      {shown['kind']}", f"  subject   {shown['subject']}", f"  answer    {what}"]
    if shown["automatic"]:
        until = shown["automatic"]["until"]
        lines.append(f"  automatic {shown['automatic']['subkind']}" + (f" until {until}" if until else ""))
    for person in shown["recipients"]:
        lines.append(
            f"  recipient {person['address']} {person['action']} {person['status'] or ''} {person['reason']}".rstrip()
        )
    marks = ", ".join(f"{hit['tier']} {hit['where']}" for hit in shown["markings"])
    if marks:
        lines.append(f"  markings  {marks}")
    lines += [f"  | {line}" for line in shown["new_text"].split("\n")[:40]]
    return "\n".join("".join(char if char.isprintable() else " " for char in line) for line in lines)
