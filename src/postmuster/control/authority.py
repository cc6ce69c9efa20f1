"""Who may lift what: one rule, put to values.

A pause is lifted by the level that set it or a binding parent; a stop and an automatic hold by an approver; an order's stop
only by lifting the order; the hold of a restored database only by saying that the database is the one.
"""

from __future__ import annotations

from dataclasses import dataclass

from postmuster.control.states import Cause, HoldKind

CONFIRM_COMMAND = "postmuster confirm-database --as OPERATOR --reason …"


@dataclass(frozen=True, slots=True)
class Authority:
    """What an officer may decide for: everyone (an approver), or the subtrees of components."""

    everyone: bool = False
    components: frozenset[str] = frozenset()

    def level_over(self, path: str) -> str:
        """The level at which they act on a component: empty for an approver, else the highest component of theirs above it."""
        if self.everyone:
            return ""
        return min((mine for mine in self.components if mine and is_inside(path, mine)), key=len, default="")


def is_inside(path: str, component: str) -> bool:
    """Whether a component is this one or below it."""
    return path == component or path.startswith(f"{component}/")


def why_not(authority: Authority, *, cause: Cause, kind: str, level: str) -> str:
    """Why this authority may not lift such a stop, as the end of a sentence; empty when it may."""
    if cause is Cause.ORDER:
        return "only lifting the order lifts it"
    if kind == HoldKind.RESTORED:
        return f"it is lifted by `{CONFIRM_COMMAND}`"
    if authority.everyone:
        return ""
    if cause is not Cause.PAUSE:
        return "an approver lifts it"
    if not level:
        return "an approver set it, and an approver lifts it"
    if any(mine and is_inside(level, mine) for mine in authority.components):
        return ""
    return f"the officer of {level} set it; they, a level above or an approver lift it"
