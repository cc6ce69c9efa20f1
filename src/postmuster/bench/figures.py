"""`bench figures` (`make docs-figures`): the figures of README and documentation, from a demo's own figures.

`demo.txt` is what the demo prints, `reach.svg` the reach of its first notice by component; where `bench-out/bench.json` is,
`bench.svg` and `bench.md` are made from it. Equal figures give equal files.

Errors: `Refused` for a folder without a demo's `figures.json`, or a demo whose books do not balance.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Final

from rich.console import Console

from postmuster.base.errors import Refused
from postmuster.bench.plot import draw
from postmuster.bench.tables import write_tables
from postmuster.rehearsal.run import rehearse
from postmuster.reports import charts
from postmuster.reports.figures import NoticeFigures, OrganisationReport, State, reached_of
from postmuster.reports.record import RECORD_NAME, read_record
from postmuster.reports.terminal_demo import demo_view
from postmuster.reports.words import share, words
from postmuster.runtime.place import Tell

PEOPLE: Final = 2_000  # as `make demo`
SEED: Final = 1
WIDTH: Final = 80
DEMO_OUT: Final = Path("bench-out/demo")
BENCH_FILE: Final = Path("bench-out/bench.json")
INK: Final = "#1a1d21"
PAPER: Final = "#ffffff"
_VARIABLE: Final = re.compile(r"var\(--[\w-]+,([^()]*)\)")


def draw_figures(taken_from: Path | None, out: Path, *, tell: Tell) -> list[Path]:
    """Write the figures into `out`; returns the files. Without a folder to take them from a demo is run."""
    report = _report(taken_from, tell)
    if not report.balances:
        raise Refused("The books of this demo do not balance; nothing was drawn; see its report.html.")
    out.mkdir(parents=True, exist_ok=True)
    files = [out / "demo.txt", out / "reach.svg"]
    files[0].write_text(demo_text(report), encoding="utf-8")
    files[1].write_text(reach_figure(report.notices[0]), encoding="utf-8")
    if BENCH_FILE.exists():
        measured = json.loads(BENCH_FILE.read_text(encoding="utf-8"))
        files += [out / "bench.svg", out / "bench.md"]
        files[2].write_text(draw(measured), encoding="utf-8")
        files[3].write_text(write_tables(measured), encoding="utf-8")
    return files


def demo_text(report: OrganisationReport) -> str:
    """What the demo prints at its end, without colours, in 80 columns."""
    printed = io.StringIO()
    Console(file=printed, width=WIDTH, no_color=True, highlight=False).print(demo_view(report))
    return "\n".join(line.rstrip() for line in printed.getvalue().splitlines()).strip("\n") + "\n"


def reach_figure(notice: NoticeFigures) -> str:
    """Draw reach by component as a file that stands alone: ink and paper are its own."""
    text = words()
    parts = sorted(notice.by_component, key=lambda row: (reached_of(row.states) / max(1, row.audience), row.path))
    title = text.text("components_plot")
    first, last = parts[0], parts[-1]
    described = text.text(
        "groups_desc",
        first=first.path,
        first_share=share(reached_of(first.states), first.audience),
        last=last.path,
        last_share=share(reached_of(last.states), last.audience),
    )
    drawn = charts.states_plot(
        [charts.Bar(part.path, part.audience, list(part.states.items())) for part in parts],
        caption=charts.Caption("reach", title, described),
        labels={state: text.state(state) for state in State},
        count_title=text.text("people"),
    )
    paper = f'</defs><rect width="100%" height="100%" fill="{PAPER}"/>'
    drawn = drawn.replace('class="plot"', f'style="color:{INK}"', 1).replace("</defs>", paper, 1)
    return _VARIABLE.sub(r"\1", drawn) + "\n"


def _report(taken_from: Path | None, tell: Tell) -> OrganisationReport:
    if taken_from is not None:
        file = taken_from / RECORD_NAME
        if not file.is_file():
            raise Refused(f"There is no {RECORD_NAME} in {taken_from}; nothing was drawn; give the folder of a demo.")
        return read_record(file)
    tell(f"Playing a demo of {PEOPLE:,} people …")
    with contextlib.redirect_stdout(io.StringIO()):
        return rehearse(people=PEOPLE, seed=SEED, out=DEMO_OUT).report
