"""Read Received fields, and say which of them our own servers wrote.

What for: what a mail's header says of how it came here is believed only as far up as our own servers wrote it.

Trust. A server puts its Received above everything that was there, with the address of the client it took the mail from; a
client can write what it likes below that, but not that address. The top-most Received is by the server in front of us:
nobody else reaches our intake. Where the client it names is one of our own servers (`intake.internal_hops`, or the same
machine), the next Received is by that server, and so on; the first whose client is no server of ours is by the border, and
what stands below it the client wrote. Names that a client gives itself (HELO) are never read.

A *submission* is a mail whose last Received of ours says that the client had logged in (RFC 3848: ESMTPA, ESMTPSA and
their kin), at a server that the settings name as one that lets everybody write in their own name only.

Promises: never raises; linear; at most `MAX_TRUSTED` fields of `MAX_FIELD_CHARS`. What cannot be read for sure (two
addresses where one should stand) is no address, and trust ends there.

Sources: RFC 5321 §4.4 (trace fields), RFC 3848 and RFC 6531 §3.7.3 (with), RFC 5322 §3.2.2 (comments).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

MAX_TRUSTED: Final = 10  # ours: servers of one organisation that a mail passes
MAX_FIELD_CHARS: Final = 4_096  # ours: of one field; in use: under 500
MAX_TOKENS: Final = 60  # ours: words and comments of one field that are looked at

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOGGED_IN: Final = frozenset(
    {"esmtpa", "esmtpsa", "lmtpa", "lmtpsa", "utf8smtpa", "utf8smtpsa", "utf8lmtpa", "utf8lmtpsa"}
)
_MARKS: Final = re.compile(r"[()]|\\.", re.DOTALL)
_LITERAL: Final = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f.:]{2,45})\]", re.IGNORECASE)
_BARE: Final = re.compile(r"[0-9.]{7,15}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_GIVEN_NAME: Final = re.compile(r"\b(?:helo[= ]|ehlo[= ]|ident=)\S*+", re.IGNORECASE)  # what the client said of itself
_LOGIN: Final = re.compile(r"\(Authenticated sender: ([^\s()]{1,254})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hop:
    """One Received: who wrote it, from where the mail came to it, how, and who had logged in where it says so."""

    by: str
    client: Address | None
    protocol: str
    login: str

    @property
    def is_logged_in(self) -> bool:
        return self.protocol in LOGGED_IN


@dataclass(frozen=True, slots=True)
class InternalHop:
    """A server of ours, by the name it writes or by its addresses; `domains` are those it lets people write in, () is any."""

    name: str
    network: Network | None
    domains: tuple[str, ...]

    def vouches_for(self, domain: str) -> bool:
        return not self.domains or any(domain == each or domain.endswith(f".{each}") for each in self.domains)


@dataclass(frozen=True, slots=True)
class Way:
    """The Received fields that our own servers wrote, top-most first, and who took the last from somebody logged in."""

    hops: tuple[Hop, ...]
    submitted_to: InternalHop | None = None

    @property
    def login(self) -> str:
        return self.hops[-1].login if self.hops else ""


@lru_cache(maxsize=16)
def read_internal_hops(entries: tuple[str, ...]) -> tuple[InternalHop, ...]:
    """Read settings: "192.0.2.10", "192.0.2.0/28", "2001:db8::/64" or a host name, each with domains behind it or without.

    What cannot be read is left out. Never raises.
    """
    hops = []
    for entry in entries:
        words = entry.lower().split()
        if words:
            network = _network(words[0])
            hops.append(InternalHop("" if network else words[0].rstrip("."), network, tuple(words[1:])))
    return tuple(hops)


def _network(word: str) -> Network | None:
    try:
        return ip_network(word, strict=False)
    except ValueError:
        return None


def trusted_way(values: Sequence[str], internal: Sequence[InternalHop]) -> Way:
    """Return which of these Received fields, top-most first, our own servers wrote. Never raises."""
    hops: list[Hop] = []
    reached: InternalHop | None = None  # by which entry we know the writer of the field at hand
    for value in values[:MAX_TRUSTED]:
        hop = read_received(value)
        hops.append(hop)
        named = next((each for each in internal if each.name and each.name == hop.by), None)
        own = _entry_of(hop.client, internal)
        if own is None and not _is_this_machine(hop.client):
            is_submission = hop.is_logged_in and hop.client is not None
            return Way(tuple(hops), (named or reached) if is_submission else None)
        reached = own
    return Way(tuple(hops))


def _entry_of(client: Address | None, internal: Sequence[InternalHop]) -> InternalHop | None:
    if client is None:
        return None
    return next((each for each in internal if each.network is not None and client in each.network), None)


def _is_this_machine(client: Address | None) -> bool:
    return client is not None and client.is_loopback


def read_received(value: str) -> Hop:
    """Read one field body; what it does not say is empty. Never raises. Source: RFC 5321 §4.4."""
    tokens = _tokens(value[:MAX_FIELD_CHARS])
    at, client, login = 0, None, ""
    if tokens and tokens[0].lower() == "from":
        at = 2
        while at < len(tokens) and tokens[at][0] == "(":
            at += 1
        client, login = _client(tokens[1:at]), _login(tokens[2:at])
    by, protocol = "", ""
    words = _before_date(tokens[at:])
    if len(words) > 1 and words[0] == "by":
        by = words[1].rstrip(".")
        rest = words[4:] if words[2:3] == ["via"] else words[2:]
        if len(rest) > 1 and rest[0] == "with":
            protocol = rest[1]
    return Hop(by, client, protocol, login)


def _before_date(tokens: Sequence[str]) -> list[str]:
    """The words in lower case, comments left out, up to the semicolon that the date stands behind."""
    words: list[str] = []
    for token in tokens:
        if token[0] != "(":
            word, ends, _ = token.lower().partition(";")
            words.append(word)
            if ends:
                break
    return words


def _client(tokens: Sequence[str]) -> Address | None:
    """The address that the server saw: in a comment, or before one that begins with what the client calls itself."""
    name, comments = tokens[0] if tokens else "", tokens[1:]
    seen = [_GIVEN_NAME.sub("", comment) for comment in comments]
    written = [found for comment in seen for found in _LITERAL.findall(comment)]
    if not written:
        written = [word for comment in seen if _BARE.fullmatch(word := comment.strip("() "))]
    if not written and comments and any(_GIVEN_NAME.match(comment[1:]) for comment in comments):
        written = _LITERAL.findall(name)
    try:
        addresses = {ip_address(text) for text in written[:3]}
    except ValueError:
        return None
    if len(addresses) != 1:
        return None
    address = addresses.pop()
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _login(comments: Sequence[str]) -> str:
    found = [match[1] for comment in comments if (match := _LOGIN.match(comment))]
    return found[0] if len(found) == 1 else ""


def _tokens(value: str) -> list[str]:
    """The words outside comments, and each outermost comment as one token with its brackets."""
    tokens: list[str] = []
    depth, at, opened = 0, 0, 0
    for found in _MARKS.finditer(value):
        if len(tokens) > MAX_TOKENS:
            break
        mark = found[0]
        if mark == "(":
            if not depth:
                tokens += value[at : found.start()].split()
                opened = found.start()
            depth += 1
        elif mark == ")" and depth:
            depth -= 1
            if not depth:
                tokens.append(value[opened : found.end()])
                at = found.end()
    tokens += [value[opened:]] if depth else value[at:].split()
    return tokens[:MAX_TOKENS]
