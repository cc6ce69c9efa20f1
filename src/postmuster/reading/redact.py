"""Take personal data and secrets out of a text and say what stood there.

What for: people and models see a reply redacted; who may see more asks for it. Each find becomes a label of fixed words in
square brackets, `[telephone number]`, which tells a reader what was there and nothing about it.

Promises: never raises. What is returned holds nothing that `find_personal` or `find_secrets` finds: what was redacted is
looked through again until nothing is found, so redacting twice changes nothing. Spans are places in the text that was
handed in, in order and apart; the text outside them is unchanged.

Limits: 10,000 finds a round and six rounds (a second one finds something only in text that was made for it); what is left
then is withheld whole. Names, and whatever has no form, stay. Text above a marking's tier is not redacted but held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from postmuster.reading.personal import PersonalKind, find_personal
from postmuster.reading.secrets import SecretKind, find_secrets

MAX_FINDS_A_ROUND: Final = 10_000
MAX_ROUNDS: Final = 6
WITHHELD: Final = "withheld"

LABELS: Final[dict[str, str]] = {
    PersonalKind.EMAIL: "[e-mail address]",
    PersonalKind.PHONE: "[telephone number]",
    PersonalKind.SSN: "[social security number]",
    PersonalKind.CARD: "[card number]",
    PersonalKind.IBAN: "[bank account]",
    PersonalKind.PASSPORT: "[passport number]",
    PersonalKind.MEDICAL_RECORD: "[medical record number]",
    PersonalKind.BIRTH_DATE: "[date of birth]",
    PersonalKind.POSTAL_ADDRESS: "[postal address]",
    SecretKind.PRIVATE_KEY: "[private key]",
    SecretKind.AWS_KEY: "[access key]",
    SecretKind.GITHUB_TOKEN: "[access token]",
    SecretKind.GOOGLE_KEY: "[access key]",
    SecretKind.SLACK_TOKEN: "[access token]",
    SecretKind.JWT: "[access token]",
    SecretKind.PASSWORD: "[password]",
    WITHHELD: "[text withheld]",
}


@dataclass(frozen=True, slots=True)
class RedactedSpan:
    """What was taken out, and from where, in characters of the text that was handed in."""

    kind: str  # a PersonalKind, a SecretKind, or WITHHELD
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without what was found in it."""

    text: str
    spans: tuple[RedactedSpan, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind were taken out: what a writer may be told, and a log may hold."""
        counts: dict[str, int] = {}
        for span in self.spans:
            counts[span.kind] = counts.get(span.kind, 0) + 1
        return counts


def redact(text: str, *, ours: str | None = None) -> Redacted:
    """Return a text without personal data and secrets. What `ours`, the text we sent, holds stays. Never raises."""
    spans: list[RedactedSpan] = []
    shown = text
    for _ in range(MAX_ROUNDS):
        found = _finds(shown, ours)
        if not found:
            return Redacted(shown, tuple(spans))
        spans = _united(spans, found)
        shown = _with_labels(text, spans)
    return Redacted(LABELS[WITHHELD], (RedactedSpan(WITHHELD, 0, len(text)),))


def _finds(shown: str, ours: str | None) -> list[RedactedSpan]:
    """Return what is found in a text, in order; what is beyond the limit is withheld."""
    secrets = find_secrets(shown, most=MAX_FINDS_A_ROUND)
    personal = find_personal(shown, ours=ours, most=MAX_FINDS_A_ROUND)
    found = [RedactedSpan(str(one.kind), one.start, one.end) for one in secrets]
    found += [RedactedSpan(str(each.kind), each.start, each.end) for each in personal]
    found.sort(key=lambda span: (span.start, -span.end))
    if len(found) >= MAX_FINDS_A_ROUND:
        found = [
            *found[: MAX_FINDS_A_ROUND // 2],
            RedactedSpan(WITHHELD, found[MAX_FINDS_A_ROUND // 2].start, len(shown)),
        ]
    return found


def _united(known: Sequence[RedactedSpan], found: Sequence[RedactedSpan]) -> list[RedactedSpan]:
    """Bring finds in a text with labels back to places in the text handed in; what overlaps becomes one."""
    both = list(known)
    labels = _label_places(known)
    for each in found:
        start, end = _origin(each.start, labels, at_end=False), _origin(each.end, labels, at_end=True)
        both.append(RedactedSpan(each.kind, start, end))
    both.sort(key=lambda span: (span.start, -span.end))
    apart: list[RedactedSpan] = []
    for span in both:
        if apart and span.start < apart[-1].end:
            apart[-1] = RedactedSpan(apart[-1].kind, apart[-1].start, max(apart[-1].end, span.end))
        else:
            apart.append(span)
    return apart


def _label_places(spans: Sequence[RedactedSpan]) -> list[tuple[int, int, int, int]]:
    """Where each label stands in the text with labels, and the span it stands for."""
    places, shift = [], 0
    for span in spans:
        start = span.start + shift
        size = len(LABELS[span.kind])
        places.append((start, start + size, span.start, span.end))
        shift += size - (span.end - span.start)
    return places


def _origin(at: int, labels: Sequence[tuple[int, int, int, int]], *, at_end: bool) -> int:
    """The place in the text handed in that a place in the text with labels came from; within a label, its span's edge."""
    low, high = 0, len(labels)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if labels[middle][0] < at else (low, middle)
    if not low:
        return at
    _, end, from_start, from_end = labels[low - 1]
    if at >= end:
        return at - end + from_end
    return from_end if at_end else from_start


def _with_labels(text: str, spans: Sequence[RedactedSpan]) -> str:
    pieces, at = [], 0
    for span in spans:
        pieces += [text[at : span.start], LABELS[span.kind]]
        at = span.end
    return "".join([*pieces, text[at:]])
