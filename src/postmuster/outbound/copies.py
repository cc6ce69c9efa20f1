"""One person's copy of a notice: its envelope and its octets.

What for: `jobs.notice` claims people, this writes what each of them gets, `relay` hands it over. A round's wording is
compiled once a language; per person only octets are joined and signed.

Promises: everything of a copy follows from the round, the recipient and the keys, so that a second try is the same mail:
Message-ID, reply address, reverse path, check code, Date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

from postmuster.base.clock import day_number
from postmuster.base.ids import notice_id
from postmuster.mail.address import AddrSpec, Mailbox
from postmuster.mail.compose import CompiledMail, Copy, compile_mail
from postmuster.mail.delivery_names import RoundNames
from postmuster.mail.dkim import DkimSigner
from postmuster.mail.submission import Envelope, Notify
from postmuster.mail.token import DeliveryRef, Token, write_reply_address, write_verp_address
from postmuster.notices.body import render
from postmuster.notices.deadlines import deadline_text
from postmuster.notices.queries import StoredRound
from postmuster.notices.terms import NoticeContent
from postmuster.outbound.relay import Submission
from postmuster.outbound.values import Recipient

FAILURES: Final = (Notify.FAILURE, Notify.DELAY)
WITH_SUCCESS: Final = (Notify.SUCCESS, *FAILURES)


@dataclass(frozen=True, slots=True)
class Names:
    """The organisation's own names in mail."""

    domain: str
    reply_domain: str
    reply_name: str
    bounce_domain: str
    separator: str
    time_zone: str
    token_days: int


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The newest token key, and DKIM."""

    key_id: int
    key: bytes = field(repr=False)
    signer: DkimSigner | None


def token_of(ref: DeliveryRef, released_at: datetime, names: Names, keys: SigningKeys) -> Token:
    """What reply address and reverse path of a delivery say."""
    return Token(keys.key_id, ref, day_number(released_at) + names.token_days)


def addresses_of(ref: DeliveryRef, released_at: datetime, names: Names, keys: SigningKeys) -> tuple[AddrSpec, str]:
    """The reply address and the reverse path of a delivery."""
    token = token_of(ref, released_at, names, keys)
    reply = write_reply_address(
        token, keys.key, domain=names.reply_domain, name=names.reply_name, separator=names.separator
    )
    local_part, _, domain = reply.partition("@")
    return AddrSpec(local_part, domain), write_verp_address(token, keys.key, domain=names.bounce_domain)


def sender_of(content: NoticeContent, names: Names) -> Mailbox:
    return Mailbox(content.sender.name, AddrSpec(content.sender.local_part, names.domain))


def fields_of(content: NoticeContent, names: Names) -> tuple[tuple[str, str], ...]:
    """An announcement says that it is automatic; a notice that asks does not, or nobody's absence would answer (RFC 3834)."""
    if content.asks:
        return ()
    return (("Auto-Submitted", "auto-generated"), ("List-Id", f"<{content.kind}.{names.domain}>"))


class Copywriter:
    """Writes the copies of one round."""

    def __init__(self, stored: StoredRound, names: Names, keys: SigningKeys) -> None:
        self._round = stored
        self._content = stored.revision.content
        self._names = names
        self._keys = keys
        self._compiled: dict[str, CompiledMail] = {}
        self._deadlines: dict[tuple[str, str], str] = {}
        self._notify = WITH_SUCCESS if self._content.success_reports else FAILURES
        self._written = RoundNames(
            token_of(DeliveryRef(stored.notice_no, stored.number, 1), stored.released_at, names, keys),
            keys.key,
            domain=names.domain,
            reply_domain=names.reply_domain,
            reply_name=names.reply_name,
            separator=names.separator,
            bounce_domain=names.bounce_domain,
        )

    def write_all(self, recipients: Sequence[Recipient]) -> list[Submission]:
        """Write a window's copies in their order; a submission's key is the sequence.

        Those of one language are filled first and signed afterwards, which is 4–6 % faster than one by one.
        """
        by_language: dict[str, list[Recipient]] = {}
        for recipient in recipients:
            by_language.setdefault(self._content.language_for(recipient.language), []).append(recipient)
        written: dict[int, Submission] = {}
        for language, people in by_language.items():
            drafts = [self._draft(person, language) for person in people]
            octets = self._in(language).write_all([copy for _, copy in drafts])
            for person, (envelope, _), data in zip(people, drafts, octets, strict=True):
                written[person.seq] = Submission(person.seq, envelope, data, has_whole_lines=True)
        return [written[recipient.seq] for recipient in recipients]

    def _draft(self, recipient: Recipient, language: str) -> tuple[Envelope, Copy]:
        round_, seq = self._round, recipient.seq
        reply_to, reverse_path, message_id, check_code = self._written.write(seq)
        copy = Copy(
            to=Mailbox(recipient.name, recipient.address),
            message_id=message_id,
            date=round_.released_at,
            reply_to=reply_to,
            values=self.values(recipient, language, check_code),
        )
        envelope = Envelope(
            reverse_path=reverse_path,
            forward_path=str(recipient.address),
            envelope_id=f"n{round_.notice_no}.r{round_.number}.s{seq}",
            notify=self._notify,
        )
        return envelope, copy

    def _in(self, language: str) -> CompiledMail:
        if language not in self._compiled:
            self._compiled[language] = compile_mail(
                header_from=sender_of(self._content, self._names),
                wording=render(self._content, language),
                language=language,
                fields=fields_of(self._content, self._names),
                signer=self._keys.signer,
                boundary_seed=sha256(self._round.revision.digest + language.encode()).digest(),
            )
        return self._compiled[language]

    def values(self, recipient: Recipient, language: str, check_code: str) -> Mapping[str, str]:
        """What the placeholders stand for with this person."""
        return {
            "name": recipient.name,
            "component": recipient.component.rpartition("/")[2],
            "deadline": self._deadline(language, recipient.time_zone),
            "notice_id": notice_id(self._round.notice_no),
            "check_code": check_code,
        }

    def _deadline(self, language: str, zone: str) -> str:
        """The deadline in the person's own zone and language; written once for each pair."""
        if self._content.deadline is None:
            return ""
        if (language, zone) not in self._deadlines:
            self._deadlines[language, zone] = deadline_text(
                self._content.deadline, language, zone, organisation_zone=self._names.time_zone
            )
        return self._deadlines[language, zone]
