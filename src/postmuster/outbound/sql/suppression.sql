-- Whom nobody writes to any more, at which address, and why. Rows are only added: a lift is another row, and a suppression
-- ends by itself when the roster gives the person another address. The digest is of person and address, so that no table but
-- the roster holds an address: sha256(person_no || ' ' || address_key).

-- name: read_mark
-- Up to when failures were looked at, and how many seconds ago somebody last did.
SELECT until, extract(epoch FROM clock_timestamp() - looked_at)::float8 FROM outbound_suppression_mark WHERE id = 1

-- name: move_mark
INSERT INTO outbound_suppression_mark (id, until, looked_at) VALUES (1, %(until)s, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET until = excluded.until, looked_at = excluded.looked_at

-- name: rounds_with_failures
-- Rounds in which something failed in this span. Index: outbound_history_failed, once a round.
SELECT r.notice_id, r.number, r.roster_version FROM notices_round r
WHERE EXISTS (SELECT FROM outbound_history h WHERE h.notice_no = r.notice_id AND h.round_no = r.number AND h.state = 'failed'
                AND h.at > %(after)s AND h.at <= %(until)s)
ORDER BY r.id

-- name: suppress_by_failures
-- People whose copy failed for good in this span, for a reason that says something of the address, and did not arrive after
-- all. Nobody for a failure in a domain with a mass bounce, as long as that stands and for what came before it was closed.
-- Once a delivery: a lift is final for it, and what lies before a lift does not count again. Returns the reasons.
-- Index: outbound_history_failed, primary keys of delivery and audience, roster_entry_person_since, outbound_incident_round,
-- outbound_suppression_person.
WITH failed AS (
  SELECT DISTINCT ON (h.notice_no, h.round_no, h.seq)
         h.notice_no, h.round_no, h.seq, h.at, a.person_no, lower(e.domain) AS domain, d.status,
         sha256(convert_to(a.person_no || ' ' || e.address_key, 'UTF8')) AS digest,
         CASE WHEN d.status = ANY(%(reassigned)s::text[]) THEN 'reassigned'
              WHEN d.reason = ANY(%(reasons)s::text[]) THEN d.reason END AS reason
  FROM notices_round r
  JOIN outbound_history h ON h.notice_no = r.notice_id AND h.round_no = r.number AND h.state = 'failed'
    AND h.at > %(after)s AND h.at <= %(until)s
  JOIN outbound_delivery d ON d.notice_no = h.notice_no AND d.round_no = h.round_no AND d.seq = h.seq AND d.state = 'failed'
  JOIN outbound_audience a ON a.notice_no = h.notice_no AND a.round_no = h.round_no AND a.seq = h.seq
  JOIN roster_entry e ON e.person_no = a.person_no
    AND e.since <= r.roster_version AND (e.until IS NULL OR e.until > r.roster_version)
  WHERE d.status = '' OR left(d.status, 1) = '5'
  ORDER BY h.notice_no, h.round_no, h.seq, h.at DESC
), fresh AS (
  SELECT DISTINCT ON (person_no, digest, reason) * FROM failed f
  WHERE reason IS NOT NULL
    AND NOT EXISTS (
      SELECT FROM outbound_incident i LEFT JOIN control_lift l ON l.stop_id = i.stop_no
      WHERE i.notice_no = f.notice_no AND i.round_no = f.round_no AND i.domain = f.domain
        AND (l.id IS NULL OR f.at <= l.lifted_at))
    AND NOT EXISTS (
      SELECT FROM outbound_suppression s LEFT JOIN outbound_suppression_lift l ON l.suppression_id = s.id
      WHERE s.person_no = f.person_no AND s.address_digest = f.digest AND s.reason = f.reason
        AND (l.id IS NULL OR l.lifted_at >= f.at))
  ORDER BY person_no, digest, reason, at
)
INSERT INTO outbound_suppression (person_no, address_digest, reason, notice_no, round_no, seq, reply_no, status, at)
SELECT person_no, digest, reason, notice_no, round_no, seq, NULL, status, %(now)s FROM fresh
ORDER BY notice_no, round_no, seq
ON CONFLICT DO NOTHING
RETURNING reason

-- name: lift_for_incident
-- A mass bounce makes what failed in its domain doubtful: who was suppressed for it before it was seen is written to again.
-- Index: outbound_suppression_delivery.
INSERT INTO outbound_suppression_lift (suppression_id, reason, lifted_by, lifted_at)
SELECT s.id, %(reason)s, 'worker', %(now)s FROM outbound_suppression s
JOIN roster_entry e ON e.person_no = s.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
WHERE s.notice_no = %(notice_no)s AND s.round_no = %(round_no)s AND s.reply_no IS NULL AND lower(e.domain) = %(domain)s
  AND NOT EXISTS (SELECT FROM outbound_suppression_lift l WHERE l.suppression_id = s.id)

-- name: spare_suppressed
-- Everybody whose address of this version is suppressed is withheld from the round. Reads the suppressions once, whatever the
-- audience. Index: roster_entry_person_since, outbound_suppression_lift's unique suppression.
INSERT INTO outbound_spared (notice_no, round_no, person_no, reason)
SELECT DISTINCT %(notice_no)s::int, %(round_no)s::smallint, s.person_no, 'suppressed' FROM outbound_suppression s
JOIN roster_entry e ON e.person_no = s.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
WHERE s.address_digest = sha256(convert_to(s.person_no || ' ' || e.address_key, 'UTF8'))
  AND NOT EXISTS (SELECT FROM outbound_suppression_lift l WHERE l.suppression_id = s.id)
ON CONFLICT DO NOTHING

-- name: never_again
-- Who of these people has today an address that belongs to somebody else by now. Index: outbound_suppression_person.
SELECT DISTINCT s.person_no FROM outbound_suppression s
JOIN roster_entry e ON e.person_no = s.person_no AND e.until IS NULL
WHERE s.person_no = ANY(%(persons)s::bigint[]) AND s.reason = 'reassigned'
  AND s.address_digest = sha256(convert_to(s.person_no || ' ' || e.address_key, 'UTF8'))
  AND NOT EXISTS (SELECT FROM outbound_suppression_lift l WHERE l.suppression_id = s.id)

-- name: given_away
-- Which address, by its digest, of which of these people is reassigned, whatever the roster says today.
-- Index: outbound_suppression_person.
SELECT s.person_no, s.address_digest FROM outbound_suppression s
WHERE s.person_no = ANY(%(persons)s::bigint[]) AND s.reason = 'reassigned'
  AND NOT EXISTS (SELECT FROM outbound_suppression_lift l WHERE l.suppression_id = s.id)

-- name: suppressions
-- Suppressions with their end, of one person or of all, newest first: `standing`, `lifted`, or `ended` by another address.
-- Index: outbound_suppression_person, roster_entry_person_now.
SELECT s.id, p.person_id, s.reason, s.notice_no, s.round_no, s.seq, s.reply_no, s.status, s.at,
       CASE WHEN l.id IS NOT NULL THEN 'lifted' WHEN e.person_no IS NULL THEN 'ended' ELSE 'standing' END AS state,
       l.lifted_by, l.lifted_at, l.reason
FROM outbound_suppression s
JOIN roster_person p ON p.id = s.person_no
LEFT JOIN outbound_suppression_lift l ON l.suppression_id = s.id
LEFT JOIN roster_entry e ON e.person_no = s.person_no AND e.until IS NULL
  AND s.address_digest = sha256(convert_to(s.person_no || ' ' || e.address_key, 'UTF8'))
WHERE (%(person_no)s::bigint IS NULL OR s.person_no = %(person_no)s)
  AND (%(reason)s = '' OR s.reason = %(reason)s)
  AND (NOT %(standing)s OR (l.id IS NULL AND e.person_no IS NOT NULL))
ORDER BY s.id DESC LIMIT %(limit)s

-- name: standing_by_reason
-- How many suppressions stand. Reads the suppressions once.
SELECT s.reason, count(*) FROM outbound_suppression s
JOIN roster_entry e ON e.person_no = s.person_no AND e.until IS NULL
WHERE s.address_digest = sha256(convert_to(s.person_no || ' ' || e.address_key, 'UTF8'))
  AND NOT EXISTS (SELECT FROM outbound_suppression_lift l WHERE l.suppression_id = s.id)
GROUP BY s.reason
