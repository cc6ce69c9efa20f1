-- Writing down who a round is for. A page is a run of people ordered by component, so that a batch belongs to one component.

-- name: last_expanded
-- The last person written down, with the highest sequence. Index: primary key.
SELECT a.seq, a.component_no, a.person_no FROM outbound_audience a
WHERE a.notice_no = %(notice_no)s AND a.round_no = %(round_no)s
ORDER BY a.seq DESC LIMIT 1

-- name: expand_page
-- One page: the audience, the withheld among them with their reason, the counters and the batches. Returns rows, withheld.
-- Index: roster_entry_component (component_no, person_no).
WITH page AS (
  SELECT e.person_no, e.component_no, c.path,
         row_number() OVER (ORDER BY e.component_no, e.person_no) + %(last_seq)s AS seq,
         CASE WHEN e.status = 'separated' THEN 'separated'
              WHEN e.status = 'no_mail_access' THEN 'no_mail_access'
              WHEN NOT EXISTS (
                SELECT FROM unnest(%(components)s::text[]) AS named
                WHERE c.path = named OR (%(subtree)s AND starts_with(c.path, named || '/'))) THEN 'component'
              WHEN NOT e.employment_class = ANY(%(classes)s::text[]) THEN 'employment_class'
              WHEN NOT (%(languages)s::text[] IS NULL OR e.language = ANY(%(languages)s::text[])) THEN 'language'
              WHEN NOT (%(statuses)s::text[] IS NULL OR e.status = ANY(%(statuses)s::text[])) THEN 'status'
              WHEN NOT (%(time_zones)s::text[] IS NULL OR e.time_zone = ANY(%(time_zones)s::text[])) THEN 'time_zone'
         END AS exclusion
  FROM roster_entry e JOIN roster_component c ON c.id = e.component_no
  WHERE e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
    AND (e.component_no, e.person_no) > (%(last_component)s, %(last_person)s)
  ORDER BY e.component_no, e.person_no
  LIMIT %(limit)s
), audience AS (
  INSERT INTO outbound_audience (notice_no, round_no, seq, person_no, component_no)
  SELECT %(notice_no)s, %(round_no)s, seq, person_no, component_no FROM page
), withheld AS (
  INSERT INTO outbound_delivery (notice_no, round_no, seq, component_no, state, reason, status, reply_code, since)
  SELECT %(notice_no)s, %(round_no)s, seq, component_no, 'withheld', exclusion, '', NULL, %(now)s
  FROM page WHERE exclusion IS NOT NULL
), counters AS (
  INSERT INTO outbound_counter (notice_no, round_no, component_no, state, delta)
  SELECT %(notice_no)s, %(round_no)s, component_no, 'withheld', count(*)
  FROM page WHERE exclusion IS NOT NULL GROUP BY component_no
), batches AS (
  INSERT INTO outbound_batch (notice_no, round_no, component_no, first_seq, last_seq, handed_seq, state, fence, generation)
  SELECT %(notice_no)s, %(round_no)s, component_no, min(seq), max(seq), min(seq) - 1, 'open', 0, 0
  FROM (SELECT component_no, seq, (row_number() OVER (PARTITION BY component_no ORDER BY seq) - 1) / %(batch_rows)s AS part
        FROM page WHERE exclusion IS NULL) AS addressed
  GROUP BY component_no, part ORDER BY min(seq)
)
SELECT count(*), count(exclusion) FROM page
