"""Was the manager in copy? One word, whatever stands in the fields, and never an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.mail.message import parse
from postmuster.replies.copied import InCopy, manager_in_copy

MANAGER = frozenset({"mia@agency.example", "mia.former@agency.example"})
SET_ASIDE = frozenset({"ann@agency.example", "notices@agency.example"})
OURS = ("reply.agency.example", "bounce.agency.example")
REPLY_TO = "To: reply+abc@reply.agency.example"


def _in_copy(*fields: str) -> InCopy:
    message = parse("\r\n".join([*fields, "", "- one"]).encode())
    return manager_in_copy(message, manager=MANAGER, set_aside=SET_ASIDE, our_domains=OURS)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([REPLY_TO], InCopy.NO),
        ([], InCopy.NO),
        ([REPLY_TO, "Cc: Mia <mia@agency.example>"], InCopy.YES),
        ([f"{REPLY_TO}, Mia <MIA@AGENCY.EXAMPLE>"], InCopy.YES),
        ([REPLY_TO, "Cc: bob@agency.example, Mia <mia.former@agency.example>"], InCopy.YES),
        ([REPLY_TO, "Cc: bob@agency.example", "Cc: mia@agency.example"], InCopy.YES),
        ([REPLY_TO, "Cc: =?utf-8?q?M=C3=ADa?= <mia@agency.example>"], InCopy.YES),
        ([REPLY_TO, "Cc: team: bob@mail.example, mia@agency.example;"], InCopy.YES),
        ([REPLY_TO, "Cc: bob@mail.example"], InCopy.SOMEONE_ELSE),
        ([REPLY_TO, "Cc: mia@agency.example.invalid"], InCopy.SOMEONE_ELSE),
        ([REPLY_TO, 'Cc: "mia@agency.example" <bob@mail.example>'], InCopy.SOMEONE_ELSE),
        ([REPLY_TO, "Cc: ann@agency.example, Notices <notices@agency.example>"], InCopy.NO),
        ([REPLY_TO, "Cc: b-n1-xyz@bounce.agency.example"], InCopy.NO),
        ([REPLY_TO, "Bcc: mia@agency.example", "Reply-To: mia@agency.example"], InCopy.NO),
        ([REPLY_TO, "Subject: cc mia@agency.example"], InCopy.NO),
        ([REPLY_TO, "Cc: undisclosed-recipients:;"], InCopy.NO),
    ],
)
def test_the_word_says_who_was_in_to_and_cc(fields: list[str], expected: InCopy) -> None:
    assert _in_copy(*fields) is expected


@given(st.binary(max_size=300))
def test_whatever_stands_there_gives_a_word(octets: bytes) -> None:
    message = parse(b"Cc: " + octets + b"\r\n\r\nx")
    assert manager_in_copy(message, manager=MANAGER, set_aside=SET_ASIDE, our_domains=OURS) in set(InCopy)


def test_without_a_managers_address_nobody_is_the_manager() -> None:
    message = parse(b"Cc: mia@agency.example\r\n\r\nx")
    found = manager_in_copy(message, manager=frozenset(), set_aside=SET_ASIDE, our_domains=OURS)
    assert found is InCopy.SOMEONE_ELSE
