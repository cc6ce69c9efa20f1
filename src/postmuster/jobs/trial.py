"""The process that reads a mail before the worker does, and may die of it. `python -m postmuster.jobs.trial`

What for: `jobs.monster` starts it and gives it mails of which nobody knows what they cost: large ones, and those during
which a worker ended. It reads each as the digest would and says that it could; what it read it forgets. It knows no
database, no key and no network.

The dialog: a number of eight octets (big-endian), so many octets of a mail; one octet back. It ends with its input.

Limits: memory as given on its command line, in octets; time is for the parent to keep.
"""

from __future__ import annotations

import contextlib
import resource
import sys
from typing import BinaryIO, Final

from postmuster.mail.kind import classify
from postmuster.mail.message import parse
from postmuster.reading.ask import Ask, AskType
from postmuster.reading.reading import as_json, read_message

LENGTH_OCTETS: Final = 8
DONE: Final = b"."
_ASK: Final = Ask(AskType.ELECTION, ("Yes", "No"))  # the ask that makes most work


def read_all(given: BinaryIO, answers: BinaryIO) -> None:
    """Read mails until there are no more."""
    while len(head := given.read(LENGTH_OCTETS)) == LENGTH_OCTETS:
        message = parse(given.read(int.from_bytes(head, "big")))
        as_json(read_message(message, classify(message), ask=_ASK, sent_text=None))
        answers.write(DONE)
        answers.flush()


def main() -> int:
    """Keep to the memory and read. A mail that needs more ends this process, which is what it is for."""
    with contextlib.suppress(OSError, ValueError):  # not every system has the limit
        resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        read_all(sys.stdin.buffer, sys.stdout.buffer)
    except (MemoryError, RecursionError):
        return 1  # without its traceback
    return 0


if __name__ == "__main__":
    sys.exit(main())
