"""A notice's folder is read, or one sentence says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmuster.assessments.table import Refusals
from postmuster.base.errors import Refused
from postmuster.notices.body import MAX_BODY_OCTETS
from postmuster.notices.content import read_notice
from postmuster.notices.files import collect_bodies, read_notice_file

from .samples import BODY, TEST


def test_bodies_are_found_by_their_names(tmp_path: Path) -> None:
    for name in ("body.md", "body.es.md", "body.txt", "README.md", "body.a.b.md", "xbody.md"):
        (tmp_path / name).write_bytes(BODY)
    assert collect_bodies(tmp_path) == {"": BODY, "es": BODY}


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "notice.toml").write_text(TEST)
    (tmp_path / "body.md").write_bytes(BODY)
    assert not isinstance(read_notice(*read_notice_file(tmp_path / "notice.toml")), Refusals)


def test_a_file_far_too_long_is_not_read_whole_and_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "body.md").open("wb") as file:
        file.truncate(200_000_000)
    bodies = collect_bodies(tmp_path)
    assert len(bodies[""]) == MAX_BODY_OCTETS + 1
    reasons = read_notice(TEST.encode(), bodies)
    assert isinstance(reasons, Refusals)
    assert any("longer than" in reason for reason in reasons)


@pytest.mark.parametrize("missing", ["notice.toml", "nowhere/notice.toml", "folder"])
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, missing: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(Refused, match="cannot be read") as refusal:
        read_notice_file(tmp_path / missing)
    assert "\n" not in refusal.value.sentence


def test_a_body_that_is_a_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "body.md").mkdir()
    with pytest.raises(Refused, match="cannot be read"):
        collect_bodies(tmp_path)


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        collect_bodies(tmp_path / "nowhere")
