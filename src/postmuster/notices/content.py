"""A notice read from its file and its bodies, checked, and fixed by a digest.

What for: an officer writes `notice.toml` and one Markdown body per language. This module reads both into a frozen
`NoticeContent`, or says at once everything that is wrong with them; it says what the notice claims to do with data,
so that a privacy assessment can be compared with it; and it gives every word that will leave as canonical octets with
one digest, which is what officers approve.

Promises: any octets give a content or reasons, never an exception; the digest covers the content, the bodies, the
generated block and every letter in every language of the notice, and does not depend on the order of keys, on
comments or on line ends.
Limits: those of `assessments.table`, `body` and `sections`. `docs/notice-file.md` lists every key.
Sources: OMB M-03-22; 5 U.S.C. 552a(e)(3).
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Final

from postmuster.assessments.coverage import Claims
from postmuster.assessments.kinds import AskType, MachineSorting, NoticeKind
from postmuster.assessments.table import Faults, Refusals, Table, Texts, open_table
from postmuster.mail.placeholders import names_in
from postmuster.notices import sections, sending
from postmuster.notices.body import MAX_BODY_OCTETS, body_faults, render
from postmuster.notices.deadlines import earliest_end
from postmuster.notices.election_letters import every_election_letter
from postmuster.notices.letters import every_receipt
from postmuster.notices.screened_letters import every_screened_letter
from postmuster.notices.terms import (
    LANGUAGES,
    PERSON_ZONE,
    ElectionTerms,
    InDoubt,
    Limits,
    NoticeContent,
    RetentionStart,
    Rounds,
    Schedule,
)
from postmuster.notices.wording import words_in

FORMAT: Final = "postmuster-notice-1"
DEFAULT_BODY: Final = ""  # the key of `body.md` among bodies; its language is the notice's own
_AS_USUAL: Final = {
    key: dataclasses.asdict(value) if value is not None else None
    for key, value in (
        ("rounds", Rounds()),
        ("in_doubt", InDoubt()),
        ("ramp", None),
        ("limits", Limits()),
        ("schedule", Schedule()),
        ("election", ElectionTerms()),
    )
}
MAX_DEADLINE_AHEAD: Final = datetime.timedelta(days=731)  # longer is a slip of the pen


def read_notice(toml: bytes, bodies: Mapping[str, bytes], *, file: str = "notice.toml") -> NoticeContent | Refusals:
    """Read a notice; never raises.

    `bodies` maps language tags to Markdown; `DEFAULT_BODY` stands for the notice's own language.
    Returns the content, or every reason why it is not one, each with file, line and key.
    """
    table, faults = open_table(toml, file=file)
    if faults.sentences:
        _bodies(bodies, LANGUAGES[0], faults)
        return faults.refusals()
    content = _content(table, bodies, faults)
    table.done()
    return faults.refusals() if faults.sentences or content is None else content


def canonical(content: NoticeContent) -> bytes:
    """Return the octets that stand for a revision: the content, the mail and each letter in every language.

    A table about sending or elections that says nothing but defaults is left out, as if it were not written: digests that
    were approved before such tables existed still hold.
    """
    written = dataclasses.asdict(content)
    languages = [language for language, _ in content.bodies]
    fixed = {
        "format": FORMAT,
        "content": {key: value for key, value in written.items() if key not in _AS_USUAL or value != _AS_USUAL[key]},
        "mail": {language: dataclasses.asdict(render(content, language)) for language in languages},
        "receipts": {
            language: [dataclasses.asdict(letter) for letter in every_receipt(content, language)]
            for language in languages
        },
        "screened": {
            language: [dataclasses.asdict(letter) for letter in every_screened_letter(content, language)]
            for language in languages
        },
        "time": {language: dict(words_in(language)["time"]) for language in languages},
    }
    if content.ask.type is AskType.ELECTION:
        fixed["elections"] = {
            language: [dataclasses.asdict(letter) for letter in every_election_letter(content, language)]
            for language in languages
        }
    return json.dumps(fixed, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain).encode()


def digest(content: NoticeContent) -> str:
    """Return the SHA-256 of the canonical octets, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(content)).hexdigest()


def claims_of(content: NoticeContent) -> Claims:
    """Return what the notice says it does with people's data, in its default language."""

    def best(texts: Texts) -> str:
        return texts.best(content.language, content.language)

    requirement = content.requirement
    return Claims(
        assessment=content.assessment.slug,
        assessment_version=content.assessment.version,
        kind=content.kind,
        ask=content.ask.type,
        data=tuple(best(item) for item in content.data),
        purpose=best(content.purpose),
        sharing=tuple(best(item) for item in content.sharing),
        voluntary=content.voluntary,
        consequence=best(requirement.consequence) or None if requirement else None,
        schedule=content.retention.schedule,
        retention_days=content.retention.days,
        machine_sorting=content.machine_sorting,
    )


def reasons_static(content: NoticeContent, now: datetime.datetime) -> list[str]:
    """Say, one sentence each, why a notice that is well written cannot go out at `now`."""
    return [*_deadline_reasons(content, now), *_start_reasons(content, now)]


def _start_reasons(content: NoticeContent, now: datetime.datetime) -> list[str]:
    start_by = content.schedule.start_by
    if start_by is None or now < start_by:
        return []
    return [f"The moment by which sending starts, {start_by:%Y-%m-%d %H:%M} UTC, has passed; see `schedule.start_by`."]


def _deadline_reasons(content: NoticeContent, now: datetime.datetime) -> list[str]:
    deadline = content.deadline
    if deadline is None:
        return []
    end = earliest_end(deadline)
    written = deadline.at.isoformat(sep=" ", timespec="minutes")
    if end <= now:
        where = " for the easternmost zones" if deadline.at.tzinfo is None and deadline.zone == PERSON_ZONE else ""
        return [f"The deadline {written} has passed{where}; set a later one in `deadline.at`."]
    reasons = []
    if end - now > MAX_DEADLINE_AHEAD:
        reasons.append(f"The deadline {written} is more than {MAX_DEADLINE_AHEAD.days} days ahead; check its year.")
    term = content.retention
    if term.start is RetentionStart.RELEASE and now + datetime.timedelta(days=term.days) < end:
        reasons.append(
            "The answers would be destroyed before the deadline; raise `retention.days` or change its start."
        )
    return reasons


def _content(table: Table, bodies: Mapping[str, bytes], faults: Faults) -> NoticeContent | None:
    language = sections.read_language(table)
    kind = table.choice("kind", NoticeKind, missing="is missing: say test, announcement, offer, report and so on.")
    subject = sections.read_subject(table, language)
    ask = sections.read_ask(table, language, kind)
    deadline = sections.read_deadline(table, ask)
    authority = sections.read_authority(table, language)
    voluntary, requirement = sections.read_duty(table, language, ask, authority)
    privacy = table.table("privacy", missing="is missing: say what is collected, why, and with whom it is shared.")
    data, purpose, sharing = sections.read_privacy(privacy, language, ask)
    sorting = privacy.choice("machine_sorting", MachineSorting, missing="is missing: say none, rules or model.")
    privacy.done()
    retention = sections.read_retention(table, deadline)
    ramp, limits = sending.read_ramp(table)
    read = NoticeContent(
        kind=kind or NoticeKind.TEST,
        language=language,
        subject=subject,
        ask=ask,
        deadline=deadline,
        audience=sections.read_audience(table),
        authority=authority,
        contact=sections.read_contact(table),
        voluntary=voluntary,
        requirement=requirement,
        retention=retention,
        assessment=sections.read_assessment(table),
        sender=sections.read_sender(table),
        success_reports=table.flag("success_reports") or False,
        data=data,
        purpose=purpose,
        sharing=sharing,
        machine_sorting=sorting or MachineSorting.NONE,
        bodies=_bodies(bodies, language, faults),
        rounds=sending.read_rounds(table),
        in_doubt=sending.read_in_doubt(table),
        ramp=ramp,
        limits=limits,
        schedule=sending.read_schedule(table),
        election=sections.read_election(table, ask),
    )
    _check_languages(table, read)
    _check_deadline_use(table, read)
    return read


def _bodies(bodies: Mapping[str, bytes], language: str, faults: Faults) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for tag in sorted(bodies):
        name = _shown(f"body.{tag}.md" if tag else "body.md")
        target = tag or language
        if target not in LANGUAGES:
            faults.sentences.append(
                f"{name}: is in a language without generated words; known are {', '.join(LANGUAGES)}."
            )
        if target in found:
            faults.sentences.append(f"{name}: body.md is in this language already; keep one of them.")
        found[target] = _body(name, bodies[tag], faults)
    if language not in found:
        faults.sentences.append(f"body.md: is missing: write the body in the notice's own language, {language}.")
    return tuple(sorted(found.items()))


def _shown(name: str) -> str:
    return name[:60] if name.isprintable() else ascii(name)[:60]


def _body(name: str, octets: bytes, faults: Faults) -> str:
    if len(octets) > MAX_BODY_OCTETS:
        faults.sentences.append(f"{name}: is longer than {MAX_BODY_OCTETS} octets.")
        return ""
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.sentences.append(f"{name}: is not UTF-8 text (octet {error.start}); save it as UTF-8.")
        return ""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    faults.sentences.extend(
        f"{name} line {line} column {column}: {sentence}" for line, column, sentence in body_faults(text)
    )
    return text


def _check_languages(table: Table, content: NoticeContent) -> None:
    """Note texts that lack a language in which there is a body, or have one in which there is none."""
    wanted = {language for language, _ in content.bodies} | {content.language}
    for key, texts in _all_texts(content):
        if not texts:
            continue
        if missing := sorted(wanted - texts.languages):
            table.fault(key, f"is not written in {', '.join(missing)}, in which there is a body.")
        if extra := sorted(texts.languages - wanted):
            table.fault(key, f"is written in {', '.join(extra)}, in which there is no body.")


def _all_texts(content: NoticeContent) -> Iterator[tuple[str, Texts]]:
    yield "subject", content.subject
    yield "ask.decided_by", content.ask.decided_by
    yield "authority.text", content.authority.text
    if content.requirement is not None:
        yield "requirement.consequence", content.requirement.consequence
    yield "privacy.purpose", content.purpose
    yield from (("privacy.data", item) for item in content.data)
    yield from (("privacy.sharing", item) for item in content.sharing)


def _check_deadline_use(table: Table, content: NoticeContent) -> None:
    if content.deadline is not None or table.has("deadline"):
        return
    for tag, text in content.subject.pairs:
        if "deadline" in names_in(text):
            table.fault("subject", f"has {{deadline}} in {tag}, but the notice has no deadline.")
    for tag, text in content.bodies:
        if "deadline" in names_in(text):
            table.fault("deadline", f"is missing, but the body in {tag} has {{deadline}}.")


def _plain(value: object) -> str:
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
