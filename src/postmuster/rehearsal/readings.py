"""How what was read compares with what people meant, class by class.

The organisation's own record is the truth. What we made of a mail is looked up in the book: the sealed mail is opened with the
rehearsal's own keys and recognised by its Message-ID, or by its octets where it has none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from postmuster.base import sql
from postmuster.inbound.envelope import TakenMail
from postmuster.mail.message import Limits, parse
from postmuster.organisation.truth import Observed, Outcome, Verdict, judge
from postmuster.rehearsal.act import Act, Sent, octets_digest
from postmuster.reports.figures import AgreementFigures
from postmuster.vault import actions as vault
from postmuster.vault.keyring import Keyring

PAGE_ROWS: Final = 500
_HEADER_ONLY: Final = Limits(parts=1, depth=0, text_chars=1)

NOT_THEIRS: Final = frozenset({"other_author", "forged", "forwarded_answer", "marked"})

_MADE_OF = """
SELECT m.id, m.item_no, r.kind, r.reason, r.matched_by, a.type, a.choice, a.items, a.state,
       EXISTS (SELECT FROM replies_case c WHERE c.reply_id = r.id AND c.reason <> 'unmatched')
FROM inbound_mail m JOIN replies_reply r ON r.mail_no = m.id LEFT JOIN replies_answer a ON a.reply_id = r.id
WHERE m.id > %(after)s ORDER BY m.id LIMIT %(limit)s
"""
_COUNTED: Final = frozenset({"counted", "needs_confirmation", "not_counted", "superseded", "withdrawn"})


@dataclass(frozen=True, slots=True)
class Agreement:
    """The comparison: one row a class, and how many mails were counted that must not count.

    `again` are mails that came in a second time, because an intake was killed between its commit and its 250.
    """

    rows: tuple[AgreementFigures, ...]
    truth: Mapping[str, int]
    wrongly_counted: int
    mails: int
    to_a_person: int
    not_found: int
    again: int


def compare(acts: Sequence[Act], refused: frozenset[int], keyring: Keyring) -> Agreement:
    """Compare every mail the organisation sent with what was made of it; `refused` are the mails the door turned away."""
    observed = _observed(keyring)
    verdicts: dict[str, dict[Verdict, int]] = defaultdict(lambda: dict.fromkeys(Verdict, 0))
    wrongly_counted = mails = to_a_person = not_found = 0
    for sent in (one for act in acts for one in act.sent):
        seen = Observed("reply", Outcome.REFUSED) if sent.mail.mail_no in refused else _take(observed, sent)
        not_found += seen is None
        seen = seen or Observed("", "lost")
        verdicts[sent.mail.truth][judge(sent.mail.expected, seen)] += 1
        mails += seen.kind == "reply"
        to_a_person += seen.outcome == Outcome.TO_A_PERSON
        wrongly_counted += seen.outcome == Outcome.COUNTED and _must_not_count(sent, seen)
    rows = tuple(
        AgreementFigures(
            name, sum(found.values()), found[Verdict.RIGHT], found[Verdict.TO_A_PERSON], found[Verdict.WRONG]
        )
        for name, found in sorted(verdicts.items())
    )
    truth = {row.reply_class: row.truth for row in rows}
    left = [one for waiting in observed.values() for one in waiting]
    wrongly_counted += sum(one.outcome == Outcome.COUNTED for one in left)
    return Agreement(rows, truth, wrongly_counted, mails, to_a_person, not_found, len(left))


def _must_not_count(sent: Sent, seen: Observed) -> bool:
    """Whether counting this breaks a promise: somebody else's words, a second time, or a choice nobody made (P5, P7, P10)."""
    expected = sent.mail.expected
    if seen.answer == "election":
        return (expected.answer, expected.choice.casefold()) != ("election", seen.choice.casefold())
    may_count = Outcome.COUNTED in (expected.outcome, *expected.also)
    return not may_count and (sent.mail.truth in NOT_THEIRS or expected.outcome != Outcome.TO_A_PERSON)


def _take(observed: dict[object, list[Observed]], sent: Sent) -> Observed | None:
    """What was made of this mail; of two with the same name the first sent is the first taken in."""
    waiting = observed.get(sent.message_id) or observed.get(sent.digest)
    return waiting.pop(0) if waiting else None


def _observed(keyring: Keyring) -> dict[object, list[Observed]]:
    found: dict[object, list[Observed]] = defaultdict(list)
    after = 0
    while rows := sql.rows(_MADE_OF, {"after": after, "limit": PAGE_ROWS}):
        opened = vault.open_items([row[1] for row in rows], keyring)
        for row in rows:
            data = TakenMail.unpack(opened[row[1]]).data
            name = parse(data, _HEADER_ONLY).message_id
            found[name or octets_digest(data)].append(_made(*row[2:]))
        after = rows[-1][0]
    for made in found.values():  # of two copies of one mail either may be read first; the other is the repeated one
        made.sort(key=lambda one: one.outcome == Outcome.REPEATED)
    return found


def _made(
    kind: str, reason: str, matched_by: str, answer: str | None, choice: str | None, items: int | None, state: str | None,
    has_case: bool,
) -> Observed:  # fmt: skip
    if reason == "repeated":
        outcome = Outcome.REPEATED
    elif state in _COUNTED:
        outcome = Outcome.COUNTED
    elif has_case:
        outcome = Outcome.TO_A_PERSON
    elif matched_by == "nothing":
        outcome = Outcome.UNMATCHED
    else:
        outcome = Outcome.NOTED
    return Observed(kind, outcome, answer or "none", choice or "", items or 0)
