"""The relay's password: a file that only we may read, and never in what is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmuster.base.errors import Refused
from postmuster.settings.keys import read_relay_password


def _write(folder: Path, content: bytes, mode: int = 0o600) -> None:
    file = folder / "relay-password"
    file.write_bytes(content)
    file.chmod(mode)


def test_the_line_end_is_no_part_of_the_password(tmp_path: Path) -> None:
    _write(tmp_path, "correct horse ž \n".encode())
    assert read_relay_password(tmp_path) == "correct horse ž "


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_password_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    _write(tmp_path, b"correct horse", mode)
    with pytest.raises(Refused, match="chmod 600") as refused:
        read_relay_password(tmp_path)
    assert "horse" not in str(refused.value)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_a_password_that_is_missing_empty_or_no_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        _write(tmp_path, content)
    with pytest.raises(Refused, match="nothing was sent"):
        read_relay_password(tmp_path)
