"""`postmuster dns`: the records to publish, whether they are published, and new signing keys."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from postmuster.cli.options import AsJson
from postmuster.cli.session import say, say_json
from postmuster.inbound.dns import open_inquiry
from postmuster.mail.dkim import SigningAlgorithm
from postmuster.runtime.dns_check import Finding, Outcome, compare
from postmuster.runtime.dns_records import DnsRecord, Publication, make_key, publication
from postmuster.settings import load

app = typer.Typer(help="The DNS records to publish.", invoke_without_command=True)
key_app = typer.Typer(no_args_is_help=True, help="Signing keys.")
app.add_typer(key_app, name="key")

RelayIp = Annotated[
    list[str] | None,
    typer.Option(
        "--relay-ip", metavar="ADDRESS", help="An address or network that the relay sends from; may be repeated."
    ),
]
Mx = Annotated[str, typer.Option("--mx", metavar="HOST", help="The MTA in front, which takes mail from the world.")]


class Algorithm(StrEnum):
    """What a key is for."""

    RSA = "rsa"
    ED25519 = "ed25519"


@app.callback()
def show(context: typer.Context, relay_ip: RelayIp = None, mx: Mx = "", as_json: AsJson = False) -> None:
    """Print the records to publish, in the form of a zone file; a comment says what each is for."""
    if context.invoked_subcommand is not None:
        return
    found = publication(load(), relay_ips=relay_ip or (), mx_host=mx)
    if as_json:
        say_json({"records": [_record_json(one) for one in found.records], "withdrawable": list(found.withdrawable)})
        return
    say(found.text().rstrip("\n"))


@app.command()
def check(relay_ip: RelayIp = None, mx: Mx = "", as_json: AsJson = False) -> None:
    """Ask the DNS and compare with what has to be published; exit 1 when something is missing, different or not known."""
    settings = load()
    wanted: Publication = publication(settings, relay_ips=relay_ip or (), mx_host=mx)
    findings = compare(settings, wanted, open_inquiry(settings))
    if as_json:
        say_json([_finding_json(one) for one in findings])
    else:
        for one in findings:
            say(f"{one.outcome:<10} {one.record.purpose:<5} {one.record.name}: {one.sentence}")
    if any(one.outcome is not Outcome.OK for one in findings):
        if not as_json:
            say("\nWhat to publish is printed by `postmuster dns`.")
        raise typer.Exit(1)


@key_app.callback()
def _keys() -> None:
    """Signing keys."""


@key_app.command("new")
def new(
    selector: Annotated[str, typer.Argument(metavar="SELECTOR", help="The new key's name in the DNS, such as pm2.")],
    algorithm: Annotated[
        Algorithm, typer.Option(help="RSA-2048, which everybody can check, or Ed25519.")
    ] = Algorithm.RSA,
    as_json: AsJson = False,
) -> None:
    """Make a signing key beside those that are there; nothing is overwritten, and it signs when the setting names it."""
    kind = SigningAlgorithm.RSA_SHA256 if algorithm is Algorithm.RSA else SigningAlgorithm.ED25519_SHA256
    record = make_key(load(), selector, kind)
    if as_json:
        say_json(_record_json(record))
        return
    say(record.zone_line())
    say(
        f'\nMade. Publish this record, wait until `postmuster dns check` finds it, then set relay.dkim_selector = "{selector}" '
        "and restart `postmuster up`. Leave the old record published."
    )


def _record_json(record: DnsRecord) -> dict[str, object]:
    return {
        "purpose": record.purpose,
        "name": record.name,
        "type": record.kind,
        "value": record.value,
        "strings": list(record.strings()) if record.kind == "TXT" else [],
        "ready": record.is_ready,
        "selector": record.selector or None,
        "signs": record.signs,
        "note": record.note,
    }


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "purpose": finding.record.purpose,
        "name": finding.record.name,
        "type": finding.record.kind,
        "outcome": finding.outcome,
        "sentence": finding.sentence,
        "wanted": finding.record.value if finding.record.is_ready else None,
        "published": list(finding.published),
    }
