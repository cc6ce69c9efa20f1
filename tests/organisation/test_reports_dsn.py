"""Delivery status reports in three styles."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest

from postmuster.organisation.dice import Dice
from postmuster.organisation.people import AGENCIES, create_people
from postmuster.organisation.received import read_received
from postmuster.organisation.reports_dsn import STYLE_OF_AGENCY, STYLES, Report, write_report
from postmuster.organisation.truth import Kind, Outcome

from .notices import notice_mail

AT = datetime(2026, 11, 3, 14, 5, 9, tzinfo=UTC)
MAIL = read_received(notice_mail(7, create_people(3, 1)[2], AT))
CASES = [(style, action) for style in STYLES for action in ("failed", "delayed", "delivered")]


@pytest.mark.parametrize(("style", "action"), CASES)
@pytest.mark.parametrize("address", ["ada@seeds.agency.example", "józef@seeds.agency.example"])
def test_a_report_parses_and_says_what_is_expected(style: str, action: str, address: str) -> None:
    reverse_path = "b-n7-abc@survey.example"
    report = Report(style, action, address, "seeds.agency.example", reverse_path, MAIL, AT)
    octets, expected = write_report(report, Dice(style, action))
    message = message_from_bytes(octets, policy=policy.default)
    assert message.get_content_type() == "multipart/report"
    assert message["content-type"].params["report-type"] == "delivery-status"
    assert message["to"].addresses[0].addr_spec == reverse_path
    assert message["auto-submitted"] == "auto-replied"
    part = next(part for part in message.walk() if part.get_content_type().endswith("delivery-status"))
    raw = octets.decode()
    assert f"\r\nAction: {action}\r\nStatus: {expected.status}\r\n" in raw
    assert address in raw
    assert part.get_content_type() == (
        "message/delivery-status" if address.isascii() else "message/global-delivery-status"
    )
    assert expected.action == action
    assert expected.status[0] == {"failed": "5", "delayed": "4", "delivered": "2"}[action]
    assert (expected.kind, expected.outcome) == (Kind.BOUNCE, Outcome.NOTED)
    assert MAIL.message_id in raw
    assert b"\n" not in octets.replace(b"\r\n", b"")


def test_each_agency_has_a_style_and_each_style_an_agency() -> None:
    assert set(STYLE_OF_AGENCY) == {agency.domain for agency in AGENCIES}
    assert set(STYLE_OF_AGENCY.values()) == set(STYLES)


def test_reports_fail_for_several_reasons() -> None:
    seen = set()
    for throw in range(60):
        report = Report(
            "postfix", "failed", "ada@seeds.agency.example", "seeds.agency.example", "b-n1-x@survey.example", MAIL, AT
        )
        seen.add(write_report(report, Dice(throw))[1].status)
    assert len(seen) >= 4
