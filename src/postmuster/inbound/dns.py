"""DNS answers for the authentication of what comes in, and for `postmuster dns check`: the one door to DNS.

A `Lookup` answers a name with the text of its first TXT record that exists, None where there is none, and raises
`LookupTrouble` when nobody answered; trouble is never taken for an answer. In closed networks and rehearsals a zone file
(JSON: name → text or list of texts) takes the resolver's place. Answers are kept for `KEEP_S`, at most `MAX_KEPT` of them.

An `Inquiry` is for whoever compares what is published with what should be: it gives every record of a kind (TXT or MX), and
keeps nothing. A zone file has no MX, which is trouble like no answer.

Sources: RFC 1035 §3.3.14 (TXT), RFC 6376 §3.6.2.2 and RFC 7208 §3.3 (strings of one record are joined).
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import dns.exception
import dns.resolver

from postmuster.base.errors import Refused
from postmuster.settings import LAST_PORT, Authentication, Settings

KEEP_S: Final = 300  # shorter than most records' own time to live
MAX_KEPT: Final = 10_000
ZONE_OCTETS: Final = 16 * 1024 * 1024
DNS_PORT: Final = 53

Lookup = Callable[[str], str | None]
Inquiry = Callable[[str, str], tuple[str, ...]]  # name and kind → each record; MX as "10 mx.agency.example"


class LookupTrouble(OSError):
    """Nobody answered; it may be different later."""


def open_lookup(settings: Settings) -> Lookup:
    """The lookup the settings ask for; `Refused` when the zone file cannot be read."""
    ours = settings.authentication
    if ours.zone_file:
        return _zone(settings.home / ours.zone_file)
    resolver = _resolver(ours)
    return _Kept(lambda name: _ask(resolver, name))


def open_inquiry(settings: Settings) -> Inquiry:
    """The inquiry the settings ask for; `Refused` when the zone file cannot be read or there is no resolver to ask."""
    ours = settings.authentication
    if ours.zone_file:
        return _zone_inquiry(settings.home / ours.zone_file)
    resolver = _resolver(ours)
    return lambda name, kind: _ask_all(resolver, name, kind)


def _resolver(ours: Authentication) -> dns.resolver.Resolver:
    try:
        resolver = dns.resolver.Resolver(configure=not ours.resolver)
        if ours.resolver:
            address, resolver.port = _address_and_port(ours.resolver)
            resolver.nameservers = [address]
    except (ValueError, dns.exception.DNSException):
        raise Refused(
            "There is no DNS server to ask; nothing was done; set authentication.resolver to its address, such as 127.0.0.1 or "
            "127.0.0.1:5353."
        ) from None
    resolver.lifetime = float(ours.timeout_s)
    return resolver


def _address_and_port(text: str) -> tuple[str, int]:
    """`address`, `address:port` or `[address of IPv6]:port`; `ValueError` for anything else."""
    address, port = text, str(DNS_PORT)
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= LAST_PORT):
        raise ValueError("no port")
    return str(ip_address(address)), int(port)


def _zone_inquiry(file: Path) -> Inquiry:
    every = _read_zone(file)

    def answer(name: str, kind: str) -> tuple[str, ...]:
        if kind != "TXT":
            raise LookupTrouble("the zone file holds TXT records only")
        return every.get(name.rstrip(".").lower(), ())

    return answer


def _read_zone(file: Path) -> dict[str, tuple[str, ...]]:
    try:
        if file.stat().st_size > ZONE_OCTETS:
            raise ValueError("it is too large")
        given = json.loads(file.read_text(encoding="utf-8"))
        return {str(name).rstrip(".").lower(): _texts(texts) for name, texts in given.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise Refused(f"The zone file {file} could not be read ({error}); nothing was done; mend it.") from None


def _texts(given: object) -> tuple[str, ...]:
    texts = given if isinstance(given, list) and given else [given]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a record is no text")
    return tuple(texts)


def _zone(file: Path) -> Lookup:
    records = {name: texts[0] for name, texts in _read_zone(file).items()}
    return lambda name: records.get(name.rstrip(".").lower())


def _ask(resolver: dns.resolver.Resolver, name: str) -> str | None:
    try:
        answer = resolver.resolve(name.rstrip(".") + ".", "TXT")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.exception.SyntaxError, UnicodeError):
        return None
    except dns.exception.DNSException:
        raise LookupTrouble("no answer from DNS") from None
    for record in answer:
        return b"".join(record.strings).decode("utf-8", "replace")
    return None


def _ask_all(resolver: dns.resolver.Resolver, name: str, kind: str) -> tuple[str, ...]:
    try:
        answer = resolver.resolve(name.rstrip(".") + ".", kind)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return ()
    except dns.resolver.LifetimeTimeout:
        raise LookupTrouble(f"nobody answered within {resolver.lifetime:g} s") from None
    except (dns.exception.DNSException, UnicodeError, OSError):
        raise LookupTrouble("the DNS server gave no answer that can be used") from None
    if kind == "MX":
        return tuple(f"{one.preference} {one.exchange.to_text(omit_final_dot=True)}" for one in answer)
    return tuple(b"".join(one.strings).decode("utf-8", "replace") for one in answer)


class _Kept:
    """Remembers answers for a while; used by the threads of one process."""

    def __init__(self, ask: Lookup) -> None:
        self._ask = ask
        self._kept: OrderedDict[str, tuple[float, str | None]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> str | None:
        key, now = name.rstrip(".").lower(), time.monotonic()
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and now - kept[0] < KEEP_S:
            return kept[1]
        found = self._ask(key)
        with self._lock:
            self._kept[key] = (now, found)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return found
