"""What `postmuster init` does: settings file, keys, database, first officer.

Promises. Nothing that exists is overwritten: a second run makes what is missing and says what it kept. A key that is missing
while the database already knows of acts is not made anew: mail sealed or signed under the lost one needs that one back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.mail import dkim
from postmuster.mail.address import AddrSpec, parse_addr_spec
from postmuster.runtime import database
from postmuster.runtime.place import Tell
from postmuster.runtime.postgres import say
from postmuster.settings import LAST_PORT, Settings, keys, load, reference
from postmuster.vault import keyring

database.ready_models()

from postmuster.access.actions import add_officer  # noqa: E402 - models exist only now
from postmuster.access.queries import officers  # noqa: E402
from postmuster.access.roles import Role  # noqa: E402
from postmuster.runtime import identity  # noqa: E402

FIRST = 1  # number of the first master epoch and of the first token key
DEFAULT_RELAY_PORT = 25


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person who sets it up says; what is left empty keeps its default."""

    domain: str = ""
    relay: str = ""
    intake_address: str = ""
    authserv_id: str = ""
    officer: str = ""
    officer_address: str = ""
    officer_name: str = ""


@dataclass(frozen=True, slots=True)
class SetUp:
    """What there is now: made by this run or kept as it was found."""

    settings: Settings
    made: tuple[str, ...]
    kept: tuple[str, ...]
    dkim_name: str
    dkim_record: str
    next_commands: tuple[str, ...]


@dataclass(slots=True)
class _Account:
    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def note(self, what: str, *, made: bool) -> None:
        (self.made if made else self.kept).append(what)


def set_up(file: Path, wish: Wish, *, now: datetime, tell: Tell = say) -> SetUp:
    """Make everything that a first notice needs. Raises `Refused` for a wish that cannot be, before anything is made."""
    account = _Account()
    given = dict(read_wish(wish))
    settings = _settings(file, given, account)
    settings.key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database.prepare(settings, tell=tell)
    account.note("database", made=_is_new())
    _keys(settings, account, may_make=_is_new())
    officer = _officer(wish, account, now)
    identity.verify_aloud(settings, actor="init", now=now, tell=tell)
    record = dkim.public_record(keys.read_dkim_key(settings.key_dir, settings.relay.dkim_selector))
    return SetUp(
        settings=settings,
        made=tuple(account.made),
        kept=tuple(account.kept),
        dkim_name=f"{settings.relay.dkim_selector}._domainkey.{settings.relay.dkim_domain}",
        dkim_record=record,
        next_commands=next_commands(officer),
    )


def read_wish(wish: Wish) -> Iterator[tuple[str, Any]]:
    """The settings that the wish stands for, by key. Raises `Refused` for what cannot be."""
    if wish.domain:
        domain = _domain(wish.domain)
        yield "organisation.domain", domain
        yield "relay.dkim_domain", domain
        yield "relay.bounce_domain", f"bounce.{domain}"
        yield "intake.domain", f"reply.{domain}"
    if wish.relay:
        host, port = _host_and_port(wish.relay)
        yield "relay.host", host
        yield "relay.port", port
    if wish.intake_address:
        address = _address(wish.intake_address, "--intake-address", "reply@reply.agency.example")
        yield "intake.reply_local_part", address.local_part
        yield "intake.domain", address.domain
    if wish.authserv_id:
        yield "intake.authserv_id", wish.authserv_id
    if wish.officer_address:
        _address(wish.officer_address, "--officer-address", "ove@agency.example")


def next_commands(officer: str) -> tuple[str, ...]:
    """The three commands that come next, ready to be typed."""
    who = officer or "OFFICER"
    return (
        "postmuster check",
        f"postmuster roster load people.csv --as {who}",
        "postmuster up",
    )


def _settings(file: Path, given: Mapping[str, Any], account: _Account) -> Settings:
    made = not file.exists()
    if made:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(reference.file_text(given))
    account.note(f"settings file {file}", made=made)
    return load(file)


def _keys(settings: Settings, account: _Account, *, may_make: bool) -> None:
    folder, selector = settings.key_dir, settings.relay.dkim_selector
    folder.chmod(0o700)
    epoch = bool(list(folder.glob("epoch-*.key")))
    token = bool(list(folder.glob("token-*.key")))
    signing = keys.dkim_key_file(folder, selector).exists()
    for there, what in ((epoch, "master epoch"), (token, "token key"), (signing, f"DKIM key for {selector}")):
        if not there and not may_make:
            raise Refused(
                f"The {what} is not in {folder} although this database has been in use; nothing was made; "
                "put the key file back from your backup."
            )
        account.note(what, made=not there)
    if not epoch:
        keyring.make_epoch(folder, FIRST)
    if not token:
        keys.make_token_key(folder, FIRST)
    if not signing:
        pem = dkim.make_key(dkim.SigningAlgorithm.RSA_SHA256)
        keys.write_new(keys.dkim_key_file(folder, selector), pem)


def _is_new() -> bool:
    """True while no act has been recorded."""
    return not sql.value("SELECT EXISTS (SELECT FROM ledger_entry)")


def _officer(wish: Wish, account: _Account, now: datetime) -> str:
    operators = [each.handle for each in officers() if Role.OPERATOR in each.roles]
    if operators or not wish.officer:
        account.kept.extend(f"officer {handle}" for handle in operators[:1])
        return operators[0] if operators else ""
    add_officer(
        handle=wish.officer,
        name=wish.officer_name,
        address=wish.officer_address,
        roles=[Role.OPERATOR],
        component_path="",
        by="",
        now=now,
    )
    account.made.append(f"officer {wish.officer}")
    return wish.officer


def _address(text: str, flag: str, example: str) -> AddrSpec:
    address = parse_addr_spec(text)
    if not isinstance(address, AddrSpec):
        raise Refused(f"{flag} is no address ({address.value}); nothing was made; it looks like {example}.")
    return address


def _domain(text: str) -> str:
    address = parse_addr_spec(f"postmaster@{text}")
    if not isinstance(address, AddrSpec):
        raise Refused("--domain is no domain; nothing was made; it looks like agency.example.")
    return address.domain


def _host_and_port(text: str) -> tuple[str, int]:
    """`host`, `host:port`, `[::1]:port` or a bare IPv6 address."""
    host, port = text, str(DEFAULT_RELAY_PORT)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host.strip() or not (port.isascii() and port.isdigit() and 1 <= int(port) <= LAST_PORT):
        raise Refused("--relay is no place to send to; nothing was made; it looks like relay.agency.example:25.")
    return host, int(port)
