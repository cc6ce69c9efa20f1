"""What each setting means: the one table behind the commented settings file and docs/settings.md.

A test compares the table with the dataclasses, and the page with the table.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postmuster.settings import Settings

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Meaning:
    """One setting: its unit (or what kind of value it is) and what it does."""

    unit: str
    says: str


SECTIONS: Mapping[str, str] = {
    "": "Places; a relative one is taken from the folder of this file.",
    "organisation": "Who writes.",
    "relay": "Where mail leaves: a submission service that owns the queues to the world.",
    "intake": "Where replies and reports come in, by LMTP from the MTA in front.",
    "mailbox": (
        "Mailboxes that mail is fetched from, where LMTP does not reach us. What is fetched goes through the same intake and "
        "counts once, however often it is read."
    ),
    "imap": "A mailbox on another machine. Nothing in it is ever deleted.",
    "work": "How much one machine does at once.",
    "hours": "When nobody is written to, each by the clock of their own zone. Letters, which answer somebody, go at any hour.",
    "authentication": "Where DNS answers come from when a reply's signature is checked.",
}

MEANINGS: Mapping[str, Meaning] = {
    "data": Meaning("folder", "Data of the embedded database. Not used when DATABASE_URL names a server."),
    "keys": Meaning(
        "folder",
        "Master epochs, token keys, the DKIM key and the database logins; mode 0700. Back it up apart from the database: "
        "each is useless without the other.",
    ),
    "organisation.name": Meaning("text", "The organisation's name as people read it in mail and reports."),
    "organisation.domain": Meaning("domain", "The domain that From addresses are in."),
    "organisation.time_zone": Meaning("IANA zone", "The zone of reports, and of people whose own is unknown."),
    "organisation.language": Meaning("BCP 47", "The language used for people whose own has no body."),
    "relay.host": Meaning("host or address", "The relay's host."),
    "relay.port": Meaning("TCP port", "The relay's port."),
    "relay.ehlo_name": Meaning("domain", "The name we greet the relay with."),
    "relay.tls": Meaning(
        "none, starttls or implicit",
        "How the line to the relay is protected: not at all (a relay on this machine), by STARTTLS, or from the first octet on. "
        "Chain and name are verified; a relay that does not begin TLS gets nothing.",
    ),
    "relay.ca_file": Meaning(
        "file", "The authorities that the relay's certificate may come from. Empty: the system's."
    ),
    "relay.user": Meaning(
        "text",
        "Who we are to the relay (AUTH); the password is the file relay-password in the key folder, mode 0600, and is said only "
        "behind TLS or to this machine. Empty: the relay knows us by our address.",
    ),
    "relay.bounce_domain": Meaning(
        "domain", "The domain of envelope senders; its MX has to hand reports back to the intake."
    ),
    "relay.dkim_domain": Meaning("domain", "The domain that signs (d=); it has to align with the domain in From."),
    "relay.dkim_selector": Meaning("DNS label", "The selector (s=); the key is dkim-<selector>.pem in the key folder."),
    "relay.dkim_second_selector": Meaning(
        "DNS label",
        "A second key that signs as well, such as Ed25519 beside RSA; slower than one. Empty: one signature.",
    ),
    "relay.spf_mechanisms": Meaning(
        "SPF mechanisms",
        "From where the relay sends to the world, as SPF says it: “ip4:192.0.2.1 ip6:2001:db8::1”. `postmuster dns` prints it; "
        "nothing else uses it.",
    ),
    "relay.signs": Meaning("true or false", "The relay signs (DKIM), with a key of its own; we then do not."),
    "relay.sign_in_batches": Meaning(
        "true or false",
        "Sign eight mails at once where the extra `ifma` is installed and the processor can; else no matter.",
    ),
    "relay.connections": Meaning("connections", "How many connections one worker keeps to the relay."),
    "relay.max_in_relay": Meaning(
        "messages", "Senders wait while the relay holds this many: no stop reaches what has left it."
    ),
    "relay.adapter": Meaning(
        "postfix or empty",
        "postfix: a Postfix on this machine is asked what it holds, and told to hold it when a notice is stopped (needs root).",
    ),
    "relay.postfix_config_dir": Meaning("folder", "Its configuration folder. Empty: its own, /etc/postfix."),
    "relay.depth_command": Meaning(
        "command", "Prints how many of our messages the relay holds; run once a second, without a shell. Empty: none."
    ),
    "relay.rate_per_s": Meaning(
        "messages a second",
        "What the relay is known to send on, where nothing can be asked: senders go no faster. 0: not known, and then a stop "
        "cannot see into the relay.",
    ),
    "relay.hold_command": Meaning(
        "command",
        "Tells the relay to hold a notice that is stopped, run without a shell: {notice} is its id (n12, or all), {sender} how "
        "its envelope senders begin (b-n12-, or b-). Empty: none.",
    ),
    "relay.release_command": Meaning(
        "command", "Lets it go again when the notice is resumed; the same words. Empty: none."
    ),
    "relay.command_limit_s": Meaning("seconds", "How long one of these commands may take until it is killed."),
    "relay.first_retry_s": Meaning("seconds", "How long a copy that was put off waits for its second try."),
    "relay.give_up_after_s": Meaning("seconds", "How long a copy may be put off until it counts as failed."),
    "intake.host": Meaning("host or address", "Where our LMTP server listens. Only the MTA in front may reach it."),
    "intake.port": Meaning("TCP port", "The port of our LMTP server. 0: any free one, for rehearsals."),
    "intake.domain": Meaning("domain", "The domain of reply addresses."),
    "intake.mx_host": Meaning(
        "host", "The MTA in front, which takes replies and reports from the world. `postmuster dns` prints it as MX."
    ),
    "intake.reply_local_part": Meaning(
        "local part",
        "The local part of reply addresses, before the separator: at most 24 of a-z, 0-9, dot, dash, underscore.",
    ),
    "intake.subaddress_separator": Meaning(
        "one of + - = _ .", "What separates local part and token (RFC 5233; Postfix: recipient_delimiter)."
    ),
    "intake.authserv_id": Meaning(
        "authserv-id",
        "Whose Authentication-Results fields are believed (RFC 8601): the name under which our own border MTA writes them. "
        "Empty: nobody's.",
    ),
    "intake.more_authserv_ids": Meaning(
        "authserv-ids",
        "Further names under which servers of ours write such fields. The border MTA has to take fields with any of these names "
        "off what comes from outside.",
    ),
    "intake.internal_hops": Meaning(
        "servers",
        "Our own servers that mail passes before it comes to the intake, by address or range (192.0.2.0/28): what they wrote in "
        "the header is believed. Only servers: never a range with people's machines in it. A reply that one of them took from "
        "somebody logged in (Received: with ESMTPA or ESMTPSA) counts as surely the author's, so only servers that let everybody "
        "write in their own name alone belong here. The server in front of the intake is named by the host name it writes, only "
        "where it lets people in like that. Domains behind an entry say for whose authors it holds (192.0.2.9 agency.example); "
        "without, for all.",
    ),
    "intake.trusted_sealers": Meaning(
        "domains",
        "Whose ARC seals (RFC 8617) are believed: mailing lists and gateways that change mail on its way and say honestly what "
        "they had found before.",
    ),
    "intake.max_message_octets": Meaning("octets", "The largest mail that is taken in; offered as SIZE."),
    "intake.token_days": Meaning("days", "How long the token in a reply address is valid."),
    "mailbox.maildir": Meaning(
        "folder", "A Maildir that is emptied: what is in new is taken and then moved to cur as seen. Empty: none."
    ),
    "mailbox.every_s": Meaning("seconds", "How often mailboxes are looked at; `postmuster reply fetch` looks at once."),
    "mailbox.late_after_s": Meaning(
        "seconds", "`postmuster check` warns when the oldest mail that is not taken is older than this."
    ),
    "imap.host": Meaning("host", "The mailbox's server. Empty: none."),
    "imap.port": Meaning("TCP port", "Its port: 993 for implicit TLS, 143 for STARTTLS."),
    "imap.tls": Meaning(
        "implicit, starttls or none",
        "How the line is protected. Chain and name are verified. none: a server on this machine only, for the password is said.",
    ),
    "imap.ca_file": Meaning(
        "file", "The authorities that the server's certificate may come from. Empty: the system's."
    ),
    "imap.user": Meaning(
        "text", "Who we are to the server; the password is the file imap-password in the key folder, mode 0600."
    ),
    "imap.folder": Meaning("folder of the mailbox", "What is taken: everything in it, from the first mail on."),
    "imap.when_taken": Meaning(
        "seen, move or leave",
        "What is done with a mail once it is committed here: it is marked as seen, moved to imap.taken_folder, or left as it is.",
    ),
    "imap.taken_folder": Meaning(
        "folder of the mailbox", "Where it is moved to; it has to be there, and the server has to offer MOVE."
    ),
    "imap.timeout_s": Meaning("seconds", "How long the server may be silent."),
    "work.workers": Meaning("processes", "Worker processes on this machine; one a core is right."),
    "work.batch_rows": Meaning("rows", "Deliveries that a sender claims at a time."),
    "work.lease_s": Meaning(
        "seconds", "How long claimed work stays claimed by a process that shows no sign of life; machine time."
    ),
    "work.digest_batch_rows": Meaning("rows", "Replies that a digest loop claims at a time."),
    "work.letter_window_s": Meaning(
        "seconds", "At most one letter of a kind goes to an address within this time (RFC 3834 §2)."
    ),
    "work.case_claim_s": Meaning(
        "seconds",
        "How long a case stays with the officer who claimed it, and how long whoever decided it may take that back alone.",
    ),
    "work.start_within_hours": Meaning(
        "hours",
        "No copy is sent for the first time later than this after the release of its round, unless the notice names a moment of "
        "its own; at most 8760.",
    ),
    "hours.quiet_from": Meaning(
        "HH:MM", "Nobody is written to from this time of the day on. Empty: no quiet hours a day."
    ),
    "hours.quiet_until": Meaning(
        "HH:MM",
        "Until this time, on the next day where it is the earlier one. Empty, or the same as quiet_from: no quiet hours a day.",
    ),
    "hours.quiet_days": Meaning(
        "list of weekdays",
        "Nobody is written to on these days, from midnight to midnight; at most six. []: no quiet days.",
    ),
    "authentication.zone_file": Meaning(
        "file", "A JSON file of TXT records instead of DNS, for closed networks and rehearsals. Empty: DNS."
    ),
    "authentication.resolver": Meaning("address or address:port", "The DNS server to ask. Empty: the system's own."),
    "authentication.timeout_s": Meaning("seconds", "How long one DNS answer is waited for."),
}


def defaults() -> Iterator[tuple[str, Any]]:
    """Every setting's key, in the order of the file, with its default."""
    yield from _defaults(Settings(Path("postmuster.toml")), "")


def file_text(given: Mapping[str, Any]) -> str:
    """The settings file with a comment on every key; `given` replaces defaults by key (`relay.host`)."""
    values = dict(defaults()) | dict(given)
    lines = _comment("The settings of postmuster. Each key is explained; a key that is not known is refused.")
    for section, says in SECTIONS.items():
        lines += ["", *_comment(says), *([f"[{section}]"] if section else [])]
        for key in (key for key in values if _section(key) == section):
            meaning = MEANINGS[key]
            lines += [*_comment(f"{meaning.says} ({meaning.unit})"), f"{key.rpartition('.')[2]} = {_toml(values[key])}"]
    return "\n".join(lines) + "\n"


def page_text() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "`postmuster init` writes `postmuster.toml` with a comment on every key. A command finds it by the environment",
        "variable `POSTMUSTER_SETTINGS`, or in the folder it is called from. A key that is not in these tables is refused.",
        "This page is made from `postmuster/settings/reference.py`; a test compares the two.",
    ]
    values = dict(defaults())
    for section, says in SECTIONS.items():
        lines += ["", f"## `[{section}]`" if section else "## At the top of the file", "", says, ""]
        lines += ["| key | unit | default | meaning |", "| --- | --- | --- | --- |"]
        for key in (key for key in values if _section(key) == section):
            meaning = MEANINGS[key]
            lines.append(f"| `{key}` | {meaning.unit} | `{_toml(values[key])}` | {meaning.says} |")
    lines += ["", "## From the environment", "", "| variable | meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {says} |" for name, says in ENVIRONMENT.items()]
    lines += ["", *_OWN_SERVER]
    return "\n".join(lines) + "\n"


_OWN_SERVER = (
    "## A database server of your own",
    "",
    "The login in `DATABASE_URL` needs CREATEROLE and CREATEDB, or is a superuser. Three roles are made: `postmuster_owner`",
    "(migrations), `postmuster_application` and `postmuster_intake`; their logins stand in `database.json` in the key folder.",
    "Leave `fsync`, `full_page_writes` and `synchronous_commit` on. So that the server's log repeats nobody's address, set",
    "",
    "```",
    "log_min_messages = log                   # the first line of an ERROR quotes the value that did not fit",
    "log_min_error_statement = panic",
    "log_error_verbosity = terse",
    "log_statement = none",
    "log_min_duration_statement = -1",
    "log_parameter_max_length_on_error = 0",
    "```",
    "",
    "`postmuster check` says which of these do not hold.",
)

ENVIRONMENT: Mapping[str, str] = {
    "POSTMUSTER_SETTINGS": "The settings file. Default: `postmuster.toml` in the working folder.",
    "POSTMUSTER_ROLE": "The database role of a process: `application` (default), `intake` or `owner`.",
    "POSTMUSTER_CLOCK": "The file of a clock that is moved by hand, for rehearsals. Default: the machine's time.",
    "DATABASE_URL": "A PostgreSQL server (15 or later) instead of the embedded one; its login makes roles and database.",
}


def _defaults(shape: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    fields = [field.name for field in dataclasses.fields(shape) if field.name != "file"]
    plain = [name for name in fields if not dataclasses.is_dataclass(getattr(shape, name))]
    for name in plain:
        yield f"{prefix}{name}", getattr(shape, name)
    for name in (name for name in fields if name not in plain):
        yield from _defaults(getattr(shape, name), f"{prefix}{name}.")


def _section(key: str) -> str:
    return key.rpartition(".")[0]


def _comment(text: str) -> list[str]:
    lines, line = [], "#"
    for word in text.split():
        if len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = "#"
        line += f" {word}"
    return [*lines, line]


def _toml(value: Any) -> str:
    # A JSON string is a TOML basic string, and a JSON number a TOML number.
    return json.dumps(value, ensure_ascii=False)
