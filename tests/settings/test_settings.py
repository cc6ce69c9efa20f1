"""Reading settings: every mistake is one sentence that names the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmuster.base.errors import Refused
from postmuster.settings import keys, load


def _settings(folder: Path, text: str) -> Path:
    file = folder / "postmuster.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[relay]\nprot = 25", "relay.prot"),
        ("[relya]", "relya"),
        ("relay = 25", "relay"),
        ("[relay]\nport = '25'", "relay.port"),
        ("[relay]\nport = true", "relay.port"),
        ("[relay]\nhost = 25", "relay.host"),
        ("[relay]\nport = 25.0", "relay.port"),
        ("[relay\nport = 25", "could not be read"),
        ("file = 'x'", "file"),
        ("[relay]\nport = 0", "relay.port"),
        ("[relay]\nport = 65536", "relay.port"),
        ("[work]\nworkers = -1", "work.workers"),
        ("[organisation]\ntime_zone = '../etc/passwd'", "organisation.time_zone"),
        ("[organisation]\ntime_zone = 'Mars/Olympus'", "organisation.time_zone"),
        ("[intake]\nsubaddress_separator = '++'", "intake.subaddress_separator"),
        ("[hours]\nquiet_from = '24:00'", "hours.quiet_from"),
        ("[hours]\nquiet_until = '7'", "hours.quiet_until"),
        ("[hours]\nquiet_days = 'sunday'", "hours.quiet_days"),
        ("[hours]\nquiet_days = [1]", "hours.quiet_days"),
        ("[hours]\nquiet_days = ['sun']", "hours.quiet_days"),
        ("[hours]\nquiet_days = ['sunday', 'sunday']", "hours.quiet_days"),
        (
            "[hours]\nquiet_days = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']",
            "hours.quiet_days",
        ),
    ],
)
def test_a_wrong_settings_file_is_refused_naming_the_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(Refused) as refusal:
        load(_settings(tmp_path, text))
    assert named in refusal.value.sentence


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="postmuster init"):
        load(tmp_path / "none.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "postmuster.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refused, match="could not be read"):
        load(file)


def test_the_newest_token_key_signs_and_all_verify(tmp_path: Path) -> None:
    keys.make_token_key(tmp_path, 1)
    keys.make_token_key(tmp_path, 12)
    read = keys.read_token_keys(tmp_path)
    assert read.current == 12
    assert set(read.keys) == {1, 12}
    assert read.current_key == read.keys[12] != read.keys[1]
    assert len(read.current_key) == keys.TOKEN_KEY_OCTETS


def test_a_key_is_never_overwritten_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    keys.make_token_key(tmp_path, 1)
    before = (tmp_path / "token-001.key").read_bytes()
    with pytest.raises(FileExistsError):
        keys.make_token_key(tmp_path, 1)
    assert (tmp_path / "token-001.key").read_bytes() == before
    assert (tmp_path / "token-001.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "zz", "00" * 31, "00" * 33, "é"])
def test_a_damaged_token_key_is_named_and_not_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token-001.key"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(Refused, match=r"token-001\.key is damaged"):
        keys.read_token_keys(tmp_path)
    assert file.read_text(encoding="utf-8") == content


def test_missing_keys_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="postmuster init"):
        keys.read_token_keys(tmp_path)
    with pytest.raises(Refused, match="could not be read"):
        keys.read_token_keys(tmp_path / "none")
    with pytest.raises(Refused, match=r"dkim-pm1\.pem"):
        keys.read_dkim_key(tmp_path, "pm1")


def test_a_repr_of_the_keys_shows_none(tmp_path: Path) -> None:
    keys.make_token_key(tmp_path, 1)
    read = keys.read_token_keys(tmp_path)
    assert read.current_key.hex() not in repr(read)
    assert repr(read.current_key) not in repr(read)
