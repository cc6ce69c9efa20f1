"""`bench chaos-read` (`make chaos-read`): replies come in, something is killed in the middle, then the books are balanced.

What for: the promise that 250 means committed, and that a mail has its effect once however often it comes and whatever dies
(P5), is tried with real processes: the intake, two workers, the embedded database, and a client of another make that sends
again what was not answered. Each run writes new replies to one round, strikes at the moment its seed says (`chaos_plan`),
mends, waits until everything is digested and every receipt has left, and compares (`chaos_read_books`).

Promises: as `chaos`: a run that does not end within `RUN_LIMIT_S` has failed; each can be played again by its seed; no process
stays behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from postmuster.base.errors import Defect, PostmusterError, Refused, place_of
from postmuster.bench.chaos import ends_in_order
from postmuster.bench.chaos_plan import OF_READING, Plan, draw, seeds
from postmuster.bench.chaos_read_books import Marks, ReadVerdict, marks, read_verdict
from postmuster.bench.chaos_stage import Blows, Stage, open_stage, patiently
from postmuster.bench.house import WORKERS, open_house
from postmuster.bench.load import load_only
from postmuster.bench.mix import Mix
from postmuster.bench.send import Copied, copies, send_only
from postmuster.inbound import queries as inbound
from postmuster.organisation.sending import Route, Tally, deliver
from postmuster.organisation.world import Outgoing
from postmuster.outbound import queries as book
from postmuster.rehearsal.ports import free_ports
from postmuster.runtime.place import Tell

MOST_RUNS: Final = 200
MAILS: Final = 150  # of a run
CONNECTIONS: Final = 6
LEASE_S: Final = 2
RUN_LIMIT_S: Final = 60.0
TRIES: Final = 100  # of the client, for one mail
PATIENCE_S: Final = 30.0  # of the client, for an intake that is away
APART: Final = timedelta(days=2)  # simulated time between two runs: each person may get a receipt again
LOOK_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class ReadRun:
    """One run, told."""

    plan: Plan
    verdict: ReadVerdict
    seconds: float

    @property
    def title(self) -> str:
        return self.plan.title if len(self.plan.blows) == 1 else "two of them"

    @property
    def is_good(self) -> bool:
        return not self.verdict.problems

    def row(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {
            "seed": self.plan.seed,
            "troubles": [str(blow.trouble) for blow in self.plan.blows],
            "after_messages": [blow.after_messages for blow in self.plan.blows],
            **asdict(self.verdict),
            "seconds": round(self.seconds, 2),
        }


def bench_chaos_read(
    runs: int,
    seed: int,
    people: int,
    *,
    out: Path,
    tell: Tell,
    heard: Callable[[ReadRun], None],
    only: int | None = None,
) -> dict[str, Any]:
    """Play the runs of `seed`, or the one whose own seed is `only`. Raises `Refused` for too many runs."""
    if not 1 <= runs <= MOST_RUNS:
        raise Refused(f"{runs} runs are none or too many; nothing was done; choose 1 to {MOST_RUNS}.")
    given = {"work.lease_s": LEASE_S, "intake.port": free_ports(1)[0]}
    done: list[ReadRun] = []
    with ends_in_order(), open_house(out, people=people, sign="ed25519", tell=tell, given=given) as house:
        load_only(house)
        of = send_only(house, tell)
        got = copies(house, of, people)
        with open_stage(house, tell, with_intake=True) as stage:
            for one in [only] if only is not None else seeds(seed, runs):
                house.clock.advance(APART)
                done.append(_play_safely(draw(one, MAILS, LEASE_S, WORKERS, OF_READING), stage, of.notice_no, got))
                heard(done[-1])
        safety = house.durability()
    return summary(done, people=people, seed=seed) | {"database": safety}


def summary(runs: Sequence[ReadRun], *, people: int, seed: int) -> dict[str, Any]:
    """The counts by trouble, and altogether."""
    titles = sorted({run.title for run in runs})
    return {
        "people": people,
        "seed": seed,
        "by_trouble": [{"trouble": title} | _sum([run for run in runs if run.title == title]) for title in titles],
        "totals": _sum(runs),
        "failed_seeds": [run.plan.seed for run in runs if not run.is_good],
        "runs": [run.row() for run in runs],
    }


def _sum(runs: Sequence[ReadRun]) -> dict[str, Any]:
    counts = [
        "mails", "answered", "kept", "kept_again", "lost", "unread", "read_twice", "counted_twice", "letters",
        "letters_twice",
    ]  # fmt: skip
    return {
        "runs": len(runs),
        "failed": sum(not run.is_good for run in runs),
        **{name: sum(getattr(run.verdict, name) for run in runs) for name in counts},
        "seconds": round(sum(run.seconds for run in runs), 1),
    }


# ---- one run


def _play_safely(plan: Plan, stage: Stage, notice_no: int, got: Sequence[Copied]) -> ReadRun:
    """Play a run; whatever goes wrong in it is its failure, and the next one begins with everything running."""
    began_s = time.monotonic()
    try:
        return ReadRun(plan, _play(plan, stage, notice_no, got), time.monotonic() - began_s)
    except PostmusterError as error:
        problem = error.sentence
    except (OSError, ValueError) as error:
        problem = f"a mistake of the drill, {place_of(error)}"
    stage.recover()
    return ReadRun(plan, ReadVerdict(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (problem,)), time.monotonic() - began_s)


def _play(plan: Plan, stage: Stage, notice_no: int, got: Sequence[Copied]) -> ReadVerdict:
    house = stage.house
    file = house.folder / f"run-{plan.seed}.journal"
    stage.sink.begin(file)
    mix = Mix(plan.seed, house.people, house.signing, notice_no=notice_no, at=house.clock.now())
    mails = list(mix.mails(got, MAILS))
    start = marks()
    client = _Client(mails, stage.intake_port)
    _until_read(stage, Blows(stage, plan.blows), client)
    verdict = _verdict(start, stage, client, mails, file)
    if not verdict.problems:
        file.unlink()
    return verdict


def _verdict(start: Marks, stage: Stage, client: _Client, mails: Sequence[Outgoing], file: Path) -> ReadVerdict:
    return read_verdict(
        start,
        stage.house.desk.keyring,
        sent=[mail.octets for mail in mails],
        answered=client.answered,
        file=file,
        trouble=client.trouble(),
    )


class _Client:
    """The mail system in front of the intake, in a thread of its own: it sends again what was not answered."""

    def __init__(self, mails: Sequence[Outgoing], port: int) -> None:
        self.answered: set[int] = set()  # places in `mails`
        self._places = {mail.mail_no: place for place, mail in enumerate(mails)}
        self._mails = mails
        self._route = Route("127.0.0.1", port, connections=CONNECTIONS, tries=TRIES, patience_s=PATIENCE_S)
        self._tally: Tally | None = None
        self._broke = ""
        self._thread = threading.Thread(target=self._deliver, name="client", daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def trouble(self) -> list[str]:
        """What the client could not get rid of."""
        if self._tally is None:
            return [self._broke or "the client is not done"]
        said = {"refused for good": len(self._tally.refused), "given up": len(self._tally.given_up)}
        return [f"{count} mails {what}" for what, count in said.items() if count]

    def _deliver(self) -> None:
        try:
            self._tally = deliver(self._mails, self._route, self._on_reply)
        except OSError as error:
            self._broke = f"the client could not go on, {place_of(error)}"

    def _on_reply(self, mail: Outgoing, _recipient: str, reply: str) -> None:
        if reply.startswith("2"):
            self.answered.add(self._places[mail.mail_no])


def _until_read(stage: Stage, blows: Blows, client: _Client) -> None:
    """Until all troubles are over, everything is answered and digested, and no letter waits."""
    began_s = time.monotonic()
    while not (blows.are_over and client.is_done and _nothing_waits()):
        blows.strike_and_mend(lambda: len(client.answered))
        if blows.are_over:
            stage.revive(more_to_come=False)
        if time.monotonic() - began_s > RUN_LIMIT_S:
            mails, letters = patiently(lambda: (inbound.waiting(), book.letters_waiting()), (-1, -1))
            raise Defect(
                f"The run did not end within {RUN_LIMIT_S:.0f} s ({mails} mails and {letters} letters wait, the client is "
                f"{'done' if client.is_done else 'not done'}); look into it."
            )
        time.sleep(LOOK_S)


def _nothing_waits() -> bool:
    return patiently(lambda: not inbound.waiting() and not book.letters_waiting(), False)
