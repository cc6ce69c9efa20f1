"""Rejects: why a line of the feed was left out, in one word and one sentence.

A reject says where it stands (line, column) and never what stands there: who keeps the roster has the file at hand, and a
rejects file is mailed around more freely than a roster. `person_id` is carried inside the house only, so that a person
whose line could not be read keeps the entry they had; it is never written out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """What is wrong with a line, as the rejects file names it. For addresses the word is that of `AddressFault`."""

    CELLS = "cells"
    QUOTE = "quote"
    LINE_END = "line-end"
    PERSON_ID = "person-id"
    NAME = "name"
    COMPONENT = "component"
    COMPONENT_DEPTH = "component-depth"
    EMPLOYMENT_CLASS = "employment-class"
    MANAGER_ID = "manager-id"
    OWN_MANAGER = "own-manager"
    TIME_ZONE = "time-zone"
    LANGUAGE = "language"
    STATUS = "status"
    LEAVE_DATE = "leave-date"
    DUPLICATE_PERSON = "duplicate-person"
    DUPLICATE_ADDRESS = "duplicate-address"


SENTENCES: Final = {
    Reason.CELLS: "The line has more or fewer cells than the first line names columns; quote cells that hold a comma.",
    Reason.QUOTE: "A quoted cell is not closed where it should be; double each quote inside a quoted cell.",
    Reason.LINE_END: "A carriage return stands inside the line; end lines with LF or CRLF.",
    Reason.PERSON_ID: "A person_id is 1 to 64 of A-Z, a-z, 0-9 and . _ - : / # @ +, beginning with a letter or digit.",
    Reason.NAME: "The name is empty; give the name the person is written to with.",
    Reason.COMPONENT: "A component is a path such as Agency/Bureau/Office, without an empty part, of at most 512 characters.",
    Reason.COMPONENT_DEPTH: "The component path has more than 16 parts; give a shorter one.",
    Reason.EMPLOYMENT_CLASS: (
        "The employment_class is none of employee, contractor, judge, military, elected, detailee, other."
    ),
    Reason.MANAGER_ID: "The manager_id is not in the form of a person_id; leave it empty where there is none.",
    Reason.OWN_MANAGER: "The person is given as their own manager; leave manager_id empty where there is none.",
    Reason.TIME_ZONE: "The time_zone is not in the IANA database; give one such as America/New_York.",
    Reason.LANGUAGE: "The language is not a tag such as en, es-MX or zh-Hant (BCP 47, at most 16 characters).",
    Reason.STATUS: "The status is none of active, on_leave:YYYY-MM-DD, no_mail_access, separated.",
    Reason.LEAVE_DATE: "The day after on_leave: is not in the calendar or not between the years 2000 and 2199.",
    Reason.DUPLICATE_PERSON: "The person_id stands in line {first} already; the first line counts.",
    Reason.DUPLICATE_ADDRESS: "The address stands in line {first} already; the first line counts.",
}


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that was left out. `column` is empty where the whole line is at fault."""

    line_no: int
    column: str
    reason: str
    sentence: str
    person_id: str = ""


def duplicate(line_no: int, column: str, first: int) -> Reject:
    """The reject of a line whose `column` (person_id or address) stood in line `first` already."""
    reason = Reason.DUPLICATE_PERSON if column == "person_id" else Reason.DUPLICATE_ADDRESS
    return Reject(line_no, column, reason, SENTENCES[reason].format(first=first))
