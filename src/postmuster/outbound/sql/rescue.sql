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
