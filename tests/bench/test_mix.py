"""The mix of replies: exact shares, the same mails again, mails that a parser of another make can read."""

from __future__ import annotations

import email
from collections import Counter
from datetime import UTC, datetime
from email import policy
from pathlib import Path

from postmuster.bench.mix import SHARES, Mix, kind_of
from postmuster.bench.send import Copied
from postmuster.bench.yardsticks import read_spool, write_spool
from postmuster.organisation.people import create_people
from postmuster.organisation.signing import Signing

AT = datetime(2027, 3, 1, 9, tzinfo=UTC)
COPY = (
    b"From: Office <office@agency.example>\r\nTo: x@agency.example\r\nSubject: A test\r\n"
    b"Message-ID: <n1.r1.s1.x@agency.example>\r\nReply-To: reply+t@reply.agency.example\r\n\r\nPlease answer.\r\n"
)


def mails() -> list[bytes]:
    people = create_people(100, 1)
    copies = [Copied(person.person_id, "b-n1-x@bounce.agency.example", COPY) for person in people]
    return [mail.octets for mail in Mix(1, people, Signing(1, ()), notice_no=1, at=AT).mails(copies, 100)]


def test_each_hundred_holds_the_shares_exactly() -> None:
    assert Counter(map(kind_of, range(300, 400))) == dict(SHARES)
    assert sum(share for _, share in SHARES) == 100


def test_the_same_organisation_writes_the_same_mails() -> None:
    assert mails() == mails()


def test_another_parser_finds_reports_documents_and_ends_of_lines_in_order() -> None:
    written = mails()
    parsed = [email.message_from_bytes(octets, policy=policy.default) for octets in written]
    assert sum(message.get_content_type() == "multipart/report" for message in parsed) == 10
    documents = [
        part for message in parsed for part in message.walk() if part.get_content_disposition() == "attachment"
    ]
    assert len(documents) == 5
    assert all(part.get_content().startswith(b"%PDF") for part in documents)
    assert all(octets.replace(b"\r\n", b"").count(b"\n") == 0 for octets in written)


def test_a_spool_gives_back_what_was_written(tmp_path: Path) -> None:
    written = mails()[:7]
    write_spool(tmp_path / "spool", iter(written))
    assert read_spool(tmp_path / "spool") == written
