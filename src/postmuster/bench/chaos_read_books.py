"""What came of one run of `bench chaos-read`: the client's word held against what is kept, and what is kept against its effects.

For whom: `chaos_read` asks when everything was answered and digested.

What is looked for. *Lost*: a mail that was answered 250 and is not kept, octet for octet. *Unread* and *twice read*: a kept
mail with no finding, or with more than one. *Counted twice*: a mail that the client sent again, because the answer to its first
try was lost, and of which both count. *Letters twice*: a second receipt to one person, or a letter that left again. The kept
octets are opened and hashed here, so that no number of ours is believed.

Limits: one run, of a few hundred mails: everything is read into memory.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from postmuster.base import sql
from postmuster.bench import journal
from postmuster.inbound.envelope import TakenMail
from postmuster.ledger import queries as ledger
from postmuster.outbound import queries as book
from postmuster.vault import actions as vault
from postmuster.vault.keyring import Keyring

_MARKS: Final = (
    "SELECT (SELECT coalesce(max(id), 0) FROM inbound_mail), (SELECT coalesce(max(id), 0) FROM outbound_letter)"
)
_KEPT: Final = """
SELECT m.id, m.item_no, count(r.id), count(r.id) FILTER (WHERE r.kind = 'reply' AND r.reason <> 'repeated')
FROM inbound_mail m LEFT JOIN replies_reply r ON r.mail_no = m.id
WHERE m.id > %s GROUP BY m.id, m.item_no
"""
_RECEIPTS: Final = """
SELECT count(*), count(*) - count(DISTINCT (notice_no, person_no)) FROM outbound_letter WHERE id > %s AND kind = 'receipt'
"""
_STANDING: Final = """
SELECT count(*) FROM (
  SELECT FROM replies_answer WHERE state IN ('counted', 'needs_confirmation')
  GROUP BY notice_no, person_no HAVING count(*) > 1) AS twice
"""


@dataclass(frozen=True, slots=True)
class Marks:
    """Where a run begins: the last mail and the last letter before it."""

    mail_no: int
    letter_no: int


@dataclass(frozen=True, slots=True)
class KeptMail:
    """One mail the intake kept."""

    digest: bytes  # SHA-256 of its octets
    findings: int
    counted: int  # findings that are a person's reply and no repetition


@dataclass(frozen=True, slots=True)
class ReadVerdict:
    """What one run came to; `problems` is empty where every promise was kept."""

    mails: int
    answered: int
    kept: int
    kept_again: int  # kept more than once, because the client had to send it again
    lost: int
    unread: int
    read_twice: int
    counted_twice: int
    letters: int
    letters_twice: int
    problems: tuple[str, ...]


def marks() -> Marks:
    found = sql.rows(_MARKS)[0]
    return Marks(int(found[0]), int(found[1]))


def digest_of(octets: bytes) -> bytes:
    """What a mail is known by; on the way its last line gets an end where it had none (RFC 5321 §4.1.1.4)."""
    return hashlib.sha256(octets if octets.endswith(b"\r\n") else octets + b"\r\n").digest()


def kept_since(start: Marks, keyring: Keyring) -> list[KeptMail]:
    """Open what was kept since then."""
    rows = sql.rows(_KEPT, (start.mail_no,))
    opened = vault.open_items([int(item_no) for _, item_no, *_ in rows], keyring)
    return [
        KeptMail(digest_of(TakenMail.unpack(opened[item_no]).data), int(findings), int(counted))
        for _, item_no, findings, counted in rows
    ]


def read_verdict(start: Marks, keyring: Keyring, *, sent: Sequence[bytes], answered: Iterable[int], file: Path,
                 trouble: Sequence[str]) -> ReadVerdict:  # fmt: skip
    """Compare. `sent` are the mails' octets, `answered` the places of those answered 250, `file` the relay's journal."""
    letters, again = sql.rows(_RECEIPTS, (start.letter_no,))[0]
    left = Counter(entry.message_id for entry in journal.entries(file))
    findings = [
        *trouble,
        *book.imbalances(),
        *([f"the ledger: {said}"] if (said := ledger.verify()) else ()),
        *([f"{count} people have two standing answers"] if (count := int(sql.value(_STANDING))) else ()),
    ]
    return judge_reading(
        kept_since(start, keyring), sent=sent, answered=set(answered), letters=int(letters),
        letters_twice=int(again) + sum(left.values()) - len(left), findings=findings,
    )  # fmt: skip


def judge_reading(
    kept: Sequence[KeptMail], *, sent: Sequence[bytes], answered: set[int], letters: int, letters_twice: int,
    findings: Sequence[str],
) -> ReadVerdict:  # fmt: skip
    """Pure: what is wrong with these books."""
    copies = Counter(one.digest for one in kept)
    counted: Counter[bytes] = Counter()
    for one in kept:
        counted[one.digest] += one.counted
    digests = [digest_of(octets) for octets in sent]
    found = {
        "lost": sum(digests[place] not in copies for place in answered),
        "unread": sum(not one.findings for one in kept),
        "read_twice": sum(one.findings > 1 for one in kept),
        "counted_twice": sum(count > 1 for count in counted.values()),
        "letters_twice": letters_twice,
    }
    return ReadVerdict(
        mails=len(sent),
        answered=len(answered),
        kept=len(kept),
        kept_again=sum(count - 1 for count in copies.values()),
        letters=letters,
        problems=(*_said(found), *findings, *_strange(copies, digests)),
        **found,
    )


def _said(found: Mapping[str, int]) -> list[str]:
    return [f"{count} {name.replace('_', ' ')}" for name, count in found.items() if count]


def _strange(copies: Counter[bytes], digests: Sequence[bytes]) -> list[str]:
    count = len(set(copies) - set(digests))
    return [f"{count} kept mails are none that were sent"] if count else []
