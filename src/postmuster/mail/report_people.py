"""Find whom a delivery report in prose is about, and what was said of each.

What for: where a report has no fields (RFC 3464), its recipients stand somewhere in its words, among addresses of
postmasters and of help desks.

How: the strongest place first: an address with a line for itself, one that begins a line, one after a word that
announces it, any other. A server that lists names without a domain means its own mailboxes. Where nobody is named,
the returned mail's only addressee is meant.

Promises: never raises; linear in the text, which its callers bound; at most `MAX_RECIPIENTS` addresses.

Sources: reports of qmail, Exim, Sendmail, Postfix, Exchange, Google, Yahoo, AOL, Zoho, Domino, GroupWise, carriers of
Japan.
"""

import re
from collections.abc import Set
from typing import Final

from postmuster.mail.address import AddrSpec, parse_addr_spec, parse_mailboxes
from postmuster.mail.decoding import decode_text
from postmuster.mail.message import Message
from postmuster.mail.phrases import alternatives
from postmuster.mail.report import MAX_RECIPIENTS, MAX_RETURNED_OCTETS, returned_parts

_LISTS: Final = alternatives("report_words")
_ADDR: Final = r"[^\s<>()\[\],;:\"'@=|*]{1,64}@[A-Za-z0-9\u0080-\U0010ffff][A-Za-z0-9.\u0080-\U0010ffff-]{0,253}"
# The strongest place first: an address that has a line, or its beginning, for itself.
_ALONE: Final = re.compile(
    rf"^[ \t>|]{{0,20}}(?:[*•-]{{1,3}} )?[<\"']?({_ADDR})[>\"']?[ \t]{{0,80}}"
    r"(?:$|:|\.\.\.|\s\.\.\.|\s\[|\son\s|\s-\s|,[ \t]{0,80}$)",
    re.MULTILINE,
)
_LEADING: Final = re.compile(
    rf"^[ \t]{{0,20}}(?:\d{{3}}[ -])?(?:[45]\.\d\.\d{{1,3}} )?<?({_ADDR})>?(?:\.\.\.|[:,]?\s+\S)", re.MULTILINE
)
_NAMED: Final = re.compile(rf"(?:{_LISTS['named']})[^\n@]{{0,40}}?[\s:<(\"'=]({_ADDR})", re.IGNORECASE)
_ANY: Final = re.compile(_ADDR)
_STRONG_PLACES: Final = (_ALONE, _LEADING)
_WEAK_PLACES: Final = (_NAMED, _ANY)
_NOT_RECIPIENTS: Final = re.compile(rf"(?:{_LISTS['not_recipients']})@", re.IGNORECASE)
_BARE_NAMES: Final = re.compile(
    r"(?:recipients?|address(?:es)?|users?|mailbox(?:es)?)\b[^\n]{0,300}:[ \t]{0,20}\n"
    r"((?:[ \t]{1,20}[^\s@<>:;,()\"']{1,64}[ \t]{0,20}(?:\n|\Z)){1,50})",
    re.IGNORECASE,
)
_TO_FIELD: Final = re.compile(r"^[ >|\t]{0,20}to[ \t]?:((?:[^\n]|\n[ \t])*+)", re.IGNORECASE | re.MULTILINE)


def find_people(message: Message, section: str, rest: str, *, by_server: bool) -> list[str]:
    """Return the addresses that a report means; none where it names nobody. Never raises.

    `section` are its words, `rest` what it returns; `by_server` says that its author calls itself a mail system.
    """
    own = {
        str(box.addr).lower()
        for name in ("to", "from")
        for value in message.all(name)[:1]
        for box in parse_mailboxes(value)[:10]
    }
    return (
        addresses_in(section, own, _STRONG_PLACES)
        or (_bare_names(message, section) if by_server else [])
        or addresses_in(section, own, _WEAK_PLACES)
        or addresses_in(section)
        or _addressees_of_returned(message, rest, own)
    )


def addresses_in(
    section: str, skip: Set[str] = frozenset(), places: tuple[re.Pattern[str], ...] = _STRONG_PLACES + _WEAK_PLACES
) -> list[str]:
    """Return the addresses in the first of the places that has any, without those of `skip` and of help desks."""
    for pattern in places:
        found = [_tidy(hit[pattern.groups]) for hit in pattern.finditer(section)]
        kept = [
            address
            for address in found
            if address and address.lower() not in skip and not _NOT_RECIPIENTS.match(address)
        ]
        if kept:
            return kept[:MAX_RECIPIENTS]
    return []


def said_of(section: str, addresses: list[str]) -> dict[str, str]:
    """Return what stands from an address's first mention to the next one's, and every later line with it."""
    if len(addresses) < 2:
        return {}
    lower = section.lower()
    wanted = {address.lower() for address in addresses}
    said: dict[str, list[str]] = {}
    current = ""
    for line, line_lower in zip(section.split("\n"), lower.split("\n"), strict=False):
        named = [hit[0].rstrip(".-") for hit in _ANY.finditer(line_lower)] if "@" in line_lower else []
        current = next((address for address in named if address in wanted), current)
        if current:
            said.setdefault(current, []).append(line)
    return {address: "\n".join(lines) for address, lines in said.items()}


def _tidy(text: str) -> str:
    text = text.strip("<>\"'").rstrip(".,:;-")
    addr = parse_addr_spec(text)
    return str(addr) if isinstance(addr, AddrSpec) else ""


def _bare_names(message: Message, section: str) -> list[str]:
    found = _BARE_NAMES.search(section)
    author = parse_mailboxes(message.header_from)[:1]
    if found is None or not author:
        return []
    named = [_tidy(f"{name}@{author[0].addr.domain}") for name in found[1].split()]
    return [address for address in named if address]


def _addressees_of_returned(message: Message, rest: str, own: set[str]) -> list[str]:
    texts = [rest, *(decode_text(part.content[:MAX_RETURNED_OCTETS], None)[0] for part in returned_parts(message))]
    for text in texts:
        field = _TO_FIELD.search(text)
        if field is not None:
            boxes = [str(box.addr) for box in parse_mailboxes(field[1])]
            boxes = [address for address in boxes if address.lower() not in own]
            if len(boxes) == 1:
                return boxes
    return []
