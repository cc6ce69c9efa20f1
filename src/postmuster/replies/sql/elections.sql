-- Elections follow the answers they stand on. No list of those who have not confirmed leaves the database: counts only.

-- name: overtaken
-- Elections of these people whose answer no longer stands, because they answered again, took it back, or an officer decided so.
-- What was exported is beyond that. Index: replies_election_stands_once.
SELECT e.id, a.state FROM replies_election e
JOIN unnest(%(notices)s::int[], %(persons)s::bigint[]) AS t(n, p) ON e.notice_no = t.n AND e.person_no = t.p
JOIN replies_answer a ON a.id = e.answer_id
WHERE e.state IN ('needs_confirmation', 'waits_for_page', 'not_eligible', 'under_review', 'escalated', 'recorded')
  AND a.state NOT IN ('counted', 'needs_confirmation')
ORDER BY e.id

-- name: unopened
-- Choices of these people that stand and have no election yet. Index: replies_answer_stands_once, replies_election_stands_once.
SELECT a.id, r.id, r.notice_no, r.round_no, r.seq, a.person_no, a.component_no, a.choice, r.grade, r.accepted_at
FROM replies_answer a
JOIN unnest(%(notices)s::int[], %(persons)s::bigint[]) AS t(n, p) ON a.notice_no = t.n AND a.person_no = t.p
JOIN replies_reply r ON r.id = a.reply_id
WHERE a.type = 'election' AND a.state = 'needs_confirmation'
  AND NOT EXISTS (
    SELECT FROM replies_election e
    WHERE e.notice_no = a.notice_no AND e.person_no = a.person_no
      AND e.state IN ('needs_confirmation', 'waits_for_page', 'not_eligible', 'under_review', 'escalated', 'recorded', 'exported'))
ORDER BY r.mail_no

-- name: newest
-- The newest election of each of these people, and how many began since then. Index: replies_election_person.
SELECT DISTINCT ON (e.notice_no, e.person_no) e.id,
       count(*) FILTER (WHERE e.read_at > %(since)s) OVER (PARTITION BY e.notice_no, e.person_no)
FROM replies_election e
JOIN unnest(%(notices)s::int[], %(persons)s::bigint[]) AS t(n, p) ON e.notice_no = t.n AND e.person_no = t.p
ORDER BY e.notice_no, e.person_no, e.id DESC

-- name: draw_elections
SELECT nextval('replies_election_id_seq') FROM generate_series(1, %(count)s)

-- name: due
-- Whose time is over. A choice does not lapse while a mail that was accepted in time, and may confirm it, is still unread.
-- Index: replies_election_code, replies_election_review, inbound_mail_waiting.
(SELECT e.id FROM replies_election e
 WHERE e.state = 'needs_confirmation' AND e.code_until < %(now)s
   AND NOT EXISTS (SELECT FROM inbound_mail m WHERE m.state = 'waiting' AND m.accepted_at <= e.code_until)
 ORDER BY e.code_until LIMIT %(limit)s)
UNION ALL
(SELECT e.id FROM replies_election e WHERE e.state = 'under_review' AND e.review_until < %(now)s
 ORDER BY e.review_until LIMIT %(limit)s)

-- name: ready
-- Recorded choices that could no longer be taken back at that moment, but for those whose person may have done so in time or has
-- written something that an officer still has to decide on. Index: replies_election_state, inbound_mail_waiting, replies_reply_person.
SELECT e.id FROM replies_election e
WHERE e.notice_no = %(notice_no)s AND e.state = 'recorded' AND e.withdraw_until < %(at)s
  AND NOT EXISTS (SELECT FROM inbound_mail m WHERE m.state = 'waiting' AND m.accepted_at <= e.withdraw_until)
  AND NOT EXISTS (
    SELECT FROM replies_reply r JOIN replies_case c ON c.reply_id = r.id
    WHERE r.person_no = e.person_no AND r.notice_no = e.notice_no AND c.state IN ('open', 'proposed'))
ORDER BY e.id

-- name: settle_answer
UPDATE replies_answer SET state = %(state)s
WHERE id = %(answer_no)s AND state IN ('counted', 'needs_confirmation') AND state <> %(state)s

-- name: figures
-- Elections by state, and those below grade A by why they wait. Index: replies_election_state.
SELECT state, reason, count(*) FROM replies_election
WHERE %(notice_no)s::int IS NULL OR notice_no = %(notice_no)s
GROUP BY state, reason ORDER BY state, reason

-- name: by_choice
SELECT choice, state, count(*) FROM replies_election WHERE notice_no = %(notice_no)s
GROUP BY choice, state ORDER BY choice, state

-- name: person_ids
-- The roster's own numbers of people, for those who decide on them or carry out what was decided. Index: primary key.
SELECT id, person_id FROM roster_person WHERE id = ANY(%(persons)s::bigint[])
