"""Telling people where their election stands: the letters of a journey, written in the transaction of its steps.

Only to the enrolled address of the person, by the newest roster; to nobody whose address is somebody else's by now. The code
is derived here, put into the sealed text, and kept nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from postmuster.jobs.addressing import letter_about
from postmuster.jobs.desk import Desk
from postmuster.mail.confirmation import write_confirmation
from postmuster.notices import queries as notices
from postmuster.notices.deadlines import moment_text, zone_for
from postmuster.notices.election_letters import election_letter
from postmuster.notices.queries import StoredRound
from postmuster.outbound.letters import LetterKind, NewLetter, write_letters
from postmuster.outbound.suppression import never_again
from postmuster.replies.election_states import ElectionState
from postmuster.replies.election_values import Election, Move
from postmuster.roster import queries as roster
from postmuster.roster.queries import PersonEntry

_KINDS: Final[Mapping[str, LetterKind]] = {
    "needs_confirmation": LetterKind.CONFIRMATION,
    "waits_for_page": LetterKind.CONFIRMATION,
    "not_eligible": LetterKind.VERDICT,
    "wrong_code": LetterKind.CONFIRMATION,
    "recorded": LetterKind.VERDICT,
    "declined": LetterKind.VERDICT,
    "too_late": LetterKind.RECEIPT,  # one a window, as for every answer that changes nothing
}


@dataclass(frozen=True, slots=True)
class News:
    """What one person is to be told. `move` is None where nothing has changed; `message_id` is the mail answered."""

    letter: str  # one of `notices.election_letters.LETTERS`
    election: Election
    move: Move | None = None
    left: int = 0
    because: str = field(default="", repr=False)
    reply_no: int | None = None
    message_id: str = field(default="", repr=False)


def news_of(move: Move, *, because: str = "", reply_no: int | None = None, message_id: str = "") -> News:
    """What a step says to its person: the letter of the state it came to."""
    return News(
        str(move.election.state), move.election, move, because=because, reply_no=reply_no, message_id=message_id
    )


class Ground:
    """Rounds and people that a handful of letters need, each asked for once."""

    def __init__(self, rounds: Mapping[tuple[int, int], StoredRound] | None = None) -> None:
        self._rounds = dict(rounds or {})
        self._people: dict[int, PersonEntry | None] = {}
        self._version: int | None = None

    def round(self, election: Election) -> StoredRound:
        return self.round_of(election.ref.notice_no, election.ref.round_no)

    def round_of(self, notice_no: int, round_no: int) -> StoredRound:
        key = (notice_no, round_no)
        found = self._rounds.get(key) or notices.round_of(*key)
        if found is None:
            raise LookupError("an election of a round that does not exist")
        self._rounds[key] = found
        return found

    def know(self, person_nos: Sequence[int]) -> None:
        """Look people up together."""
        missing = [no for no in dict.fromkeys(person_nos) if no not in self._people]
        if not missing:
            return
        self._version = self._version or roster.current_version()
        found = roster.people_for(self._version, missing) if self._version else {}
        self._people |= {no: found.get(no) for no in missing}

    def person(self, person_no: int) -> PersonEntry | None:
        """Somebody's entry in the newest roster; None when they are not in it."""
        self.know([person_no])
        return self._people.get(person_no)

    def addressee(self, election: Election) -> PersonEntry | None:
        """Whom a letter goes to: today's entry, else the one of the round."""
        found = self.person(election.person_no)
        if found is not None:
            return found
        version = self.round(election).roster_version
        return roster.people_for(version, [election.person_no]).get(election.person_no)


def write_news(news: Sequence[News], ground: Ground, desk: Desk) -> list[int | None]:
    """Write the letters, in the caller's transaction; their numbers, None where somebody gets none."""
    ground.know([one.election.person_no for one in news])
    never = never_again([one.election.person_no for one in news])
    letters: list[NewLetter] = []
    places: list[int | None] = []
    for one in news:
        person = None if one.election.person_no in never else ground.addressee(one.election)
        places.append(None if person is None else len(letters))
        if person is not None:
            letters.append(_letter(one, person, ground.round(one.election), desk))
    numbers = write_letters(letters, desk.keyring, desk.now)
    return [None if place is None else numbers[place] for place in places]


def _letter(one: News, person: PersonEntry, round_: StoredRound, desk: Desk) -> NewLetter:
    content, election = round_.revision.content, one.election
    language = content.language_for(person.language)
    wording = election_letter(content, language, letter=one.letter, choice=election.choice, reason=election.reason)
    values = _values(one, person, language, desk)
    text = letter_about(election.ref, person, round_, wording, desk, values=values, answers=one.message_id)
    kind = _KINDS.get(one.letter, LetterKind.NOTE)
    return NewLetter(kind, election.ref.notice_no, text, person.person_no, reply_no=one.reply_no)


def _values(one: News, person: PersonEntry, language: str, desk: Desk) -> dict[str, str]:
    election = one.election
    values = {"left": str(one.left), "because": one.because, "until": "", "code": ""}
    until = _until(one)
    if until is not None:
        values["until"] = moment_text(until, language, zone_for(person.time_zone, desk.settings.organisation.time_zone))
    if one.letter == ElectionState.NEEDS_CONFIRMATION and election.code_until is not None:
        values["code"] = write_confirmation(election.election_no, election.ref, election.code_until, desk.signing.key)
    return values


def _until(one: News) -> datetime | None:
    """The moment that a letter names."""
    election = one.election
    if one.letter in ("needs_confirmation", "lapsed"):
        return election.code_until
    if one.letter in ("under_review", "escalated"):
        return election.review_until
    return election.withdraw_until
