"""The feed: hostile files give rows, rejects or one fault, and never more memory than a few blocks."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.mail.address import AddrSpec, parse_addr_spec
from postmuster.organisation.census import write_people_csv
from postmuster.organisation.people import create_people
from postmuster.roster.cells import Addresses, Unfit, read_language, read_name
from postmuster.roster.feed import BLOCK_OCTETS, COLUMNS, Fault, Item, Row, read_feed
from postmuster.roster.rejects import Reject

ZONES = frozenset(
    {"America/New_York", "Europe/Berlin", "America/Denver", "America/Chicago", "America/Los_Angeles", "Asia/Tokyo"}
)
HEADER = ",".join(COLUMNS)
GOOD = {
    "person_id": "E1",
    "address": "ada.lovelace@Agency.Example",
    "name": "Ada Lovelace",
    "component": "Agency of Rivers/Bureau of Locks",
    "employment_class": "employee",
    "manager_id": "E9",
    "time_zone": "America/New_York",
    "language": "en",
    "status": "active",
}


def read(text: str | bytes, block: int = BLOCK_OCTETS) -> list[Item]:
    octets = text.encode() if isinstance(text, str) else text
    return list(read_feed((octets[at : at + block] for at in range(0, len(octets), block)), zones=ZONES))


def line(**cells: str) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow((GOOD | cells).values())
    return written.getvalue()


def only(**cells: str) -> Item:
    (item,) = read(f"{HEADER}\n{line(**cells)}")
    return item


def row(**cells: str) -> Row:
    item = only(**cells)
    assert isinstance(item, Row), item
    return item


def reject(**cells: str) -> tuple[str, str]:
    item = only(**cells)
    assert isinstance(item, Reject), item
    assert item.line_no == 2
    return item.column, item.reason


def fault(text: str | bytes) -> Fault:
    *_, item = read(text)
    assert isinstance(item, Fault), item
    return item


def test_a_good_line_becomes_a_row_with_one_spelling_of_everything() -> None:
    assert row() == Row(
        2, "E1", "ada.lovelace", "agency.example", "ada.lovelace@agency.example", "Ada Lovelace",
        "Agency of Rivers/Bureau of Locks", "employee", "E9", "America/New_York", "en", "active", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("address", "local_part", "domain", "key"),
    [
        ("Ada@AGENCY.example", "Ada", "agency.example", "ada@agency.example"),
        ('"ada.b"@agency.example', "ada.b", "agency.example", "ada.b@agency.example"),
        ('"lovelace, ada"@agency.example', "lovelace, ada", "agency.example", "lovelace, ada@agency.example"),
        ("ada@brücken.example", "ada", "xn--brcken-4ya.example", "ada@xn--brcken-4ya.example"),
        ("ADÉLE@agency.example", "ADÉLE", "agency.example", "adéle@agency.example"),
        (" ada@agency.example ", "ada", "agency.example", "ada@agency.example"),
    ],
)
def test_addresses_are_read_in_every_lawful_form(address: str, local_part: str, domain: str, key: str) -> None:
    assert row(address=address)[2:5] == (local_part, domain, key)


@pytest.mark.parametrize(
    ("cells", "column", "reason"),
    [
        ({"person_id": ""}, "person_id", "person-id"),
        ({"person_id": "E 1"}, "person_id", "person-id"),
        ({"person_id": "x" * 65}, "person_id", "person-id"),
        ({"address": ""}, "address", "empty"),
        ({"address": "ada"}, "address", "no-at"),
        ({"address": "ada@[127.0.0.1]"}, "address", "domain-literal"),
        ({"address": "a..b@agency.example"}, "address", "local-part"),
        ({"address": "ada\r\nbcc:x@agency.example"}, "address", "local-part"),
        ({"address": "a" * 65 + "@agency.example"}, "address", "local-part-too-long"),
        ({"address": "ada@-agency.example"}, "address", "domain"),
        ({"name": " \u200b "}, "name", "name"),
        ({"component": ""}, "component", "component"),
        ({"component": "Agency//Office"}, "component", "component"),
        ({"component": "/Agency"}, "component", "component"),
        ({"component": "Agency/"}, "component", "component"),
        ({"component": "Age\x00ncy"}, "component", "component"),
        ({"component": "x" * 513}, "component", "component"),
        ({"component": "/".join("abcdefghijklmnopq")}, "component", "component-depth"),
        ({"employment_class": "volunteer"}, "employment_class", "employment-class"),
        ({"employment_class": "Employee"}, "employment_class", "employment-class"),
        ({"manager_id": "E1"}, "manager_id", "own-manager"),
        ({"manager_id": "Grace Hopper"}, "manager_id", "manager-id"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "time-zone"),
        ({"time_zone": ""}, "time_zone", "time-zone"),
        ({"language": "english"}, "language", "language"),
        ({"language": "e"}, "language", "language"),
        ({"language": "en-"}, "language", "language"),
        ({"status": "retired"}, "status", "status"),
        ({"status": "on_leave"}, "status", "status"),
        ({"status": "on_leave:soon"}, "status", "status"),
        ({"status": "on_leave:2026-02-30"}, "status", "leave-date"),
        ({"status": "on_leave:0026-02-03"}, "status", "leave-date"),
        ({"status": "on_leave:9026-02-03"}, "status", "leave-date"),
    ],
)
def test_an_impossible_cell_is_rejected_by_column_and_reason(cells: dict[str, str], column: str, reason: str) -> None:
    assert reject(**cells) == (column, reason)


def test_a_reject_repeats_no_cell() -> None:
    for column in COLUMNS:
        item = only(**{column: "Ñandú-secret \x00"})
        if column == "name":  # cleaned, not rejected
            assert isinstance(item, Row)
            assert item.name == "Ñandú-secret"
            continue
        assert isinstance(item, Reject)
        assert "secret" not in f"{item.line_no}{item.column}{item.reason}{item.sentence}"


def test_a_reject_keeps_a_readable_person_id_inside_the_house() -> None:
    item = only(time_zone="Nowhere")
    assert isinstance(item, Reject)
    assert item.person_id == "E1"


def test_leave_has_its_day_and_other_statuses_have_none() -> None:
    assert row(status="on_leave:2026-12-24")[-2:] == ("on_leave", date(2026, 12, 24))
    assert row(status="no_mail_access")[-2:] == ("no_mail_access", None)


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("EN", "en"),
        ("es_mx", "es-MX"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("de-ch-1996", "de-CH-1996"),
    ],
)
def test_languages_have_one_spelling(written: str, tag: str) -> None:
    assert read_language(written) == tag


def test_cells_are_trimmed_and_components_composed() -> None:
    read_row = row(
        component=" Agency / Bu\u0308ro  Eins", employment_class=" judge ", language=" en ", name="  Ada   Lovelace "
    )
    assert read_row.component == "Agency/Büro Eins"
    assert (read_row.employment_class, read_row.language, read_row.name) == ("judge", "en", "Ada Lovelace")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_either_line_end_and_a_byte_order_mark_are_read(end: str, mark: bytes) -> None:
    text = end.join([HEADER, line().rstrip(), "", " ", ",,,,,,,,", line(person_id="E2").rstrip()])
    assert [(item.line_no, item.person_id) for item in read(mark + text.encode()) if isinstance(item, Row)] == [
        (2, "E1"),
        (6, "E2"),
    ]
    assert len(read(mark + text.encode())) == 2


def test_columns_may_stand_in_any_order() -> None:
    names = sorted(COLUMNS)
    written = io.StringIO()
    csv.writer(written).writerows([names, [GOOD[name] for name in names]])
    assert read(written.getvalue())[0] == row()


def test_a_quoted_cell_may_run_over_lines_and_line_numbers_stay_true() -> None:
    items = read(f"{HEADER}\n{line(name='Ada' + chr(10) + 'Lovelace')}{line(person_id='E2', time_zone='x')}")
    assert isinstance(items[0], Row)
    assert items[0].name == "Ada Lovelace"
    assert isinstance(items[1], Reject)
    assert items[1].line_no == 4


def test_a_broken_quote_costs_the_lines_up_to_the_next_one_and_each_is_reported() -> None:
    broken = line(person_id="E2").replace("Ada Lovelace", '"Ada Lovelace')
    text = (
        HEADER
        + "\n"
        + line()
        + broken
        + line(person_id="E3")
        + line(person_id="E4", name="B, C")
        + line(person_id="E5")
    )
    items = read(text)
    assert [(item.line_no, item.reason) for item in items if isinstance(item, Reject)] == [
        (3, "quote"),
        (4, "quote"),
        (5, "quote"),
    ]
    assert [item.person_id for item in items if isinstance(item, Row)] == ["E1", "E5"]


def test_a_quote_still_open_at_the_end_is_reported() -> None:
    assert [type(item) for item in read(f'{HEADER}\n{line()}E2,"')] == [Row, Reject]


def test_too_few_and_too_many_cells_are_rejected() -> None:
    items = read(f"{HEADER}\n{line().rstrip()},more\nE2,ada@agency.example\n")
    assert [(item.line_no, item.reason) for item in items if isinstance(item, Reject)] == [(2, "cells"), (3, "cells")]


def test_a_carriage_return_inside_a_line_is_rejected() -> None:
    (item,) = read(f"{HEADER}\n{line().replace('Ada', 'Ada' + chr(13))}")
    assert isinstance(item, Reject)
    assert item.reason == "line-end"


def test_latin_1_is_refused_with_its_line_and_the_way_to_convert_it() -> None:
    found = fault(f"{HEADER}\n{line()}{line(name='Zoë')}".encode("latin-1"))
    assert found.found == "Line 3 is not UTF-8"
    assert "iconv" in found.remedy


def test_utf_16_is_refused() -> None:
    assert "UTF-16" in fault(f"{HEADER}\n{line()}".encode("utf-16")).found


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (HEADER.replace(",status", ""), "lacks “status”"),
        (HEADER + ",status", "names twice “status”"),
        (HEADER + ",salary", "“salary”"),
        (HEADER.replace(",", ";"), "semicolons"),
        (HEADER.replace(",", "\t"), "tabs"),
        (line().rstrip(), "does not name the columns"),
        ("", "does not name the columns"),
        ('"' + HEADER, "does not name the columns"),
        (HEADER.replace(",", "\r"), "does not name the columns"),
    ],
)
def test_a_first_line_that_does_not_name_the_columns_is_refused(header: str, words: str) -> None:
    found = fault(f"{header}\n{line()}")
    assert words in found.found
    assert "Ada" not in found.found + found.remedy


def test_a_file_without_header_repeats_nobody() -> None:
    found = fault(line())
    assert "lovelace" not in (found.found + found.remedy).lower()


def endless(first: bytes, block: bytes, blocks: int, taken: list[int]) -> Iterator[bytes]:
    yield first
    for number in range(blocks):
        taken.append(number)
        yield block


@pytest.mark.parametrize(
    ("cell", "block"),
    [
        (b"", b"x" * BLOCK_OCTETS),
        (b'"', b"x" * BLOCK_OCTETS),
        (b'"', (b"x" * 99 + b"\n") * 655),
        (b'"', (b'x"",""' + b"\n") * 9000),
        (b'"', b"\n" * BLOCK_OCTETS),
    ],
)
def test_a_cell_of_200_megabytes_is_refused_after_a_few_blocks(cell: bytes, block: bytes) -> None:
    taken: list[int] = []
    first = f"{HEADER}\n{line()}E2,a@agency.example,".encode() + cell
    tracemalloc.start()
    *_, last = read_feed(endless(first, block, 3200, taken), zones=ZONES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(last, Fault)
    assert last.found.startswith("Line 3, ")
    assert len(taken) <= 4
    assert peak < 4_000_000


def test_memory_does_not_grow_with_the_file() -> None:
    def blocks() -> Iterator[bytes]:
        yield f"{HEADER}\n".encode()
        for number in range(200):
            yield "".join(
                line(person_id=f"E{number}.{place}", address=f"a{number}.{place}@d{number}.{place}.example",
                     component=f"{'x' * 400}/{number}.{place}", name="x" * 900)
                for place in range(20)
            ).encode()  # fmt: skip

    tracemalloc.start()
    assert sum(isinstance(item, Row) for item in read_feed(blocks(), zones=ZONES)) == 4000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16_000_000


@given(st.binary(max_size=300), st.integers(1, 64))
def test_no_octets_make_it_raise(octets: bytes, block: int) -> None:
    read(octets, block)
    read(f"{HEADER}\n{line()}".encode() + octets, block)


_MIXTURE = st.lists(
    st.sampled_from([",", '"', "\n", "\r\n", "\r", "\x00", "a", "é", "\u2028", "E1", "a@b.example", "active", line()]),
    max_size=60,
)  # fmt: skip


@given(_MIXTURE, st.integers(1, 50))
def test_where_blocks_end_changes_nothing(pieces: list[str], block: int) -> None:
    text = f"{HEADER}\n{''.join(pieces)}"
    assert read(text, block) == read(text)


@given(_MIXTURE)
def test_every_line_with_something_in_it_is_accounted_for_once(pieces: list[str]) -> None:
    items = read(f"{HEADER}\n{''.join(pieces)}")
    numbers = [item.line_no for item in items if not isinstance(item, Fault)]
    assert numbers == sorted(set(numbers))


_LOCAL = st.text(st.sampled_from("aZé0.-_+' \"\\@,(\x00\u212a"), max_size=70)
_DOMAIN = st.sampled_from(
    ["agency.example", "AGENCY.example", "brücken.example", "x" * 64, "", "[1.2.3.4]", "a.example "]
)


@given(st.lists(st.tuples(_LOCAL, _DOMAIN), min_size=1, max_size=8))
def test_the_short_cut_reads_addresses_as_the_parser_does(parts: list[tuple[str, str]]) -> None:
    addresses = Addresses()
    for cell in (f"{local}@{domain}" for local, domain in parts):
        expected = parse_addr_spec(cell)
        if isinstance(expected, AddrSpec):
            assert addresses.read(cell) == (expected.local_part, expected.domain, expected.match_key)
        else:
            with pytest.raises(Unfit) as caught:
                addresses.read(cell)
            assert caught.value.reason == expected


@given(st.text(max_size=300))
def test_a_name_comes_out_in_one_line_or_not_at_all(cell: str) -> None:
    try:
        name = read_name(cell)
    except Unfit:
        return
    assert name == " ".join(name.split())
    assert 0 < len(name) <= 256
    assert "\x00" not in name


def test_the_simulated_organisation_is_read_to_the_last_person(tmp_path: Path) -> None:
    people = create_people(400, seed=7)
    file = tmp_path / "people.csv"
    write_people_csv(people, file)
    items = read(file.read_bytes())
    assert [item.person_id for item in items if isinstance(item, Row)] == [person.person_id for person in people]
