"""Receipts: one letter an answer that says what was understood, who decides it and by when.

Never to automatic mail, only to the enrolled address of the person matched, one an address and window (RFC 3834 §2, RFC 5230),
and to nobody whose address is somebody else's by now (`outbound.suppression`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import timedelta

from postmuster.base.ids import notice_id
from postmuster.jobs.desk import Desk
from postmuster.jobs.judging import Judged
from postmuster.jobs.looking import Look
from postmuster.mail.token import DeliveryRef, write_check_code
from postmuster.notices.deadlines import deadline_text
from postmuster.notices.letters import Understood, receipt
from postmuster.notices.queries import StoredRound
from postmuster.outbound import queries as book
from postmuster.outbound.copies import addresses_of, sender_of
from postmuster.outbound.letters import LetterKind, LetterText, NewLetter
from postmuster.outbound.suppression import never_again
from postmuster.outbound.values import DeliveryOf
from postmuster.replies.values import FoundAnswer
from postmuster.roster.queries import PersonEntry

_SOUND_ID = re.compile(r"[!#-;=?A-Z^-~]{1,100}@[!#-;=?A-Z^-~]{1,100}")


def due(
    looks: Sequence[Look], judged: Sequence[Judged], numbers: Sequence[int], desk: Desk, *, told: Collection[int] = ()
) -> list[NewLetter]:
    """The receipts a batch owes; none for the replies whose writers another letter has `told` already."""
    owed = [
        (look, one.person, one.round, one.finding.delivery, one.finding.answer, one.finding.late, number)
        for look, one, number in zip(looks, judged, numbers, strict=True)
        if one.finding.answer is not None and one.person is not None and number not in told
    ]
    since = desk.now - timedelta(seconds=desk.settings.work.letter_window_s)
    persons = [person.person_no for _, person, *_ in owed if person]
    had = book.receipted(persons, since) if owed else set()
    never = never_again(persons)
    letters = []
    for look, person, round_, delivery, answer, late, number in owed:
        if person is None or round_ is None or delivery is None or answer is None:
            continue
        pair = (person.person_no, delivery.notice_no)
        if pair not in had and person.person_no not in never:
            had.add(pair)
            letters.append(_letter(look, person, round_, delivery, answer, late=late, reply_no=number, desk=desk))
    return letters


def _letter(
    look: Look, person: PersonEntry, round_: StoredRound, delivery: DeliveryOf, answer: FoundAnswer, *, late: bool,
    reply_no: int, desk: Desk,
) -> NewLetter:  # fmt: skip
    content = round_.revision.content
    language = content.language_for(person.language)
    understood = Understood(answer.type, answer.choice, answer.items, late, with_person=not answer.stands)
    wording = receipt(content, language, understood=understood)
    ref = DeliveryRef(delivery.notice_no, delivery.round_no, delivery.seq)
    reply_to, _ = addresses_of(ref, round_.released_at, desk.names, desk.signing)
    sender = sender_of(content, desk.names)
    text = LetterText(
        to_name=person.name,
        to_address=str(person.addr),
        from_name=sender.display_name,
        from_address=str(sender.addr),
        reply_to=str(reply_to),
        language=language,
        subject=wording.subject,
        text=wording.text,
        html=wording.html,
        values={
            "name": person.name,
            "component": person.component.rpartition("/")[2],
            "deadline": _deadline(round_, language, person, desk),
            "notice_id": notice_id(delivery.notice_no),
            "check_code": write_check_code(ref, desk.signing.key),
        },
        fields=_thread(look),
    )
    return NewLetter(LetterKind.RECEIPT, delivery.notice_no, text, person.person_no, reply_no=reply_no)


def _deadline(round_: StoredRound, language: str, person: PersonEntry, desk: Desk) -> str:
    deadline = round_.revision.content.deadline
    if deadline is None:
        return ""
    zone = desk.settings.organisation.time_zone
    return deadline_text(deadline, language, person.time_zone, organisation_zone=zone)


def _thread(look: Look) -> tuple[tuple[str, str], ...]:
    """In-Reply-To, where the reply's own Message-ID can be written as it stands. Source: RFC 5322 §3.6.4."""
    identifier = look.message.message_id or ""
    if not _SOUND_ID.fullmatch(identifier):
        return ()
    return (("In-Reply-To", f"<{identifier}>"), ("References", f"<{identifier}>"))
