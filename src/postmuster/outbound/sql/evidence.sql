-- What later mail proves about deliveries.

-- name: settle_by_evidence
-- Reports and replies settle deliveries: (notice, round, seq, state, reason, status). Only arrows that the states allow.
-- Index: primary key of delivery.
WITH given AS (
  SELECT DISTINCT ON (notice_no, round_no, seq) * FROM unnest(
    %(notices)s::int[], %(rounds)s::int[], %(seqs)s::int[], %(states)s::text[], %(reasons)s::text[], %(statuses)s::text[])
    AS t(notice_no, round_no, seq, state, reason, status)
  ORDER BY notice_no, round_no, seq, CASE state WHEN 'delivered' THEN 0 WHEN 'failed' THEN 1 ELSE 2 END
), before AS (
  SELECT d.notice_no, d.round_no, d.seq, d.component_no, d.state AS was, g.state, g.reason, g.status
  FROM outbound_delivery d JOIN given g USING (notice_no, round_no, seq)
  WHERE (g.state = 'delivered' AND d.state IN ('relayed', 'deferred', 'in_doubt', 'failed'))
     OR (g.state = 'failed' AND d.state IN ('relayed', 'deferred', 'in_doubt'))
     OR (g.state = 'deferred' AND d.state IN ('relayed', 'in_doubt'))
  ORDER BY d.notice_no, d.round_no, d.seq FOR UPDATE OF d
), changed AS (
  UPDATE outbound_delivery d
  SET state = b.state, reason = b.reason, status = b.status, since = %(now)s
  FROM before b WHERE d.notice_no = b.notice_no AND d.round_no = b.round_no AND d.seq = b.seq
), history AS (
  INSERT INTO outbound_history (notice_no, round_no, seq, before, state, reason, status, at)
  SELECT notice_no, round_no, seq, was, state, reason, status, %(now)s FROM before
), retries AS (
  DELETE FROM outbound_retry r USING before b
  WHERE r.notice_no = b.notice_no AND r.round_no = b.round_no AND r.seq = b.seq AND b.state <> 'deferred'
), counters AS (
  INSERT INTO outbound_counter (notice_no, round_no, component_no, state, delta)
  SELECT notice_no, round_no, component_no, state, sum(delta) FROM (
    SELECT notice_no, round_no, component_no, state, 1 AS delta FROM before
    UNION ALL SELECT notice_no, round_no, component_no, was, -1 FROM before) AS changes
  GROUP BY notice_no, round_no, component_no, state HAVING sum(delta) <> 0
)
SELECT count(*) FROM before

-- name: doubt_pending
-- Copies that are heard of and have no row yet are in doubt from now on. Index: primary keys of audience and delivery.
WITH given AS (
  SELECT DISTINCT notice_no, round_no, seq FROM unnest(%(notices)s::int[], %(rounds)s::int[], %(seqs)s::int[])
    AS t(notice_no, round_no, seq)
), written AS (
  INSERT INTO outbound_delivery (notice_no, round_no, seq, component_no, state, reason, status, reply_code, since)
  SELECT a.notice_no, a.round_no, a.seq, a.component_no, 'in_doubt', 'heard of', '', NULL, %(now)s
  FROM outbound_audience a JOIN given USING (notice_no, round_no, seq)
  LEFT JOIN outbound_delivery d ON d.notice_no = a.notice_no AND d.round_no = a.round_no AND d.seq = a.seq
  WHERE d.seq IS NULL ORDER BY a.notice_no, a.round_no, a.seq
  ON CONFLICT (notice_no, round_no, seq) DO NOTHING
  RETURNING notice_no, round_no, seq, component_no
), history AS (
  INSERT INTO outbound_history (notice_no, round_no, seq, before, state, reason, status, at)
  SELECT notice_no, round_no, seq, 'pending', 'in_doubt', 'heard of', '', %(now)s FROM written
)
INSERT INTO outbound_counter (notice_no, round_no, component_no, state, delta)
SELECT notice_no, round_no, component_no, 'in_doubt', count(*) FROM written GROUP BY notice_no, round_no, component_no

-- name: recipients_of
-- Whom deliveries were for. Index: primary key of audience.
SELECT a.notice_no, a.round_no, a.seq, a.person_no, a.component_no FROM outbound_audience a
JOIN unnest(%(notices)s::int[], %(rounds)s::int[], %(seqs)s::int[]) AS t(notice_no, round_no, seq)
  ON a.notice_no = t.notice_no AND a.round_no = t.round_no AND a.seq = t.seq

-- name: deliveries_to
-- The latest round's delivery of a notice to a person. Index: outbound_audience_once.
SELECT DISTINCT ON (a.notice_no, a.person_no) a.notice_no, a.round_no, a.seq, a.person_no, a.component_no
FROM outbound_audience a
WHERE a.person_no = ANY(%(persons)s::bigint[]) AND a.notice_no = ANY(%(notices)s::int[])
ORDER BY a.notice_no, a.person_no, a.round_no DESC
