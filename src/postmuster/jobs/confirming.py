"""What a mail means for an election that its writer has made before: a code that confirms it, or words that come too late.

Asked while a batch is judged, with the people of the batch held; decides nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from postmuster.jobs.desk import Desk
from postmuster.jobs.looking import Look
from postmuster.mail.confirmation import confirmation_holds
from postmuster.mail.decoding import decode_words
from postmuster.reading.ask import Ask
from postmuster.reading.reading import Reading
from postmuster.reading.typed_code import typed_code
from postmuster.replies import election_queries as elections
from postmuster.replies.election_queries import Pair
from postmuster.replies.election_states import ElectionState
from postmuster.replies.election_values import Attempt, Election
from postmuster.replies.states import AnswerState, CaseReason
from postmuster.replies.values import FoundAnswer

MOST_BEGUN: Final = (
    5  # elections of one person and notice within `work.letter_window_s`: each writes letters to somebody
)
_ELECTION: Final = "election"
Chosen = tuple[Election, int]  # the newest election of a person and notice, and how many began lately


def chosen(pairs: Collection[Pair], desk: Desk) -> dict[Pair, Chosen]:
    """What these people have chosen before."""
    return elections.newest(pairs, desk.now - timedelta(seconds=desk.settings.work.letter_window_s))


def attempt(one: Look, reading: Reading, ask: Ask, before: Chosen | None, desk: Desk) -> Attempt | None:
    """The code in a mail's new text, where it stands alone; None when the mail is to be read as any other.

    Below grade A a wrong code is no try: whoever imitates the person must not be able to use up theirs.
    """
    election = before[0] if before else None
    if election is None or election.code_until is None:
        return None
    typed = typed_code(reading.new, ask, choice=election.choice, author=decode_words(one.message.header_from))
    if typed is None:
        return None
    holds = confirmation_holds(typed, election.election_no, election.ref, election.code_until, desk.tokens.values())
    if not holds and (election.state is not ElectionState.NEEDS_CONFIRMATION or one.grade != "A"):
        return None
    return Attempt(election.election_no, holds, one.mail.accepted_at, one.grade)


def word_of(found: Attempt) -> str:
    """The word under which a mail with a code is kept."""
    return "confirmation" if found.holds else "wrong_code"


def kept_to_limits(
    answer: FoundAnswer, cases: tuple[CaseReason, ...], before: Chosen | None, accepted_at: datetime
) -> tuple[FoundAnswer, tuple[CaseReason, ...], Election | None]:
    """An answer that comes too late to change a recorded choice goes before a person, as does one choice too many.

    Returns with them the election that stays as it is, where that has to be told.
    """
    if before is None or not answer.stands:
        return answer, cases, None
    election, lately = before
    if election.is_bound(accepted_at):
        return replace(answer, state=AnswerState.WITH_PERSON), (*cases, CaseReason.LATE), election
    if answer.type == _ELECTION and lately >= MOST_BEGUN:
        return replace(answer, state=AnswerState.WITH_PERSON), (*cases, CaseReason.UNCLEAR), None
    return answer, cases, None
