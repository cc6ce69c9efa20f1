"""The intake process: the LMTP door. `python -m postmuster.runtime.intake` — started by `up` and by rehearsals.

Logs in as the intake role, which may add mail and read stops, and nothing else. Says `ready PORT` on standard output when it
listens. SIGTERM and SIGINT: what was received whole is committed and answered, then it leaves.
"""

from __future__ import annotations

import asyncio
import functools
import signal
import socket
import sys

import uvloop

from postmuster.base.clock import open_clock
from postmuster.base.errors import PostmusterError
from postmuster.runtime.database import django_setup
from postmuster.runtime.processes import leave_with_parent
from postmuster.settings import clock_path, load

django_setup("intake")

from postmuster.inbound.door import Door  # noqa: E402 - the rooms' tables exist only after django_setup
from postmuster.jobs.desk import open_door_desk  # noqa: E402
from postmuster.jobs.reply import accept  # noqa: E402


async def _listen() -> None:
    leave_with_parent()
    settings = load()
    store = functools.partial(accept, desk=open_door_desk(settings, open_clock(clock_path())))
    door = Door(store, hostname=socket.gethostname(), max_size_octets=settings.intake.max_message_octets)
    port = await door.listen(settings.intake.host, settings.intake.port)
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    print(f"ready {port}", flush=True)
    await leave.wait()
    await door.close()


def main() -> int:
    """Run until told to leave."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_listen())
    except PostmusterError as error:
        print(error.sentence, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The intake port could not be opened ({error.strerror}); no mail is taken in; free it.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
