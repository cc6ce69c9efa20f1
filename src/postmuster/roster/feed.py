"""The feed: reading people.csv as a stream of rows, rejects and, at worst, one fault.

What for: `read_feed` takes the file's octets in blocks and gives a `Row` for each person, a `Reject` for each line that
cannot be one, and a `Fault` where nothing of the file may be believed; after a fault nothing follows.

Promises: never raises; time in proportion to the octets; memory of a few blocks, whatever a cell, a line or a quote does.
A row holds printable characters only, in one spelling per person, address and component. Nothing given back repeats a
cell, except the person_id of a reject, which stays in the house.

The form: UTF-8, with or without a byte order mark; comma; LF or CRLF; cells quoted where they need it, also over several
lines; the first line names the nine columns in any order. Empty lines are passed over. A line is named by its number in
the file; a record of several lines by the first. A broken quote costs the lines up to the next quote, each of which is
reported; one that is still open after a whole block is a fault, because what it swallows are people.

Limits: `BLOCK_OCTETS`. Duplicates are not looked for here: among three million lines that is the database's work.
Sources: RFC 4180 (CSV), RFC 3629 (UTF-8).
"""

from __future__ import annotations

import codecs
import csv
import datetime
import io
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, NamedTuple, Protocol

from postmuster.mail.address import one_line
from postmuster.roster.cells import (
    Addresses,
    Remembered,
    Unfit,
    read_component,
    read_employment_class,
    read_language,
    read_manager_id,
    read_name,
    read_person_id,
    read_status,
    zone_reader,
)
from postmuster.roster.rejects import SENTENCES, Reason, Reject

COLUMNS: Final = (
    "person_id", "address", "name", "component", "employment_class", "manager_id", "time_zone", "language", "status",
)  # fmt: skip
BLOCK_OCTETS: Final = 65_536  # ours: a record longer than this may be refused, one of twice this length always is
NAMED_COLUMNS: Final = 5  # ours: column names are repeated in a sentence only where this many of ours stand beside them

_WIDE_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Row(NamedTuple):
    """One person as the feed gives them. A tuple: three million frozen dataclasses would take 3.6 s more."""

    line_no: int
    person_id: str
    local_part: str
    domain: str
    address_key: str
    name: str
    component: str
    employment_class: str
    manager_id: str
    time_zone: str
    language: str
    status: str
    leave_until: datetime.date | None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why nothing of the file can be loaded: what was found, and what to do. Fits into “…; nothing was loaded; …”."""

    found: str
    remedy: str


Item = Row | Reject | Fault


class _Records(Protocol):
    """What `csv.reader` gives: records, and the number of lines taken for them so far."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


class _Stop(Exception):
    """Ends the reading; never leaves this module."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.fault = Fault(found, remedy)


def read_feed(blocks: Iterable[bytes], *, zones: Set[str]) -> Iterator[Item]:
    """Read people.csv from `blocks` of at most `BLOCK_OCTETS` each; `zones` are the time zones that exist. Never raises."""
    lines = _Lines(blocks)
    records = csv.reader(iter(lines), strict=True)
    try:
        order = _column_order(_first_record(records))
        yield from _items(records, lines, order, _row_reader(zones))
    except _Stop as stop:
        yield stop.fault


class _Lines:
    """The file's lines as text, each with its end; refuses what is not UTF-8 and what never ends."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self.record_line_no = 1  # where the record now being read begins: told by whoever takes records from the lines

    def __iter__(self) -> Iterator[str]:
        before = b""
        line_no = 1
        begun_in = octets_since = 0
        for block in self._blocks:
            octets = before + block
            if line_no == 1:
                octets = _without_mark(octets)
            end = octets.rfind(b"\n") + 1
            if len(octets) - end > BLOCK_OCTETS:
                raise _too_long(line_no + octets.count(b"\n"))
            before = octets[end:]
            if not end:
                continue
            if self.record_line_no != begun_in:
                begun_in, octets_since = self.record_line_no, 0
            elif octets_since > BLOCK_OCTETS:  # read since a record last ended
                raise _too_long(begun_in)
            octets_since += end
            yield from io.StringIO(_decode(octets[:end], line_no), newline="\n")
            line_no += octets.count(b"\n", 0, end)
        if before:
            yield _decode(before, line_no)


def _without_mark(octets: bytes) -> bytes:
    if octets.startswith(_WIDE_MARKS):
        raise _Stop("The file is UTF-16", "convert it to UTF-8, for instance with: iconv -f UTF-16 -t UTF-8")
    return octets.removeprefix(codecs.BOM_UTF8)


def _decode(octets: bytes, line_no: int) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        line_no += octets.count(b"\n", 0, error.start)
        raise _Stop(
            f"Line {line_no} is not UTF-8",
            "convert the file, for instance with: iconv -f WINDOWS-1252 -t UTF-8 people.csv > people-utf8.csv",
        ) from None


def _too_long(line_no: int) -> _Stop:
    return _Stop(
        f"Line {line_no}, or a quote opened in it, does not end within {BLOCK_OCTETS:,} octets",
        "mend that line: it may hold a quote that is not closed or something that is not a person",
    )


def _first_record(records: _Records) -> list[str]:
    try:
        return next(records, [])
    except csv.Error:
        raise _headless() from None


def _headless() -> _Stop:
    return _Stop("The first line does not name the columns", f"begin the file with the line {','.join(COLUMNS)}")


def _column_order(header: Sequence[str]) -> tuple[int, ...] | None:
    """Where each of our columns stands in a record; None when they stand in our own order."""
    names = [name.strip().lower() for name in header]
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if sum(name in COLUMNS for name in mark.join(names).split(mark)) >= NAMED_COLUMNS > len(names):
            raise _Stop(f"The columns are separated by {word}", "save the file with commas between the cells")
    if sum(name in COLUMNS for name in names) < NAMED_COLUMNS:  # most likely a person: their cells are not repeated
        raise _headless()
    for found, what in (
        ([name for name in COLUMNS if name not in names], "lacks"),
        ([name for name in COLUMNS if names.count(name) > 1], "names twice"),
        ([one_line(name, 40) for name in names if name not in COLUMNS], "has, and no feed has,"),
    ):
        if found:
            listed = ", ".join(f"“{name}”" for name in found[:10])
            raise _Stop(f"The first line {what} {listed}", f"name these columns and no others: {', '.join(COLUMNS)}")
    return None if tuple(names) == COLUMNS else tuple(names.index(name) for name in COLUMNS)


def _items(
    records: _Records, lines: _Lines, order: tuple[int, ...] | None, read_row: Callable[[int, Sequence[str]], Row]
) -> Iterator[Item]:
    width = len(COLUMNS)
    pick: Callable[[Sequence[str]], Sequence[str]] = itemgetter(*order) if order else list
    cells: Sequence[str] = ()
    line_no = lines.record_line_no = records.line_num + 1
    while True:
        try:
            for cells in records:
                if len(cells) == width:
                    yield read_row(line_no, pick(cells) if order else cells)
                elif any(map(str.strip, cells)):
                    yield Reject(line_no, "", Reason.CELLS, SENTENCES[Reason.CELLS])
                line_no = lines.record_line_no = records.line_num + 1
            return
        except Unfit as fault:
            if any(map(str.strip, cells)):
                person_id = _known_person(pick(cells)[0])
                yield Reject(line_no, fault.column, fault.reason, fault.sentence, person_id)
        except csv.Error as error:
            yield from _broken(error, line_no, records.line_num)
        line_no = lines.record_line_no = records.line_num + 1


def _known_person(cell: str) -> str:
    try:
        return read_person_id(cell)
    except Unfit:
        return ""


def _broken(error: csv.Error, first: int, last: int) -> Iterator[Reject]:
    """One reject for each line that went into a record nobody can read."""
    words = str(error)
    if "field limit" in words:
        raise _too_long(first)
    reason = Reason.LINE_END if "new-line" in words else Reason.QUOTE
    for line_no in range(first, last + 1):
        yield Reject(line_no, "", reason, SENTENCES[reason])


def _row_reader(zones: Set[str]) -> Callable[[int, Sequence[str]], Row]:
    """The function that reads nine cells; what it remembers lasts as long as it. Raises `Unfit`."""
    address_of = Addresses().read
    components = Remembered(read_component)
    classes = Remembered(read_employment_class)
    zone_names = Remembered(zone_reader(zones))
    languages = Remembered(read_language)
    statuses = Remembered(read_status)

    def read(line_no: int, cells: Sequence[str]) -> Row:
        person, address, name, component, employment_class, manager, zone, language, status = cells
        person_id = read_person_id(person)
        local_part, domain, key = address_of(address)
        status, leave_until = statuses[status]
        return Row(
            line_no,
            person_id,
            local_part,
            domain,
            key,
            read_name(name),
            components[component],
            classes[employment_class],
            read_manager_id(manager, person_id),
            zone_names[zone],
            languages[language],
            status,
            leave_until,
        )

    return read
