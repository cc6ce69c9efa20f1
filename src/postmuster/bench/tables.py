"""The figures of `bench all` as a page for the documentation: where and when, the rates beside their yardsticks, the rest.

Equal figures give an equal page. That other work ran on the machine is said first, because it makes every rate too low.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from postmuster.bench.growth import BUSY_LOAD
from postmuster.bench.steps import lines, workers_us, yardsticks_of

Size = dict[str, Any]


def write_tables(found: dict[str, Any]) -> str:
    """Write the page in Markdown."""
    parts = [
        "# Measured figures",
        "Made by `postmuster bench figures` from the run below; [benchmarks](../benchmarks.md) says what each means.",
        _where(found),
        "![Rates at several sizes beside their yardsticks, and the memory of our processes](bench.svg)",
        _rates(found["sizes"]),
        _more(found["sizes"]),
    ]
    return "\n\n".join(parts) + "\n"


def _where(found: dict[str, Any]) -> str:
    machine = found["machine"]
    where = (
        f"{found['at'][:10]}, `make bench`, {machine['cores']} cores of {machine['processor']}, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}; load average just before {machine['load_average_before']}."
    )
    if machine["load_average_before"] <= BUSY_LOAD:
        return where
    return (
        f"{where}\n\n**Other work ran on the machine.** Every rate is lower than what it can do, and yardsticks and ratios\n"
        "wander with what was left for them; memory, bytes and counts hold, CPU times nearly."
    )


def _rates(sizes: Sequence[Size]) -> str:
    rows = [
        "| step | people | a second | yardstick, a second | ratio | peak MB |",
        "| --- | ---: | ---: | --- | ---: | ---: |",
    ]
    for step in range(len(lines(sizes[0]))):
        for one in sizes:
            name, rate, beside, ratio, mb = lines(one)[step]
            by = yardsticks_of(one).get(name)
            rows.append(
                f"| {name} | {one['people']:,} | {rate:,.0f} | {f'{beside}: {by:,.0f}' if by else '–'} | "
                f"{f'{ratio:.2f}' if ratio is not None else '–'} | {mb:.0f} |"
            )
    return "\n".join(rows)


def _more(sizes: Sequence[Size]) -> str:
    heads = " | ".join(f"{one['people']:,} people" for one in sizes)
    rows = [f"| | {heads} |", "| --- |" + " ---: |" * len(sizes)]
    rows += [f"| {label} | {' | '.join(value(one) for one in sizes)} |" for label, value in _COUNTED]
    return "\n".join(rows)


def _us(seconds: float, count: int) -> str:
    return f"{1e6 * seconds / max(1, count):.0f}"


def _sent(one: Size) -> str:
    send = one["send"]
    return f"{send['messages']:,} / {send['lost']} / {send['doubled']}"


def _send_us(one: Size) -> str:
    cpu, count = one["send"]["cpu_s"], one["send"]["messages"]
    return f"{workers_us(cpu, count):.0f} / {_us(cpu['postgres'], count)}"


def _intake_us(one: Size) -> str:
    cpu, count = one["read"]["cpu_s"]["intake"], one["read"]["replies"]
    return f"{_us(cpu['intake'], count)} / {_us(cpu['postgres'], count)}"


def _digest_us(one: Size) -> str:
    cpu, count = one["read"]["cpu_s"]["digest"], one["read"]["replies"]
    return f"{workers_us(cpu, count):.0f} / {_us(cpu['postgres'], count)}"


_COUNTED: Sequence[tuple[str, Callable[[Size], str]]] = (
    ("mails sent / lost / doubled", _sent),
    ("times the loop a user would write", lambda one: f"{one['send']['ratio']['naive']:.1f}"),
    ("bytes a delivery, indexes included", lambda one: f"{one['send']['bytes_per_delivery']:.0f}"),
    ("µs of CPU a mail sent: workers / PostgreSQL", _send_us),
    ("replies / lost", lambda one: f"{one['read']['replies']:,} / {one['read']['lost']}"),
    ("µs of CPU a mail taken in: intake / PostgreSQL", _intake_us),
    ("µs of CPU a reply digested: workers / PostgreSQL", _digest_us),
)
