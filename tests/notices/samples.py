"""Small notices for these tests, written as an officer would."""

from __future__ import annotations

from pathlib import Path

import postmuster.rehearsal
from postmuster.assessments.table import Refusals
from postmuster.notices.content import read_notice
from postmuster.notices.files import read_notice_file
from postmuster.notices.terms import NoticeContent

REHEARSAL = Path(next(iter(postmuster.rehearsal.__path__)))
KINDS = ("test", "offer", "report")

TEST = """
kind = "test"
voluntary = true
subject = "Test for {name}"
[sender]
name = "Office of Staff Affairs"
local_part = "staff-affairs"
[ask]
type = "acknowledge"
[deadline]
at = 2027-03-05T17:00:00
grace_minutes = 60
[audience]
components = ["Agency of Rivers"]
classes = ["employee"]
[authority]
text = "the agencies asked this office to write."
citation = "Order 12-3"
[contact]
name = "Finn Ashcombe"
office = "Office of Staff Affairs"
address = "staff@agency.example"
phone = "+1 555 0100"
[privacy]
data = ["the answer"]
purpose = "to see whom mail reaches"
sharing = []
machine_sorting = "rules"
[retention]
schedule = "R-1"
days = 90
start = "deadline"
authority = "Records Officer"
[assessment]
slug = "reach-test"
"""
ELECTION = 'type = "election"\nchoices = ["Resign"]\ndecided_by = "your personnel office"\ndecision_days = 10'
ELECTION_TERMS = """
[election]
confirm_days = 3
withdraw_days = 14
classes = ["employee"]
statuses = ["active"]
except_components = ["Agency of Rivers/Bureau of Locks"]
"""
SENDING = """
[rounds]
minimum_gap_hours = 24
maximum = 4
[in_doubt]
policy = "resend"
wait_minutes = 30
[ramp]
canary_percent = 0.5
waves = [10, 30.5]
observe_minutes = 15
[ramp.limits]
failed_percent = 3
deferred_percent = 20
complaints_percent = 0.2
not_mine_percent = 1
[schedule]
quiet_hours = "none"
override_reason = "the building is closed"
start_by = 2027-03-03T12:00:00+01:00
"""
BODY = b"Dear {name},\n\nplease answer by *{deadline}*.\n"


def changed(*pairs: tuple[str, str], text: str = TEST) -> str:
    """Return the sample with parts of it replaced; each must be there."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def without(table: str, text: str = TEST) -> str:
    """Return the sample without one table."""
    before, header, after = text.partition(f"[{table}]\n")
    assert header
    rest = after[after.index("\n[") + 1 :] if "\n[" in after else ""
    return before + rest


def read(text: str = TEST, body: bytes = BODY, **bodies: bytes) -> NoticeContent:
    """Read a sample that must be sound."""
    content = read_notice(text.encode(), {"": body, **bodies})
    assert not isinstance(content, Refusals), list(content)
    return content


def refused(text: str = TEST, body: bytes = BODY, **bodies: bytes) -> list[str]:
    """Read a sample that must be refused."""
    content = read_notice(text.encode(), {"": body, **bodies})
    assert isinstance(content, Refusals)
    return list(content)


def rehearsal_notice(kind: str) -> NoticeContent:
    """Read a notice of the rehearsal."""
    content = read_notice(*read_notice_file(REHEARSAL / "notices" / kind / "notice.toml"))
    assert not isinstance(content, Refusals), list(content)
    return content
