"""Reading the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from postmuster.ledger.chain import EntryValue, LinkValue, first_fault
from postmuster.ledger.models import Entry, Link

_PAGE_ROWS = 2000


def unnumbered(limit: int) -> list[EntryValue]:
    """Committed entries that the sequencer has not seen, oldest first. Index: ledger_link.entry_id (unique)."""
    return [_value(entry) for entry in Entry.objects.filter(link=None).order_by("id")[:limit]]


def links() -> Iterator[LinkValue]:
    """Every link from the first on, a page at a time. Index: primary key."""
    last = 0
    while page := list(Link.objects.select_related("entry").filter(seq__gt=last).order_by("seq")[:_PAGE_ROWS]):
        for link in page:
            yield LinkValue(link.seq, _value(link.entry), bytes(link.leaf), bytes(link.chained))
        last = page[-1].seq


def verify() -> str | None:
    """The first fault of the whole ledger, or None."""
    return first_fault(links())


def counts() -> tuple[int, int]:
    """Entries written and entries numbered."""
    return Entry.objects.count(), Link.objects.count()


def _value(entry: Entry) -> EntryValue:
    return EntryValue(entry.pk, entry.kind, entry.at, entry.actor, entry.subject, entry.facts, bytes(entry.salt))
