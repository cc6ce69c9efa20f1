"""The privacy assessment as a document: a TOML file read into a frozen value.

What for: before anything leaves, a published assessment version must cover what a notice collects, why, with whom it is
shared, how long it is kept and how far machines sort it (`coverage`). This module reads the file an author writes,
says everything that is wrong with it at once, and fixes its content as canonical octets with a digest, so that a
published version can be compared and chained.

Promises: any octets give a document or reasons, never an exception; the digest does not depend on the order of keys,
on line ends or on comments. Limits: those of `table`. `docs/assessment-file.md` lists every key.
Sources: E-Government Act of 2002 §208; OMB M-03-22; 5 U.S.C. 552a(e)(3).
"""

import datetime
import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from postmuster.assessments.kinds import AskType, MachineSorting, NoticeKind
from postmuster.assessments.table import Faults, Refusals, Table, open_table

FORMAT: Final = "postmuster-assessment-1"
MAX_RETENTION_DAYS: Final = 36_525  # a hundred years: longer is a slip of the pen
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

# The contents an assessment must have, keyed as the checklist keys them. Source: OMB M-03-22 §II.C.1.
REQUIRED_SECTIONS: Final = ("pia.what", "pia.why", "pia.use", "pia.share", "pia.consent", "pia.secure", "pia.sor")
OPTIONAL_SECTIONS: Final = ("pia.choices", "pia.depth", "pia.reviewer", "pia.when", "pia.trigger", "pia.publish")


class Voluntariness(StrEnum):
    """Whether answers under this assessment are voluntary, required, or one or the other by notice."""

    VOLUNTARY = "voluntary"
    REQUIRED = "required"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Retention:
    """One schedule the assessment allows and its longest term."""

    schedule: str
    max_days: int


@dataclass(frozen=True, slots=True)
class AssessmentDocument:
    """One version of a privacy assessment."""

    slug: str
    version: int
    title: str
    author: str
    privacy_officer: str
    system: str
    data: tuple[str, ...]
    purposes: tuple[str, ...]
    kinds: tuple[NoticeKind, ...]
    asks: tuple[AskType, ...]
    sharing: tuple[str, ...]
    voluntary: Voluntariness
    consequences: tuple[str, ...]
    retention: tuple[Retention, ...]
    machine_sorting: MachineSorting
    security: tuple[str, ...]
    review_on: datetime.date
    sections: tuple[tuple[str, str], ...]


def read_assessment(data: bytes, *, file: str = "assessment.toml") -> AssessmentDocument | Refusals:
    """Read an assessment file; never raises.

    Returns the document, or every reason why it is not one. Source: OMB M-03-22 §II.C.
    """
    table, faults = open_table(data, file=file)
    if faults.sentences:
        return faults.refusals()
    document = _document(table, faults)
    table.done()
    return faults.refusals() if faults.sentences or document is None else document


def canonical_assessment(document: AssessmentDocument) -> bytes:
    """Return the octets that stand for this version: sorted, compact JSON in UTF-8."""
    return json.dumps(as_table(document), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def assessment_digest(document: AssessmentDocument) -> str:
    """Return the SHA-256 of the canonical octets, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_assessment(document)).hexdigest()


def as_table(document: AssessmentDocument) -> dict[str, object]:
    """Return the document as plain values in the shape of its file, to be stored or shown."""
    return {
        "format": FORMAT,
        "slug": document.slug,
        "version": document.version,
        "title": document.title,
        "author": document.author,
        "privacy_officer": document.privacy_officer,
        "system": document.system,
        "data": sorted(document.data),
        "purposes": sorted(document.purposes),
        "kinds": list(document.kinds),
        "asks": list(document.asks),
        "sharing": sorted(document.sharing),
        "voluntary": document.voluntary,
        "consequences": sorted(document.consequences),
        "retention": [{"schedule": item.schedule, "max_days": item.max_days} for item in document.retention],
        "machine_sorting": document.machine_sorting,
        "security": sorted(document.security),
        "review_on": document.review_on.isoformat(),
        "sections": {key.removeprefix("pia."): text for key, text in document.sections},
    }


def read_canonical_assessment(data: bytes) -> AssessmentDocument | Refusals:
    """Read canonical octets back, as they were stored; never raises."""
    faults = Faults("stored assessment")
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        faults.add("", "is not a stored assessment of a known format.")
        return faults.refusals()
    table = Table(values, faults=faults)
    document = _document(table, faults)
    table.done()
    return faults.refusals() if faults.sentences or document is None else document


def _document(table: Table, faults: Faults) -> AssessmentDocument | None:
    slug = table.text("slug", missing='is missing: give the assessment a short name, such as slug = "reach-test".')
    if slug and not _SLUG.fullmatch(slug):
        table.fault("slug", "must be lower-case letters, digits and hyphens, at most 63.")
    version = table.whole("version", least=1, most=1_000_000, missing="is missing: number the versions from 1.")
    author = table.text("author", missing="is missing: name who wrote the assessment.")
    officer = table.text("privacy_officer", missing="is missing: name the privacy officer who signs.")
    if author and author.casefold() == officer.casefold():
        table.fault("privacy_officer", "is also the author; another person must review the assessment.")
    title = table.text("title", missing="is missing: give the assessment a title.")
    system = table.text("system", missing="is missing: name the system of records or information system.")
    kinds = table.choices("kinds", NoticeKind)
    asks = table.choices("asks", AskType)
    for key, found, example in (("kinds", kinds, '["test"]'), ("asks", asks, '["acknowledge"]')):
        if not found and not table.has(key):
            table.fault(key, f"is missing: list what is covered, such as {example}.")
    voluntary = _voluntary(table)
    consequences = table.words("consequences", most_chars=500)
    if voluntary is Voluntariness.VOLUNTARY and consequences:
        table.fault("consequences", "are listed although every answer is voluntary; take them out.")
    sorting = table.choice("machine_sorting", MachineSorting, missing="is missing: say none, rules or model.")
    review_on = _date(table, "review_on")
    data = _needed_list(table, "data", "list every data element collected, or [] when there is none")
    purposes = _needed_list(table, "purposes", "list every purpose")
    sharing = _needed_list(table, "sharing", "list with whom data is shared, or [] for no one")
    security = _needed_list(table, "security", "list the controls that protect the data")
    retention = _retention(table)
    sections = _sections(table)
    if faults.sentences or version is None or voluntary is None or sorting is None or review_on is None:
        return None
    return AssessmentDocument(
        slug=slug,
        version=version,
        title=title,
        author=author,
        privacy_officer=officer,
        system=system,
        data=data,
        purposes=purposes,
        kinds=kinds,
        asks=asks,
        sharing=sharing,
        voluntary=voluntary,
        consequences=consequences,
        retention=retention,
        machine_sorting=sorting,
        security=security,
        review_on=review_on,
        sections=sections,
    )


def _needed_list(table: Table, key: str, what: str) -> tuple[str, ...]:
    if not table.has(key):
        table.raw(key)
        table.fault(key, f"is missing: {what}.")
        return ()
    return table.words(key, most_chars=500)


def _voluntary(table: Table) -> Voluntariness | None:
    value = table.raw("voluntary")
    words = {str(word): word for word in Voluntariness}
    if isinstance(value, bool):
        return Voluntariness.VOLUNTARY if value else Voluntariness.REQUIRED
    if isinstance(value, str) and value in words:
        return words[value]
    table.fault("voluntary", 'must be true, false or "both": say whether people are free not to answer.')
    return None


def _date(table: Table, key: str) -> datetime.date | None:
    value = table.raw(key)
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    if isinstance(value, str):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            pass
    table.fault(key, "must be a date such as 2026-01-31: when the assessment is to be reviewed.")
    return None


def _retention(table: Table) -> tuple[Retention, ...]:
    items = table.raw("retention")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        table.fault("retention", "is missing: write one [[retention]] table for each schedule.")
        return ()
    found = []
    for number, item in enumerate(items, start=1):
        inner = table.nested("retention", number, item)
        schedule = inner.text("schedule", missing="is missing: name the retention schedule.")
        days = inner.whole(
            "max_days", least=1, most=MAX_RETENTION_DAYS, missing="is missing: the longest term in days."
        )
        inner.done()
        if schedule and days:
            found.append(Retention(schedule, days))
    return tuple(sorted(found, key=lambda entry: (entry.schedule, entry.max_days)))


def _sections(table: Table) -> tuple[tuple[str, str], ...]:
    known = {key.removeprefix("pia."): key for key in (*REQUIRED_SECTIONS, *OPTIONAL_SECTIONS)}
    written = dict(table.texts_table("sections"))
    for name in sorted(set(written) - set(known)):
        table.fault("sections", f"has `{name[:60]}`, which is not one of {', '.join(known)}.")
    for key in REQUIRED_SECTIONS:
        if key.removeprefix("pia.") not in written:
            table.fault("sections", f"lacks `{key.removeprefix('pia.')}`, which an assessment must have ({key}).")
    return tuple((known[name], text) for name, text in sorted(written.items()) if name in known)
