"""The process that fetches from mailboxes. `python -m postmuster.runtime.mailbox` — started by `up` where one is configured.

Logs in as the intake role, which may add mail and read stops, and nothing else: a hostile server that got the better of it
could read no mail back. Says `ready` on standard output when it works, and on standard error how a look ended when it ended
otherwise than the one before. SIGTERM and SIGINT: the mails at hand are committed and marked, then it leaves.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

from django.db import connections

from postmuster.base.clock import open_clock
from postmuster.base.errors import PostmusterError, Transient
from postmuster.runtime.database import django_setup
from postmuster.runtime.postgres import say
from postmuster.runtime.processes import leave_with_parent
from postmuster.settings import clock_path, load

django_setup("intake")

from postmuster.jobs.mailbox import fetch  # noqa: E402 - the rooms' tables exist only after django_setup
from postmuster.jobs.taking import FetchDesk, open_fetch_desk  # noqa: E402


def _work() -> None:
    leave_with_parent()
    desk = open_fetch_desk(load(), open_clock(clock_path()))

    def leave(_number: int, _frame: FrameType | None) -> None:
        desk.leaving.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    print("ready", flush=True)
    _fetch_until_told(desk)


def _fetch_until_told(desk: FetchDesk) -> None:
    """Look, wait, look again. What a look ran into is said once, not every minute."""
    said = ""
    while not desk.leaving.is_set():
        try:
            troubled = [one.sentence() for one in fetch(desk) if one.trouble]
            told = " ".join(troubled)
        except PostmusterError as error:
            told = error.sentence
            if isinstance(error, Transient):
                connections["default"].close()
        if told and told != said:
            say(told)
        said = told
        desk.leaving.wait(desk.settings.mailbox.every_s)


def main() -> int:
    """Run until told to leave."""
    try:
        _work()
    except PostmusterError as error:
        print(error.sentence, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
