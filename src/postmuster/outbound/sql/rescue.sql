-- What a process that died left behind. Rows up to the batch's mark may have been handed over; those beyond it were not.

-- name: lost_batches
SELECT b.id, b.notice_no, b.round_no, b.component_no, b.first_seq, b.handed_seq, b.last_seq, b.fence FROM outbound_batch b
WHERE b.state = 'claimed' AND b.lease_until < clock_timestamp()
ORDER BY b.id LIMIT 20 FOR UPDATE SKIP LOCKED

-- name: unanswered_of_batch
SELECT a.seq FROM outbound_audience a
WHERE a.notice_no = %(notice_no)s AND a.round_no = %(round_no)s AND a.seq BETWEEN %(first_seq)s AND %(handed_seq)s
  AND a.seq NOT IN (SELECT d.seq FROM outbound_delivery d
                    WHERE d.notice_no = %(notice_no)s AND d.round_no = %(round_no)s
                      AND d.seq BETWEEN %(first_seq)s AND %(handed_seq)s)
ORDER BY a.seq

-- name: reopen_batch
-- The fence moves on: a sender that is merely slow can no longer finish it. Done when nothing lies beyond the mark.
UPDATE outbound_batch
SET state = CASE WHEN handed_seq >= last_seq THEN 'done' ELSE 'open' END, fence = fence + 1, lease_until = NULL,
    handed_seq = CASE WHEN handed_seq >= last_seq THEN handed_seq ELSE first_seq - 1 END
WHERE id = %(batch_no)s

-- name: lost_retries
SELECT r.notice_no, r.round_no, r.seq, a.component_no FROM outbound_retry r
JOIN outbound_audience a ON a.notice_no = r.notice_no AND a.round_no = r.round_no AND a.seq = r.seq
WHERE r.lease_until < clock_timestamp()
ORDER BY r.notice_no, r.round_no, r.seq LIMIT 500 FOR UPDATE OF r SKIP LOCKED

-- name: lost_letters
UPDATE outbound_letter SET state = 'in_doubt', lease_until = NULL, since = %(now)s
WHERE id IN (SELECT id FROM outbound_letter WHERE state = 'waiting' AND lease_until < clock_timestamp()
             ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED)

-- name: resend_in_doubt
-- Copies in doubt that nothing settled for long enough are put among those to be tried again. History is small: it holds
-- what is not pending to relayed. Index: outbound_history_delivery, primary key of delivery.
-- Each is locked and looked at once more: an answer that is being written down just now keeps its copy from going again.
-- Row by row through the primary key, whatever the planner knows: before the first ANALYZE of a round a join compared each
-- copy with all others, and 987 in doubt among 3,000 kept the one who looks around busy for more than a minute.
WITH long_enough AS MATERIALIZED (
  SELECT h.seq FROM outbound_history h
  WHERE h.notice_no = %(notice_no)s AND h.round_no = %(round_no)s AND h.state = 'in_doubt'
  GROUP BY h.seq HAVING count(*) <= %(most)s AND max(h.at) <= %(since)s
), locked AS (
  SELECT one.seq FROM long_enough CROSS JOIN LATERAL (
    SELECT d.seq FROM outbound_delivery d
    WHERE d.notice_no = %(notice_no)s AND d.round_no = %(round_no)s AND d.seq = long_enough.seq AND d.state = 'in_doubt'
    FOR UPDATE OF d SKIP LOCKED) AS one
)
INSERT INTO outbound_retry (notice_no, round_no, seq, attempts, first_at, not_before, fence)
SELECT %(notice_no)s, %(round_no)s, seq, 0, %(now)s, %(now)s, 0 FROM locked
ON CONFLICT (notice_no, round_no, seq) DO NOTHING

-- name: waits_in_doubt
-- Row by row through the primary key, as above.
SELECT EXISTS (
  SELECT FROM (
    SELECT h.seq FROM outbound_history h
    WHERE h.notice_no = %(notice_no)s AND h.round_no = %(round_no)s AND h.state = 'in_doubt'
    GROUP BY h.seq HAVING count(*) <= %(most)s OFFSET 0) AS few_times
  CROSS JOIN LATERAL (
    SELECT FROM outbound_delivery d
    WHERE d.notice_no = %(notice_no)s AND d.round_no = %(round_no)s AND d.seq = few_times.seq AND d.state = 'in_doubt'
    OFFSET 0) AS one)

-- name: in_doubt_of
SELECT seq, component_no FROM outbound_delivery
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND seq = ANY(%(seqs)s::int[]) AND state = 'in_doubt'

-- name: record_halt
INSERT INTO outbound_halt (notice_no, round_no, generation, last_taken_at)
VALUES (%(notice_no)s, %(round_no)s, %(generation)s, to_timestamp(%(taken_at)s))
