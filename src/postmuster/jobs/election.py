"""The journey of an election: read → eligible? → confirmed by a code → reviewed → recorded → handed over.

*Follow*: an election begins with an answer that stands, and ends with it; what the person answers later takes it back or
replaces it. *Confirm*: a code of the enrolled mailbox, typed in a mail of grade A. *Decide*: an officer of the person's own
component, or a reviewer, with a reason. *By the clock*: what is not confirmed lapses, what is not decided is passed on;
nothing is ever accepted by waiting. Each step is one transaction with the letter that tells it and its ledger entry.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from postmuster.access.queries import acting, address_of
from postmuster.access.roles import Actor, Role
from postmuster.assessments.kinds import AskType
from postmuster.base import sql
from postmuster.base.errors import Defect, PostmusterError, Refused
from postmuster.jobs.desk import Desk
from postmuster.jobs.election_letters import Ground, News, news_of, write_news
from postmuster.jobs.judging import Judged
from postmuster.jobs.looking import Look
from postmuster.ledger import actions as ledger
from postmuster.mail.address import AddrSpec, parse_addr_spec
from postmuster.outbound import queries as book
from postmuster.replies import actions as replies
from postmuster.replies import election_queries as queries
from postmuster.replies import elections
from postmuster.replies.election_queries import Pair, election_id
from postmuster.replies.election_states import DECIDABLE, ElectionState, Lapse
from postmuster.replies.election_values import Attempt, Election, Move, NewElection
from postmuster.replies.eligibility import ineligible
from postmuster.roster import queries as roster
from postmuster.vault import actions as vault

MAX_TRIES: Final = 5  # wrong codes for one election; of 21^12 codes five are guessed once in 10^15 elections
DUE_AT_ONCE: Final = 100  # elections moved by the clock in one look
LAPSE_MARGIN: Final = timedelta(minutes=1)  # a mail that was accepted in time may be a moment from being committed
MAX_REASON_CHARS: Final = 500
_WITHDRAW: Final = "withdraw"
# Whose code came in a mail below grade A may send it again in a better one.
_CONFIRMABLE: Final = frozenset({ElectionState.NEEDS_CONFIRMATION, ElectionState.WAITS_FOR_PAGE})


@dataclass(slots=True)
class _Walk:
    """What happens in one transaction."""

    desk: Desk
    ground: Ground
    by: str
    news: list[News] = field(default_factory=list)

    def step(self, election: Election, to: ElectionState, *, because: str = "", **values: Any) -> Move:
        """Move an election and note what its person is to be told."""
        move = elections.move(election, to, now=self.desk.now, **values)
        self.news.append(news_of(move, because=because))
        return move

    def tell(self) -> None:
        """Write letters, steps and the ledger entry."""
        if not self.news:
            return
        letters = write_news(self.news, self.ground, self.desk)
        told = list(zip(self.news, letters, strict=True))
        steps = [(one.move, letter) for one, letter in told if one.move is not None]
        elections.write_steps(steps, by=self.by, now=self.desk.now)
        facts = {"moves": [_fact(one, letter) for one, letter in told]}
        first = election_id(self.news[0].election.election_no)
        ledger.append(kind="elections moved", actor=self.by, subject=first, facts=facts, now=self.desk.now)


def _fact(one: News, letter_no: int | None) -> dict[str, object]:
    before = one.move.before if one.move else one.election.state
    after = one.election.state if one.move else one.letter
    return {"election": one.election.election_no, "from": str(before or ""), "to": str(after), "letter": letter_no}


# ---- in the wake of replies


def follow(pairs: Collection[Pair], *, desk: Desk, by: str) -> None:
    """Let the elections of these (notice, person) pairs follow their answers, and begin for choices that stand anew.

    For whoever changes answers in a transaction of their own, which holds the people. Ledger: `elections moved`.
    """
    walk = _Walk(desk, Ground(), by)
    _follow(pairs, walk, {}, {})
    walk.tell()


def digest(looks: Sequence[Look], judged: Sequence[Judged], numbers: Sequence[int], desk: Desk) -> frozenset[int]:
    """What a batch of replies does to elections; returns the replies whose writers are told here, and need no receipt.

    Runs in the transaction that recorded them. Ledger: `elections moved`, one entry a batch.
    """
    about = [
        (look, one, number)
        for look, one, number in zip(looks, judged, numbers, strict=True)
        if one.round is not None
        and one.round.revision.content.ask.type is AskType.ELECTION
        and one.finding.delivery is not None
        and _changes_something(one)
    ]
    if not about:
        return frozenset()
    rounds = {(one.round.notice_no, one.round.number): one.round for _, one, _ in about if one.round}
    walk = _Walk(desk, Ground(rounds), "worker")
    ids = {number: look.message.message_id or "" for look, _, number in about}
    taken_back = {
        (of.notice_no, of.person_no): number
        for _, one, number in about
        if (of := one.finding.delivery) and one.finding.answer and one.finding.answer.type == _WITHDRAW
    }
    _follow(
        {(of.notice_no, of.person_no) for _, one, _ in about if (of := one.finding.delivery)}, walk, ids, taken_back
    )
    for _, one, number in sorted(about, key=lambda each: each[0].mail.mail_no):
        if one.attempt is not None:
            _confirm(one.attempt, walk, number, ids)
        if one.bound is not None:
            _tell_bound(one.bound, walk, number, ids)
    walk.tell()
    return frozenset(one.reply_no for one in walk.news if one.reply_no is not None)


def _changes_something(one: Judged) -> bool:
    """Whether a reply may move an election; a question, for one, does not."""
    stands = one.finding.answer is not None and one.finding.answer.stands
    return stands or one.attempt is not None or one.bound is not None


def _follow(pairs: Collection[Pair], walk: _Walk, ids: Mapping[int, str], taken_back: Mapping[Pair, int]) -> None:
    for election, was_taken_back in queries.overtaken(pairs):
        to = ElectionState.WITHDRAWN if was_taken_back else ElectionState.SUPERSEDED
        walk.step(election, to)
        if was_taken_back and (reply_no := taken_back.get(election.pair)) is not None:
            walk.news[-1] = replace(walk.news[-1], reply_no=reply_no, message_id=ids.get(reply_no, ""))
    new = queries.unopened(pairs)
    walk.ground.know([one.person_no for one, _ in new])
    begun = elections.begin([_begun(one, walk) for one, _ in new], now=walk.desk.now)
    for move, (_, reply_no) in zip(begun, new, strict=True):
        walk.news.append(news_of(move, reply_no=reply_no, message_id=ids.get(reply_no, "")))


def _begun(one: NewElection, walk: _Walk) -> NewElection:
    """Where an election begins: not eligible, waiting for the page, or with a code on its way."""
    content = walk.ground.round_of(one.ref.notice_no, one.ref.round_no).revision.content
    why = ineligible(content, walk.ground.person(one.person_no))
    if why is not None:
        return replace(one, state=ElectionState.NOT_ELIGIBLE, reason=str(why))
    state, values = _asked_to_confirm(one.grade, content.election.confirm_days, walk.desk.now)
    return replace(one, state=state, **values)


def _asked_to_confirm(grade: str, days: int, now: datetime) -> tuple[ElectionState, dict[str, Any]]:
    if grade != "A":
        return ElectionState.WAITS_FOR_PAGE, {"reason": f"grade_{grade.lower() or 'none'}"}
    return ElectionState.NEEDS_CONFIRMATION, {"reason": "", "code_until": now + timedelta(days=days)}


def _confirm(attempt: Attempt, walk: _Walk, reply_no: int, ids: Mapping[int, str]) -> None:
    election = queries.election(attempt.election_no)
    until = election.code_until
    if until is None or election.state not in _CONFIRMABLE:
        return
    if election.state is ElectionState.WAITS_FOR_PAGE and not (
        attempt.holds and attempt.grade == "A" and attempt.accepted_at <= until
    ):
        return
    if attempt.accepted_at > until:
        walk.step(election, ElectionState.LAPSED, reason=str(Lapse.TIME))
    elif not attempt.holds:
        tried = elections.count_try(election)
        if tried.tries >= MAX_TRIES:
            walk.step(tried, ElectionState.LAPSED, reason=str(Lapse.TRIES))
        else:
            walk.news.append(News("wrong_code", tried, left=MAX_TRIES - tried.tries))
    elif attempt.grade != "A":
        walk.step(election, ElectionState.WAITS_FOR_PAGE, reason=f"code_grade_{attempt.grade.lower() or 'none'}")
    else:
        days = walk.ground.round(election).revision.content.ask.decision_days
        term = attempt.accepted_at + timedelta(days=days)
        walk.step(election, ElectionState.UNDER_REVIEW, confirmed_at=attempt.accepted_at, review_until=term)
    walk.news[-1] = replace(walk.news[-1], reply_no=reply_no, message_id=ids.get(reply_no, ""))


def _tell_bound(election: Election, walk: _Walk, reply_no: int, ids: Mapping[int, str]) -> None:
    """Say that a recorded choice stays, once in a window."""
    since = walk.desk.now - timedelta(seconds=walk.desk.settings.work.letter_window_s)
    pair = (election.person_no, election.ref.notice_no)
    told = {(one.election.person_no, one.election.ref.notice_no) for one in walk.news if one.letter == "too_late"}
    if pair not in told and pair not in book.receipted([election.person_no], since):
        walk.news.append(News("too_late", election, reply_no=reply_no, message_id=ids.get(reply_no, "")))


# ---- decided by an officer


def decide(election_no: int, *, is_accepted: bool, reason: str, officer: str, desk: Desk) -> Election:
    """Accept or decline. Accepting somebody who is not eligible needs a reason, and before it is confirmed only admits them.

    Ledger: `election decided`, `elections moved`. Raises `Refused` for whoever may not, and where there is nothing to decide.
    """
    found = queries.election(election_no)
    actor = acting(officer, Role.REVIEWER, Role.COMPONENT_OFFICER, component_path=component_path(found.component_no))
    words = _sound_reason(reason)
    with sql.guarded(), transaction.atomic():
        replies.lock_people([found.pair])
        found = queries.election(election_no)
        if found.state not in DECIDABLE:
            raise Refused(
                f"{election_id(election_no)} is {str(found.state).replace('_', ' ')}; there is nothing to decide; nothing was "
                "changed; see `postmuster election list`."
            )
        walk = _Walk(desk, Ground(), actor.mark)
        person = walk.ground.person(found.person_no)
        if person is not None and _address_key(officer) == person.address_key:
            raise Refused(
                f"{election_id(election_no)} is your own; nothing was changed; another officer decides on it."
            )
        why = ineligible(walk.ground.round(found).revision.content, person)
        if is_accepted and why is not None and not words:
            raise Refused(
                f"By the notice's terms and today's roster the person of {election_id(election_no)} is not eligible ({why}); "
                "nothing was changed; decline it, or accept it with --reason."
            )
        moved = (_accept if is_accepted else _decline)(found, words, walk)
        _note_decision(moved.election, is_accepted, why or "", actor, desk)
        walk.tell()
    return moved.election


def _accept(found: Election, words: str, walk: _Walk) -> Move:
    content, now = walk.ground.round(found).revision.content, walk.desk.now
    item = _sealed(found, words, walk.desk) if words else None
    if found.state is ElectionState.NOT_ELIGIBLE:
        state, values = _asked_to_confirm(found.grade, content.election.confirm_days, now)
        return walk.step(found, state, reason_item=item, **values)
    until = now + timedelta(days=content.election.withdraw_days)
    return walk.step(found, ElectionState.RECORDED, recorded_at=now, withdraw_until=until, reason_item=item)


def _decline(found: Election, words: str, walk: _Walk) -> Move:
    if not words:
        raise Refused(
            f"A decline needs its reason, which the person is told; {election_id(found.election_no)} was not changed; give one "
            "with --reason."
        )
    item = _sealed(found, words, walk.desk)
    return walk.step(found, ElectionState.DECLINED, because=words, reason_item=item)


def _address_key(officer: str) -> str:
    """An officer's enrolled address, as it is compared; empty where there is none."""
    try:
        found = parse_addr_spec(address_of(officer)[1])
    except Refused:
        return ""
    return found.match_key if isinstance(found, AddrSpec) else ""


def _sealed(found: Election, words: str, desk: Desk) -> int:
    [item] = vault.seal_owned([(found.ref.notice_no, found.person_no, words.encode())], desk.keyring, desk.now)
    return item


def _sound_reason(reason: str) -> str:
    words = " ".join(reason.split())
    if len(words) > MAX_REASON_CHARS or not words.isprintable():
        raise Refused(
            f"A reason is at most {MAX_REASON_CHARS} printable characters; nothing was changed; give a shorter one."
        )
    return words


def _note_decision(election: Election, is_accepted: bool, why: str, actor: Actor, desk: Desk) -> None:
    facts = {"election": election.election_no, "accepted": is_accepted, "ineligible": why}
    subject = election_id(election.election_no)
    ledger.append(kind="election decided", actor=actor.mark, subject=subject, facts=facts, now=desk.now)


def component_path(component_no: int) -> str:
    """The path of a component by its number."""
    found = [one.path for one in roster.components() if one.component_no == component_no]
    if not found:
        raise Defect(
            "An election belongs to a component that is not in the roster; nothing was done; please report it."
        )
    return found[0]


# ---- by the clock


def by_the_clock(*, desk: Desk) -> int:
    """Let lapse what was not confirmed, pass on what was not decided; returns how many. Nothing is accepted here, ever.

    One election that cannot be moved now holds up no other: it stays due.
    """
    moved = 0
    for election_no in queries.due(desk.now - LAPSE_MARGIN, DUE_AT_ONCE):
        try:
            moved += _move_by_the_clock(election_no, desk)
        except PostmusterError:
            continue
    return moved


def _move_by_the_clock(election_no: int, desk: Desk) -> bool:
    pair = queries.election(election_no).pair
    with sql.guarded(), transaction.atomic():
        replies.lock_people([pair])
        found = queries.election(election_no)
        walk = _Walk(desk, Ground(), "worker")
        if found.state is ElectionState.NEEDS_CONFIRMATION:
            walk.step(found, ElectionState.LAPSED, reason=str(Lapse.TIME))
        elif found.state is ElectionState.UNDER_REVIEW:
            walk.step(found, ElectionState.ESCALATED)
        walk.tell()
    return bool(walk.news)
