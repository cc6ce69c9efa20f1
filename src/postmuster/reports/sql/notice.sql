-- The figures of one round of one notice. All of them are read in one snapshot, so that they add up while mail goes out.
-- At a million people each statement that reads deliveries or the audience reads its partition of the table once; there is no index
-- on state, because it would cost more than the mail.

-- name: components
-- People of each component by state; a component without any delivery yet has one row with state NULL.
-- Index: primary key of audience, outbound_counter_round.
WITH audience AS (
  SELECT component_no, count(*) AS people FROM outbound_audience
  WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s GROUP BY component_no
), counted AS (
  SELECT component_no, state, sum(delta) AS people FROM outbound_counter
  WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s
  GROUP BY component_no, state HAVING sum(delta) <> 0
)
SELECT c.path, coalesce(a.people, 0), n.state, n.people::bigint
FROM audience a FULL JOIN counted n USING (component_no)
LEFT JOIN roster_component c ON c.id = component_no
ORDER BY c.path, n.state

-- name: totals
-- The audience as a whole, and its states: all that a live view needs. Index: primary key of audience, outbound_counter_round.
SELECT NULL, count(*) FROM outbound_audience WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s
UNION ALL
SELECT state, sum(delta) FROM outbound_counter
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s GROUP BY state

-- name: classes
-- People by the employment class that the round's roster version has of them, and state.
SELECT coalesce(e.employment_class, ''), coalesce(d.state, 'pending'), count(*)
FROM outbound_audience a
LEFT JOIN roster_entry e
  ON e.person_no = a.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
LEFT JOIN outbound_delivery d ON d.notice_no = a.notice_no AND d.round_no = a.round_no AND d.seq = a.seq
WHERE a.notice_no = %(notice_no)s AND a.round_no = %(round_no)s
GROUP BY 1, 2

-- name: reasons
-- Why deliveries are in doubt, failed or withheld, and since when the oldest is.
SELECT state, reason, status, count(*), min(since) FROM outbound_delivery
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND state IN ('in_doubt', 'failed', 'withheld')
GROUP BY state, reason, status

-- name: replies_span
-- When the first and the last mail came back. Index: replies_reply_notice.
SELECT min(accepted_at), max(accepted_at) FROM replies_reply
WHERE notice_no = %(notice_no)s AND (round_no = %(round_no)s OR round_no IS NULL)

-- name: replies
-- Mail that came back by time and kind; bins are counted from 2000-01-01 UTC. Index: replies_reply_notice.
SELECT date_bin(%(width)s::interval, accepted_at, timestamptz '2000-01-01 00:00:00+00'), kind, count(*) FROM replies_reply
WHERE notice_no = %(notice_no)s AND (round_no = %(round_no)s OR round_no IS NULL)
GROUP BY 1, 2 ORDER BY 1, 2

-- name: answers
-- Answers of the people of this round: those that stand by type and choice, the people whose election waits for their
-- confirmation, and the people with nothing but an answer that waits for a person to decide.
-- Reads the answers once. Index: outbound_audience_once.
WITH given AS (
  SELECT w.person_no, w.type, w.choice, w.state FROM replies_answer w
  JOIN outbound_audience a
    ON a.person_no = w.person_no AND a.notice_no = w.notice_no AND a.round_no = %(round_no)s
  WHERE w.notice_no = %(notice_no)s AND w.state IN ('counted', 'needs_confirmation', 'with_person')
)
SELECT 'counted', type, CASE type WHEN 'election' THEN choice ELSE '' END, count(*) FROM given WHERE state = 'counted' GROUP BY 1, 2, 3
UNION ALL
SELECT 'needs_confirmation', '', '', count(*) FROM given WHERE state = 'needs_confirmation'
UNION ALL
SELECT 'with_person', '', '', count(DISTINCT g.person_no) FROM given g
WHERE g.state = 'with_person'
  AND NOT EXISTS (SELECT FROM given s WHERE s.person_no = g.person_no AND s.state <> 'with_person')

-- name: cases
-- Cases of a notice that wait for a person, by reason. Index: replies_case_by_reason.
SELECT c.reason, count(*) FROM replies_case c JOIN replies_reply r ON r.id = c.reply_id
WHERE c.state IN ('open', 'proposed') AND r.notice_no = %(notice_no)s GROUP BY c.reason

-- name: letters
-- Letters of a notice by kind, whatever became of them.
SELECT kind, count(*) FROM outbound_letter WHERE notice_no = %(notice_no)s GROUP BY kind

-- name: officers
SELECT id, handle FROM access_officer WHERE id = ANY(%(officers)s::bigint[])

-- name: last_taken
-- When the relay last took a copy of senders that began before a stop; those that began after it work under its generation or
-- a later one. Index: outbound_halt_notice.
SELECT max(last_taken_at) FROM outbound_halt
WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s AND generation < %(generation)s

-- name: stop_acts
-- What the ledger has of a stop: under which generation it was set, what the relay then said. It has no index but its key,
-- so that only the newest entries are looked at: who asks how fast a stop was asks soon.
SELECT kind, facts FROM (SELECT id, kind, facts FROM ledger_entry ORDER BY id DESC LIMIT 20000) AS newest
WHERE kind IN ('stop set', 'relay held') AND (facts ->> 'stop')::bigint = %(stop_no)s
ORDER BY id DESC
