-- Whom a further round does not write to, found inside the database: no list of people ever leaves it. What is written first
-- stays: the caller asks for the strongest reason first. Each statement reads the earlier rounds of one notice once.

-- name: forget_spared
-- Those of earlier rounds: their audiences are written down. Index: primary key.
DELETE FROM outbound_spared WHERE notice_no = %(notice_no)s AND round_no < %(round_no)s

-- name: spare_proven
-- People whom an earlier round is proven to have reached. Index: primary keys of delivery and audience.
INSERT INTO outbound_spared (notice_no, round_no, person_no, reason)
SELECT DISTINCT %(notice_no)s, %(round_no)s, a.person_no, 'proven'
FROM outbound_delivery d
JOIN outbound_audience a ON a.notice_no = d.notice_no AND a.round_no = d.round_no AND a.seq = d.seq
WHERE d.notice_no = %(notice_no)s AND d.round_no < %(round_no)s AND d.state = 'delivered'
ON CONFLICT DO NOTHING

-- name: spare_unknown
-- People whose mailbox does not exist, unless the roster has another address for them since. Index: as above,
-- roster_entry_person_since, notices_round_once.
INSERT INTO outbound_spared (notice_no, round_no, person_no, reason)
SELECT DISTINCT %(notice_no)s, %(round_no)s, a.person_no, 'unknown_user'
FROM outbound_delivery d
JOIN outbound_audience a ON a.notice_no = d.notice_no AND a.round_no = d.round_no AND a.seq = d.seq
JOIN notices_round r ON r.notice_id = d.notice_no AND r.number = d.round_no
JOIN roster_entry tried ON tried.person_no = a.person_no
  AND tried.since <= r.roster_version AND (tried.until IS NULL OR tried.until > r.roster_version)
JOIN roster_entry e ON e.person_no = a.person_no AND e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
WHERE d.notice_no = %(notice_no)s AND d.round_no < %(round_no)s AND d.state = 'failed' AND d.reason = 'unknown_user'
  AND e.address_key = tried.address_key
ON CONFLICT DO NOTHING

-- name: spare_excused
-- People whom the last round they were in withheld for a reason of its own (excused, a directive): it goes on. What the roster
-- or a round says is found anew each time. Index: as above.
INSERT INTO outbound_spared (notice_no, round_no, person_no, reason)
SELECT %(notice_no)s, %(round_no)s, person_no, reason FROM (
  SELECT DISTINCT ON (a.person_no) a.person_no, d.state, d.reason
  FROM outbound_audience a
  LEFT JOIN outbound_delivery d ON d.notice_no = a.notice_no AND d.round_no = a.round_no AND d.seq = a.seq
  WHERE a.notice_no = %(notice_no)s AND a.round_no < %(round_no)s
  ORDER BY a.person_no, a.round_no DESC) AS last
WHERE state = 'withheld' AND NOT reason = ANY(%(found_anew)s::text[])
ON CONFLICT DO NOTHING

-- name: spare_paused
-- People of components that a standing stop of the bulk lane covers. A stop for everyone spares nobody: it holds the round.
-- Index: roster_entry_component.
INSERT INTO outbound_spared (notice_no, round_no, person_no, reason)
SELECT %(notice_no)s, %(round_no)s, e.person_no, 'paused'
FROM roster_entry e JOIN roster_component c ON c.id = e.component_no
WHERE e.since <= %(version)s AND (e.until IS NULL OR e.until > %(version)s)
  AND EXISTS (
    SELECT FROM control_stop s
    WHERE s.lane = 'bulk' AND s.notice_no IN (0, %(notice_no)s) AND s.component_path <> ''
      AND (c.path = s.component_path OR starts_with(c.path, s.component_path || '/'))
      AND NOT EXISTS (SELECT FROM control_lift l WHERE l.stop_id = s.id))
ON CONFLICT DO NOTHING
