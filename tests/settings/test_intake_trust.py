"""Whom the intake believes is set in lists, and a list that cannot be meant is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmuster.base.errors import Refused
from postmuster.mail.received import read_internal_hops
from postmuster.settings import Intake, load


def intake(folder: Path, text: str) -> Intake:
    file = folder / "postmuster.toml"
    file.write_text(f"[intake]\n{text}\n", encoding="utf-8")
    return load(file).intake


def test_nobody_is_believed_by_default(tmp_path: Path) -> None:
    found = intake(tmp_path, "")
    assert (found.authserv_id, found.more_authserv_ids, found.internal_hops, found.trusted_sealers) == ("", (), (), ())


def test_every_server_that_may_be_set_is_read(tmp_path: Path) -> None:
    entries = (
        "192.0.2.9", "192.0.2.0/28", "2001:db8::/64 agency.example", "mx.agency.example", "10.0.0.1 a.example b.example",
    )  # fmt: skip
    found = intake(tmp_path, f"internal_hops = {list(entries)}")
    hops = read_internal_hops(found.internal_hops)
    assert [bool(hop.network) for hop in hops] == [True, True, True, False, True]
    assert [hop.domains for hop in hops] == [(), (), ("agency.example",), (), ("a.example", "b.example")]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("internal_hops", "'192.0.2.9'"),
        ("internal_hops", "['192.0.2.1/28']"),
        ("internal_hops", "['192.0.2.300']"),
        ("internal_hops", "['2001:db8::1/64']"),
        ("internal_hops", "['']"),
        ("internal_hops", "['mx.agency.example not/a/domain']"),
        ("trusted_sealers", "['list.example', 'list.example']"),
        ("trusted_sealers", "['a list']"),
        ("trusted_sealers", str([f"l{number}.example" for number in range(200)])),
        ("more_authserv_ids", "['mx;dkim=pass']"),
    ],
)
def test_what_is_no_server_and_no_domain_is_refused(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(Refused) as refusal:
        intake(tmp_path, f"{key} = {value}")
    assert f"intake.{key}" in refusal.value.sentence
