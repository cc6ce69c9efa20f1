"""Seeds: mails of the simulated organisation, small, a few of every kind, written anew each time from the same dice.

    .venv/bin/python fuzz/seeds.py FOLDER

Nothing here is anybody's mail. Beside whole mails there are their texts and pages, and the containers that mail programs
put in mails, because a fuzzer does not find their first octets by itself.
"""

from __future__ import annotations

import binascii
import hashlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from struct import pack
from typing import Final

from postmuster.mail.message import parse
from postmuster.organisation.dice import Dice
from postmuster.organisation.programs import Draft, programs, write_reply
from postmuster.organisation.received import ReceivedMail
from postmuster.organisation.statements import Ask, state
from postmuster.organisation.truth import Truth
from postmuster.organisation.wording import wording

MAX_SEED_OCTETS: Final = 4_096
NOON: Final = datetime(2024, 3, 5, 12, 0, tzinfo=UTC)
LANGUAGES: Final = ("en", "de", "es", "zh", "ja", "pl", "fr")
ASKED: Final = (
    (Ask("acknowledge"), Truth.YES),
    (Ask("election", ("Resign", "Stay")), Truth.RESIGN),
    (Ask("report", (), 3), Truth.REPORT),
    (Ask("acknowledge"), Truth.QUESTION),
)
TEXT: Final = (
    "Dear colleague,\n\nplease reply with the word Resign, alone on the first line, until 6 March.\n\nAda Drafter\n"
)
MAIL: Final = ReceivedMail(
    from_name="Office of Staff Affairs",
    from_address="staff@muster.example",
    to="Jana Muster <jana@agency.example>",
    reply_address="r-token@muster.example",
    subject="An offer",
    date=NOON,
    message_id="<n1.r1.s2.x@muster.example>",
    references="<n1.r1.s2.x@muster.example>",
    text=TEXT,
    html="".join(f"<p>{paragraph}</p>" for paragraph in TEXT.split("\n\n")),
)
REPORT: Final = b"""From: MAILER-DAEMON@mx.agency.example
To: b-n1-token@muster.example
Subject: Undelivered Mail Returned to Sender
Return-Path: <>
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary=r

--r

<jana@agency.example>: 550 5.1.1 User unknown
--r
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.agency.example

Final-Recipient: rfc822; jana@agency.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <jana@agency.example>: User unknown

--r
Content-Type: message/rfc822

Message-ID: <n1.r1.s2.x@muster.example>
Subject: An offer

--r--
"""
AWAY: Final = (
    b"From: jana@agency.example\nSubject: Out of office: An offer\nAuto-Submitted: auto-replied\n"
    b"\nBack on 14 March 2024.\n"
)
DIALOG: Final = (
    b"LHLO mx.agency.example\r\nMAIL FROM:<jana@agency.example> SIZE=12\r\nRCPT TO:<r-token@muster.example>\r\n"
    b"DATA\r\n\x1eSubject: x\r\n\r\nYES\r\n.\r\nBDAT 3 LAST\r\nYESQUIT\r\n"
)
ANSWERS: Final = (
    b"220 r.example\r\n\x1e250-r.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
    b"\x1e250 2.1.0 Ok\r\n354 Go\r\n421 4.3.2 x\r\n"
)


def _tnef() -> bytes:
    def attribute(name: int, value: bytes) -> bytes:
        return pack("<BII", 2, name, len(value)) + value + pack("<H", sum(value) & 0xFFFF)

    named = pack("<IHHII", 1, 0x1F, 0x3707, 1, 12) + "a.docx".encode("utf-16-le")
    return (
        pack("<IH", 0x223E9F78, 1)
        + attribute(0x00069002, b"\0" * 14)
        + attribute(0x0006800F, b"content")
        + attribute(0x00069005, named)
        + attribute(0x00069003, pack("<IHHII", 1, 0x1E, 0x1000, 1, 4) + b"YES\0")
    )


def _cms() -> bytes:
    def der(tag: int, content: bytes) -> bytes:
        return bytes((tag, len(content))) + content

    within = der(0x30, der(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01") + der(0xA0, der(0x04, b"\n\nYES")))
    data = der(0x30, der(0x02, b"\1") + der(0x31, b"") + within)
    return der(0x30, der(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02") + der(0xA0, data))


def _containers() -> Iterator[bytes]:
    tnef, cms = _tnef(), _cms()
    yield tnef
    yield cms
    head = b"From: jana@agency.example\nContent-Transfer-Encoding: base64\nContent-Type: "
    yield head + b"application/ms-tnef; name=winmail.dat\n\n" + binascii.b2a_base64(tnef)
    yield head + b"application/pkcs7-mime; smime-type=signed-data\n\n" + binascii.b2a_base64(cms)
    yield b"Subject: =?utf-8?q?a?=\n\nYES\nbegin 644 a.txt\n#6453\n`\nend\n"
    signature = b"-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----\n"
    yield b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nYES\n" + signature


def seeds() -> list[bytes]:
    """Return the seeds: each once, none above `MAX_SEED_OCTETS`."""
    found: list[bytes] = [REPORT, AWAY, DIALOG, ANSWERS, *_containers()]
    for number, program in enumerate(programs()):
        words = wording(LANGUAGES[number % len(LANGUAGES)])
        asked, truth = ASKED[number % len(ASKED)]
        dice = Dice("fuzz", program.name, number)
        said, _ = state(truth, asked, words, dice, "Jana Muster")
        draft = Draft(
            name="Jana Muster",
            address="jana@agency.example",
            domain="agency.example",
            title=dice.pick(words.titles),
            component="Office of Water",
            language=words,
            at=NOON,
            said=said,
            mail=MAIL,
            to="r-token@muster.example",
            disclaimer=dice.pick(("", "own", "bottom")),
        )
        raw = write_reply(program, draft, dice)
        message = parse(raw)
        found += [raw, message.text.encode(), (message.html or "").encode(), message.header_from.encode()]
    return list(dict.fromkeys(seed[:MAX_SEED_OCTETS] for seed in found if seed))


def write_seeds(folder: Path) -> int:
    """Write each seed to a file named after its hash; return how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    made = seeds()
    for seed in made:
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    return len(made)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Name the folder for the seeds: fuzz/seeds.py FOLDER")
    print(f"{write_seeds(Path(sys.argv[1]))} seeds")
