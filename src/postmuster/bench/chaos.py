"""`bench chaos` (`make chaos-send`): a round a run, something goes wrong in the middle, then the books are balanced.

What for: the promise that a crash loses nobody and sends twice at most what one window held, and lists that (P2, P3), is
tried with real processes: two workers, the embedded database, a relay whose journal outlives it. Each run releases a new
notice to everybody, strikes at the moment its seed says (`chaos_plan`), mends, waits until the round settles, and compares
the book with the journal (`chaos_books`).

Promises. A run that does not settle within `RUN_LIMIT_S` has failed, and says what was still open. A run that failed is
told with its seed, by which it can be played again; the next one begins with everything running. No process stays behind,
also after Ctrl-C and SIGTERM (after a kill -9 of this one the database server does, and a worker that is frozen just then).
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Final

from postmuster.access.queries import acting
from postmuster.base import sql
from postmuster.base.errors import Defect, PostmusterError, Refused, place_of
from postmuster.bench.chaos_books import Doubt, Verdict, describe, doubt, judge, read_books
from postmuster.bench.chaos_plan import Blow, Plan, draw, seeds
from postmuster.bench.chaos_stage import Blows, Stage, open_stage, patiently
from postmuster.bench.house import WORKERS, approved_notice, open_house
from postmuster.bench.load import load_only
from postmuster.jobs.notice import ref_of, release
from postmuster.jobs.queue import defer_expand
from postmuster.notices import queries as stored
from postmuster.notices.states import RoundState
from postmuster.outbound import queries as book
from postmuster.outbound.values import RoundRef
from postmuster.runtime.place import Tell

MOST_RUNS: Final = 500  # the example notice's deadline is four simulated days away
LEASE_S: Final = 2
WAIT_MINUTES: Final = 1  # how long evidence is waited for before a copy is sent again, of simulated time
STEP: Final = timedelta(minutes=2)
STEP_EVERY_S: Final = 1.0
RUN_LIMIT_S: Final = 60.0
CALM_S: Final = 0.5  # what a process that was thawed still writes is on the journal by then
LOOK_S: Final = 0.002
ENDED: Final = 128 + signal.SIGTERM  # the exit code of who was told to end
SETTINGS: Final = {"work.lease_s": LEASE_S, "relay.first_retry_s": 60}
_STATE: Final = "SELECT state FROM notices_round WHERE notice_id = %s AND number = %s"


@dataclass(frozen=True, slots=True)
class Run:
    """One run, told."""

    plan: Plan
    verdict: Verdict
    doubt: Doubt
    seconds: float

    @property
    def is_good(self) -> bool:
        return not self.verdict.problems

    def row(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {
            "seed": self.plan.seed,
            "policy": str(self.plan.policy),
            "troubles": [str(blow.trouble) for blow in self.plan.blows],
            "after_messages": [blow.after_messages for blow in self.plan.blows],
            **asdict(self.verdict),
            "in_doubt_rightly": self.doubt.rightly,
            "in_doubt_needlessly": self.doubt.needlessly,
            "seconds": round(self.seconds, 2),
        }


def bench_chaos(
    runs: int,
    seed: int,
    people: int,
    *,
    out: Path,
    tell: Tell,
    heard: Callable[[Run], None],
    only: int | None = None,
) -> dict[str, Any]:
    """Play the runs of `seed`, or the one whose own seed is `only`. Raises `Refused` for too many runs."""
    if not 1 <= runs <= MOST_RUNS:
        raise Refused(f"{runs} runs are none or too many; nothing was done; choose 1 to {MOST_RUNS}.")
    done: list[Run] = []
    with ends_in_order(), open_house(out, people=people, sign="openssl", tell=tell, given=SETTINGS) as house:
        load_only(house)
        with open_stage(house, tell) as stage:
            plans = [draw(one, people, LEASE_S, WORKERS) for one in ([only] if only is not None else seeds(seed, runs))]
            ahead = _Ahead(plans)
            for plan in plans:
                done.append(_play_safely(plan, stage, ahead))
                heard(done[-1])
        safety = house.durability()
    return summary(done, people=people, seed=seed) | {"database": safety}


@contextmanager
def ends_in_order() -> Iterator[None]:
    """Let SIGTERM unwind what is open, as Ctrl-C does."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        sys.exit(ENDED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def summary(runs: Sequence[Run], *, people: int, seed: int) -> dict[str, Any]:
    """The counts by trouble and policy, and altogether."""
    kinds = sorted({_kind(run.plan) for run in runs})
    return {
        "people": people,
        "seed": seed,
        "by_trouble": [
            {"trouble": trouble, "policy": policy} | _sum(run for run in runs if _kind(run.plan) == (trouble, policy))
            for trouble, policy in kinds
        ],
        "totals": _sum(runs),
        "failed_seeds": [run.plan.seed for run in runs if not run.is_good],
        "runs": [run.row() for run in runs],
    }


def _kind(plan: Plan) -> tuple[str, str]:
    return plan.title if len(plan.blows) == 1 else "two of them", str(plan.policy)


def _sum(runs: Iterable[Run]) -> dict[str, Any]:
    runs = list(runs)
    verdicts = [run.verdict for run in runs]
    return {
        "runs": len(runs),
        "failed": sum(not run.is_good for run in runs),
        "messages": sum(one.messages for one in verdicts),
        "lost": sum(one.lost for one in verdicts),
        "doubled": sum(one.doubled for one in verdicts),
        "most_doubled": max((one.doubled for one in verdicts), default=0),
        "listed_in_doubt": sum(one.listed for one in verdicts),
        "most_listed": max((one.listed for one in verdicts), default=0),
        "in_doubt_rightly": sum(run.doubt.rightly for run in runs),
        "in_doubt_needlessly": sum(run.doubt.needlessly for run in runs),
        "in_doubt_at_end": sum(one.in_doubt for one in verdicts),
        "missing_at_end": sum(one.missing for one in verdicts),
        "seconds": round(sum(run.seconds for run in runs), 1),
    }


# ---- one run


class _Ahead:
    """Approved notices for the runs; the next one is written while the one at hand is waited for."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._to_come = list(plans)
        self._written: dict[int, int] = {}  # notice by seed

    def take(self, plan: Plan) -> int:
        """The notice of a run."""
        self._to_come.remove(plan)
        return self._written.pop(plan.seed, 0) or self._write(plan)

    def write_next(self) -> None:
        """Use the time; when the database is away just now it is done later."""
        if self._to_come and self._to_come[0].seed not in self._written:
            plan = self._to_come[0]
            self._written[plan.seed] = patiently(lambda: self._write(plan), 0)

    def _write(self, plan: Plan) -> int:
        return approved_notice(f'\n[in_doubt]\npolicy = "{plan.policy}"\nwait_minutes = {WAIT_MINUTES}\n')


def _play_safely(plan: Plan, stage: Stage, ahead: _Ahead) -> Run:
    """Play a run; whatever goes wrong in it is its failure, and the next one begins with everything running."""
    began_s = time.monotonic()
    try:
        return _play(plan, stage, ahead, began_s)
    except PostmusterError as error:
        problem = error.sentence
    except (OSError, ValueError) as error:
        problem = f"a mistake of the drill, {place_of(error)}"
    stage.recover()
    verdict = Verdict(0, 0, 0, 0, 0, 0, 0, 0, (problem,))
    return Run(plan, verdict, Doubt(0, 0), time.monotonic() - began_s)


def _play(plan: Plan, stage: Stage, ahead: _Ahead, began_s: float) -> Run:
    journal = stage.house.folder / f"run-{plan.seed}.journal"
    stage.sink.begin(journal)
    notice_no = ahead.take(plan)
    number = release(notice_no, actor=acting("ben"), desk=stage.house.desk, then=defer_expand)
    round_ = stored.round_of(notice_no, number)
    if round_ is None:
        raise Defect("The round that was released is not there; the run is worth nothing; please report it.")
    of = ref_of(round_)
    walk = _Walk(of, stage, plan.blows, ahead.write_next)
    walk.until_sent()
    found = doubt(of, read_books(of, journal))
    walk.until_settled()
    books = read_books(of, journal)
    verdict = judge(
        of,
        books,
        policy=plan.policy,
        people=len(stage.house.people),
        senders_hit=sum(blow.senders_hit(WORKERS) for blow in plan.blows),
    )
    if not verdict.problems:
        journal.unlink()
    return Run(plan, verdict, found, time.monotonic() - began_s)


class _Walk:
    """One round from its release to its end, struck on the way."""

    def __init__(self, of: RoundRef, stage: Stage, blows: Sequence[Blow], meanwhile: Callable[[], None]) -> None:
        self._of = of
        self._stage = stage
        self._meanwhile = meanwhile
        self._began_s = time.monotonic()
        self._blows = Blows(stage, blows)

    def until_sent(self) -> None:
        """Strike and mend; until all troubles are over and no batch is open."""
        self._until(self._has_sent)

    def until_settled(self) -> None:
        """Let simulated time pass, so that what was put off or is in doubt goes again; until the round has settled."""
        stepped_s = 0.0

        def is_settled() -> bool:
            nonlocal stepped_s
            if time.monotonic() - stepped_s >= STEP_EVERY_S:
                stepped_s = time.monotonic()
                self._stage.house.clock.advance(STEP)
            state = patiently(lambda: sql.value(_STATE, (self._of.notice_no, self._of.round_no)), None)
            return bool(state == RoundState.SETTLED) and time.monotonic() - self._blows.calm_since_s >= CALM_S

        self._until(is_settled)

    def _until(self, done: Callable[[], bool]) -> None:
        look_s = 0.0
        while True:
            self._blows.strike_and_mend(self._stage.sink.messages)
            now_s = time.monotonic()
            if now_s - self._began_s > RUN_LIMIT_S:
                raise Defect(f"The run did not end within {RUN_LIMIT_S:.0f} s ({self._what_is_open()}); look into it.")
            if now_s >= look_s and self._blows.are_over:
                self._stage.revive(more_to_come=False)
                if done():
                    return
                self._meanwhile()
                look_s = time.monotonic() + 20 * LOOK_S
            time.sleep(LOOK_S)

    def _has_sent(self) -> bool:
        """Whether everybody is written down and no batch is open."""
        of = self._of

        def ask() -> bool:
            state = sql.value(_STATE, (of.notice_no, of.round_no))
            return state == RoundState.SETTLED or (state == RoundState.SENDING and book.to_do(of)[0] == 0)

        return patiently(ask, False)

    def _what_is_open(self) -> str:
        of = self._of
        state = patiently(lambda: str(sql.value(_STATE, (of.notice_no, of.round_no))), "unknown")
        batches, retries = patiently(lambda: book.to_do(of), (0, 0))
        return f"{describe(of)} is {state}, {batches} batches and {retries} retries are open"
