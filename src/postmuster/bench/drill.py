"""`bench drill`: how long a stop takes, against relays of every manner.

What for: each run lets a notice go out, stops it at a random moment (the whole notice, then one component, in turn), and
counts what the relay accepted after the commit and what still left it; then the stop is lifted, and the books are compared
with what came out at the other end. `make stop-drill RUNS=50` shows the slowest of all runs.

Kept are: the last message is accepted within a second of the commit; no more messages are accepted after it than one window
a process; nobody gets two copies, nobody none, but for those whose copy is in doubt, who are counted apart.

Limits: one machine, one clock, the loopback; two worker processes. The seed fixes the draws, not the machine's pace.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from postmuster.base.errors import Refused
from postmuster.bench.drill_receivers import RECEIVERS, Receiver, standing, why_left_out
from postmuster.bench.drill_run import COMPONENT, WHOLE, Run, play
from postmuster.runtime.place import Tell

SCOPES: Final = (WHOLE, COMPONENT)
MOST_RUNS: Final = 10_000
RECORD: Final = "stop-drill.json"

Heard = Callable[[Run], None]


def read_receivers(names: str) -> tuple[Receiver, ...]:
    """The receivers whose name has one of these words in it; all of them for none. Raises `Refused`."""
    words = [word.strip().lower() for word in names.split(",") if word.strip()]
    chosen = tuple(one for one in RECEIVERS if not words or any(word in one.name.lower() for word in words))
    if not chosen:
        known = ", ".join(one.name for one in RECEIVERS)
        raise Refused(f"No receiver has such a name; nothing was begun; choose from: {known}.")
    return chosen


def bench_drill(
    runs: int, *, seed: int, out: Path, tell: Tell, heard: Heard, receivers: Sequence[Receiver] = RECEIVERS
) -> dict[str, Any]:
    """Drill, as evenly as can be over receivers and scopes; writes what was found to `out`. Raises `Refused`."""
    if not 1 <= runs <= MOST_RUNS:
        raise Refused(f"{runs} runs are none or too many; nothing was begun; choose from 1 to {MOST_RUNS:,}.")
    left_out = {one.name: reason for one in receivers if (reason := why_left_out(one))}
    there = [one for one in receivers if one.name not in left_out]
    if not there:
        raise Refused(next(iter(left_out.values())))
    out.mkdir(parents=True, exist_ok=True)
    done: list[Run] = []
    for receiver, count in zip(there, shares(runs, len(there)), strict=True):
        for run in _drill(receiver, count, seed, out, tell):
            done.append(run)
            heard(run)
    found = summary(done) | {"seed": seed, "left_out": left_out}
    (out / RECORD).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return found


def _drill(receiver: Receiver, count: int, seed: int, out: Path, tell: Tell) -> Iterator[Run]:
    """All runs of one receiver, in one installation."""
    if not count:
        return
    tell(f"{receiver.name}: {count} runs …")
    dice = Random(f"{seed} {receiver.name}")  # noqa: S311 - a draw that can be repeated, no secret
    with standing(receiver, out, tell=tell) as at, at.house.crew(tell) as crew:
        crew.start(intake=False)
        for number in range(count):
            yield play(at, crew, SCOPES[number % len(SCOPES)], dice)


def shares(runs: int, receivers: int) -> list[int]:
    """How many runs each receiver gets."""
    return [runs // receivers + (place < runs % receivers) for place in range(receivers)]


def summary(done: Sequence[Run]) -> dict[str, Any]:
    """The worst of each receiver and scope, and every run; `kept` when no run broke a promise."""
    groups = dict.fromkeys((run.receiver, run.scope) for run in done)
    lines = [_line([run for run in done if (run.receiver, run.scope) == group]) for group in groups]
    broken = [f"{run.receiver}, {run.scope}: {why}." for run in done if (why := run.why_not())]
    return {"kept": not broken, "broken": broken, "lines": lines, "runs": [dataclasses.asdict(run) for run in done]}


def _line(runs: Sequence[Run]) -> dict[str, Any]:
    seen = [run.left_relay_s for run in runs if run.left_relay_s is not None]
    gone = [run.left_relay_messages for run in runs if run.left_relay_messages is not None]
    return {
        "receiver": runs[0].receiver,
        "scope": runs[0].scope,
        "runs": len(runs),
        "accepted_s": max(run.accepted_s for run in runs),
        "after": max(run.after for run in runs),
        "window": max(run.window for run in runs),
        "left_relay_s": max(seen) if seen else None,
        "left_relay_messages": max(gone) if gone else None,
        "in_doubt_true": sum(run.in_doubt_true for run in runs),
        "in_doubt_false": sum(run.in_doubt_false for run in runs),
        "lost": sum(run.lost for run in runs),
        "doubled": sum(run.doubled for run in runs),
        "missing": sum(run.missing for run in runs),
    }
