"""The journey of a notice: release → expand → send → settle.

Every step can be taken again after a crash: a page of the audience is there or not, a batch is claimed under a lease, an
outcome is written or the row is in doubt. Nothing depends on a job being run exactly once; `upkeep` defers again what is due.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from django.db import connection

from postmuster.access.roles import Actor
from postmuster.base.errors import PostmusterError, Refused
from postmuster.base.ids import notice_id
from postmuster.control import queries as control
from postmuster.control.states import Lane
from postmuster.control.watch import StopWatch
from postmuster.jobs import again as sparing
from postmuster.jobs.desk import Desk
from postmuster.jobs.errand import End
from postmuster.jobs.release import open_next_round
from postmuster.jobs.retrying import Retries
from postmuster.jobs.sending import Sender, Tell
from postmuster.notices import actions as notices
from postmuster.notices import hours, ramp, readiness
from postmuster.notices import queries as stored
from postmuster.notices.queries import StoredRound
from postmuster.notices.states import RoundState
from postmuster.notices.terms import Audience
from postmuster.outbound import actions as outbound
from postmuster.outbound import queries as book
from postmuster.outbound import suppression
from postmuster.outbound.in_relay import InRelay
from postmuster.outbound.lapsed import has_lapsed
from postmuster.outbound.relay import Relay
from postmuster.outbound.values import Cut, Opening, RoundRef, Scope

STILL_READ_S: Final = 0.5  # answers still owed after a stop are read for so long (P4)
NO_WAVE: Final = -1


def _quiet(_count: int) -> None:
    """Nobody watches."""


def ref_of(round_: StoredRound) -> RoundRef:
    return RoundRef(round_.notice_no, round_.number, round_.roster_version)


def scope_of(audience: Audience) -> Scope:
    """Who a notice's audience addresses, in the words of the book."""
    narrowed = dict(audience.attributes)
    return Scope(
        components=audience.components,
        subtree=audience.subtree,
        classes=audience.classes,
        languages=narrowed.get("language"),
        statuses=narrowed.get("status"),
        time_zones=narrowed.get("time_zone"),
    )


# ---- release


def release(notice_no: int, *, actor: Actor, desk: Desk, then: Callable[[int, int], None] | None = None) -> int:
    """Ask every gate, freeze the revision, fix roster version and assessment; returns the round's number.

    `then` puts the first job in the queue, in this transaction.

    Ledger: `notice released`. Raises `Refused` with the first reason why the notice cannot go out (P1).
    """
    return open_next_round(notice_no, again=None, actor=actor, desk=desk, then=then)


# ---- expand


def expand(notice_no: int, round_no: int, *, desk: Desk, tell: Tell = _quiet) -> int:
    """Write down everybody the round is about, the excluded among them; returns how many there are.

    Ends between two pages when a more urgent round waits. Raises `Transient` while mail that decides who is spared is unread.
    """
    round_ = stored.round_of(notice_no, round_no)
    if round_ is None or round_.state is not RoundState.EXPANDING:
        return 0
    of, scope, cut = ref_of(round_), scope_of(round_.revision.content.audience), cut_of(round_, desk)
    if not any(book.last_expanded(of)):
        sparing.spare(of, round_.to, desk=desk)
        suppression.spare_suppressed(of)
    while page := outbound.expand_page(of, scope, cut, now=desk.now):
        tell(page)
        if desk.leaving.is_set() or stored.urgent_rounds(notice_no):
            return book.audience(of)
    people = book.audience(of)
    notices.begin_sending(notice_no, round_no, audience=people, now=desk.now)
    return people


def cut_of(round_: StoredRound, desk: Desk) -> Cut:
    """How this round's audience is cut: apart by zone where hours of rest are kept, in waves where there is a ramp."""
    content, settings = round_.revision.content, desk.settings
    return Cut(
        settings.work.batch_rows,
        by_zone=hours.are_kept(settings.hours, content.schedule),
        shares=ramp.cumulative(content.ramp),
    )


# ---- send


def opening_of(round_: StoredRound, zones: Sequence[str], desk: Desk) -> Opening:
    """What of a round may go out now: its open waves, but in zones where it is quiet; nothing new after its last moment."""
    settings, schedule, now = desk.settings, round_.revision.content.schedule, desk.now
    if has_lapsed(round_, settings.work.start_within_hours, now):
        return Opening(NO_WAVE)
    quiet = hours.quiet_zones(zones, settings.hours, schedule, now, settings.organisation.time_zone)
    return Opening(stored.open_wave(round_.notice_no, round_.number), quiet)


def is_overtaken(notice_no: int, desk: Desk) -> bool:
    """Whether a rescission has something to send, which goes before everything else."""
    waiting = stored.urgent_rounds(notice_no)
    return any(book.has_due(ref_of(one), opening_of(one, book.zones(ref_of(one)), desk), desk.now) for one in waiting)


def send(notice_no: int, round_no: int, *, desk: Desk, tell: Tell = _quiet) -> int:
    """Send what is open until nothing is, a stop closes the lane, or the relay wants a pause; returns how many copies left.

    Gate: submit, before each part of a window. Raises `Refused` when the stored words are no longer the approved ones (P1).
    """
    round_ = stored.round_of(notice_no, round_no)
    if round_ is None or round_.state is not RoundState.SENDING:
        return 0
    if not readiness.is_intact(round_.revision):
        raise Refused(f"Notice {notice_id(notice_no)}: {readiness.NOT_APPROVED} Nothing more was sent.")
    sent, end = 0, End.CHANGED
    with InRelay(desk.settings.relay, desk.settings.work.workers, tell=_say) as room:
        while end is End.CHANGED and not control.stopped(notice_no, Lane.BULK):
            end, count = _send_through_one_relay(round_, desk, room, tell)
            sent += count
    _tell_of_faults(desk)
    return sent


def _tell_of_faults(desk: Desk) -> None:
    """A library that signs wrongly is told of; none of its faulty signatures was used."""
    batch = desk.signing.signer.batch if desk.signing.signer else None
    if batch is not None and batch.faults:
        _say(
            f"send: {batch.faults} signatures made eight at once were faulty since this process began; each was thrown away "
            "and made anew by the ordinary library; set relay.sign_in_batches to false."
        )


def _send_through_one_relay(round_: StoredRound, desk: Desk, room: InRelay, tell: Tell) -> tuple[End, int]:
    """Send until an end. A stop that concerns what is at hand ends the dialog with the relay within half a second."""
    of, generation = ref_of(round_), control.generation()
    zones = book.zones(of)

    def opening() -> Opening:
        return opening_of(round_, zones, desk)

    with Relay(desk.relay, desk.settings.relay.connections) as relay:
        sender = Sender(
            round_,
            of,
            relay,
            desk,
            room,
            opening=opening,
            overtaken=lambda: is_overtaken(of.notice_no, desk),
            tell=tell,
        )
        retries = Retries(round_, of, relay, desk, room, tell)
        with StopWatch(generation, lambda: _abandon(relay, of, sender)):
            end = sender.run()
            if end is End.NOTHING_LEFT:
                retries.run(opening)
        if end is End.CHANGED and sender.last_taken_at is not None:
            outbound.record_halt(of, generation, taken_at=sender.last_taken_at)
        return end, sender.sent + retries.sent


def _abandon(relay: Relay, of: RoundRef, sender: Sender) -> None:
    """On the watch's thread: leave the relay when what changed covers what is at hand, or nobody can say."""
    try:
        covered = control.covers(of.notice_no, sender.components)
    except PostmusterError:
        covered = True
    finally:
        connection.close()
    if covered:
        relay.abandon(STILL_READ_S)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


# ---- settle


def settle(notice_no: int, round_no: int, *, desk: Desk) -> bool:
    """Settle a round when nobody is pending and nothing waits to be tried again."""
    round_ = stored.round_of(notice_no, round_no)
    if round_ is None or round_.state is not RoundState.SENDING or any(book.to_do(ref_of(round_))):
        return False
    if outbound.waits_in_doubt(ref_of(round_), round_.revision.content.in_doubt, desk.now):
        return False
    states = {str(state): count for state, count in book.states(ref_of(round_)).items()}
    return notices.settle(notice_no, round_no, states=states, now=desk.now)
