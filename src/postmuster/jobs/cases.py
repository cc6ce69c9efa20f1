"""The journey of a case: an officer looks at it, decides it, takes it back. Joins replies, notices, vault and control.

Looking opens what somebody wrote. The leave for it is the claim (who: the officer; what for: to decide; which: this reply;
until: the end of the term), and the look is committed and in the ledger before the text is opened. What is shown is the new
text with personal data and secrets taken out. Before anything is shown the mail is screened again, because a mail of another
author or without a delivery was never read: what carries a marking is shown to nobody and becomes a case `marked`.

Deciding and taking back move answers, let elections follow, and tell the person, in one transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import transaction

from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.base.ids import case_id, notice_id
from postmuster.control import queries as control
from postmuster.inbound.envelope import TakenMail
from postmuster.jobs import case_letters, confirming, election
from postmuster.jobs.desk import Desk
from postmuster.mail.kind import classify
from postmuster.mail.message import Message, parse
from postmuster.notices import queries as notices
from postmuster.notices.queries import StoredRound
from postmuster.notices.sent import sent_text
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.reading import Reading, read_message
from postmuster.reading.redact import redact
from postmuster.replies import cases
from postmuster.replies.case_answers import STANDING
from postmuster.replies.case_states import Asked, Decision, read_verdict, vocabulary
from postmuster.replies.cases import Decided
from postmuster.replies.matching import author, authorship
from postmuster.replies.queries import CaseRow, Reader
from postmuster.replies.queries import case as case_of
from postmuster.replies.states import CaseReason, CaseState
from postmuster.roster import queries as roster
from postmuster.vault import actions as vault

HELD_TIERS: Final = frozenset({"A", "B"})
THE_PERSON, ANOTHER_PERSON, A_STRANGER = "the person", "another person of the roster", "an unknown address"


@dataclass(frozen=True, slots=True)
class Shown:
    """One look at a case. The words are empty where the mail turned out to be marked (`is_held`)."""

    case: CaseRow
    is_held: bool
    subject: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    redacted: Mapping[str, int] = field(default_factory=dict)
    elided: Mapping[str, int] = field(default_factory=dict)
    read_as: str = ""
    reasons: tuple[str, ...] = ()
    written_by: str = ""
    attachments: int = 0
    decisions: tuple[Decision, ...] = ()


def look(case_no: int, *, because: str, reader: Reader, whole: bool = False, desk: Desk) -> Shown:
    """Show a case's text, redacted; `whole` shows quotes and signature too. The look is entered first. Gate: read.

    Ledger: `case looked at`; `case held` where the mail turns out to be marked.
    """
    before = case_of(case_no, reader=reader)
    if before.notice_no in control.closed_to_replies():
        raise Refused(
            f"{notice_id(before.notice_no or 0)} takes no replies now, so none is read; nothing was shown; wait for the stop to "
            "end."
        )
    one = cases.enter_look(case_no, because=because, reader=reader, term_s=_term_s(desk), now=desk.now)
    opened = vault.open_items([one.item_no], desk.keyring)
    message = parse(TakenMail.unpack(opened[one.item_no]).data)
    round_ = _round(one)
    ours = _ours(one, round_)
    reading = _read(message, round_, ours)
    if any(marking.tier in HELD_TIERS for marking in reading.markings):
        cases.hold(case_no, reader=reader, now=desk.now)
        return Shown(one, True, decisions=decisions_for(one))
    subject = redact(message.subject, ours=ours)
    text = redact(reading.text if whole else reading.new.new_text, ours=ours)
    return Shown(
        case=one,
        is_held=False,
        subject=subject.text,
        text=text.text,
        redacted=dict(Counter(subject.counts) + Counter(text.counts)),
        elided={} if whole else Counter(str(span.kind) for span in reading.new.elided),
        read_as=str(reading.answer.type),
        reasons=tuple(str(reason) for reason in reading.answer.reasons),
        written_by=_written_by(message, one, desk),
        attachments=len(message.attachments),
        decisions=decisions_for(one),
    )


def decisions_for(one: CaseRow) -> tuple[Decision, ...]:
    """What may be decided of a case, as its notice asked."""
    return vocabulary(CaseReason(one.reason), _asked(_round(one)))


def decide(case_no: int, words: Sequence[str], *, because: str, reader: Reader, desk: Desk) -> Decided:
    """Decide a case in the words of its vocabulary; the answer counts at once, or is proposed to a second officer."""
    one = case_of(case_no, reader=reader)
    verdict = read_verdict(CaseReason(one.reason), words, _asked(_round(one)))
    with sql.guarded(), transaction.atomic():
        done = cases.decide(case_no, verdict, because=because, reader=reader, term_s=_term_s(desk), now=desk.now)
        return _carried_out(done, reader, desk)


def confirm(case_no: int, *, because: str = "", reader: Reader, desk: Desk) -> Decided:
    """Carry out what another officer proposed."""
    with sql.guarded(), transaction.atomic():
        done = cases.confirm(case_no, because=because, reader=reader, term_s=_term_s(desk), now=desk.now)
        return _carried_out(done, reader, desk)


def undo(case_no: int, *, because: str, reader: Reader, desk: Desk) -> Decided:
    """Take a decision back; what stood before stands."""
    if not because.strip():
        raise Refused(f"Undoing needs a reason; {case_id(case_no)} stays decided; give one with --reason.")
    with sql.guarded(), transaction.atomic():
        done = cases.undo(case_no, because=because, reader=reader, now=desk.now)
        _followed(done, reader, desk)
        case_letters.tell_undone(done, desk)
        return done


def _term_s(desk: Desk) -> int:
    return desk.settings.work.case_claim_s


def _carried_out(done: Decided, reader: Reader, desk: Desk) -> Decided:
    if done.case.state == CaseState.DECIDED:
        _followed(done, reader, desk)
        case_letters.tell_decided(done, desk)
    return done


def _followed(done: Decided, reader: Reader, desk: Desk) -> None:
    """Let elections follow the answers that were moved. Refuses what would move one that is bound."""
    one, pair = done.case, (done.case.notice_no or 0, done.case.person_no or 0)
    if not (all(pair) and (done.effect.moves or done.effect.answer_no)):
        return
    before = confirming.chosen([pair], desk).get(pair)
    stands = done.effect.state in STANDING
    if stands and before is not None and before[0].is_bound(one.accepted_at):
        raise Refused(
            f"The election of this person is {before[0].state} and bound; {case_id(one.case_no)} was left as it was; decide none."
        )
    election.follow([pair], desk=desk, by=reader.actor.mark)


def _round(one: CaseRow) -> StoredRound | None:
    return notices.round_of(one.notice_no, one.round_no) if one.notice_no is not None else None


def _asked(round_: StoredRound | None) -> Asked:
    if round_ is None:
        return Asked(str(AskType.NONE))
    ask = round_.revision.content.ask
    return Asked(str(ask.type), tuple(ask.choices))


def _ours(one: CaseRow, round_: StoredRound | None) -> str | None:
    """What the person was sent, so that our own words in a quote are known as ours."""
    if round_ is None:
        return None
    content = round_.revision.content
    entry = roster.people_for(round_.roster_version, [one.person_no]) if one.person_no is not None else {}
    person = entry.get(one.person_no) if one.person_no is not None else None
    return sent_text(content, content.language_for(person.language if person else None))


def _read(message: Message, round_: StoredRound | None, ours: str | None) -> Reading:
    ask = None
    if round_ is not None:
        asked = round_.revision.content.ask
        ask = Ask(AskType(str(asked.type)), asked.choices, asked.items)
    return read_message(message, classify(message), ask=ask, sent_text=ours, with_links=False)


def _written_by(message: Message, one: CaseRow, desk: Desk) -> str:
    """Who wrote, without saying who: what an officer has to know of a mail that seems to be somebody else's."""
    written_by = author(message)
    if written_by is None:
        return A_STRANGER
    if one.person_no is not None:
        enrolled = roster.enrolled_address_keys([one.person_no], now=desk.now)
        if authorship(written_by, enrolled[one.person_no], ""):
            return THE_PERSON
    holders = roster.person_by_address([written_by.match_key], now=desk.now)
    return ANOTHER_PERSON if holders else A_STRANGER
