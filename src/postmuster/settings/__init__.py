"""Configuration, read once and passed down as frozen values.

The settings file is TOML; `postmuster init` writes one with a comment on every key. It is found by `POSTMUSTER_SETTINGS`
or is `postmuster.toml` in the working folder. Only this package reads and writes the environment (`POSTMUSTER_SETTINGS`,
`POSTMUSTER_ROLE`, `POSTMUSTER_CLOCK`, `DATABASE_URL`). Unknown keys are refused: a limit misspelt is a limit not kept.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import tomllib
import types
import typing
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postmuster.base.errors import Refused

SETTINGS_VARIABLE = "POSTMUSTER_SETTINGS"
ROLE_VARIABLE = "POSTMUSTER_ROLE"
CLOCK_VARIABLE = "POSTMUSTER_CLOCK"
DATABASE_VARIABLE = "DATABASE_URL"
DEFAULT_FILE = "postmuster.toml"
LAST_PORT = 65_535
MOST_START_HOURS = 8_760  # a year
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_NAMES = 100  # servers or domains in one list
LARGEST_NUMBER = 2**31 - 1  # every number goes into a column of 32 bits or a timeout of seconds


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who writes."""

    name: str = "The organisation"
    domain: str = "agency.example"
    time_zone: str = "UTC"
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Relay:
    """Where mail leaves: a submission service that owns the queues to the world."""

    host: str = "127.0.0.1"
    port: int = 25
    ehlo_name: str = "localhost"
    tls: str = "none"
    ca_file: str = ""
    user: str = ""
    bounce_domain: str = "bounce.agency.example"
    dkim_domain: str = "agency.example"
    dkim_selector: str = "pm1"
    dkim_second_selector: str = ""
    spf_mechanisms: str = ""
    signs: bool = False
    sign_in_batches: bool = True
    connections: int = 4
    max_in_relay: int = 2000
    adapter: str = ""
    postfix_config_dir: str = ""
    depth_command: str = ""
    rate_per_s: int = 0
    hold_command: str = ""
    release_command: str = ""
    command_limit_s: int = 10
    first_retry_s: int = 300
    give_up_after_s: int = 345_600


@dataclass(frozen=True, slots=True)
class Intake:
    """Where replies and reports come in, by LMTP from the MTA in front."""

    host: str = "127.0.0.1"
    port: int = 2424
    domain: str = "reply.agency.example"
    mx_host: str = ""
    reply_local_part: str = "reply"
    subaddress_separator: str = "+"
    authserv_id: str = ""
    more_authserv_ids: tuple[str, ...] = ()
    internal_hops: tuple[str, ...] = ()
    trusted_sealers: tuple[str, ...] = ()
    max_message_octets: int = 52_428_800
    token_days: int = 400


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Mail that is fetched from mailboxes besides the door, and when we are behind with it."""

    maildir: str = ""
    every_s: int = 60
    late_after_s: int = 900


@dataclass(frozen=True, slots=True)
class Imap:
    """A mailbox on another machine; the password is a file in the key folder."""

    host: str = ""
    port: int = 993
    tls: str = "implicit"
    ca_file: str = ""
    user: str = ""
    folder: str = "INBOX"
    when_taken: str = "seen"
    taken_folder: str = ""
    timeout_s: int = 60


@dataclass(frozen=True, slots=True)
class Work:
    """How much one machine does at once."""

    workers: int = 2
    batch_rows: int = 500
    lease_s: int = 60
    digest_batch_rows: int = 50
    letter_window_s: int = 86_400
    case_claim_s: int = 1_800
    start_within_hours: int = 168


@dataclass(frozen=True, slots=True)
class Hours:
    """When nobody is written to, each by the clock of their own zone: a span of every day, and whole days."""

    quiet_from: str = "20:00"
    quiet_until: str = "07:00"
    quiet_days: tuple[str, ...] = ("saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Authentication:
    """Where DNS answers come from: `zone_file` names a JSON file of TXT records for closed networks and rehearsals."""

    zone_file: str = ""
    resolver: str = ""
    timeout_s: int = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; `file` is where they were read, `home` its folder, against which relative places are taken."""

    file: Path
    organisation: Organisation = field(default_factory=Organisation)
    relay: Relay = field(default_factory=Relay)
    intake: Intake = field(default_factory=Intake)
    mailbox: Mailbox = field(default_factory=Mailbox)
    imap: Imap = field(default_factory=Imap)
    work: Work = field(default_factory=Work)
    hours: Hours = field(default_factory=Hours)
    authentication: Authentication = field(default_factory=Authentication)
    data: str = "var"
    keys: str = "keys"

    @property
    def home(self) -> Path:
        return self.file.parent

    @property
    def data_dir(self) -> Path:
        return self.home / self.data

    @property
    def key_dir(self) -> Path:
        return self.home / self.keys

    @property
    def logins_file(self) -> Path:
        """Where the roles' logins to the database are kept (mode 0600)."""
        return self.key_dir / "database.json"


def settings_path() -> Path:
    return Path(os.environ.get(SETTINGS_VARIABLE) or DEFAULT_FILE).absolute()


def load(path: Path | None = None) -> Settings:
    """Read the settings file; `Refused` names the key that is wrong."""
    file = (path or settings_path()).absolute()
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(f"There is no settings file at {file}; nothing was done; run `postmuster init` first.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Refused(f"The settings file {file} could not be read ({error}); nothing was done; mend it.") from None
    if "file" in given:
        raise Refused("The settings file has an unknown key “file”; take it out.")
    return typing.cast(Settings, _fill(Settings, given | {"file": file}, where=""))


def _fill(shape: type[Any], given: dict[str, Any], where: str) -> object:
    hints = typing.get_type_hints(shape)
    for key in given:
        if key not in hints:
            known = ", ".join(sorted(set(hints) - {"file"}))
            raise Refused(f"The settings file has an unknown key “{where}{key}”; known here are {known}.")
    values = {key: _value(hints[key], value, f"{where}{key}") for key, value in given.items()}
    return shape(**values)


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise Refused(f"The settings key “{where}” is a section; write it as [{where}].")
        return _fill(typing.cast(type[Any], hint), value, f"{where}.")
    wanted = typing.get_origin(hint) or hint
    if wanted is tuple:
        value = _words(value, where)
    if (
        isinstance(wanted, types.UnionType)
        or not isinstance(value, wanted)
        or isinstance(value, bool) != (hint is bool)
    ):
        raise Refused(f"The settings key “{where}” must be {getattr(hint, '__name__', hint)}; it is {value!r}.")
    least, most = (0 if where in _MAY_BE_ZERO else 1), (LAST_PORT if where.endswith("port") else LARGEST_NUMBER)
    if wanted is int and not least <= value <= most:
        raise Refused(f"The settings key “{where}” is out of range; it is {value}.")
    if where in _ONE_OF and not _ONE_OF[where](value):
        raise Refused(f"The settings key “{where}” cannot be {value!r}; docs/settings.md says what it can be.")
    return value


def _words(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise Refused(f"The settings key “{where}” must be a list of words in quotation marks; it is {value!r}.")
    return tuple(value)


def _is_time(text: str) -> bool:
    return not text or re.fullmatch(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", text) is not None


def _is_rest(days: tuple[str, ...]) -> bool:
    """Weekdays, each once, and not all of them: then nobody could ever be written to."""
    return set(days) < set(WEEKDAYS) and len(set(days)) == len(days)


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _are_names(words: tuple[str, ...]) -> bool:
    """Names of hosts or domains, each once, at most `MOST_NAMES`."""
    return len(words) <= MOST_NAMES and len(set(words)) == len(words) and all(map(_NAME.fullmatch, words))


def _are_hops(entries: tuple[str, ...]) -> bool:
    """Addresses, ranges of addresses or names of our own servers, each with domains behind it or without."""
    if len(entries) > MOST_NAMES:
        return False
    for entry in entries:
        server, *domains = entry.split() or ("-",)
        try:
            ipaddress.ip_network(server)
        except ValueError:
            if re.fullmatch(r"[0-9.:/]+", server) or not _NAME.fullmatch(server):
                return False
        if not _are_names(tuple(domains)):
            return False
    return True


_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_MAY_BE_ZERO = ("intake.port", "relay.rate_per_s")
_ONE_OF: dict[str, Callable[[Any], bool]] = {
    "organisation.time_zone": _is_zone,
    "relay.tls": lambda text: text in ("none", "starttls", "implicit"),
    "relay.adapter": lambda text: text in ("", "postfix"),
    "imap.tls": lambda text: text in ("none", "starttls", "implicit"),
    "imap.when_taken": lambda text: text in ("seen", "move", "leave"),
    "intake.more_authserv_ids": _are_names,
    "intake.internal_hops": _are_hops,
    "intake.trusted_sealers": _are_names,
    "intake.reply_local_part": lambda text: re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,23}", text) is not None,
    "intake.subaddress_separator": lambda text: text in tuple("+-=_."),
    "hours.quiet_from": _is_time,
    "hours.quiet_until": _is_time,
    "hours.quiet_days": _is_rest,
    "work.start_within_hours": lambda hours: int(hours) <= MOST_START_HOURS,
}


def clock_path() -> str | None:
    """The file of a stepped clock that this process lives by, or None for the machine's own time."""
    return os.environ.get(CLOCK_VARIABLE) or None


def adopt(*, file: Path | None = None, role: str | None = None) -> None:
    """Make this process, and those it starts, use this settings file and log in to the database as this role."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "postmuster.settings.django"
    if file is not None:
        os.environ[SETTINGS_VARIABLE] = str(file)
    if role is not None:
        os.environ[ROLE_VARIABLE] = role


def database_url() -> str | None:
    """The address of a database server that is not ours to start, or None for the embedded one."""
    return os.environ.get(DATABASE_VARIABLE) or None


def process_environment(settings: Settings, *, role: str, clock: str | None = None) -> dict[str, str]:
    """The environment of a process of ours: what this one has, with its settings file, database role and clock."""
    given = {SETTINGS_VARIABLE: str(settings.file), ROLE_VARIABLE: role}
    kept = {key: value for key, value in os.environ.items() if key != CLOCK_VARIABLE}
    return kept | given | ({CLOCK_VARIABLE: clock} if clock else {})
