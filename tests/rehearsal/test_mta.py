"""What stands between us and the organisation, as far as no mail server is needed to see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmuster.base.errors import Refused
from postmuster.rehearsal import mta
from postmuster.rehearsal.ports import FIRST, LAST, free_ports
from postmuster.rehearsal.postfix import why_not


def _program_folder(folder: Path) -> Path:
    for name in ("postconf", "postfix"):
        (folder / name).touch()
    return folder


def test_without_postfix_one_sentence_says_how_to_get_it(tmp_path: Path) -> None:
    reason = why_not(user_id=0, programs=tmp_path)
    assert reason is not None
    assert "apt-get install postfix" in reason
    assert "as root" in reason


def test_an_ordinary_user_is_told_that_root_is_needed(tmp_path: Path) -> None:
    reason = why_not(user_id=1000, programs=_program_folder(tmp_path))
    assert reason is not None
    assert "Only root" in reason


def test_root_with_postfix_is_told_nothing(tmp_path: Path) -> None:
    assert why_not(user_id=0, programs=_program_folder(tmp_path)) is None


def test_another_relay_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no relay “sendmail”"), mta.between("sendmail", tmp_path, tell=print):
        pass


def test_nothing_between_leaves_every_port_to_those_who_listen(tmp_path: Path) -> None:
    with mta.between("", tmp_path, tell=print) as between:
        assert (between.relay_port, between.intake_port, between.reports_refusals) == (0, 0, False)


def test_free_ports_differ_and_lie_where_nobody_is_given_one() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(FIRST <= port < LAST for port in ports)
