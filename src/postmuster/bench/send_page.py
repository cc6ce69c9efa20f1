"""`bench send-page`: the figures' part of docs/performance.md, written from `send.json` and from nothing else.

What for: the text around stays a person's; what stands between the two marks is replaced. Equal figures give an equal page.
Every line says when, where, by which command and at which load average it was measured, and where a goal was missed, the
page says so.

Errors: `Refused` for a page without the two marks, and for a `send.json` without a line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from postmuster.base.errors import Refused
from postmuster.bench.growth import BUSY_LOAD
from postmuster.bench.send_plot import draw_size, draw_time
from postmuster.bench.steps import workers_us

BEGIN: Final = "<!-- figures: begin; written by `postmuster bench send-page` -->"
END: Final = "<!-- figures: end -->"
TIME_PLOT: Final = "send-time.svg"
SIZE_PLOT: Final = "send-size.svg"
PLOTS: Final = "figures/"  # where the plots lie, from the page

SMALL, MIDDLE, LARGE = 20_000, 200_000, 3_000_000
MOST_BYTES: Final = 220  # of delivery and batch tables a person, at the larger sizes
MOST_RSS_MB: Final = 250
MOST_EXPAND_S: Final = 60.0  # of three million
LEAST_KEPT: Final = 0.85  # of the rate at 20,000 people

Line = dict[str, Any]
_ROW: Final = "| {} |"


def write_page(page: Path, lines: Sequence[Line], plots: Path) -> list[Path]:
    """Replace the figures' part of the page and draw the plots; returns the files written."""
    if not lines:
        raise Refused("There is nothing measured to write down; nothing was changed; run `make bench-send` first.")
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, begins, rest = text.partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not (begins and ends):
        raise Refused(f"{page} has no place for figures; nothing was changed; put the two marks `figures` into it.")
    plots.mkdir(parents=True, exist_ok=True)
    drawn = {plots / TIME_PLOT: draw_time(lines), plots / SIZE_PLOT: draw_size(lines)}
    for file, svg in drawn.items():
        file.write_text(svg, encoding="utf-8")
    page.write_text(f"{before}{BEGIN}\n\n{write_figures(lines, plots=PLOTS)}\n{END}{after}", encoding="utf-8")
    return [page, *drawn]


def write_figures(lines: Sequence[Line], *, plots: str) -> str:
    """Write the tables and the places of the plots in Markdown."""
    parts = [
        *([_BUSY] if any(_is_busy(line) for line in lines) else []),
        _table(_RATES, lines),
        f"![Messages a second over the size of the audience, beside the yardsticks]({plots}{SIZE_PLOT})",
        f"![Messages a second over the seconds of each run]({plots}{TIME_PLOT})",
        _table(_SIZES, lines),
        _table(_CPU, lines),
        _goals(lines),
        _table(_RUNS, lines),
    ]
    return "\n\n".join(parts) + "\n"


_BUSY: Final = (
    "**Other work ran on the machine** before the lines marked with `*`. Their rates are lower than what it can do, and\n"
    "yardsticks and ratios wander with what was left for them; memory, bytes and counts hold, CPU times nearly."
)


def _is_busy(line: Line) -> bool:
    return bool(line["machine"]["load_average_before"] > BUSY_LOAD)


def _cpu_us(line: Line, name: str) -> str:
    return f"{1e6 * line['cpu_s'].get(name, 0.0) / max(1, line['messages']):.0f}"


def _workers_us(line: Line) -> str:
    each = [_cpu_us(line, name) for name in sorted(line["cpu_s"]) if name.startswith("worker")]
    return f"{workers_us(line['cpu_s'], line['messages']):.0f} ({' + '.join(each)})"


def _mb(octets: float) -> str:
    return f"{octets / 1e6:.1f}"


def _machine(line: Line) -> str:
    on = line["machine"]
    return f"{on['cores']} cores of {on['processor']}, {on['memory_gb']} GB, {on['system']}, Python {on['python']}"


def _safety(line: Line) -> str:
    return ", ".join(f"{name} {value}" for name, value in line["database"].items())


Column = tuple[str, Callable[[Line], str]]
_WHICH: Final[tuple[Column, ...]] = (
    ("people", lambda line: f"{line['people']:,}{'*' if _is_busy(line) else ''}"),
    ("signer", lambda line: line["sign"]),
)
_RATES: Final[tuple[Column, ...]] = (
    *_WHICH,
    ("messages", lambda line: f"{line['messages']:,}"),
    ("lost", lambda line: f"{line['lost']:,}"),
    ("doubled", lambda line: f"{line['doubled']:,}"),
    ("messages/s", lambda line: f"{line['messages_per_s']:,.0f}"),
    ("RSA-2048/s, all cores", lambda line: f"{line['yardstick']['openssl_rsa2048_per_s']:,.0f}"),
    ("ratio", lambda line: f"{line['ratio']['openssl']:.2f}"),
    ("user's loop/s", lambda line: f"{line['yardstick']['naive_per_s']:,.0f}"),
    ("times", lambda line: f"{line['ratio']['naive']:.1f}"),
    ("expand, s", lambda line: f"{line['expand_s']:.1f}"),
)
_SIZES: Final[tuple[Column, ...]] = (
    *_WHICH,
    ("peak MB of a process", lambda line: f"{line['peak_rss_mb']:.0f}"),
    ("octets a message", lambda line: f"{line['octets_a_message']:,}"),
    ("bytes a delivery", lambda line: f"{line['bytes_per_delivery']:.0f}"),
    ("bytes a person, audience and counters too", lambda line: f"{line['bytes_per_person']:.0f}"),
    ("WAL octets a message", lambda line: f"{line['wal_octets_per_message']:,.0f}"),
    ("job tables, MB", lambda line: _mb(line["job_tables_octets"])),
)
_CPU: Final[tuple[Column, ...]] = (
    *_WHICH,
    ("workers, µs of CPU a message (each)", _workers_us),
    ("PostgreSQL", lambda line: _cpu_us(line, "postgres")),
    ("sink", lambda line: _cpu_us(line, "sink")),
    ("seconds", lambda line: f"{line['seconds']:,.1f}"),
    ("after expanding, to the first message, s", lambda line: f"{line['first_message_after_s']:.2f}"),
)
_RUNS: Final[tuple[Column, ...]] = (
    ("measured at", lambda line: line["at"][:16].replace("T", " ")),
    ("command", lambda line: f"`{line['command']}`"),
    ("load before the command", lambda line: f"{line['machine']['load_average_before']:.2f}"),
    ("machine", _machine),
    ("PostgreSQL with", _safety),
)


def _table(columns: Sequence[Column], lines: Sequence[Line]) -> str:
    words = {"signer", "measured at", "command", "machine", "PostgreSQL with"}
    rows = [
        _ROW.format(" | ".join(title for title, _ in columns)),
        _ROW.format(" | ".join("---" if title in words else "---:" for title, _ in columns)),
        *(_ROW.format(" | ".join(cell(line) for _, cell in columns)) for line in lines),
    ]
    return "\n".join(rows)


# ---- goals

Goal = tuple[str, str, str, bool]


def _goals(lines: Sequence[Line]) -> str:
    """A row for each goal that something measured speaks about."""
    rows = ["| goal | needed | measured | met |", "| --- | ---: | ---: | --- |"]
    rows += [
        _ROW.format(f"{what} | {needed} | {got} | {'yes' if met else '**no**'}")
        for what, needed, got, met in goals(lines)
    ]
    return "\n".join(rows)


def goals(lines: Sequence[Line]) -> list[Goal]:
    """Compare with what was aimed at: (goal, needed, measured, met). The lowest, or the largest, of all lines decides."""
    found: list[Goal] = []
    for sign, what, needed, value in _RATE_GOALS:
        rates = [value(line) for line in lines if line["sign"] == sign and line["people"] >= SMALL]
        if rates:
            found.append((f"{sign}: {what}", f"≥ {needed:,g}", f"{min(rates):,.2f}", min(rates) >= needed))
    for sign in dict.fromkeys(line["sign"] for line in lines):
        found += _growth_goals(sign, {line["people"]: line for line in lines if line["sign"] == sign})
    largest = max((line["peak_rss_mb"] for line in lines), default=0.0)
    if lines:
        found.append(("peak MB of each process", f"≤ {MOST_RSS_MB}", f"{largest:.0f}", largest <= MOST_RSS_MB))
    lost, doubled = (sum(abs(line[name]) for line in lines) for name in ("lost", "doubled"))
    if lines:
        found.append(("lost and doubled, all runs", "0", f"{lost + doubled}", lost + doubled == 0))
    return found


def _growth_goals(sign: str, by_size: dict[int, Line]) -> list[Goal]:
    found: list[Goal] = []
    for people in (MIDDLE, LARGE):
        if people not in by_size:
            continue
        octets = by_size[people]["bytes_per_delivery"]
        found.append(
            (f"{sign}, {people:,}: bytes a delivery", f"≤ {MOST_BYTES}", f"{octets:.0f}", octets <= MOST_BYTES)
        )
        if SMALL in by_size:
            kept = by_size[people]["messages_per_s"] / by_size[SMALL]["messages_per_s"]
            name = f"{sign}, {people:,}: of the rate at {SMALL:,}"
            found.append((name, f"≥ {LEAST_KEPT}", f"{kept:.2f}", kept >= LEAST_KEPT))
    if LARGE in by_size:
        took_s = by_size[LARGE]["expand_s"]
        name = f"{sign}, {LARGE:,}: seconds to expand"
        found.append((name, f"≤ {MOST_EXPAND_S:.0f}", f"{took_s:.1f}", took_s <= MOST_EXPAND_S))
    return found


def _per_s(line: Line) -> float:
    return float(line["messages_per_s"])


def _of_openssl(line: Line) -> float:
    return float(line["ratio"]["openssl"])


_RATE_GOALS: Final[tuple[tuple[str, str, float, Callable[[Line], float]], ...]] = (
    ("openssl", "share of RSA-2048 signatures alone", 0.8, _of_openssl),
    ("openssl", "times the loop a user would write", 40, lambda line: float(line["ratio"]["naive"])),
    ("ifma", "messages a second", 11_000, _per_s),
    ("ifma", "times RSA-2048 signatures alone", 1.5, _of_openssl),
    ("none", "messages a second", 30_000, _per_s),
    ("ed25519", "messages a second", 20_000, _per_s),
)
