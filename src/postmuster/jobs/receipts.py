"""Receipts: one letter an answer that says what was understood, who decides it and by when.

Never to automatic mail, only to the enrolled address of the person matched, one an address and window (RFC 3834 §2, RFC 5230),
and to nobody whose address is somebody else's by now (`outbound.suppression`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from postmuster.jobs.addressing import letter_about
from postmuster.jobs.desk import Desk
from postmuster.jobs.judging import Judged
from postmuster.jobs.looking import Look
from postmuster.mail.token import DeliveryRef
from postmuster.notices.letters import Understood, receipt
from postmuster.notices.queries import StoredRound
from postmuster.outbound import queries as book
from postmuster.outbound.letters import LetterKind, NewLetter
from postmuster.outbound.suppression import never_again
from postmuster.outbound.values import DeliveryOf
from postmuster.replies.values import FoundAnswer
from postmuster.roster.queries import PersonEntry


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
    understood = Understood(answer.type, answer.choice, answer.items, late, with_person=not answer.stands)
    wording = receipt(content, content.language_for(person.language), understood=understood)
    ref = DeliveryRef(delivery.notice_no, delivery.round_no, delivery.seq)
    text = letter_about(ref, person, round_, wording, desk, answers=look.message.message_id or "")
    return NewLetter(LetterKind.RECEIPT, delivery.notice_no, text, person.person_no, reply_no=reply_no)
