"""`bench send-all` (`make bench-send`): sending at several sizes with several signers, one line each in `send.json`.

Promises: every line carries when, on which machine and by which command it was measured, and the load average before the
first one, so that lines of different days can stand in one table. A line is written down as soon as it is measured, in the
place of an earlier one of the same size and signer; the others stay. So a run of three million people is done once, and kept.

Leaves `send.json`, `send.md`, `send-time.svg` and `send-size.svg` in the folder given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from postmuster.base.errors import Refused
from postmuster.bench.growth import machine
from postmuster.bench.send import bench_send, refuse_signer
from postmuster.bench.send_page import SIZE_PLOT, TIME_PLOT, write_figures
from postmuster.bench.send_plot import draw_size, draw_time
from postmuster.bench.yardsticks import SECONDS
from postmuster.runtime.place import Tell

FILE: Final = "send.json"
PAGE: Final = "send.md"
Line = dict[str, Any]


def read_signers(text: str) -> tuple[str, ...]:
    """Read `openssl,none`. Raises `Refused` for a signer that is not there."""
    signers = tuple(dict.fromkeys(text.replace(",", " ").split()))
    if not signers:
        raise Refused("No signer was named; nothing was measured; write openssl, or openssl,ed25519,none.")
    for sign in signers:
        refuse_signer(sign)
    return signers


def bench_sending(
    sizes: Sequence[int],
    signers: Sequence[str],
    *,
    out: Path,
    now: Callable[[], datetime],
    tell: Tell,
    heard: Callable[[Line], None],
    yardstick_s: float = SECONDS,
) -> list[Line]:
    """Measure every size with every signer, smallest first; returns all lines that `send.json` holds then."""
    out.mkdir(parents=True, exist_ok=True)
    lines = read_lines(out / FILE)
    on = machine()  # once: after the first line the load average would be our own
    for people in sorted(sizes):
        for sign in signers:
            tell(f"{people:,} people, {sign}:")
            about = {
                "at": now().astimezone(UTC).isoformat(timespec="seconds"),
                "command": f"postmuster bench send --people {people} --sign {sign}",
                "machine": on,
            }
            measured = about | bench_send(people, sign, out=out, tell=tell, yardstick_s=yardstick_s)
            lines = merge(lines, measured)
            _write(out, lines)
            heard(measured)
    return lines


def read_lines(file: Path) -> list[Line]:
    """Read what was measured before; nothing where nothing was. Raises `Refused` for a file that is not ours."""
    if not file.exists():
        return []
    try:
        lines: list[Line] = json.loads(file.read_text(encoding="utf-8"))["lines"]
        return sorted(lines, key=_place)
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{file} holds no measurements of sending; nothing was changed; move it away.") from None


def merge(lines: Iterable[Line], measured: Line) -> list[Line]:
    """Put a line in the place of an earlier one of its size and signer; the order is by signer, then size."""
    kept = [one for one in lines if (one["people"], one["sign"]) != (measured["people"], measured["sign"])]
    return sorted([*kept, measured], key=_place)


_ORDER: Final = {"openssl": 0, "ifma": 1, "ed25519": 2, "none": 3}


def _place(line: Line) -> tuple[int, int]:
    return _ORDER.get(line["sign"], len(_ORDER)), line["people"]


def _write(out: Path, lines: list[Line]) -> None:
    (out / FILE).write_text(json.dumps({"lines": lines}, indent=1) + "\n", encoding="utf-8")
    (out / TIME_PLOT).write_text(draw_time(lines), encoding="utf-8")
    (out / SIZE_PLOT).write_text(draw_size(lines), encoding="utf-8")
    (out / PAGE).write_text("# Sending, measured\n\n" + write_figures(lines, plots=""), encoding="utf-8")
