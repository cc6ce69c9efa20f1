-- name: add_letters
-- Letters whose text is already sealed. Numbers are drawn before, because a letter's Message-ID holds its number.
INSERT INTO outbound_letter (id, kind, notice_no, person_no, officer_no, reply_no, item_no, state, status, attempts,
                             written_at, not_before, since, fence)
SELECT i, k, n, p, o, r, t, 'waiting', '', 0, %(now)s, %(now)s, %(now)s, 0
FROM unnest(%(ids)s::bigint[], %(kinds)s::text[], %(notices)s::int[], %(persons)s::bigint[], %(officers)s::bigint[],
            %(replies)s::bigint[], %(items)s::bigint[]) AS u(i, k, n, p, o, r, t)

-- name: draw_letters
SELECT nextval('outbound_letter_id_seq') FROM generate_series(1, %(count)s)

-- name: receipted
-- Which of these people had a receipt since then. Index: outbound_letter_person.
SELECT DISTINCT person_no, notice_no FROM outbound_letter
WHERE person_no = ANY(%(persons)s::bigint[]) AND kind = 'receipt' AND written_at > %(since)s

-- name: written_lately
-- How many letters of a kind these people were written since then. Index: outbound_letter_person.
SELECT person_no, count(*) FROM outbound_letter
WHERE person_no = ANY(%(persons)s::bigint[]) AND kind = %(kind)s AND written_at > %(since)s GROUP BY person_no

-- name: claim_letters
-- Letters whose time has come, unless the letters lane is stopped. Index: outbound_letter_waiting.
UPDATE outbound_letter t
SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s), fence = t.fence + 1, attempts = t.attempts + 1
WHERE t.id IN (
  SELECT id FROM outbound_letter o
  WHERE o.state = 'waiting' AND o.lease_until IS NULL AND o.not_before <= %(now)s
    AND NOT EXISTS (
      SELECT FROM control_stop s
      WHERE s.lane = 'letters' AND s.notice_no IN (0, o.notice_no) AND s.component_path = ''
        AND NOT EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id))
  ORDER BY o.not_before, o.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING t.id, t.item_no, t.fence, t.attempts, t.written_at, t.person_no

-- name: record_letters
UPDATE outbound_letter t
SET state = u.state, status = u.status, reply_code = u.code, since = %(now)s, lease_until = NULL, not_before = u.not_before
FROM unnest(%(ids)s::bigint[], %(fences)s::int[], %(states)s::text[], %(statuses)s::text[], %(codes)s::int[],
            %(not_befores)s::timestamptz[]) AS u(id, fence, state, status, code, not_before)
WHERE t.id = u.id AND t.fence = u.fence

-- name: close_letters
-- Nobody will send them: their text cannot be opened any more, or their address is somebody else's by now (5.1.6).
UPDATE outbound_letter SET state = 'failed', status = %(status)s, lease_until = NULL, since = %(now)s
WHERE id = ANY(%(ids)s::bigint[])
