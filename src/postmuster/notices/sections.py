"""The tables of a notice file, each read into its value.

What for: `content.read_notice` asks these readers one after the other. Each notes every fault of its table, says what
to write instead, and returns a value of the right type even then, so that the faults of the next table are found as
well.

Promises: pure; never raises. Limits: the constants below. `docs/notice-file.md` lists every key.
Sources: RFC 5321 §4.5.3.1 (local parts); 5 U.S.C. 552a(e)(3) (authority, effect of not answering).
"""

from __future__ import annotations

import datetime
import re
from typing import Final

from postmuster.assessments.document import MAX_RETENTION_DAYS
from postmuster.assessments.kinds import ALLOWED_ASKS, AskType, NoticeKind
from postmuster.assessments.table import Table, Texts
from postmuster.mail.address import AddressFault, parse_addr_spec
from postmuster.mail.placeholders import problems_in
from postmuster.notices.deadlines import zone_named
from postmuster.notices.terms import (
    ATTRIBUTES,
    LANGUAGES,
    PERSON_ZONE,
    Ask,
    AssessmentRef,
    Audience,
    Authority,
    Contact,
    Deadline,
    ElectionTerms,
    Requirement,
    RetentionStart,
    RetentionTerm,
    Sender,
)
from postmuster.roster.states import EmploymentClass, Status

MAX_SUBJECT_CHARS: Final = 120  # own limit: mail programs cut longer subjects; RFC 5322 §2.1.1 allows 998 octets
MAX_CHOICES: Final = 10  # own limit
MAX_CHOICE_CHARS: Final = 40  # own limit: a choice is typed by hand
MAX_ITEMS: Final = 20  # own limit: points of a report
MAX_GRACE_MINUTES: Final = 10_080  # a week
MAX_WAIT_DAYS: Final = 366  # a decision or an answer that takes longer is none
MAX_CONFIRM_DAYS: Final = 60  # own limit: a code that holds longer lies about in mailboxes
NO_CONSEQUENCE: Final = "none"
_RESERVED_CHOICES = frozenset({"withdraw", "decline"})
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LOCAL_PART = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_PHONE = re.compile(r"[0-9+() ./x-]{3,40}")


def read_language(table: Table) -> str:
    """Return the notice's own language; the first known one when it cannot be read."""
    language = table.text("language", most_chars=35) or LANGUAGES[0]
    if language not in LANGUAGES:
        table.fault("language", f"must be one of {', '.join(LANGUAGES)}: in these the generated words exist.")
        return LANGUAGES[0]
    return language


def read_subject(table: Table, language: str) -> Texts:
    """Return the subject in each language, its placeholders checked."""
    subject = table.texts("subject", language=language, missing="is missing: say in one line what the mail is about.")
    for tag, text in subject.pairs:
        if len(text) > MAX_SUBJECT_CHARS:
            table.fault(
                "subject", f"is longer than {MAX_SUBJECT_CHARS} characters in {tag}; mail programs would cut it."
            )
        for _, column, sentence in problems_in(text):
            table.fault("subject", f"in {tag}, character {column}: {sentence}")
    return subject


def read_ask(table: Table, language: str, kind: NoticeKind | None) -> Ask:
    """Return what is asked, checked against the kind of notice."""
    inner = table.table(
        "ask", missing='is missing: write [ask] with type = "acknowledge", "election", "report" or "none".'
    )
    asked = inner.choice("type", AskType, missing="is missing: say acknowledge, election, report or none.")
    if not table.has("ask"):
        return Ask(AskType.NONE)
    if kind is not None and asked is not None and asked not in ALLOWED_ASKS[kind]:
        allowed = " or ".join(sorted(ALLOWED_ASKS[kind]))
        inner.fault("type", f"is {asked}, which a notice of the kind {kind} cannot ask; it may ask {allowed}.")
    choices: tuple[str, ...] = ()
    decided_by, days, items = Texts(), None, None
    if asked is AskType.ELECTION:
        choices = _choices(inner)
        decided_by = inner.texts("decided_by", language=language, missing="is missing: say who decides on an election.")
        days = inner.whole(
            "decision_days", least=1, most=MAX_WAIT_DAYS, missing="is missing: within how many days it is decided."
        )
    elif asked is AskType.REPORT:
        items = inner.whole("items", least=1, most=MAX_ITEMS, missing="is missing: say how many points are asked for.")
    for key, owner in (
        ("choices", "election"),
        ("decided_by", "election"),
        ("decision_days", "election"),
        ("items", "report"),
    ):
        if inner.has(key) and asked is not None and asked != owner:
            inner.raw(key)
            inner.fault(key, f"belongs to an ask of the type {owner}; take it out.")
    inner.done()
    return Ask(asked or AskType.NONE, choices, items or 0, decided_by, days or 0)


def _choices(inner: Table) -> tuple[str, ...]:
    choices = inner.words("choices", most_chars=MAX_CHOICE_CHARS)
    if not choices and not inner.has("choices"):
        inner.fault("choices", 'is missing: list what a person can choose, such as ["Resign"].')
    elif not 1 <= len(choices) <= MAX_CHOICES:
        inner.fault("choices", f"must be a list of 1 to {MAX_CHOICES} choices.")
    folded = [choice.casefold() for choice in choices]
    if len(set(folded)) < len(folded):
        inner.fault("choices", "has two that differ in case only; people could not tell them apart.")
    for choice in sorted(_RESERVED_CHOICES.intersection(folded)):
        inner.fault("choices", f"has “{choice}”, a word by which people take an answer back; choose another.")
    return choices


def read_election(table: Table, ask: Ask) -> ElectionTerms:
    """Return how a choice comes into force, and for whom the offer is open."""
    inner, default = table.table("election"), ElectionTerms()
    confirm = inner.whole("confirm_days", least=1, most=MAX_CONFIRM_DAYS)
    withdraw = inner.whole("withdraw_days", least=1, most=MAX_WAIT_DAYS)
    classes = tuple(str(word) for word in inner.choices("classes", EmploymentClass))
    statuses = tuple(str(word) for word in inner.choices("statuses", Status))
    components = inner.words("except_components", most_chars=500)
    for key, found in (("classes", classes), ("statuses", statuses), ("except_components", components)):
        if inner.has(key) and not found:
            inner.fault(key, "must list at least one value; take it out to leave it as usual.")
    inner.done()
    if table.has("election") and ask.type is not AskType.ELECTION:
        table.fault("election", "is written although no election is asked for; take it out.")
    return ElectionTerms(
        default.confirm_days if confirm is None else confirm,
        default.withdraw_days if withdraw is None else withdraw,
        tuple(sorted(classes)),
        tuple(sorted(statuses)) or default.statuses,
        tuple(sorted(components)),
    )


def read_deadline(table: Table, ask: Ask) -> Deadline | None:
    """Return the deadline; an instant when it is written with an offset."""
    if not table.has("deadline"):
        table.raw("deadline")
        if ask.type in {AskType.ELECTION, AskType.REPORT}:
            table.fault("deadline", "is missing: write [deadline] with the moment until which answers count.")
        return None
    inner = table.table("deadline")
    at = inner.raw("at")
    zone = inner.text("zone", most_chars=100)
    grace = inner.whole("grace_minutes", least=0, most=MAX_GRACE_MINUTES) or 0
    inner.done()
    if not isinstance(at, datetime.datetime):
        inner.fault("at", "must be a date and a time of day without quotation marks, such as 2027-03-15T17:00:00.")
        return None
    if not 2000 <= at.year <= 2999:
        inner.fault("at", "lies outside the years 2000 to 2999.")
        return None
    if at.tzinfo is not None:
        if zone:
            inner.fault("zone", "is written although `deadline.at` has an offset; leave one of them out.")
        return Deadline(at.astimezone(datetime.UTC), "UTC", grace)
    zone = zone or PERSON_ZONE
    if zone != PERSON_ZONE and zone_named(zone) is None:
        inner.fault("zone", f'is not a zone such as Europe/Berlin; write its full name, or "{PERSON_ZONE}".')
    return Deadline(at, zone, grace)


def read_audience(table: Table) -> Audience:
    """Return whom to write to."""
    inner = table.table("audience", missing="is missing: name the components and the employment classes to write to.")
    if not table.has("audience"):
        return Audience((), True, ())
    components = inner.words("components", most_chars=500)
    if not components:
        inner.fault("components", 'is missing: list whom to write to, such as ["Agency of Rivers/Bureau of Locks"].')
    for path in components:
        if any(part != part.strip() or not part for part in path.split("/")):
            inner.fault(
                "components", f"has “{path[:60]}”, which is not names joined by single slashes, none at the ends."
            )
    classes = inner.choices("classes", EmploymentClass)
    if not classes:
        inner.fault(
            "classes", 'is missing: every employment class not named is excluded; list some, such as ["employee"].'
        )
    subtree = inner.flag("subtree")
    attributes = _attributes(inner)
    inner.done()
    return Audience(components, subtree is not False, tuple(str(word) for word in classes), attributes)


def _attributes(inner: Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
    table = inner.table("attributes")
    found = []
    for key in ATTRIBUTES:
        if not table.has(key):
            table.raw(key)
            continue
        wanted = tuple(str(word) for word in table.choices(key, Status)) if key == "status" else table.words(key)
        if key == "time_zone":
            for name in wanted:
                if zone_named(name) is None:
                    table.fault(key, f"has “{name[:60]}”, which is not a zone such as Europe/Berlin.")
        if not wanted:
            table.fault(key, "must list at least one value; take it out to leave it open.")
        found.append((key, tuple(sorted(wanted))))
    table.done()
    return tuple(found)


def read_authority(table: Table, language: str) -> Authority:
    """Return on what authority the office writes."""
    inner = table.table("authority", missing="is missing: say on what authority this office writes.")
    if not table.has("authority"):
        return Authority(Texts(), "", False)
    text = inner.texts(
        "text", language=language, missing="is missing: say in words on what authority this office writes."
    )
    citation = inner.text("citation", missing="is missing: cite the statute, order or delegation.", most_chars=300)
    may_instruct = inner.flag("may_instruct")
    inner.done()
    return Authority(text, citation, may_instruct or False)


def read_contact(table: Table) -> Contact:
    """Return whom people can reach."""
    inner = table.table("contact", missing="is missing: name a person whom people can reach.")
    if not table.has("contact"):
        return Contact("", "", "", "")
    name = inner.text("name", missing="is missing: name a person.", most_chars=200)
    office = inner.text("office", missing="is missing: name the office.", most_chars=200)
    address = inner.text("address", missing="is missing: give a mail address.", most_chars=254)
    if address and isinstance(fault := parse_addr_spec(address), AddressFault):
        inner.fault("address", f"is not a mail address. {fault.sentence}")
    phone = inner.text("phone", missing="is missing: give a telephone number.", most_chars=100)
    if phone and not (_PHONE.fullmatch(phone) and sum(sign.isdigit() for sign in phone) >= 3):
        inner.fault("phone", "is not a telephone number: write digits, spaces and + ( ) - . / x only.")
    days = inner.whole("answer_days", least=1, most=MAX_WAIT_DAYS)
    inner.done()
    return Contact(name, office, address, phone) if days is None else Contact(name, office, address, phone, days)


def read_duty(table: Table, language: str, ask: Ask, authority: Authority) -> tuple[bool | None, Requirement | None]:
    """Return whether answering is voluntary and, where it is not, what requires it."""
    voluntary = table.flag("voluntary")
    inner = table.table("requirement")
    consequence, citation = _requirement(inner, language)
    written = table.has("requirement")
    if ask.type is AskType.NONE:
        for key in ("voluntary", "requirement"):
            if table.has(key) and table.has("ask"):
                table.fault(key, "is written although nothing is asked; take it out.")
        return None, None
    if voluntary is None and not table.has("voluntary"):
        table.fault("voluntary", "is missing: say true when people are free not to answer, else false.")
    if voluntary is not False:
        if written:
            table.fault("requirement", "is written although answering is not required; take it out.")
        return voluntary, None
    if not authority.may_instruct:
        table.fault(
            "voluntary",
            "is false although `authority.may_instruct` is not true: only who employs people may require an answer.",
        )
    if not citation and consequence:
        table.fault("requirement", "names a consequence without `citation`; cite the authority for it, or say none.")
    elif not citation:
        table.fault("requirement", "has no `citation`; cite what requires an answer.")
    return False, Requirement(consequence, citation)


def _requirement(inner: Table, language: str) -> tuple[Texts, str]:
    consequence = inner.texts("consequence", language=language)
    citation = inner.text("citation", most_chars=300)
    inner.done()
    none = all(text.casefold() == NO_CONSEQUENCE for _, text in consequence.pairs)
    return (Texts() if none else consequence), citation


def read_privacy(inner: Table, language: str, ask: Ask) -> tuple[tuple[Texts, ...], Texts, tuple[Texts, ...]]:
    """Return what is collected, what for, and with whom it is shared, from the table [privacy]."""
    data = inner.texts_list("data", language=language)
    purpose = inner.texts("purpose", language=language)
    sharing = inner.texts_list("sharing", language=language)
    if ask.type is not AskType.NONE and not data:
        inner.fault("data", "is missing: list what is collected, such as the answer itself.")
    if (ask.type is not AskType.NONE or data) and not purpose:
        inner.fault("purpose", "is missing: say what the answers are for.")
    if not inner.has("sharing"):
        inner.fault("sharing", "is missing: list with whom answers are shared, or [] for no one.")
    return data, purpose, sharing


def read_retention(table: Table, deadline: Deadline | None) -> RetentionTerm:
    """Return how long answers are kept."""
    inner = table.table("retention", missing="is missing: say how long answers are kept, and on whose authority.")
    if not table.has("retention"):
        return RetentionTerm("", 1, RetentionStart.RELEASE, "")
    schedule = inner.text("schedule", missing="is missing: name the retention schedule.", most_chars=200)
    days = inner.whole(
        "days", least=1, most=MAX_RETENTION_DAYS, missing="is missing: say how many days answers are kept."
    )
    start = inner.choice("start", RetentionStart, missing="is missing: say release, deadline, received or closed.")
    authority = inner.text("authority", missing="is missing: name who approved the schedule.", most_chars=200)
    if start is RetentionStart.DEADLINE and deadline is None:
        inner.fault("start", "is deadline, but the notice has no deadline that can be read.")
    inner.done()
    return RetentionTerm(schedule, days or 1, start or RetentionStart.RELEASE, authority)


def read_assessment(table: Table) -> AssessmentRef:
    """Return which privacy assessment the notice stands on."""
    inner = table.table("assessment", missing="is missing: name the privacy assessment the notice stands on.")
    if not table.has("assessment"):
        return AssessmentRef("", None)
    slug = inner.text("slug", missing="is missing: give the short name of the privacy assessment.", most_chars=100)
    if slug and not _SLUG.fullmatch(slug):
        inner.fault("slug", "must be lower-case letters, digits and hyphens, at most 63.")
    version = inner.whole("version", least=1, most=1_000_000)
    inner.done()
    return AssessmentRef(slug, version)


def read_sender(table: Table) -> Sender:
    """Return who stands in the From field."""
    inner = table.table("sender", missing="is missing: name the unit that writes.")
    if not table.has("sender"):
        return Sender("", "")
    name = inner.text("name", missing="is missing: name the unit that writes, as people know it.", most_chars=100)
    if "@" in name:
        inner.fault("name", "has an @: the name of a unit is no address.")
    local_part = inner.text(
        "local_part", missing="is missing: give the part of the address before the @.", most_chars=64
    )
    if local_part and not _LOCAL_PART.fullmatch(local_part):
        inner.fault(
            "local_part", "must be lower-case letters and digits with single dots, hyphens or underscores between."
        )
    inner.done()
    return Sender(name, local_part)
