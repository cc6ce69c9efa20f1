-- Cases: the queue, claims, and what a decision does to the answers of a person. Who is asked for is never a list of people.

-- name: cases_of
-- Cases in the order they were opened. Each condition may be left out. Index: primary key, replies_case_queue,
-- replies_case_by_reason, replies_case_by_component.
SELECT c.id, c.reason, c.state, c.opened_at, r.notice_no, r.id, r.kind, r.matched_by, r.grade, r.late, c.component_no, c.decision,
       c.claimed_by, c.claimed_until, c.proposed_by, c.decided_at, c.decided_by, r.reason, r.item_no, r.person_no, r.round_no,
       r.accepted_at, r.seq
FROM replies_case c JOIN replies_reply r ON r.id = c.reply_id
WHERE (%(case_no)s::bigint IS NULL OR c.id = %(case_no)s)
  AND (%(state)s = '' OR c.state = %(state)s)
  AND (%(reason)s = '' OR c.reason = %(reason)s)
  AND (%(notice_no)s::int IS NULL OR r.notice_no = %(notice_no)s)
  AND (%(components)s::int[] IS NULL OR c.component_no = ANY(%(components)s::int[]))
ORDER BY c.id LIMIT %(limit)s

-- name: claim_case
-- Claim one case that is free, or one's own still. The one who proposed a decision cannot be its second reader.
UPDATE replies_case
SET claimed_by = %(officer_no)s, claimed_until = %(until)s
WHERE id = %(case_no)s AND state IN ('open', 'proposed') AND proposed_by IS DISTINCT FROM %(officer_no)s
  AND (claimed_until IS NULL OR claimed_until <= %(now)s OR claimed_by = %(officer_no)s)
RETURNING id

-- name: claim_next
-- Claim the oldest case that is free; two officers who ask at once get two cases.
-- Index: replies_case_queue, replies_case_by_reason, replies_case_by_component.
UPDATE replies_case
SET claimed_by = %(officer_no)s, claimed_until = %(until)s
WHERE id = (
  SELECT id FROM replies_case
  WHERE state IN ('open', 'proposed') AND proposed_by IS DISTINCT FROM %(officer_no)s
    AND (claimed_until IS NULL OR claimed_until <= %(now)s)
    AND (%(reason)s = '' OR reason = %(reason)s)
    AND (%(components)s::int[] IS NULL OR component_no = ANY(%(components)s::int[]))
  ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id

-- name: free_case
UPDATE replies_case SET claimed_by = NULL, claimed_until = NULL
WHERE id = %(case_no)s AND state IN ('open', 'proposed') AND claimed_by = %(officer_no)s
RETURNING id

-- name: lock_case
SELECT id FROM replies_case WHERE id = %(case_no)s FOR UPDATE

-- name: reply_of_case
SELECT r.id, r.mail_no, r.notice_no, r.person_no, r.component_no, r.accepted_at, r.round_no, r.seq, r.grade, r.reason
FROM replies_case c JOIN replies_reply r ON r.id = c.reply_id WHERE c.id = %(case_no)s

-- name: is_held
-- Whether a reply carries a marking, as it was read or as a look found: its text is shown to nobody. Index: replies_case_reply_id.
SELECT EXISTS (SELECT FROM replies_reply WHERE id = %(reply_no)s AND reason = 'marked')
    OR EXISTS (SELECT FROM replies_case WHERE reply_id = %(reply_no)s AND reason = 'marked')

-- name: answer_read
-- What was read of a reply and is before a person. Index: replies_answer_once.
SELECT id, state, type, choice FROM replies_answer WHERE reply_id = %(reply_no)s AND decided_in IS NULL

-- name: standing
-- The answer of a person to a notice that stands, and the mail it came in. Index: replies_answer_stands_once.
SELECT a.id, a.type, a.state, r.mail_no FROM replies_answer a JOIN replies_reply r ON r.id = a.reply_id
WHERE a.notice_no = %(notice_no)s AND a.person_no = %(person_no)s AND a.state IN ('counted', 'needs_confirmation')

-- name: next_standing
-- The newest answer that a later one replaced, or that a decision took back: it stands when nothing later does.
-- Index: replies_reply_person, replies_answer_once.
SELECT a.id, a.type, a.state FROM replies_reply r JOIN replies_answer a ON a.reply_id = r.id
WHERE r.person_no = %(person_no)s AND a.notice_no = %(notice_no)s AND a.person_no = %(person_no)s
  AND (a.state = 'superseded' OR (a.state = 'withdrawn' AND a.id = ANY(%(moved)s::bigint[])))
ORDER BY r.mail_no DESC, a.id DESC LIMIT 1

-- name: move_answer
-- Index: primary key.
UPDATE replies_answer SET state = %(after)s WHERE id = %(answer_no)s AND state = %(before)s RETURNING id

-- name: draw_step
SELECT nextval('replies_case_step_id_seq')

-- name: decided_answer
-- The answer that a step of a case made. Index: replies_answer_once.
SELECT id, state, type FROM replies_answer WHERE reply_id = %(reply_no)s AND decided_in = %(step_no)s

-- name: last_step
-- The newest step of a kind. Index: replies_case_step_case.
SELECT id, officer_no, decision, answer, choice, items, moves FROM replies_case_step
WHERE case_id = %(case_no)s AND kind = %(kind)s ORDER BY id DESC LIMIT 1

-- name: history
-- All that was done with a case, looks among it, in order. Index: replies_case_step_case, replies_look_case.
SELECT at, kind, officer_no, decision, answer, choice, items, because FROM (
  SELECT at, kind, officer_no, decision, answer, choice, items, because, id FROM replies_case_step WHERE case_id = %(case_no)s
  UNION ALL
  SELECT at, 'looked_at', officer_no, '', '', '', 0, because, id FROM replies_look WHERE case_id = %(case_no)s) AS done
ORDER BY at, id

-- name: looks_at
-- Who looked at what a person wrote, newest first. Index: replies_look_person.
SELECT at, officer_no, case_id, reply_id, because FROM replies_look WHERE person_no = %(person_no)s ORDER BY id DESC LIMIT %(limit)s
