-- Withholding whom a round can no longer write to for the first time.

-- name: lapse_page
-- Some open batches of a round are done, and everybody in them without outcome is withheld. An open batch is nobody's: all its
-- rows without outcome are known to be pending. One that a sender has is passed over, and comes back, is finished, or is
-- rescued; a row that a report wrote meanwhile is left alone. Returns batches, people.
-- Index: outbound_batch_to_do; primary keys of audience and delivery.
WITH taken AS (
  SELECT b.id, b.first_seq, b.last_seq FROM outbound_batch b
  WHERE b.notice_no = %(notice_no)s AND b.round_no = %(round_no)s AND b.state = 'open'
  ORDER BY b.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), written AS (
  INSERT INTO outbound_delivery (notice_no, round_no, seq, component_no, state, reason, status, reply_code, since)
  SELECT a.notice_no, a.round_no, a.seq, a.component_no, 'withheld', %(reason)s, '', NULL, %(now)s
  FROM taken t
  JOIN outbound_audience a ON a.notice_no = %(notice_no)s AND a.round_no = %(round_no)s AND a.seq BETWEEN t.first_seq AND t.last_seq
  ORDER BY a.seq
  ON CONFLICT (notice_no, round_no, seq) DO NOTHING
  RETURNING seq, component_no
), history AS (
  INSERT INTO outbound_history (notice_no, round_no, seq, before, state, reason, status, at)
  SELECT %(notice_no)s, %(round_no)s, seq, 'pending', 'withheld', %(reason)s, '', %(now)s FROM written
), counters AS (
  INSERT INTO outbound_counter (notice_no, round_no, component_no, state, delta)
  SELECT %(notice_no)s, %(round_no)s, component_no, 'withheld', count(*) FROM written GROUP BY component_no
), done AS (
  UPDATE outbound_batch b SET state = 'done', lease_until = NULL, fence = b.fence + 1 FROM taken t WHERE b.id = t.id RETURNING b.id
)
SELECT (SELECT count(*) FROM done), (SELECT count(*) FROM written)
