"""Telling a person what was decided about their reply, in the words that a receipt for such an answer has.

Only where the approved revision has words for it: an answer that counts now, a reply that answers nothing, and a decision that
was taken back. Where an election stands is told by `jobs.election`; what was decided about another author's mail, a
marking or a question that was answered elsewhere, is told to nobody here. Only to the enrolled address of the person.
"""

from __future__ import annotations

from postmuster.jobs.addressing import letter_about
from postmuster.jobs.desk import Desk
from postmuster.mail.token import DeliveryRef
from postmuster.notices import queries as notices
from postmuster.notices.letters import Understood, receipt
from postmuster.notices.queries import StoredRound
from postmuster.outbound.letters import LetterKind, NewLetter, write_letters
from postmuster.outbound.suppression import never_again
from postmuster.replies.case_states import Decision
from postmuster.replies.cases import Decided
from postmuster.replies.states import AnswerState, CaseReason
from postmuster.roster import queries as roster
from postmuster.roster.queries import PersonEntry

_TOLD = frozenset({CaseReason.UNCLEAR, CaseReason.QUESTION, CaseReason.OTHER_AUTHOR})


def tell_decided(done: Decided, desk: Desk) -> int | None:
    """Write the letter about a decision that was carried out; returns its number, None where nobody is told."""
    verdict, state = done.verdict, done.effect.state
    if verdict.decision is Decision.NONE:
        return _tell(done, Understood("none"), desk)
    is_election = any(after == AnswerState.WITHDRAWN for _, _, after in done.effect.moves)
    if state is not AnswerState.COUNTED or is_election:
        return None
    return _tell(done, Understood(verdict.answer, verdict.choice, verdict.items), desk)


def tell_undone(done: Decided, desk: Desk) -> int | None:
    """Write the letter about a decision that was taken back, where its person was told of it."""
    was_counted = any(
        before == AnswerState.COUNTED and after == AnswerState.UNDONE for _, before, after in done.effect.moves
    )
    if done.verdict.decision is not Decision.NONE and not was_counted:
        return None
    return _tell(done, Understood("unclear", with_person=True), desk)


def _tell(done: Decided, understood: Understood, desk: Desk) -> int | None:
    one = done.case
    if one.reason not in _TOLD or one.notice_no is None or one.round_no is None or one.seq is None:
        return None
    round_ = notices.round_of(one.notice_no, one.round_no)
    version = roster.current_version()
    if round_ is None or version is None or one.person_no is None or one.person_no in never_again([one.person_no]):
        return None
    person = roster.people_for(version, [one.person_no]).get(one.person_no)
    if person is None:
        return None
    ref = DeliveryRef(one.notice_no, one.round_no, one.seq)
    letter = _letter(person, round_, ref, understood, one.reply_no, desk)
    [number] = write_letters([letter], desk.keyring, desk.now)
    return number


def _letter(
    person: PersonEntry, round_: StoredRound, ref: DeliveryRef, understood: Understood, reply_no: int, desk: Desk
) -> NewLetter:
    content = round_.revision.content
    wording = receipt(content, content.language_for(person.language), understood=understood)
    text = letter_about(ref, person, round_, wording, desk)
    return NewLetter(LetterKind.VERDICT, ref.notice_no, text, person.person_no, reply_no=reply_no)
