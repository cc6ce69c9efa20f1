"""A letter about a delivery, addressed: to the enrolled address of its person, from who sends the notice, with its reply address.

What for: receipts, the letters of elections and cases, and the private letter differ in their words, and in nothing that says
to whom they go. Message-ID, Date and signature are added when one is sent (`jobs.letter`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from postmuster.base.ids import notice_id
from postmuster.jobs.desk import Desk
from postmuster.mail.compose import Wording
from postmuster.mail.token import DeliveryRef, write_check_code
from postmuster.notices.deadlines import deadline_text
from postmuster.notices.queries import StoredRound
from postmuster.outbound.copies import addresses_of, sender_of
from postmuster.outbound.letters import LetterText
from postmuster.roster.queries import PersonEntry

NO_VALUES: Final[Mapping[str, str]] = {}
_SOUND_ID: Final = re.compile(r"[!#-;=?A-Z^-~]{1,100}@[!#-;=?A-Z^-~]{1,100}")


def letter_about(
    ref: DeliveryRef,
    person: PersonEntry,
    round_: StoredRound,
    wording: Wording,
    desk: Desk,
    *,
    values: Mapping[str, str] = NO_VALUES,
    answers: str = "",
) -> LetterText:
    """The whole text of a letter. `values` are further ones; `answers` is the Message-ID of the mail that it answers."""
    content = round_.revision.content
    reply_to, _ = addresses_of(ref, round_.released_at, desk.names, desk.signing)
    sender = sender_of(content, desk.names)
    language = content.language_for(person.language)
    usual = {
        "name": person.name,
        "component": person.component.rpartition("/")[2],
        "deadline": _deadline(round_, language, person, desk),
        "notice_id": notice_id(ref.notice_no),
        "check_code": write_check_code(ref, desk.signing.key),
    }
    return LetterText(
        to_name=person.name,
        to_address=str(person.addr),
        from_name=sender.display_name,
        from_address=str(sender.addr),
        reply_to=str(reply_to),
        language=language,
        subject=wording.subject,
        text=wording.text,
        html=wording.html,
        values=usual | dict(values),
        fields=_thread(answers),
    )


def _deadline(round_: StoredRound, language: str, person: PersonEntry, desk: Desk) -> str:
    deadline = round_.revision.content.deadline
    if deadline is None:
        return ""
    zone = desk.settings.organisation.time_zone
    return deadline_text(deadline, language, person.time_zone, organisation_zone=zone)


def _thread(message_id: str) -> tuple[tuple[str, str], ...]:
    """In-Reply-To and References, where the reply's own Message-ID can be written as it stands. Source: RFC 5322 §3.6.4."""
    if not _SOUND_ID.fullmatch(message_id):
        return ()
    return (("In-Reply-To", f"<{message_id}>"), ("References", f"<{message_id}>"))
