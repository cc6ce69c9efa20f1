-- The books: counters folded, and compared with the rows themselves.

-- name: fold_counters
-- Many deltas become one row a component and state. Rows under the advisory lock: two folders never meet.
WITH taken AS (
  DELETE FROM outbound_counter WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s
  RETURNING component_no, state, delta
)
INSERT INTO outbound_counter (notice_no, round_no, component_no, state, delta)
SELECT %(notice_no)s, %(round_no)s, component_no, state, sum(delta) FROM taken GROUP BY component_no, state
HAVING sum(delta) <> 0

-- name: rounds_to_fold
SELECT notice_no, round_no FROM outbound_counter GROUP BY notice_no, round_no HAVING count(*) > %(rows)s

-- name: states
SELECT state, sum(delta) FROM outbound_counter
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s GROUP BY state

-- name: audience
-- Index: primary key.
SELECT count(*) FROM outbound_audience WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s

-- name: to_do
-- Batches and retries that are not finished: nothing left means the round can settle.
SELECT (SELECT count(*) FROM outbound_batch WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND state <> 'done'),
       (SELECT count(*) FROM outbound_retry WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s)

-- name: has_due
-- Whether a sender would find something: an open batch or a retry whose time has come.
SELECT EXISTS (SELECT FROM outbound_batch WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND state = 'open')
    OR EXISTS (SELECT FROM outbound_retry WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s
               AND lease_until IS NULL AND not_before <= %(now)s)

-- name: letters_due
SELECT EXISTS (SELECT FROM outbound_letter WHERE state = 'waiting' AND lease_until IS NULL AND not_before <= %(now)s)

-- name: imbalances
-- Rounds whose counters differ from their rows, or whose rows lie outside the audience. Empty when the books balance.
WITH counted AS (
  SELECT notice_no, round_no, component_no, state, sum(delta) AS count FROM outbound_counter
  GROUP BY notice_no, round_no, component_no, state HAVING sum(delta) <> 0
), rows AS (
  SELECT notice_no, round_no, component_no, state, count(*) FROM outbound_delivery
  GROUP BY notice_no, round_no, component_no, state
), orphans AS (
  SELECT d.notice_no, d.round_no, count(*) AS count FROM outbound_delivery d
  LEFT JOIN outbound_audience a USING (notice_no, round_no, seq)
  WHERE a.seq IS NULL OR a.component_no <> d.component_no GROUP BY d.notice_no, d.round_no
)
SELECT notice_no, round_no, 'counters differ from rows' FROM counted FULL JOIN rows USING (notice_no, round_no, component_no, state)
WHERE counted.count IS DISTINCT FROM rows.count
UNION
SELECT notice_no, round_no, 'rows outside the audience' FROM orphans

-- name: letters_waiting
SELECT count(*) FROM outbound_letter WHERE state = 'waiting'
