"""`bench.html`: the plot of `bench all` with its numbers in tables beside it, in one file that needs nothing else."""

from __future__ import annotations

from typing import Any, Final

from postmuster.bench.steps import lines, workers_us, yardsticks_of
from postmuster.reports.markup import Column, Markup, element, joined, table

_STYLE: Final = (
    "body{font:16px/1.5 'Liberation Sans',Arial,Helvetica,sans-serif;color:#1b1b1b;background:#fff;margin:2rem auto;"
    "max-width:60rem;padding:0 1rem}svg{max-width:100%;height:auto}.scroll{overflow-x:auto;margin:1.5rem 0}"
    "table{border-collapse:collapse}caption{text-align:left;font-weight:bold;padding:.3rem 0}"
    "th,td{border-bottom:1px solid #d6d7d9;padding:.3rem .7rem;text-align:left}.n{text-align:right}"
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_COLUMNS: Final = (
    Column("step", number=False), Column("people"), Column("a second"), Column("yardstick", number=False),
    Column("yardstick a second"), Column("ratio"), Column("peak MB"),
)  # fmt: skip


def write_page(found: dict[str, Any], svg: str) -> str:
    """Write the page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", "Measurements"),
        element("style", Markup(_STYLE)),
    )
    figure = element("figure", Markup(svg), role="img", aria_label="Rates and memory by size; the numbers are below.")
    body = element(
        "body", element("h1", "Measurements"), element("p", _where(found)), figure, _rates(found), _more(found)
    )
    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en").html + "\n"


def _where(found: dict[str, Any]) -> str:
    machine = found["machine"]
    return (
        f"{found['at']}: {machine['cores']} cores of {machine['processor']}, {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']}; load average just before {machine['load_average_before']}. "
        f"PostgreSQL ran with {_safety(found)}."
    )


def _safety(found: dict[str, Any]) -> str:
    said = {f"{name} {value}" for one in found["sizes"] for name, value in one["send"]["database"].items()}
    return ", ".join(sorted(said))


def _rates(found: dict[str, Any]) -> Markup:
    rows = sorted(
        (
            (place, one["people"], name, rate, beside, yardsticks_of(one).get(name), ratio, mb)
            for one in found["sizes"]
            for place, (name, rate, beside, ratio, mb) in enumerate(lines(one))
        ),
        key=lambda row: row[:2],
    )
    cells = [
        (
            name, f"{people:,}", f"{rate:,.0f}", beside or "–", f"{by:,.0f}" if by else "–",
            f"{ratio:.2f}" if ratio is not None else "–", f"{mb:.0f}",
        )
        for _, people, name, rate, beside, by, ratio, mb in rows
    ]  # fmt: skip
    return table(id="rates", caption="Rates beside their yardsticks, and memory", columns=_COLUMNS, rows=cells)


def _more(found: dict[str, Any]) -> Markup:
    columns = (
        Column("people"), Column("messages"), Column("lost"), Column("doubled"), Column("bytes a delivery"),
        Column("times the naive loop"), Column("replies"), Column("replies lost"), Column("CPU of workers, µs a mail"),
        Column("CPU of workers, µs a reply"),
    )  # fmt: skip
    rows = []
    for one in found["sizes"]:
        send, read = one["send"], one["read"]
        rows.append(
            (
                f"{one['people']:,}", f"{send['messages']:,}", str(send["lost"]), str(send["doubled"]),
                f"{send['bytes_per_delivery']:.0f}", f"{send['ratio']['naive']:.0f}", f"{read['replies']:,}",
                str(read["lost"]), f"{workers_us(send['cpu_s'], send['messages']):.0f}",
                f"{workers_us(read['cpu_s']['digest'], read['replies']):.0f}",
            )
        )  # fmt: skip
    return joined([table(id="more", caption="What else was counted", columns=columns, rows=rows)])
