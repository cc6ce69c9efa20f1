"""For whom an offer is open: the notice's own terms, held against the newest roster. Pure.

What it says is computed, told to the person with the reason, and not the last word: the component can admit somebody.
"""

from __future__ import annotations

from postmuster.notices.terms import NoticeContent
from postmuster.replies.election_states import Ineligible
from postmuster.roster.queries import PersonEntry


def ineligible(content: NoticeContent, person: PersonEntry | None) -> Ineligible | None:
    """Why the offer is not open to somebody; None when it is. `person` is their entry in the newest roster."""
    terms = content.election
    if person is None:
        return Ineligible.NOT_IN_ROSTER
    if str(person.employment_class) not in (terms.classes or content.audience.classes):
        return Ineligible.EMPLOYMENT_CLASS
    if str(person.status) not in terms.statuses:
        return Ineligible.STATUS
    if any(person.component == path or person.component.startswith(f"{path}/") for path in terms.except_components):
        return Ineligible.COMPONENT
    return None
