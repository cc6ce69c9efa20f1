"""What a mail means for the book: whose it is, who wrote it, what it answers. Reads the database, writes only what was seen.

The order is the one of promises: a repeated mail has no effect; another author changes nothing and proves nothing; marked
text is not read for an answer; what is unclear goes before a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from postmuster.inbound.actions import ClaimedMail
from postmuster.jobs import confirming
from postmuster.jobs.desk import Desk
from postmuster.jobs.looking import AUTHORED, Look, folded_subject
from postmuster.mail.kind import Kind
from postmuster.mail.report import Action, Report
from postmuster.notices import queries as notices
from postmuster.notices.deadlines import end_with_grace
from postmuster.notices.queries import StoredRound
from postmuster.notices.screened_letters import what_to_tell
from postmuster.notices.sent import sent_text
from postmuster.outbound import queries as book
from postmuster.outbound.copies import sender_of
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.values import DeliveryOf, Evidence
from postmuster.reading.answer import Answer
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.reading import Reading, read_message
from postmuster.replies import actions as replies
from postmuster.replies.copied import manager_in_copy
from postmuster.replies.election_values import Attempt, Election
from postmuster.replies.matching import authorship
from postmuster.replies.states import AnswerState, CaseReason, MatchedBy
from postmuster.replies.values import Finding, FoundAnswer
from postmuster.roster import queries as roster
from postmuster.roster.queries import PersonEntry

_EVIDENCE: Final = {
    Action.FAILED: DeliveryState.FAILED,
    Action.DELAYED: DeliveryState.DEFERRED,
    Action.DELIVERED: DeliveryState.DELIVERED,
}
_BEFORE_A_PERSON: Final = {
    "question": CaseReason.QUESTION,
    "not_mine": CaseReason.NOT_MINE,
    "unclear": CaseReason.UNCLEAR,
    "none": CaseReason.UNCLEAR,
}
_HELD_TIERS: Final = frozenset({"A", "B"})


@dataclass(frozen=True, slots=True)
class Judged:
    """One mail with its effect. `person` is whom a letter would go to; None where nothing may be sent.

    `attempt`: it holds a code and nothing else. `bound`: it came too late to change this election. `found`: kinds of things
    in it that should not be sent by mail.
    """

    finding: Finding
    evidence: Evidence | None = None
    person: PersonEntry | None = None
    round: StoredRound | None = None
    attempt: Attempt | None = None
    bound: Election | None = None
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Whose:
    """The delivery a mail is about, and how that is known."""

    delivery: DeliveryOf | None
    by: MatchedBy
    is_author: bool


def held(mail: ClaimedMail) -> Finding:
    """A mail that no try could digest."""
    return Finding(
        mail.mail_no, mail.item_no, mail.accepted_at, str(Kind.UNREADABLE), "", None, MatchedBy.NOTHING, "held", "", "",
        False, None, (CaseReason.UNREADABLE,),
    )  # fmt: skip


def judge(looks: Sequence[Look], desk: Desk) -> list[Judged]:
    """Judge a batch. Runs inside the transaction that records it, because it marks mails as seen and locks people."""
    ground = _Ground(looks, desk)
    pairs = [
        (whose.delivery.notice_no, whose.delivery.person_no)
        for whose in map(ground.whose, looks)
        if whose.delivery is not None
    ]
    replies.lock_people(pairs)
    ground.chosen = confirming.chosen({pair for pair in pairs if ground.asks_to_choose(pair[0])}, desk)
    fresh = replies.mark_seen(
        [(each, one.mail.mail_no) for one in looks if one.classified.kind is Kind.REPLY for each in one.fingerprints]
    )
    return [_judge(one, ground, is_repeated=one.mail.mail_no not in fresh, desk=desk) for one in looks]


class _Ground:
    """What the database knows about all mails of a batch, asked in a handful of statements."""

    def __init__(self, looks: Sequence[Look], desk: Desk) -> None:
        refs = {(c.ref.notice_no, c.ref.round_no, c.ref.seq) for one in looks for c in one.clues}
        self._deliveries = book.recipients_of(sorted(refs))
        self.subjects = desk.subjects.get(notices.last_round_pk(), _subjects)
        self._senders = self._by_sender([one for one in looks if not self._named(one)], desk.now)
        persons = {one.person_no for one in self._deliveries.values()} | {
            one.person_no for _, one in self._senders.values()
        }
        self._enrolled = roster.enrolled_address_keys(sorted(persons), now=desk.now)
        self.rounds: dict[tuple[int, int], StoredRound] = {}
        for one in (*self._deliveries.values(), *(found for _, found in self._senders.values())):
            key = (one.notice_no, one.round_no)
            if key not in self.rounds and (found := notices.round_of(*key)) is not None:
                self.rounds[key] = found
        self._people: dict[tuple[int, int], PersonEntry] = {}
        for version in {round_.roster_version for round_ in self.rounds.values()}:
            entries = roster.people_for(version, sorted(persons))
            self._people |= {(version, person_no): entry for person_no, entry in entries.items()}
        self._managers = self._addresses_of_managers(desk.now)
        self.chosen: dict[tuple[int, int], confirming.Chosen] = {}  # asked for once the people are held

    def whose(self, one: Look) -> _Whose:
        """The strongest clue whose person wrote the mail, else the strongest clue, else the sender and the subject."""
        named = self._named(one)
        for delivery, by in named:
            if authorship(one.author, self._enrolled.get(delivery.person_no, frozenset()), one.grade):
                return _Whose(delivery, by, True)
        if named:
            return _Whose(*named[0], False)
        if one.mail.mail_no in self._senders:
            _, delivery = self._senders[one.mail.mail_no]
            return _Whose(delivery, MatchedBy.SENDER, True)
        return _Whose(None, MatchedBy.NOTHING, False)

    def names_two_notices(self, one: Look, delivery: DeliveryOf) -> bool:
        """Whether a mail to one notice's address answers another one, by its references or under its subject."""
        named = (found for found, _ in self._named(one) if found.person_no == delivery.person_no)
        if any(found.notice_no != delivery.notice_no for found in named):
            return True
        about = self.subjects.get(one.thread_subject, frozenset({delivery.notice_no}))
        return delivery.notice_no not in about

    def person(self, delivery: DeliveryOf) -> PersonEntry | None:
        round_ = self.rounds.get((delivery.notice_no, delivery.round_no))
        return self._people.get((round_.roster_version, delivery.person_no)) if round_ else None

    def manager_in_copy(self, one: Look, delivery: DeliveryOf, desk: Desk) -> str:
        """The word for the record; empty where no report was asked, or the roster has no manager for the person."""
        content = self.rounds[delivery.notice_no, delivery.round_no].revision.content
        person = self.person(delivery)
        manager = self._managers.get(person.manager_id) if person else None
        if str(content.ask.type) != AskType.REPORT or not manager:
            return ""
        own = self._enrolled.get(delivery.person_no, frozenset())
        return str(
            manager_in_copy(
                one.message,
                manager=manager,
                set_aside=own | {sender_of(content, desk.names).addr.match_key},
                our_domains=(desk.settings.intake.domain, desk.settings.relay.bounce_domain),
            )
        )

    def _addresses_of_managers(self, now: datetime) -> dict[str, frozenset[str]]:
        """The addresses of the managers of those who are asked for a report, by manager_id; no others are looked up."""
        asked = {
            of.roster_version for of in self.rounds.values() if str(of.revision.content.ask.type) == AskType.REPORT
        }
        named = {one.manager_id for (version, _), one in self._people.items() if version in asked and one.manager_id}
        numbers = roster.person_numbers(sorted(named)) if named else {}
        keys = roster.enrolled_address_keys(sorted(numbers.values()), now=now) if numbers else {}
        return {manager_id: keys[number] for manager_id, number in numbers.items()}

    def asks_to_choose(self, notice_no: int) -> bool:
        asked = (str(of.revision.content.ask.type) for (number, _), of in self.rounds.items() if number == notice_no)
        return AskType.ELECTION in asked

    def _named(self, one: Look) -> list[tuple[DeliveryOf, MatchedBy]]:
        found = [(self._deliveries.get((c.ref.notice_no, c.ref.round_no, c.ref.seq)), c.by) for c in one.clues]
        return [(delivery, by) for delivery, by in found if delivery is not None]

    def _by_sender(self, looks: Sequence[Look], now: datetime) -> dict[int, tuple[MatchedBy, DeliveryOf]]:
        """Mails without a clue: an enrolled sender who writes under the subject of a notice that was released (R22)."""
        writers = {
            one.mail.mail_no: one
            for one in looks
            if one.author and one.classified.kind in AUTHORED and one.grade != "D"
        }
        if not writers:
            return {}
        senders = sorted({one.author.match_key for one in writers.values() if one.author})
        by_key = roster.person_by_address(senders, now=now)
        wanted = {
            mail_no: (max(self.subjects[one.thread_subject]), by_key[one.author.match_key])
            for mail_no, one in writers.items()
            if one.author and one.thread_subject in self.subjects and one.author.match_key in by_key
        }
        found = book.deliveries_to(sorted({p for _, p in wanted.values()}), sorted({n for n, _ in wanted.values()}))
        return {mail_no: (MatchedBy.SENDER, found[pair]) for mail_no, pair in wanted.items() if pair in found}


def _subjects() -> dict[str, frozenset[int]]:
    """The notices that were released under each subject, in whatever language."""
    found: dict[str, set[int]] = {}
    for round_ in notices.released():
        for _, subject in round_.revision.content.subject.pairs:
            found.setdefault(folded_subject(subject), set()).add(round_.notice_no)
    return {subject: frozenset(numbers) for subject, numbers in found.items()}


def _judge(one: Look, ground: _Ground, *, is_repeated: bool, desk: Desk) -> Judged:
    whose = ground.whose(one)
    kind = one.classified.kind
    if kind is Kind.UNREADABLE:
        return _plain(one, whose, reason="unreadable", cases=(CaseReason.UNREADABLE,))
    if kind is Kind.BOUNCE:
        return _judge_report(one, whose)
    if kind is Kind.COMPLAINT:
        return _plain(one, whose, cases=(CaseReason.COMPLAINT,))
    if kind is Kind.REPLY and is_repeated:
        return _plain(one, whose, reason="repeated")
    if whose.delivery is None:
        reason = "wrong_token" if one.wrong_tokens else "unmatched"
        return _plain(one, whose, reason=reason, cases=(CaseReason.UNMATCHED,) if kind is Kind.REPLY else ())
    if kind in AUTHORED and not whose.is_author:
        return _plain(one, whose, reason="other_author", cases=(CaseReason.OTHER_AUTHOR,) if kind is Kind.REPLY else ())
    if kind is Kind.REPLY and ground.names_two_notices(one, whose.delivery):
        return _plain(one, whose, reason="two_notices", cases=(CaseReason.UNCLEAR,))
    if kind is Kind.REPLY:
        return _judge_reply(one, whose.delivery, whose.by, ground, desk)
    proves = kind is Kind.AUTOMATIC and one.classified.automatic is not None
    return _plain(one, whose, evidence=_reached(whose.delivery, str(kind)) if proves else None)


def _judge_report(one: Look, whose: _Whose) -> Judged:
    """A delivery status report: the delivery is updated, and that is the end. Source: RFC 3464 §2.3."""
    report = one.classified.report
    if whose.delivery is None or report is None:
        return _plain(one, whose, reason="unmatched", cases=(CaseReason.UNMATCHED,))
    return _plain(one, whose, evidence=_reported(whose.delivery, report))


def _reported(delivery: DeliveryOf, report: Report) -> Evidence | None:
    """A delivery has one recipient, so the report's first word about a recipient is about it."""
    for recipient in report.recipients[:1]:
        state = _EVIDENCE.get(recipient.action)
        if state is not None:
            reason = str(recipient.reason) if state is not DeliveryState.DELIVERED else "report"
            return Evidence(delivery.notice_no, delivery.round_no, delivery.seq, state, reason, recipient.status or "")
    return None


def _reached(delivery: DeliveryOf, reason: str) -> Evidence:
    return Evidence(delivery.notice_no, delivery.round_no, delivery.seq, DeliveryState.DELIVERED, reason, "")


def _judge_reply(one: Look, delivery: DeliveryOf, by: MatchedBy, ground: _Ground, desk: Desk) -> Judged:
    """The person of the delivery wrote: it proves reach, and may be an answer."""
    round_ = ground.rounds[delivery.notice_no, delivery.round_no]
    content = round_.revision.content
    person = ground.person(delivery)
    whose = _Whose(delivery, by, True)
    language = content.language_for(person.language if person else None)
    ask = Ask(AskType(str(content.ask.type)), content.ask.choices, content.ask.items)
    subject = content.subject.best(language, content.language)
    ours = sent_text(content, language)
    reading = read_message(one.message, one.classified, ask=ask, sent_text=ours, sent_subject=subject, with_links=False)
    evidence, found = _reached(delivery, "reply"), what_to_tell(reading)
    if any(marking.tier in _HELD_TIERS for marking in reading.markings):
        held = _plain(one, whose, reason="marked", cases=(CaseReason.MARKED,), evidence=evidence)
        return replace(held, person=person, round=round_, found=found)
    before = ground.chosen.get((delivery.notice_no, delivery.person_no))
    if (tried := confirming.attempt(one, reading, ask, before, desk)) is not None:
        judged = _plain(one, whose, reason=confirming.word_of(tried), evidence=evidence, reading=reading)
        return replace(judged, person=person, round=round_, attempt=tried, found=found)
    if not content.asks or reading.answer is None:
        told = _plain(one, whose, reason="nothing_asked", evidence=evidence, reading=reading)
        return replace(told, person=person, round=round_, found=found)
    late = False
    if content.deadline is not None:
        zone = person.time_zone if person else ""
        end = end_with_grace(content.deadline, zone, organisation_zone=desk.settings.organisation.time_zone)
        late = one.mail.accepted_at > end
    answer, cases = _answer(reading.answer, late=late)
    answer, cases, bound = confirming.kept_to_limits(answer, cases, before, one.mail.accepted_at)
    judged = _plain(one, whose, evidence=evidence, reading=reading, answer=answer, cases=cases, late=late)
    in_copy = ground.manager_in_copy(one, delivery, desk)
    finding = replace(judged.finding, manager_in_copy=in_copy) if in_copy else judged.finding
    return Judged(finding, evidence, person, round_, bound=bound, found=found)


def _answer(answer: Answer, *, late: bool) -> tuple[FoundAnswer, tuple[CaseReason, ...]]:
    """Where an answer goes: counted, waiting for confirmation, or before a person."""
    kind = str(answer.type)
    state, cases = AnswerState.COUNTED, tuple[CaseReason, ...]()
    if kind in _BEFORE_A_PERSON:
        state, cases = AnswerState.WITH_PERSON, (_BEFORE_A_PERSON[kind],)
    elif kind == "election" and late:
        state, cases = AnswerState.WITH_PERSON, (CaseReason.LATE,)
    elif kind == "election":
        state = AnswerState.NEEDS_CONFIRMATION
    reasons = tuple(str(reason) for reason in answer.reasons)
    found = FoundAnswer(kind, answer.choice or "", len(answer.items), answer.confidence, reasons, state)
    return found, cases


def _plain(
    one: Look,
    whose: _Whose,
    *,
    reason: str = "",
    cases: tuple[CaseReason, ...] = (),
    evidence: Evidence | None = None,
    reading: Reading | None = None,
    answer: FoundAnswer | None = None,
    late: bool = False,
) -> Judged:
    automatic = one.classified.automatic
    mail = one.mail
    finding = Finding(
        mail_no=mail.mail_no,
        item_no=mail.item_no,
        accepted_at=mail.accepted_at,
        kind=str(one.classified.kind),
        subkind=str(automatic.subkind) if automatic else "",
        delivery=whose.delivery,
        matched_by=whose.by,
        reason=reason,
        grade=one.grade,
        language=(reading.language or "") if reading else "",
        late=late,
        answer=answer,
        cases=cases,
    )
    return Judged(finding, evidence)
