-- name: in_copy
-- Of the reports that stand, how many had whom in copy, by component. Index: replies_reply_notice, then the answers' on reply.
SELECT c.path, r.manager_in_copy, count(*)
FROM replies_reply r JOIN replies_answer a ON a.reply_id = r.id JOIN roster_component c ON c.id = r.component_no
WHERE r.notice_no = %(notice_no)s AND r.kind = 'reply' AND r.manager_in_copy <> '' AND a.state = 'counted'
GROUP BY c.path, r.manager_in_copy ORDER BY c.path
