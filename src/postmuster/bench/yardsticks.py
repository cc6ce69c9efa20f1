"""What our rates are held beside: the speed of this machine at what cannot be avoided, and of what people write today.

Each yardstick runs in processes of its own, before and after what it measures, while nothing else runs:
`python -m postmuster.bench.yardsticks NAME SECONDS …`.

- `rsa`: RSA-2048 signatures (PKCS #1 v1.5, SHA-256) by the library that signs for us, one process a core, summed.
- `naive PORT WORDS KEY`: a loop as a user writes it, with smtplib, EmailMessage and dkimpy over one connection to the same
  sink, the same text to every recipient by name. One process.
- `email SPOOL`: the standard library's parser with its modern policy, eight fields and all text of each mail, one process
  a core at once, summed. The mails are the very ones that we read.
"""

from __future__ import annotations

import email
import json
import smtplib
import sys
import time
from collections.abc import Callable, Iterator
from email import policy
from email.message import EmailMessage
from email.utils import localtime, make_msgid
from itertools import cycle
from pathlib import Path
from typing import Final

import dkim
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from postmuster.bench import children

RSA_BITS: Final = 2_048
SECONDS: Final = 1.5  # of each yardstick, before and after
FIELDS: Final = ("From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted")
_LENGTH_OCTETS: Final = 4


# ---- asked by whoever measures


def rsa_per_s(seconds: float = SECONDS) -> float:
    """RSA-2048 signatures a second on all cores together."""
    return _summed("rsa", str(seconds))


def naive_per_s(port: int, words: Path, key: Path, seconds: float = SECONDS) -> float:
    """Mails a second that the usual loop signs and hands over; `words` holds text and html as a JSON object."""
    return _summed("naive", str(seconds), str(port), str(words), str(key), copies=1)


def email_default_per_s(spool: Path, seconds: float = SECONDS) -> float:
    """Mails a second that the standard library parses on all cores together."""
    return _summed("email", str(seconds), str(spool))


def _summed(*arguments: str, copies: int | None = None) -> float:
    rates = [float(one["per_s"]) for one in children.at_once("yardsticks", *arguments, copies=copies)]
    return round(sum(rates), 1)


def write_spool(file: Path, mails: Iterator[bytes]) -> None:
    """Write mails one behind the other, each with its length in front."""
    with file.open("wb") as opened:
        for mail in mails:
            opened.write(len(mail).to_bytes(_LENGTH_OCTETS) + mail)


def read_spool(file: Path) -> list[bytes]:
    """Read what `write_spool` wrote."""
    held, mails, at = file.read_bytes(), [], 0
    while at < len(held):
        end = at + _LENGTH_OCTETS + int.from_bytes(held[at : at + _LENGTH_OCTETS])
        mails.append(held[at + _LENGTH_OCTETS : end])
        at = end
    return mails


# ---- the loops themselves


def sign_with_rsa() -> Iterator[None]:
    """Sign something of the length of a header, again and again."""
    key = rsa.generate_private_key(65_537, RSA_BITS)
    scheme, digest = padding.PKCS1v15(), SHA256()
    text = b"x" * 1_000
    while True:
        key.sign(text, scheme, digest)
        yield


def send_naively(port: str, words: str, key: str) -> Iterator[None]:
    """Build, sign and send mail after mail, as the tutorials of the three libraries show it."""
    wording = json.loads(Path(words).read_text(encoding="utf-8"))
    pem = Path(key).read_bytes()
    with smtplib.SMTP("127.0.0.1", int(port)) as server:
        number = 0
        while True:
            number += 1
            message = EmailMessage()
            message["From"] = "Office of Staff Affairs <staff-affairs@agency.example>"
            message["To"] = f"Person {number} <person.{number}@rivers.agency.example>"
            message["Subject"] = "Test of our mail: did this reach you?"
            message["Date"] = localtime()
            message["Message-ID"] = make_msgid(domain="agency.example")
            message["Reply-To"] = f"reply+{number}@reply.agency.example"
            message.set_content(wording["text"].replace("{name}", f"Person {number}"))
            message.add_alternative(wording["html"].replace("{name}", f"Person {number}"), subtype="html")
            octets = message.as_bytes(policy=policy.SMTP)
            signature = dkim.sign(octets, b"pm1", b"agency.example", pem)
            server.sendmail(
                f"bounce+{number}@bounce.agency.example",
                f"person.{number}@rivers.agency.example",
                signature + octets,
            )
            yield


def parse_with_email(spool: str) -> Iterator[None]:
    """Parse replies with the standard library, and read what a reader of replies needs."""
    for octets in cycle(read_spool(Path(spool))):
        try:
            message = email.message_from_bytes(octets, policy=policy.default)
            for name in FIELDS:
                str(message[name])
            for part in message.walk():
                if part.get_content_maintype() == "text":
                    part.get_content()
        except (LookupError, ValueError, AttributeError, TypeError):
            pass  # it does not read all mail that exists; what it took until then counts
        yield


LOOPS: Final[dict[str, Callable[..., Iterator[None]]]] = {
    "rsa": sign_with_rsa,
    "naive": send_naively,
    "email": parse_with_email,
}


def main(name: str, seconds: str, *arguments: str) -> None:
    """Warm up, say `ready`, wait for a word, turn for the time given, say how often a second."""
    turns = LOOPS[name](*arguments)
    next(turns)
    print("ready", flush=True)
    sys.stdin.readline()
    began = now = time.monotonic()
    count = 0
    while now - began < float(seconds):
        next(turns)
        count += 1
        now = time.monotonic()
    print(json.dumps({"per_s": count / (now - began)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
