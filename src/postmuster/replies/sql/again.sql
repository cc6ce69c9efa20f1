-- What people wrote, as a further round of a notice has to know it. No list of people leaves the database.

-- name: newest_mail
-- The newest mail taken in, 0 before the first. Index: primary key.
SELECT coalesce(max(id), 0) FROM inbound_mail

-- name: is_unread
-- Whether a mail up to this one waits to be read, or is being read. What was put off for longer than any lease is not: it is
-- for a notice that takes no replies now. Index: inbound_mail_waiting.
SELECT EXISTS (
  SELECT FROM inbound_mail WHERE state = 'waiting' AND id <= %(mail_no)s
    AND (lease_until IS NULL OR lease_until <= clock_timestamp() + make_interval(secs => %(lease_s)s)))

-- name: spare_answered
-- People who answered the notice in any of its rounds; and those whose reply a person still has to decide on. Whoever only
-- asked a question, or wrote nothing that could be an answer, is asked again once that was decided. What others wrote in
-- somebody's name, and the same mail again, is no answer, unless a person decided that it is; nor is an automatic mail.
-- Index: replies_reply_notice, replies_answer_once.
INSERT INTO outbound_spared (notice_no, round_no, person_no, reason)
SELECT %(notice_no)s, %(round_no)s, person_no, min(why) FROM (
  SELECT r.person_no,
         CASE WHEN coalesce(w.type, '') NOT IN ('question', 'none')
                AND (coalesce(w.type, ''), coalesce(w.state, '')) <> ('unclear', 'no_answer')
                AND coalesce(w.state, '') <> 'undone' THEN 'answered'
              WHEN EXISTS (SELECT FROM replies_case c WHERE c.reply_id = r.id AND c.state IN ('open', 'proposed')) THEN 'with_person'
         END AS why
  FROM replies_reply r LEFT JOIN replies_answer w ON w.reply_id = r.id
  WHERE r.notice_no = %(notice_no)s AND r.kind = 'reply' AND r.person_no IS NOT NULL
    AND (r.reason NOT IN ('other_author', 'repeated') OR w.state IN ('counted', 'needs_confirmation'))) AS wrote
WHERE why IS NOT NULL
GROUP BY person_no
ON CONFLICT DO NOTHING

-- name: spare_replied
-- People who wrote anything themselves: the notice is proven to have reached them. Index: replies_reply_notice.
INSERT INTO outbound_spared (notice_no, round_no, person_no, reason)
SELECT DISTINCT %(notice_no)s, %(round_no)s, person_no, 'replied'
FROM replies_reply
WHERE notice_no = %(notice_no)s AND kind = 'reply' AND person_no IS NOT NULL AND reason NOT IN ('other_author', 'repeated')
ON CONFLICT DO NOTHING
