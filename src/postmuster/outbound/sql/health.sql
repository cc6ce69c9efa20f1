-- How a round does while it is sent: what the ramp, the limits and the check of domains decide by. Read once a second, so
-- what reads failures is asked only when their number has changed.

-- name: watched_states
-- People by state, but the pending. Index: outbound_counter_round.
SELECT state, sum(delta)::int FROM outbound_counter
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s GROUP BY state HAVING sum(delta) <> 0

-- name: lock_watch
SELECT pg_advisory_xact_lock(%(lock)s)

-- name: newest_lift
-- The newest lift of an automatic hold of the notice, 0 when there was none. Index: control_lift's unique stop.
SELECT coalesce(max(l.id), 0) FROM control_stop s JOIN control_lift l ON l.stop_id = s.id
WHERE s.notice_no = %(notice_no)s AND s.cause = 'hold' AND s.kind = ANY(%(kinds)s::text[])

-- name: is_count_old
-- By the server's clock. Index: primary key.
SELECT counted_at < clock_timestamp() - make_interval(secs => %(seconds)s) FROM outbound_watch
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s

-- name: wave_progress
-- Batches of the open waves that are not done, and the first later wave that has any. People of a component that somebody
-- paused do not hold up the waves of all others. Index: outbound_batch_to_do.
SELECT count(*) FILTER (WHERE o.wave <= %(open_wave)s AND NOT EXISTS (
         SELECT FROM control_stop s
         WHERE s.lane = 'bulk' AND s.notice_no IN (0, o.notice_no) AND s.component_path <> ''
           AND (c.path = s.component_path OR starts_with(c.path, s.component_path || '/'))
           AND NOT EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id))),
       min(o.wave) FILTER (WHERE o.wave > %(open_wave)s)
FROM outbound_batch o JOIN roster_component c ON c.id = o.component_no
WHERE o.notice_no = %(notice_no)s AND o.round_no = %(round_no)s AND o.state <> 'done'

-- name: failures_by_domain
-- Copies that failed and did not arrive after all, by receiving domain: for good, and given up after being put off. The class
-- follows the status; where there is none, only a copy that was given up is not permanent.
-- Index: outbound_history_failed, primary keys of delivery and audience, roster_entry_person_since.
SELECT lower(e.domain),
       count(*) FILTER (WHERE CASE d.status WHEN '' THEN d.reason <> 'expired' ELSE left(d.status, 1) <> '4' END)::int,
       count(*) FILTER (WHERE CASE d.status WHEN '' THEN d.reason = 'expired' ELSE left(d.status, 1) = '4' END)::int
FROM (SELECT DISTINCT seq FROM outbound_history
      WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND state = 'failed') AS f
JOIN outbound_delivery d ON d.notice_no = %(notice_no)s AND d.round_no = %(round_no)s AND d.seq = f.seq AND d.state = 'failed'
JOIN outbound_audience a ON a.notice_no = d.notice_no AND a.round_no = d.round_no AND a.seq = d.seq
JOIN roster_entry e ON e.person_no = a.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
GROUP BY 1

-- name: handed_to_domain
-- Copies handed over to a domain, as far as they matter: it stops counting where failures are a small enough share of them.
-- Index: primary keys of delivery and audience, roster_entry_person_since.
SELECT count(*) FROM (
  SELECT FROM outbound_delivery d
  JOIN outbound_audience a ON a.notice_no = d.notice_no AND a.round_no = d.round_no AND a.seq = d.seq
  JOIN roster_entry e ON e.person_no = a.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
  WHERE d.notice_no = %(notice_no)s AND d.round_no = %(round_no)s AND d.state <> 'withheld' AND lower(e.domain) = %(domain)s
  LIMIT %(enough)s) AS handed

-- name: incidents_of_round
-- Index: outbound_incident_round.
SELECT i.id, i.domain, l.lifted_at IS NULL FROM outbound_incident i LEFT JOIN control_lift l ON l.stop_id = i.stop_no
WHERE i.notice_no = %(notice_no)s AND i.round_no = %(round_no)s ORDER BY i.id

-- name: domains_watched
-- Index: primary key.
SELECT domain, handed, accepted_incident, accepted_failed FROM outbound_domain_watch
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s

-- name: watch_domain
INSERT INTO outbound_domain_watch (notice_no, round_no, domain, handed, accepted_incident, accepted_failed)
VALUES (%(notice_no)s, %(round_no)s, %(domain)s, %(handed)s, %(accepted_incident)s, %(accepted_failed)s)
ON CONFLICT (notice_no, round_no, domain) DO UPDATE
  SET handed = excluded.handed, accepted_incident = excluded.accepted_incident, accepted_failed = excluded.accepted_failed

-- name: incidents
-- Mass bounces, newest first, with who closed them: whoever lifted their hold.
SELECT i.id, i.notice_no, i.round_no, i.domain, i.failed, i.handed, i.stop_no, i.opened_at, l.lifted_by, l.lifted_at, l.reason
FROM outbound_incident i LEFT JOIN control_lift l ON l.stop_id = i.stop_no
WHERE %(notice_no)s = 0 OR i.notice_no = %(notice_no)s
ORDER BY i.id DESC LIMIT %(limit)s

-- name: read_watch
-- What upkeep last saw, and how long ago it last looked. Index: primary key.
SELECT states::text, changed_at, extract(epoch FROM clock_timestamp() - looked_at)::float8, done_at FROM outbound_watch
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s

-- name: what_waits
-- What of a round is being sent, could be sent, is quiet, is of a paused component, is of a later wave; and the retries: due,
-- and when the next is. Index: outbound_batch_to_do; primary key of retry.
WITH batches AS (
  SELECT o.state, o.wave, o.time_zone, EXISTS (
           SELECT FROM control_stop s
           WHERE s.lane = 'bulk' AND s.notice_no IN (0, o.notice_no) AND s.component_path <> ''
             AND (c.path = s.component_path OR starts_with(c.path, s.component_path || '/'))
             AND NOT EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id)) AS is_paused
  FROM outbound_batch o JOIN roster_component c ON c.id = o.component_no
  WHERE o.notice_no = %(notice_no)s AND o.round_no = %(round_no)s AND o.state <> 'done'
)
SELECT count(*) FILTER (WHERE state = 'claimed'),
       count(*) FILTER (WHERE state = 'open' AND wave <= %(open_wave)s AND NOT is_paused
                          AND NOT time_zone = ANY(%(quiet_zones)s::text[])),
       count(*) FILTER (WHERE state = 'open' AND wave <= %(open_wave)s AND NOT is_paused
                          AND time_zone = ANY(%(quiet_zones)s::text[])),
       count(*) FILTER (WHERE state = 'open' AND wave <= %(open_wave)s AND is_paused),
       count(*) FILTER (WHERE wave > %(open_wave)s),
       (SELECT count(*) FROM outbound_retry r WHERE r.notice_no = %(notice_no)s AND r.round_no = %(round_no)s
          AND (r.lease_until IS NOT NULL OR r.not_before <= %(now)s)),
       (SELECT min(r.not_before) FROM outbound_retry r WHERE r.notice_no = %(notice_no)s AND r.round_no = %(round_no)s)
FROM batches
