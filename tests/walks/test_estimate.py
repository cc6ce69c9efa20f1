"""Row 24: what a notice needs is said before its release, and a release that is too large for the machine is refused."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta

from postmuster.jobs import estimate as estimates
from postmuster.ledger import actions as ledger
from postmuster.rehearsal.stage import BEGINS
from postmuster.reports import capacity

from .muster import Muster

MIB = 1024**2


def _batches_were_sent(copies: int, seconds: float) -> None:
    """Ledger entries as senders write them: one a second, and a pause of an hour that is no work."""
    count = int(seconds) + 1
    for number in range(count):
        at = BEGINS + timedelta(seconds=number) + (timedelta(hours=1) if number > count // 2 else timedelta(0))
        ledger.append(kind="batch sent", actor="worker", subject="n1", facts={"rows": copies}, now=at)


def test_on_a_fresh_installation_every_figure_is_a_default_that_says_so(muster: Muster) -> None:
    found = estimates.estimate(muster.draft(), desk=muster.desk)
    assert found is not None
    assert found.sent_per_s.source.startswith("default")
    assert (found.octets_a_delivery.source, found.octets_a_mail.source) == ("default", "default")
    assert found.disk_octets > estimates.LOG_OCTETS
    assert "Free: unknown" in " ".join(found.lines())
    assert found.reasons() == []


def test_without_a_roster_nothing_is_estimated(stage: Muster) -> None:
    assert estimates.estimate(stage.draft(), desk=stage.desk) is None
    assert estimates.estimate_reasons(stage.draft(), desk=stage.desk) == []


def test_the_copies_are_those_that_are_then_written_down(muster: Muster) -> None:
    notice_no = muster.draft("offer")
    found = estimates.estimate(notice_no, desk=muster.desk)
    of = muster.begin("offer")
    assert found is not None
    assert found.copies == len(muster.addressed(of))


def test_the_rate_of_earlier_rounds_is_taken_and_pauses_are_no_work(muster: Muster) -> None:
    _batches_were_sent(1_000, 20)
    found = estimates.estimate(muster.draft(), desk=muster.desk)
    assert found is not None
    assert found.sent_per_s == estimates.Figure(1_000.0, "measured here")
    stated = estimates.estimate(muster.draft(), desk=muster.desk_with(relay_rate_per_s=50))
    assert stated is not None
    assert stated.sent_per_s == estimates.Figure(50, "relay.rate_per_s")


def test_too_little_work_is_no_measurement(muster: Muster) -> None:
    _batches_were_sent(10, 20)
    assert capacity.measured(muster.desk.now).sent_per_s is None


def test_row_24_a_disk_that_is_too_small_refuses_with_the_figures(muster: Muster) -> None:
    notice_no = muster.draft()
    found = estimates.estimate(notice_no, desk=muster.desk)
    assert found is not None
    enough = int(found.disk_octets / estimates.FULL_SHARE) + 1
    assert estimates.estimate_reasons(notice_no, desk=muster.desk, free_octets=enough) == []
    [reason] = estimates.estimate_reasons(notice_no, desk=muster.desk, free_octets=enough - 2 * MIB)
    assert f"{found.copies:,} copies" in reason
    assert "MiB" in reason


def test_row_24_an_intake_that_is_too_small_refuses_with_the_figures(muster: Muster) -> None:
    found = estimates.estimate(muster.draft(), desk=muster.desk)
    assert found is not None
    enough = estimates.Figure(found.peak_an_hour / estimates.FULL_SHARE + 1, "default")
    assert dataclasses.replace(found, intake_an_hour=enough).reasons() == []
    small = estimates.Figure(enough.value - 2, "default")
    [reason] = dataclasses.replace(found, intake_an_hour=small).reasons()
    assert f"{found.peak_an_hour:,} mails" in reason
    assert f"{small.value:,.0f} that the intake can take" in reason


def test_success_reports_make_more_mail_come_back(muster: Muster) -> None:
    plain = estimates.estimate(muster.draft(), desk=muster.desk)
    asked = muster.draft(change=lambda toml: toml.replace("success_reports = false", "success_reports = true"))
    proud = estimates.estimate(asked, desk=muster.desk)
    assert plain is not None
    assert proud is not None
    assert proud.mails_back == plain.mails_back + plain.copies
    assert proud.peak_an_hour > plain.peak_an_hour


def test_a_release_that_reaches_nobody_in_time_is_refused(muster: Muster) -> None:
    soon = f"[schedule]\nstart_by = {BEGINS + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}\n\n[sender]"
    desk = muster.desk_with(hours_quiet_from="08:00", hours_quiet_until="20:00")
    notice_no = muster.draft(
        change=lambda toml: toml.replace("[sender]", soon, 1).replace('"Agency of Rivers",', "", 1)
    )
    asleep = muster.desk_with(hours_quiet_days=("monday",))
    [reason] = estimates.estimate_reasons(notice_no, desk=asleep)
    assert "quiet hours end" in reason
    assert estimates.estimate_reasons(notice_no, desk=desk) == []  # in America it is night, and night is not quiet here


def test_the_command_says_the_same_in_words_and_in_json(muster: Muster) -> None:
    notice_no = muster.draft()
    said = muster.command("notice", "estimate", f"n{notice_no}")
    assert said.returncode == 0, said.stderr
    assert "Nobody is written to before 2027-03-01 09:00 UTC" in said.stdout
    given = json.loads(muster.command("notice", "estimate", f"n{notice_no}", "--json").stdout)
    found = estimates.estimate(notice_no, desk=muster.desk)
    assert found is not None
    assert given == {"id": f"n{notice_no}", **found.as_json()}
    checked = json.loads(muster.command("notice", "check", f"n{notice_no}", "--json").stdout)
    assert checked["estimate"] == found.as_json()
