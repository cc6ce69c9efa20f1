"""Cells: what may stand in each column of the feed, read into its one spelling.

Each reader takes a cell as it stands and returns its value or raises `Unfit`, which never leaves the room: `feed` turns it
into a reject. Columns with few different values (component, zone, language, status) remember what they have read, because
looking a cell up is twenty times cheaper than reading it; the memory is bounded in entries and in the length of a cell.

Addresses go through `mail.address.parse_addr_spec`. A short cut serves the usual ones: where the domain has been read
before and the local part is an ASCII dot-atom, the parser would return it unchanged (a property test holds the two equal).

Sources: RFC 5322 §3.2.3 (dot-atom), RFC 5646 §2.1 (language tags), the IANA time zone database (handed in).
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Callable, Set
from typing import Final, TypeVar

from postmuster.mail.address import AddressFault, one_line, parse_addr_spec
from postmuster.mail.limits import MAX_ADDR_SPEC_OCTETS, MAX_DISPLAY_NAME_CHARS, MAX_LOCAL_PART_OCTETS
from postmuster.roster.rejects import SENTENCES, Reason
from postmuster.roster.states import EmploymentClass, Status

MAX_COMPONENT_CHARS: Final = 512  # ours: a path fits in an index entry and in a line of a report
MAX_COMPONENT_DEPTH: Final = 16  # ours: parts of a path; the deepest organisations known to us have nine
MAX_LANGUAGE_CHARS: Final = 16  # ours: the column's width; language, script and region take 11
FIRST_LEAVE_YEAR: Final = 2000
LAST_LEAVE_YEAR: Final = 2199
REMEMBERED_CELLS: Final = 20_000  # ours: cells a column remembers before it forgets them all
REMEMBERED_CHARS: Final = 600  # ours: longer cells are not remembered; 20,000 of these are 24 MB at most

_PERSON_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#@+-]{0,63}")
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"
_DOT_ATOM: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+")
_LANGUAGE: Final = re.compile(
    r"(?P<language>[a-z]{2,3})(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
)
_DAY: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_ON_LEAVE: Final = f"{Status.ON_LEAVE}:"
_WITHOUT_DATE: Final = frozenset({str(Status.ACTIVE), str(Status.NO_MAIL_ACCESS), str(Status.SEPARATED)})

Leave = tuple[str, datetime.date | None]
Value = TypeVar("Value")


class Unfit(Exception):
    """A cell cannot be what its column says. Carries no part of the cell."""

    def __init__(self, column: str, reason: str, sentence: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason
        self.sentence = sentence


def unfit(column: str, reason: Reason) -> Unfit:
    return Unfit(column, reason, SENTENCES[reason])


class Remembered(dict[str, Value]):
    """Cells of one column with what `read` made of them; a cell not seen before is read."""

    def __init__(self, read: Callable[[str], Value]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, cell: str) -> Value:
        value = self._read(cell)
        if len(cell) <= REMEMBERED_CHARS:
            if len(self) >= REMEMBERED_CELLS:
                self.clear()
            self[cell] = value
        return value


def read_person_id(cell: str) -> str:
    if _PERSON_ID.fullmatch(cell):
        return cell
    cell = cell.strip()
    if _PERSON_ID.fullmatch(cell):
        return cell
    raise unfit("person_id", Reason.PERSON_ID)


def read_manager_id(cell: str, person_id: str) -> str:
    cell = cell.strip()
    if cell == person_id:
        raise unfit("manager_id", Reason.OWN_MANAGER)
    if cell and not _PERSON_ID.fullmatch(cell):
        raise unfit("manager_id", Reason.MANAGER_ID)
    return cell


def read_name(cell: str) -> str:
    """The name in one line, single spaces, at most 256 characters."""
    if (
        not cell.isprintable()
        or "  " in cell
        or len(cell) > MAX_DISPLAY_NAME_CHARS
        or cell[:1] in " "
        or cell[-1] == " "
    ):
        cell = one_line(cell, MAX_DISPLAY_NAME_CHARS)
    if not cell:
        raise unfit("name", Reason.NAME)
    return cell


class Addresses:
    """Reads addresses; remembers the domains of those it has read."""

    def __init__(self) -> None:
        self._domains: dict[str, str] = {}

    def read(self, cell: str) -> tuple[str, str, str]:
        """Local part, domain and the key that is equal for addresses differing in case only."""
        local_part, _, domain_cell = cell.rpartition("@")
        domain = self._domains.get(domain_cell)
        if (
            domain is None
            or not _DOT_ATOM.fullmatch(local_part)
            or len(local_part) > MAX_LOCAL_PART_OCTETS
            or len(local_part) + 1 + len(domain) > MAX_ADDR_SPEC_OCTETS
        ):
            return self._read_in_full(cell)
        return local_part, domain, f"{local_part.lower()}@{domain}"

    def _read_in_full(self, cell: str) -> tuple[str, str, str]:
        addr = parse_addr_spec(cell)
        if isinstance(addr, AddressFault):
            raise Unfit("address", addr, addr.sentence)
        if len(cell) <= REMEMBERED_CHARS:
            if len(self._domains) >= REMEMBERED_CELLS:
                self._domains.clear()
            self._domains[cell.rpartition("@")[2]] = addr.domain
        return addr.local_part, addr.domain, addr.match_key


def read_component(cell: str) -> str:
    """The path with single spaces in its parts and in NFC, so that one component has one spelling."""
    if len(cell) > MAX_COMPONENT_CHARS * 2 or not cell.strip(" ").isprintable():
        raise unfit("component", Reason.COMPONENT)
    parts = [" ".join(part.split()) for part in unicodedata.normalize("NFC", cell).split("/")]
    path = "/".join(parts)
    if not all(parts) or len(path) > MAX_COMPONENT_CHARS:
        raise unfit("component", Reason.COMPONENT)
    if len(parts) > MAX_COMPONENT_DEPTH:
        raise unfit("component", Reason.COMPONENT_DEPTH)
    return path


def read_employment_class(cell: str) -> str:
    try:
        return str(EmploymentClass(cell.strip()))
    except ValueError:
        raise unfit("employment_class", Reason.EMPLOYMENT_CLASS) from None


def zone_reader(zones: Set[str]) -> Callable[[str], str]:
    """A reader of time zones that knows exactly `zones`."""

    def read(cell: str) -> str:
        zone = cell.strip()
        if zone not in zones:
            raise unfit("time_zone", Reason.TIME_ZONE)
        return zone

    return read


def read_language(cell: str) -> str:
    """A well-formed tag in the case RFC 5646 §2.1.1 recommends; `en_US`, as systems write locales, is `en-US`."""
    tag = cell.strip().replace("_", "-").lower()
    found = _LANGUAGE.fullmatch(tag) if len(tag) <= MAX_LANGUAGE_CHARS else None
    if found is None:
        raise unfit("language", Reason.LANGUAGE)
    parts = [found["language"], (found["script"] or "").title(), (found["region"] or "").upper()]
    return "-".join(part for part in parts if part) + found["variants"]


def read_status(cell: str) -> Leave:
    """The status and, on leave, the last day of it."""
    status = cell.strip()
    if status in _WITHOUT_DATE:
        return status, None
    if not status.startswith(_ON_LEAVE):
        raise unfit("status", Reason.STATUS)
    day = _DAY.fullmatch(status.removeprefix(_ON_LEAVE))
    if day is None:
        raise unfit("status", Reason.STATUS)
    try:
        until = datetime.date(int(day[1]), int(day[2]), int(day[3]))
    except ValueError:
        raise unfit("status", Reason.LEAVE_DATE) from None
    if not FIRST_LEAVE_YEAR <= until.year <= LAST_LEAVE_YEAR:
        raise unfit("status", Reason.LEAVE_DATE)
    return str(Status.ON_LEAVE), until
