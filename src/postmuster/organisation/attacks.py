"""Attacks and accidents: mails that are broken, huge or pretend to be from somebody else.

What for: some of what comes back is hostile or was mangled on the way. Nothing of it may be lost, stop a reader or
count as an answer nobody gave.

Promises: pure. A broken mail still carries From, To, Subject, Date and a Message-ID of its own in the first lines, and
its text says what the person meant, so that a reader that gets through it may count it.
Limits: the long line has two million octets, the nesting 10,000 levels; both are left out when they would exceed the
size limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from postmuster.organisation.dice import Dice
from postmuster.organisation.encoding import encoded_words, mailbox

LONG_LINE_OCTETS = 2_000_000
NESTED_PARTS = 10_000
FILLING_LINE = b"A" * 76 + b"\r\n"
TOKEN_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"  # noqa: S105 - RFC 4648 base32, as reply addresses use
BROKEN = (
    "no_closing_boundary", "no_boundary_parameter", "wrong_boundary", "bad_base64", "unknown_charset", "unknown_transfer",
    "nul_octets", "junk_field", "raw_octets", "bad_date", "long_line", "nested_parts",
)  # fmt: skip
LARGE_FORMS = {"long_line": LONG_LINE_OCTETS + 10_000, "nested_parts": 80 * NESTED_PARTS}


@dataclass(frozen=True, slots=True)
class Plain:
    """The least a mail consists of. Addresses are as fields carry them."""

    name: str
    address: str
    to: str
    subject: str
    at: datetime
    message_id: str
    text: str

    def fields(self) -> bytes:
        """Write the fields, without those of the content."""
        return "".join(
            f"{line}\r\n"
            for line in (
                f"From: {mailbox(self.name, self.address)}",
                f"To: {self.to}",
                f"Subject: {encoded_words(self.subject)}".replace("\n", "\r\n"),
                f"Date: {format_datetime(self.at)}",
                f"Message-ID: {self.message_id}",
            )
        ).encode()


def write_plain(plain: Plain) -> bytes:
    """Write a mail as a script does that somebody put together in a minute."""
    return plain.fields() + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + _text(plain)


def write_broken(form: str, plain: Plain) -> bytes:
    """Write a mail that breaks a rule of MIME or of the fields; `form` is one of `BROKEN`."""
    fields, text = plain.fields(), _text(plain)
    head = fields + b"MIME-Version: 1.0\r\n"
    typed = b"Content-Type: text/plain; charset=utf-8\r\n"
    mixed = b'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n'
    match form:
        case "no_closing_boundary":
            return head + mixed + b"--b1\r\n" + typed + b"\r\n" + text
        case "no_boundary_parameter":
            return head + b"Content-Type: multipart/alternative\r\n\r\n" + text
        case "wrong_boundary":
            return head + mixed + b"--b2\r\n" + typed + b"\r\n" + text + b"--b2--\r\n"
        case "bad_base64":
            return head + typed + b"Content-Transfer-Encoding: base64\r\n\r\n!!!" + text + b"=====\r\n"
        case "unknown_charset":
            return head + b"Content-Type: text/plain; charset=x-unheard-of\r\n\r\n" + text
        case "unknown_transfer":
            return head + typed + b"Content-Transfer-Encoding: x-folded\r\n\r\n" + text
        case "nul_octets":
            return head + typed + b"\r\n" + text + b"\r\n\0\0\0 end\0\r\n"
        case "junk_field":
            return fields + b"this line is no field at all\r\n" + typed + b"\r\n" + text
        case "raw_octets":
            return fields + b"X-Name: \xe4\xf6\xfc\xff\r\n" + typed + b"\r\n" + text + b"\xe4\xf6\xfc\xff\r\n"
        case "bad_date":
            return fields.replace(b"Date: ", b"Date: the other day, ") + typed + b"\r\n" + text
        case "long_line":
            return head + typed + b"\r\n" + text + b"\r\n" + b"x" * LONG_LINE_OCTETS + b"\r\n"
        case "nested_parts":
            return head + _nested() + typed + b"\r\n" + text
        case _:
            raise ValueError(f"There is no way called {form} to break a mail.")


def write_huge(plain: Plain, octets: int) -> bytes:
    """Write a mail of a little more than `octets` octets: a text and an attachment."""
    head = (
        plain.fields()
        + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b1"\r\n\r\n--b1\r\n'
        + b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
        + _text(plain)
        + b"--b1\r\nContent-Type: application/octet-stream; name=scan.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    return head + FILLING_LINE * (octets // len(FILLING_LINE) + 1) + b"--b1--\r\n"


def alter_token(address: str, dice: Dice) -> str:
    """Change one character in the second half of a local part, where the token ends, to another that could stand there."""
    local, _, domain = address.rpartition("@")
    half = len(local) // 2
    at = half + dice.below(len(local) - half)
    other = dice.pick([letter for letter in TOKEN_LETTERS if letter != local[at].lower()])
    return f"{local[:at]}{other}{local[at + 1 :]}@{domain}"


def _text(plain: Plain) -> bytes:
    return plain.text.replace("\n", "\r\n").encode() + b"\r\n"


def _nested() -> bytes:
    return b"".join(
        b'Content-Type: multipart/mixed; boundary="n%d"\r\n\r\n--n%d\r\n' % (level, level)
        for level in range(NESTED_PARTS)
    )
