"""The keyring: epoch files are made once, kept private, read whole or named."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from postmuster.base.errors import Refused
from postmuster.vault.keyring import make_epoch, read_keyring


def test_epochs_are_read_by_number_and_the_highest_is_current(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    make_epoch(keys, 1, lambda size: b"a" * size)
    make_epoch(keys, 12, lambda size: b"b" * size)
    make_epoch(keys, 2, lambda size: b"c" * size)
    (keys / "notes.txt").write_text("no key")
    keyring = read_keyring(keys)
    assert keyring.current == 12
    assert [keyring.epoch(number)[:1] for number in (1, 2, 12)] == [b"a", b"c", b"b"]
    assert "aaaa" not in repr(keyring)


def test_an_epoch_file_is_ours_alone_and_never_overwritten(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    make_epoch(keys, 1)
    file = keys / "epoch-0001.key"
    before = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    with pytest.raises(FileExistsError):
        make_epoch(keys, 1)
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"00", b"zz" * 32, b"00" * 33, b"\xff" * 64, b"00" * 31])
def test_a_damaged_file_is_named_and_nothing_is_opened(tmp_path: Path, content: bytes) -> None:
    make_epoch(tmp_path, 1)
    (tmp_path / "epoch-0002.key").write_bytes(content)
    with pytest.raises(Refused, match=r"epoch-0002\.key is damaged"):
        read_keyring(tmp_path)


def test_a_missing_epoch_folder_or_keyring_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no master epoch"):
        read_keyring(tmp_path)
    with pytest.raises(Refused, match="could not be read"):
        read_keyring(tmp_path / "nowhere")
    make_epoch(tmp_path, 3)
    with pytest.raises(Refused, match="Master epoch 2 is not in the keyring"):
        read_keyring(tmp_path).epoch(2)


def test_a_link_in_the_place_of_an_epoch_file_is_not_written_through(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    os.symlink(elsewhere, tmp_path / "epoch-0001.key")
    with pytest.raises(FileExistsError):
        make_epoch(tmp_path, 1)
    assert not elsewhere.exists()
