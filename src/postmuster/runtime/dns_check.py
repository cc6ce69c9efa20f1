"""Compare what the DNS says with what has to be published, and say in one sentence each what is right and what is not.

For whom: the operator (`postmuster dns check`), before the first notice and after each new key.

Promises. Records are compared by what they mean: order of tags, white space and case do not matter, and more than is needed
does no harm (an SPF record that names others as well, a second MX). Nobody answering is never taken for nothing published; after
`MOST_SILENCE` names without an answer the rest is not asked, so that the command ends. What is published by others is shown
without its control characters, and cut.

Limits: `include:` and `redirect=` of SPF are not followed; where the relay's addresses stand behind one,
relay.spf_mechanisms says so. A key that does not sign may be published or not.

Sources: RFC 6376 §3.6.1 (tags of a key record), RFC 7208 §3.2, §4.5, §5; RFC 9989 §4.7, §4.10; RFC 7505 (null MX).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network
from typing import Final

from postmuster.inbound.dns import Inquiry, LookupTrouble
from postmuster.mail.dmarc import DmarcRecords, read_record
from postmuster.runtime.dns_records import DnsRecord, Publication, Purpose
from postmuster.settings import Settings

MOST_SILENCE: Final = 2
SHOWN_CHARS: Final = 100


class Outcome(StrEnum):
    """What became of the comparison."""

    OK = "ok"
    MISSING = "missing"
    DIFFERENT = "different"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class Finding:
    """One record and how it is published."""

    record: DnsRecord
    outcome: Outcome
    sentence: str
    published: tuple[str, ...] = ()


Verdict = tuple[Outcome, str]


def compare(settings: Settings, wanted: Publication, inquiry: Inquiry) -> tuple[Finding, ...]:
    """Ask for each record and compare. Never raises for what the DNS says."""
    return tuple(_findings(settings, wanted, inquiry))


def _findings(settings: Settings, wanted: Publication, inquiry: Inquiry) -> Iterator[Finding]:
    silent = 0
    for record in wanted.records:
        if silent >= MOST_SILENCE:
            yield Finding(record, Outcome.UNANSWERED, "Not asked, because the DNS server did not answer before.")
            continue
        try:
            published = inquiry(record.name, record.kind)
            outcome, sentence = _judge(settings, record, published, inquiry)
        except LookupTrouble as trouble:
            silent += 1
            sentence = f"It is not known what is published: {trouble}."
            yield Finding(record, Outcome.UNANSWERED, sentence)
            continue
        yield Finding(record, outcome, sentence, tuple(map(_shown, published)))


def _judge(settings: Settings, record: DnsRecord, published: tuple[str, ...], inquiry: Inquiry) -> Verdict:
    if record.purpose is Purpose.DMARC:
        return _dmarc(settings, published, inquiry)
    judges: Mapping[Purpose, Callable[[DnsRecord, tuple[str, ...]], Verdict]] = {
        Purpose.SPF: _spf,
        Purpose.DKIM: _dkim,
        Purpose.MX: _mx,
    }
    return judges[record.purpose](record, published)


def _spf(record: DnsRecord, published: tuple[str, ...]) -> Verdict:
    found = [text for text in published if text.lower().split(" ")[0] == "v=spf1"]
    if not found:
        return Outcome.MISSING, "No SPF record is published."
    if len(found) > 1:
        return Outcome.DIFFERENT, f"{len(found)} SPF records are published, which counts as an error; leave one."
    words = found[0].lower().split()[1:]
    wanted = record.value.lower().split()[1:-1] if record.is_ready else []
    absent = [word for word in wanted if not _is_covered(word, words)]
    if absent:
        return Outcome.DIFFERENT, f"The SPF record does not name {', '.join(absent)}."
    if not any(word in ("-all", "~all") or word.startswith("redirect=") for word in words):
        return Outcome.DIFFERENT, "The SPF record lets others send as well; end it with -all."
    if not record.is_ready:
        return Outcome.OK, "An SPF record is published; whether it names the relay was not asked: say --relay-ip."
    return Outcome.OK, "The SPF record names the relay."


def _is_covered(wanted: str, words: list[str]) -> bool:
    """Whether a mechanism stands there, or a network that contains its address, with no word before it that says no."""
    if any(word.lstrip("+") == wanted for word in words):
        return True
    kind, _, address = wanted.partition(":")
    if kind not in ("ip4", "ip6"):
        return False
    network = ip_network(address)
    for word in words:
        other, _, rest = word.lstrip("+").partition(":")
        if other != kind:  # the kind says the version of the address
            continue
        try:
            there = ip_network(rest, strict=False)
        except ValueError:
            continue
        if there.version != network.version:
            continue
        first, last = int(there.network_address), int(there.broadcast_address)
        if first <= int(network.network_address) and int(network.broadcast_address) <= last:
            return True
    return False


def _dkim(record: DnsRecord, published: tuple[str, ...]) -> Verdict:
    if not published:
        if record.signs:
            return (
                Outcome.MISSING,
                f"The key {record.selector} signs and is not published; no receiver can check our mail.",
            )
        return Outcome.OK, f"The key {record.selector} is not published, and need not be while it does not sign."
    if len(published) > 1:
        return Outcome.DIFFERENT, f"{len(published)} records stand there, and receivers may take any; leave one."
    fault = _key_fault(_tags(record.value), _tags(published[0]))
    if fault:
        return Outcome.DIFFERENT, fault
    if record.signs:
        return Outcome.OK, f"The key {record.selector} signs and is published."
    return (
        Outcome.OK,
        f"The key {record.selector} is published and does not sign; it may be withdrawn when its mail is gone.",
    )


def _key_fault(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    if found.get("v", "DKIM1") != "DKIM1":
        return "The record is none of DKIM."
    if "p" not in found:
        return "The record has no key (p=)."
    if not found["p"]:
        return "The key is revoked (p= is empty)."
    if found.get("k", "rsa").lower() != wanted["k"]:
        return f"The key is published as {_shown(found.get('k', 'rsa'))} and is {wanted['k']}."
    if found["p"] != wanted["p"]:
        return "Another key is published; receivers take our signatures for false."
    if "h" in found and "sha256" not in found["h"].lower().split(":"):
        return "The record forbids SHA-256 (h=), which is what we sign with."
    if "s" in found and not {"*", "email"} & set(found["s"].lower().split(":")):
        return "The record is not for mail (s=)."
    if "y" in found.get("t", "").lower().split(":"):
        return "The record says that signing is only tried out (t=y); receivers may ignore it; take that out."
    return ""


def _tags(text: str) -> dict[str, str]:
    """The tags of a DKIM record; white space inside values, which long ones are folded with, does not count."""
    pairs = (piece.partition("=") for piece in text.split(";") if piece.strip())
    return {name.strip().lower(): "".join(value.split()) for name, _, value in pairs}


def _dmarc(settings: Settings, published: tuple[str, ...], inquiry: Inquiry) -> Verdict:
    silent: list[LookupTrouble] = []

    def ask(name: str) -> str | None:
        try:
            return "\n".join(inquiry(name, "TXT")) or None
        except LookupTrouble as trouble:
            silent.append(trouble)
            raise

    outcome, sentence = _dmarc_verdict(settings, published, DmarcRecords(ask), ask)
    if silent and outcome is not Outcome.OK:
        raise silent[0]  # what nobody answered might have said otherwise
    return outcome, sentence


def _dmarc_verdict(
    settings: Settings, published: tuple[str, ...], records: DmarcRecords, ask: Callable[[str], str | None]
) -> Verdict:
    domain = settings.organisation.domain
    found, inherited = read_record("\n".join(published)), False
    owner = records.organisational_domain(domain)
    if found is None and owner != domain:
        found, inherited = read_record(ask(f"_dmarc.{owner}") or ""), True
    if found is None:
        if any(text.strip().lower().startswith("v=dmarc1") for text in published):
            return Outcome.DIFFERENT, "What is published is not one DMARC record that can be read, and counts as none."
        return Outcome.MISSING, "No DMARC record is published."
    policy = (found.get("sp") if inherited else None) or found.get("p", "none")
    where = f"The record of {owner}" if inherited else "The record"
    if policy.lower() != "reject":
        return Outcome.DIFFERENT, f"{where} asks for p={_shown(policy)}; p=reject keeps forged mail out."
    if found.get("t", "n").lower() == "y" or found.get("pct", "100") != "100":
        return Outcome.DIFFERENT, f"{where} asks receivers to apply it to a part of the mail or not at all."
    strict = found.get("adkim", "r").lower() == "s"
    if not records.aligned(settings.relay.dkim_domain, domain, strict=strict):
        return Outcome.DIFFERENT, f"Signatures of {settings.relay.dkim_domain} do not align with {domain} in From."
    return Outcome.OK, f"{where} asks to refuse what is not ours, and our signatures align."


def _mx(record: DnsRecord, published: tuple[str, ...]) -> Verdict:
    hosts = [text.partition(" ")[2].rstrip(".").lower() for text in published]
    if not hosts:
        return Outcome.MISSING, "No MX is published."
    if "" in hosts:
        return Outcome.DIFFERENT, "The domain says that it takes no mail (null MX)."
    shown = _shown(", ".join(sorted(hosts)))
    if not record.is_ready:
        return Outcome.OK, f"Mail goes to {shown}; whether that is the MTA in front was not asked: say --mx."
    wanted = record.value.partition(" ")[2]
    if wanted not in hosts:
        return Outcome.DIFFERENT, f"Mail goes to {shown} and not to {wanted}."
    return Outcome.OK, f"Mail goes to {shown}."


def _shown(text: str) -> str:
    """What others have published, fit for a terminal."""
    clean = "".join(each if each.isprintable() else "?" for each in text[: SHOWN_CHARS + 1])
    return clean if len(clean) <= SHOWN_CHARS else f"{clean[:SHOWN_CHARS]}…"
