"""Words of the roster: employment classes and a person's status."""

from __future__ import annotations

from enum import StrEnum


class EmploymentClass(StrEnum):
    EMPLOYEE = "employee"
    CONTRACTOR = "contractor"
    JUDGE = "judge"
    MILITARY = "military"
    ELECTED = "elected"
    DETAILEE = "detailee"
    OTHER = "other"


class Status(StrEnum):
    ACTIVE = "active"
    ON_LEAVE = "on_leave"
    NO_MAIL_ACCESS = "no_mail_access"
    SEPARATED = "separated"
