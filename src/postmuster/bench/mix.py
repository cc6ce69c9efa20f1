"""The replies that reading is measured with: the organisation's mix.

Of each 100: 60 plain or HTML replies (as the person's own mail program writes them, which mostly quotes; a third with
the quote taken out), 15 that quote our mail in full, 10 automatic (absence notes), 10 delivery reports, 5 with an
attachment. Half of the domains sign, as in the rehearsal.

Each is about the very copy that its person got, and is written by the simulated organisation, which shares no code with
the reader. On the way it gathers the trace fields of one to four mail systems, as real mail does; with them the median is
about 6 KB. The same people and copies give the same mails, octet for octet.
"""

from __future__ import annotations

import re
import zlib
from base64 import encodebytes
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Final

from postmuster.bench.send import Copied
from postmuster.organisation.behaviour import Act, Occasion
from postmuster.organisation.correspondence import Correspondence, field_address
from postmuster.organisation.dice import Dice
from postmuster.organisation.people import Person, ascii_domain
from postmuster.organisation.post import Held
from postmuster.organisation.programs import Draft, choose_program, programs, write_reply
from postmuster.organisation.received import read_received
from postmuster.organisation.reports_dsn import STYLE_OF_AGENCY
from postmuster.organisation.signing import Signing
from postmuster.organisation.statements import Ask, state
from postmuster.organisation.truth import Expected, Kind, Outcome, Truth
from postmuster.organisation.wording import wording
from postmuster.organisation.world import Outgoing

SHARES: Final = (("reply", 60), ("quoting", 15), ("automatic", 10), ("report", 10), ("attachment", 5))
"""Of 100 mails, in this order."""
SAID: Final = (
    (Truth.YES, 66), (Truth.YES_VARIANT, 20), (Truth.QUESTION, 6), (Truth.NOT_MINE, 4), (Truth.UNCLEAR, 4),
)  # fmt: skip
ATTACHED_OCTETS: Final = (12_000, 45_000)
UNQUOTED: Final = 0.35  # of the plain and HTML replies
ASK: Final = Ask("acknowledge")
FIELD_END: Final = re.compile(rb"\r\n(?![ \t])")
MOST_HOPS: Final = 4  # mail systems on the way
MOST_FILTER_LINES: Final = 20  # what their filters leave
_EXPECTED: Final = Expected(Kind.REPLY, Outcome.COUNTED)


def kind_of(number: int) -> str:
    """Which of the five kinds the mail of this number is: each run of 100 holds the shares exactly, well mixed."""
    place = number * 37 % 100  # 37 and 100 share no factor: a walk through all places
    for kind, share in SHARES:
        place -= share
        if place < 0:
            return kind
    return SHARES[0][0]


class Mix:
    """Writes the replies of one organisation to one notice."""

    def __init__(self, seed: int, people: Sequence[Person], signing: Signing, *, notice_no: int, at: datetime) -> None:
        self._seed = seed
        self._people = people
        self._signing = signing
        self._house = Correspondence(seed, people, signing, huge_octets=0, largest=None)
        self._occasion = Occasion(notice_no, ASK, at, at + timedelta(days=7))
        self._quoting = [one for one in programs() if one.form != "text" and "top" in dict(one.place)]

    def mails(self, copies: Sequence[Copied], count: int) -> Iterator[Outgoing]:
        """Write `count` mails; where there are more of them than copies, some people write twice."""
        for number in range(count):
            yield self._mail(number, copies[number % len(copies)])

    def _mail(self, number: int, copied: Copied) -> Outgoing:
        person = self._people[int(copied.person_id.removeprefix("E")) - 1]
        kind = kind_of(number)
        dice = Dice(self._seed, "mix", number)
        at = self._occasion.start + timedelta(hours=1, seconds=dice.below(4 * 86_400))
        if kind in {"automatic", "report"}:
            reverse_path, recipients, octets = self._automatic(kind, person, copied, at, number)
        else:
            reverse_path, recipients, octets = self._reply(kind, person, copied, at, dice)
        return Outgoing(
            mail_no=number + 1,
            at=at,
            reverse_path=reverse_path,
            recipients=recipients,
            octets=_trace(recipients[0], at, dice) + octets,
            truth=kind,
            expected=_EXPECTED,
            person_id=f"{copied.person_id}.{number}",  # spreads mails evenly over the connections
            notice_no=self._occasion.notice_no,
            style=kind,
            message_id="",
        )

    def _automatic(
        self, kind: str, person: Person, copied: Copied, at: datetime, number: int
    ) -> tuple[str | None, tuple[str, ...], bytes]:
        truth, detail = Truth.OUT_OF_OFFICE, (at + timedelta(days=5)).date().isoformat()
        if kind == "report":
            truth = Truth.DELAY_DSN if number % 4 == 0 else Truth.BOUNCE_DSN
            detail = STYLE_OF_AGENCY[person.agency.domain]
        packer = zlib.compressobj(zdict=b"")
        held = Held(copied.reverse_path, 1, False, packer.compress(copied.octets) + packer.flush(), b"")
        written = self._house.write(self._occasion, Act(at, person.number, 1, number, truth, detail), held, {})
        return written.reverse_path, written.recipients, written.octets

    def _reply(
        self, kind: str, person: Person, copied: Copied, at: datetime, dice: Dice
    ) -> tuple[str | None, tuple[str, ...], bytes]:
        language, mail = wording(person.language), read_received(copied.octets)
        program = choose_program(self._seed, person.number)
        if kind == "quoting" and program not in self._quoting:
            program = dice.pick(self._quoting)
        said, _ = state(dice.weighted(SAID), ASK, language, dice, person.name)
        domain = ascii_domain(person.agency.domain)
        draft = Draft(
            name=person.name, address=field_address(person), domain=domain, title=dice.pick(language.titles),
            component=person.component.rpartition("/")[2], language=language, at=at, said=said, mail=mail,
            to=mail.reply_address,
        )  # fmt: skip
        if kind == "quoting":
            draft = replace(draft, place="top")
        elif dice.chance(UNQUOTED):
            draft = replace(draft, place="none")
        octets = write_reply(program, draft, dice)
        if kind == "attachment":
            octets = _with_attachment(octets, dice)
        return draft.address, (draft.to,), self._signing.sign(octets, domain)


def _with_attachment(octets: bytes, dice: Dice) -> bytes:
    """Put what a mail says beside a document. Source: RFC 2046 §5.1.3."""
    head, _, body = octets.partition(b"\r\n\r\n")
    fields = FIELD_END.split(head)
    content = [field for field in fields if field.lower().startswith(b"content-")]
    others = [field for field in fields if field not in content]
    mark = f"mixed-{dice.hexadecimal(24)}".encode()
    low, high = ATTACHED_OCTETS
    document = encodebytes(b"%PDF-1.7\n" + dice.hexadecimal(64).encode() * ((low + dice.below(high - low)) // 64))
    lines = [
        *others,
        b'Content-Type: multipart/mixed; boundary="' + mark + b'"',
        b"",
        b"--" + mark,
        *content,
        b"",
        body.removesuffix(b"\r\n"),
        b"--" + mark,
        b'Content-Type: application/pdf; name="form.pdf"',
        b"Content-Transfer-Encoding: base64",
        b'Content-Disposition: attachment; filename="form.pdf"',
        b"",
        document.replace(b"\n", b"\r\n") + b"--" + mark + b"--",
        b"",
    ]
    return b"\r\n".join(lines)


def _trace(recipient: str, at: datetime, dice: Dice) -> bytes:
    """What mail systems on the way write on top of a mail: trace and filter fields. Source: RFC 5321 §4.4."""
    lines = [f"Return-Path: <relay.{dice.hexadecimal(8)}@example.net>"]
    for hop in range(1 + dice.below(MOST_HOPS)):
        moment = format_datetime(at + timedelta(seconds=2 * (MOST_HOPS - hop)))
        lines += [
            f"Received: from mx{hop + 1}.example.net (mx{hop + 1}.example.net [192.0.2.{10 + hop}])",
            " (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519)",
            f" by mx{hop}.example.net (Postfix) with ESMTPS id {dice.hexadecimal(12)}",
            f" for <{recipient}>; {moment}",
        ]
    lines += [
        f"X-Filter-Report: CIP:192.0.2.{dice.below(250)}; CTRY:; LANG:en; SCL:1; SRV:; IPV:NLI; SFV:NSPM; H:mx2.example.net;",
        f" PTR:; CAT:NONE; SFS:({dice.below(10**8)})({dice.below(10**8)})({dice.below(10**8)}); DIR:INB;",
        "X-Filter-Payload: " + dice.hexadecimal(64),
        *(f" {dice.hexadecimal(72)}" for _ in range(dice.below(MOST_FILTER_LINES))),
        f"X-Network-Message-Id: {dice.hexadecimal(32)}",
        "X-Spam-Status: No, score=-1.9 required=5.0 tests=[BAYES_00=-1.9]",
    ]
    return "\r\n".join([*lines, ""]).encode()
