"""Addresses are read in one spelling, compared without case, and never taken from where none stands."""

from email.headerregistry import AddressHeader, HeaderRegistry

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.mail.address import AddressFault, AddrSpec, Mailbox, one_line, parse_addr_spec, parse_mailboxes
from postmuster.mail.limits import MAX_MAILBOXES

FINN = AddrSpec("finn", "agency.example")
EVE = AddrSpec("eve", "example.org")


def read(text: str) -> AddrSpec:
    addr = parse_addr_spec(text)
    assert isinstance(addr, AddrSpec)
    return addr


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("finn@agency.example", "finn@agency.example"),
        ("  Finn.Note@AGENCY.Example\r\n", "Finn.Note@agency.example"),
        ('"finn"@agency.example', "finn@agency.example"),
        ('"fi\\nn"@agency.example', "finn@agency.example"),
        ('"finn note"@agency.example', '"finn note"@agency.example'),
        ('"fi\\"nn"@agency.example', '"fi\\"nn"@agency.example'),
        ('"finn."@agency.example', '"finn."@agency.example'),
        ('"a@b"@agency.example', '"a@b"@agency.example'),
        ("o'finn+x/y=z@agency.example", "o'finn+x/y=z@agency.example"),
        ("finn@bücher.example", "finn@xn--bcher-kva.example"),
        ("finn@BÜCHER.example", "finn@xn--bcher-kva.example"),
        ("finn@例え.example", "finn@xn--r8jz45g.example"),
        ("jürgen@agency.example", "jürgen@agency.example"),
        ("ju\u0308rgen@agency.example", "jürgen@agency.example"),
        ("finn@localhost", "finn@localhost"),
    ],
)
def test_an_address_is_written_in_one_spelling(text: str, written: str) -> None:
    assert str(read(text)) == written


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", AddressFault.EMPTY),
        (" \t", AddressFault.EMPTY),
        ("finn", AddressFault.NO_AT),
        ("@agency.example", AddressFault.LOCAL_PART),
        (".finn@agency.example", AddressFault.LOCAL_PART),
        ("fi..nn@agency.example", AddressFault.LOCAL_PART),
        ("finn.@agency.example", AddressFault.LOCAL_PART),
        ("fi nn@agency.example", AddressFault.LOCAL_PART),
        ("a@b@agency.example", AddressFault.LOCAL_PART),
        ('""@agency.example', AddressFault.LOCAL_PART),
        ('"fi"nn"@agency.example', AddressFault.LOCAL_PART),
        ('"finn\\"@agency.example', AddressFault.LOCAL_PART),
        ('"finn\r\nRCPT TO:<eve@example.org>"@agency.example', AddressFault.LOCAL_PART),
        ("fi\x00nn@agency.example", AddressFault.LOCAL_PART),
        ("fi\u202enn@agency.example", AddressFault.LOCAL_PART),
        ("fi\ud800nn@agency.example", AddressFault.LOCAL_PART),
        ("\u212aim@agency.example", AddressFault.LOOK_ALIKE),
        ("finn@", AddressFault.DOMAIN),
        ("finn@agency..example", AddressFault.DOMAIN),
        ("finn@agency.example.", AddressFault.DOMAIN),
        ("finn@-agency.example", AddressFault.DOMAIN),
        ("finn@agency_.example", AddressFault.DOMAIN),
        ("finn@agency.example\nX: y", AddressFault.DOMAIN),
        (f"finn@{'a' * 64}.example", AddressFault.DOMAIN),
        ("finn@\u2488.example", AddressFault.DOMAIN),
        ("finn@[192.0.2.1]", AddressFault.DOMAIN_LITERAL),
        (f"{'f' * 65}@agency.example", AddressFault.LOCAL_PART_TOO_LONG),
        (f"{'ü' * 33}@agency.example", AddressFault.LOCAL_PART_TOO_LONG),
        (f'"{"f " * 32}"@agency.example', AddressFault.LOCAL_PART_TOO_LONG),
        (f"finn@{'a.' * 128}b", AddressFault.DOMAIN_TOO_LONG),
        (f"{'f' * 64}@{'a.' * 100}b", AddressFault.TOO_LONG),
        ("f" * 100_000 + "@agency.example", AddressFault.TOO_LONG),
    ],
)
def test_what_is_no_address_is_a_fault_with_a_sentence(text: str, fault: AddressFault) -> None:
    assert parse_addr_spec(text) is fault
    assert fault.sentence.endswith(".")


def test_every_fault_has_its_own_sentence() -> None:
    assert len({fault.sentence for fault in AddressFault}) == len(AddressFault)


def test_the_longest_local_part_is_read() -> None:
    assert len(read(f"{'f' * 64}@agency.example").local_part) == 64


@pytest.mark.parametrize(
    ("local_part", "domain"), [("fi\r\nnn", "a.example"), ("", "a.example"), ("f", "a>b"), ("f", "")]
)
def test_an_address_that_could_break_out_of_a_field_cannot_be_made(local_part: str, domain: str) -> None:
    with pytest.raises(ValueError, match="could not be written") as caught:
        AddrSpec(local_part, domain)
    assert local_part == "" or local_part not in str(caught.value).split()


def test_an_international_domain_is_shown_in_its_own_letters() -> None:
    addr = read("finn@bücher.example")
    assert addr.unicode_domain == "bücher.example"
    assert not addr.needs_smtputf8
    assert AddrSpec("finn", "xn--99999999.example").unicode_domain == "xn--99999999.example"


def test_only_an_international_local_part_needs_smtputf8() -> None:
    assert read("jürgen@bücher.example").needs_smtputf8


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Finn@Agency.example", "fINN@agency.EXAMPLE", True),
        ('"finn"@agency.example', "finn@agency.example", True),
        ("JÜRGEN@agency.example", "jürgen@agency.example", True),
        ("finn@bücher.example", "finn@xn--bcher-kva.example", True),
        ("straße@agency.example", "strasse@agency.example", False),
        ("finn@agency.example", "finn+x@agency.example", False),
        ("ſam@agency.example", "sam@agency.example", False),
        ("ﬁnn@agency.example", "finn@agency.example", False),
        ("İx@agency.example", "ix@agency.example", False),
    ],
)
def test_comparing_levels_case_and_nothing_else(one: str, other: str, same: bool) -> None:
    assert (read(one).match_key == read(other).match_key) is same


addresses = st.builds(
    "{}@{}".format,
    st.from_regex(r"[A-Za-z0-9+_-]{1,20}(\.[A-Za-z0-9]{1,10}){0,2}", fullmatch=True),
    st.sampled_from(["agency.example", "example.org", "bücher.example"]),
)


@given(st.text(max_size=60) | addresses)
def test_what_was_read_reads_the_same_when_written(text: str) -> None:
    addr = parse_addr_spec(text)
    if isinstance(addr, AddrSpec):
        assert parse_addr_spec(str(addr)) == addr
        assert str(addr).isprintable()
        assert len(str(addr).encode()) <= 254
        assert parse_mailboxes(f"<{addr}>") == (Mailbox("", addr),)
        assert parse_mailboxes(str(addr)) == (Mailbox("", addr),)


@pytest.mark.parametrize(
    ("field_body", "expected"),
    [
        ("finn@agency.example", [("", FINN)]),
        ("Finn Note <finn@agency.example>", [("Finn Note", FINN)]),
        ('"Note, Finn" <finn@agency.example>', [("Note, Finn", FINN)]),
        ('"Note, \\"Finn\\"" <finn@agency.example>', [('Note, "Finn"', FINN)]),
        ("finn@agency.example (Finn (the) Note)", [("Finn (the) Note", FINN)]),
        ("=?utf-8?q?J=C3=BCrgen?= =?utf-8?b?IE5vdGU=?= <finn@agency.example>", [("Jürgen Note", FINN)]),
        ('"=?iso-8859-1?q?J=FCrgen?=" <finn@agency.example>', [("Jürgen", FINN)]),
        ("Finn\r\n Note\r\n\t<finn@agency.example>", [("Finn Note", FINN)]),
        ("<finn@agency.example", [("", FINN)]),
        ('"Finn <finn@agency.example>', [("Finn", FINN)]),
        ("finn @ agency . example", [("", FINN)]),
        ("<@a.example,@b.example:finn@agency.example>", [("", FINN)]),
        ("Undisclosed recipients:;", []),
        ("Team: finn@agency.example, Eve <eve@example.org>;", [("", FINN), ("Eve", EVE)]),
        ("finn@agency.example,, ;eve@example.org,", [("", FINN), ("", EVE)]),
        ("<finn@agency.example> <eve@example.org>", [("", FINN), ("", EVE)]),
        ("finn@agency.example eve@example.org", []),
        ("Finn finn@agency.example", []),
        ('"finn@agency.example" <eve@example.org>', [("finn@agency.example", EVE)]),
        ("(finn@agency.example) eve@example.org", [("finn@agency.example", EVE)]),
        ("(finn@agency.example", []),
        ("finn@agency.example, nonsense, eve@example.org", [("", FINN), ("", EVE)]),
        ("finn@agency.example\x00", []),
        ("", []),
        ("<>", []),
    ],
)
def test_address_fields_are_read_as_the_world_writes_them(
    field_body: str, expected: list[tuple[str, AddrSpec]]
) -> None:
    assert [(box.display_name, box.addr) for box in parse_mailboxes(field_body)] == expected


def test_an_encoded_name_is_never_an_address_or_a_second_line() -> None:
    name = "=?utf-8?q?finn=40agency.example=3E=2C_=0D=0ABcc=3A_x?="
    (box,) = parse_mailboxes(f"{name} <eve@example.org>")
    assert box.addr == EVE
    assert box.display_name == "finn@agency.example>, Bcc: x"


@given(st.text(max_size=300))
def test_reading_a_field_never_raises(field_body: str) -> None:
    for box in parse_mailboxes(field_body):
        assert box.display_name == one_line(box.display_name, 256)


FRAGMENTS = ['"', "\\", "(", ")", "<", ">", ",", ";", ":", "@", ".", " ", "\r\n ", "finn", "agency.example", "=?", "?="]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=60).map("".join))
def test_reading_never_raises_on_broken_grammar(field_body: str) -> None:
    for box in parse_mailboxes(field_body):
        assert isinstance(box.addr, AddrSpec)


@pytest.mark.parametrize("piece", ['"\\', "<", "(", '"', "a@b,", " ", '<"', "\\(", ":", ". ", "@ ", "=?x?q?a"])
def test_a_field_of_one_repeated_mark_is_bounded(piece: str) -> None:
    assert len(parse_mailboxes(piece * 100_000)) <= MAX_MAILBOXES


@given(st.lists(addresses, min_size=1, max_size=5))
def test_the_standard_library_finds_the_same_addresses(texts: list[str]) -> None:
    ascii_texts = [text.replace("ü", "ue") for text in texts]
    field_body = ", ".join(f'"A, {number}" <{text}>' for number, text in enumerate(ascii_texts))
    theirs = HeaderRegistry()("to", field_body)
    assert isinstance(theirs, AddressHeader)
    ours = parse_mailboxes(field_body)
    assert [box.display_name for box in ours] == [box.display_name for box in theirs.addresses]
    assert [str(box.addr) for box in ours] == [box.addr_spec for box in theirs.addresses]


@given(st.text(max_size=50))
def test_one_line_is_one_printable_line(text: str) -> None:
    line = one_line(text, 20)
    assert len(line) <= 20
    assert line == line.strip()
    assert "  " not in line
    assert len(line.splitlines()) <= 1
    line.encode()
