"""`postmuster dns`: what it prints is what receivers need, and what it says of the DNS is what a DNS server answers."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone
import pytest
from typer.testing import CliRunner

from postmuster.base.errors import Refused
from postmuster.cli.dns import app
from postmuster.inbound.dns import open_inquiry, open_lookup
from postmuster.mail.dkim import SigningAlgorithm, load_signer
from postmuster.mail.dkim import make_key as make_pem
from postmuster.runtime.dns_check import Finding, Outcome, compare
from postmuster.runtime.dns_records import Purpose, make_key, publication
from postmuster.settings import SETTINGS_VARIABLE, Settings, keys, load, reference

IPS = ("192.0.2.7", "2001:db8::7")
MX = "mx.agency.example"


@dataclass
class Zone:
    """What the server answers: (name, kind) → records in the form of a zone file. Names in `silent` get no answer at all."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def answer(self, wire: bytes) -> bytes | None:
        question = dns.message.from_wire(wire)
        asked = question.question[0]
        name, kind = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
        self.asked.append(name)
        if name in self.silent:
            return None
        response = dns.message.make_response(question)
        response.flags |= dns.flags.AA | dns.flags.RA
        found = self.records.get((name, kind))
        if name in self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif found:
            response.answer.append(dns.rrset.from_text(asked.name, 300, "IN", kind, *found))
        elif not any(name == other for other, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire(max_size=65_535)


@contextmanager
def server(zone: Zone) -> Iterator[str]:
    """A DNS server on loopback UDP; gives its address and port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))

        def serve() -> None:
            while wire := door.recvfrom(65_535):
                if not wire[0]:
                    return
                answer = zone.answer(wire[0])
                if answer is not None:
                    door.sendto(answer, wire[1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{door.getsockname()[1]}"
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", door.getsockname())
            thread.join()


@pytest.fixture(scope="module")
def pems() -> Mapping[str, bytes]:
    return {"pm1": make_pem(SigningAlgorithm.RSA_SHA256), "pm2": make_pem(SigningAlgorithm.ED25519_SHA256)}


@pytest.fixture
def ours(tmp_path: Path, pems: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with two keys, of which pm1 signs."""
    file = tmp_path / "postmuster.toml"
    file.write_text(reference.file_text({}))
    monkeypatch.setenv(SETTINGS_VARIABLE, str(file))
    settings = load()
    for selector, pem in pems.items():
        keys.write_new(keys.dkim_key_file(settings.key_dir, selector), pem)
    return settings


def published(settings: Settings) -> Zone:
    """Everything as it is printed, read by dnspython's own reader of zone files."""
    text = publication(settings, relay_ips=IPS, mx_host=MX).text()
    read = dns.zone.from_text("$TTL 300\n. IN SOA a. b. 1 1 1 1 1\n. IN NS a.\n" + text, origin=".", relativize=False)
    zone = Zone()
    for name, dataset in read.iterate_rdatasets():
        kind = dns.rdatatype.to_text(dataset.rdtype)
        zone.records[name.to_text(omit_final_dot=True), kind] = [one.to_text() for one in dataset]
    return zone


def checked(
    settings: Settings, zone: Zone, *, timeout_s: int = 5, ips: tuple[str, ...] = IPS, mx: str = MX
) -> list[Finding]:
    with server(zone) as where:
        asking = replace(settings, authentication=replace(settings.authentication, resolver=where, timeout_s=timeout_s))
        return list(compare(asking, publication(asking, relay_ips=ips, mx_host=mx), open_inquiry(asking)))


def outcomes(findings: list[Finding]) -> dict[str, Outcome]:
    return {one.record.selector or f"{one.record.purpose} {one.record.name}": one.outcome for one in findings}


def test_what_is_printed_is_found_right_when_it_is_published(ours: Settings) -> None:
    findings = checked(ours, published(ours))
    assert {one.outcome for one in findings} == {Outcome.OK}, findings
    assert [one.record.purpose for one in findings] == ["spf", "dkim", "dkim", "dmarc", "mx", "mx"]


def test_text_over_255_octets_stands_in_several_strings_that_join(ours: Settings) -> None:
    rsa = next(one for one in publication(ours).records if one.selector == "pm1")
    assert len(rsa.value) > 255
    assert [len(each) for each in rsa.strings()] == [255, len(rsa.value) - 255]
    assert re.findall(r'"([^"]*)"', rsa.zone_line()) == list(rsa.strings())
    assert published(ours).records["pm1._domainkey.agency.example", "TXT"][0].count('"') == 4


def test_what_is_not_known_stands_as_a_comment(ours: Settings) -> None:
    lines = [line for line in publication(ours).text().splitlines() if line and not line.startswith(";")]
    assert [line.split()[0] for line in lines] == [
        "pm1._domainkey.agency.example.",
        "pm2._domainkey.agency.example.",
        "_dmarc.agency.example.",
    ]


def test_the_settings_can_say_what_the_arguments_say(ours: Settings) -> None:
    told = replace(
        ours,
        relay=replace(ours.relay, spf_mechanisms="include:_spf.relay.example ip4:192.0.2.7"),
        intake=replace(ours.intake, mx_host=MX),
    )
    spf, *_, mx, _ = publication(told, relay_ips=("192.0.2.7",)).records
    assert (spf.value, mx.value) == ("v=spf1 include:_spf.relay.example ip4:192.0.2.7 -all", f"10 {MX}")


@pytest.mark.parametrize("word", ["all", "+all", "ip4:2001:db8::1", "ip4:x", 'a:"', "redirect=x.example", "?mx", "ptr"])
def test_a_mechanism_that_is_none_is_refused(ours: Settings, word: str) -> None:
    with pytest.raises(Refused, match="spf_mechanisms"):
        publication(replace(ours, relay=replace(ours.relay, spf_mechanisms=word)))


def test_addresses_that_are_none_are_refused(ours: Settings) -> None:
    with pytest.raises(Refused, match="--relay-ip"):
        publication(ours, relay_ips=("relay.example",))
    with pytest.raises(Refused, match="MX"):
        publication(ours, mx_host="a b")


def test_it_is_said_which_key_signs_and_which_may_be_withdrawn(ours: Settings) -> None:
    found = publication(ours)
    assert {one.selector: one.signs for one in found.records if one.selector} == {"pm1": True, "pm2": False}
    assert found.withdrawable == ("pm2",)
    both = publication(replace(ours, relay=replace(ours.relay, dkim_second_selector="pm2")))
    assert both.withdrawable == ()
    none = publication(replace(ours, relay=replace(ours.relay, signs=True)))
    assert none.withdrawable == ("pm1", "pm2")
    with pytest.raises(Refused, match="one key"):
        publication(replace(ours, relay=replace(ours.relay, dkim_second_selector="pm1")))


def test_a_new_key_stands_beside_the_old_and_overwrites_nothing(ours: Settings) -> None:
    old = keys.read_dkim_key(ours.key_dir, "pm1")
    made = make_key(ours, "pm3", SigningAlgorithm.ED25519_SHA256)
    assert not made.signs
    assert made in publication(ours).records
    assert keys.dkim_key_file(ours.key_dir, "pm3").stat().st_mode & 0o077 == 0
    load_signer(keys.read_dkim_key(ours.key_dir, "pm3"), domain="agency.example", selector="pm3")
    with pytest.raises(Refused, match="kept as it is"):
        make_key(ours, "pm1", SigningAlgorithm.ED25519_SHA256)
    assert keys.read_dkim_key(ours.key_dir, "pm1") == old


@pytest.mark.parametrize("selector", ["", "../pm9", "PM9", "pm 9", "-pm9", "pm9/", "pm9;", "x" * 64])
def test_a_selector_that_is_no_name_makes_no_key(ours: Settings, selector: str) -> None:
    with pytest.raises(Refused, match="selector"):
        make_key(ours, selector, SigningAlgorithm.ED25519_SHA256)
    assert keys.dkim_selectors(ours.key_dir) == ("pm1", "pm2")


Change = Callable[[Zone], None]
SPF, DKIM, DMARC = (
    ("bounce.agency.example", "TXT"),
    ("pm1._domainkey.agency.example", "TXT"),
    ("_dmarc.agency.example", "TXT"),
)
REPLY = ("reply.agency.example", "MX")


def to(key: tuple[str, str], *texts: str) -> Change:
    return lambda zone: zone.records.update({key: list(texts)})


def gone(key: tuple[str, str]) -> Change:
    return lambda zone: zone.records.pop(key)  # type: ignore[return-value]


def in_key(old: str, new: str) -> Change:
    def change(zone: Zone) -> None:
        text = "".join(re.findall(r'"([^"]*)"', zone.records[DKIM][0])).replace(old, new, 1)
        zone.records[DKIM] = [f'"{text[:200]}" "{text[200:]}"']

    return change


WRONG: list[tuple[str, Purpose, Change, Outcome, str]] = [
    ("no spf", Purpose.SPF, gone(SPF), Outcome.MISSING, "No SPF"),
    ("other text", Purpose.SPF, to(SPF, '"site=1"'), Outcome.MISSING, "No SPF"),
    ("two spf", Purpose.SPF, to(SPF, '"v=spf1 -all"', '"v=spf1 a -all"'), Outcome.DIFFERENT, "2 SPF"),
    ("not named", Purpose.SPF, to(SPF, '"v=spf1 ip6:2001:db8::/32 ip4:192.0.3.0/24 -all"'), Outcome.DIFFERENT, "ip4:192.0.2.7"),
    ("open end", Purpose.SPF, to(SPF, '"v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 ?all"'), Outcome.DIFFERENT, "-all"),
    ("says no", Purpose.SPF, to(SPF, '"v=spf1 -ip4:192.0.2.7 ip6:2001:db8::7 -all"'), Outcome.DIFFERENT, "ip4:192.0.2.7"),
    ("no key", Purpose.DKIM, gone(DKIM), Outcome.MISSING, "not published"),
    ("two keys", Purpose.DKIM, to(DKIM, '"v=DKIM1; p=a"', '"v=DKIM1; p=b"'), Outcome.DIFFERENT, "2 records"),
    ("another key", Purpose.DKIM, in_key("p=MII", "p=MIJ"), Outcome.DIFFERENT, "Another key"),
    ("revoked", Purpose.DKIM, to(DKIM, '"v=DKIM1; p="'), Outcome.DIFFERENT, "revoked"),
    ("without p", Purpose.DKIM, to(DKIM, '"v=DKIM1; k=rsa"'), Outcome.DIFFERENT, "no key"),
    ("another kind", Purpose.DKIM, in_key("k=rsa", "k=ed25519"), Outcome.DIFFERENT, "ed25519"),
    ("tried out", Purpose.DKIM, in_key("k=rsa;", "k=rsa; t=y;"), Outcome.DIFFERENT, "t=y"),
    ("sha1 only", Purpose.DKIM, in_key("k=rsa;", "k=rsa; h=sha1;"), Outcome.DIFFERENT, "SHA-256"),
    ("not for mail", Purpose.DKIM, in_key("k=rsa;", "k=rsa; s=tls;"), Outcome.DIFFERENT, "mail"),
    ("no dmarc", Purpose.DMARC, gone(DMARC), Outcome.MISSING, "No DMARC"),
    ("two dmarc", Purpose.DMARC, to(DMARC, '"v=DMARC1; p=reject"', '"v=DMARC1; p=none"'), Outcome.DIFFERENT, "not one"),
    ("policy none", Purpose.DMARC, to(DMARC, '"v=DMARC1; p=none; rua=mailto:d@agency.example"'), Outcome.DIFFERENT, "p=none"),
    ("a part", Purpose.DMARC, to(DMARC, '"v=DMARC1; p=reject; pct=5"'), Outcome.DIFFERENT, "part"),
    ("no mx", Purpose.MX, gone(REPLY), Outcome.MISSING, "No MX"),
    ("null mx", Purpose.MX, to(REPLY, "0 ."), Outcome.DIFFERENT, "null MX"),
    ("another mx", Purpose.MX, to(REPLY, "5 other.example."), Outcome.DIFFERENT, "other.example and not"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("purpose", "change", "outcome", "words"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG]
)
def test_what_is_published_wrong_is_said(
    ours: Settings, purpose: Purpose, change: Change, outcome: Outcome, words: str
) -> None:
    zone = published(ours)
    change(zone)
    bad = [one for one in checked(ours, zone) if one.outcome is not Outcome.OK]
    assert [(one.record.purpose, one.outcome) for one in bad] == [(purpose, outcome)]
    assert words in bad[0].sentence


RIGHT: list[tuple[str, Change]] = [
    ("a network that contains the relay", to(SPF, '"v=spf1 mx +ip4:192.0.2.0/24 IP6:2001:DB8::/32 ~all"')),
    ("tags in another order", in_key("v=DKIM1; k=rsa;", "k=RSA ;t=s; h=sha1:sha256;")),
    ("white space in the key", in_key("p=MII", "p= MI I")),
    ("dmarc with more", to(DMARC, '"v=DMARC1;p=reject ;adkim=s; rua=mailto:d@agency.example"')),
    ("dmarc beside other text", to(DMARC, '"site=1"', '"v=DMARC1; p=reject"')),
    ("a second mx", to(REPLY, "5 other.example.", f"10 {MX.upper()}.")),
    ("an old key withdrawn", gone(("pm2._domainkey.agency.example", "TXT"))),
]


@pytest.mark.parametrize("change", [each[1] for each in RIGHT], ids=[each[0] for each in RIGHT])
def test_what_means_the_same_is_right(ours: Settings, change: Change) -> None:
    zone = published(ours)
    change(zone)
    assert {one.outcome for one in checked(ours, zone)} == {Outcome.OK}


def test_a_record_above_is_inherited(ours: Settings) -> None:
    below = replace(
        ours,
        organisation=replace(ours.organisation, domain="mail.agency.example"),
        relay=replace(ours.relay, dkim_domain="agency.example"),
    )
    zone = published(below)
    del zone.records["_dmarc.mail.agency.example", "TXT"]
    zone.records[DMARC] = ['"v=DMARC1; p=none; sp=reject"']
    assert outcomes(checked(below, zone))["dmarc _dmarc.mail.agency.example"] is Outcome.OK
    zone.records[DMARC] = ['"v=DMARC1; p=reject; adkim=s"']
    strict = next(one for one in checked(below, zone) if one.record.purpose is Purpose.DMARC)
    assert (strict.outcome, "align" in strict.sentence) == (Outcome.DIFFERENT, True)


def test_nobody_answering_is_not_nothing_published_and_ends_soon(ours: Settings) -> None:
    zone = published(ours)
    zone.silent = {name for name, _ in zone.records}
    findings = checked(ours, zone, timeout_s=1)
    assert {one.outcome for one in findings} == {Outcome.UNANSWERED}
    assert "nobody answered within 1 s" in findings[0].sentence
    assert len(set(zone.asked)) == 2


def test_a_server_that_fails_for_one_name_leaves_the_others_known(ours: Settings) -> None:
    zone = published(ours)
    zone.failing = {DKIM[0]}
    found = outcomes(checked(ours, zone))
    assert found.pop("pm1") is Outcome.UNANSWERED
    assert set(found.values()) == {Outcome.OK}


def test_without_arguments_it_is_said_what_was_not_compared(ours: Settings) -> None:
    findings = checked(ours, published(ours), ips=(), mx="")
    assert {one.outcome for one in findings} == {Outcome.OK}
    assert "--relay-ip" in findings[0].sentence
    assert "--mx" in findings[-1].sentence


def test_what_strangers_publish_does_not_reach_the_terminal_as_it_is(ours: Settings) -> None:
    zone = published(ours)
    zone.records[DMARC] = ['"v=DMARC1; rua=x; p=\\027[2J' + "x" * 200 + '"']
    found = next(one for one in checked(ours, zone) if one.record.purpose is Purpose.DMARC)
    assert all(text.isprintable() and len(text) <= 101 for text in (*found.published,))
    assert found.sentence.isprintable()


@pytest.mark.parametrize("resolver", ["nobody", "127.0.0.1:0", "127.0.0.1:x", "[::1]:99999", "1.2.3"])
def test_a_resolver_that_is_no_address_is_refused_in_a_sentence(ours: Settings, resolver: str) -> None:
    wrong = replace(ours, authentication=replace(ours.authentication, resolver=resolver))
    for opening in (open_inquiry, open_lookup):
        with pytest.raises(Refused, match=r"authentication\.resolver"):
            opening(wrong)


def test_a_zone_file_answers_text_and_says_that_it_has_no_mx(ours: Settings) -> None:
    texts = {
        name: ["".join(re.findall(r'"([^"]*)"', one)) for one in records]
        for (name, kind), records in published(ours).records.items()
        if kind == "TXT"
    }
    (ours.home / "zone.json").write_text(json.dumps(texts))
    asking = replace(ours, authentication=replace(ours.authentication, zone_file="zone.json"))
    findings = compare(asking, publication(asking, relay_ips=IPS, mx_host=MX), open_inquiry(asking))
    assert [one.outcome for one in findings] == [Outcome.OK] * 4 + [Outcome.UNANSWERED] * 2
    assert "zone file" in findings[-1].sentence


def test_the_command_prints_text_and_json(ours: Settings) -> None:
    shown = CliRunner().invoke(app, ["--relay-ip", IPS[0], "--relay-ip", IPS[1], "--mx", MX])
    assert shown.exit_code == 0
    assert shown.output.strip() == publication(ours, relay_ips=IPS, mx_host=MX).text().strip()
    found = json.loads(CliRunner().invoke(app, ["--json"]).output)
    assert [(one["purpose"], one["ready"]) for one in found["records"]][:2] == [("spf", False), ("dkim", True)]
    assert found["withdrawable"] == ["pm2"]


def test_the_command_checks_and_leaves_with_1_until_all_is_right(ours: Settings) -> None:
    zone = published(ours)
    with server(zone) as where:
        ours.file.write_text(reference.file_text({"authentication.resolver": where}))
        right = CliRunner().invoke(app, ["check"])
        del zone.records[DKIM]
        wrong = CliRunner().invoke(app, ["check", "--json"])
    assert (right.exit_code, wrong.exit_code) == (0, 1)
    assert right.output.count("\n") == 6
    found = {one["name"]: one for one in json.loads(wrong.output)}
    assert found[DKIM[0]]["outcome"] == "missing"
    assert found[DKIM[0]]["published"] == []
    assert found[DMARC[0]]["published"] == ["v=DMARC1; p=reject"]


def test_the_command_makes_keys_of_both_kinds(ours: Settings) -> None:
    made = CliRunner().invoke(app, ["key", "new", "pm3", "--algorithm", "ed25519", "--json"])
    assert json.loads(made.output)["value"].startswith("v=DKIM1; k=ed25519; p=")
    shown = CliRunner().invoke(app, ["key", "new", "pm4"])
    assert "pm4._domainkey.agency.example. IN TXT" in shown.output
    assert keys.dkim_selectors(ours.key_dir) == ("pm1", "pm2", "pm3", "pm4")
    with pytest.raises(Refused, match="kept as it is"):
        CliRunner().invoke(app, ["key", "new", "pm3"], catch_exceptions=False)
