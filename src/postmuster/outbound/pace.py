"""How much may be unanswered: what the relay took in the last 200 ms, at least 1, at most 200 messages (P4).

Pure. A window goes out in two parts, so that one is composed while the other is answered;
it is measured over all that was unanswered together. A relay that answers 50 a second has 10 at a time, one that holds
each answer back for seconds has one.
"""

from __future__ import annotations

from typing import Final

WINDOW_S: Final = 0.2
MAX_WINDOW: Final = 200  # messages
PARTS: Final = 2
_LEAST_S: Final = 0.05  # a burst that a slow relay answers at once says nothing of its rate


class Pace:
    """The window of one process, and how much of it the next part may fill.

    It at most doubles from one part to the next, and begins anew with one message after a loss: a line that is cut again and
    again leaves a few copies in doubt, not a window each time.
    """

    def __init__(self, first: int) -> None:
        self.window = max(1, min(first, MAX_WINDOW))

    def room(self, unanswered: int) -> int:
        """How many messages the next part may have; 0 when an answer has to come first."""
        part = -(-self.window // PARTS)
        return max(0, min(part, self.window - unanswered))

    def landed(self, unanswered: int, took_s: float) -> None:
        """Learn from a part: `unanswered` messages, with those before it, were answered in `took_s`."""
        taken = int(unanswered / max(took_s, _LEAST_S) * WINDOW_S)
        self.window = max(1, min(taken, self.window * 2, MAX_WINDOW))

    def lost(self) -> None:
        """A part came back without an answer to each."""
        self.window = 1
