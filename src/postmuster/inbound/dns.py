"""TXT records for the authentication of what comes in: the one door to DNS.

A `Lookup` answers a name with the text of its first TXT record that exists, None where there is none, and raises
`LookupTrouble` when nobody answered; trouble is never taken for an answer. In closed networks and rehearsals a zone file
(JSON: name → text or list of texts) takes the resolver's place. Answers are kept for `KEEP_S`, at most `MAX_KEPT` of them.

Sources: RFC 1035 §3.3.14 (TXT), RFC 6376 §3.6.2.2 and RFC 7208 §3.3 (strings of one record are joined).
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

import dns.exception
import dns.resolver

from postmuster.base.errors import Refused
from postmuster.settings import Settings

KEEP_S: Final = 300  # shorter than most records' own time to live
MAX_KEPT: Final = 10_000
ZONE_OCTETS: Final = 16 * 1024 * 1024

Lookup = Callable[[str], str | None]


class LookupTrouble(OSError):
    """Nobody answered; it may be different later."""


def open_lookup(settings: Settings) -> Lookup:
    """The lookup the settings ask for; `Refused` when the zone file cannot be read."""
    ours = settings.authentication
    if ours.zone_file:
        return _zone(settings.home / ours.zone_file)
    resolver = dns.resolver.Resolver(configure=not ours.resolver)
    if ours.resolver:
        resolver.nameservers = [ours.resolver]
    resolver.lifetime = float(ours.timeout_s)
    return _Kept(lambda name: _ask(resolver, name))


def _zone(file: Path) -> Lookup:
    try:
        if file.stat().st_size > ZONE_OCTETS:
            raise ValueError("it is too large")
        given = json.loads(file.read_text(encoding="utf-8"))
        records = {str(name).rstrip(".").lower(): _first(texts) for name, texts in given.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise Refused(f"The zone file {file} could not be read ({error}); nothing was done; mend it.") from None
    return lambda name: records.get(name.rstrip(".").lower())


def _first(texts: object) -> str:
    found = texts[0] if isinstance(texts, list) and texts else texts
    if not isinstance(found, str):
        raise ValueError("a record is no text")
    return found


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
