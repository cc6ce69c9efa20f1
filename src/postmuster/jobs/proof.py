"""A notice before it is released: as a file to look at, and as one real letter to an officer."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from django.db import transaction

from postmuster.access.roles import Actor
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import notice_id
from postmuster.jobs.desk import Desk
from postmuster.ledger import actions as ledger
from postmuster.mail.address import AddrSpec, parse_addr_spec
from postmuster.mail.token import DeliveryRef, write_check_code
from postmuster.notices import queries as notices
from postmuster.notices.body import render
from postmuster.notices.letters import proof_mark
from postmuster.notices.queries import StoredRevision, StoredRound
from postmuster.notices.states import RoundState
from postmuster.outbound.copies import Copywriter, addresses_of, sender_of
from postmuster.outbound.letters import LetterKind, LetterText, NewLetter, write_letters
from postmuster.outbound.values import Recipient
from postmuster.roster import queries as roster

_NOBODY: Final = 0  # the sequence of nobody's delivery: its token matches nothing
_MADE_UP: Final = Recipient(
    _NOBODY, 0, 0, AddrSpec("alex.example", "agency.example"), "Alex Example", "Agency/Office", "", "en"
)


def preview(notice_no: int, *, person_id: str, language: str, desk: Desk) -> bytes:
    """The mail as one person would get it, unsigned, with a token that matches no delivery.

    Raises `Refused` for a person who is not in the newest roster version.
    """
    revision = notices.newest(notice_no)
    recipient = _recipient(person_id) if person_id else _MADE_UP
    if language:
        recipient = replace(recipient, language=language)
    unsigned = replace(desk.signing, signer=None)
    [written] = Copywriter(_as_round(revision, desk.now), desk.names, unsigned).write_all([recipient])
    return written.data


def send_proof(notice_no: int, *, to_name: str, to_address: str, to_officer: int, actor: Actor, desk: Desk) -> int:
    """Write the letter that carries a proof; a worker sends it the way every mail goes. Returns the letter's number.

    Ledger: `proof sent`.
    """
    revision = notices.newest(notice_no)
    found = parse_addr_spec(to_address)
    if not isinstance(found, AddrSpec):
        raise Refused("The officer's enrolled address is no address; nothing was sent; enrol another one.")
    recipient = replace(_MADE_UP, name=to_name, address=found, language=revision.content.language)
    with sql.guarded(), transaction.atomic():
        [letter_no] = write_letters([_letter(revision, recipient, to_officer, desk)], desk.keyring, desk.now)
        facts = {"letter": letter_no, "revision": revision.number, "to_officer": to_officer}
        ledger.append(kind="proof sent", actor=actor.mark, subject=notice_id(notice_no), facts=facts, now=desk.now)
    return letter_no


def _letter(revision: StoredRevision, recipient: Recipient, to_officer: int, desk: Desk) -> NewLetter:
    content = revision.content
    wording = render(content, content.language)
    ref = DeliveryRef(revision.notice_no, 1, _NOBODY)
    reply_to, _ = addresses_of(ref, desk.now, desk.names, desk.signing)
    sender = sender_of(content, desk.names)
    copywriter = Copywriter(_as_round(revision, desk.now), desk.names, desk.signing)
    text = LetterText(
        to_name=recipient.name,
        to_address=str(recipient.address),
        from_name=sender.display_name,
        from_address=str(sender.addr),
        reply_to=str(reply_to),
        language=content.language,
        subject=proof_mark(wording.subject),
        text=wording.text,
        html=wording.html,
        values=dict(copywriter.values(recipient, content.language, write_check_code(ref, desk.signing.key))),
        fields=(),
    )
    return NewLetter(LetterKind.PROOF, revision.notice_no, text, officer_no=to_officer)


def _as_round(revision: StoredRevision, now: datetime) -> StoredRound:
    """The revision as if it were released now."""
    return StoredRound(revision.notice_no, 1, RoundState.SENDING, 0, 0, 0, now, revision)


def _recipient(person_id: str) -> Recipient:
    version = roster.current_version()
    found = roster.person(person_id, version) if version is not None else None
    if found is None:
        raise Refused(
            "There is no such person in the newest roster; nothing was written; see `postmuster roster status`."
        )
    return Recipient(
        _NOBODY,
        found.person_no,
        found.component_no,
        found.addr,
        found.name,
        found.component,
        found.time_zone,
        found.language,
    )
