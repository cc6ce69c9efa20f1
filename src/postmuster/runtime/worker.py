"""A worker process: runs the journeys' jobs. `python -m postmuster.runtime.worker` — started by `up` and by rehearsals.

Says `ready` on standard output when it works. SIGTERM and SIGINT: the window at hand is finished, then it leaves.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading

from postmuster.base.clock import open_clock
from postmuster.base.errors import PostmusterError
from postmuster.runtime.database import django_setup
from postmuster.runtime.postgres import say
from postmuster.runtime.processes import leave_with_parent
from postmuster.settings import clock_path, load

django_setup("application")

from postmuster.jobs.desk import open_desk  # noqa: E402 - the rooms' tables exist only after django_setup
from postmuster.jobs.queue import run_worker  # noqa: E402
from postmuster.runtime.identity import verify_aloud  # noqa: E402


async def _work() -> None:
    leave_with_parent()
    desk = open_desk(load(), open_clock(clock_path()))
    await asyncio.to_thread(verify_aloud, desk.settings, actor="worker", now=desk.now, tell=say)
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _leave, leave, desk.leaving)
    print("ready", flush=True)
    await run_worker(desk, leave)


def _leave(leave: asyncio.Event, leaving: threading.Event) -> None:
    leaving.set()
    leave.set()


def main() -> int:
    """Run until told to leave."""
    try:
        asyncio.run(_work())
    except PostmusterError as error:
        print(error.sentence, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
