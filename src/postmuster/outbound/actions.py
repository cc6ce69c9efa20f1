"""Writing the book of deliveries: expand, claim, hand over, write down outcomes, rescue, settle by evidence.

Counters are written as deltas in the statement that changes a state, so that the sum of states is the audience at every
commit (P2). Whoever claims holds a lease by the server's clock and a fencing number.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from postmuster.base import sql
from postmuster.mail.address import AddrSpec
from postmuster.notices.terms import DoubtPolicy, InDoubt
from postmuster.outbound import queries
from postmuster.outbound.states import DeliveryState
from postmuster.outbound.values import (
    WIDE_OPEN,
    ClaimedBatch,
    Cut,
    Evidence,
    Opening,
    Recipient,
    RoundRef,
    Scope,
    Settlement,
    Taken,
    columns,
)

PAGE_ROWS: Final = 10_000  # people written down in one transaction: about 0.3 s
MAX_RESENDS: Final = 3  # a copy that is lost again and again stays in doubt: a person looks at it
FOLD_ROWS: Final = 2_000  # deltas of a round that are worth folding
_EXPAND_LOCK: Final = 0x504D_4558_0000_0000  # one page of a round at a time
_FOLD_LOCK: Final = 0x504D4346  # any fixed number: one folder in the database at a time
NOTHING_TAKEN: Final = Taken(0, "", None, ())
_SQL = sql.load("outbound")


def expand_page(of: RoundRef, scope: Scope, cut: Cut, *, now: datetime, limit: int = PAGE_ROWS) -> int:
    """Write down the next page of the audience; returns how many people, 0 when all are there.

    A page cut off by a crash is not there at all, and the next run begins behind the last one that is.
    """
    with sql.guarded(), transaction.atomic():
        sql.execute("SELECT pg_advisory_xact_lock(%s)", (_EXPAND_LOCK + of.notice_no * 256 + of.round_no,))
        last_seq, last_component, last_zone, last_person = queries.last_expanded(of)
        values = {
            "last_seq": last_seq, "last_component": last_component, "last_zone": last_zone, "last_person": last_person,
            "limit": limit, "now": now,
        }  # fmt: skip
        return int(sql.rows(_SQL["expand_page"], of.key | scope.columns() | cut.columns() | values)[0][0])


def claim_batch(of: RoundRef, lease_s: int, opening: Opening = WIDE_OPEN) -> ClaimedBatch | None:
    """Take the next open batch that nothing holds. Gate: claim (in the statement)."""
    found = sql.prepared(_SQL["claim_batch"], of.key | opening.columns() | {"lease_s": lease_s})
    return ClaimedBatch(*found[0]) if found else None


def advance(of: RoundRef, batch: ClaimedBatch, taken: Taken, *, through_seq: int, lease_s: int, now: datetime) -> bool:
    """Write down what the relay took, of whichever batch, and let `batch` go on through `through_seq`: one commit.

    Gate: submit. False when what may happen has changed since the claim, or the lease was lost: nothing more may be sent.
    """
    return _step(of, taken, batch.batch_no, batch.fence, through_seq, lease_s, now)


def write_taken(of: RoundRef, taken: Taken, now: datetime) -> None:
    """Write down what the relay took, and let nothing go."""
    _step(of, taken, 0, 0, None, 0, now)


def _step(
    of: RoundRef, taken: Taken, batch_no: int, fence: int, through_seq: int | None, lease_s: int, now: datetime
) -> bool:
    values = {
        "seqs": list(taken.seqs), "status": taken.status, "reply_code": taken.reply_code,
        "component_no": taken.component_no, "batch_no": batch_no, "fence": fence, "through_seq": through_seq,
        "lease_s": lease_s, "now": now,
    }  # fmt: skip
    try:
        return bool(sql.prepared(_SQL["advance"], of.key | values)[0][0])
    except sql.Collision:
        _write_outcomes(of, _each(taken), now)
        return bool(sql.prepared(_SQL["advance"], of.key | values | {"seqs": []})[0][0])


def hand_window(of: RoundRef, batch: ClaimedBatch, through_seq: int, *, lease_s: int, now: datetime) -> bool:
    """Say that everything up to `through_seq` may now reach the relay; False as in `advance`."""
    return advance(of, batch, NOTHING_TAKEN, through_seq=through_seq, lease_s=lease_s, now=now)


def _each(taken: Taken) -> list[Settlement]:
    """Somebody else wrote rows of these: each is compared with what is there."""
    state = DeliveryState.RELAYED
    return [Settlement(seq, taken.component_no, state, "", taken.status, taken.reply_code) for seq in taken.seqs]


def release_batch(batch: ClaimedBatch) -> bool:
    """Give a batch back whose rows without outcome are all known to be pending; False when the lease was lost."""
    return sql.execute(_SQL["release_batch"], {"batch_no": batch.batch_no, "fence": batch.fence}) > 0


def finish_batch(batch: ClaimedBatch) -> bool:
    """Say that each row of a batch has its outcome; False when the lease was lost."""
    return sql.execute(_SQL["finish_batch"], {"batch_no": batch.batch_no, "fence": batch.fence}) > 0


def record_outcomes(
    of: RoundRef, settlements: Sequence[Settlement], *, first_retry_s: int, now: datetime, retried: bool = False
) -> int:
    """Write down what became of a window's copies; those put off get a time for the next try."""
    if not settlements:
        return 0
    with sql.guarded(), transaction.atomic():
        written = _write_outcomes(of, settlements, now)
        put_off = [one.seq for one in settlements if one.state is DeliveryState.DEFERRED]
        settled = [one.seq for one in settlements if one.state is not DeliveryState.DEFERRED]
        if put_off:
            not_before = now + timedelta(seconds=first_retry_s)
            values = {"seqs": put_off, "now": now, "not_before": not_before, "first_retry_s": first_retry_s}
            sql.execute(_SQL["put_off"], of.key | values)
        if retried and settled:
            sql.execute(_SQL["settle_retries"], of.key | {"seqs": settled})
        return written


def claim_retries(
    of: RoundRef, *, limit: int, lease_s: int, now: datetime, opening: Opening = WIDE_OPEN
) -> list[Recipient]:
    """Take copies whose time has come. They count as handed over from this commit on."""
    values = {"limit": limit, "lease_s": lease_s, "now": now, "quiet_zones": list(opening.quiet_zones)}
    found = sql.rows(_SQL["claim_retries"], of.key | values)
    return [
        Recipient(seq, person, component_no, AddrSpec(local, domain), name, path, zone, language, attempts, first_at)
        for seq, person, local, domain, name, path, zone, language, component_no, attempts, first_at in found
    ]


def hand_back_retries(of: RoundRef, seqs: Sequence[int]) -> None:
    """Give back retries that were certainly not handed over."""
    if seqs:
        sql.execute(_SQL["hand_back_retries"], of.key | {"seqs": list(seqs)})


def rescue(now: datetime) -> int:
    """Settle what dead senders left: rows that may have been handed over become in doubt, the rest is open again."""
    with sql.guarded(), transaction.atomic():
        doubtful = _rescue_batches(now) + _rescue_retries(now)
        sql.execute(_SQL["lost_letters"], {"now": now})
    return doubtful


def resend_in_doubt(of: RoundRef, terms: InDoubt, now: datetime) -> int:
    """Where the notice says so, let copies that nothing has settled for long enough go again, under the same Message-ID.

    They stay in doubt, and listed as such, until the second copy has its answer. Returns how many.
    """
    if terms.policy is not DoubtPolicy.RESEND:
        return 0
    since = now - timedelta(minutes=terms.wait_minutes)
    return sql.execute(_SQL["resend_in_doubt"], of.key | {"since": since, "now": now, "most": MAX_RESENDS})


def waits_in_doubt(of: RoundRef, terms: InDoubt, now: datetime) -> bool:
    """Whether copies in doubt are still to go again, so that the round cannot settle."""
    if terms.policy is not DoubtPolicy.RESEND or not queries.states(of)[DeliveryState.IN_DOUBT]:
        return False
    return bool(sql.value(_SQL["waits_in_doubt"], of.key | {"most": MAX_RESENDS}))


def reopen_unexecuted(of: RoundRef, seqs: Sequence[int], *, first_retry_s: int, now: datetime) -> int:
    """A sender whose lease was lost learned that the relay took none of these: those that are in doubt go again."""
    found = sql.rows(_SQL["in_doubt_of"], of.key | {"seqs": list(seqs)})
    state = DeliveryState.DEFERRED
    settled = [Settlement(int(seq), int(component), state, "not executed", "", None) for seq, component in found]
    return record_outcomes(of, settled, first_retry_s=first_retry_s, now=now)


def record_halt(of: RoundRef, generation: int, *, taken_at: float) -> None:
    """Keep when the relay last took a copy before a stop ended the dialog; `taken_at` is machine time, seconds since 1970."""
    sql.execute(_SQL["record_halt"], of.key | {"generation": generation, "taken_at": taken_at})


def _rescue_batches(now: datetime) -> int:
    doubtful = 0
    for batch_no, notice_no, round_no, component_no, first, handed, _last, _fence in sql.rows(_SQL["lost_batches"]):
        of = RoundRef(notice_no, round_no, 0)
        found = sql.rows(_SQL["unanswered_of_batch"], of.key | {"first_seq": first, "handed_seq": handed})
        doubtful += _write_in_doubt(of, [(int(row[0]), int(component_no)) for row in found], now)
        sql.execute(_SQL["reopen_batch"], {"batch_no": batch_no})
    return doubtful


def _rescue_retries(now: datetime) -> int:
    doubtful = 0
    for notice_no, round_no, seq, component_no in sql.rows(_SQL["lost_retries"]):
        of = RoundRef(notice_no, round_no, 0)
        doubtful += _write_in_doubt(of, [(int(seq), int(component_no))], now)
        sql.execute(_SQL["settle_retries"], of.key | {"seqs": [seq]})
    return doubtful


def _write_in_doubt(of: RoundRef, rows: Sequence[tuple[int, int]], now: datetime) -> int:
    if not rows:
        return 0
    state, reason = DeliveryState.IN_DOUBT, "sender lost"
    return _write_outcomes(of, [Settlement(seq, component, state, reason, "", None) for seq, component in rows], now)


def _write_outcomes(of: RoundRef, settlements: Sequence[Settlement], now: datetime) -> int:
    """Write rows; a second time those that somebody else (the rescuer, a slow sender, a report) wrote at the same moment."""
    written = 0
    for _ in range(2):
        found = sql.rows(_SQL["record_outcomes"], of.key | columns(settlements) | {"now": now})
        written += len(found)
        done = {int(row[0]) for row in found}
        settlements = [one for one in settlements if one.seq not in done]
        if not settlements:
            break
    return written


def settle_by_evidence(evidence: Sequence[Evidence], now: datetime) -> int:
    """Let reports and replies settle deliveries, along the arrows their states allow; returns how many changed.

    What comes back before the sender wrote down the relay's answer, or after it died, settles a copy that has no row yet: it
    was in doubt, and is no longer to be sent.
    """
    if not evidence:
        return 0
    values = {
        "notices": [one.notice_no for one in evidence], "rounds": [one.round_no for one in evidence],
        "seqs": [one.seq for one in evidence], "states": [str(one.state) for one in evidence],
        "reasons": [one.reason for one in evidence], "statuses": [one.status[:11] for one in evidence], "now": now,
    }  # fmt: skip
    with sql.guarded(), transaction.atomic():
        sql.execute(_SQL["doubt_pending"], values)
        return int(sql.value(_SQL["settle_by_evidence"], values))


def fold_counters() -> int:
    """Make one counter row of many, for each round that has gathered enough; returns how many rounds."""
    with sql.guarded(), transaction.atomic():
        if not sql.value("SELECT pg_try_advisory_xact_lock(%s)", (_FOLD_LOCK,)):
            return 0
        rounds = sql.rows(_SQL["rounds_to_fold"], {"rows": FOLD_ROWS})
        for notice_no, round_no in rounds:
            sql.execute(_SQL["fold_counters"], {"notice_no": notice_no, "round_no": round_no})
        return len(rounds)
