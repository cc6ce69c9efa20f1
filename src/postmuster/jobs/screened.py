"""The private letters a batch owes: to people whose reply holds a marking or data that should not be sent by mail.

Only to the enrolled address of the person who wrote (never for another author or a mail that failed authentication, which
have no person here), one a mail, and at most `MAX_IN_WINDOW` a person and window: a program that answers letters cannot keep
one going (RFC 3834 §2).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from postmuster.jobs.addressing import letter_about
from postmuster.jobs.desk import Desk
from postmuster.jobs.judging import Judged
from postmuster.mail.token import DeliveryRef
from postmuster.notices.queries import StoredRound
from postmuster.notices.screened_letters import screened_letter
from postmuster.outbound.letters import LetterKind, NewLetter, written_lately
from postmuster.outbound.suppression import never_again
from postmuster.outbound.values import DeliveryOf
from postmuster.roster.queries import PersonEntry

MAX_IN_WINDOW: Final = 3  # within `work.letter_window_s`; ours: two mails by mistake and one more


def due(judged: Sequence[Judged], numbers: Sequence[int], desk: Desk) -> list[NewLetter]:
    """The private letters for a batch of replies, which `numbers` name. Costs nothing where nothing was found."""
    owed = [
        (one.person, one.round, one.finding.delivery, one.found, number)
        for one, number in zip(judged, numbers, strict=True)
        if one.found
    ]
    if not owed:
        return []
    since = desk.now - timedelta(seconds=desk.settings.work.letter_window_s)
    persons = [person.person_no for person, *_ in owed if person]
    had = written_lately(LetterKind.SCREENED, persons, since)
    never = never_again(persons)
    letters = []
    for person, round_, delivery, found, number in owed:
        if person is None or round_ is None or delivery is None or person.person_no in never:
            continue
        if had[person.person_no] < MAX_IN_WINDOW:
            had[person.person_no] += 1
            letters.append(_letter(person, round_, delivery, found, number, desk))
    return letters


def _letter(
    person: PersonEntry, round_: StoredRound, delivery: DeliveryOf, found: Sequence[str], reply_no: int, desk: Desk
) -> NewLetter:
    """Without In-Reply-To: a thread would put the letter beside the mail, in front of whoever reads along."""
    content = round_.revision.content
    wording = screened_letter(content, content.language_for(person.language), found=found)
    ref = DeliveryRef(delivery.notice_no, delivery.round_no, delivery.seq)
    text = letter_about(ref, person, round_, wording, desk)
    return NewLetter(LetterKind.SCREENED, delivery.notice_no, text, person.person_no, reply_no=reply_no)
