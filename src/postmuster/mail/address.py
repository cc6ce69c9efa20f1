"""Addresses: what a roster, an address field or an envelope says, in one spelling.

For enrolling people's addresses, writing to them, and telling whether the author of a reply is the person enrolled.

Promises. `parse_addr_spec` is strict and gives one spelling or a fault with a sentence. `parse_mailboxes` is tolerant:
it reads address fields as the world writes them (groups, comments, routes, encoded words, broken quotes), takes what
is an address and leaves out what is not. Neither ever raises, and both take time in proportion to what they read.
An `AddrSpec`, however made, holds no control character, space or unbalanced quote: it can be written as it stands.

One spelling: the domain in A-labels, lower case; the local part without quotes it does not need, in Unicode's NFC.
Upper and lower case of a local part are kept for writing and levelled for comparing (`match_key`). Letters outside
ASCII are never taken for ASCII ones: neither by NFC (the Kelvin sign is a K there) nor by case.

Sources: RFC 5321 §4.1.2 and §4.5.3.1 (grammar, lengths), RFC 5322 §3.4 and §4.4 (fields, obsolete forms), RFC 5890
(A-labels), RFC 6531 and RFC 6532 §3.1 (internationalised local parts, NFC), RFC 2047 (encoded words, by `decoding`).
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import idna

from postmuster.mail.decoding import decode_words
from postmuster.mail.limits import (
    MAX_ADDR_SPEC_OCTETS,
    MAX_DISPLAY_NAME_CHARS,
    MAX_DOMAIN_OCTETS,
    MAX_FIELD_CHARS,
    MAX_LOCAL_PART_OCTETS,
    MAX_MAILBOXES,
)

_ATEXT: Final = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010FFFF"
_DOT_ATOM: Final = re.compile(rf"[{_ATEXT}]++(?:\.[{_ATEXT}]++)*+")
_LDH_DOMAIN: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*+")
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_TO_QUOTE: Final = re.compile(r'(["\\])')
_ZERO_WIDTH_JOINERS: Final = "\u200c\u200d"  # needed to write Persian and several Indic names

# The fields of a reply are nearly always one of these two forms; the rest goes through `_Reader`.
_PLAIN: Final = re.compile(r'[ \t]*+(?:([^"(),:;<>@\\\[\]=\r\n]*+)<)?([A-Za-z0-9._+-]++@[A-Za-z0-9.-]++)(>?)[ \t]*+')
_ORDINARY: Final = re.compile(r'[^"(),:;<>]++')
_IN_COMMENT: Final = re.compile(r"[^()\\]++")
_IN_QUOTES: Final = re.compile(r'[^"\\]++')
_IN_ANGLE: Final = re.compile(r'[^"()>]++')
_BREAKS: Final = re.compile(r"\r\n|\r|\n")
_SPACES: Final = re.compile(r"\s+")


class AddressFault(StrEnum):
    """Why a text is not an address. `sentence` says it to whoever keeps the roster."""

    EMPTY = "empty"
    NO_AT = "no-at"
    LOCAL_PART = "local-part"
    LOCAL_PART_TOO_LONG = "local-part-too-long"
    LOOK_ALIKE = "look-alike"
    DOMAIN = "domain"
    DOMAIN_LITERAL = "domain-literal"
    DOMAIN_TOO_LONG = "domain-too-long"
    TOO_LONG = "too-long"

    @property
    def sentence(self) -> str:
        """What is wrong and what to do, without repeating the address."""
        return _SENTENCES[self]


_SENTENCES: Final = {
    AddressFault.EMPTY: "The address is empty; give one in the form name@domain.",
    AddressFault.NO_AT: "The address has no @; give one in the form name@domain.",
    AddressFault.LOCAL_PART: "The part before the @ has a character or a dot where none may be; correct it.",
    AddressFault.LOCAL_PART_TOO_LONG: "The part before the @ is longer than 64 octets; mail systems refuse it.",
    AddressFault.LOOK_ALIKE: "The part before the @ has a character that stands for an ASCII one; type the ASCII one.",
    AddressFault.DOMAIN: "The part after the @ is not a domain name; correct it.",
    AddressFault.DOMAIN_LITERAL: "The part after the @ is a network address in brackets; give a domain name.",
    AddressFault.DOMAIN_TOO_LONG: "The part after the @ is longer than 255 octets; mail systems refuse it.",
    AddressFault.TOO_LONG: "The address is longer than 254 octets; mail systems refuse it.",
}


@dataclass(frozen=True, slots=True)
class AddrSpec:
    """An address in one spelling: local part unquoted, domain in A-labels. Made by `parse_addr_spec`.

    Raises ValueError when made of parts that could not be written, which is a defect of the caller.
    """

    local_part: str
    domain: str

    def __post_init__(self) -> None:
        """Refuse what could break out of a field or a command."""
        if not (_is_writable(self.local_part) and _LDH_DOMAIN.fullmatch(self.domain)):
            raise ValueError("An address was not made because its parts could not be written; use parse_addr_spec.")

    def __str__(self) -> str:
        """Write the address as it stands in a field or an envelope, quoted where it must be."""
        if _DOT_ATOM.fullmatch(self.local_part):
            return f"{self.local_part}@{self.domain}"
        quoted = _TO_QUOTE.sub(r"\\\1", self.local_part)
        return f'"{quoted}"@{self.domain}'

    @property
    def unicode_domain(self) -> str:
        """The domain in U-labels, for showing; A-labels where they do not decode."""
        if "xn--" not in self.domain:
            return self.domain
        try:
            return idna.decode(self.domain)
        except (idna.IDNAError, UnicodeError):
            return self.domain

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a relay with SMTPUTF8 can take it. Source: RFC 6531 §3.2."""
        return not self.local_part.isascii()

    @property
    def match_key(self) -> str:
        """A key equal for addresses that differ in case only. For comparing, never for writing."""
        return f"{_level_case(self.local_part)}@{self.domain}"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A display name, decoded and in one line (may be empty), and an address."""

    display_name: str
    addr: AddrSpec


def parse_addr_spec(text: str) -> AddrSpec | AddressFault:
    """Read one address, quoted or not, without display name, comments or spaces inside. Never raises.

    Source: RFC 5321 §4.1.2, RFC 6531 §3.3.
    """
    text = text.strip(" \t\r\n")
    if not text:
        return AddressFault.EMPTY
    if len(text) > MAX_LOCAL_PART_OCTETS * 2 + 3 + MAX_DOMAIN_OCTETS:  # every character quoted, two quotes, the @
        return AddressFault.TOO_LONG
    written, at, domain_text = text.rpartition("@")
    if not at:
        return AddressFault.NO_AT
    local_part = _read_local_part(written)
    if isinstance(local_part, AddressFault):
        return local_part
    domain = _read_domain(domain_text)
    if isinstance(domain, AddressFault):
        return domain
    addr = AddrSpec(local_part, domain)
    octets = len(str(addr).encode())
    if octets - len(domain) - 1 > MAX_LOCAL_PART_OCTETS:
        return AddressFault.LOCAL_PART_TOO_LONG
    if octets > MAX_ADDR_SPEC_OCTETS:
        return AddressFault.TOO_LONG
    return addr


def parse_mailboxes(field_body: str) -> tuple[Mailbox, ...]:
    """Read the mailboxes of From, To, Cc, Reply-To or Sender; groups are opened. Never raises.

    Reads at most 65,536 characters and 1,000 mailboxes. A mailbox with two addresses gives two, so that a caller who
    wants one author sees that there is not one. What stands in a display name or a comment is never an address.
    """
    plain = _PLAIN.fullmatch(field_body)
    if plain is not None and (plain[1] is None) == (not plain[3]):
        addr = parse_addr_spec(plain[2])
        name = plain[1] or ""
        return () if isinstance(addr, AddressFault) else (Mailbox(_tidy_name(name), addr),)
    return _Reader(_BREAKS.sub("", field_body[:MAX_FIELD_CHARS])).read()


def _read_local_part(written: str) -> str | AddressFault:
    local_part = written
    if written.startswith('"'):
        if len(written) < 2 or not written.endswith('"'):
            return AddressFault.LOCAL_PART
        inner = written[1:-1]
        if '"' in _QUOTED_PAIR.sub("", inner) or _QUOTED_PAIR.sub("", inner).endswith("\\"):
            return AddressFault.LOCAL_PART
        local_part = _QUOTED_PAIR.sub(r"\1", inner)
    elif not _DOT_ATOM.fullmatch(written):
        return AddressFault.LOCAL_PART
    if not _is_writable(local_part):
        return AddressFault.LOCAL_PART
    if not local_part.isascii():
        if any(not char.isascii() and unicodedata.normalize("NFC", char).isascii() for char in local_part):
            return AddressFault.LOOK_ALIKE
        local_part = unicodedata.normalize("NFC", local_part)
    return local_part


def _is_writable(local_part: str) -> bool:
    return local_part != "" and local_part.isprintable()  # the only space it lets through is ASCII's


def _read_domain(text: str) -> str | AddressFault:
    if text.startswith("["):
        return AddressFault.DOMAIN_LITERAL
    if len(text) > MAX_DOMAIN_OCTETS:  # before idna, whose time grows faster than its input
        return AddressFault.DOMAIN_TOO_LONG
    domain = text
    if not text.isascii():
        try:
            domain = idna.encode(text, uts46=True, std3_rules=True).decode()
        except (idna.IDNAError, UnicodeError):
            return AddressFault.DOMAIN
    domain = domain.lower()
    if len(domain) > MAX_DOMAIN_OCTETS:
        return AddressFault.DOMAIN_TOO_LONG
    return domain if _LDH_DOMAIN.fullmatch(domain) else AddressFault.DOMAIN


def _level_case(local_part: str) -> str:
    if local_part.isascii():
        return local_part.lower()
    lowered = ((char, char.lower()) for char in local_part)
    return "".join(char if low.isascii() and not char.isascii() else low for char, low in lowered)


def one_line(text: str, max_chars: int) -> str:
    """Make one line of a name or a value: no control, no invisible direction marks, single spaces, at most `max_chars`.

    What comes out neither begins nor ends with a space and can be written as UTF-8. Never raises.
    """
    text = text[: max_chars * 4]
    if not text.isprintable():
        text = "".join(map(_visible, text))
    return " ".join(text.split())[:max_chars].rstrip()


def _visible(char: str) -> str:
    if char.isprintable() or char in _ZERO_WIDTH_JOINERS:
        return char
    kind = unicodedata.category(char)
    if kind == "Cs":
        return "\ufffd"
    return "" if kind == "Cf" else " " if kind in {"Cc", "Zs", "Zl", "Zp"} else char


def _tidy_name(name: str) -> str:
    return one_line(decode_words(name.strip()), MAX_DISPLAY_NAME_CHARS)


class _Reader:
    """One pass over an unfolded address field. Every step moves forward, so that time is linear in its length."""

    def __init__(self, body: str) -> None:
        self._body = body
        self._place = 0
        self._quotes_close = True
        self._found: list[Mailbox] = []
        self._phrase: list[str] = []
        self._bare: list[str] = []
        self._comments: list[str] = []
        self._angles: list[str] = []

    def read(self) -> tuple[Mailbox, ...]:
        body = self._body
        while self._place < len(body) and len(self._found) < MAX_MAILBOXES:
            char = body[self._place]
            if char == '"' and self._quotes_close:
                self._take_quoted()
            elif char == "(":
                self._comments.append(self._take_comment())
            elif char == "<":
                self._take_angle()
            elif char in ",;":
                self._end_mailbox()
            elif char == ":":  # what came before is the name of a group
                self._forget()
            else:
                self._take_ordinary()
                continue
            self._place += 1
        self._end_mailbox()
        return tuple(self._found[:MAX_MAILBOXES])

    def _take_ordinary(self) -> None:
        run = _ORDINARY.match(self._body, self._place)
        if run is None:  # a stray bracket, or a quote after one that never closed
            self._place += 1
            return
        self._place = run.end()
        self._phrase.append(run[0])
        self._bare.append(_without_obsolete_spaces(run[0]))

    def _take_quoted(self) -> None:
        end = self._end_of_quotes(self._place + 1)
        if end is None:
            self._quotes_close = False
            return
        raw = self._body[self._place : end + 1]
        self._phrase.append(_QUOTED_PAIR.sub(r"\1", raw[1:-1]))
        self._bare.append(raw)
        self._place = end

    def _end_of_quotes(self, place: int) -> int | None:
        body = self._body
        while place < len(body):
            run = _IN_QUOTES.match(body, place)
            place = run.end() if run else place
            if body[place : place + 1] == '"':
                return place
            place += 2  # a backslash and what it quotes
        return None

    def _take_comment(self) -> str:
        """Read a comment to its last bracket, or to the end of the field when that is missing."""
        body, start, depth, place = self._body, self._place + 1, 1, self._place + 1
        while place < len(body):
            run = _IN_COMMENT.match(body, place)
            place = run.end() if run else place
            char = body[place : place + 1]
            depth += (char == "(") - (char == ")")
            if depth == 0:
                break
            place += 2 if char == "\\" else 1
        self._place = min(place, len(body))
        return _QUOTED_PAIR.sub(r"\1", body[start : self._place])

    def _take_angle(self) -> None:
        body, pieces = self._body, list[str]()
        self._place += 1
        while self._place < len(body) and body[self._place] != ">":
            char = body[self._place]
            run = _IN_ANGLE.match(body, self._place)
            end = self._end_of_quotes(self._place + 1) if char == '"' and self._quotes_close else None
            if run is not None:
                pieces.append(_without_obsolete_spaces(run[0]))
                self._place = run.end()
            elif end is not None:
                pieces.append(body[self._place : end + 1])
                self._place = end + 1
            else:
                self._quotes_close = self._quotes_close and char != '"'
                if char == "(":
                    self._take_comment()
                self._place += 1
        inside = "".join(pieces).strip()
        self._angles.append(inside.partition(":")[2] if inside.startswith("@") else inside)  # RFC 5322 §4.4: a route

    def _end_mailbox(self) -> None:
        name = _tidy_name("".join(self._phrase) or " ".join(self._comments))
        texts = self._angles
        if not texts:
            name = _tidy_name(" ".join(self._comments))
            texts = ["".join(self._bare)]
        for text in texts:
            addr = parse_addr_spec(text)
            if isinstance(addr, AddrSpec):
                self._found.append(Mailbox(name, addr))
        self._forget()

    def _forget(self) -> None:
        self._phrase, self._bare, self._comments, self._angles = [], [], [], []


def _without_obsolete_spaces(run: str) -> str:
    """Drop the spaces RFC 5322 §4.4 allows around the dots and the @ of an address; keep the others, single."""
    if " " not in run and "\t" not in run:
        return run
    text = _SPACES.sub(" ", run)
    for mark in "@.":
        text = text.replace(f" {mark}", mark).replace(f"{mark} ", mark)
    return text
