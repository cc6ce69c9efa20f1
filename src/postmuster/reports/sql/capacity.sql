-- What was measured here, for the estimate before a release.

-- name: addressed_by_zone
-- People whom an audience addresses, by time zone. Reads the roster once.
SELECT e.time_zone, count(*) FROM roster_entry e
WHERE e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
  AND e.status NOT IN ('separated', 'no_mail_access')
  AND e.component_no = ANY(%(components)s::bigint[]) AND e.employment_class = ANY(%(classes)s::text[])
  AND (%(languages)s::text[] IS NULL OR e.language = ANY(%(languages)s::text[]))
  AND (%(statuses)s::text[] IS NULL OR e.status = ANY(%(statuses)s::text[]))
  AND (%(time_zones)s::text[] IS NULL OR e.time_zone = ANY(%(time_zones)s::text[]))
GROUP BY e.time_zone ORDER BY e.time_zone

-- name: sent
-- Copies in batches that ended within a minute of the one before, and the time between them: pauses are no work.
-- Reads the newest entries of the ledger. Index: primary key.
SELECT coalesce(sum(rows), 0), coalesce(sum(extract(epoch FROM at - before)), 0)::float8 FROM (
  SELECT at, (facts ->> 'rows')::bigint AS rows, lag(at) OVER (ORDER BY id) AS before
  FROM (SELECT * FROM ledger_entry ORDER BY id DESC LIMIT %(entries)s) AS newest WHERE kind = 'batch sent') AS batches
WHERE at - before < interval '1 minute'

-- name: sizes
-- Octets of the book of deliveries and how many people are in it; octets of what came in and how many mails (as last analysed).
SELECT (SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
          AND relname IN ('outbound_audience', 'outbound_delivery', 'outbound_history', 'outbound_batch', 'outbound_counter',
                          'outbound_retry'))::bigint,
       (SELECT coalesce(sum(audience), 0) FROM notices_round)::bigint,
       (SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
          AND relname IN ('inbound_mail', 'vault_item', 'replies_reply', 'replies_seen', 'replies_answer', 'replies_case'))::bigint,
       (SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'inbound_mail'::regclass)::bigint

-- name: taken_in
-- The most mails that were taken in within one minute of the last thirty days.
SELECT coalesce(max(mails), 0) FROM (
  SELECT count(*) AS mails FROM inbound_mail WHERE accepted_at > %(since)s GROUP BY date_trunc('minute', accepted_at)) AS minutes
