"""The figures of the documentation stand alone and come out the same for the same report."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.reports.sample import organisation_report

from postmuster.base.errors import Refused
from postmuster.bench import figures
from postmuster.bench.figures import demo_text, draw_figures, reach_figure
from postmuster.reports.record import RECORD_NAME, record_text


def test_the_reach_figure_is_a_file_of_its_own_with_ink_paper_and_words_for_the_ear() -> None:
    report = organisation_report()
    drawn = reach_figure(report.notices[0])
    ElementTree.fromstring(drawn)  # noqa: S314 - our own drawing
    assert "var(" not in drawn
    assert figures.PAPER in drawn
    assert figures.INK in drawn
    assert "<title" in drawn
    assert "<desc" in drawn
    assert drawn == reach_figure(organisation_report().notices[0])


def test_what_the_demo_prints_has_no_colours_and_fits_eighty_columns() -> None:
    text = demo_text(organisation_report())
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= figures.WIDTH
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_figures_are_drawn_from_the_folder_of_a_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = organisation_report()
    (tmp_path / RECORD_NAME).write_text(record_text(report), encoding="utf-8")
    files = draw_figures(tmp_path, tmp_path / "figures", tell=lambda _: None)
    assert [file.name for file in files] == ["demo.txt", "reach.svg"]
    assert files[0].read_text(encoding="utf-8") == demo_text(report)


def test_a_folder_without_a_demo_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=RECORD_NAME):
        draw_figures(tmp_path, tmp_path / "figures", tell=lambda _: None)
    assert not (tmp_path / "figures").exists()
