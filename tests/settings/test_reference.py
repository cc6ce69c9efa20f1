"""The settings file that `init` writes, the page in docs/ and the dataclasses say the same."""

from __future__ import annotations

import tomllib
from pathlib import Path

from postmuster.settings import CLOCK_VARIABLE, DATABASE_VARIABLE, ROLE_VARIABLE, SETTINGS_VARIABLE, load, reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def test_every_setting_is_explained_and_nothing_else() -> None:
    assert [key for key, _ in reference.defaults()] == list(reference.MEANINGS)
    assert {key.rpartition(".")[0] for key in reference.MEANINGS} == set(reference.SECTIONS)


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference.page_text()


def test_every_variable_that_is_read_is_on_the_page() -> None:
    assert set(reference.ENVIRONMENT) == {SETTINGS_VARIABLE, ROLE_VARIABLE, CLOCK_VARIABLE, DATABASE_VARIABLE}


def test_the_written_file_reads_back_as_what_was_given(tmp_path: Path) -> None:
    file = tmp_path / "postmuster.toml"
    name = 'The "Office" of \\ Straße\t№ 1'
    file.write_text(reference.file_text({"organisation.name": name, "relay.port": 2525}), encoding="utf-8")
    read = load(file)
    assert (read.organisation.name, read.relay.port) == (name, 2525)
    assert read.intake == load(_empty(tmp_path)).intake


def test_every_key_of_the_written_file_has_a_comment_above_it() -> None:
    text = reference.file_text({})
    lines = text.splitlines()
    keys = [number for number, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    assert len(keys) == len(reference.MEANINGS)
    assert all(lines[number - 1].startswith("# ") for number in keys)
    assert max(map(len, lines)) <= 100
    assert tomllib.loads(text)["relay"]["port"] == 25


def _empty(folder: Path) -> Path:
    file = folder / "empty.toml"
    file.touch()
    return file
