-- name: mark_seen
-- Digests of mails; those returned are there for the first time. Given in order of digest, so that two loops cannot block each other.
INSERT INTO replies_seen (digest, mail_no)
SELECT d, m FROM unnest(%(digests)s::bytea[], %(mails)s::bigint[]) AS t(d, m)
ON CONFLICT (digest) DO NOTHING
RETURNING digest, mail_no

-- name: lock_people
-- One digest loop at a time writes answers and receipts of a person and notice.
SELECT pg_advisory_xact_lock(n, p::int) FROM (
  SELECT DISTINCT n, p FROM unnest(%(notices)s::int[], %(persons)s::bigint[]) AS t(n, p) ORDER BY n, p) AS pairs

-- name: draw_replies
SELECT nextval('replies_reply_id_seq') FROM generate_series(1, %(count)s)

-- name: add_replies
INSERT INTO replies_reply (id, mail_no, item_no, kind, subkind, notice_no, round_no, seq, person_no, component_no, matched_by,
                           reason, grade, language, late, accepted_at, manager_in_copy, digested_at)
SELECT *, %(now)s FROM unnest(
  %(ids)s::bigint[], %(mails)s::bigint[], %(items)s::bigint[], %(kinds)s::text[], %(subkinds)s::text[], %(notices)s::int[],
  %(rounds)s::smallint[], %(seqs)s::int[], %(persons)s::bigint[], %(components)s::int[], %(matched)s::text[],
  %(reasons)s::text[], %(grades)s::text[], %(languages)s::text[], %(lates)s::bool[], %(accepted)s::timestamptz[],
  %(in_copy)s::text[])

-- name: standing_mails
-- The mail of the answer that stands, by notice and person. Index: replies_answer_stands_once.
SELECT a.notice_no, a.person_no, r.mail_no FROM replies_answer a JOIN replies_reply r ON r.id = a.reply_id
JOIN unnest(%(notices)s::int[], %(persons)s::bigint[]) AS t(n, p) ON a.notice_no = t.n AND a.person_no = t.p
WHERE a.state IN ('counted', 'needs_confirmation')

-- name: supersede
-- Later answers of the same person: an election that is taken back is withdrawn, everything else superseded.
UPDATE replies_answer a
SET state = CASE WHEN a.type = 'election' AND t.w THEN 'withdrawn' ELSE 'superseded' END
FROM unnest(%(notices)s::int[], %(persons)s::bigint[], %(withdraws)s::bool[]) AS t(n, p, w)
WHERE a.notice_no = t.n AND a.person_no = t.p AND a.state IN ('counted', 'needs_confirmation')

-- name: add_answers
INSERT INTO replies_answer (reply_id, notice_no, person_no, component_no, type, choice, items, confidence, reasons, state, accepted_at)
SELECT * FROM unnest(
  %(replies)s::bigint[], %(notices)s::int[], %(persons)s::bigint[], %(components)s::int[], %(types)s::text[], %(choices)s::text[],
  %(items)s::smallint[], %(confidences)s::float8[], %(reasons)s::jsonb[], %(states)s::text[], %(accepted)s::timestamptz[])

-- name: add_cases
-- A case belongs to the component of the delivery that its reply is about. Index: primary key of reply.
INSERT INTO replies_case (reply_id, component_no, reason, state, opened_at, decided_by, decision)
SELECT t.r, p.component_no, t.w, 'open', %(now)s, '', ''
FROM unnest(%(replies)s::bigint[], %(reasons)s::text[]) AS t(r, w) JOIN replies_reply p ON p.id = t.r ORDER BY t.r, t.w
