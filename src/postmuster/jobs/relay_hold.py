"""Telling the relay to hold, or to let go, what it already has of a notice.

For whom: the commands `notice pause | stop | resume`, and whatever holds a notice by itself. Called after the stop was
committed, so that nothing more comes; the queue is looked at for a second more, because a window that was on its way may
arrive after the first time, and what was found there may leave all the same: a mail that is being delivered at this moment.

Ways: the built-in Postfix adapter (`relay.adapter = "postfix"`), which reaches into one component too, by the token in the
envelope sender; or the operator's `relay.hold_command` and `relay.release_command`, for whole notices.
Promises. Trouble with the relay never undoes a stop; it is told in a sentence. The ledger gets counts alone.
Limits: letters have no envelope sender. What left the relay is counted from the first look at its queue on, a tenth of a
second or so after the commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.db import transaction

from postmuster.base import sql
from postmuster.base.clock import Clock
from postmuster.base.errors import PostmusterError
from postmuster.base.ids import notice_id
from postmuster.control import actions as control_actions
from postmuster.control import queries as control
from postmuster.control.actions import LeftRelay
from postmuster.control.authority import is_inside
from postmuster.control.queries import StandingStop
from postmuster.control.states import Lane
from postmuster.mail.token import Purpose, Token, read_token
from postmuster.outbound import programs
from postmuster.outbound.in_relay import POSTFIX, split
from postmuster.outbound.postfix_queue import PostfixQueue, Queued
from postmuster.outbound.queued_for import components_of
from postmuster.settings import Settings
from postmuster.settings.keys import read_token_keys

AGAIN_S: Final = 1.0  # a window handed over before the stop's commit has arrived by then (P4: 500 ms)
LOOKS: Final = 5  # within that time
MOST_LOOKS: Final = 10  # a mail that changes queues while they are read is missed: until a look finds none
EVERY_NOTICE: Final = "all"
Wait = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class RelayTold:
    """What came of it: `how` is empty where this relay cannot be told; `messages` None where it did not say."""

    how: str
    messages: int | None
    trouble: str = ""
    left: LeftRelay | None = None

    def sentence(self, *, released: bool = False) -> str:
        """For the person who stopped or resumed."""
        if self.trouble:
            return f"The relay was not told: {self.trouble}"
        if not self.how:
            return "This relay cannot be told to hold what it has (relay.adapter, relay.hold_command)."
        did = "let go" if released else "holds"
        left = f"; {self.left.messages} left it within {self.left.seconds:.1f} s of the stop" if self.left else ""
        return f"The relay {did} {'what it has' if self.messages is None else f'{self.messages} messages'} of it{left}."


def hold(
    settings: Settings, notice_no: int, component_path: str, *, actor: str, clock: Clock, wait: Wait = time.sleep
) -> RelayTold:
    """Let the relay hold what it has of a stopped notice (0: all) and component ('': all). Ledger: `relay held`."""
    relay = settings.relay
    if relay.hold_command:
        return _commanded(
            settings, relay.hold_command, notice_no, component_path, actor=actor, clock=clock, released=False
        )
    if relay.adapter != POSTFIX:
        return RelayTold("", None)
    try:
        told = _hold_and_look(settings, notice_no, component_path, wait)
    except PostmusterError as error:
        return RelayTold(POSTFIX, None, error.sentence)
    return _noted(told, notice_no, actor=actor, clock=clock, released=False)


def release(settings: Settings, notice_no: int, component_path: str, *, actor: str, clock: Clock) -> RelayTold:
    """Let the relay go on with what nothing holds any more. Ledger: `relay released`.

    With the commands a notice is let go only when nothing at all holds it, because they know no components.
    """
    relay = settings.relay
    if relay.release_command:
        if any(stop.lane is Lane.BULK for stop in control.standing(notice_no)):
            return RelayTold("command", 0)
        return _commanded(
            settings, relay.release_command, notice_no, component_path, actor=actor, clock=clock, released=True
        )
    if relay.adapter != POSTFIX or relay.hold_command:
        return RelayTold("", None)
    try:
        let_go = _release_once(settings, notice_no)
    except PostmusterError as error:
        return RelayTold(POSTFIX, None, error.sentence)
    return _noted(RelayTold(POSTFIX, let_go), notice_no, actor=actor, clock=clock, released=True)


def _commanded(
    settings: Settings, command: str, notice_no: int, component_path: str, *, actor: str, clock: Clock, released: bool
) -> RelayTold:
    """Run the operator's command for a whole notice."""
    if component_path:
        return RelayTold("", None)
    shown = notice_id(notice_no) if notice_no else EVERY_NOTICE
    words = {"{notice}": shown, "{sender}": f"b-{shown}-" if notice_no else "b-"}
    arguments = split(command)
    for word, meaning in words.items():
        arguments = [each.replace(word, meaning) for each in arguments]
    try:
        with programs.run(arguments, limit_s=settings.relay.command_limit_s) as lines:
            for _ in lines:  # never shown: it may name people
                pass
    except PostmusterError as error:
        return RelayTold("command", None, error.sentence)
    return _noted(RelayTold("command", None), notice_no, actor=actor, clock=clock, released=released)


def _noted(told: RelayTold, notice_no: int, *, actor: str, clock: Clock, released: bool) -> RelayTold:
    with sql.guarded(), transaction.atomic():
        control_actions.note_relay(
            notice_no=notice_no,
            messages=told.messages,
            released=released,
            how=told.how,
            actor=actor,
            now=clock.now(),
            left=told.left,
        )
    return told


def _queue(settings: Settings) -> PostfixQueue:
    relay = settings.relay
    return PostfixQueue(relay.bounce_domain, relay.postfix_config_dir, relay.command_limit_s)


def _hold_and_look(settings: Settings, notice_no: int, component_path: str, wait: Wait) -> RelayTold:
    """Hold what is found, again and again for a second; what was found and is gone, or has nobody left to go to, left."""
    queue, found = _queue(settings), set[str]()
    gone: dict[str, float] = {}  # since which look, by the machine's clock
    for look in range(MOST_LOOKS):
        if look:
            wait(AGAIN_S / LOOKS)
        seen = [one for one in queue.ours() if notice_no in (0, one.notice_no)]
        fresh = [one for one in seen if not (one.is_held or one.is_done)]
        more = {one.queue_id for one in _inside(settings, fresh, component_path)}
        queue.hold_these(sorted(more))
        found |= more
        there = {one.queue_id for one in seen if not one.is_done}
        gone = {each: gone.get(each, time.time()) for each in found - there}
        if look >= LOOKS and not more:
            break
    return RelayTold(POSTFIX, len(found) - len(gone), left=_left(notice_no, component_path, gone))


def _inside(settings: Settings, waiting: list[Queued], component_path: str) -> list[Queued]:
    if not component_path:
        return waiting
    paths = _paths(settings, waiting)
    return [one for one in waiting if is_inside(paths.get(one.queue_id, ""), component_path)]


def _left(notice_no: int, component_path: str, gone: dict[str, float]) -> LeftRelay | None:
    """Until how long after the commit of the stop for everyone the relay let mail go."""
    stop = control.newest_stop(notice_no)
    if component_path or stop is None:
        return None
    seconds = max((at_s - stop.committed_at.timestamp() for at_s in gone.values()), default=0.0)
    return LeftRelay(stop.stop_no, len(gone), round(max(0.0, seconds), 3))


def _release_once(settings: Settings, notice_no: int) -> int:
    """Whatever no stop of bulk covers any more, by notice and by component."""
    queue = _queue(settings)
    held = [one for one in queue.ours() if one.is_held and notice_no in (0, one.notice_no)]
    stops = {one: _bulk(one) for one in {each.notice_no for each in held}}
    some = [one for one in held if stops[one.notice_no]]
    paths = _paths(settings, some) if some else {}
    free = {one.queue_id for one in held if not _covered(stops[one.notice_no], paths.get(one.queue_id, ""))}
    return queue.release(lambda one: one.queue_id in free)


def _bulk(notice_no: int) -> list[StandingStop]:
    return [stop for stop in control.standing(notice_no) if stop.lane is Lane.BULK]


def _covered(stops: list[StandingStop], path: str) -> bool:
    """Whether a stop covers mail to this component; where the component is not known, any stop does."""
    return any(not stop.component_path or not path or is_inside(path, stop.component_path) for stop in stops)


def _paths(settings: Settings, waiting: list[Queued]) -> dict[str, str]:
    """The component of each, by what its envelope sender's token names; what is not ours by signature is left out."""
    keys = read_token_keys(settings.key_dir).keys
    refs: dict[str, tuple[int, int, int]] = {}
    for one in waiting:
        token = read_token(Purpose.VERP, one.local_part.rpartition("-")[2], keys, today=0)
        if isinstance(token, Token):
            refs[one.queue_id] = (token.ref.notice_no, token.ref.round_no, token.ref.seq)
    found = components_of(sorted(set(refs.values())))
    return {queue_id: found[ref] for queue_id, ref in refs.items() if ref in found}
