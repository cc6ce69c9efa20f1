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
-- Whether a sender would find something: an open batch that nothing holds, or a retry whose time has come.
SELECT EXISTS (
  SELECT FROM outbound_batch o JOIN roster_component c ON c.id = o.component_no
  WHERE o.notice_no = %(notice_no)s AND o.round_no = %(round_no)s AND o.state = 'open'
    AND o.wave <= %(open_wave)s AND NOT o.time_zone = ANY(%(quiet_zones)s::text[])
    AND NOT EXISTS (
      SELECT FROM control_stop s
      WHERE s.lane = 'bulk' AND s.notice_no IN (0, o.notice_no)
        AND (s.component_path = '' OR c.path = s.component_path OR starts_with(c.path, s.component_path || '/'))
        AND NOT EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id)))
  OR EXISTS (
    SELECT FROM outbound_retry r
    JOIN outbound_audience a ON a.notice_no = r.notice_no AND a.round_no = r.round_no AND a.seq = r.seq
    JOIN roster_component c ON c.id = a.component_no
    JOIN roster_entry e ON e.person_no = a.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
    WHERE r.notice_no = %(notice_no)s AND r.round_no = %(round_no)s AND r.lease_until IS NULL AND r.not_before <= %(now)s
      AND NOT e.time_zone = ANY(%(quiet_zones)s::text[])
      AND NOT EXISTS (
        SELECT FROM control_stop s
        WHERE s.lane = 'bulk' AND s.notice_no IN (0, r.notice_no)
          AND (s.component_path = '' OR c.path = s.component_path OR starts_with(c.path, s.component_path || '/'))
          AND NOT EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id)))

-- name: batch_zones
-- The time zones that open batches of a round are in. Index: outbound_batch_to_do.
SELECT DISTINCT time_zone FROM outbound_batch
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND state = 'open'

-- name: zones
-- The time zones that open batches and copies to be tried again are in. Index: outbound_batch_to_do, primary keys.
SELECT DISTINCT time_zone FROM outbound_batch
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND state = 'open'
UNION
SELECT DISTINCT e.time_zone FROM outbound_retry r
JOIN outbound_audience a ON a.notice_no = r.notice_no AND a.round_no = r.round_no AND a.seq = r.seq
JOIN roster_entry e ON e.person_no = a.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
WHERE r.notice_no = %(notice_no)s AND r.round_no = %(round_no)s

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
