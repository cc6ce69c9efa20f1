"""The command `postmuster`: finds the sub-command, loads only its module, turns every error into one sentence.

Exit codes: 0 done, 1 refused or failed (one sentence on standard error that says what to do), 2 usage.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any, Final

import typer
from typer.core import TyperGroup

from postmuster.base.errors import PostmusterError, place_of

PACKAGE: Final = "postmuster.cli"

# word → (module, its name there, needs tables, one line for --help). A module is imported when its word is used.
COMMANDS: Final[dict[str, tuple[str, str, bool, str]]] = {
    "init": ("start", "init", False, "Write the settings file, make keys and database, enrol the first officer"),
    "up": ("start", "up", False, "Start database, workers and intake, and stay"),
    "check": ("start", "check", True, "Say what is wrong with this installation"),
    "confirm-database": (
        "confirm_database",
        "confirm_database",
        True,
        "Say that a database that was restored or moved is the one",
    ),
    "demo": ("demo", "demo", True, "Run a whole muster with a simulated organisation"),
    "officer": ("officer", "app", True, "Officers: add, list"),
    "roster": ("roster", "app", True, "People: load a feed, status"),
    "person": ("person", "app", True, "One person: what was sent, answered, looked at"),
    "assessment": ("assessment", "app", True, "Privacy assessments: publish, list"),
    "notice": ("notice", "app", True, "Notices: draft, check, preview, approve, release, status, pause, stop"),
    "report": ("report", "report", True, "Write the report page of everything that was released"),
    "reply": ("reply", "app", False, "Replies: read files, import and fetch from mailboxes"),
    "case": ("case", "app", True, "What only a person can decide: list, next, claim, show, decide, undo"),
    "election": ("election", "app", True, "Elections: list, show, decide, export"),
    "suppression": ("suppression", "app", True, "Whom nobody writes to any more: list, show, lift, incidents"),
    "ledger": ("ledger", "app", True, "The record of acts: verify, export"),
    "dns": ("dns", "app", False, "The DNS records to publish: print, check, make keys"),
    "relay-config": ("relay_config", "app", False, "The configuration a relay needs"),
    "bench": ("bench", "app", False, "Measure, with the yardsticks beside"),
}


class Lazy(TyperGroup):
    """Loads one sub-command's module; the others cost nothing."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module_name, attribute, needs_tables, line = COMMANDS[cmd_name]
        if "--help" in sys.argv and len(sys.argv) == 2:
            return _line_only(cmd_name, line)
        if needs_tables:
            importlib.import_module(f"{PACKAGE}.session").prepare_django()
        found = getattr(importlib.import_module(f"{PACKAGE}.{module_name}"), attribute)
        command: Any = typer.main.get_command(found) if isinstance(found, typer.Typer) else _single(found)
        command.name, command.help = cmd_name, command.help or line
        return command


def _line_only(name: str, line: str) -> Any:
    holder = typer.Typer(add_completion=False)
    holder.command(name, help=line)(lambda: None)
    return typer.main.get_command(holder)


def _single(function: Callable[..., Any]) -> Any:
    holder = typer.Typer(add_completion=False)
    holder.command()(function)
    return typer.main.get_command(holder)


app = typer.Typer(
    cls=Lazy,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Write to everyone in a large organisation, hear back by ordinary mail, and account for every step.",
)


@app.callback()
def _root() -> None:
    """Write to everyone in a large organisation, hear back by ordinary mail, and account for every step."""


def run() -> None:
    """Run the command line; never shows a traceback, which could repeat somebody's words."""
    try:
        app()
    except PostmusterError as error:
        _leave(error.sentence)
    except KeyboardInterrupt:
        _leave("Interrupted; what was committed is kept; run the same command again.")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        _leave("There was not enough memory; what was committed is kept; close other programs and try again.")
    except Exception as error:
        _leave(f"A mistake of ours ({place_of(error)}); what was committed is kept; please report it.")


def _leave(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    run()
