-- What is fetched from mailboxes. All under the intake role, which may add mail and nothing else.

-- name: note_taken
-- Of these mails the ones that were never taken from a mailbox before; from now on they were.
INSERT INTO inbound_taken (digest) SELECT d FROM unnest(%(digests)s::bytea[]) AS t(d)
ON CONFLICT DO NOTHING RETURNING digest

-- name: mailboxes
SELECT place, kind, uid_validity, last_uid, to_mark, taken, left_out, waiting, oldest_at, looked_at, trouble, trouble_since
FROM inbound_mailbox WHERE place = ANY(%(places)s)

-- name: save_mailbox
-- One process looks at a mailbox at a time, so the row is written whole.
INSERT INTO inbound_mailbox AS m (place, kind, uid_validity, last_uid, to_mark, taken, left_out, waiting, oldest_at, looked_at,
                                  trouble, trouble_since)
VALUES (%(place)s, %(kind)s, %(uid_validity)s, %(last_uid)s, %(to_mark)s::jsonb, %(taken)s, %(left_out)s, %(waiting)s,
        %(oldest_at)s, %(looked_at)s, %(trouble)s, %(trouble_since)s)
ON CONFLICT (place) DO UPDATE SET
  uid_validity = excluded.uid_validity, last_uid = excluded.last_uid, to_mark = excluded.to_mark, taken = excluded.taken,
  left_out = excluded.left_out, waiting = excluded.waiting, oldest_at = excluded.oldest_at, looked_at = excluded.looked_at,
  trouble = excluded.trouble, trouble_since = excluded.trouble_since
