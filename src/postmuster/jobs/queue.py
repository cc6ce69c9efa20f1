"""The journeys as jobs: the one door to the job queue. Jobs are given ids only, never a word of anybody.

Each kind of job has a queue of its own, and a worker process runs one job of each queue at a time, so that letters overtake
bulk, digesting goes on while a round is sent, and no process sends in two loops.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from typing import Final

from procrastinate import exceptions
from procrastinate.contrib.django import app
from procrastinate.tasks import Task

from postmuster.base import sql
from postmuster.base.errors import Defect, PostmusterError, place_of
from postmuster.jobs import letter, notice, reply, upkeep
from postmuster.jobs.desk import Desk, at_hand, take_place

QUEUES: Final = ("upkeep", "expand", "send", "letters", "digest")
POLL_S: Final = 0.5  # how long a new job waits when its notification was missed
_LOOK_LOCK: Final = 0x504D_4C4F  # any fixed number: one look in the database at a time
STALLED_S: Final = 60  # a worker that gave no sign for so long is dead, and its job runs again


def _run(what: str, work: Callable[[Desk], object]) -> None:
    """Do a job. It ends in one of three ways: done; later, which the next look defers again; never, which is a defect.

    What went wrong is said by kind and place only: the words of an error could be somebody's.
    """
    try:
        work(at_hand())
    except PostmusterError as error:
        print(f"{what}: {error.sentence}", file=sys.stderr, flush=True)
    except Exception as error:
        print(f"{what}: a mistake of ours, {place_of(error)}; what was committed is kept.", file=sys.stderr, flush=True)
        raise Defect(f"The job {what} met a mistake of ours, {place_of(error)}; what was committed is kept.") from None


@app.task(queue="expand", name="expand")
def expand(notice_no: int, round_no: int) -> None:
    """Write down the audience of a round."""
    _run("expand", lambda desk: notice.expand(notice_no, round_no, desk=desk))


@app.task(queue="send", name="send")
def send(notice_no: int, round_no: int, loop_no: int) -> None:
    """Run one send loop of a round."""
    _run("send", lambda desk: notice.send(notice_no, round_no, desk=desk))


@app.task(queue="letters", name="letters")
def send_letters() -> None:
    """Send the letters that are due."""
    _run("letters", lambda desk: letter.send_letters(desk=desk))


@app.task(queue="digest", name="digest")
def digest(loop_no: int) -> None:
    """Run one digest loop."""
    _run("digest", lambda desk: reply.digest(desk=desk))


@app.periodic(cron="* * * * * *")
@app.task(queue="upkeep", name="tick")
def tick(timestamp: int) -> None:
    """Look around, once a second, on one machine at a time."""
    _run("tick", _look_around)


def _look_around(desk: Desk) -> None:
    """One look at a time: a slow one is not joined by the next."""
    with sql.alone(_LOOK_LOCK) as is_alone:
        if is_alone:
            _defer_due(desk)


def _defer_due(desk: Desk) -> None:
    due = upkeep.look_around(desk=desk)
    loops = range(desk.settings.work.workers)
    for notice_no, round_no in due.expand:
        _defer(expand, f"expand n{notice_no} r{round_no}", notice_no=notice_no, round_no=round_no)
    for notice_no, round_no in due.send:
        for loop_no in loops:
            name = f"send n{notice_no} r{round_no} {loop_no}"
            _defer(send, name, notice_no=notice_no, round_no=round_no, loop_no=loop_no)
    if due.letters:
        _defer(send_letters, "letters")
    if due.digest:
        for loop_no in loops:
            _defer(digest, f"digest {loop_no}", loop_no=loop_no)


@app.periodic(cron="*/20 * * * * *")
@app.task(queue="upkeep", name="sweep")
async def sweep(timestamp: int) -> None:
    """Run the jobs of dead workers again, and forget finished ones."""
    manager = app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_S):
        await manager.retry_job(job)
    await manager.delete_old_jobs(nb_hours=1, include_failed=True, include_cancelled=True, include_aborted=True)


def _defer(task: Task[..., None, ...], name: str, **ids: int) -> None:
    """Put a job in its queue unless the same is waiting there already.

    No lock keeps two of the same from running: one whose worker was killed would hold it until it is found stalled, and
    leases and row locks make a second one harmless.
    """
    if sql.value(
        "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status = 'todo' AND queueing_lock = %s)", (name,)
    ):
        return
    # When another worker was quicker: row-level security keeps the key out of the server's detail, and the library asserts it.
    with contextlib.suppress(exceptions.AlreadyEnqueued, AssertionError):
        task.configure(queueing_lock=name).defer(**ids)


def defer_expand(notice_no: int, round_no: int) -> None:
    """Begin a round at once; joins the transaction that released it."""
    _defer(expand, f"expand n{notice_no} r{round_no}", notice_no=notice_no, round_no=round_no)


async def run_worker(desk: Desk, leave: asyncio.Event) -> None:
    """Run one job of each queue at a time until `leave` is set; the windows at hand are then finished."""
    take_place(desk)
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # its lines repeat arguments; ours hold ids and verbs
    with app.replace_connector(app.connector.get_worker_connector()):  # type: ignore[attr-defined]
        async with app.open_async():
            workers = [
                asyncio.ensure_future(
                    app.run_worker_async(
                        queues=[queue],
                        name=queue,
                        concurrency=1,
                        fetch_job_polling_interval=POLL_S,
                        install_signal_handlers=False,
                        listen_notify=True,
                        shutdown_graceful_timeout=30,
                    )
                )
                for queue in QUEUES
            ]
            waiting = asyncio.ensure_future(leave.wait())
            await asyncio.wait([waiting, *workers], return_when=asyncio.FIRST_COMPLETED)
            desk.leaving.set()
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            waiting.cancel()
