"""What a worker has at hand: settings, clock, keys. Opened once a process and handed down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeVar

from postmuster.base.clock import Clock
from postmuster.base.errors import Defect
from postmuster.inbound.dns import Lookup, open_lookup
from postmuster.mail.batch_signing import Library
from postmuster.mail.dkim import DkimSigner, load_signer
from postmuster.mail.smtp_auth import Credentials
from postmuster.outbound import crypto_mb
from postmuster.outbound.copies import Names, SigningKeys
from postmuster.outbound.relay_values import RelayAddress, Tls
from postmuster.replies.matching import Keys
from postmuster.settings import Settings
from postmuster.settings.keys import read_dkim_key, read_relay_password, read_token_keys
from postmuster.vault.keyring import Keyring, read_keyring

T = TypeVar("T")


class Kept(Generic[T]):
    """One value that a process made for itself and that holds as long as its key stays the same."""

    def __init__(self) -> None:
        self._kept: tuple[int, T] | None = None

    def get(self, key: int, make: Callable[[], T]) -> T:
        kept = self._kept
        if kept is None or kept[0] != key:
            kept = self._kept = (key, make())
        return kept[1]


@dataclass(frozen=True, slots=True)
class Desk:
    """One process's tools. `leaving` is set when the process is asked to go: the window at hand is the last."""

    settings: Settings
    clock: Clock
    keyring: Keyring = field(repr=False)
    signing: SigningKeys = field(repr=False)
    tokens: Mapping[int, bytes] = field(repr=False)
    txt: Lookup = field(repr=False)
    leaving: threading.Event = field(default_factory=threading.Event)
    subjects: Kept[Mapping[str, frozenset[int]]] = field(default_factory=Kept, repr=False)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def names(self) -> Names:
        settings = self.settings
        return Names(
            domain=settings.organisation.domain,
            reply_domain=settings.intake.domain,
            reply_name=settings.intake.reply_local_part,
            bounce_domain=settings.relay.bounce_domain,
            separator=settings.intake.subaddress_separator,
            time_zone=settings.organisation.time_zone,
            token_days=settings.intake.token_days,
        )

    @property
    def matching(self) -> Keys:
        intake = self.settings.intake
        return Keys(
            self.tokens, self.settings.organisation.domain, intake.reply_local_part, intake.subaddress_separator
        )

    @property
    def relay(self) -> RelayAddress:
        return relay_address(self.settings)


@dataclass(frozen=True, slots=True)
class DoorDesk:
    """What the door has at hand: enough to seal what comes in, and no key that signs anything."""

    clock: Clock
    keyring: Keyring = field(repr=False)

    @property
    def now(self) -> datetime:
        return self.clock.now()


def open_door_desk(settings: Settings, clock: Clock) -> DoorDesk:
    """Read the master epochs; `Refused` names the file that is missing or damaged."""
    return DoorDesk(clock, read_keyring(settings.key_dir))


def open_desk(settings: Settings, clock: Clock) -> Desk:
    """Read the keys; `Refused` names the file that is missing or damaged."""
    tokens = read_token_keys(settings.key_dir)
    relay = settings.relay
    signer = None if relay.signs else _signer(settings)
    signing = SigningKeys(tokens.current, tokens.current_key, signer)
    return Desk(settings, clock, read_keyring(settings.key_dir), signing, tokens.keys, open_lookup(settings))


def _signer(settings: Settings) -> DkimSigner:
    """The newest key, with a second signature where one is wished, and eight at once where machine and library can."""
    relay = settings.relay

    def load(selector: str, second: DkimSigner | None, library: Library | None) -> DkimSigner:
        pem = read_dkim_key(settings.key_dir, selector)
        return load_signer(pem, domain=relay.dkim_domain, selector=selector, library=library, second=second)

    second = load(relay.dkim_second_selector, None, None) if relay.dkim_second_selector else None
    return load(relay.dkim_selector, second, crypto_mb.open_library() if relay.sign_in_batches else None)


def relay_address(settings: Settings) -> RelayAddress:
    """Where the relay is and how we reach it; `Refused` names a password file that is missing or others may read."""
    relay = settings.relay
    credentials = Credentials(relay.user, read_relay_password(settings.key_dir)) if relay.user else None
    ca_file = str(settings.home / relay.ca_file) if relay.ca_file else ""
    return RelayAddress(relay.host, relay.port, relay.ehlo_name, Tls(relay.tls), ca_file, credentials)


_OPEN: Final[list[Desk]] = []  # jobs are given ids only, so the process's one desk is found here


def take_place(desk: Desk) -> None:
    """Make this the desk of the process's jobs."""
    _OPEN[:] = [desk]


def at_hand() -> Desk:
    if not _OPEN:
        raise Defect("A job was run outside a worker; nothing was done; start it with `postmuster up`.")
    return _OPEN[0]
