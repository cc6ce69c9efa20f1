"""The record of figures: what is written is read back equal, and a false book is refused from a file too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.reports.sample import organisation_report

from postmuster.base.errors import Defect, Refused
from postmuster.reports.page import write_page
from postmuster.reports.record import read_record, record_text


def test_a_record_gives_an_equal_report_and_an_equal_page(tmp_path: Path) -> None:
    report = organisation_report()
    file = tmp_path / "figures.json"
    file.write_text(record_text(report), encoding="utf-8")
    assert read_record(file) == report
    assert record_text(read_record(file)) == record_text(report)
    assert write_page(read_record(file)) == write_page(report)


def test_a_record_that_was_made_false_is_a_defect(tmp_path: Path) -> None:
    body = json.loads(record_text(organisation_report()))
    body["report"]["notices"][0]["states"]["failed"] -= 1
    file = tmp_path / "figures.json"
    file.write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(Defect):
        read_record(file)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1, "report": {}}', '{"version": 9}', "\x00"])
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "figures.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Refused):
        read_record(file)
