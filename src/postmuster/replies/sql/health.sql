-- What replies say of a round's health, and of whom nobody should write to any more. Read often, so each has its own index.

-- name: unwelcome
-- People of a round who complained, and who said that the mail is not meant for them; each counts once.
-- Index: replies_reply_notice, replies_answer_not_mine.
SELECT (SELECT count(DISTINCT r.seq) FROM replies_reply r
        WHERE r.notice_no = %(notice_no)s AND r.kind = 'complaint' AND r.round_no = %(round_no)s),
       (SELECT count(DISTINCT w.person_no) FROM replies_answer w JOIN replies_reply r ON r.id = w.reply_id
        WHERE w.notice_no = %(notice_no)s AND w.type = 'not_mine' AND r.round_no = %(round_no)s)

-- name: suppress_by_replies
-- People who complained, and people of whom an officer confirmed that they are not of the organisation. Once a reply: a lift is
-- final for it. What lies before a lift does not count again. Returns the reasons.
-- Index: replies_reply_complaint, replies_case_not_ours, outbound_suppression_reply, outbound_suppression_person.
WITH given AS (
  SELECT r.id, r.notice_no, r.round_no, r.seq, r.person_no, 'complaint' AS reason, r.digested_at AS at FROM replies_reply r
  WHERE r.kind = 'complaint' AND r.digested_at <= %(until)s AND r.person_no IS NOT NULL
  UNION ALL
  SELECT r.id, r.notice_no, r.round_no, r.seq, r.person_no, 'not_in_organisation', c.decided_at
  FROM replies_case c JOIN replies_reply r ON r.id = c.reply_id
  WHERE c.reason = 'not_mine' AND c.decision = 'not-ours' AND c.decided_at <= %(until)s AND r.person_no IS NOT NULL
), addressed AS (
  SELECT g.*, sha256(convert_to(g.person_no || ' ' || e.address_key, 'UTF8')) AS digest FROM given g
  JOIN notices_round n ON n.notice_id = g.notice_no AND n.number = g.round_no
  JOIN roster_entry e ON e.person_no = g.person_no
    AND e.since <= n.roster_version AND (e.until IS NULL OR e.until > n.roster_version)
  WHERE NOT EXISTS (SELECT FROM outbound_suppression s WHERE s.reply_no = g.id)
), fresh AS (
  SELECT DISTINCT ON (person_no, digest, reason) * FROM addressed a
  WHERE NOT EXISTS (
    SELECT FROM outbound_suppression s LEFT JOIN outbound_suppression_lift l ON l.suppression_id = s.id
    WHERE s.person_no = a.person_no AND s.address_digest = a.digest AND s.reason = a.reason
      AND (l.id IS NULL OR l.lifted_at >= a.at))
  ORDER BY person_no, digest, reason, at, id
)
INSERT INTO outbound_suppression (person_no, address_digest, reason, notice_no, round_no, seq, reply_no, status, at)
SELECT person_no, digest, reason, notice_no, round_no, seq, id, '', %(now)s FROM fresh ORDER BY id
ON CONFLICT DO NOTHING
RETURNING reason
