"""The books of a rehearsal: pairs of numbers made independently of each other, which must be equal.

Where a relay of its own kind stands between (`by_report`), what the organisation refuses is refused to that relay: the book
learns of it by the relay's report, and the pairs are drawn up so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from postmuster.base import sql
from postmuster.ledger import queries as ledger
from postmuster.mail.token import DeliveryRef, write_letter_id, write_message_id
from postmuster.notices import queries as notices
from postmuster.organisation.truth import Truth
from postmuster.outbound import queries as book
from postmuster.outbound.copies import addresses_of
from postmuster.outbound.sparing import SUPPRESSED
from postmuster.rehearsal.act import Act
from postmuster.rehearsal.readings import Agreement
from postmuster.rehearsal.stage import Stage
from postmuster.reports.figures import Check, NoticeFigures, State

MIN_TO_A_PERSON = 0.1  # share of replies that the rules send to a person

# Failed although the relay had taken the copy: a report said so later.
_FAILED_AFTER = """
SELECT count(*) FROM outbound_delivery
WHERE notice_no = %(notice_no)s AND state = 'failed' AND reply_code BETWEEN 200 AND 299
"""
# Handed over without an answer read, whatever was learnt later.
_DOUBTED = """
SELECT DISTINCT d.round_no, d.seq, d.state FROM outbound_delivery d JOIN outbound_history h USING (notice_no, round_no, seq)
WHERE d.notice_no = %(notice_no)s AND h.state = 'in_doubt' AND d.state IN ('in_doubt', 'failed')
"""


def checks(
    stage: Stage,
    acts: Sequence[Act],
    figures: Sequence[NoticeFigures],
    agreement: Agreement,
    offered: int,
    refused: int,
    *,
    by_report: bool = False,
) -> tuple[Check, ...]:
    """Every pair, in the order in which a reader wants to know."""
    return (
        *(
            check
            for act, one in zip(acts, figures, strict=True)
            for check in _notice_checks(stage, act, one, by_report)
        ),
        *_letter_checks(stage, figures, by_report),
        *_reply_checks(agreement, offered, refused),
        Check("The ledger's chain holds from its first entry to its last.", ledger.verify() is None, 0, 0),
        Check("No counter differs from the rows it counts.", not book.imbalances(), 0, len(book.imbalances())),
    )


def _equal(sentence: str, left: float, right: float) -> Check:
    return Check(sentence, left == right, left, right)


def _notice_checks(stage: Stage, act: Act, figures: NoticeFigures, by_report: bool) -> Iterator[Check]:
    name = figures.id
    audience = act.content.audience
    census = stage.world.count_audience(stage.people_csv, audience.classes, audience.components)
    states = figures.states
    yield _equal(f"{name}: the audience is the sum of its states.", figures.audience, sum(states.values()))
    yield _equal(f"{name}: the audience is what people.csv counts.", figures.audience, census.people)
    addressed = figures.audience - states.get(State.WITHHELD, 0)
    spared = figures.withheld.get(SUPPRESSED, 0)  # mailboxes that an earlier notice showed not to be there
    yield _equal(
        f"{name}: the people written to, with those whom bounces suppressed, are those people.csv counts.",
        addressed + spared,
        census.addressed,
    )
    sink = stage.world.post.counts().get(name, {"distinct": 0, "refused": 0, "doubled": 0})
    yield _equal(
        f"{name}: the copies the book says were taken are those the receiving systems hold{' or refused' * by_report}.",
        _taken(stage, act, figures, by_report),
        sink["distinct"] + sink["refused"] * by_report,
    )
    refused = states.get(State.FAILED, 0) - (_reported(act) if by_report else _failed_after(act) + _doubted_failed(act))
    refused += 0 if by_report else _refused_unread(stage, act)
    how = "by the relay's report" if by_report else "in the dialog"
    yield _equal(f"{name}: what they refused for good is what failed {how}.", refused, sink["refused"])
    yield _equal(f"{name}: nobody got a copy twice.", 0, sink["doubled"])


def _taken(stage: Stage, act: Act, figures: NoticeFigures, by_report: bool) -> int:
    """Copies that went to the receiving systems: of those in doubt the ones they hold or, by a report, refused."""
    states = figures.states
    sure = states.get(State.RELAYED, 0) + states.get(State.DELIVERED, 0) + states.get(State.DEFERRED, 0)
    post = stage.world.post.notices.get(act.notice_no)
    held = post.message_ids if post else set()
    key, domain = stage.desk.signing.key, stage.settings.organisation.domain
    went = 0
    for round_no, seq, state in _doubted(act):
        ref = DeliveryRef(act.notice_no, round_no, seq)
        is_held = write_message_id(ref, key, domain=domain).strip("<>").encode() in held
        went += is_held or (by_report and state == State.FAILED)
    return sure + _failed_after(act) + went


def _refused_unread(stage: Stage, act: Act) -> int:
    """Copies in doubt that the receiving systems refused: the sender died before it could read or keep their answer."""
    post, round_ = stage.world.post.notices.get(act.notice_no), notices.round_of(act.notice_no)
    if post is None or round_ is None:
        return 0
    refs = (DeliveryRef(act.notice_no, round_no, seq) for round_no, seq, _ in _doubted(act))
    paths = (addresses_of(ref, round_.released_at, stage.desk.names, stage.desk.signing)[1] for ref in refs)
    return sum(path.lower() in post.refused_paths for path in paths)


def _failed_after(act: Act) -> int:
    return int(sql.value(_FAILED_AFTER, {"notice_no": act.notice_no}))


def _reported(act: Act) -> int:
    """People whose systems took a copy and sent a report of failure later, as the organisation counts them."""
    return len({one.mail.person_id for one in act.sent if one.mail.truth == Truth.BOUNCE_DSN})


def _doubted_failed(act: Act) -> int:
    return sum(state == State.FAILED for _, _, state in _doubted(act))


def _doubted(act: Act) -> list[tuple[int, int, str]]:
    return [(int(r), int(s), str(state)) for r, s, state in sql.rows(_DOUBTED, {"notice_no": act.notice_no})]


def _letter_checks(stage: Stage, figures: Sequence[NoticeFigures], by_report: bool) -> Iterator[Check]:
    letters = [(int(no), str(state)) for no, state in sql.rows("SELECT id, state FROM outbound_letter")]
    key, domain = stage.desk.signing.key, stage.settings.organisation.domain
    held = stage.world.post.letter_ids
    taken = sum(state == "relayed" for _, state in letters)
    doubted = sum(
        state == "in_doubt" and write_letter_id(no, key, domain=domain).strip("<>").encode() in held
        for no, state in letters
    )
    # A letter has the null reverse path: no report of its refusal comes to us.
    refused = stage.world.post.counts().get("n0", {"refused": 0})["refused"] * by_report
    yield _equal(
        f"Each letter the relay took is in somebody's mailbox{' or was refused there' * by_report}.",
        taken + doubted,
        len(held) + refused,
    )
    shown = sum(sum(one.letters.values()) for one in figures)
    yield _equal("Each letter is counted with its notice.", len(letters), shown)


def _reply_checks(agreement: Agreement, offered: int, refused: int) -> Iterator[Check]:
    taken = int(sql.value("SELECT count(*) FROM inbound_mail"))
    yield _equal("Every mail that was answered 250 is kept.", offered - refused, taken - agreement.again)
    recorded = int(sql.value("SELECT count(*) FROM replies_reply"))
    yield _equal("Every mail that is kept was digested once.", taken, recorded)
    yield _equal("Every mail the organisation sent was found again.", 0, agreement.not_found)
    yield _equal(
        "No forged, forwarded, marked or repeated mail counts, and no choice nobody made.", 0, agreement.wrongly_counted
    )
    least, given = math.ceil(agreement.mails * MIN_TO_A_PERSON), agreement.to_a_person
    yield Check("At least a tenth of the replies went before a person.", given >= least, given, least)
