"""Options that many commands have, in the same words everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

As = Annotated[str, typer.Option("--as", metavar="OFFICER", help="Who acts; must hold the role for it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value on one line.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is shown to those it holds up.")]
NoticeId = Annotated[str, typer.Argument(metavar="ID", help="A notice, such as n12.")]
