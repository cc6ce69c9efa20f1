"""`postmuster relay-config`: the configuration that a relay needs, with the reason of each line."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from postmuster.cli.options import AsJson
from postmuster.cli.session import say, say_json
from postmuster.runtime import relay_config
from postmuster.runtime.relay_config import RelayConfig
from postmuster.settings import load

app = typer.Typer(no_args_is_help=True, help="The configuration a relay needs.")


class Part(StrEnum):
    """What of it is printed."""

    ALL = "all"
    MAIN = "main"
    MASTER = "master"
    HOLD = "hold"


@app.callback()
def _root() -> None:
    """The configuration a relay needs."""


@app.command()
def postfix(
    part: Annotated[Part, typer.Option(help="main.cf, master.cf or how to hold a notice alone.")] = Part.ALL,
    as_json: AsJson = False,
) -> None:
    """Print what Postfix has to be told, with the reason of each line; the values follow from the settings file."""
    config = relay_config.postfix(load())
    if as_json:
        say_json(_as_json(config))
        return
    texts = {
        Part.ALL: config.text,
        Part.MAIN: config.main_text,
        Part.MASTER: config.services_text,
        Part.HOLD: config.hold_text,
    }
    say(texts[part]().rstrip("\n"))


def _as_json(config: RelayConfig) -> dict[str, object]:
    return {
        "main": {one.name: one.value for one in config.main},
        "master": [
            {"service": one.columns, "options": {option.name: option.value for option in one.options}}
            for one in config.services
        ],
        "hold": list(config.hold),
    }
