"""One run of the stop drill: a notice on its way, a stop at a moment that was drawn, what came after it, and the rest of the way.

What for: `drill` does this over and over. The stop is what the commands `notice stop` and `notice pause --component` do:
the same acts of control and the same word to the relay, by an officer. The commit's time is the database's own
(`control_stop.committed_at`, read off its clock just before the commit), a message's is the wall clock of the sink or of
Postfix: all on one machine. Then the stop is lifted, and everybody has to have one copy.

Promises: what is counted is what the receiver wrote down, not what our books say; the books are then held beside it.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from postmuster.access.queries import acting
from postmuster.access.roles import Actor
from postmuster.base import sql
from postmuster.base.errors import Transient
from postmuster.bench.drill_receivers import Message, Standing
from postmuster.bench.house import approved_notice, wait_until
from postmuster.control import actions as control
from postmuster.control.actions import Asked
from postmuster.control.authority import Authority, is_inside
from postmuster.control.states import Cause, Lane
from postmuster.jobs import relay_hold
from postmuster.jobs.notice import ref_of, release
from postmuster.jobs.queue import defer_expand
from postmuster.notices import queries as stored
from postmuster.outbound import queries as book
from postmuster.outbound.pace import MAX_WINDOW, WINDOW_S
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.values import RoundRef
from postmuster.reports.figures import TimeToStop
from postmuster.reports.queries import notice_figures
from postmuster.runtime.processes import Crew

WHOLE, COMPONENT = "whole", "component"
LEAST_SHARE, MOST_SHARE = 0.02, 0.6  # of those addressed, handed over when the stop comes
OFFICE_SHARE: Final = 0.3  # of the stops of a component; the others stop a whole agency
QUIET_S: Final = 1.0  # what the relay still lets go after it was told to hold ends within this
LOOK_S: Final = 0.02
LIMIT_S: Final = 1.0  # P4
RECENT_S: Final = 1.0  # a process's window is what it saw a moment ago: before its last pause, perhaps
REASON: Final = "a drill"
_HANDED: Final = """
SELECT count(*) FROM outbound_delivery
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND state <> 'withheld'
"""
_AT_HAND: Final = """
SELECT c.path FROM outbound_batch b JOIN roster_component c ON c.id = b.component_no
WHERE b.notice_no = %(notice_no)s AND b.round_no = %(round_no)s AND b.state = %(state)s ORDER BY b.id
"""
# Batches that a stop of this path still has to end, or lets go on.
_UNFINISHED: Final = """
SELECT count(*) FROM outbound_batch b JOIN roster_component c ON c.id = b.component_no
WHERE b.notice_no = %(notice_no)s AND b.round_no = %(round_no)s AND (b.state = 'claimed' OR b.state = 'open'
  AND %(path)s <> '' AND c.path <> %(path)s AND NOT starts_with(c.path, %(path)s || '/'))
"""
_PLACES: Final = """
SELECT a.seq, c.path, coalesce(d.state, 'pending')
FROM outbound_audience a JOIN roster_component c ON c.id = a.component_no
LEFT JOIN outbound_delivery d ON d.notice_no = a.notice_no AND d.round_no = a.round_no AND d.seq = a.seq
WHERE a.notice_no = %(notice_no)s AND a.round_no = %(round_no)s
"""
_COMMITTED: Final = "SELECT extract(epoch FROM committed_at) FROM control_stop WHERE id = %s"
_HALTED: Final = """
SELECT extract(epoch FROM max(last_taken_at)) FROM outbound_halt
WHERE notice_no = %(notice_no)s AND last_taken_at BETWEEN to_timestamp(%(since)s) AND to_timestamp(%(until)s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run showed. Counts are of the stopped scope, but `window`, which is of all that was sent."""

    receiver: str
    scope: str
    addressed: int
    before: int  # accepted before the commit
    after: int  # accepted after it
    window: int  # what one process may have unanswered: see `window_before`
    processes: int
    accepted_s: float
    left_relay_s: float | None
    left_relay_messages: int | None
    told_held: int | None
    told: TimeToStop | None  # what `notice status` says of the same stop
    waiting: int  # not handed over when the stop came
    in_doubt_true: int
    in_doubt_false: int
    lost: int
    doubled: int
    missing: int
    seconds: float

    def why_not(self) -> str:
        """What the run broke, in a few words; empty when all was kept."""
        found = []
        if self.accepted_s > LIMIT_S:
            found.append(f"the last message was accepted {self.accepted_s:.2f} s after the commit")
        if self.after > self.window * self.processes:
            found.append(
                f"{self.after} messages after the commit, {self.processes} processes with a window of {self.window}"
            )
        for count, what in ((self.lost, "lost"), (self.doubled, "doubled"), (self.missing, "without a copy")):
            if count:
                found.append(f"{count} {what}")
        return "; ".join(found)


@dataclass(frozen=True, slots=True)
class _Stop:
    path: str
    committed_s: float
    told_held: int | None
    relay: bool


@dataclass(frozen=True, slots=True)
class _Scene:
    """A send on its way."""

    at: Standing
    crew: Crew
    of: RoundRef
    actor: Actor

    def wait(self, done: Callable[[], bool]) -> None:
        wait_until(done, lambda: (book.to_do(self.of), len(self.at.left(self.of.notice_no))), self.crew)

    @property
    def handed(self) -> int:
        return int(sql.value(_HANDED, self.of.key))


def play(at: Standing, crew: Crew, scope: str, dice: Random) -> Run:
    """Send, stop, look, lift, wait for the rest, and compare."""
    began_s = time.monotonic()
    scene = _begin(at, crew)
    addressed = book.audience(scene.of) - book.states(scene.of)[DeliveryState.WITHHELD]
    share = dice.uniform(LEAST_SHARE, MOST_SHARE) * addressed
    scene.wait(lambda: scene.handed >= max(1, share))
    time.sleep(dice.uniform(0, at.receiver.jitter_s))
    stop = _stop(scene, scope, dice)
    scene.wait(lambda: not sql.value(_UNFINISHED, scene.of.key | {"path": stop.path}))
    _grow_quiet(scene)
    looked_s = time.time()
    told = None
    if scope == WHOLE:
        told = notice_figures(scene.of.notice_no, now=at.house.clock.now(), breakdowns=False).time_to_stop
    _lift(scene, stop)
    scene.wait(lambda: book.to_do(scene.of) == (0, 0) and at.is_empty())
    return _run(scene, scope, stop, looked_s, told, seconds=time.monotonic() - began_s)


def _begin(at: Standing, crew: Crew) -> _Scene:
    notice_no, actor = approved_notice(), acting("ben")
    number = release(notice_no, actor=actor, desk=at.house.desk, then=defer_expand)
    round_ = stored.round_of(notice_no, number)
    if round_ is None:
        raise Transient("The round of the drill is not there; nothing was measured; try again.")
    scene = _Scene(at, crew, ref_of(round_), actor)
    scene.wait(lambda: scene.handed > 0)
    return scene


def _stop(scene: _Scene, scope: str, dice: Random) -> _Stop:
    """Stop as the command does: the stop, committed, then the word to the relay."""
    house, notice_no = scene.at.house, scene.of.notice_no
    path = _component(scene.of, dice) if scope == COMPONENT else ""
    stop_no = control.set_stop(
        notice_no=notice_no,
        component_path=path,
        lane=Lane.BULK,
        cause=Cause.PAUSE if path else Cause.STOP,
        reason=REASON,
        actor=scene.actor.mark,
        now=house.clock.now(),
        asked=None if path else Asked(tell_reached=False, accept_replies=True),
    )
    told = relay_hold.hold(house.settings, notice_no, path, actor=scene.actor.mark, clock=house.clock)
    if told.trouble:
        raise Transient(told.sentence())
    return _Stop(path, float(sql.value(_COMMITTED, (stop_no,))), told.messages, bool(told.how))


def _component(of: RoundRef, dice: Random) -> str:
    """A component that is being sent to just now: its office, or a whole agency."""
    claimed, waiting = (
        [str(row[0]) for row in sql.rows(_AT_HAND, of.key | {"state": state})] for state in ("claimed", "open")
    )
    found = claimed or waiting
    if not found:
        raise Transient("The send of the drill was over before the stop; nothing was measured; give it more people.")
    path = dice.choice(found)
    return path if dice.random() < OFFICE_SHARE else path.partition("/")[0]


def _grow_quiet(scene: _Scene) -> None:
    """Wait until nothing has left the relay for a while: of a component's stop, what it holds of the others goes on."""
    until_s = time.monotonic() + QUIET_S
    seen = -1
    while time.monotonic() < until_s:
        now = len(scene.at.left(scene.of.notice_no))
        if now != seen:
            seen, until_s = now, time.monotonic() + QUIET_S
        time.sleep(LOOK_S)


def _lift(scene: _Scene, stop: _Stop) -> None:
    house, notice_no = scene.at.house, scene.of.notice_no
    control.resume(
        notice_no=notice_no,
        component_path=stop.path,
        authority=Authority(everyone=True),
        reason=REASON,
        actor=scene.actor.mark,
        now=house.clock.now(),
    )
    told = relay_hold.release(house.settings, notice_no, stop.path, actor=scene.actor.mark, clock=house.clock)
    if told.trouble:
        raise Transient(told.sentence(released=True))


# ---- what the receiver wrote down, and what the books say


def _run(scene: _Scene, scope: str, stop: _Stop, looked_s: float, told: TimeToStop | None, *, seconds: float) -> Run:
    notice_no, settings = scene.of.notice_no, scene.at.house.settings
    accepted, left = scene.at.accepted(notice_no), scene.at.left(notice_no)
    rows = sql.rows(_PLACES, scene.of.key)
    states = {int(seq): str(state) for seq, _, state in rows}
    covered = {int(seq) for seq, path, _ in rows if not stop.path or is_inside(path, stop.path)}
    due = {seq for seq in covered if states[seq] != DeliveryState.WITHHELD}
    after = _between(accepted, covered, stop.committed_s, looked_s)
    out = _between(left, covered, stop.committed_s, looked_s)
    accepted_s = max([0.0, *(one.at_s - stop.committed_s for one in after), _halted_s(scene, scope, stop, looked_s)])
    before = sum(one.seq in covered and one.at_s <= stop.committed_s for one in accepted)
    copies = Counter(one.seq for one in left)
    return Run(
        receiver=scene.at.receiver.name,
        scope=scope,
        addressed=len(due),
        before=before,
        after=len(after),
        window=window_before(accepted, stop.committed_s, settings.work.workers, settings.relay.connections),
        processes=settings.work.workers,
        accepted_s=round(accepted_s, 3),
        left_relay_s=round(max((one.at_s - stop.committed_s for one in out), default=0.0), 3) if stop.relay else None,
        left_relay_messages=len(out) if stop.relay else None,
        told_held=stop.told_held,
        told=told,
        waiting=len(due) - before - len(after),
        seconds=round(seconds, 1),
        **_balance(states, copies),
    )


def _halted_s(scene: _Scene, scope: str, stop: _Stop, looked_s: float) -> float:
    """When our own senders read the last 250, for a relay whose log says when it began to take a message."""
    if scene.at.postfix is None or scope != WHOLE:
        return 0.0
    values = {"notice_no": scene.of.notice_no, "since": stop.committed_s, "until": looked_s}
    found = sql.value(_HALTED, values)
    return float(found) - stop.committed_s if found is not None else 0.0


def _between(messages: Sequence[Message], covered: set[int], from_s: float, until_s: float) -> list[Message]:
    return [one for one in messages if one.seq in covered and from_s < one.at_s <= until_s]


def _balance(states: dict[int, str], copies: Counter[int]) -> dict[str, Any]:
    """The books beside what came out of the relay."""
    in_doubt = [seq for seq, state in states.items() if state == DeliveryState.IN_DOUBT]
    gone = {DeliveryState.RELAYED, DeliveryState.DELIVERED, DeliveryState.DEFERRED}
    wanted = [seq for seq, state in states.items() if state not in (DeliveryState.WITHHELD, DeliveryState.IN_DOUBT)]
    return {
        "in_doubt_true": sum(copies[seq] > 0 for seq in in_doubt),
        "in_doubt_false": sum(not copies[seq] for seq in in_doubt),
        "lost": sum(not copies[seq] for seq, state in states.items() if state in gone),
        "doubled": sum(count - 1 for count in copies.values() if count > 1),
        "missing": sum(not copies[seq] for seq in wanted),
    }


def window_before(accepted: Sequence[Message], committed_s: float, processes: int, connections: int) -> int:
    """The largest window a process may have had: the most the relay took in 200 ms of the last second, 1 to 200 messages.

    Which process a message came from is not in a journal; one that is alone for a moment sees the relay's whole pace. Its
    first window, before it knows any pace, has a message a connection.
    """
    times = [one.at_s for one in accepted if one.at_s <= committed_s]
    least = connections if len(times) < processes * connections else 1
    recent = times[bisect_right(times, committed_s - RECENT_S) :]
    most = max((place + 1 - bisect_right(recent, at_s - WINDOW_S) for place, at_s in enumerate(recent)), default=0)
    return min(MAX_WINDOW, max(least, most))
