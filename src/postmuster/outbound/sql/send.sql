-- Claiming, handing over and writing down outcomes. Leases use the server's own clock, business times are handed in.

-- name: claim_batch
-- The next open batch of an open wave, in no zone where it is quiet now, whose component no standing stop of the bulk lane
-- covers; one that was claimed before and given back comes after those that were not, so that a copy the relay cannot bear
-- holds up nobody else. Index: outbound_batch_to_do.
UPDATE outbound_batch b
SET state = 'claimed', fence = b.fence + 1, lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s), generation = g.number
FROM control_generation g, roster_component p
WHERE p.id = b.component_no AND b.id = (
  SELECT o.id FROM outbound_batch o JOIN roster_component c ON c.id = o.component_no
  WHERE o.notice_no = %(notice_no)s AND o.round_no = %(round_no)s AND o.state = 'open'
    AND o.wave <= %(open_wave)s AND NOT o.time_zone = ANY(%(quiet_zones)s::text[])
    AND NOT EXISTS (
      SELECT FROM control_stop s
      WHERE s.lane = 'bulk' AND s.notice_no IN (0, o.notice_no)
        AND (s.component_path = '' OR c.path = s.component_path OR starts_with(c.path, s.component_path || '/'))
        AND NOT EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id))
  ORDER BY o.wave, o.fence, o.id LIMIT 1 FOR UPDATE OF o SKIP LOCKED)
RETURNING b.id, b.component_no, b.first_seq, b.last_seq, b.fence, b.generation, p.path

-- name: load_batch
-- Who in the batch has no outcome yet. NOT IN with the batch's own range is hashed whatever the planner knows: before the
-- first ANALYZE of a round, NOT EXISTS read all its deliveries once a person (594 ms a batch at 20,000 people, 3 ms now).
-- Index: primary keys of audience and delivery, roster_entry_person_since.
SELECT a.seq, a.person_no, e.local_part, e.domain, e.name, e.time_zone, e.language
FROM outbound_audience a
JOIN roster_entry e ON e.person_no = a.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
WHERE a.notice_no = %(notice_no)s AND a.round_no = %(round_no)s AND a.seq BETWEEN %(first_seq)s AND %(last_seq)s
  AND a.seq NOT IN (SELECT d.seq FROM outbound_delivery d
                    WHERE d.notice_no = %(notice_no)s AND d.round_no = %(round_no)s
                      AND d.seq BETWEEN %(first_seq)s AND %(last_seq)s)
ORDER BY a.seq

-- name: advance
-- One step of a sender, in one commit: write down what the relay took of the windows before, and let the next one go: move
-- the mark, renew the lease, and that only if nothing changed about what may happen. `through_seq` is NULL when there is no
-- next one. A row that somebody else wrote meanwhile makes all of it fail; then `record_outcomes` looks at each. (Asking for
-- conflicts in the insert, and counting what it returned, took 6.5 us of CPU a row; this takes 3.5.)
-- Returns how many batches were moved: none means stop and look.
WITH written AS (
  INSERT INTO outbound_delivery (notice_no, round_no, seq, component_no, state, reason, status, reply_code, since)
  SELECT %(notice_no)s::int, %(round_no)s::smallint, seq, %(component_no)s::int, 'relayed', '', %(status)s::text,
         %(reply_code)s::smallint, %(now)s::timestamptz
  FROM unnest(%(seqs)s::int[]) AS taken(seq)
), counters AS (
  INSERT INTO outbound_counter (notice_no, round_no, component_no, state, delta)
  SELECT %(notice_no)s::int, %(round_no)s::smallint, %(component_no)s::int, 'relayed', cardinality(%(seqs)s::int[])
  WHERE cardinality(%(seqs)s::int[]) > 0
), handed AS (
  UPDATE outbound_batch b
  SET handed_seq = %(through_seq)s::int, lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
  FROM control_generation g
  WHERE %(through_seq)s::int IS NOT NULL
    AND b.id = %(batch_no)s AND b.fence = %(fence)s AND b.state = 'claimed' AND b.generation = g.number
  RETURNING b.id
)
SELECT count(*) FROM handed

-- name: release_batch
-- Give a batch back. Everything in it without outcome is known to be pending.
UPDATE outbound_batch SET state = 'open', handed_seq = first_seq - 1, lease_until = NULL
WHERE id = %(batch_no)s AND fence = %(fence)s AND state = 'claimed'

-- name: finish_batch
UPDATE outbound_batch SET state = 'done', lease_until = NULL
WHERE id = %(batch_no)s AND fence = %(fence)s AND state = 'claimed'

-- name: record_outcomes
-- The outcomes of one window. A row that is already there is only changed when it was in doubt or deferred: evidence settles it.
-- The join makes each row's state before be read, and locked, ahead of its change: counters need both. A row that another
-- transaction added since this statement began was not read so, and is left alone: run it again for what it does not return.
-- Returns the sequences written. Index: primary key of delivery.
WITH given AS (
  SELECT * FROM unnest(%(seqs)s::int[], %(components)s::int[], %(states)s::text[], %(reasons)s::text[], %(statuses)s::text[],
                       %(codes)s::int[]) AS t(seq, component_no, state, reason, status, code)
), before AS (
  SELECT d.seq, d.component_no, d.state FROM outbound_delivery d JOIN given USING (seq)
  WHERE d.notice_no = %(notice_no)s AND d.round_no = %(round_no)s
  ORDER BY d.seq FOR UPDATE OF d
), written AS (
  INSERT INTO outbound_delivery AS d (notice_no, round_no, seq, component_no, state, reason, status, reply_code, since)
  SELECT %(notice_no)s, %(round_no)s, g.seq, g.component_no, g.state, g.reason, g.status, g.code, %(now)s
  FROM given g LEFT JOIN before b USING (seq) WHERE b.state IS NULL OR b.state IN ('in_doubt', 'deferred')
  ON CONFLICT (notice_no, round_no, seq) DO UPDATE
    SET state = excluded.state, reason = excluded.reason, status = excluded.status, reply_code = excluded.reply_code,
        since = excluded.since
    WHERE EXISTS (SELECT FROM before b WHERE b.seq = d.seq)
  RETURNING d.seq, d.component_no, d.state, d.reason, d.status
), history AS (
  INSERT INTO outbound_history (notice_no, round_no, seq, before, state, reason, status, at)
  SELECT %(notice_no)s, %(round_no)s, w.seq, coalesce(b.state, 'pending'), w.state, w.reason, w.status, %(now)s
  FROM written w LEFT JOIN before b USING (seq) WHERE b.state IS NOT NULL OR w.state <> 'relayed'
), counters AS (
  INSERT INTO outbound_counter (notice_no, round_no, component_no, state, delta)
  SELECT %(notice_no)s, %(round_no)s, component_no, state, sum(delta) FROM (
    SELECT component_no, state, count(*) AS delta FROM written GROUP BY component_no, state
    UNION ALL
    SELECT b.component_no, b.state, -count(*) FROM before b JOIN written USING (seq) GROUP BY b.component_no, b.state
  ) AS changes GROUP BY component_no, state HAVING sum(delta) <> 0
)
SELECT seq FROM written

-- name: put_off
-- A copy the relay put off is tried again when its time has come; `first_at` stays, so that the tries come to an end.
INSERT INTO outbound_retry AS r (notice_no, round_no, seq, attempts, first_at, not_before, fence)
SELECT %(notice_no)s, %(round_no)s, seq, 1, %(now)s, %(not_before)s, 0 FROM unnest(%(seqs)s::int[]) AS t(seq)
ON CONFLICT (notice_no, round_no, seq) DO UPDATE
  SET attempts = r.attempts + 1, lease_until = NULL,
      not_before = %(now)s + least(make_interval(secs => %(first_retry_s)s * power(2, r.attempts)), interval '4 hours')

-- name: settle_retries
DELETE FROM outbound_retry
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND seq = ANY(%(seqs)s::int[])

-- name: claim_retries
-- Copies whose time has come and whose component is not stopped: one window, handed over by being claimed. What an answer or
-- evidence has settled since it was put here goes no more. Index: primary keys of retry, audience and delivery.
WITH due AS (
  SELECT r.notice_no, r.round_no, r.seq, d.state IN ('deferred', 'in_doubt') AS is_open FROM outbound_retry r
  JOIN outbound_delivery d ON d.notice_no = r.notice_no AND d.round_no = r.round_no AND d.seq = r.seq
  JOIN outbound_audience a ON a.notice_no = r.notice_no AND a.round_no = r.round_no AND a.seq = r.seq
  JOIN roster_component c ON c.id = a.component_no
  JOIN roster_entry e ON e.person_no = a.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
  WHERE r.notice_no = %(notice_no)s AND r.round_no = %(round_no)s AND r.not_before <= %(now)s AND r.lease_until IS NULL
    AND NOT e.time_zone = ANY(%(quiet_zones)s::text[])
    AND NOT EXISTS (
      SELECT FROM control_stop s
      WHERE s.lane = 'bulk' AND s.notice_no IN (0, r.notice_no)
        AND (s.component_path = '' OR c.path = s.component_path OR starts_with(c.path, s.component_path || '/'))
        AND NOT EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id))
  ORDER BY r.seq LIMIT %(limit)s FOR UPDATE OF r SKIP LOCKED
), claimed AS (
  UPDATE outbound_retry r SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s), fence = r.fence + 1
  FROM due WHERE r.notice_no = due.notice_no AND r.round_no = due.round_no AND r.seq = due.seq AND due.is_open
  RETURNING r.seq, r.attempts, r.first_at
), settled AS (
  DELETE FROM outbound_retry r USING due
  WHERE r.notice_no = due.notice_no AND r.round_no = due.round_no AND r.seq = due.seq AND NOT due.is_open
)
SELECT a.seq, a.person_no, e.local_part, e.domain, e.name, c.path, e.time_zone, e.language, a.component_no, k.attempts, k.first_at
FROM claimed k
JOIN outbound_audience a ON a.notice_no = %(notice_no)s AND a.round_no = %(round_no)s AND a.seq = k.seq
JOIN roster_entry e ON e.person_no = a.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
JOIN roster_component c ON c.id = a.component_no
ORDER BY a.seq

-- name: hand_back_retries
-- Claimed but certainly not handed over.
UPDATE outbound_retry SET lease_until = NULL
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND seq = ANY(%(seqs)s::int[])
