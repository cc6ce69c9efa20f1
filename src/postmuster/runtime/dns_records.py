"""What has to stand in the DNS so that our mail is believed and answers find us: the records, and their form in a zone file.

For whom: the operator (`postmuster dns`), and `dns_check`, which compares.

What it says. SPF for the domain of envelope senders; DKIM for every key in the key folder; DMARC for the domain in From; MX for
the domains of replies and of reports. What only the operator knows (from where the relay sends, which host takes mail in) comes
from the settings or from arguments; without it the record is `is_ready` = False and stands as a comment.

Rotation. The setting names the key that signs; all others in the folder stay published, because mail signed with them is still
under way or still being verified. One that does not sign may be withdrawn when no such mail is left.

Promises: pure but for the key folder, which is read; no private key leaves. Text of a TXT record over 255 octets stands in
several strings.
Limits: one organisation domain; MTA-STS, TLS reporting and the record of the relay's own greeting name are the relay's.

Sources: RFC 1035 §3.3.9, §3.3.14, §5.1; RFC 6376 §3.6.2; RFC 7208 §3.3, §5; RFC 9989 §4.7 (DMARC).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network
from typing import Final

from postmuster.base.errors import Refused
from postmuster.mail import dkim
from postmuster.settings import Settings, keys

STRING_OCTETS: Final = 255  # RFC 1035 §3.3: a character-string has one octet for its length
PREFERENCE: Final = 10
POLICY: Final = "v=DMARC1; p=reject"
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_MECHANISM: Final = re.compile(r"(?:include:|exists:|a(?=[:/]|\Z)|mx(?=[:/]|\Z))[!#-\[\]-~]*")
_SECONDS_A_DAY: Final = 86_400


class Purpose(StrEnum):
    """What a record is for."""

    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    MX = "mx"


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record: whole as it has to be published, unless something is not known yet (`is_ready` is False)."""

    purpose: Purpose
    name: str
    kind: str  # TXT or MX
    value: str
    note: str
    is_ready: bool = True
    selector: str = ""
    signs: bool = False

    def strings(self) -> tuple[str, ...]:
        """The strings of a TXT record; its value is ASCII."""
        return tuple(self.value[place : place + STRING_OCTETS] for place in range(0, len(self.value), STRING_OCTETS))

    def zone_line(self) -> str:
        """The record as a zone file has it; a comment where it is not ready."""
        data = f"{self.value}." if self.kind == "MX" else " ".join(map(_quoted, self.strings()))
        if len(data) > STRING_OCTETS:
            data = f"( {data} )"
        return f"{'' if self.is_ready else '; '}{self.name}. IN {self.kind} {data}"


@dataclass(frozen=True, slots=True)
class Publication:
    """Everything that has to be published."""

    records: tuple[DnsRecord, ...]

    @property
    def withdrawable(self) -> tuple[str, ...]:
        """The selectors of keys that do not sign."""
        return tuple(one.selector for one in self.records if one.selector and not one.signs)

    def text(self) -> str:
        """The records in the form of a zone file, each below what it is for."""
        return "\n\n".join(f"; {one.note}\n{one.zone_line()}" for one in self.records) + "\n"


def publication(settings: Settings, *, relay_ips: Sequence[str] = (), mx_host: str = "") -> Publication:
    """The records that follow from the settings, the key folder and what the operator adds. Raises `Refused`."""
    return Publication(
        (_spf(settings, relay_ips), *_keys(settings), _dmarc(settings), *_ways_in(settings, mx_host)),
    )


def make_key(settings: Settings, selector: str, algorithm: dkim.SigningAlgorithm) -> DnsRecord:
    """Make a key beside those that are there, and return its record. Raises `Refused`; never overwrites."""
    if not dkim.is_selector(selector):
        raise Refused(
            "The selector is no name in the DNS; no key was made; use small letters, digits and dashes, such as pm2."
        )
    pem = dkim.make_key(algorithm)
    try:
        keys.write_new(keys.dkim_key_file(settings.key_dir, selector), pem)
    except FileExistsError:
        raise Refused(
            f"There is a key for the selector {selector} already; it was kept as it is; choose another selector."
        ) from None
    except OSError as error:
        raise Refused(
            f"The key could not be written to {settings.key_dir} ({error.strerror}); none was made; mend the folder."
        ) from None
    return _key(settings, selector, pem, signs=selector in _signing(settings))


def _spf(settings: Settings, relay_ips: Sequence[str]) -> DnsRecord:
    known = [*map(_mechanism, settings.relay.spf_mechanisms.split()), *map(_of_ip, relay_ips)]
    known = list(dict.fromkeys(known))
    note = "SPF: from where envelope senders are sent; nobody else may."
    if not known:
        note += " Not ready: say it with --relay-ip or relay.spf_mechanisms."
    words = ["v=spf1", *(known or ["ADDRESSES-OF-THE-RELAY"]), "-all"]
    return DnsRecord(Purpose.SPF, settings.relay.bounce_domain, "TXT", " ".join(words), note, is_ready=bool(known))


def _mechanism(text: str) -> str:
    kind, _, rest = text.partition(":")
    if kind in ("ip4", "ip6"):
        written = _network(rest)
        if written is not None and written.startswith(kind):
            return written
    if _MECHANISM.fullmatch(text):
        return text
    raise Refused(
        "The setting relay.spf_mechanisms has a word that is none of ip4:, ip6:, a, mx, include:, exists:; nothing was printed; "
        "correct it."
    )


def _of_ip(text: str) -> str:
    written = _network(text)
    if written is None:
        raise Refused("--relay-ip is no address and no network; nothing was printed; it looks like 192.0.2.1.")
    return written


def _network(text: str) -> str | None:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    written = str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
    return f"ip{network.version}:{written}"


def _keys(settings: Settings) -> Iterator[DnsRecord]:
    signing = _signing(settings)
    for selector in dict.fromkeys([*signing, *keys.dkim_selectors(settings.key_dir)]):
        pem = keys.read_dkim_key(settings.key_dir, selector)
        yield _key(settings, selector, pem, signs=selector in signing)


def _signing(settings: Settings) -> tuple[str, ...]:
    """The selectors of the keys that sign."""
    relay = settings.relay
    if relay.signs:
        return ()
    if relay.dkim_selector == relay.dkim_second_selector:
        raise Refused(
            "The settings relay.dkim_selector and relay.dkim_second_selector name one key; nothing was done; empty the second."
        )
    return tuple(filter(None, (relay.dkim_selector, relay.dkim_second_selector)))


def _key(settings: Settings, selector: str, pem: bytes, *, signs: bool) -> DnsRecord:
    name = f"{selector}._domainkey.{settings.relay.dkim_domain}"
    note = _key_note(settings, selector, signs=signs)
    return DnsRecord(Purpose.DKIM, name, "TXT", dkim.public_record(pem), note, selector=selector, signs=signs)


def _key_note(settings: Settings, selector: str, *, signs: bool) -> str:
    if signs:
        return f"DKIM: the key {selector} signs."
    days = -(-settings.relay.give_up_after_s // _SECONDS_A_DAY)
    return (
        f"DKIM: the key {selector} does not sign. Publish it before relay.dkim_selector names it; one that has signed may be "
        f"withdrawn {days} days after its last mail."
    )


def _dmarc(settings: Settings) -> DnsRecord:
    name = f"_dmarc.{settings.organisation.domain}"
    note = "DMARC: mail in our name that we have not signed is to be refused. Alignment is relaxed, as is the default."
    return DnsRecord(Purpose.DMARC, name, "TXT", POLICY, note)


def _ways_in(settings: Settings, mx_host: str) -> Iterator[DnsRecord]:
    host = (mx_host or settings.intake.mx_host).rstrip(".").lower()
    if host and not _HOST.fullmatch(host):
        raise Refused("The MX is no host name; nothing was printed; it looks like mx.agency.example.")
    lacking = "" if host else " Not ready: name the MTA in front with --mx or intake.mx_host."
    ways = {settings.intake.domain: "replies", settings.relay.bounce_domain: "reports"}
    if settings.intake.domain == settings.relay.bounce_domain:
        ways = {settings.intake.domain: "replies and reports"}
    for domain, what in ways.items():
        value = f"{PREFERENCE} {host or 'HOST-OF-THE-MTA-IN-FRONT'}"
        yield DnsRecord(Purpose.MX, domain, "MX", value, f"MX: {what} come in here.{lacking}", is_ready=bool(host))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
