"""A rehearsal from the founding of the organisation to the report: three notices in a row, then the comparison.

`DIR/summary.json`, `DIR/report.html` and `DIR/people.csv` are left for whoever wants to look; the installation itself is in
`DIR/house`. The run is a success only when every check holds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from postmuster.rehearsal import books, kills, mta, readings
from postmuster.rehearsal.act import LOOK_S, Act, answer, prepare, send
from postmuster.rehearsal.stage import Stage, load_roster, set_stage
from postmuster.rehearsal.watch import Shown
from postmuster.reports import queries as reports
from postmuster.reports.figures import OrganisationReport
from postmuster.reports.page import write_page
from postmuster.reports.record import RECORD_NAME, record_text
from postmuster.runtime.processes import Crew

NOTICES: Final = ("test", "offer", "report")
LOG: Final = "crew.log"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of it."""

    report: OrganisationReport
    summary: dict[str, Any]

    @property
    def balances(self) -> bool:
        return self.report.balances


def rehearse(*, people: int, seed: int, out: Path, relay: str = "", kill_times: int = 0) -> Rehearsed:
    """Play the whole muster and leave its files in `out`.

    `relay` "postfix": a real Postfix stands between, both ways. `kill_times`: workers are killed so often meanwhile.
    """
    shown = Shown()
    began = time.monotonic()
    with (
        mta.between(relay, out, tell=shown.tell) as between,
        set_stage(
            out,
            people=people,
            seed=seed,
            tell=shown.tell,
            relay_port=between.relay_port,
            intake_port=between.intake_port,
        ) as stage,
    ):
        seconds = {"set-up": time.monotonic() - began}
        shown.tell("Loading the roster …")
        began = time.monotonic()
        load_roster(stage)
        seconds["load"] = time.monotonic() - began
        acts = _play(stage, seconds, shown, between, kill_times)
        return _account(stage, acts, seconds, shown, by_report=between.reports_refusals)


def _play(stage: Stage, seconds: dict[str, float], shown: Shown, between: mta.Between, kill_times: int) -> list[Act]:
    acts = []
    crew = Crew(
        stage.settings, clock=str(stage.settings.home / "clock"), log=stage.settings.home / LOG, tell=shown.aside
    )
    with crew:
        crew.start()
        between.open(stage, crew)
        with kills.killer(crew, kill_times, seed=len(stage.world.people)) as strikes:
            for name in NOTICES:
                act = prepare(stage, name)
                acts.append(act)
                send(act, stage, crew, shown.watch)
                _drain(between, seconds, shown)
                answer(act, stage, crew, between.carry, shown.watch)
                for part, spent in act.seconds.items():
                    seconds[part] = seconds.get(part, 0.0) + spent
            while not strikes.done.wait(LOOK_S):
                crew.tend()
        _drain(between, seconds, shown)
    shown.end()
    return acts


def _drain(between: mta.Between, seconds: dict[str, float], shown: Shown) -> None:
    """Wait for the relay between, and count the time as its own."""
    began = time.monotonic()
    if between.reports_refusals:
        between.drain(shown.watch)
        seconds["relay"] = seconds.get("relay", 0.0) + time.monotonic() - began


def _account(
    stage: Stage, acts: Sequence[Act], seconds: dict[str, float], shown: Shown, *, by_report: bool
) -> Rehearsed:
    """Compare, write the report and the summary, print what a person wants to see."""
    shown.tell("Comparing the books …")
    began = time.monotonic()
    tallies = [tally for act in acts for tally in act.tallies]
    refused = frozenset(refusal.mail_no for tally in tallies for refusal in tally.refused)
    agreement = readings.compare(acts, refused, stage.desk.keyring)
    figures = [reports.notice_figures(act.notice_no, now=stage.now) for act in acts]
    offered = len({sent.mail.mail_no for act in acts for sent in act.sent})
    made = books.checks(stage, acts, figures, agreement, offered, len(refused), by_report=by_report)
    seconds["compare"] = time.monotonic() - began
    report = OrganisationReport(
        notices=tuple(figures),
        people_counted=len(stage.world.people),
        checks=made,
        seconds={part: round(spent, 3) for part, spent in seconds.items()},
        agreement=agreement.rows,
        organisation=stage.settings.organisation.name,
        generated_at=stage.now,
    )
    summary = _summary(stage, report, agreement)
    (stage.out / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (stage.out / RECORD_NAME).write_text(record_text(report), encoding="utf-8")
    (stage.out / "report.html").write_text(write_page(report), encoding="utf-8")
    return Rehearsed(report, summary)


def _summary(stage: Stage, report: OrganisationReport, agreement: readings.Agreement) -> dict[str, Any]:
    counts = stage.world.post.counts()
    return {
        "notices": [one.to_json() for one in report.notices],
        "people_counted": report.people_counted,
        "truth": dict(agreement.truth),
        "agreement": {
            row.reply_class: {
                "truth": row.truth,
                "right": row.right,
                "to_a_person": row.to_a_person,
                "wrong": row.wrong,
            }
            for row in agreement.rows
        },
        "sink": {
            name: {key: of[key] for key in ("accepted", "distinct", "doubled", "refused")}
            for name, of in counts.items()
        },
        "letters": sum(sum(one.letters.values()) for one in report.notices),
        "seconds": dict(report.seconds),
        "checks": [
            {"sentence": one.sentence, "holds": one.holds, "left": one.left, "right": one.right}
            for one in report.checks
        ],
        "balances": report.balances,
    }
