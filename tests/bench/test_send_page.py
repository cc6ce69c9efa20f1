"""Figures of sending: every line says where it comes from, what was missed is said, and lines of other days stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from postmuster.base.errors import Refused
from postmuster.bench.send import refuse_signer
from postmuster.bench.send_page import BEGIN, END, goals, write_figures, write_page
from postmuster.bench.send_plot import course, draw_size, draw_time
from postmuster.bench.sending import merge, read_lines, read_signers


def line(people: int = 20_000, sign: str = "openssl", **other: Any) -> dict[str, Any]:
    return {
        "at": "2026-11-24T10:11:12+00:00",
        "command": f"postmuster bench send --people {people} --sign {sign}",
        "machine": {
            "cores": 2, "processor": "A Processor", "memory_gb": 23.5, "system": "Linux 6", "python": "3.11.7",
            "load_average_before": 0.1,
        },
        "people": people, "audience": people, "messages": people - 10, "sign": sign, "messages_per_s": 5_000.0,
        "yardstick": {"openssl_rsa2048_per_s": 6_000.0, "naive_per_s": 100.0},
        "ratio": {"openssl": 0.8333, "naive": 50.0}, "lost": 0, "doubled": 0, "expand_s": 0.5, "seconds": 4.0,
        "first_message_after_s": 0.02, "octets_a_message": 7_000, "bytes_per_delivery": 180.4, "bytes_per_person": 260.0,
        "job_tables_octets": 1_500_000, "wal_octets_per_message": 312.0, "peak_rss_mb": 90.2,
        "cpu_s": {"worker-1": 2.0, "worker-2": 4.0, "postgres": 1.0, "sink": 0.1},
        "rate_over_time": [[0, 5_000], [1, 5_100], [2, 4_900], [3, 5_000], [4, 12]],
        "database": {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"},
    } | other  # fmt: skip


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "performance.md"
    file.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter.\n", encoding="utf-8")
    return file


def test_the_figures_are_replaced_and_the_text_around_stays(page: Path, tmp_path: Path) -> None:
    files = write_page(page, [line()], tmp_path / "figures")
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Before\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\n\nAfter.\n")
    assert "old" not in text
    assert [file.name for file in files] == ["performance.md", "send-time.svg", "send-size.svg"]
    assert all(f"(figures/{file.name})" in text for file in files[1:])
    write_page(page, [line()], tmp_path / "figures")
    assert page.read_text(encoding="utf-8") == text


def test_every_line_says_when_where_how_and_how_busy_it_was() -> None:
    text = write_figures([line()], plots="")
    assert (
        "| 2026-11-24 10:11 | `postmuster bench send --people 20000 --sign openssl` | 0.10 | 2 cores of A Processor, "
        "23.5 GB, Linux 6, Python 3.11.7 | fsync on, full_page_writes on, synchronous_commit on |"
    ) in text
    assert "| 20,000 | openssl | 19,990 | 0 | 0 | 5,000 | 6,000 | 0.83 | 100 | 50.0 | 0.5 |" in text
    assert "| 20,000 | openssl | 90 | 7,000 | 180 | 260 | 312 | 1.5 |" in text
    assert "| 20,000 | openssl | 300 (100 + 200) | 50 | 5 | 4.0 | 0.02 |" in text


def test_a_busy_machine_is_said_first_and_its_lines_are_marked() -> None:
    busy = line() | {"machine": line()["machine"] | {"load_average_before": 1.4}}
    text = write_figures([busy, line(sign="none")], plots="")
    assert text.startswith("**Other work ran on the machine**")
    assert "| 20,000* | openssl |" in text
    assert "| 20,000 | none |" in text
    assert "Other work" not in write_figures([line()], plots="")


def met(*lines: dict[str, Any]) -> dict[str, bool]:
    return {what: reached for what, _, _, reached in goals(lines)}


def test_a_goal_that_was_missed_is_called_missed() -> None:
    slow = line(ratio={"openssl": 0.79, "naive": 39.0})
    assert met(slow)["openssl: share of RSA-2048 signatures alone"] is False
    assert met(slow)["openssl: times the loop a user would write"] is False
    assert "| **no** |" in write_figures([slow], plots="")
    assert met(line())["openssl: share of RSA-2048 signatures alone"] is True
    assert met(line(lost=1))["lost and doubled, all runs"] is False
    assert met(line(lost=-1, doubled=1))["lost and doubled, all runs"] is False
    assert met(line(peak_rss_mb=251))["peak MB of each process"] is False


def test_size_and_rate_of_large_audiences_have_goals_of_their_own() -> None:
    large = line(3_000_000, messages_per_s=4_000.0, bytes_per_delivery=221.0, expand_s=61.0)
    said = met(line(), large)
    assert {what for what, reached in said.items() if not reached} == {
        "openssl, 3,000,000: bytes a delivery",
        "openssl, 3,000,000: of the rate at 20,000",
        "openssl, 3,000,000: seconds to expand",
    }


def test_small_runs_meet_and_miss_no_rate() -> None:
    assert [what for what in met(line(2_000)) if what.startswith("openssl")] == []


def test_the_plots_are_drawings_that_come_out_the_same() -> None:
    lines = [line(), line(sign="none", messages_per_s=30_000.0), line(2_000, rate_over_time=[[0, 1_990]])]
    for draw in (draw_time, draw_size):
        drawn = draw(lines)
        ElementTree.fromstring(drawn)  # noqa: S314 - our own drawing
        assert drawn == draw(lines)
    assert "20,000 people" in draw_time(lines)
    assert "2,000 people" not in draw_time(lines).replace("20,000 people", "")
    assert "no course to draw" in draw_time(lines[2:])


def test_the_course_leaves_out_the_last_part_of_a_second_and_averages_long_runs() -> None:
    assert course(line()["rate_over_time"]) == [(0, 5_000), (1, 5_100), (2, 4_900), (3, 5_000)]
    long = course([[second, 10] for second in range(601)])
    assert long[:2] == [(0, 10), (3, 10)]
    assert len(long) == 200


def test_a_line_takes_the_place_of_an_earlier_one_and_others_stay(tmp_path: Path) -> None:
    lines = merge(merge([line(3_000_000)], line(sign="none")), line())
    assert [(one["people"], one["sign"]) for one in lines] == [
        (20_000, "openssl"),
        (3_000_000, "openssl"),
        (20_000, "none"),
    ]
    newer = merge(lines, line(messages_per_s=6_000.0))
    assert [one["messages_per_s"] for one in newer] == [6_000, 5_000, 5_000]
    file = tmp_path / "send.json"
    file.write_text(json.dumps({"lines": newer}), encoding="utf-8")
    assert read_lines(file) == newer


def test_what_cannot_be_written_down_is_refused_and_nothing_changes(page: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nothing measured"):
        write_page(page, read_lines(tmp_path / "none.json"), tmp_path)
    bare = tmp_path / "bare.md"
    bare.write_text("# No marks\n", encoding="utf-8")
    for other in (bare, tmp_path / "missing.md"):
        with pytest.raises(Refused, match="no place for figures"):
            write_page(other, [line()], tmp_path)
    assert bare.read_text(encoding="utf-8") == "# No marks\n"
    broken = tmp_path / "send.json"
    for text in ("[", "[]", '{"lines": [{"sign": "none"}]}'):
        broken.write_text(text, encoding="utf-8")
        with pytest.raises(Refused, match="no measurements"):
            read_lines(broken)


def test_signers_are_read_once_each_and_unknown_ones_refused() -> None:
    assert read_signers("openssl none,openssl") == ("openssl", "none")
    for text in ("", "openssl,md5"):
        with pytest.raises(Refused):
            read_signers(text)


def test_a_signer_whose_library_or_processor_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postmuster.bench.send._IFMA_MODULE", "postmuster.bench.no_such_module")
    with pytest.raises(Refused, match="not installed"):
        refuse_signer("ifma")


def test_the_page_of_the_project_has_a_place_for_figures() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
    text = page.read_text(encoding="utf-8")
    assert (text.count(BEGIN), text.count(END)) == (1, 1)
