"""What an SMTP client submits, what the server offers, and how the two become commands.

What for: the values `smtp.SmtpClient` takes and returns, and the writing of their octets. No state here.

Promises: nothing that passed `fault_before_dialog` can break out of its command or its message: paths hold no white
space, controls or angle brackets, reports' parameters are xtext, message data has no CR or LF but whole CRLF.

Limits: one recipient an envelope, because a delivery is one message to one person.

Sources: RFC 5321, 1870 (SIZE), 3461 (DSN), 6152 (8BITMIME), 6531 (SMTPUTF8), 6533.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

MAX_PATH_OCTETS = 254  # RFC 5321 §4.5.3.1.3: 256 with its angle brackets
MAX_ENVELOPE_ID_OCTETS = 100  # RFC 3461 §4.4, as xtext
MAX_ORIGINAL_RECIPIENT_OCTETS = 500  # RFC 3461 §4.2, as xtext

_PATH = re.compile(
    r'(?:"(?:[^\x00-\x1f\x7f-\x9f\ud800-\udfff"\\]|\\[\x20-\x7e])*+"|[^\x00-\x20\x7f-\xa0\ud800-\udfff<>"\\@]++)'
    r'@[^\x00-\x20\x7f-\xa0\ud800-\udfff<>"\\@]++'
)
_XTEXT = re.compile(r"[!-*,-<>-~]*+")  # what stands in xtext for itself


class Stage(StrEnum):
    """How far the dialog, or a message in it, had come."""

    PREPARE = "prepare"
    GREETING = "greeting"
    EHLO = "ehlo"
    HELO = "helo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    RSET = "rset"
    QUIT = "quit"


class OutcomeKind(StrEnum):
    ACCEPTED = "accepted"
    REFUSED_PERMANENT = "refused_permanent"
    REFUSED_TRANSIENT = "refused_transient"
    NOT_EXECUTED = "not_executed"
    IN_DOUBT = "in_doubt"


class Notify(StrEnum):
    """When the relay should report (RFC 3461 §4.1)."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


class ReturnOf(StrEnum):
    """What of the message a failure report returns (RFC 3461 §4.3)."""

    HEADERS = "HDRS"
    FULL = "FULL"


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where one message goes and where its reports come back to. Addresses without angle brackets."""

    reverse_path: str | None  # None is the null reverse path, for mail that must never be answered by a report
    forward_path: str
    envelope_id: str | None = None
    notify: tuple[Notify, ...] = (Notify.FAILURE, Notify.DELAY)
    return_of: ReturnOf = ReturnOf.HEADERS
    original_recipient: str | None = None  # None: the forward path itself


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message. `reply_code` is None where no reply decided it."""

    kind: OutcomeKind
    reply_code: int | None
    enhanced_status: str | None
    stage: Stage


@dataclass(frozen=True, slots=True)
class Extensions:
    """What the server offers. `size_octets`: None without SIZE, 0 for SIZE without a fixed limit (RFC 1870 §4)."""

    pipelining: bool = False
    eight_bit_mime: bool = False
    smtputf8: bool = False
    enhanced_status_codes: bool = False
    dsn: bool = False
    chunking: bool = False
    starttls: bool = False
    size_octets: int | None = None
    auth: tuple[str, ...] = ()


def read_extensions(lines: tuple[bytes, ...]) -> Extensions:
    """Read the lines of an EHLO answer; what is unknown is passed over. Never raises. Source: RFC 5321 §4.1.1.1."""
    offered: dict[str, list[str]] = {}
    for line in lines[1:]:
        keyword, *parameters = line.decode("ascii", "replace").upper().split() or [""]
        offered[keyword] = parameters
    return Extensions(
        pipelining="PIPELINING" in offered,
        eight_bit_mime="8BITMIME" in offered,
        smtputf8="SMTPUTF8" in offered,
        enhanced_status_codes="ENHANCEDSTATUSCODES" in offered,
        dsn="DSN" in offered,
        chunking="CHUNKING" in offered,
        starttls="STARTTLS" in offered,
        size_octets=_size_limit(offered.get("SIZE")),
        auth=tuple(offered.get("AUTH", ())),
    )


def _size_limit(parameters: list[str] | None) -> int | None:
    if parameters is None:
        return None
    digits = parameters[0] if parameters else ""
    return int(digits) if len(digits) <= 20 and digits.isascii() and digits.isdigit() else 0


def write_xtext(text: str) -> str:
    """Encode ASCII text as xtext. Source: RFC 3461 §4."""
    if _XTEXT.fullmatch(text):
        return text
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)


def _write_original_recipient(address: str) -> str:
    """RFC 3461 §4.2 for ASCII; RFC 6533 §3 utf-8-addr-xtext otherwise, which needs no SMTPUTF8 to travel."""
    if address.isascii():
        return "rfc822;" + write_xtext(address)
    return "utf-8;" + "".join(c if "!" <= c <= "~" and c not in "+=\\" else f"\\x{{{ord(c):02X}}}" for c in address)


def has_only_whole_line_ends(data: bytes) -> bool:
    """Say whether every CR is followed by LF and every LF preceded by CR. Source: RFC 5321 §2.3.8."""
    whole = data.count(b"\r\n")
    return data.count(b"\n") == whole == data.count(b"\r")


def stuff_dots(data: bytes) -> bytes:
    """Return message data as it goes over the wire after 354, the end mark included. Source: RFC 5321 §4.5.2."""
    if data and not data.endswith(b"\r\n"):
        data += b"\r\n"
    if b"\r\n." in data:
        data = data.replace(b"\r\n.", b"\r\n..")
    return (b"." if data.startswith(b".") else b"") + data + b".\r\n"


def fault_before_dialog(envelope: Envelope, data: bytes, *, has_whole_lines: bool = False) -> str | None:
    """Return the enhanced status of what must never reach a wire, or None.

    `has_whole_lines`: whoever wrote the data knows that every CR and LF in it belongs to a CRLF. To look for oneself takes
    10 us for 7 KB, more than everything else that is done to a message here.
    """
    if not _is_path(envelope.forward_path):
        return "5.1.3"
    if envelope.reverse_path is not None and not _is_path(envelope.reverse_path):
        return "5.1.7"
    if envelope.envelope_id is not None and not _is_envelope_id(envelope.envelope_id):
        return "5.5.4"
    return None if has_whole_lines or has_only_whole_line_ends(data) else "5.6.0"


def _is_path(address: str) -> bool:
    if _PATH.fullmatch(address) is None:
        return False
    return (len(address) if address.isascii() else len(address.encode("utf-8"))) <= MAX_PATH_OCTETS


def _is_envelope_id(text: str) -> bool:
    if not (text.isascii() and text.isprintable()):
        return False
    return 0 < 3 * len(text) <= MAX_ENVELOPE_ID_OCTETS or 0 < len(write_xtext(text)) <= MAX_ENVELOPE_ID_OCTETS


def write_commands(envelope: Envelope, data: bytes, extensions: Extensions) -> tuple[bytes, bytes] | str:
    """Write MAIL and RCPT as this server understands them.

    A text instead is the enhanced status of what it cannot take at all: cheaper than a refusal after the data.
    """
    is_ascii = data.isascii()
    needs_smtputf8 = _needs_smtputf8(envelope, data, is_ascii)
    if extensions.size_octets and len(data) > extensions.size_octets:
        return "5.3.4"
    if needs_smtputf8 and not extensions.smtputf8:
        return "5.6.7"
    if not is_ascii and not extensions.eight_bit_mime:
        return "5.6.3"
    mail = f"MAIL FROM:<{envelope.reverse_path or ''}>"
    if extensions.size_octets is not None:
        mail += f" SIZE={len(data)}"
    if not is_ascii:
        mail += " BODY=8BITMIME"
    if needs_smtputf8:
        mail += " SMTPUTF8"
    if extensions.dsn:
        mail += _RETURN[envelope.return_of]
        if envelope.envelope_id is not None:
            mail += " ENVID=" + write_xtext(envelope.envelope_id)
    return mail.encode() + b"\r\n", _rcpt_command(envelope, extensions)


_RETURN = {one: f" RET={one}" for one in ReturnOf}


def _needs_smtputf8(envelope: Envelope, data: bytes, is_ascii: bool) -> bool:
    """RFC 6531 §3.4: for addresses and for fields of the message; its body has 8BITMIME."""
    if not envelope.forward_path.isascii() or not (envelope.reverse_path or "").isascii():
        return True
    if is_ascii:
        return False
    end = data.find(b"\r\n\r\n")
    return not (data if end < 0 else data[:end]).isascii()


def _rcpt_command(envelope: Envelope, extensions: Extensions) -> bytes:
    path = envelope.forward_path
    if not extensions.dsn:
        return f"RCPT TO:<{path}>\r\n".encode()
    notify = ",".join(envelope.notify) or "NEVER"
    original = _write_original_recipient(envelope.original_recipient or path)
    if len(original) > MAX_ORIGINAL_RECIPIENT_OCTETS:
        return f"RCPT TO:<{path}> NOTIFY={notify}\r\n".encode()
    return f"RCPT TO:<{path}> NOTIFY={notify} ORCPT={original}\r\n".encode()
