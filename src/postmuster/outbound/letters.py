"""Letters: single mails to one person or officer. The text is sealed; the row is counted and shown.

Everything works on lists, because a digest batch writes its receipts together.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import transaction

from postmuster.base import sql
from postmuster.mail.address import AddrSpec, parse_addr_spec
from postmuster.outbound.states import LetterState
from postmuster.outbound.suppression import GIVEN_AWAY_STATUS, given_away
from postmuster.vault import actions as vault
from postmuster.vault.keyring import Keyring

MAX_ATTEMPTS: Final = 8  # with the waits doubling from 5 minutes: about ten hours
_SQL = sql.load("outbound")


class LetterKind(StrEnum):
    """What a letter is. Confirmation, verdict and note say where an election stands; screened: of what must not be mailed."""

    RECEIPT = "receipt"
    PROOF = "proof"
    CONFIRMATION = "confirmation"
    VERDICT = "verdict"
    NOTE = "note"
    SCREENED = "screened"


@dataclass(frozen=True, slots=True)
class LetterText:
    """A whole letter but for what sending adds; kept sealed."""

    to_name: str = field(repr=False)
    to_address: str = field(repr=False)
    from_name: str
    from_address: str
    reply_to: str = field(repr=False)
    language: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    values: dict[str, str] = field(repr=False)
    fields: tuple[tuple[str, str], ...] = field(repr=False)

    def octets(self) -> bytes:
        return json.dumps(
            {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}, ensure_ascii=False
        ).encode()

    @staticmethod
    def read(octets: bytes) -> LetterText:
        given = json.loads(octets)
        return LetterText(**given | {"fields": tuple((name, value) for name, value in given["fields"])})


@dataclass(frozen=True, slots=True)
class NewLetter:
    """A letter to be written: to a person about a notice, or to an officer (then `person_no` is None)."""

    kind: LetterKind
    notice_no: int
    text: LetterText
    person_no: int | None = None
    officer_no: int | None = None
    reply_no: int | None = None


@dataclass(frozen=True, slots=True)
class ClaimedLetter:
    letter_no: int
    fence: int
    attempts: int
    written_at: datetime
    text: LetterText


@dataclass(frozen=True, slots=True)
class LetterOutcome:
    letter: ClaimedLetter
    state: LetterState
    status: str
    reply_code: int | None


def write_letters(letters: Sequence[NewLetter], keyring: Keyring, now: datetime) -> list[int]:
    """Seal the texts and add the rows; returns the letters' numbers. Person 0 stands for an officer in the seal."""
    if not letters:
        return []
    sealed = [(one.notice_no, one.person_no or 0, one.text.octets()) for one in letters]
    items = vault.seal_owned(sealed, keyring, now)
    ids = [int(row[0]) for row in sql.rows(_SQL["draw_letters"], {"count": len(letters)})]
    values = {
        "ids": ids, "kinds": [str(one.kind) for one in letters], "notices": [one.notice_no for one in letters],
        "persons": [one.person_no for one in letters], "officers": [one.officer_no for one in letters],
        "replies": [one.reply_no for one in letters], "items": items, "now": now,
    }  # fmt: skip
    sql.execute(_SQL["add_letters"], values)
    return ids


def written_lately(kind: LetterKind, persons: Sequence[int], since: datetime) -> Counter[int]:
    """How many letters of a kind each of these people was written since then. Index: outbound_letter_person."""
    values = {"kind": str(kind), "persons": list(persons), "since": since}
    return Counter({int(person_no): int(count) for person_no, count in sql.rows(_SQL["written_lately"], values)})


def claim_letters(keyring: Keyring, *, limit: int, lease_s: int, now: datetime) -> list[ClaimedLetter]:
    """Take letters whose time has come. Gate: the letters lane (in the statement).

    One whose text can no longer be opened, or whose address is somebody else's by now, has failed, and holds up no other.
    Raises `Refused` when the keyring lacks an epoch; no letter is then taken.
    """
    with sql.guarded(), transaction.atomic():
        found = sql.rows(_SQL["claim_letters"], {"limit": limit, "lease_s": lease_s, "now": now})
        texts = _open([row[1] for row in found], keyring)
        written_to = {
            letter_no: (int(person_no), address)
            for letter_no, item, *_, person_no in found
            if item in texts
            and person_no is not None
            and isinstance(address := parse_addr_spec(texts[item].to_address), AddrSpec)
        }
        strange = given_away(written_to.values())
        gone = {letter_no for letter_no, pair in written_to.items() if pair in strange}
        _close(sorted(gone), GIVEN_AWAY_STATUS, now)
        _close([row[0] for row in found if row[1] not in texts], "", now)
    return [
        ClaimedLetter(no, fence, attempts, written_at, texts[item])
        for no, item, fence, attempts, written_at, _ in found
        if item in texts and no not in gone
    ]


def _close(letter_nos: Sequence[int], status: str, now: datetime) -> None:
    if letter_nos:
        sql.execute(_SQL["close_letters"], {"ids": list(letter_nos), "status": status, "now": now})


def _open(item_nos: Sequence[int], keyring: Keyring) -> dict[int, LetterText]:
    """Open texts together; where one cannot be opened, one by one."""
    try:
        opened = vault.open_items(item_nos, keyring)
        return {item_no: LetterText.read(octets) for item_no, octets in opened.items()}
    except (vault.Destroyed, ValueError):
        if len(item_nos) < 2:
            return {}
    return {item_no: text for one in item_nos for item_no, text in _open([one], keyring).items()}


def record_letters(outcomes: Sequence[LetterOutcome], *, first_retry_s: int, now: datetime) -> None:
    """Write down what became of letters; one put off waits again, with a longer pause each time."""
    if not outcomes:
        return
    values = {
        "ids": [one.letter.letter_no for one in outcomes], "fences": [one.letter.fence for one in outcomes],
        "states": [str(one.state) for one in outcomes], "statuses": [one.status[:11] for one in outcomes],
        "codes": [one.reply_code for one in outcomes], "now": now,
        "not_befores": [now + timedelta(seconds=first_retry_s * 2 ** (one.letter.attempts - 1)) for one in outcomes],
    }  # fmt: skip
    sql.execute(_SQL["record_letters"], values)
