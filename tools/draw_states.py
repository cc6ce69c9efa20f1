"""Draw the lives of things as the code allows them: docs/states.md from the enumerations and their arrows.

    .venv/bin/python tools/draw_states.py            writes the page
    .venv/bin/python tools/draw_states.py --check    exit 1 when the page and the code differ

The rooms hold the arrows, this tool only draws them; tests/docs compares the page with the code. A state that is the
first of its enumeration, or that no arrow leads to, is where a life begins; one that no arrow leaves is where it ends.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from postmuster.control.states import ARROWS as STOP_ARROWS
from postmuster.inbound.states import MAIL_ARROWS
from postmuster.notices.states import NOTICE_ARROWS, ROUND_ARROWS
from postmuster.outbound.states import BATCH_ARROWS, DELIVERY_ARROWS, LETTER_ARROWS
from postmuster.replies.election_states import ELECTION_ARROWS
from postmuster.replies.states import ANSWER_ARROWS, CASE_ARROWS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "states.md"
WIDTH = 120
HEAD = """\
# States

How things live, drawn from the code by `tools/draw_states.py`; a test compares the drawings with the arrows in each
room's `states.py`. What a state means is in the [glossary](glossary.md). A move that is not drawn does not happen: a
room refuses it, or its statement does not touch the row.
"""


@dataclass(frozen=True, slots=True)
class Life:
    """One thing that has states. `says` is the sentence above the drawing."""

    title: str
    source: str
    arrows: Mapping[StrEnum, frozenset[StrEnum]]
    says: str

    @property
    def states(self) -> tuple[StrEnum, ...]:
        return tuple(type(next(iter(self.arrows))))


LIVES = (
    Life(
        "Notice",
        "notices/states.py",
        NOTICE_ARROWS,
        "A draft is approved by two officers who neither drafted nor edited it. A new revision of an approved notice is a "
        "draft again. A further round releases a settled notice again.",
    ),
    Life(
        "Round",
        "notices/states.py",
        ROUND_ARROWS,
        "One sending of a notice to the people of a fixed roster version. It is settled when nobody is pending and no copy "
        "waits to be tried again.",
    ),
    Life(
        "Delivery",
        "outbound/states.py",
        DELIVERY_ARROWS,
        "One person's copy. Pending has no row of its own: a person of the audience without an outcome is pending. Those "
        "whom the audience leaves out are withheld from the start, with the reason. What came later than the relay's word "
        "(reports, replies) moves a delivery on; nothing but evidence settles a doubt.",
    ),
    Life(
        "Batch",
        "outbound/states.py",
        BATCH_ARROWS,
        "A run of one component's people that one sender claims under a lease. It goes back to open when a stop comes "
        "between, or when its sender is lost and part of it was certainly not handed over.",
    ),
    Life(
        "Letter",
        "outbound/states.py",
        LETTER_ARROWS,
        "A single mail to one person or officer: a receipt, what became of an election, or a proof. While it is tried again it "
        "goes on waiting.",
    ),
    Life(
        "Mail",
        "inbound/states.py",
        MAIL_ARROWS,
        "A mail that came in. It waits from the commit before 250 until its meaning is recorded; what no try can digest is "
        "held for a person.",
    ),
    Life(
        "Answer",
        "replies/states.py",
        ANSWER_ARROWS,
        "What a person's reply says about what was asked. At most one answer of a person to a notice stands; the latest by "
        "our acceptance replaces it.",
    ),
    Life(
        "Election",
        "replies/election_states.py",
        ELECTION_ARROWS,
        "A choice on its way into force. Each state is told to the person in a letter. It begins with a code on its way, waiting "
        "for the signed-in page (below grade A), or not eligible. No clock leads to recorded.",
    ),
    Life(
        "Case",
        "replies/states.py",
        CASE_ARROWS,
        "Something that only a person can decide.",
    ),
    Life(
        "Stop",
        "control/states.py",
        STOP_ARROWS,
        "A closed lane. Stops are never changed: lifting one is another row.",
    ),
)


def drawing(life: Life) -> str:
    """The Mermaid text of one life, in the order of its enumeration."""
    reached = {after for afters in life.arrows.values() for after in afters}
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {s}" for n, s in enumerate(life.states) if n == 0 or s not in reached]
    for before in life.states:
        lines += [f"    {before} --> {after}" for after in life.states if after in life.arrows[before]]
    lines += [f"    {s} --> [*]" for s in life.states if not life.arrows[s]]
    return "\n".join(lines)


def page() -> str:
    """The whole of docs/states.md."""
    parts = [HEAD]
    for life in LIVES:
        source = f"`src/postmuster/{life.source}`"
        says = textwrap.fill(life.says, WIDTH)
        parts.append(f"## {life.title}\n\n{says}\n\n```mermaid\n{drawing(life)}\n```\n\nSource: {source}.\n")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print("usage: draw_states.py [--check]", file=sys.stderr)
        return 2
    drawn = page()
    if arguments:
        if PAGE.read_text(encoding="utf-8") != drawn:
            print("docs/states.md is not what the code says; run tools/draw_states.py.", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
