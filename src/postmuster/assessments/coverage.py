"""Does an assessment cover a notice? Compared element by element.

What for: the gate before release, and `notice check` long before it, ask whether the published assessment version
covers what a notice claims to do. Each element that is not covered gives one sentence that names the words of the notice and
the section of the assessment where they would have to stand; no sentence means covered.

Promises: pure; compares words without regard to case, spaces and Unicode form, and in no other way clever: a
data element covered under another name is not covered, because a person reading both would have to guess.
Sources: 5 U.S.C. 552a(e)(3); E-Government Act of 2002 §208(b); OMB M-03-22 §II.C.
"""

import datetime
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from postmuster.assessments.document import AssessmentDocument, Voluntariness
from postmuster.assessments.kinds import AskType, MachineSorting, NoticeKind

_SORTING_RANK = {MachineSorting.NONE: 0, MachineSorting.RULES: 1, MachineSorting.MODEL: 2}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a notice says it will do with people's data; words are in the notice's default language."""

    assessment: str
    assessment_version: int | None
    kind: NoticeKind
    ask: AskType
    data: tuple[str, ...]
    purpose: str
    sharing: tuple[str, ...]
    voluntary: bool | None  # None: the notice asks nothing
    consequence: str | None
    schedule: str
    retention_days: int
    machine_sorting: MachineSorting


def uncovered(notice: Claims, document: AssessmentDocument) -> list[str]:
    """Compare a notice's claims with an assessment.

    Returns one sentence for each element the assessment does not cover; empty when it covers all.
    Source: 5 U.S.C. 552a(e)(3); OMB M-03-22 §II.C.1.
    """
    name = f"{document.slug} version {document.version}"
    return [
        *_identity(notice, document, name),
        *_kinds(notice, document, name),
        *_missing(notice.data, document.data, f"collects {{}}, which section data (pia.what) of {name} does not list."),
        *_missing(
            [notice.purpose],
            document.purposes,
            f"states the purpose {{}}, which section purposes (pia.why) of {name} lacks.",
        ),
        *_missing(
            notice.sharing,
            document.sharing,
            f"shares with {{}}, whom section sharing (pia.share) of {name} does not list.",
        ),
        *_voluntary(notice, document, name),
        *_retention(notice, document, name),
        *_sorting(notice, document, name),
    ]


def overdue(document: AssessmentDocument, today: datetime.date) -> list[str]:
    """Say, as zero or one sentence, that the date on which the assessment was to be reviewed has passed."""
    if document.review_on >= today:
        return []
    name = f"{document.slug} version {document.version}"
    return [f"The assessment {name} was to be reviewed on {document.review_on.isoformat()}; review it first."]


def _identity(notice: Claims, document: AssessmentDocument, name: str) -> list[str]:
    faults = []
    if notice.assessment != document.slug:
        faults.append(f"The notice names the assessment {notice.assessment}, not {name}.")
    elif notice.assessment_version not in (None, document.version):
        faults.append(f"The notice names version {notice.assessment_version} of {document.slug}, not {name}.")
    return faults


def _kinds(notice: Claims, document: AssessmentDocument, name: str) -> list[str]:
    faults = []
    if notice.kind not in document.kinds:
        faults.append(f"The notice is a {notice.kind}, which section kinds of {name} does not list.")
    if notice.ask not in document.asks:
        faults.append(f"The notice asks {notice.ask}, which section asks (pia.use) of {name} does not list.")
    return faults


def _missing(claimed: Iterable[str], covered: Iterable[str], sentence: str) -> list[str]:
    known = {_folded(word) for word in covered}
    return ["The notice " + sentence.format(f"“{word}”") for word in claimed if word and _folded(word) not in known]


def _voluntary(notice: Claims, document: AssessmentDocument, name: str) -> list[str]:
    faults = []
    if notice.voluntary is True and document.voluntary is Voluntariness.REQUIRED:
        faults.append(f"The notice says voluntary; section voluntary (pia.consent) of {name} says required.")
    if notice.voluntary is False and document.voluntary is Voluntariness.VOLUNTARY:
        faults.append(f"The notice requires an answer; section voluntary (pia.consent) of {name} says voluntary.")
    consequence = [notice.consequence] if notice.consequence else []
    return faults + _missing(
        consequence,
        document.consequences,
        f"states the consequence {{}}, which section consequences (pia.consent) of {name} lacks.",
    )


def _retention(notice: Claims, document: AssessmentDocument, name: str) -> list[str]:
    terms = [item.max_days for item in document.retention if _folded(item.schedule) == _folded(notice.schedule)]
    if not terms:
        return [f"The notice is kept under schedule {notice.schedule}, which section retention of {name} lacks."]
    if notice.retention_days > max(terms):
        return [
            f"The notice is kept {notice.retention_days} days; section retention of {name} allows "
            f"{max(terms)} under schedule {notice.schedule}."
        ]
    return []


def _sorting(notice: Claims, document: AssessmentDocument, name: str) -> list[str]:
    if _SORTING_RANK[notice.machine_sorting] <= _SORTING_RANK[document.machine_sorting]:
        return []
    return [
        f"The notice has replies sorted by {notice.machine_sorting}; section machine_sorting (pia.use) of {name} "
        f"allows {document.machine_sorting}."
    ]


def _folded(word: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", word).casefold().split())
