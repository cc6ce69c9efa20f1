-- Writing down who a round is for. A page is a run of people ordered by component and time zone, so that a batch belongs to
-- one component, one zone and one wave: stops, quiet hours and the ramp hold whole batches, and cost nothing at the claim.

-- name: last_expanded
-- The last person written down, with the highest sequence. Index: primary key.
SELECT a.seq, a.component_no, e.time_zone, a.person_no FROM outbound_audience a
JOIN roster_entry e ON e.person_no = a.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
WHERE a.notice_no = %(notice_no)s AND a.round_no = %(round_no)s
ORDER BY a.seq DESC LIMIT 1

-- name: expand_page
-- One page: the audience, the withheld among them with their reason, the counters and the batches. Returns rows, withheld.
-- Of the addressed in one component and zone the first share is wave 0, the next wave 1; `shares` are cumulative percentages.
-- Index: roster_entry_component (component_no, time_zone, person_no).
WITH page AS (
  SELECT e.person_no, e.component_no, e.time_zone, c.path,
         row_number() OVER (ORDER BY e.component_no, e.time_zone, e.person_no) + %(last_seq)s AS seq,
         CASE WHEN e.status = 'separated' THEN 'separated'
              WHEN e.status = 'no_mail_access' THEN 'no_mail_access'
              WHEN NOT EXISTS (
                SELECT FROM unnest(%(components)s::text[]) AS named
                WHERE c.path = named OR (%(subtree)s AND starts_with(c.path, named || '/'))) THEN 'component'
              WHEN NOT e.employment_class = ANY(%(classes)s::text[]) THEN 'employment_class'
              WHEN NOT (%(languages)s::text[] IS NULL OR e.language = ANY(%(languages)s::text[])) THEN 'language'
              WHEN NOT (%(statuses)s::text[] IS NULL OR e.status = ANY(%(statuses)s::text[])) THEN 'status'
              WHEN NOT (%(time_zones)s::text[] IS NULL OR e.time_zone = ANY(%(time_zones)s::text[])) THEN 'time_zone'
              WHEN s.reason IS NOT NULL THEN s.reason
         END AS exclusion
  FROM roster_entry e JOIN roster_component c ON c.id = e.component_no
  LEFT JOIN outbound_spared s ON s.notice_no = %(notice_no)s AND s.round_no = %(round_no)s AND s.person_no = e.person_no
  WHERE e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
    AND (e.component_no, e.time_zone, e.person_no) > (%(last_component)s, %(last_zone)s, %(last_person)s)
  ORDER BY e.component_no, e.time_zone, e.person_no
  LIMIT %(limit)s
), audience AS (
  INSERT INTO outbound_audience (notice_no, round_no, seq, person_no, component_no)
  SELECT %(notice_no)s, %(round_no)s, seq, person_no, component_no FROM page ORDER BY seq
), withheld AS (
  INSERT INTO outbound_delivery (notice_no, round_no, seq, component_no, state, reason, status, reply_code, since)
  SELECT %(notice_no)s, %(round_no)s, seq, component_no, 'withheld', exclusion, '', NULL, %(now)s
  FROM page WHERE exclusion IS NOT NULL ORDER BY seq
), counters AS (
  INSERT INTO outbound_counter (notice_no, round_no, component_no, state, delta)
  SELECT %(notice_no)s, %(round_no)s, component_no, 'withheld', count(*)
  FROM page WHERE exclusion IS NOT NULL GROUP BY component_no
), addressed AS (
  SELECT seq, component_no, CASE WHEN %(by_zone)s THEN time_zone ELSE '' END AS zone FROM page WHERE exclusion IS NULL
), placed AS (
  SELECT seq, component_no, zone, row_number() OVER (PARTITION BY component_no, zone ORDER BY seq) AS place,
         count(*) OVER (PARTITION BY component_no, zone) AS people
  FROM addressed
), waves AS (
  SELECT seq, component_no, zone,
         (SELECT count(*) FROM unnest(%(shares)s::float8[]) AS share WHERE place > ceil(people * share / 100)) AS wave
  FROM placed
), batches AS (
  INSERT INTO outbound_batch (notice_no, round_no, component_no, time_zone, wave, first_seq, last_seq, handed_seq, state,
                              fence, generation)
  SELECT %(notice_no)s, %(round_no)s, component_no, zone, wave, min(seq), max(seq), min(seq) - 1, 'open', 0, 0
  FROM (SELECT component_no, zone, wave, seq,
               (row_number() OVER (PARTITION BY component_no, zone, wave ORDER BY seq) - 1) / %(batch_rows)s AS part
        FROM waves) AS parts
  GROUP BY component_no, zone, wave, part ORDER BY min(seq)
)
SELECT count(*), count(exclusion) FROM page
