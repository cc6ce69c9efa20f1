"""The roles an officer can hold, and the word for acts by the operator's shell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SHELL = "shell"


class Role(StrEnum):
    DRAFTER = "drafter"
    APPROVER = "approver"
    PRIVACY_OFFICER = "privacy-officer"
    COMPONENT_OFFICER = "component-officer"
    REVIEWER = "reviewer"
    COUNSEL = "counsel"
    AUDITOR = "auditor"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Actor:
    """The officer who acts, as the ledger names them: a number, never a name."""

    officer_no: int
    handle: str
    roles: frozenset[Role]
    components: frozenset[str]

    @property
    def mark(self) -> str:
        return f"officer:{self.officer_no} by {SHELL}" if self.officer_no else SHELL
