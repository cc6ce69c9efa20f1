"""The links of a mail: what each says, where it leads, and whether the two disagree.

What for: a reviewer sees a link as text and never has to follow it; a link that says one address and leads to another is
flagged.

Promises: never raises; linear; a target is a string and never followed. A link whose target was rewritten by a mail gateway is
compared by the address within it.
Limits: 1,000 links; 2,000 characters of an address that is written out.

Sources: RFC 3986 §3.2 (authority), RFC 6068 (mailto).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final
from urllib.parse import unquote

from postmuster.mail.html_text import HtmlText

MAX_LINKS: Final = 1_000
MAX_TARGET_CHARS: Final = 4_000  # of a target, looked at for its flag
_URL: Final = re.compile(r"https?://[^\s<>\"'\u00a0]{1,2000}", re.IGNORECASE)
_TARGET: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]{0,30}):(?://(?:([^/?#@]*+)@)?\[?([^/?#:\]@]*+))?")
_SAID: Final = re.compile(
    r"(?:https?://|www\.)(?:[^\s/?#@]{1,200}@)?([\w.-]{1,253})|([\w-]{1,63}(?:\.[\w-]{1,63}){1,8})(?:[/:?][^\s]*)?$",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"[^\s@]{1,64}@([\w.-]{1,253})$")
_FILE_NAME: Final = re.compile(r"\.(?:pdf|docx?|xlsx?|pptx?|txt|csv|html?|zip|png|jpe?g|gif|eml|md|py)$", re.IGNORECASE)
_PROTECTION: Final = (  # gateways that put the address of a link into one of their own
    re.compile(
        r"https?://[\w.-]{1,100}safelinks\.protection\.outlook\.com/[^?]{0,200}\?(?:[^#]{0,2000}?&)?url=([^&#]{1,3000})",
        re.I,
    ),
    re.compile(r"https?://urldefense\.com/v3/__(.{1,3000}?)__;", re.I),
)
_HARMLESS: Final = frozenset({"http", "https", "mailto", "tel", "sms", "cid", "mid", "geo", "webcal"})


class LinkFlag(StrEnum):
    """Why a link is not to be trusted."""

    OTHER_HOST = "other_host"  # its text is an address, and not of the host it leads to
    USER_INFO = "user_info"  # what looks like its host is a name before an `@`
    NOT_WEB = "not_web"  # it runs something, or opens a file, instead of leading anywhere


@dataclass(frozen=True, slots=True)
class ReadLink:
    """What a link says, where it leads, and what is wrong with it."""

    text: str
    target: str
    flag: LinkFlag | None = None


def read_links(page: HtmlText | None, text: str) -> tuple[ReadLink, ...]:
    """Return the links of the HTML part, then those written out in the text that it does not have. Never raises."""
    links = (
        [ReadLink(link.text, link.target, flag_of(link.text, link.target)) for link in page.links if link.target]
        if page
        else []
    )
    if "://" in text:
        known = {link.target for link in links}
        links += islice(_written_links(text, known), MAX_LINKS)
    return tuple(links[:MAX_LINKS])


def _written_links(text: str, known: set[str]) -> Iterator[ReadLink]:
    for found in _URL.finditer(text):
        target = found[0].rstrip(".,;:!?)]*_")
        if target not in known:
            known.add(target)
            yield ReadLink(target, target, flag_of(target, target))


def flag_of(text: str, target: str) -> LinkFlag | None:
    """Say what is wrong with a link. Never raises."""
    target = _unwrapped(target[:MAX_TARGET_CHARS])
    found = _TARGET.match(target)
    if found is None:
        return None
    scheme, user, host = found[1].lower(), found[2], (found[3] or "").lower().rstrip(".")
    if scheme not in _HARMLESS:
        return LinkFlag.NOT_WEB
    if scheme == "mailto":
        said, leads = _ADDRESS.search(text.strip()[-320:]), _ADDRESS.search(target.partition("?")[0][7:].strip()[-320:])
        return LinkFlag.OTHER_HOST if said and leads and not _is_same(said[1].lower(), leads[1].lower()) else None
    if user and "." in user:
        return LinkFlag.USER_INFO
    said_host = _said_host(text)
    return LinkFlag.OTHER_HOST if host and said_host and not _is_same(said_host, host) else None


def _said_host(text: str) -> str | None:
    """The host that a link's text names, when the text is an address; a file name and a number are none."""
    said = text.strip()[:MAX_TARGET_CHARS]
    found = _SAID.match(said)
    if found is None:
        return None
    host = (found[1] or found[2]).lower().strip(".")
    is_bare = found[1] is None
    if is_bare and (
        _FILE_NAME.search(host) or not host.rpartition(".")[2].isalpha() or len(host.rpartition(".")[2]) < 2
    ):
        return None
    return host


def _is_same(one: str, other: str) -> bool:
    """Whether two hosts are the same, or one stands under the other."""
    return one == other or one.endswith("." + other) or other.endswith("." + one)


def _unwrapped(target: str) -> str:
    for gateway in _PROTECTION:
        found = gateway.match(target)
        if found:
            return unquote(found[1])
    return target
