-- One person's record, and lists of deliveries that something is known against. Nothing here lists who did not answer (P6).

-- name: person
-- The newest entry of a person, also of one who has left. Index: roster_person_id, roster_entry_person_since.
SELECT p.id, p.person_id, c.path, e.employment_class, e.status
FROM roster_person p
JOIN roster_entry e ON e.person_no = p.id
JOIN roster_component c ON c.id = e.component_no
WHERE p.person_id = %(person_id)s
ORDER BY e.since DESC LIMIT 1

-- name: person_deliveries
-- Everything a person was in the audience of, newest first. Index: outbound_audience_once, primary key of delivery.
SELECT a.notice_no, a.round_no, coalesce(d.state, 'pending'), d.since
FROM outbound_audience a
LEFT JOIN outbound_delivery d ON d.notice_no = a.notice_no AND d.round_no = a.round_no AND d.seq = a.seq
WHERE a.person_no = %(person_no)s
ORDER BY a.notice_no DESC, a.round_no DESC

-- name: person_answers
-- For each notice the answer that stands, else the newest one; not what an officer read otherwise, or took back.
-- Index: replies_reply_person.
SELECT DISTINCT ON (w.notice_no) w.notice_no, w.type, w.choice, w.state
FROM replies_answer w JOIN replies_reply r ON r.id = w.reply_id
WHERE r.person_no = %(person_no)s AND w.person_no = %(person_no)s AND w.state NOT IN ('replaced', 'undone')
ORDER BY w.notice_no, w.state IN ('counted', 'needs_confirmation') DESC, w.accepted_at DESC, w.id DESC

-- name: person_letters
-- Index: outbound_letter_person.
SELECT notice_no, kind FROM outbound_letter WHERE person_no = %(person_no)s ORDER BY id

-- name: deliveries
-- A page of deliveries in the states asked for, in order of sequence. Whom a further round spared is not among them: in its
-- scope, all others are those who did not answer. Index: primary keys of delivery and audience.
SELECT d.seq, p.person_id, c.path, d.state, d.since, d.status, d.reason
FROM outbound_delivery d
JOIN outbound_audience a ON a.notice_no = d.notice_no AND a.round_no = d.round_no AND a.seq = d.seq
JOIN roster_person p ON p.id = a.person_no
JOIN roster_component c ON c.id = a.component_no
WHERE d.notice_no = %(notice_no)s AND d.round_no = %(round_no)s AND d.seq > %(after_seq)s
  AND d.state = ANY(%(states)s::text[]) AND NOT (d.state = 'withheld' AND d.reason = ANY(%(unlisted)s::text[]))
ORDER BY d.seq LIMIT %(limit)s
