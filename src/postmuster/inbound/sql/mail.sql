-- name: add_mail
-- The row is the job. The intake role may only insert.
INSERT INTO inbound_mail (item_no, accepted_at, octets, state, attempts, fence)
SELECT i, %(now)s, o, 'waiting', 0, 0 FROM unnest(%(items)s::bigint[], %(octets)s::int[]) AS t(i, o)

-- name: claim_mail
-- The oldest waiting mails that nobody has a lease on. Index: inbound_mail_waiting.
UPDATE inbound_mail m
SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s), fence = m.fence + 1,
    attempts = least(m.attempts + 1, 1000)
WHERE m.id IN (
  SELECT id FROM inbound_mail
  WHERE state = 'waiting' AND (lease_until IS NULL OR lease_until < clock_timestamp())
  ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING m.id, m.item_no, m.accepted_at, m.octets, m.fence, m.attempts

-- name: finish_mail
-- Only under the fence of the claim; returns the mails that were still ours.
UPDATE inbound_mail m SET state = t.state, lease_until = NULL
FROM unnest(%(mails)s::bigint[], %(fences)s::int[], %(states)s::text[]) AS t(id, fence, state)
WHERE m.id = t.id AND m.fence = t.fence AND m.state = 'waiting'
RETURNING m.id

-- name: let_go
-- A batch that could not be recorded is free again at once, its tries counted.
UPDATE inbound_mail m SET lease_until = NULL
FROM unnest(%(mails)s::bigint[], %(fences)s::int[]) AS t(id, fence)
WHERE m.id = t.id AND m.fence = t.fence AND m.state = 'waiting'

-- name: put_off
-- A mail that must not be read now waits, and is looked at again later; the look does not count as a try.
UPDATE inbound_mail m
SET lease_until = clock_timestamp() + make_interval(secs => %(wait_s)s), attempts = greatest(m.attempts - 1, 0)
FROM unnest(%(mails)s::bigint[], %(fences)s::int[]) AS t(id, fence)
WHERE m.id = t.id AND m.fence = t.fence AND m.state = 'waiting'

-- name: has_waiting
SELECT EXISTS (SELECT FROM inbound_mail WHERE state = 'waiting' AND (lease_until IS NULL OR lease_until < clock_timestamp()))

-- name: waiting
SELECT count(*) FROM inbound_mail WHERE state = 'waiting'
