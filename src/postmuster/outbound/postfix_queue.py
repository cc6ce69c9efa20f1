"""The queue of a Postfix on this machine: what it holds of ours, and holding or letting go a part of it.

Ours is what has an envelope sender of ours, `b-n12-<token>@<bounce domain>`: the notice stands in it in clear. Letters have
no envelope sender and are not seen here.

Promises. The queue is read as a stream, in constant memory; nothing of it is kept but queue ids and our own senders. A held
mail leaves only when it is let go, so it counts as held and not as what a stop cannot reach.
Limits: Postfix 3.1 or later (`postqueue -j`); holding needs root (postsuper(1)). A mail that changes queues while they are
read is counted twice or missed (measured: up to 8 of 2,000). A mail that is being delivered at this moment may still leave.

Sources: postqueue(1) for the fields of a line, postsuper(1) for -h and -H with queue ids from standard input.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from postmuster.outbound import programs

HOLD: Final = "hold"
_QUEUE_ID: Final = re.compile(r"[A-Za-z0-9]{5,64}")
_SENDER: Final = re.compile(r"b-n(\d{1,10})-[a-z2-7]{39}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Queued:
    """One mail of ours that waits there."""

    queue_id: str
    local_part: str
    notice_no: int
    is_held: bool
    is_done: bool = False  # it has left; its file goes when it is next looked at


@dataclass(frozen=True, slots=True)
class PostfixQueue:
    """Where it is asked; an empty `config_dir` is Postfix's own."""

    bounce_domain: str
    config_dir: str = ""
    limit_s: float = 10.0

    def depth(self) -> int:
        """How many mails of ours may still leave. Raises `Transient`."""
        return sum(not one.is_held for one in self.ours())

    def ours(self) -> Iterator[Queued]:
        """Every mail of ours, one by one. Raises `Transient`."""
        with programs.run(self._command("postqueue", "-j"), limit_s=self.limit_s) as lines:
            for line in lines:
                found = read_line(line, self.bounce_domain)
                if found is not None:
                    yield found

    def hold(self, wanted: Callable[[Queued], bool]) -> int:
        """Hold what is wanted; returns how many mails that were not held before. Raises `Transient`."""
        return self.hold_these([one.queue_id for one in self.ours() if not one.is_held and wanted(one)])

    def hold_these(self, queue_ids: list[str]) -> int:
        """Hold these; whichever is no longer there is passed over. Raises `Transient`."""
        return self._move(queue_ids, "-h")

    def release(self, wanted: Callable[[Queued], bool]) -> int:
        """Let go what is wanted of what is held; returns how many. Raises `Transient`."""
        return self._move([one.queue_id for one in self.ours() if one.is_held and wanted(one)], "-H")

    def _move(self, found: list[str], how: str) -> int:
        ids = list(dict.fromkeys(found))  # a mail that changes queues while they are read is seen twice, or not at all
        if ids:
            given = "".join(f"{one}\n" for one in ids).encode("ascii")
            with programs.run(self._command("postsuper", how, "-"), limit_s=self.limit_s, given=given) as lines:
                for _ in lines:
                    pass
        return len(ids)

    def _command(self, program: str, *arguments: str) -> list[str]:
        place = ["-c", self.config_dir] if self.config_dir else []
        return [program, *place, *arguments]


def read_line(line: bytes, bounce_domain: str) -> Queued | None:
    """One line of `postqueue -j`; None for what is not ours or is no such line. Never raises."""
    try:
        given = json.loads(line)
        queue, queue_id, sender = str(given["queue_name"]), str(given["queue_id"]), str(given["sender"])
        is_done = given.get("recipients") == []
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    local_part, _, domain = sender.rpartition("@")
    match = _SENDER.fullmatch(local_part)
    if match is None or domain.lower() != bounce_domain.lower() or not _QUEUE_ID.fullmatch(queue_id):
        return None
    return Queued(queue_id, local_part.lower(), int(match[1]), queue == HOLD, is_done)
