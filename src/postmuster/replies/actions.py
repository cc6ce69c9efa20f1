"""Recording what people answered. Everything works on lists: a digest batch costs a handful of statements."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from postmuster.base import sql
from postmuster.replies.states import AnswerState
from postmuster.replies.values import Finding

_SQL = sql.load("replies")
_WITHDRAW = "withdraw"
_ANSWER_COLUMNS = (
    "replies", "notices", "persons", "components", "types", "choices", "items", "confidences", "reasons", "states",
    "accepted",
)  # fmt: skip


def mark_seen(digests: Sequence[tuple[bytes, int]]) -> set[int]:
    """Remember digests (digest, mail); returns the mails of which every digest is new: one mail counts once for ever."""
    ordered = sorted(set(digests))
    values = {"digests": [digest for digest, _ in ordered], "mails": [mail_no for _, mail_no in ordered]}
    new = {(bytes(digest), int(mail_no)) for digest, mail_no in sql.rows(_SQL["mark_seen"], values)}
    return {mail_no for _, mail_no in ordered} - {
        mail_no for digest, mail_no in ordered if (digest, mail_no) not in new
    }


def lock_people(pairs: Sequence[tuple[int, int]]) -> None:
    """Hold (notice, person) pairs until the transaction ends."""
    if pairs:
        sql.execute(_SQL["lock_people"], {"notices": [p[0] for p in pairs], "persons": [p[1] for p in pairs]})


def record(findings: Sequence[Finding], *, now: datetime) -> list[int]:
    """Write down a batch: replies, answers, cases; returns the replies' numbers in order. Runs in the caller's transaction.

    Of two answers of one person to one notice the one we accepted later stands (R37); the other is kept as superseded.
    """
    if not findings:
        return []
    ids = [int(row[0]) for row in sql.rows(_SQL["draw_replies"], {"count": len(findings)})]
    sql.execute(_SQL["add_replies"], _reply_columns(findings, ids) | {"now": now})
    _record_answers(list(zip(findings, ids, strict=True)))
    cases = [(reply_no, reason) for one, reply_no in zip(findings, ids, strict=True) for reason in one.cases]
    if cases:
        values = {"replies": [case[0] for case in cases], "reasons": [str(case[1]) for case in cases], "now": now}
        sql.execute(_SQL["add_cases"], values)
    return ids


def _reply_columns(findings: Sequence[Finding], ids: Sequence[int]) -> dict[str, object]:
    of = [one.delivery for one in findings]
    return {
        "ids": list(ids),
        "mails": [one.mail_no for one in findings],
        "items": [one.item_no for one in findings],
        "kinds": [one.kind for one in findings],
        "subkinds": [one.subkind for one in findings],
        "notices": [one.notice_no if one else None for one in of],
        "rounds": [one.round_no if one else None for one in of],
        "seqs": [one.seq if one else None for one in of],
        "persons": [one.person_no if one else None for one in of],
        "components": [one.component_no if one else None for one in of],
        "matched": [str(one.matched_by) for one in findings],
        "reasons": [one.reason for one in findings],
        "grades": [one.grade for one in findings],
        "languages": [one.language[:16] for one in findings],
        "lates": [one.late for one in findings],
        "accepted": [one.accepted_at for one in findings],
        "in_copy": [one.manager_in_copy for one in findings],
    }


def _record_answers(recorded: Sequence[tuple[Finding, int]]) -> None:
    standing = _newest([one for one, _ in recorded])
    _supersede(standing)
    rows = []
    for one, reply_no in recorded:
        answer, delivery = one.answer, one.delivery
        if answer is None or delivery is None:
            continue
        pair = (delivery.notice_no, delivery.person_no)
        state = AnswerState.SUPERSEDED if answer.stands and standing.get(pair) != one else answer.state
        rows.append((
            reply_no, *pair, delivery.component_no, answer.type, answer.choice, answer.items, answer.confidence,
            json.dumps(answer.reasons), str(state), one.accepted_at,
        ))  # fmt: skip
    if rows:
        columns = map(list, zip(*rows, strict=True))
        sql.execute(_SQL["add_answers"], dict(zip(_ANSWER_COLUMNS, columns, strict=True)))


def _newest(findings: Sequence[Finding]) -> dict[tuple[int, int], Finding]:
    """By (notice, person) the answer of this batch that stands from now on; none where a later mail's stands already."""
    newest: dict[tuple[int, int], Finding] = {}
    for one in findings:
        if one.answer is not None and one.delivery is not None and one.answer.stands:
            pair = (one.delivery.notice_no, one.delivery.person_no)
            if pair not in newest or newest[pair].mail_no < one.mail_no:
                newest[pair] = one
    if newest:
        values = {"notices": [pair[0] for pair in newest], "persons": [pair[1] for pair in newest]}
        for notice_no, person_no, mail_no in sql.rows(_SQL["standing_mails"], values):
            if newest[notice_no, person_no].mail_no < mail_no:
                del newest[notice_no, person_no]
    return newest


def _supersede(standing: dict[tuple[int, int], Finding]) -> None:
    if standing:
        withdraws = [one.answer is not None and one.answer.type == _WITHDRAW for one in standing.values()]
        values = {"notices": [p[0] for p in standing], "persons": [p[1] for p in standing], "withdraws": withdraws}
        sql.execute(_SQL["supersede"], values)
