"""The first look at a mail, before the database is asked anything: parsed, its kind, its clues, its author. No writing."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from postmuster.base.clock import day_number
from postmuster.inbound.actions import ClaimedMail
from postmuster.inbound.envelope import TakenMail
from postmuster.jobs.desk import Desk
from postmuster.mail.address import AddrSpec
from postmuster.mail.authentication import Authentication, authenticate
from postmuster.mail.kind import Classified, Kind, classify
from postmuster.mail.message import Message, parse
from postmuster.replies.matching import Clue, author, clues

AUTHORED: Final = frozenset({Kind.REPLY, Kind.AUTOMATIC, Kind.REACTION, Kind.CALENDAR})
MAX_SIGNATURES: Final = 5  # of one mail, looked at for their identity; more than any relay in use adds
_SIGNATURE = re.compile(r"(?:^|;)\s*b\s*=([A-Za-z0-9+/=\s]{20,2000})")
_SUBJECT_PREFIX = re.compile(r"(?:\s*+[\w.]{1,12}(?:\[\d{1,3}\])?\s*+[:：]\s*+)++", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Look:
    """One mail as seen so far."""

    mail: ClaimedMail
    message: Message = field(repr=False)
    classified: Classified = field(repr=False)
    clues: tuple[Clue, ...]
    wrong_tokens: int
    author: AddrSpec | None = field(repr=False)
    authentication: Authentication | None = field(repr=False)
    fingerprints: tuple[bytes, ...]

    @property
    def grade(self) -> str:
        return str(self.authentication.grade) if self.authentication else ""

    @property
    def is_temporary(self) -> bool:
        """Whether a later look may find another author: DNS gave no answer."""
        return self.authentication is not None and self.authentication.is_temporary

    @property
    def thread_subject(self) -> str:
        """The subject without Re:, AW: and their kin, folded for comparing."""
        return folded_subject(self.message.subject)


def folded_subject(subject: str) -> str:
    """A subject as it is compared: prefixes of replies gone, case and spaces levelled."""
    return " ".join(_SUBJECT_PREFIX.sub("", subject[:1000], count=1).casefold().split())


def look(mail: ClaimedMail, taken: TakenMail, desk: Desk) -> Look:
    """Read one mail as far as its octets and our keys go. Never raises on what a mail may hold."""
    message = parse(taken.data)
    classified = classify(message)
    report = classified.report
    named = (report.original_message_id,) if report and report.original_message_id else ()
    found, wrong = clues(taken.recipients, message, named, desk.matching, day_number(desk.now))
    written_by = author(message)
    authentication = None
    if classified.kind in AUTHORED:
        ours = desk.settings.intake
        authentication = authenticate(
            taken.data,
            message,
            txt=desk.txt,
            authserv_id=(ours.authserv_id, *ours.more_authserv_ids),
            internal_hops=ours.internal_hops,
            trusted_sealers=ours.trusted_sealers,
            now=mail.accepted_at,
        )
    grade = str(authentication.grade) if authentication else ""
    return Look(
        mail,
        message,
        classified,
        found,
        wrong,
        written_by,
        authentication,
        _fingerprints(message, taken, written_by, grade),
    )


def _fingerprints(message: Message, taken: TakenMail, written_by: AddrSpec | None, grade: str) -> tuple[bytes, ...]:
    """What makes the same mail the same: its Message-ID, or all its octets where it has none; and signatures that hold.

    A signature is made once. Where it does not cover the Message-ID, a mail that is sent again under a new one still has
    it. Author and failed authentication go in, so that a forged mail cannot use up the identity of the one it imitates.
    """
    name = message.message_id.encode("utf-8", "replace") if message.message_id else taken.data
    who = (written_by.match_key if written_by else "").encode()
    named = hashlib.sha256(b"\0".join((name, who, b"failed" if grade == "D" else b""))).digest()
    if grade != "A":
        return (named,)
    signatures = (_SIGNATURE.search(value) for value in message.all("dkim-signature")[:MAX_SIGNATURES])
    return (
        named,
        *{
            hashlib.sha256(b"\0signature\0" + "".join(found[1].split()).encode() + who).digest()
            for found in signatures
            if found
        },
    )
