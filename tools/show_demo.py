"""Put what the demo prints on the README's first screen: an excerpt of docs/figures/demo.txt.

    .venv/bin/python tools/show_demo.py            after `make docs-figures`
    .venv/bin/python tools/show_demo.py --check    exit 1 when the README shows another demo

Which lines are shown is decided here, what they say is the demo's. A line "…" stands for what is left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PRINTED = ROOT / "docs" / "figures" / "demo.txt"
LEFT_OUT = "…"
BLOCK = re.compile(r"^```text\n.*?^```$", re.MULTILINE | re.DOTALL)
# Beginnings of the lines that are shown, part by part.
READINGS = ("Decline", "Forged", "Marked", "Out of office", "Question", "Report  ", "Resign  ", "Yes  ")
CHECKS = (
    "✓ n1: the audience is the sum",
    "✓ n1: the audience is what people.csv",
    "✓ n1: nobody got a copy twice",
    "✓ Every mail that was answered 250",
)
CONCLUSION = ("Yes:", "No:")


def excerpt(printed: str) -> str:
    """What of a demo's words is shown. Raises `ValueError` where they have another form."""
    lines = [line.rstrip() for line in printed.splitlines()]
    notices, came_back, meant = (_line(lines, title) for title in ("Notice ", "What came back", "Meant "))
    checks = next(number for number, line in enumerate(lines) if line[:2] in ("✓ ", "✗ "))
    parts = [
        lines[:notices],
        lines[notices:came_back],
        lines[came_back:meant],
        [*lines[meant : meant + 2], *_those(lines[meant + 2 : checks], READINGS), LEFT_OUT],
        [*_those(lines[checks:], CHECKS), LEFT_OUT, *_those(lines[checks:], CONCLUSION)],
    ]
    return "\n\n".join("\n".join(filter(None, part)) for part in parts)


def _line(lines: Sequence[str], beginning: str) -> int:
    found = [number for number, line in enumerate(lines) if line.startswith(beginning)]
    if not found:
        raise ValueError(f"the demo prints no line that begins with {beginning!r}")
    return found[0]


def _those(lines: Sequence[str], beginnings: tuple[str, ...]) -> list[str]:
    return [line for line in lines if line.startswith(beginnings)]


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print("usage: show_demo.py [--check]", file=sys.stderr)
        return 2
    shown = f"```text\n{excerpt(PRINTED.read_text(encoding='utf-8'))}\n```"
    text = README.read_text(encoding="utf-8")
    wanted = BLOCK.sub(lambda _: shown, text, count=1)
    if arguments:
        if text != wanted:
            print("README.md shows another demo than docs/figures/demo.txt; run tools/show_demo.py.", file=sys.stderr)
            return 1
        return 0
    README.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
