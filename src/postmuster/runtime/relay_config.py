"""The configuration a relay needs, as text: what Postfix has to be told so that it carries our mail both ways.

For whom: the operator (`postmuster relay-config postfix`), and the rehearsal, whose own Postfix is configured with this very
text, so that what an operator gets is what was tried.

What it says. Out: a submission service for us alone, with the limits that are meant for strangers lifted, and nothing that
rewrites signed mail. In: the domains of reply addresses and of envelope senders go to our intake by LMTP; claims about
authentication made under our own name by somebody else are taken off; a mail that is too large is refused at the door, where
its author hears of it at once. Each line has its reason beside it.

Promises: pure; the values follow from the settings alone. Parameters are those of Postfix 3.7; two of them are newer than
3.4 (`regexp:{…}` in line: 3.7, `smtpd_forbid_unauth_pipelining`: 3.5.23, 3.6.13, 3.7.9, 3.8.4).
Limits: no TLS and no login between us and the service; it belongs on the same machine or in a closed network.

Sources: postconf(5), master(5), postsuper(1); RFC 2033 (LMTP), RFC 2920 (pipelining), RFC 3461 (DSN), RFC 8601 §5
(fields that claim to be ours).
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from postmuster.mail.lmtp import MAX_RECIPIENTS
from postmuster.settings import Settings

TRANSPORT: Final = "postmuster"
OWN_SMTP_PORT: Final = 25  # where Postfix takes mail from the world: not the place for a service without limits
OTHER_PORT: Final = 2587
HEADROOM_OCTETS: Final = 65_536  # what an MTA and its filters write on top of a mail: Received, results, seals
ACTIVE_LIMIT: Final = 20_000  # Postfix's default of qmgr_message_active_limit
SOFT_ERRORS, HARD_ERRORS, JUNK_COMMANDS = 1_000, 10_000, 10_000
INTAKE_CONNECTIONS: Final = 20
LOST_CONNECTIONS: Final = 10
_WIDTH: Final = 100
_MAIN_TITLE: Final = "# ---- /etc/postfix/main.cf: add these lines; where a parameter is there already, join the two."
_MASTER_TITLE: Final = (
    "# ---- /etc/postfix/master.cf: add these services; then run `postfix check` and `postfix reload`."
)
_HOLD_TITLE: Final = "# ---- To hold one notice in the queue of this relay"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter and why it has this value."""

    name: str
    value: str
    why: str

    def line(self) -> str:
        return f"{self.name} = {self.value}".rstrip()


@dataclass(frozen=True, slots=True)
class Service:
    """One service of master.cf: its eight columns, what it is told, and what it is for."""

    columns: str
    options: tuple[Parameter, ...]
    why: str


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """What a relay has to be told."""

    main: tuple[Parameter, ...]
    services: tuple[Service, ...]
    hold: tuple[str, ...]

    def main_text(self) -> str:
        """The lines of main.cf."""
        return "\n\n".join(f"{_comment(one.why)}\n{one.line()}" for one in self.main) + "\n"

    def services_text(self) -> str:
        """The lines of master.cf. A comment may stand between the lines of a service: master(5)."""
        return "\n\n".join(map(_service_text, self.services)) + "\n"

    def hold_text(self) -> str:
        """How to hold one notice, as comments and commands."""
        return "\n".join(self.hold) + "\n"

    def text(self) -> str:
        """Everything, as it is printed."""
        parts = (
            (_MAIN_TITLE, self.main_text()),
            (_MASTER_TITLE, self.services_text()),
            (_HOLD_TITLE, self.hold_text()),
        )
        return "\n".join(f"{title}\n\n{body}" for title, body in parts)


def submission_port(settings: Settings) -> int:
    """Where our service listens; never Postfix's own port 25."""
    return OTHER_PORT if settings.relay.port == OWN_SMTP_PORT else settings.relay.port


def postfix(settings: Settings) -> RelayConfig:
    """Write the configuration for Postfix."""
    main = (*_way_in(settings), *_claims(settings), *_queue(settings))
    return RelayConfig(main, (_submission(settings), _delivery(settings)), _hold(settings))


def _way_in(settings: Settings) -> tuple[Parameter, ...]:
    intake, bounce = settings.intake, settings.relay.bounce_domain
    domains = tuple(dict.fromkeys((intake.domain, bounce)))
    where = f"{TRANSPORT}:inet:{_bracketed(intake.host)}:{intake.port}"
    routes = ", ".join(f"{{ {domain} = {where} }}" for domain in domains)
    return (
        Parameter(
            "relay_domains",
            ", ".join(domains),
            "Mail for reply addresses and reports to envelope senders is ours to take.",
        ),
        Parameter("transport_maps", f"inline:{{ {routes} }}", "Both go to Postmuster's intake, by LMTP."),
        Parameter(
            "relay_recipient_maps",
            "",
            "No list of recipients: an address with a damaged token was typed by a person, and a person has to see it. What "
            "names no delivery is kept apart by the intake and never answered.",
        ),
        Parameter(
            "recipient_delimiter",
            intake.subaddress_separator,
            "What separates local part and token in reply addresses. If aliases are used for the reply domain, the token stays "
            "only with this.",
        ),
        Parameter(
            "message_size_limit",
            str(intake.max_message_octets - min(HEADROOM_OCTETS, intake.max_message_octets // 10)),
            f"The intake refuses above {intake.max_message_octets} octets (552 5.3.4). This is less by what is written on top of "
            "a mail on its way, so that the author is refused in the dialog and Postfix need not send a report. "
            "mailbox_size_limit and virtual_mailbox_limit must be 0 or larger than this, or local delivery stops.",
        ),
        Parameter(
            f"{TRANSPORT}_destination_recipient_limit",
            str(MAX_RECIPIENTS),
            "A mail to several of our addresses arrives as one mail; the intake takes so many recipients.",
        ),
        Parameter(
            f"{TRANSPORT}_destination_concurrency_limit",
            str(INTAKE_CONNECTIONS),
            "Connections to the intake at once. It commits the mails of all connections together; more bring nothing.",
        ),
        Parameter(
            f"{TRANSPORT}_destination_concurrency_failed_cohort_limit",
            str(LOST_CONNECTIONS),
            "With the default of 1 one lost connection, as when the intake is restarted, would put off everything that waits.",
        ),
    )  # fmt: skip


def _claims(settings: Settings) -> tuple[Parameter, ...]:
    names = [name for name in (settings.intake.authserv_id, *settings.intake.more_authserv_ids) if name]
    if not names:
        return ()
    pattern = "|".join(re.sub(r"([^A-Za-z0-9_-])", r"\\\1", name) for name in names)
    if len(names) > 1:
        pattern = f"({pattern})"
    return (
        Parameter(
            "header_checks",
            # $$ stands for $: main.cf expands what follows a single one.
            f'regexp:{{ {{ /^Authentication-Results:[[:space:]]*"?{pattern}"?([[:space:];(\\/]|$$)/ IGNORE }} }}',
            f"Postmuster believes results signed with the name {' or '.join(names)}. Whoever else writes it is lying: the "
            "field is taken off (RFC 8601 §5). Filters (milters) write theirs afterwards. If a content filter hands mail back to "
            "Postfix, its service needs `-o receive_override_options=no_header_body_checks`.",
        ),
    )  # fmt: skip


def _queue(settings: Settings) -> tuple[Parameter, ...]:
    most = settings.relay.max_in_relay
    lifetime = f"{settings.relay.give_up_after_s}s"
    return (
        Parameter(
            "delay_warning_time",
            "4h",
            "We ask to be told of delays (NOTIFY=DELAY). The default, 0, tells nobody. It holds for all mail of this relay.",
        ),
        Parameter("maximal_queue_lifetime", lifetime, "As long as relay.give_up_after_s in postmuster.toml."),
        Parameter("bounce_queue_lifetime", lifetime, "The same for reports and for letters, which have no envelope sender."),
        Parameter(
            "qmgr_message_active_limit",
            str(max(ACTIVE_LIMIT, 2 * most)),
            "At least twice relay.max_in_relay, so that mail of others gets its turn while ours is many.",
        ),
        Parameter(
            "enable_long_queue_ids",
            "yes",
            "A queue id is never used again, so that holding by queue id cannot meet another mail.",
        ),
        Parameter("smtputf8_enable", "yes", "Addresses outside ASCII are taken and passed on (RFC 6531)."),
    )  # fmt: skip


def _submission(settings: Settings) -> Service:
    relay, port = settings.relay, submission_port(settings)
    moved = ""
    if port != relay.port:
        moved = f" Port {relay.port} is Postfix's own, open to the world: set relay.port = {port} in postmuster.toml."
    return Service(
        f"{_bracketed(relay.host)}:{port} inet n - n - - smtpd",
        (*_who_may(settings), *_limits(), *_hands_off()),
        f"Out: the service that Postmuster submits to, and nobody else.{moved}",
    )


def _who_may(settings: Settings) -> tuple[Parameter, ...]:
    is_local = _is_loopback(settings.relay.host)
    more = "" if is_local else " Add the addresses of the machines that run Postmuster's workers."
    plain = Parameter(
        "smtpd_tls_security_level", "none", "Mail does not leave the machine here; a handshake would protect nothing."
    )
    return (
        Parameter("syslog_name", "postfix/postmuster-out", "Its lines can be told from others in the log."),
        *((plain,) if is_local else ()),
        Parameter("mynetworks", "127.0.0.0/8,[::1]/128", f"Who may submit: this machine.{more}"),
        Parameter("smtpd_client_restrictions", "permit_mynetworks,reject", "Nobody else, not even with a password."),
        Parameter("smtpd_relay_restrictions", "permit_mynetworks,reject", "We write to anywhere."),
        *(
            Parameter(f"smtpd_{what}_restrictions", "", why)
            for what, why in (
                ("helo", "Nothing of what main.cf asks of strangers: our own machine's name may be unknown to DNS."),
                ("sender", "Our envelope senders are new with every mail; whoever looks them up finds nothing."),
                ("recipient", "What is wrong with a recipient is found out by delivering, once."),
                ("data", "A policy server would be asked once a mail."),
                ("end_of_data", "The same, after the data."),
            )
        ),
    )


def _limits() -> tuple[Parameter, ...]:
    return (
        Parameter(
            "smtpd_error_sleep_time",
            "0",
            "With the defaults 15 refused recipients in one window of 200 cost 16 s of waiting and then the connection (421).",
        ),
        Parameter("smtpd_soft_error_limit", str(SOFT_ERRORS), "The waiting begins here; default 10."),
        Parameter(
            "smtpd_hard_error_limit",
            str(HARD_ERRORS),
            "The connection ends here; default 20, and 1 under stress. Whatever is unanswered then has to be sent again.",
        ),
        Parameter("smtpd_junk_command_limit", str(JUNK_COMMANDS), "We say RSET after each refusal; default 100."),
        Parameter(
            "smtpd_timeout",
            "300s",
            "Under stress the default is 10 s, shorter than a pause between two batches may be.",
        ),
        Parameter(
            "smtpd_forbid_unauth_pipelining",
            "yes",
            "We write ahead only where RFC 2920 allows it. Whoever does otherwise is not us.",
        ),
        Parameter(
            "smtpd_recipient_limit",
            "1",
            "Each mail is one person's. A second recipient would be a mistake, and is refused as one.",
        ),
        Parameter(
            "smtpd_client_connection_count_limit",
            "0",
            "All workers together keep workers × relay.connections open, from one address; default 50.",
        ),
        Parameter("smtpd_client_connection_rate_limit", "0", "They open again what was closed in a pause."),
        Parameter("smtpd_client_message_rate_limit", "0", "Thousands of mails a minute are what this service is for."),
        Parameter("smtpd_client_recipient_rate_limit", "0", "And as many recipients."),
        Parameter("smtpd_discard_ehlo_keywords", "", "PIPELINING, DSN, 8BITMIME, SMTPUTF8 and SIZE are all announced;"),
        Parameter(
            "smtpd_discard_ehlo_keyword_address_maps",
            "",
            "without DSN nobody would be asked for reports (RFC 3461), and a mail that failed later would count as relayed.",
        ),
    )  # fmt: skip


def _hands_off() -> tuple[Parameter, ...]:
    return (
        Parameter(
            "receive_override_options",
            "no_header_body_checks,no_address_mappings,no_milters",
            "The mail is signed: no check may drop a field, no map may change an address, no filter may sign it a second time. "
            "Leave no_address_mappings away if addresses of people are aliases that this machine resolves.",
        ),
        Parameter("local_header_rewrite_clients", "", "Nor may an address in a field be completed or rewritten."),
        Parameter("content_filter", "", "No detour through a filter:"),
        Parameter("smtpd_proxy_filter", "", "neither after the queue nor before it."),
    )  # fmt: skip


def _delivery(settings: Settings) -> Service:
    plain = Parameter(
        "lmtp_tls_security_level", "none", "Mail does not leave the machine here; a handshake would protect nothing."
    )
    options = (
        Parameter("syslog_name", "postfix/postmuster-in", "Its lines can be told from others in the log."),
        *((plain,) if _is_loopback(settings.intake.host) else ()),
        Parameter(
            "lmtp_line_length_limit",
            "0",
            "The default breaks lines longer than 998 octets, and with them the signature that proves who wrote a reply. The "
            "intake takes lines of any length.",
        ),
    )  # fmt: skip
    return Service(
        f"{TRANSPORT} unix - - n - - lmtp", options, "In: the transport that hands mail to Postmuster's intake."
    )


def _hold(settings: Settings) -> tuple[str, ...]:
    say = (
        "The envelope sender of every copy begins with the notice in clear: b-n12-… is notice n12. First stop the notice, so "
        "that no more comes (`postmuster notice stop`); then hold what waits here:"
    )
    return (
        _comment(say),
        hold_command("n12"),
        "",
        _comment("Let it go again:"),
        release_command("n12"),
        "",
        _comment("Or take it out for good. It is then never delivered, and no report says so:"),
        f"{_ids('n12')} | postsuper -d -",
    )


def hold_command(notice: str) -> str:
    """The shell command that holds what waits of one notice; needs root."""
    return f"{_ids(notice)} | postsuper -h -"


def release_command(notice: str) -> str:
    """The shell command that lets it go again."""
    return f"{_ids(notice)} | postsuper -H -"


def _ids(notice: str) -> str:
    # Columns of postqueue(1): queue id with its mark, size, four of the time, sender.
    return f"postqueue -p | awk '$7 ~ /^b-{notice}-/ {{ print $1 }}' | tr -d '*!'"


def _service_text(service: Service) -> str:
    lines = [_comment(service.why), service.columns]
    for option in service.options:
        lines += [*_comment_lines(option.why, "    # "), f"    -o {option.name}={option.value}"]
    return "\n".join(lines)


def _comment(text: str) -> str:
    return "\n".join(_comment_lines(text, "# "))


def _comment_lines(text: str, begin: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=begin, subsequent_indent=begin, break_long_words=False, break_on_hyphens=False
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bracketed(host: str) -> str:
    """An address of IPv6 stands in brackets before a port: postconf(5)."""
    return f"[{host}]" if ":" in host else host
