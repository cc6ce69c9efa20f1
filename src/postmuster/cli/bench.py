"""`postmuster bench NAME`: measurements with their yardsticks beside, and the figures of the documentation.

Each of them makes an installation of its own and removes it; nothing here touches the one this folder may have.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from postmuster.base.clock import SystemClock
from postmuster.bench import corpus as agreement
from postmuster.cli.options import AsJson
from postmuster.cli.session import note, prepare_django, say, say_json

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
People = Annotated[int, typer.Option(help="How many people the organisation has.")]
Out = Annotated[Path, typer.Option(help="A folder for the installation that is measured, and for what is drawn.")]
Beside = Annotated[float, typer.Option("--yardstick-s", min=0.05, help="How many seconds each yardstick is measured.")]
OUT = Path("bench-out")
BESIDE_S = 1.5


@app.command("all")
def everything(
    sizes: Annotated[str, typer.Option(help="How many people, several sizes.")] = "2000,20000,200000",
    out: Out = OUT,
    yardstick_s: Beside = BESIDE_S,
    as_json: AsJson = False,
) -> None:
    """Measure load, expand, send, intake and digest at several sizes; leaves bench.json, bench.svg and bench.html."""
    prepare_django()
    from postmuster.bench import growth

    chosen = growth.read_sizes(sizes)
    _warn(growth.BUSY_LOAD)
    console = Console(stderr=as_json)
    found = growth.bench_all(
        chosen,
        out=out,
        now=SystemClock().now(),
        tell=note,
        heard=lambda one: console.print(_table([one])),
        yardstick_s=yardstick_s,
    )
    if as_json:
        say_json(found)
    else:
        say(f"Drawn: {out / 'bench.html'}, {out / 'bench.svg'}; the figures: {out / 'bench.json'}.")


@app.command()
def send(
    people: People = 20_000,
    sign: Annotated[str, typer.Option(help="openssl, ifma, ed25519 or none.")] = "openssl",
    out: Out = OUT,
    yardstick_s: Beside = BESIDE_S,
    as_json: AsJson = False,
) -> None:
    """Measure sending: signed mails a second, beside RSA signing alone and the loop a user would write."""
    prepare_django()
    from postmuster.bench import growth
    from postmuster.bench.send import bench_send

    growth.refuse_size(people)
    _say(bench_send(people, sign, out=out, tell=note, yardstick_s=yardstick_s), as_json=as_json)


@app.command("send-all")
def send_all(
    sizes: Annotated[str, typer.Option(help="How many people, several sizes.")] = "2000,20000,200000",
    signers: Annotated[str, typer.Option(help="Several of openssl, ifma, ed25519, none.")] = "openssl",
    out: Out = OUT,
    yardstick_s: Beside = BESIDE_S,
    as_json: AsJson = False,
) -> None:
    """Measure sending at several sizes with several signers; leaves send.json, send.md and two plots, keeps earlier lines."""
    prepare_django()
    from postmuster.bench import growth, sending

    chosen = growth.read_sizes(",".join(sizes.replace(",", " ").split()))
    chosen_signers = sending.read_signers(signers)
    _warn(growth.BUSY_LOAD)
    lines = sending.bench_sending(
        chosen,
        chosen_signers,
        out=out,
        now=SystemClock().now,
        tell=note,
        heard=lambda one: note(f"{one['people']:,} people, {one['sign']}: {one['messages_per_s']:,.0f} messages/s."),
        yardstick_s=yardstick_s,
    )
    if as_json:
        say_json({"lines": lines})
    else:
        say((out / sending.PAGE).read_text(encoding="utf-8"))


@app.command("send-page")
def send_page(
    taken_from: Annotated[Path, typer.Option("--from", help="The file that was measured.")] = OUT / "send.json",
    page: Annotated[Path, typer.Option(help="The page whose figures are replaced.")] = Path("docs/performance.md"),
    plots: Annotated[Path, typer.Option(help="The folder of its plots.")] = Path("docs/figures"),
) -> None:
    """Write the figures of docs/performance.md from what bench send-all measured."""
    prepare_django()
    from postmuster.bench.send_page import write_page
    from postmuster.bench.sending import read_lines

    for file in write_page(page, read_lines(taken_from), plots):
        say(str(file))


@app.command()
def drill(
    runs: Annotated[int, typer.Option(help="How many stops, over all receivers and scopes.")] = 50,
    seed: Annotated[int, typer.Option(help="What the moments and components are drawn from.")] = 1,
    out: Out = OUT,
    receivers: Annotated[str, typer.Option("--against", help="Receivers by a word of their names; else all.")] = "",
    as_json: AsJson = False,
) -> None:
    """Stop notices in the middle of their way, and measure how long that takes; 1 when a promise was broken."""
    prepare_django()
    from postmuster.bench import drill as drilling
    from postmuster.cli import bench_drill as view

    chosen = drilling.read_receivers(receivers)
    found = drilling.bench_drill(runs, seed=seed, out=out, tell=note, heard=view.heard, receivers=chosen)
    if as_json:
        say_json(found)
    else:
        Console().print(view.table(found["lines"]))
    for name, reason in found["left_out"].items():
        note(f"Left out: {name}. {reason}")
    for sentence in found["broken"]:
        note(sentence)
    if not found["kept"]:
        raise typer.Exit(1)


@app.command("chaos")
def chaos_send(
    runs: Annotated[
        int, typer.Option(min=1, help="How many runs: a notice each, and something that goes wrong.")
    ] = 200,
    seed: Annotated[int, typer.Option(min=0, help="What the troubles and their moments are drawn from.")] = 1,
    people: People = 400,
    only: Annotated[int | None, typer.Option(min=0, metavar="SEED", help="Play the run of this seed alone.")] = None,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """Kill, cut, freeze and restart while notices are sent, and balance the books with the relay's journal each time."""
    prepare_django()
    from postmuster.bench import chaos, growth
    from postmuster.cli.bench_chaos import OF_SENDING, Told

    growth.refuse_size(people)
    with Told(1 if only is not None else runs, columns=OF_SENDING, again="bench chaos --only") as told:
        found = chaos.bench_chaos(runs, seed, people, out=out, tell=told.note, heard=told.sent, only=only)
    if as_json:
        say_json(found)
    else:
        told.table(found)
    if found["failed_seeds"]:
        raise typer.Exit(1)


@app.command("chaos-read")
def chaos_of_reading(
    runs: Annotated[
        int, typer.Option(min=1, help="How many runs: 150 replies each, and something that goes wrong.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0, help="What the troubles and their moments are drawn from.")] = 1,
    people: People = 200,
    only: Annotated[int | None, typer.Option(min=0, metavar="SEED", help="Play the run of this seed alone.")] = None,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """Kill, freeze and restart while replies come in, and compare what is kept with the client's word each time."""
    prepare_django()
    from postmuster.bench import growth
    from postmuster.bench.chaos_read import bench_chaos_read
    from postmuster.cli.bench_chaos import OF_READING, Told

    growth.refuse_size(people)
    with Told(1 if only is not None else runs, columns=OF_READING, again="bench chaos-read --only") as told:
        found = bench_chaos_read(runs, seed, people, out=out, tell=told.note, heard=told.read, only=only)
    if as_json:
        say_json(found)
    else:
        told.table(found)
    if found["failed_seeds"]:
        raise typer.Exit(1)


@app.command()
def read(people: People = 20_000, out: Out = OUT, yardstick_s: Beside = BESIDE_S, as_json: AsJson = False) -> None:
    """Measure reading: replies a second through the door and through the digest, beside the standard parser."""
    prepare_django()
    from postmuster.bench import growth
    from postmuster.bench.read import bench_read

    growth.refuse_size(people)
    _say(bench_read(people, out=out, tell=note, yardstick_s=yardstick_s), as_json=as_json)


@app.command()
def load(people: People = 20_000, out: Out = OUT, as_json: AsJson = False) -> None:
    """Measure loading a roster: people a second, beside a plain COPY of the same lines."""
    prepare_django()
    from postmuster.bench import growth
    from postmuster.bench.load import bench_load

    growth.refuse_size(people)
    _say(bench_load(people, out=out, tell=note), as_json=as_json)


@app.command()
def figures(
    taken_from: Annotated[Path | None, typer.Option("--from", help="The folder of a demo that was run before.")] = None,
    out: Annotated[Path, typer.Option(help="The folder of the documentation's figures.")] = Path("docs/figures"),
) -> None:
    """Draw the figures of the documentation: what a demo prints, and its plot of reach."""
    prepare_django()
    from postmuster.bench.figures import draw_figures

    for file in draw_figures(taken_from, out, tell=note):
        say(str(file))


@app.command()
def corpus() -> None:
    """Read the corpora of mail and print what was right and wrong."""
    raise typer.Exit(agreement.run(say))


def _warn(busy: float) -> None:
    """Say so when other work runs: the figures are then lower than the machine's."""
    now = os.getloadavg()[0]
    if now > busy:
        note(f"Other work runs here (load average {now:.1f}): the figures will be lower than what this machine can do.")


def _say(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(found)
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _flat(found, ""):
        table.add_row(name, value)
    Console().print(table)


def _flat(found: dict[str, Any], before: str) -> Iterator[tuple[str, str]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", f"{value:,}" if isinstance(value, int | float) else str(value)


def _table(sizes: Sequence[dict[str, Any]]) -> Table:
    """A line a size and step, with the three settings that make a rate worth something."""
    from postmuster.bench.steps import lines, yardsticks_of

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("step", no_wrap=True)
    for head in ("people", "a second", "ratio", "peak MB"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("of what, a second", no_wrap=True)
    table.add_column("fsync·fpw·commit", no_wrap=True)
    for one in sizes:
        safety = "·".join(one["send"]["database"].values())
        for name, rate, beside, ratio, mb in lines(one):
            by = yardsticks_of(one).get(name)
            table.add_row(
                name,
                f"{one['people']:,}",
                f"{rate:,.0f}",
                f"{ratio:.2f}" if ratio is not None else "",
                f"{mb:.0f}",
                f"{beside} {by:,.0f}" if by else "",
                safety,
            )
    return table
