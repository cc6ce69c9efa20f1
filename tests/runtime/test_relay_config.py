"""The configuration printed for Postfix: its values follow from the settings, its page shows what is printed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from postmuster.cli.relay_config import app
from postmuster.runtime.relay_config import (
    ACTIVE_LIMIT,
    HEADROOM_OCTETS,
    RelayConfig,
    hold_command,
    postfix,
    submission_port,
)
from postmuster.settings import SETTINGS_VARIABLE, Intake, Relay, Settings, reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "relay-postfix.md"
FILE = Path("postmuster.toml")
# What the page shows: an installation whose border server signs its results, with a port of its own for the service.
SHOWN = Settings(FILE, relay=Relay(port=2587), intake=Intake(authserv_id="mx.agency.example"))


def _main(config: RelayConfig) -> dict[str, str]:
    return {one.name: one.value for one in config.main}


def _options(config: RelayConfig, number: int) -> dict[str, str]:
    return {one.name: one.value for one in config.services[number].options}


def test_the_page_shows_what_is_printed() -> None:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    config = postfix(SHOWN)
    assert [config.main_text(), config.services_text(), config.hold_text()] == [
        text for language, text in blocks if not language and "#" in text
    ]


def test_every_line_has_its_reason() -> None:
    config = postfix(SHOWN)
    every = [*config.main, *(option for service in config.services for option in service.options)]
    assert [one.name for one in every if len(one.why) < 20] == []


def test_no_parameter_is_said_twice() -> None:
    config = postfix(SHOWN)
    for names in (
        [one.name for one in config.main],
        *([one.name for one in service.options] for service in config.services),
    ):
        assert len(names) == len(set(names))


def test_a_service_without_limits_never_takes_the_port_of_the_world() -> None:
    settings = Settings(FILE, relay=Relay(port=25))
    assert submission_port(settings) == 2587
    service = postfix(settings).services[0]
    assert service.columns.startswith("127.0.0.1:2587 ")
    assert "set relay.port = 2587" in service.why
    assert submission_port(Settings(FILE, relay=Relay(port=10025))) == 10025


def test_both_domains_go_to_the_intake_and_one_that_is_both_goes_once() -> None:
    two = _main(postfix(Settings(FILE)))
    assert two["relay_domains"] == "reply.agency.example, bounce.agency.example"
    assert two["transport_maps"].count("postmuster:inet:127.0.0.1:2424") == 2
    one = _main(postfix(Settings(FILE, relay=Relay(bounce_domain="reply.agency.example"))))
    assert one["relay_domains"] == "reply.agency.example"
    assert one["transport_maps"] == "inline:{ { reply.agency.example = postmuster:inet:127.0.0.1:2424 } }"


@pytest.mark.parametrize("most", [52_428_800, 2_000_000, 10_000, 1])
def test_the_relay_refuses_before_the_intake_would(most: int) -> None:
    limit = int(_main(postfix(Settings(FILE, intake=Intake(max_message_octets=most))))["message_size_limit"])
    assert max(1, most - HEADROOM_OCTETS) <= limit <= most
    assert limit < most or most < 10


def test_a_machine_apart_keeps_its_own_rules_for_tls() -> None:
    here, apart = postfix(Settings(FILE)), postfix(Settings(FILE, relay=Relay(host="mta.agency.example")))
    assert _options(here, 0)["smtpd_tls_security_level"] == "none"
    assert "smtpd_tls_security_level" not in _options(apart, 0)
    assert "Add the addresses" in next(one.why for one in apart.services[0].options if one.name == "mynetworks")


def test_an_ipv6_intake_stands_in_brackets() -> None:
    assert "inet:[::1]:2424" in _main(postfix(Settings(FILE, intake=Intake(host="::1"))))["transport_maps"]


def test_no_name_no_claims_to_take_off() -> None:
    assert "header_checks" not in _main(postfix(Settings(FILE)))
    assert r"mx\.agency\.example" in _main(postfix(SHOWN))["header_checks"]


def test_the_queue_agrees_with_the_settings() -> None:
    many = _main(postfix(Settings(FILE, relay=Relay(max_in_relay=50_000, give_up_after_s=7_200))))
    assert many["maximal_queue_lifetime"] == many["bounce_queue_lifetime"] == "7200s"
    assert int(many["qmgr_message_active_limit"]) == 100_000
    assert int(_main(postfix(Settings(FILE)))["qmgr_message_active_limit"]) == ACTIVE_LIMIT


def test_holding_one_notice_does_not_mean_another_that_begins_alike() -> None:
    assert "/^b-n12-/" in hold_command("n12")


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "postmuster.toml"
    file.write_text(reference.file_text({"relay.port": 10_025, "intake.authserv_id": "mx.agency.example"}))
    monkeypatch.setenv(SETTINGS_VARIABLE, str(file))
    return file


def test_each_name_that_results_are_believed_of_is_taken_off_when_it_comes_from_outside() -> None:
    names = ("mx.agency.example", "filter.agency.example")
    settings = Settings(FILE, intake=Intake(authserv_id=names[0], more_authserv_ids=names[1:]))
    rule = _main(postfix(settings))["header_checks"]
    found = re.search(r"/(\^.*)/ IGNORE", rule)
    assert found is not None
    pattern = re.compile(found[1].replace("[[:space:]]", r"\s").replace("[[:space:];", r"[\s;").replace("$$", "$"))
    for name in names:
        assert pattern.search(f"Authentication-Results: {name}; spf=pass")
    assert not pattern.search("Authentication-Results: mx-agency.example; spf=pass")


@pytest.mark.usefixtures("settings_file")
def test_the_command_prints_all_or_a_part() -> None:
    everything = CliRunner().invoke(app, ["postfix"]).output
    for part in ("main", "master", "hold"):
        printed = CliRunner().invoke(app, ["postfix", "--part", part])
        assert printed.exit_code == 0
        assert printed.output.strip() in everything
    assert "127.0.0.1:10025 inet" in everything


@pytest.mark.usefixtures("settings_file")
def test_the_command_prints_json() -> None:
    found = json.loads(CliRunner().invoke(app, ["postfix", "--json"]).output)
    assert found["main"]["recipient_delimiter"] == "+"
    assert [one["service"].split()[0] for one in found["master"]] == ["127.0.0.1:10025", "postmuster"]
    assert found["master"][0]["options"]["smtpd_error_sleep_time"] == "0"
