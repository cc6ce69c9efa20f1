"""`init`: makes what a first notice needs, twice in a row, and never overwrites."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postmuster.access.queries import officers
from postmuster.access.roles import Role
from postmuster.base import sql
from postmuster.base.errors import Refused
from postmuster.ledger.actions import append
from postmuster.mail import dkim
from postmuster.runtime.setup import SetUp, Wish, read_wish, set_up
from postmuster.settings import DATABASE_VARIABLE, Settings, keys, load
from postmuster.vault.keyring import read_keyring

if TYPE_CHECKING:
    from conftest import Database
    from postmuster.runtime.postgres import Server

WISH = Wish(
    domain="agency.example",
    relay="relay.agency.example:2525",
    intake_address="answers@mail.agency.example",
    authserv_id="mx.agency.example",
    officer="ove",
    officer_address="ove@agency.example",
)


@pytest.fixture
def home(
    database: Database, server: Server, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty folder, with the run's own server as the database."""
    monkeypatch.setenv(DATABASE_VARIABLE, f"postgresql://postgres@/postgres?host={server.place.socket}")
    home = tmp_path / "new home"
    (home / "keys").mkdir(parents=True, mode=0o700)
    settings.logins_file.rename(home / "keys" / "database.json")
    return home


def _set_up(home: Path, now: datetime, wish: Wish = WISH) -> SetUp:
    return set_up(home / "postmuster.toml", wish, now=now, tell=lambda _: None)


def test_everything_is_made_and_opens(home: Path, now: datetime) -> None:
    done = _set_up(home, now)
    settings = load(home / "postmuster.toml")
    assert (settings.relay.host, settings.relay.port) == ("relay.agency.example", 2525)
    assert (settings.intake.reply_local_part, settings.intake.domain) == ("answers", "mail.agency.example")
    assert settings.relay.bounce_domain == "bounce.agency.example"
    assert settings.intake.authserv_id == "mx.agency.example"
    assert (home / "keys").stat().st_mode & 0o777 == 0o700
    assert read_keyring(settings.key_dir).current == 1
    assert keys.read_token_keys(settings.key_dir).current == 1
    pem = keys.read_dkim_key(settings.key_dir, "pm1")
    assert done.dkim_record == dkim.public_record(pem)
    assert done.dkim_name == "pm1._domainkey.agency.example"
    assert [(one.handle, set(one.roles)) for one in officers()] == [("ove", {Role.OPERATOR})]
    assert len(done.next_commands) == 3
    assert all(command.startswith("postmuster ") for command in done.next_commands)


def test_a_second_run_keeps_every_octet(home: Path, now: datetime) -> None:
    _set_up(home, now)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    done = _set_up(home, now, Wish(domain="other.example", officer="eve", officer_address="eve@agency.example"))
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert done.made == ()
    assert len(done.kept) == 6
    assert [one.handle for one in officers()] == ["ove"]


def test_a_run_that_was_cut_off_is_completed(home: Path, now: datetime) -> None:
    _set_up(home, now, Wish(domain="agency.example"))
    (home / "keys" / "token-001.key").unlink()
    done = _set_up(home, now)
    assert set(done.made) == {"database", "token key", "officer ove"}


def test_a_key_missing_from_a_database_in_use_is_asked_for_and_not_made_anew(home: Path, now: datetime) -> None:
    _set_up(home, now)
    append(kind="stop set", actor="shell", subject="n0", facts={}, now=now)
    (home / "keys" / "epoch-0001.key").unlink()
    with pytest.raises(Refused, match="put the key file back"):
        _set_up(home, now)
    assert not (home / "keys" / "epoch-0001.key").exists()
    assert sql.value("SELECT count(*) FROM ledger_entry") == 2


@pytest.mark.parametrize(
    ("wish", "flag"),
    [
        (Wish(domain="not a domain"), "--domain"),
        (Wish(domain="agency.example\n[relay]"), "--domain"),
        (Wish(relay="relay.example:0"), "--relay"),
        (Wish(relay="relay.example:70000"), "--relay"),
        (Wish(relay=":25"), "--relay"),
        (Wish(relay="relay.example:smtp"), "--relay"),
        (Wish(intake_address="nobody"), "--intake-address"),
        (Wish(officer_address="ove@"), "--officer-address"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, now: datetime, wish: Wish, flag: str
) -> None:
    with pytest.raises(Refused, match=flag):
        set_up(tmp_path / "none" / "postmuster.toml", wish, now=now)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("relay.example", ("relay.example", 25)),
        ("relay.example:587", ("relay.example", 587)),
        ("[::1]:2525", ("::1", 2525)),
        ("[::1]", ("::1", 25)),
        ("::1", ("::1", 25)),
        ("127.0.0.1:2525", ("127.0.0.1", 2525)),
    ],
)
def test_a_relay_is_read_in_all_its_spellings(text: str, place: tuple[str, int]) -> None:
    given = dict(read_wish(Wish(relay=text)))
    assert (given["relay.host"], given["relay.port"]) == place
